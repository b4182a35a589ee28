#include "core/rtc/dtls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rtc/identity_priv.h"
#include "core/rtc/tail.h"

enum {
    OVERHEAD = 48, /* IPv6 and UDP */
    KEYING_MAX = 2 * (CRYPT_KEY_BYTES + CRYPT_SALT_MAX),
    GCM_SALT = 12,
};

struct dtls {
    SSL *ssl; /* NULL: settled, tail is there */
    struct tail tail;
    struct rtc_identity *identity;
    struct rtc_fingerprint fingerprint;
    enum dtls_state state;
    bool is_client;
    bool is_stranger; /* the certificate is not the offer's */
    bool is_shrunk;   /* OpenSSL would write into buffers that are not there */
    const char *why;
    const uint8_t *in; /* the datagram of this step */
    size_t in_len;
    struct dtls_out *out;
};

/* --- datagrams in and out --------------------------------------------------
 */

static int bio_read(BIO *b, char *out, int size)
{
    struct dtls *d = BIO_get_data(b);
    size_t n = d->in_len;

    BIO_clear_retry_flags(b);
    if (!d->in) {
        BIO_set_retry_read(b);
        return -1;
    }
    if (size < 0) size = 0;
    if (n > (size_t)size) n = (size_t)size;
    memcpy(out, d->in, n);
    d->in = NULL;
    return (int)n;
}

static void put_out(struct dtls_out *o, const void *data, size_t len)
{
    if (!len || !o || o->count == DTLS_OUT_COUNT ||
        len > sizeof o->data - o->len)
        return;
    memcpy(o->data + o->len, data, len);
    o->len += len;
    o->lens[o->count++] = (uint16_t)len;
}

static int bio_write(BIO *b, const char *data, int len)
{
    struct dtls *d = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (len > 0) put_out(d->out, data, (size_t)len);
    return len;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b, (void)num, (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH: return 1;
    /* 0 here would let OpenSSL cut flights into 256-byte datagrams. */
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU: return DTLS_MTU;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: return OVERHEAD;
    default: return 0;
    }
}

BIO_METHOD *dtls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagrams of a step");

    if (!m) return NULL;
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

/* --- who is it -------------------------------------------------------------
 */

static const EVP_MD *digest_of(enum rtc_hash hash)
{
    switch (hash) {
    case RTC_SHA1: return EVP_sha1();
    case RTC_SHA224: return EVP_sha224();
    case RTC_SHA256: return EVP_sha256();
    case RTC_SHA384: return EVP_sha384();
    case RTC_SHA512: return EVP_sha512();
    }
    return NULL;
}

/* Instead of a chain of authorities: the certificate is the one whose hash
 * came with the offer (RFC 8122 §5). */
int dtls_verify(X509_STORE_CTX *store, void *unused)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dtls *d = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    const EVP_MD *md = digest_of(d->fingerprint.hash);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    (void)unused;
    if (cert && md && X509_digest(cert, md, hash, &len) == 1 &&
        len == d->fingerprint.len && !memcmp(hash, d->fingerprint.bytes, len))
        return 1;
    d->is_stranger = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* --- life ------------------------------------------------------------------
 */

static unsigned next_wait(SSL *ssl, unsigned last_us)
{
    (void)ssl;
    if (!last_us) return DTLS_FIRST_WAIT_US;
    return last_us >= DTLS_WAIT_MAX_US / 2 ? DTLS_WAIT_MAX_US : last_us * 2;
}

int dtls_create(struct dtls **out, struct rtc_identity *i, bool client,
                const struct rtc_fingerprint *fingerprint)
{
    struct dtls *d = calloc(1, sizeof *d);
    BIO *bio = NULL;

    if (!d) return ERR_NOMEM;
    d->identity = rtc_identity_ref(i);
    d->fingerprint = *fingerprint;
    d->is_client = client;
    d->why = "handshake not finished";
    d->ssl = SSL_new(i->ctx);
    if (d->ssl) bio = BIO_new(i->bio);
    if (!bio) {
        ERR_clear_error();
        dtls_free(&d);
        return ERR_NOMEM;
    }
    BIO_set_data(bio, d);
    BIO_set_init(bio, 1);
    SSL_set_bio(d->ssl, bio, bio);
    SSL_set_app_data(d->ssl, d);
    SSL_set_mtu(d->ssl, DTLS_MTU);
    DTLS_set_link_mtu(d->ssl, DTLS_MTU + OVERHEAD);
    DTLS_set_timer_cb(d->ssl, next_wait);
    if (client)
        SSL_set_connect_state(d->ssl);
    else
        SSL_set_accept_state(d->ssl);
    *out = d;
    return 0;
}

void dtls_free(struct dtls **d)
{
    struct dtls *last = *d;

    *d = NULL;
    if (!last) return;
    SSL_free(last->ssl);
    rtc_identity_free(&last->identity);
    free(last);
}

/* --- steps -----------------------------------------------------------------
 */

static enum dtls_state end(struct dtls *d, const char *why)
{
    d->state = DTLS_ENDED;
    d->why = why;
    return d->state;
}

static enum dtls_state shake(struct dtls *d)
{
    int n = SSL_do_handshake(d->ssl);

