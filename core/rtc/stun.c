#include "core/rtc/stun.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>
#include <zlib.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum {
    HEADER_BYTES = 20,
    ATTRIBUTE_HEAD = 4,
    MAC_BYTES = 20,
    FINGERPRINT_BYTES = 8, /* with its head */
    USERNAME_MAX = 513,    /* RFC 8489 §14.3: less than 513 bytes of UTF-8 */

    MAPPED_ADDRESS = 0x0001,
    USERNAME = 0x0006,
    MESSAGE_INTEGRITY = 0x0008,
    ERROR_CODE = 0x0009,
    UNKNOWN_ATTRIBUTES = 0x000a,
    REALM = 0x0014,
    NONCE = 0x0015,
    MESSAGE_INTEGRITY_SHA256 = 0x001c,
    XOR_MAPPED_ADDRESS = 0x0020,
    PRIORITY = 0x0024,
    USE_CANDIDATE = 0x0025,
    OPTIONAL = 0x8000, /* from here on: ignored if not known */
    FINGERPRINT = 0x8028,
    ICE_CONTROLLING = 0x802a,

    FAMILY_IPV4 = 1,
    FAMILY_IPV6 = 2,
};

static const uint32_t COOKIE = 0x2112a442;
static const uint32_t FINGERPRINT_XOR = 0x5354554e;
static const uint8_t MAPPED_IPV4[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};

/* --- reading --- */

/* The header's fields; what is left of r are the attributes. */
static int read_header(struct stun_message *m, struct reader *r)
{
    size_t body;

    m->type = reader_u16(r);
    body = reader_u16(r);
    if (reader_u32(r) != COOKIE) return ERR_SYNTAX;
    m->transaction = reader_take(r, STUN_TRANSACTION_BYTES);
    if (r->failed || m->type >> 14 || body % 4 || body != reader_left(r))
        return ERR_SYNTAX;
    return 0;
}

struct attribute {
    unsigned type;
    const uint8_t *data;
    size_t len;
};

static bool next_attribute(struct reader *r, struct attribute *a)
{
    a->type = reader_u16(r);
    a->len = reader_u16(r);
    a->data = reader_take(r, a->len);
    reader_take(r, -a->len & 3);
    return !r->failed;
}

/* RFC 8489 §14.2: XORed with the cookie, and for IPv6 the transaction too. */
static void read_mapped(struct stun_message *m, struct reader r)
{
    unsigned family;
    size_t n;
    const uint8_t *ip;

    reader_u8(&r);
    family = reader_u8(&r);
    m->port = (uint16_t)(reader_u16(&r) ^ COOKIE >> 16);
    n = family == FAMILY_IPV4 ? 4 : 16;
    ip = reader_take(&r, n);
    if (!ip || (family != FAMILY_IPV4 && family != FAMILY_IPV6)) return;
    memcpy(m->ip, MAPPED_IPV4, sizeof MAPPED_IPV4);
    for (size_t i = 0; i < n; i++) /* the two lie in a row in the header */
        m->ip[16 - n + i] = ip[i] ^ m->data[4 + i];
    m->mapped = true;
}

static void read_attribute(struct stun_message *m, const struct attribute *a)
{
    struct reader r = reader_of(a->data, a->len);
    unsigned class;

    switch (a->type) {
    case USERNAME:
        if (m->username) return; /* of doubles the first counts (§14) */
        m->username = (const char *)a->data;
        m->username_len = a->len;
        break;
    case PRIORITY: m->priority = reader_u32(&r); break;
    case USE_CANDIDATE: m->use_candidate = true; break;
    case ICE_CONTROLLING: m->controlling = true; break;
    case XOR_MAPPED_ADDRESS: read_mapped(m, r); break;
    case ERROR_CODE:
        reader_u16(&r);
        class = reader_u8(&r) & 7;
        m->error_code = (int)(class * 100 + reader_u8(&r));
        break;
    case MAPPED_ADDRESS:
    case UNKNOWN_ATTRIBUTES:
    case REALM:
    case NONCE:
    case MESSAGE_INTEGRITY_SHA256: break;
    default:
        if (a->type < OPTIONAL && m->unknown_count < STUN_UNKNOWN_MAX)
            m->unknown[m->unknown_count++] = (uint16_t)a->type;
        break;
    }
}

