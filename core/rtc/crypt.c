#include "core/rtc/crypt.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"

enum {
    GCM_TAG = 16,
    GCM_SALT = 12,
    SHA1_TAG = 10,
    SHA1_BYTES = 20,
    RTP_FIXED = 12,
    RTCP_CLEAR = 8, /* header and SSRC of the first packet */
    REPLAY_WINDOW = 1024,
    INDEX_MAX = 0x7fffffff,
};

enum label { /* RFC 3711 §4.3.1; RTCP's are three more */
             LABEL_KEY,
             LABEL_AUTH,
             LABEL_SALT,
             LABELS_OF_RTCP,
};

/* One direction's session keys for RTP or for RTCP. */
struct sealer {
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac; /* SHA1_80 */
    uint8_t salt[CRYPT_SALT_MAX];
};

struct stream_out {
    uint32_t ssrc;
    int64_t highest; /* packet index: rollovers and sequence number */
};

struct rtc_crypt {
    enum crypt_profile profile;
    struct sealer rtp, rtcp;
    uint32_t rtcp_index;
    int stream_count;
    struct stream_out streams[CRYPT_STREAMS_OUT];
    srtp_t in;
    int in_count;
    uint32_t in_ssrcs[CRYPT_STREAMS_IN];
};

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static void write_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
}

static void xor_u32(uint8_t *p, uint32_t v)
{
    write_u32(p, read_u32(p) ^ v);
}

/* --- keys ------------------------------------------------------------------
 */

/* The key stream of AES in counter mode under the master key, from the salt
 * with the label in it (RFC 3711 §4.3.3; GCM's shorter salt: RFC 7714 §11). */
static int derive(uint8_t *out, int len, const struct crypt_key *k, int label)
{
    static const uint8_t zeros[32];
    uint8_t iv[16] = {0}, stream[32];
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    int n = 0, ok;

    if (!x) return ERR_NOMEM;
    memcpy(iv, k->salt, CRYPT_SALT_MAX);
    iv[7] ^= (uint8_t)label;
    ok = EVP_EncryptInit_ex(x, EVP_aes_128_ctr(), NULL, k->key, iv) == 1 &&
         EVP_EncryptUpdate(x, stream, &n, zeros, sizeof zeros) == 1;
    EVP_CIPHER_CTX_free(x);
    if (ok) memcpy(out, stream, (size_t)len);
    return ok ? 0 : ERR_IO;
}

static int make_mac(struct sealer *s, const uint8_t *key)
{
    OSSL_PARAM params[2];
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    int ok = 0;

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char[]){"SHA1"}, 0);
    params[1] = OSSL_PARAM_construct_end();
    if (hmac) s->mac = EVP_MAC_CTX_new(hmac);
    if (s->mac) ok = EVP_MAC_init(s->mac, key, SHA1_BYTES, params);
    EVP_MAC_free(hmac);
    return ok ? 0 : ERR_NOMEM;
}

static int sealer_init(struct sealer *s, enum crypt_profile profile,
                       const struct crypt_key *master, int labels)
{
    const EVP_CIPHER *cipher =
        profile == CRYPT_GCM ? EVP_aes_128_gcm() : EVP_aes_128_ctr();
    uint8_t key[CRYPT_KEY_BYTES], auth[SHA1_BYTES];
    int err = derive(key, sizeof key, master, labels + LABEL_KEY);

    if (!err) err = derive(auth, sizeof auth, master, labels + LABEL_AUTH);
    if (!err)
        err = derive(s->salt, sizeof s->salt, master, labels + LABEL_SALT);
    if (err) return err;
    s->cipher = EVP_CIPHER_CTX_new();
    if (!s->cipher) return ERR_NOMEM;
    if (EVP_EncryptInit_ex(s->cipher, cipher, NULL, key, NULL) != 1)
        return ERR_NOMEM;
    return profile == CRYPT_GCM ? 0 : make_mac(s, auth);
}

static void sealer_release(struct sealer *s)
{
    EVP_CIPHER_CTX_free(s->cipher);
    EVP_MAC_CTX_free(s->mac);
}

static int open_inbound(struct rtc_crypt *c, const struct crypt_key *theirs)
{
    srtp_policy_t policy = {0};
    uint8_t key[CRYPT_KEY_BYTES + CRYPT_SALT_MAX]; /* one after the other */

    memcpy(key, theirs->key, CRYPT_KEY_BYTES);
    memcpy(key + CRYPT_KEY_BYTES, theirs->salt, CRYPT_SALT_MAX);
    if (c->profile == CRYPT_GCM) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    }
    policy.ssrc.type = ssrc_any_inbound;
    policy.key = key;
    policy.window_size = REPLAY_WINDOW;
    return srtp_create(&c->in, &policy) == srtp_err_status_ok ? 0 : ERR_IO;
}