    if (n == 1) {
        if (!SSL_get_selected_srtp_profile(d->ssl))
            return end(d, "no SRTP profile in common");
        d->state = DTLS_READY;
        return d->state;
    }
    if (d->is_stranger) return end(d, "certificate is not the offer's");
    switch (SSL_get_error(d->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return d->state;
    default: return end(d, "DTLS handshake failed");
    }
}

/* Nothing but alerts, and flights that the other side sends again. */
static enum dtls_state read_rest(struct dtls *d)
{
    uint8_t unwanted[256];
    int n;

    do {
        n = SSL_read(d->ssl, unwanted, sizeof unwanted);
    } while (n > 0);
    if (SSL_get_shutdown(d->ssl) & SSL_RECEIVED_SHUTDOWN)
        return end(d, "close_notify");
    switch (SSL_get_error(d->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return d->state;
    default: return end(d, "DTLS alert");
    }
}

/* Begins a step: what others left in this thread's queue would be read as our
 * error. */
static bool begin(struct dtls *d, struct dtls_out *out)
{
    ERR_clear_error();
    if (d->is_shrunk && SSL_alloc_buffers(d->ssl) != 1) {
        end(d, "out of memory");
        return false;
    }
    d->is_shrunk = false;
    d->out = out;
    return true;
}

static void finish(struct dtls *d)
{
    d->in = NULL;
    d->out = NULL;
    ERR_clear_error();
}

static enum dtls_state feed_tail(struct dtls *d, const uint8_t *data,
                                 size_t len)
{
    switch (tail_feed(&d->tail, data, len)) {
    case TAIL_CLOSED: return end(d, "close_notify");
    case TAIL_FAILED: return end(d, "DTLS alert");
    case TAIL_NOTHING: break;
    }
    return d->state;
}

enum dtls_state dtls_feed(struct dtls *d, const uint8_t *data, size_t len,
                          struct dtls_out *out)
{
    if (d->state == DTLS_ENDED) return d->state;
    if (!d->ssl) return feed_tail(d, data, len);
    if (!begin(d, out)) return d->state;
    d->in = len ? data : NULL;
    d->in_len = len;
    if (d->state == DTLS_SHAKING) shake(d);
    if (d->state == DTLS_READY) read_rest(d);
    finish(d);
    return d->state;
}

enum dtls_state dtls_tick(struct dtls *d, struct dtls_out *out)
{
    if (d->state == DTLS_ENDED || !d->ssl || !begin(d, out)) return d->state;
    if (DTLSv1_handle_timeout(d->ssl) < 0) end(d, "DTLS timed out");
    finish(d);
    return d->state;
}

int64_t dtls_wait_us(struct dtls *d)
{
    struct timeval t;

    if (d->state == DTLS_ENDED || !d->ssl || !DTLSv1_get_timeout(d->ssl, &t))
        return -1;
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

void dtls_close(struct dtls *d, struct dtls_out *out)
{
    uint8_t alert[TAIL_ALERT_BYTES];

    if (d->state != DTLS_READY) return;
    if (!d->ssl) {
        put_out(out, alert, tail_write_close(&d->tail, alert));
    } else if (begin(d, out)) {
        SSL_shutdown(d->ssl);
        finish(d);
    }
    end(d, "closed here");
}

int dtls_export(struct dtls *d, enum crypt_profile *profile,
                struct crypt_key *ours, struct crypt_key *theirs)
{
    static const char label[] = "EXTRACTOR-dtls_srtp";
    const SRTP_PROTECTION_PROFILE *chosen =
        d->ssl ? SSL_get_selected_srtp_profile(d->ssl) : NULL;
    struct crypt_key *client = d->is_client ? ours : theirs;
    struct crypt_key *server = d->is_client ? theirs : ours;
    uint8_t keys[KEYING_MAX];
    size_t salt = CRYPT_SALT_MAX;

    if (d->state != DTLS_READY || !chosen) return ERR_IO;
    *profile = CRYPT_SHA1_80;
    if (chosen->id == SRTP_AEAD_AES_128_GCM) {
        *profile = CRYPT_GCM;
        salt = GCM_SALT;
    }
    if (SSL_export_keying_material(d->ssl, keys, 2 * (CRYPT_KEY_BYTES + salt),
                                   label, sizeof label - 1, NULL, 0, 0) != 1) {
        ERR_clear_error();
        return ERR_IO;
    }
    /* Both keys, then both salts (RFC 5764 §4.2). */
    *ours = *theirs = (struct crypt_key){0};
    memcpy(client->key, keys, CRYPT_KEY_BYTES);
    memcpy(server->key, keys + CRYPT_KEY_BYTES, CRYPT_KEY_BYTES);
    memcpy(client->salt, keys + 2 * CRYPT_KEY_BYTES, salt);
    memcpy(server->salt, keys + 2 * CRYPT_KEY_BYTES + salt, salt);
    OPENSSL_cleanse(keys, sizeof keys);
    return 0;
}

void dtls_shrink(struct dtls *d)
{
    if (d->ssl && SSL_free_buffers(d->ssl) == 1) d->is_shrunk = true;
}

void dtls_settle(struct dtls *d)
{
    if (d->state != DTLS_READY || !d->ssl) return;
    if (tail_init(&d->tail, d->ssl, d->is_client)) return;
    SSL_free(d->ssl);
    d->ssl = NULL;
}

const char *dtls_why(const struct dtls *d)
{
    return d->why;
}
