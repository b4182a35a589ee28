#include "core/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/net/tls_cert.h"

enum { RELOADS_MAX = 1024, TICKET_KEYS_BYTES = 80 };

/* A context that was replaced stays until the end: another loop may be about
 * to make a session of it, and nobody holds a lock. Bound: RELOADS_MAX. */
struct tls_server {
    atomic_uint refs;
    _Atomic(SSL_CTX *) now;
    SSL_CTX *all[RELOADS_MAX];
    int count;
    BIO_METHOD *bio;
    char cert[TLS_PATH_MAX], key[TLS_PATH_MAX];
    bool offers_http;
};

struct tls_session {
    SSL *ssl;
    struct tls_server *server;
    struct tls_io *io;
    const char *why;
    bool is_ready;
};

/* --- records in and out of io
 * ---------------------------------------------------- */

static int bio_read(BIO *b, char *out, int size)
{
    struct tls_io *io = BIO_get_data(b);
    size_t n = size < 0 ? 0 : (size_t)size;

    BIO_clear_retry_flags(b);
    if (!io->in_len) {
        BIO_set_retry_read(b);
        return -1;
    }
    if (n > io->in_len) n = io->in_len;
    memcpy(out, io->in, n);
    io->in += n;
    io->in_len -= n;
    return (int)n;
}

static int bio_write(BIO *b, const char *data, int len)
{
    struct tls_io *io = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (len < 0 || io->out_room - io->out_len < (size_t)len) return -1;
    memcpy(io->out + io->out_len, data, (size_t)len);
    io->out_len += (size_t)len;
    return len;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "loop buffers");

    if (!m) return NULL;
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

/* --- server
 * ------------------------------------------------------------------------ */

static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 §3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int load_files(struct tls_server *t, SSL_CTX *ctx)
{
    const char *at = t->cert;
    int ok = SSL_CTX_use_certificate_chain_file(ctx, t->cert) == 1;

    if (ok) {
        at = t->key;
        ok = SSL_CTX_use_PrivateKey_file(ctx, t->key, SSL_FILETYPE_PEM) == 1 &&
             SSL_CTX_check_private_key(ctx) == 1;
    }
    if (ok) return 0;
    unsigned long e = ERR_peek_error();
    const char *why = ERR_reason_error_string(e);
    log_error("tls", "certificate", log_s("path", at),
              log_s("error", why ? why : "cannot be read"));
    bool is_absent = ERR_GET_LIB(e) == ERR_LIB_SYS;
    ERR_clear_error();
    return is_absent ? ERR_NOTFOUND : ERR_SYNTAX;
}

static SSL_CTX *make_context(struct tls_server *t)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx) return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* An idle session keeps no record buffers. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    /* Resumption by tickets alone: nothing is kept here. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"lectern", 7);
    /* AES-128 costs a third less than AES-256 per byte sent. */
    if (SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:"
                                      "TLS_AES_256_GCM_SHA384:"
                                      "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    if (t->offers_http) SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    return ctx;
}

/* Tickets given out before stay good. */
static void keep_ticket_keys(SSL_CTX *from, SSL_CTX *to)
{
    unsigned char keys[TICKET_KEYS_BYTES];

    if (SSL_CTX_get_tlsext_ticket_keys(from, keys, sizeof keys) == 1)
        SSL_CTX_set_tlsext_ticket_keys(to, keys, sizeof keys);
    OPENSSL_cleanse(keys, sizeof keys);
}

int tls_server_reload(struct tls_server *t)
{
    SSL_CTX *before = atomic_load(&t->now);

    if (t->count == RELOADS_MAX) return ERR_LIMIT;
    SSL_CTX *ctx = make_context(t);
    if (!ctx) return ERR_NOMEM;
    int err = load_files(t, ctx);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    if (before) keep_ticket_keys(before, ctx);
    t->all[t->count++] = ctx;
    atomic_store(&t->now, ctx);
    return 0;
}

