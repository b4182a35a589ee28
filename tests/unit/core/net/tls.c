#include "tests/harness.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/net/tls.h"

struct pair {
    char dir[HARNESS_DIR_MAX];
    struct tls_server *server;
    struct tls_session *session;
    struct tls_io io;
    uint8_t out[TLS_OUT_MARGIN];
    SSL_CTX *client_ctx;
    SSL *client;
    BIO *to_client, *from_client;
    char plain[4096];
    size_t plain_len;
    int last;
};

static void make_dir(char dir[HARNESS_DIR_MAX])
{
    assert_true(harness_dir(dir));
    log_setup(LOG_ERROR, open("/dev/null", O_WRONLY));
}

static int create_server(struct tls_server **out, const char *dir)
{
    static const char *const hosts[] = {"live.example.org", "192.0.2.7",
                                        "bad,DNS:evil", NULL};
    struct tls_server_conf conf = {"auto", "auto", dir, hosts, true};

    return tls_server_create(out, &conf);
}

static void connect_client(struct pair *p, SSL_SESSION *resume)
{
    p->client = SSL_new(p->client_ctx);
    p->to_client = BIO_new(BIO_s_mem());
    p->from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(p->client, p->to_client, p->from_client);
    SSL_set_connect_state(p->client);
    if (resume) SSL_set_session(p->client, resume);
    assert_int_equal(tls_session_create(&p->session, p->server, &p->io), 0);
}

/* Carries bytes both ways once, `step` at a time; plain text gathers. */
static void carry(struct pair *p, size_t step)
{
    uint8_t in[512], plain[2048];
    size_t n;
    int len;

    while ((len = BIO_read(p->from_client, in, (int)step)) > 0) {
        p->io.in = in;
        p->io.in_len = (size_t)len;
        while ((p->last = tls_session_open(p->session, plain, sizeof plain,
                                           &n)) == 0) {
            memcpy(p->plain + p->plain_len, plain, n);
            p->plain_len += n;
        }
    }
    if (p->io.out_len) BIO_write(p->to_client, p->io.out, (int)p->io.out_len);
    p->io.out_len = 0;
}

static void shake_hands(struct pair *p, size_t step)
{
    for (int i = 0; i < 10 && !(SSL_is_init_finished(p->client) &&
                                tls_session_is_ready(p->session));
         i++) {
        SSL_do_handshake(p->client);
        carry(p, step);
    }
    assert_true(SSL_is_init_finished(p->client));
    assert_true(tls_session_is_ready(p->session));
}

static void open_pair(struct pair *p, const unsigned char *alpn, unsigned len)
{
    memset(p, 0, sizeof *p);
    p->io.out = p->out;
    p->io.out_room = sizeof p->out;
    make_dir(p->dir);
    assert_int_equal(create_server(&p->server, p->dir), 0);
    p->client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_alpn_protos(p->client_ctx, alpn, len);
    connect_client(p, NULL);
}

static void close_pair(struct pair *p)
{
    tls_server_free(&p->server);
    tls_session_free(&p->session); /* may outlive its server */
    SSL_free(p->client);
    SSL_CTX_free(p->client_ctx);
    harness_remove(p->dir);
}

static void test_bytes_both_ways_at_any_step(void **state)
{
    static const unsigned char h2[] = "\x02h2\x08http/1.1";
    struct pair p;
    char text[64];

    (void)state;
    for (size_t step = 1; step < 512; step = step * 3 + 1) {
        open_pair(&p, h2, sizeof h2 - 1);
        assert_int_equal(tls_session_seal(p.session, (uint8_t *)"x", 1),
                         ERR_ORDER);
        shake_hands(&p, step);
        assert_true(tls_session_is_http2(p.session));
        assert_int_equal(SSL_write(p.client, "question", 8), 8);
        carry(&p, step);
        assert_int_equal(p.last, ERR_AGAIN);
        assert_int_equal(p.plain_len, 8);
        assert_memory_equal(p.plain, "question", 8);
        /* two records, one flush */
        assert_int_equal(tls_session_seal(p.session, (uint8_t *)"ans", 3), 0);
        assert_int_equal(tls_session_seal(p.session, (uint8_t *)"wer", 3), 0);
        carry(&p, step);
        assert_int_equal(SSL_read(p.client, text, 3), 3);
        assert_int_equal(SSL_read(p.client, text + 3, 3), 3);
        assert_memory_equal(text, "answer", 6);
        SSL_shutdown(p.client);
        carry(&p, step);
        assert_int_equal(p.last, ERR_CLOSED);
        close_pair(&p);
    }
}