/* The library's state is the process's, and it starts but once: so is this. */
static pthread_once_t started = PTHREAD_ONCE_INIT;
static srtp_err_status_t start_status;

static void start(void)
{
    start_status = srtp_init();
}

int rtc_crypt_start(void)
{
    pthread_once(&started, start);
    return start_status == srtp_err_status_ok ? 0 : ERR_IO;
}

int rtc_crypt_create(struct rtc_crypt **out, enum crypt_profile profile,
                     const struct crypt_key *ours,
                     const struct crypt_key *theirs)
{
    struct rtc_crypt *c = calloc(1, sizeof *c);
    struct crypt_key master = *ours;
    int err;

    if (!c) return ERR_NOMEM;
    c->profile = profile;
    if (profile == CRYPT_GCM)
        memset(master.salt + GCM_SALT, 0, CRYPT_SALT_MAX - GCM_SALT);
    err = sealer_init(&c->rtp, profile, &master, 0);
    if (!err) err = sealer_init(&c->rtcp, profile, &master, LABELS_OF_RTCP);
    if (!err) err = open_inbound(c, theirs);
    if (err) {
        ERR_clear_error();
        rtc_crypt_free(&c);
        return err;
    }
    *out = c;
    return 0;
}

void rtc_crypt_free(struct rtc_crypt **c)
{
    struct rtc_crypt *last = *c;

    *c = NULL;
    if (!last) return;
    sealer_release(&last->rtp);
    sealer_release(&last->rtcp);
    if (last->in) srtp_dealloc(last->in);
    free(last);
}

/* --- sealing ---------------------------------------------------------------
 */

static struct stream_out *find_stream(struct rtc_crypt *c, uint32_t ssrc,
                                      uint16_t sequence)
{
    for (int i = 0; i < c->stream_count; i++)
        if (c->streams[i].ssrc == ssrc) return &c->streams[i];
    INVARIANT(c->stream_count < CRYPT_STREAMS_OUT);
    struct stream_out *s = &c->streams[c->stream_count++];
    *s = (struct stream_out){.ssrc = ssrc, .highest = sequence};
    return s;
}

/* The 48-bit index: the one nearest to the highest so far, since a
 * retransmission may be of before the last wrap (RFC 3711 §3.3.1). */
static int64_t index_of(struct stream_out *s, uint16_t sequence)
{
    int64_t index = s->highest + (int16_t)(sequence - (uint16_t)s->highest);

    if (index < 0) index = sequence;
    if (index > s->highest) s->highest = index;
    return index;
}

/* Seals len bytes in place, the tag after them. What is only authenticated is
 * `clear`, then the four bytes at word if there are any. These calls fail only
 * if the library is broken. */
static void seal_gcm(const struct sealer *s, const uint8_t iv[GCM_SALT],
                     const uint8_t *clear, size_t clear_len,
                     const uint8_t *word, uint8_t *data, size_t len)
{
    EVP_CIPHER_CTX *x = s->cipher;
    int n = 0;
    bool ok;

    ok = EVP_EncryptInit_ex(x, NULL, NULL, NULL, iv) == 1 &&
         EVP_EncryptUpdate(x, NULL, &n, clear, (int)clear_len) == 1;
    if (word) ok = ok && EVP_EncryptUpdate(x, NULL, &n, word, 4) == 1;
    if (len) ok = ok && EVP_EncryptUpdate(x, data, &n, data, (int)len) == 1;
    ok = ok && EVP_EncryptFinal_ex(x, data + len, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, data + len);
    INVARIANT(ok);
}

static void seal_ctr(const struct sealer *s, const uint8_t iv[16],
                     uint8_t *data, size_t len)
{
    int n = 0;

    INVARIANT(EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, iv) == 1);
    if (len)
        INVARIANT(EVP_EncryptUpdate(s->cipher, data, &n, data, (int)len) == 1);
}

static void hmac_sha1(const struct sealer *s, uint8_t tag[SHA1_TAG],
                      const uint8_t *data, size_t len, const uint8_t word[4])
{
    uint8_t whole[SHA1_BYTES];
    size_t n = 0;

    INVARIANT(EVP_MAC_init(s->mac, NULL, 0, NULL) == 1 &&
              EVP_MAC_update(s->mac, data, len) == 1 &&
              (!word || EVP_MAC_update(s->mac, word, 4) == 1) &&
              EVP_MAC_final(s->mac, whole, &n, sizeof whole) == 1);
    memcpy(tag, whole, SHA1_TAG);
}

