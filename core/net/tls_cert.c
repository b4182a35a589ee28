#include "core/net/tls_cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/log.h"

enum {
    DAY_S = 24 * 3600,
    VALID_DAYS = 397, /* more, and browsers refuse even a trusted one */
    RENEW_DAYS = 30,
    NAMES_MAX_BYTES = 4096,
};

static int fail_io(const char *path, const char *what)
{
    log_error("tls", "certificate", log_s("path", path), log_s("error", what));
    return ERR_IO;
}

static int make_dir(const char *path)
{
    return mkdir(path, 0755) && errno != EEXIST ? ERR_IO : 0;
}

/* --- what is there
 * ------------------------------------------------------------ */

static bool is_usable(const char *cert, const char *key)
{
    FILE *f = fopen(cert, "r");
    X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    EVP_PKEY *k;
    time_t soon = time(NULL) + RENEW_DAYS * DAY_S;

    if (f) fclose(f);
    f = fopen(key, "r");
    k = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    if (f) fclose(f);
    bool ok = x && k && X509_check_private_key(x, k) == 1 &&
              X509_cmp_time(X509_get0_notAfter(x), &soon) > 0;
    X509_free(x);
    EVP_PKEY_free(k);
    ERR_clear_error();
    return ok;
}

/* --- a new one
 * ------------------------------------------------------------------ */

static void add_name(char *list, const char *host)
{
    struct in6_addr address;
    size_t n = strlen(list);
    bool is_ip = inet_pton(AF_INET, host, &address) == 1 ||
                 inet_pton(AF_INET6, host, &address) == 1;

    /* The list is read by OpenSSL's little language: letters only. */
    if (!host[0] ||
        strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:*") != strlen(host))
        return;
    snprintf(list + n, NAMES_MAX_BYTES - n, "%s%s:%s", n ? "," : "",
             is_ip ? "IP" : "DNS", host);
}

static int add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    int ok = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return ok ? 0 : ERR_NOMEM;
}

static int fill_cert(X509 *x, EVP_PKEY *key, const char *const *hosts)
{
    static const char *const always[] = {"localhost", "127.0.0.1", "::1"};
    char names[NAMES_MAX_BYTES] = "";
    unsigned char serial[16];
    X509_NAME *name = X509_get_subject_name(x);

    for (size_t i = 0; i < 3; i++)
        add_name(names, always[i]);
    for (; hosts && *hosts; hosts++)
        add_name(names, *hosts);
    if (RAND_bytes(serial, sizeof serial) != 1) return ERR_IO;
    serial[0] &= 0x7f;
    BIGNUM *n = BN_bin2bn(serial, sizeof serial, NULL);
    if (!n) return ERR_NOMEM;
    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    X509_set_version(x, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), (long)VALID_DAYS * DAY_S);
    if (!X509_set_pubkey(x, key) ||
        !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    (const unsigned char *)"lectern", -1, -1,
                                    0) ||
        !X509_set_issuer_name(x, name) ||
        add_extension(x, NID_subject_alt_name, names) ||
        add_extension(x, NID_basic_constraints, "critical,CA:FALSE") ||
        add_extension(x, NID_ext_key_usage, "serverAuth") ||
        !X509_sign(x, key, EVP_sha256()))
        return ERR_NOMEM;
    return 0;
}

/* Whole or not at all: written beside, then renamed. */
static int write_pem(const char *path, mode_t mode, X509 *x, EVP_PKEY *key)
{
    char beside[TLS_PATH_MAX + 8];
    bool ok;

    snprintf(beside, sizeof beside, "%s.new", path);
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return fail_io(beside, strerror(errno));
    FILE *f = fdopen(fd, "w");
    if (!f) {
        close(fd);
        return ERR_NOMEM;
    }
    ok = x ? PEM_write_X509(f, x) == 1
           : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    ok = fflush(f) == 0 && ok;
    ok = fclose(f) == 0 && ok;
    if (!ok || rename(beside, path)) return fail_io(path, strerror(errno));
    return 0;
}

static int make_cert(const char *cert, const char *key,
                     const char *const *hosts)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    int err = k && x ? fill_cert(x, k, hosts) : ERR_NOMEM;

    if (!err) err = write_pem(key, 0600, NULL, k);
    if (!err) err = write_pem(cert, 0644, x, NULL);
    if (!err) log_info("tls", "certificate-made", log_s("path", cert));
    X509_free(x);
    EVP_PKEY_free(k);
    ERR_clear_error();
    return err;
}

int tls_cert_auto(const char *data_dir, const char *const *hosts,
                  char cert[TLS_PATH_MAX], char key[TLS_PATH_MAX])
{
    char dir[TLS_PATH_MAX];

    if (strlen(data_dir) + sizeof "/tls/cert.pem" > TLS_PATH_MAX - 8)
        return ERR_RANGE;
    snprintf(dir, sizeof dir, "%s/tls", data_dir);
    if (make_dir(data_dir) || make_dir(dir))
        return fail_io(dir, strerror(errno));
    snprintf(cert, TLS_PATH_MAX, "%.1000s/cert.pem", dir);
    snprintf(key, TLS_PATH_MAX, "%.1000s/key.pem", dir);
    return is_usable(cert, key) ? 0 : make_cert(cert, key, hosts);
}