static bool has_fingerprint(const struct stun_message *m,
                            const struct attribute *a)
{
    size_t before = m->len - FINGERPRINT_BYTES;
    struct reader r = reader_of(a->data, a->len);
    uint32_t crc;

    if (a->len != 4 || a->data + 4 != m->data + m->len) return false;
    crc = (uint32_t)crc32(0, m->data, (uInt)before);
    return reader_u32(&r) == (crc ^ FINGERPRINT_XOR);
}

int stun_parse(struct stun_message *out, const uint8_t *data, size_t len)
{
    struct stun_message m = {.data = data, .len = len};
    struct reader r = reader_of(data, len);

    if (len > STUN_MAX) return ERR_LIMIT;
    if (read_header(&m, &r)) return ERR_SYNTAX;
    for (int n = 0; reader_left(&r); n++) {
        struct attribute a;

        if (n == STUN_ATTRIBUTES_MAX) return ERR_LIMIT;
        if (!next_attribute(&r, &a)) return ERR_SYNTAX;
        if (a.type == FINGERPRINT) {
            if (!has_fingerprint(&m, &a)) return ERR_SYNTAX;
            *out = m;
            return 0;
        }
        if (m.integrity_at) continue; /* §14.5: not covered, ignored */
        if (a.type != MESSAGE_INTEGRITY) {
            read_attribute(&m, &a);
            continue;
        }
        if (a.len != MAC_BYTES) return ERR_SYNTAX;
        m.integrity_at = (size_t)(a.data - data) - ATTRIBUTE_HEAD;
    }
    return ERR_SYNTAX;
}

int stun_local_ufrag(const uint8_t *data, size_t len, const char **ufrag,
                     size_t *ufrag_len)
{
    struct stun_message m = {0};
    struct reader r = reader_of(data, len);
    struct attribute a;
    const uint8_t *colon;

    if (len > STUN_MAX || read_header(&m, &r)) return ERR_SYNTAX;
    for (int n = 0; n < STUN_ATTRIBUTES_MAX && next_attribute(&r, &a); n++) {
        if (a.type != USERNAME) continue;
        colon = a.len ? memchr(a.data, ':', a.len) : NULL;
        if (!colon) return ERR_SYNTAX;
        *ufrag = (const char *)a.data;
        *ufrag_len = (size_t)(colon - a.data);
        return 0;
    }
    return ERR_SYNTAX;
}

/* --- proving --- */

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/* HMAC-SHA1 of the first n bytes, their length field being as it must. */
static bool compute_mac(uint8_t mac[MAC_BYTES], const uint8_t *data, size_t n,
                        const char *pwd)
{
    size_t mac_len = 0;

    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, pwd, strlen(pwd), data, n,
                  mac, MAC_BYTES, &mac_len))
        return true;
    ERR_clear_error();
    return false;
}

/* The length counted up to and with the integrity when it was signed (RFC 8489
 * §14.5), whatever follows now. */
bool stun_is_signed_by(const struct stun_message *m, const char *pwd)
{
    uint8_t copy[STUN_MAX], mac[MAC_BYTES];
    size_t n = m->integrity_at;

    if (!n || n > sizeof copy) return false;
    memcpy(copy, m->data, n);
    put16(copy + 2, (unsigned)(n + ATTRIBUTE_HEAD + MAC_BYTES - HEADER_BYTES));
    if (!compute_mac(mac, copy, n, pwd)) return false;
    return !CRYPTO_memcmp(mac, m->data + n + ATTRIBUTE_HEAD, MAC_BYTES);
}

/* --- writing --- */

struct writer {
    uint8_t *data;
    size_t len;
};

