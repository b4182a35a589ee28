/* The certificate of all peers, and the context of their handshakes. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/rtc/crypt.h"
#include "core/rtc/identity_priv.h"

enum { DAY_S = 24 * 3600, VALID_DAYS = 365, NAME_BYTES = 8, SERIAL_BITS = 64 };

static int set_name(X509 *cert)
{
    uint8_t random[NAME_BYTES];
    char text[2 * NAME_BYTES + 1];
    X509_NAME *name = X509_get_subject_name(cert);

    if (RAND_bytes(random, sizeof random) != 1) return ERR_IO;
    for (int i = 0; i < NAME_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const unsigned char *)text, -1, -1,
                                   0) != 1 ||
        X509_set_issuer_name(cert, name) != 1)
        return ERR_NOMEM;
    return 0;
}

static int set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    int ok = n && BN_rand(n, SERIAL_BITS, 0, 0) == 1 &&
             BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));

    BN_free(n);
    return ok ? 0 : ERR_NOMEM;
}

static X509 *make_cert(EVP_PKEY *key)
{
    X509 *cert = X509_new();

    if (!cert) return NULL;
    if (X509_set_version(cert, 2) == 1 && !set_serial(cert) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) &&
        X509_gmtime_adj(X509_getm_notAfter(cert),
                        (long)(VALID_DAYS - 1) * DAY_S) &&
        !set_name(cert) && X509_set_pubkey(cert, key) == 1 &&
        X509_sign(cert, key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

static int set_context(SSL_CTX *ctx, X509 *cert, EVP_PKEY *key)
{
    /* AEAD suites only: everyone has one (RFC 8827 §6.5), and all of them can
     * be settled (tail.h). FFmpeg's WHIP knows SHA1_80 only. (0 is success with
     * the first.) */
    if (SSL_CTX_set_tlsext_use_srtp(
            ctx, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") ||
        SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_use_certificate(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, key) != 1)
        return ERR_IO;
    SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    SSL_CTX_set_cert_verify_callback(ctx, dtls_verify, NULL);
    SSL_CTX_set_read_ahead(ctx, 1);
    return 0;
}

static int set_fingerprint(struct rtc_identity *i, const X509 *cert)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(cert, EVP_sha256(), hash, &len) != 1) return ERR_IO;
    for (unsigned at = 0; at < len; at++)
        snprintf(i->fingerprint + 3 * at, 4, at + 1 < len ? "%02X:" : "%02X",
                 hash[at]);
    return 0;
}

int rtc_identity_create(struct rtc_identity **out)
{
    struct rtc_identity *i = calloc(1, sizeof *i);
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    int err = ERR_NOMEM;

    if (!i) return ERR_NOMEM;
    atomic_init(&i->refs, 1);
    key = EVP_EC_gen("P-256");
    if (key) cert = make_cert(key);
    if (!cert) goto done;
    i->ctx = SSL_CTX_new(DTLS_method());
    i->bio = dtls_bio_method();
    if (!i->ctx || !i->bio) goto done;
    err = set_context(i->ctx, cert, key);
    if (!err) err = set_fingerprint(i, cert);
    if (!err) err = rtc_crypt_start();
done:
    EVP_PKEY_free(key);
    X509_free(cert);
    ERR_clear_error();
    if (err)
        rtc_identity_free(&i);
    else
        *out = i;
    return err;
}

struct rtc_identity *rtc_identity_ref(struct rtc_identity *i)
{
    atomic_fetch_add(&i->refs, 1);
    return i;
}

void rtc_identity_free(struct rtc_identity **i)
{
    struct rtc_identity *last = *i;

    *i = NULL;
    if (!last || atomic_fetch_sub(&last->refs, 1) != 1) return;
    SSL_CTX_free(last->ctx);
    BIO_meth_free(last->bio);
    free(last);
}

const char *rtc_identity_fingerprint(const struct rtc_identity *i)
{
    return i->fingerprint;
}
