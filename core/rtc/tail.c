#include "core/rtc/tail.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "core/base/err.h"

enum {
    RECORD_HEAD = 13, /* type, version, epoch, sequence (48), length */
    ALERT = 21,
    ALERT_LEN = 2,
    WARNING = 1,
    FATAL = 2,
    CLOSE_NOTIFY = 0,
    EPOCH = 1,
    TAG = 16,
    GCM_FIXED_IV = 4,
    GCM_EXPLICIT_IV = 8,
    RANDOM = 32,
    AAD = 13,
    LABEL = 13,
};

/* --- keys ------------------------------------------------------------------
 */

static int expand(uint8_t *out, size_t len, SSL *ssl)
{
    static const char label[LABEL] = {'k', 'e', 'y', ' ', 'e', 'x', 'p',
                                      'a', 'n', 's', 'i', 'o', 'n'};
    uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], seed[LABEL + 2 * RANDOM];
    size_t n =
        SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
    const EVP_MD *md =
        SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *x = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int ok = 0;

    memcpy(seed, label, LABEL);
    SSL_get_server_random(ssl, seed + LABEL, RANDOM);
    SSL_get_client_random(ssl, seed + LABEL + RANDOM, RANDOM);
    if (x && md) {
        char *name = (char *)(uintptr_t)EVP_MD_get0_name(md);
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, n),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed,
                                              sizeof seed),
            OSSL_PARAM_construct_end()};
        ok = EVP_KDF_derive(x, out, len, params);
    }
    EVP_KDF_CTX_free(x);
    EVP_KDF_free(kdf);
    OPENSSL_cleanse(master, sizeof master);
    return ok == 1 ? 0 : ERR_UNSUPPORTED;
}

static const EVP_CIPHER *cipher_of(SSL *ssl)
{
    switch (SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl))) {
    case NID_aes_128_gcm: return EVP_aes_128_gcm();
    case NID_aes_256_gcm: return EVP_aes_256_gcm();
    case NID_chacha20_poly1305: return EVP_chacha20_poly1305();
    default: return NULL;
    }
}

int tail_init(struct tail *t, SSL *ssl, bool is_client)
{
    uint8_t block[2 * (TAIL_KEY_MAX + TAIL_IV_MAX)];
    struct tail_way *client = is_client ? &t->out : &t->in;
    struct tail_way *server = is_client ? &t->in : &t->out;
    size_t key, iv;

    memset(t, 0, sizeof *t);
    t->cipher = cipher_of(ssl);
    if (!t->cipher) return ERR_UNSUPPORTED;
    t->is_chacha = EVP_CIPHER_get_nid(t->cipher) == NID_chacha20_poly1305;
    key = (size_t)EVP_CIPHER_get_key_length(t->cipher);
    iv = t->is_chacha ? TAIL_IV_MAX : GCM_FIXED_IV;
    if (expand(block, 2 * (key + iv), ssl)) {
        ERR_clear_error();
        return ERR_UNSUPPORTED;
    }
    memcpy(client->key, block, key);
    memcpy(server->key, block + key, key);
    memcpy(client->iv, block + 2 * key, iv);
    memcpy(server->iv, block + 2 * key + iv, iv);
    OPENSSL_cleanse(block, sizeof block);
    return 0;
}

/* --- records ---------------------------------------------------------------
 */

/* GCM's nonce ends with eight bytes of the record, ChaCha20's is the IV with
 * epoch and sequence number in it. */
static void set_nonce(const struct tail *t, const struct tail_way *w,
                      uint8_t nonce[TAIL_IV_MAX], const uint8_t *explicit_iv,
                      const uint8_t *epoch_and_sequence)
{
    memcpy(nonce, w->iv, TAIL_IV_MAX);
    if (t->is_chacha) {
        for (int i = 0; i < 8; i++)
            nonce[4 + i] ^= epoch_and_sequence[i];
    } else {
        memcpy(nonce + GCM_FIXED_IV, explicit_iv, GCM_EXPLICIT_IV);
    }
}