static void put_header(struct writer *w, uint8_t *out, unsigned type,
                       const uint8_t *transaction)
{
    *w = (struct writer){out, HEADER_BYTES};
    put16(out, type);
    put16(out + 2, 0);
    put32(out + 4, COOKIE);
    memcpy(out + 8, transaction, STUN_TRANSACTION_BYTES);
}

/* Gives its value to be filled in; what pads it is zero. */
static uint8_t *put_attribute(struct writer *w, unsigned type, size_t len)
{
    uint8_t *p = w->data + w->len;

    put16(p, type);
    put16(p + 2, (unsigned)len);
    memset(p + ATTRIBUTE_HEAD + len, 0, -len & 3);
    w->len += ATTRIBUTE_HEAD + len + (-len & 3);
    put16(w->data + 2, (unsigned)(w->len - HEADER_BYTES));
    return p + ATTRIBUTE_HEAD;
}

/* Signs, adds the fingerprint; the message's length, 0 without memory. */
static size_t put_end(struct writer *w, const char *pwd)
{
    size_t signed_len = w->len;
    uint8_t *mac = put_attribute(w, MESSAGE_INTEGRITY, MAC_BYTES), *crc;
    size_t marked_len = w->len;

    if (!compute_mac(mac, w->data, signed_len, pwd)) return 0;
    crc = put_attribute(w, FINGERPRINT, 4);
    put32(crc, (uint32_t)crc32(0, w->data, (uInt)marked_len) ^ FINGERPRINT_XOR);
    return w->len;
}

size_t stun_write_success(uint8_t out[STUN_REPLY_MAX],
                          const struct stun_message *request,
                          const uint8_t ip[16], uint16_t port, const char *pwd)
{
    size_t n = memcmp(ip, MAPPED_IPV4, sizeof MAPPED_IPV4) ? 16 : 4;
    struct writer w;
    uint8_t *p;

    put_header(&w, out, STUN_SUCCESS, request->transaction);
    p = put_attribute(&w, XOR_MAPPED_ADDRESS, 4 + n);
    p[0] = 0;
    p[1] = n == 4 ? FAMILY_IPV4 : FAMILY_IPV6;
    put16(p + 2, port ^ COOKIE >> 16);
    for (size_t i = 0; i < n; i++)
        p[4 + i] = ip[16 - n + i] ^ out[4 + i];
    return put_end(&w, pwd);
}

size_t stun_write_unknown(uint8_t out[STUN_REPLY_MAX],
                          const struct stun_message *request, const char *pwd)
{
    static const char reason[] = "Unknown Attribute";
    struct writer w;
    uint8_t *p;

    put_header(&w, out, STUN_ERROR, request->transaction);
    p = put_attribute(&w, ERROR_CODE, 4 + sizeof reason - 1);
    put16(p, 0);
    p[2] = 4;
    p[3] = 20;
    memcpy(p + 4, reason, sizeof reason - 1);
    p = put_attribute(&w, UNKNOWN_ATTRIBUTES,
                      2 * (size_t)request->unknown_count);
    for (int i = 0; i < request->unknown_count; i++)
        put16(p + 2 * i, request->unknown[i]);
    return put_end(&w, pwd);
}

size_t stun_write_request(uint8_t out[STUN_REQUEST_MAX],
                          const struct stun_request *r)
{
    size_t n = strlen(r->username);
    struct writer w;
    uint8_t *p;

    if (n > USERNAME_MAX) return 0;
    put_header(&w, out, STUN_REQUEST, r->transaction);
    memcpy(put_attribute(&w, USERNAME, n), r->username, n);
    if (r->priority) put32(put_attribute(&w, PRIORITY, 4), r->priority);
    if (r->controlling) {
        p = put_attribute(&w, ICE_CONTROLLING, 8);
        put32(p, (uint32_t)(r->controlling >> 32));
        put32(p + 4, (uint32_t)r->controlling);
    }
    if (r->use_candidate) put_attribute(&w, USE_CANDIDATE, 0);
    return put_end(&w, r->pwd);
}
