#include "ingest/rtmp/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "core/base/err.h"

enum { DIGEST_BYTES = 32, VERSION_PLAIN = 3, S2_BYTES = RTMP_HANDSHAKE_BYTES };

/* The keys every implementation of the digest form shares: two sentences and
 * a fixed tail of 32 bytes. */
static const char client_text[] = "Genuine Adobe Flash Player 001";
static const char server_text[] = "Genuine Adobe Flash Media Server 001";
static const uint8_t key_tail[32] = {
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0,
    0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80,
    0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae};

void rtmp_handshake_init(struct rtmp_handshake *h, uint64_t seed)
{
    h->state = HANDSHAKE_C0;
    h->seed = seed;
    h->have = 0;
    h->digest = false;
    h->reason = NULL;
}

static void hmac(uint8_t out[DIGEST_BYTES], const void *key, size_t key_len,
                 const void *data, size_t len)
{
    unsigned n = DIGEST_BYTES;

    if (!HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n))
        memset(out, 0, DIGEST_BYTES);
}

/* Where the digest lies: four bytes summed point into one of two areas. */
static size_t digest_offset(const uint8_t *block, int scheme)
{
    const uint8_t *p = block + (scheme ? 772 : 8);
    size_t base = scheme ? 776 : 12;

    return (size_t)(p[0] + p[1] + p[2] + p[3]) % 728 + base;
}

/* HMAC over the block without its digest. */
static void block_digest(uint8_t out[DIGEST_BYTES], const uint8_t *block,
                         size_t at, const void *key, size_t key_len)
{
    uint8_t rest[RTMP_HANDSHAKE_BYTES - DIGEST_BYTES];

    memcpy(rest, block, at);
    memcpy(rest + at, block + at + DIGEST_BYTES, sizeof rest - at);
    hmac(out, key, key_len, rest, sizeof rest);
}

/* The scheme whose digest holds, or -1. */
static int find_scheme(const uint8_t *c1)
{
    static const uint8_t none[4];

    if (!memcmp(c1 + 4, none, sizeof none)) return -1;
    for (int scheme = 0; scheme < 2; scheme++) {
        uint8_t want[DIGEST_BYTES];
        size_t at = digest_offset(c1, scheme);
        block_digest(want, c1, at, client_text, sizeof client_text - 1);
        if (!CRYPTO_memcmp(want, c1 + at, sizeof want)) return scheme;
    }
    return -1;
}

/* splitmix64: filler only has to differ. */
static void fill(uint64_t *seed, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t z = *seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        out[i] = (uint8_t)((z ^ z >> 27) >> 24);
    }
}

static void write_digest_reply(struct rtmp_handshake *h, int scheme,
                               uint8_t *s1, uint8_t *s2)
{
    static const uint8_t version[4] = {4, 5, 0, 1};
    uint8_t key[sizeof server_text - 1 + sizeof key_tail];
    uint8_t temporary[DIGEST_BYTES];

    memcpy(key, server_text, sizeof server_text - 1);
    memcpy(key + sizeof server_text - 1, key_tail, sizeof key_tail);
    memcpy(s1 + 4, version, sizeof version);
    size_t at = digest_offset(s1, scheme);
    uint8_t digest[DIGEST_BYTES];
    block_digest(digest, s1, at, server_text, sizeof server_text - 1);
    memcpy(s1 + at, digest, sizeof digest);

    fill(&h->seed, s2, S2_BYTES);
    hmac(temporary, key, sizeof key, h->c1 + digest_offset(h->c1, scheme),
         DIGEST_BYTES);
    hmac(s2 + S2_BYTES - DIGEST_BYTES, temporary, sizeof temporary, s2,
         S2_BYTES - DIGEST_BYTES);
}

static void reply(struct rtmp_handshake *h, struct builder *out)
{
    uint8_t *room = builder_extend(out, 1 + 2 * RTMP_HANDSHAKE_BYTES);
    int scheme = find_scheme(h->c1);

    if (!room) return;
    uint8_t *s1 = room + 1, *s2 = s1 + RTMP_HANDSHAKE_BYTES;
    room[0] = VERSION_PLAIN;
    memset(s1, 0, 8);
    fill(&h->seed, s1 + 8, RTMP_HANDSHAKE_BYTES - 8);
    h->digest = scheme >= 0;
    if (h->digest)
        write_digest_reply(h, scheme, s1, s2);
    else
        memcpy(s2, h->c1, RTMP_HANDSHAKE_BYTES);
}

static int check_version(struct rtmp_handshake *h, uint8_t c0)
{
    if (c0 == VERSION_PLAIN) return 0;
    if (c0 == 0x16)
        h->reason = "TLS on the plain RTMP port, and none is set up (rtmps)";
    else if (c0 == 6 || c0 == 8 || c0 == 9)
        h->reason = "RTMPE is not supported";
    else if (c0 == 'G' || c0 == 'P' || c0 == 'H' || c0 == 'O')
        h->reason = "HTTP on the RTMP port";
    else
        h->reason = "unknown RTMP version";
    return ERR_UNSUPPORTED;
}

int rtmp_handshake_feed(struct rtmp_handshake *h, const uint8_t **data,
                        const uint8_t *end, struct builder *out)
{
    while (*data < end && h->state != HANDSHAKE_DONE) {
        if (h->state == HANDSHAKE_C0) {
            int err = check_version(h, *(*data)++);
            if (err) return err;
            h->state = HANDSHAKE_C1;
            continue;
        }
        size_t n = (size_t)(end - *data);
        if (n > RTMP_HANDSHAKE_BYTES - h->have)
            n = RTMP_HANDSHAKE_BYTES - h->have;
        if (h->state == HANDSHAKE_C1) memcpy(h->c1 + h->have, *data, n);
        *data += n;
        h->have += n;
        if (h->have < RTMP_HANDSHAKE_BYTES) continue;
        h->have = 0;
        if (h->state == HANDSHAKE_C1) reply(h, out);
        h->state++;
    }
    return 0;
}