/* Epoch and sequence number, type, version, plain length. */
static void set_aad(uint8_t aad[AAD], const uint8_t *record)
{
    memcpy(aad, record + 3, 8);
    memcpy(aad + 8, record, 3);
    aad[11] = 0, aad[12] = ALERT_LEN;
}

static bool open_alert(const struct tail *t, const uint8_t *record,
                       uint8_t alert[ALERT_LEN])
{
    const uint8_t *body = record + RECORD_HEAD;
    const uint8_t *sealed = body + (t->is_chacha ? 0 : GCM_EXPLICIT_IV);
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    uint8_t nonce[TAIL_IV_MAX], aad[AAD], tag[TAG];
    int n = 0, ok;

    if (!x) return false;
    set_nonce(t, &t->in, nonce, body, record + 3);
    set_aad(aad, record);
    memcpy(tag, sealed + ALERT_LEN, TAG);
    ok = EVP_DecryptInit_ex(x, t->cipher, NULL, t->in.key, nonce) == 1 &&
         EVP_DecryptUpdate(x, NULL, &n, aad, AAD) == 1 &&
         EVP_DecryptUpdate(x, alert, &n, sealed, ALERT_LEN) == 1 &&
         EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
         EVP_DecryptFinal_ex(x, alert + ALERT_LEN, &n) == 1;
    EVP_CIPHER_CTX_free(x);
    ERR_clear_error();
    return ok;
}

enum tail_news tail_feed(const struct tail *t, const uint8_t *data, size_t len)
{
    size_t want =
        (size_t)ALERT_LEN + TAG + (t->is_chacha ? 0 : GCM_EXPLICIT_IV);
    uint8_t alert[ALERT_LEN + TAG];

    while (len >= RECORD_HEAD) {
        size_t body = (size_t)data[11] << 8 | data[12];
        if (body > len - RECORD_HEAD) break;
        if (data[0] == ALERT && (data[3] << 8 | data[4]) == EPOCH &&
            body == want && open_alert(t, data, alert)) {
            if (alert[1] == CLOSE_NOTIFY) return TAIL_CLOSED;
            if (alert[0] == FATAL) return TAIL_FAILED;
        }
        data += RECORD_HEAD + body, len -= RECORD_HEAD + body;
    }
    return TAIL_NOTHING;
}

size_t tail_write_close(const struct tail *t, uint8_t out[TAIL_ALERT_BYTES])
{
    /* The association wrote few records: a number far beyond is fresh. */
    static const uint8_t head[RECORD_HEAD] = {ALERT, 0xfe, 0xfd, 0, EPOCH, 0, 1,
                                              0,     0,    0,    0, 0,     0};
    static const uint8_t plain[ALERT_LEN] = {WARNING, CLOSE_NOTIFY};
    size_t explicit_iv = t->is_chacha ? 0 : GCM_EXPLICIT_IV;
    uint8_t nonce[TAIL_IV_MAX], aad[AAD];
    uint8_t *body = out + RECORD_HEAD, *sealed = body + explicit_iv;
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    int n = 0, ok;

    if (!x) return 0;
    memcpy(out, head, RECORD_HEAD);
    out[12] = (uint8_t)(explicit_iv + ALERT_LEN + TAG);
    memcpy(body, out + 3, explicit_iv);
    set_nonce(t, &t->out, nonce, body, out + 3);
    set_aad(aad, out);
    ok = EVP_EncryptInit_ex(x, t->cipher, NULL, t->out.key, nonce) == 1 &&
         EVP_EncryptUpdate(x, NULL, &n, aad, AAD) == 1 &&
         EVP_EncryptUpdate(x, sealed, &n, plain, ALERT_LEN) == 1 &&
         EVP_EncryptFinal_ex(x, sealed + ALERT_LEN, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, TAG,
                             sealed + ALERT_LEN) == 1;
    EVP_CIPHER_CTX_free(x);
    ERR_clear_error();
    return ok ? RECORD_HEAD + explicit_iv + ALERT_LEN + TAG : 0;
}