static void test_protocols(void **state)
{
    static const unsigned char http1[] = "\x08http/1.1";
    static const unsigned char other[] = "\x05other";
    struct pair p;

    (void)state;
    open_pair(&p, http1, sizeof http1 - 1);
    shake_hands(&p, 512);
    assert_false(tls_session_is_http2(p.session));
    close_pair(&p);
    open_pair(&p, other, sizeof other - 1);
    SSL_do_handshake(p.client);
    carry(&p, 512);
    assert_int_equal(p.last, ERR_SYNTAX);
    assert_string_not_equal(tls_session_why(p.session), "");
    close_pair(&p);
}

static void test_not_tls(void **state)
{
    static const unsigned char h2[] = "\x02h2";
    struct pair p;

    (void)state;
    open_pair(&p, h2, sizeof h2 - 1);
    BIO_write(p.from_client, "GET / HTTP/1.1\r\n\r\n", 18);
    carry(&p, 512);
    assert_int_equal(p.last, ERR_SYNTAX);
    close_pair(&p);
}

static void test_tickets_resume_across_a_reload(void **state)
{
    static const unsigned char h2[] = "\x02h2";
    struct pair p;
    char text[8];

    (void)state;
    open_pair(&p, h2, sizeof h2 - 1);
    shake_hands(&p, 512);
    SSL_read(p.client, text, sizeof text); /* takes the tickets in */
    SSL_SESSION *ticket = SSL_get1_session(p.client);
    assert_true(SSL_SESSION_is_resumable(ticket));
    /* or OpenSSL takes the end for an attack and forgets the ticket */
    SSL_set_shutdown(p.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(p.client);
    tls_session_free(&p.session);
    assert_int_equal(tls_server_reload(p.server), 0);
    connect_client(&p, ticket);
    shake_hands(&p, 512);
    assert_true(SSL_session_reused(p.client));
    SSL_SESSION_free(ticket);
    close_pair(&p);
}

static void test_the_certificate_is_kept_and_reloaded(void **state)
{
    static const unsigned char h2[] = "\x02h2";
    struct pair p;
    struct stat st;
    char path[128];

    (void)state;
    open_pair(&p, h2, sizeof h2 - 1);
    shake_hands(&p, 512);
    X509 *first = SSL_get1_peer_certificate(p.client);
    assert_int_equal(X509_check_host(first, "live.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(first, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(first, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(first, "::1", 0), 1);
    assert_int_equal(X509_check_host(first, "evil", 0, 0, NULL), 0);
    snprintf(path, sizeof path, "%s/tls/key.pem", p.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    /* another server finds the same files */
    struct tls_server *again;
    assert_int_equal(create_server(&again, p.dir), 0);
    tls_server_free(&again);

    /* new files, then a reload: old session lives, new ones see the new */
    remove(path);
    assert_int_equal(create_server(&again, p.dir), 0);
    assert_int_equal(tls_server_reload(p.server), 0);
    SSL_free(p.client);
    tls_session_free(&p.session);
    connect_client(&p, NULL);
    shake_hands(&p, 512);
    X509 *second = SSL_get1_peer_certificate(p.client);
    assert_int_not_equal(X509_cmp(first, second), 0);

    /* files that went: what was loaded goes on */
    remove(path);
    assert_int_equal(tls_server_reload(p.server), ERR_NOTFOUND);
    SSL_free(p.client);
    tls_session_free(&p.session);
    connect_client(&p, NULL);
    shake_hands(&p, 512);
    X509_free(first);
    X509_free(second);
    tls_server_free(&again);
    close_pair(&p);
}

static void test_wrong_files_are_named(void **state)
{
    struct tls_server *t = NULL;
    struct tls_server_conf conf = {"/nonexistent/c", "/nonexistent/k", "", NULL,
                                   true};

    (void)state;
    log_setup(LOG_ERROR, open("/dev/null", O_WRONLY));
    assert_int_equal(tls_server_create(&t, &conf), ERR_NOTFOUND);
    conf.cert = conf.key = "/dev/null";
    assert_int_equal(tls_server_create(&t, &conf), ERR_SYNTAX);
    assert_null(t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_bytes_both_ways_at_any_step),
    cmocka_unit_test(test_protocols),
    cmocka_unit_test(test_not_tls),
    cmocka_unit_test(test_tickets_resume_across_a_reload),
    cmocka_unit_test(test_the_certificate_is_kept_and_reloaded),
    cmocka_unit_test(test_wrong_files_are_named),
};
HARNESS_MAIN(tests)