static int choose_files(struct tls_server *t,
                        const struct tls_server_conf *conf)
{
    if (!strcmp(conf->cert, "auto"))
        return tls_cert_auto(conf->data_dir, conf->hosts, t->cert, t->key);
    if (strlen(conf->cert) >= TLS_PATH_MAX || strlen(conf->key) >= TLS_PATH_MAX)
        return ERR_RANGE;
    memcpy(t->cert, conf->cert, strlen(conf->cert) + 1);
    memcpy(t->key, conf->key, strlen(conf->key) + 1);
    return 0;
}

int tls_server_create(struct tls_server **out,
                      const struct tls_server_conf *conf)
{
    struct tls_server *t = calloc(1, sizeof *t);
    int err;

    if (!t) return ERR_NOMEM;
    atomic_init(&t->refs, 1);
    t->offers_http = conf->offers_http;
    t->bio = make_bio_method();
    err = t->bio ? choose_files(t, conf) : ERR_NOMEM;
    if (!err) err = tls_server_reload(t);
    if (err) {
        tls_server_free(&t);
        return err;
    }
    *out = t;
    return 0;
}

void tls_server_free(struct tls_server **t)
{
    struct tls_server *last = *t;

    *t = NULL;
    if (!last || atomic_fetch_sub(&last->refs, 1) != 1) return;
    for (int i = 0; i < last->count; i++)
        SSL_CTX_free(last->all[i]);
    BIO_meth_free(last->bio);
    free(last);
}

/* --- session
 * ------------------------------------------------------------------------- */

/* Before each call of OpenSSL: what another left in this thread's queue would
 * be taken for ours. Looking is cheap, clearing is not. */
static void clear_errors(void)
{
    if (ERR_peek_error()) ERR_clear_error();
}

int tls_session_create(struct tls_session **out, struct tls_server *t,
                       struct tls_io *io)
{
    struct tls_session *s = calloc(1, sizeof *s);
    BIO *bio = BIO_new(t->bio);

    if (!s || !bio) goto fail;
    s->ssl = SSL_new(atomic_load(&t->now));
    if (!s->ssl) goto fail;
    BIO_set_data(bio, io);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_accept_state(s->ssl);
    s->why = "";
    s->io = io;
    atomic_fetch_add(&t->refs, 1);
    s->server = t;
    *out = s;
    return 0;

fail:
    BIO_free(bio);
    free(s);
    ERR_clear_error();
    return ERR_NOMEM;
}

void tls_session_free(struct tls_session **s)
{
    struct tls_session *last = *s;

    *s = NULL;
    if (!last) return;
    SSL_free(last->ssl);
    tls_server_free(&last->server);
    free(last);
}

int tls_session_open(struct tls_session *s, uint8_t *plain, size_t size,
                     size_t *n)
{
    /* Asking OpenSSL would cost as much as a small record. */
    if (s->is_ready && !s->io->in_len && !SSL_has_pending(s->ssl))
        return ERR_AGAIN;
    clear_errors();
    if (SSL_read_ex(s->ssl, plain, size, n) == 1) {
        s->is_ready = true;
        return 0;
    }
    switch (SSL_get_error(s->ssl, 0)) {
    case SSL_ERROR_WANT_READ: return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return ERR_CLOSED;
    default: break;
    }
    const char *why = ERR_reason_error_string(ERR_peek_error());
    s->why = why ? why : "broken";
    ERR_clear_error();
    return ERR_SYNTAX;
}

bool tls_session_is_ready(const struct tls_session *s)
{
    return SSL_is_init_finished(s->ssl);
}

bool tls_session_is_http2(const struct tls_session *s)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(s->ssl, &name, &len);
    return len == 2 && !memcmp(name, "h2", 2);
}

const char *tls_session_why(const struct tls_session *s)
{
    return s->why;
}

int tls_session_seal(struct tls_session *s, const uint8_t *data, size_t len)
{
    size_t wrote;

    if (!len) return 0;
    if (!SSL_is_init_finished(s->ssl)) return ERR_ORDER;
    clear_errors();
    if (SSL_write_ex(s->ssl, data, len, &wrote) == 1 && wrote == len) return 0;
    ERR_clear_error();
    return ERR_IO;
}

void tls_session_close(struct tls_session *s)
{
    ERR_clear_error();
    if (SSL_is_init_finished(s->ssl)) SSL_shutdown(s->ssl);
    ERR_clear_error();
}