size_t rtc_crypt_protect(struct rtc_crypt *c, uint8_t *data, size_t header_len,
                         size_t len)
{
    uint16_t sequence = (uint16_t)(data[2] << 8 | data[3]);
    uint32_t ssrc = read_u32(data + 8), rollovers;
    int64_t index = index_of(find_stream(c, ssrc, sequence), sequence);
    uint8_t iv[16] = {0}, word[4];

    INVARIANT(header_len >= RTP_FIXED && header_len <= len);
    rollovers = (uint32_t)(index >> 16);
    if (c->profile == CRYPT_GCM) { /* RFC 7714 §8.1 */
        memcpy(iv, c->rtp.salt, GCM_SALT);
        xor_u32(iv + 2, ssrc);
        xor_u32(iv + 6, rollovers);
        iv[10] ^= data[2], iv[11] ^= data[3];
        seal_gcm(&c->rtp, iv, data, header_len, NULL, data + header_len,
                 len - header_len);
        return len + GCM_TAG;
    }
    memcpy(iv, c->rtp.salt, CRYPT_SALT_MAX); /* RFC 3711 §4.1.1 */
    xor_u32(iv + 4, ssrc);
    xor_u32(iv + 8, rollovers);
    iv[12] ^= data[2], iv[13] ^= data[3];
    seal_ctr(&c->rtp, iv, data + header_len, len - header_len);
    write_u32(word, rollovers);
    hmac_sha1(&c->rtp, data + len, data, len, word);
    return len + SHA1_TAG;
}

size_t rtc_crypt_protect_rtcp(struct rtc_crypt *c, uint8_t *data, size_t len)
{
    uint32_t ssrc = read_u32(data + 4);
    uint32_t index = c->rtcp_index++ & INDEX_MAX;
    uint8_t iv[16] = {0}, word[4];

    INVARIANT(len >= RTCP_CLEAR);
    write_u32(word, index | 1u << 31); /* E: sealed */
    if (c->profile == CRYPT_GCM) {     /* RFC 7714 §9.1, §9.2 */
        memcpy(iv, c->rtcp.salt, GCM_SALT);
        xor_u32(iv + 2, ssrc);
        xor_u32(iv + 8, index);
        seal_gcm(&c->rtcp, iv, data, RTCP_CLEAR, word, data + RTCP_CLEAR,
                 len - RTCP_CLEAR);
        memcpy(data + len + GCM_TAG, word, 4);
        return len + GCM_TAG + 4;
    }
    memcpy(iv, c->rtcp.salt, CRYPT_SALT_MAX);
    xor_u32(iv + 4, ssrc);
    xor_u32(iv + 10, index);
    seal_ctr(&c->rtcp, iv, data + RTCP_CLEAR, len - RTCP_CLEAR);
    memcpy(data + len, word, 4);
    hmac_sha1(&c->rtcp, data + len + 4, data, len + 4, NULL);
    return len + 4 + SHA1_TAG;
}

/* --- opening ---------------------------------------------------------------
 */

/* libsrtp keeps a replay window per SSRC: their number is bounded here. */
static bool is_known(const struct rtc_crypt *c, uint32_t ssrc)
{
    for (int i = 0; i < c->in_count; i++)
        if (c->in_ssrcs[i] == ssrc) return true;
    return false;
}

static int error_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok: return 0;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old: return ERR_EXISTS;
    case srtp_err_status_auth_fail:
    case srtp_err_status_cipher_fail: return ERR_DENIED;
    case srtp_err_status_alloc_fail: return ERR_NOMEM;
    default: return ERR_SYNTAX;
    }
}

static int open_packet(struct rtc_crypt *c, uint8_t *data, size_t *len,
                       uint32_t ssrc,
                       srtp_err_status_t (*open)(srtp_t, void *, int *))
{
    bool known = is_known(c, ssrc);
    int n = (int)*len, err;

    if (!known && c->in_count == CRYPT_STREAMS_IN) return ERR_LIMIT;
    err = error_of(open(c->in, data, &n));
    if (err) return err;
    if (!known) c->in_ssrcs[c->in_count++] = ssrc;
    *len = (size_t)n;
    return 0;
}

int rtc_crypt_unprotect(struct rtc_crypt *c, uint8_t *data, size_t *len)
{
    if (*len < RTP_FIXED || *len > UINT16_MAX) return ERR_SYNTAX;
    return open_packet(c, data, len, read_u32(data + 8), srtp_unprotect);
}

int rtc_crypt_unprotect_rtcp(struct rtc_crypt *c, uint8_t *data, size_t *len)
{
    if (*len < RTCP_CLEAR || *len > UINT16_MAX) return ERR_SYNTAX;
    return open_packet(c, data, len, read_u32(data + 4), srtp_unprotect_rtcp);
}
