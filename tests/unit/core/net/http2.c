/* HTTP/2 and TLS against the server on its own thread: the client here blocks,
 * with nghttp2 and OpenSSL as the judges of what comes. */
#include "tests/harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/server.h"
#include "core/net/tcp.h"
#include "core/net/tls.h"

enum { BIG = 3 << 20, STREAMS_MAX = 400 };

/* --- server
 * --------------------------------------------------------------------- */

struct room {
    struct loop *l;
    struct server *s;
    struct metrics *m;
    struct tls_server *tls;
    struct response *big;
    struct list waiters;
    atomic_int waiting, aborted, answered;
    char dir[HARNESS_DIR_MAX];
    int port;
    void (*tweak)(struct server_limits *);
};

static void handle_hello(struct exchange *x, void *arg)
{
    struct room *r = arg;
    char text[256];

    snprintf(text, sizeof text, "%s|%s|%s|%d", exchange_path(x),
             exchange_query(x), exchange_host(x), exchange_is_secure(x));
    atomic_fetch_add(&r->answered, 1);
    exchange_respond_text(x, 200, text);
}

static void handle_body(struct exchange *x, void *arg)
{
    struct slice s = exchange_body(x);
    char text[64];

    (void)arg;
    snprintf(text, sizeof text, "%zu", s.len);
    exchange_respond_text(x, 201, text);
}

static void handle_big(struct exchange *x, void *arg)
{
    exchange_respond(x, ((struct room *)arg)->big);
}

static void on_gone(void *arg)
{
    struct exchange *x = arg;
    struct room *r = exchange_user(x);

    list_unlink(exchange_node(x));
    atomic_fetch_add(&r->aborted, 1);
}

static void handle_wait(struct exchange *x, void *arg)
{
    struct room *r = arg;

    list_append(&r->waiters, exchange_node(x));
    exchange_set_user(x, r);
    exchange_on_abort(x, on_gone, x);
    atomic_fetch_add(&r->waiting, 1);
}

static void release_all(void *arg)
{
    struct room *r = arg;

    while (!list_is_empty(&r->waiters)) {
        struct exchange *x = exchange_of_node(r->waiters.next);
        list_unlink(exchange_node(x));
        exchange_respond_text(x, 200, "released");
    }
}

static int make_big(struct room *r)
{
    struct buf *b = NULL;
    struct builder w;

    builder_init(&w, BIG);
    uint8_t *p = builder_extend(&w, BIG);
    for (size_t i = 0; p && i < BIG; i++)
        p[i] = (uint8_t)(i * 13 + (i >> 11));
    if (builder_seal(&w, &b)) return -1;
    if (response_create(&r->big, 200)) return -1;
    for (size_t at = 0; at < BIG; at += BIG / 16) {
        struct slice s = slice_of(b, at, BIG / 16);
        if (response_body(r->big, s)) return -1;
        slice_unref(&s);
    }
    buf_unref(&b);
    return 0;
}

static int open_tls(struct room *r)
{
    struct tls_server_conf conf = {"auto", "auto", r->dir, NULL, true};

    if (!harness_dir(r->dir)) return -1;
    return tls_server_create(&r->tls, &conf);
}

static void open_room(struct room *r, bool secure,
                      void (*tweak)(struct server_limits *))
{
    const struct server_route routes[] = {
        {HTTP_GET, "/hello", 0, handle_hello, r},
        {HTTP_POST, "/body", 300000, handle_body, r},
        {HTTP_GET, "/big", 0, handle_big, r},
        {HTTP_GET, "/wait", 0, handle_wait, r},
    };
    struct server_conf conf = {.listen = "127.0.0.1:0"};

    memset(r, 0, sizeof *r);
    list_init(&r->waiters);
    log_setup(LOG_ERROR, open("/dev/null", O_WRONLY));
    assert_int_equal(loop_create(&r->l, 0), 0);
    assert_int_equal(metrics_create(&r->m), 0);
    if (secure) assert_int_equal(open_tls(r), 0);
    assert_int_equal(make_big(r), 0);
    conf.loop = r->l;
    conf.metrics = r->m;
    conf.tls = r->tls;
    server_limits_default(&conf.limits);
    if (tweak) tweak(&conf.limits);
    assert_int_equal(server_create(&r->s, &conf), 0);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        assert_int_equal(server_route(r->s, &routes[i]), 0);
    r->port = server_port(r->s);
    assert_int_equal(loop_start(r->l), 0);
}

static void on_closed(void *arg)
{
    loop_stop(((struct room *)arg)->l);
}

static void close_server(void *arg)
{
    struct room *r = arg;

    server_close(r->s, 0, on_closed, r);
}

static void free_room(struct room *r)
{
    loop_join(r->l);
    response_unref(&r->big);
    loop_free(&r->l);
    metrics_free(&r->m);
    tls_server_free(&r->tls);
    if (r->dir[0]) harness_remove(r->dir);
}

static void close_room(struct room *r)
{
    if (loop_post(r->l, close_server, r)) loop_stop(r->l);
    free_room(r);
}

static int64_t refused(struct room *r, const char *reason)
{
    char label[64] = "";

    metric_label(label, sizeof label, "reason", reason);
    return metric_count(
        metrics_counter(r->m, "lectern_http_refused_total", "", label));
}

/* --- client
 * ---------------------------------------------------------------------- */

struct wire {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static void wire_open(struct wire *w, struct room *r, const char *alpn)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)r->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {getenv("LECTERN_ALLOC_FAIL") ? 0 : 20, 300000};

    memset(w, 0, sizeof *w);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(w->fd, (struct sockaddr *)&a, sizeof a), 0);
    if (!r->tls) return;
    w->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_alpn_protos(w->ctx, (const unsigned char *)alpn,
                            (unsigned)strlen(alpn));
    w->ssl = SSL_new(w->ctx);
    SSL_set_fd(w->ssl, w->fd);
    assert_int_equal(SSL_connect(w->ssl), 1);
}

static void wire_close(struct wire *w)
{
    SSL_free(w->ssl);
    SSL_CTX_free(w->ctx);
    close(w->fd);
}

static ssize_t wire_write(struct wire *w, const void *data, size_t len)
{
    if (w->ssl) return SSL_write(w->ssl, data, (int)len);
    return send(w->fd, data, len, MSG_NOSIGNAL);
}

static ssize_t wire_read(struct wire *w, void *data, size_t size)
{
    if (w->ssl) return SSL_read(w->ssl, data, (int)size);
    return recv(w->fd, data, size, 0);
}

struct answer {
    int status;
    size_t len;
    bool is_big, is_over;
    uint32_t reset;
    char text[256], date[40];
};

struct client {
    struct wire w;
    nghttp2_session *session;
    struct answer answers[STREAMS_MAX];
    int over;
    uint32_t goaway;
    bool has_goaway, failed;
};

static struct answer *answer_of(struct client *c, int32_t id)
{
    return &c->answers[(id / 2) % STREAMS_MAX];
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data,
                       size_t len, int flags, void *arg)
{
    struct client *c = arg;

    (void)session, (void)flags;
    if (wire_write(&c->w, data, len) == (ssize_t)len) return (ssize_t)len;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t len, uint8_t flags, void *arg)
{
    struct answer *a = answer_of(arg, frame->hd.stream_id);

    (void)session, (void)name_len, (void)flags;
    if (!strcmp((const char *)name, ":status"))
        a->status = atoi((const char *)value);
    if (!strcmp((const char *)name, "date"))
        snprintf(a->date, sizeof a->date, "%.*s", (int)len, value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
                   const uint8_t *data, size_t len, void *arg)
{
    struct answer *a = answer_of(arg, id);

    (void)session, (void)flags;
    if (!a->len) a->is_big = true;
    for (size_t i = 0; i < len; i++, a->len++) {
        if (data[i] != (uint8_t)(a->len * 13 + (a->len >> 11)))
            a->is_big = false;
        if (a->len < sizeof a->text - 1) a->text[a->len] = (char)data[i];
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code,
                    void *arg)
{
    struct client *c = arg;
    struct answer *a = answer_of(c, id);

    (void)session;
    a->is_over = true;
    a->reset = code;
    c->over++;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                    void *arg)
{
    struct client *c = arg;

    (void)session;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    c->has_goaway = true;
    c->goaway = frame->goaway.error_code;
    return 0;
}

static void client_open(struct client *c, struct room *r)
{
    nghttp2_session_callbacks *cb;
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                     1 << 20};

    memset(c, 0, sizeof *c);
    wire_open(&c->w, r, "\x02h2");
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_send_callback(cb, on_send);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_client_new(&c->session, cb, c);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(c->session, 0, &window, 1);
}

static void client_close(struct client *c)
{
    nghttp2_session_del(c->session);
    wire_close(&c->w);
}

#define NV(n, v)                                                               \
    {                                                                          \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n),       \
            strlen(v), 0                                                       \
    }

static int32_t request(struct client *c, const char *method, const char *path,
                       const nghttp2_data_provider *body)
{
    const nghttp2_nv fields[] = {NV(":method", method), NV(":scheme", "https"),
                                 NV(":authority", "me:1"), NV(":path", path),
                                 NV("user-agent", "test")};

    return nghttp2_submit_request(c->session, NULL, fields, 5, body, NULL);
}

static bool client_step(struct client *c)
{
    uint8_t in[16384];

    if (nghttp2_session_send(c->session)) {
        c->failed = true;
        return false;
    }
    ssize_t n = wire_read(&c->w, in, sizeof in);
    if (n <= 0 || nghttp2_session_mem_recv(c->session, in, (size_t)n) < 0) {
        c->failed = true;
        return false;
    }
    return true;
}

static void client_wait(struct client *c, int over)
{
    while (c->over < over && client_step(c))
        continue;
    assert_true(c->over >= over);
}

static void wait_for(atomic_int *what, int value)
{
    int ms = getenv("LECTERN_ALLOC_FAIL") ? 300 : 20000;

    for (; ms > 0 && atomic_load(what) < value; ms--)
        usleep(1000);
    assert_true(atomic_load(what) >= value);
}

/* --- tests
 * ------------------------------------------------------------------------- */

static void try_requests(bool secure)
{
    struct room r;
    static struct client c;

    open_room(&r, secure, NULL);
    client_open(&c, &r);
    int32_t hello = request(&c, "GET", "/hello?q=%20", NULL);
    int32_t none = request(&c, "GET", "/none", NULL);
    int32_t head = request(&c, "HEAD", "/hello", NULL);
    int32_t big = request(&c, "GET", "/big", NULL);
    int32_t wrong = request(&c, "DELETE", "/hello", NULL);
    int32_t up = request(&c, "GET", "/x/../y", NULL);
    int32_t brew = request(&c, "BREW", "/hello", NULL);
    client_wait(&c, 7);
    struct answer *a = answer_of(&c, hello);
    assert_int_equal(a->status, 200);
    assert_string_equal(a->text,
                        secure ? "/hello|q=%20|me:1|1" : "/hello|q=%20|me:1|0");
    assert_int_equal(strlen(a->date), 29);
    assert_int_equal(answer_of(&c, none)->status, 404);
    assert_int_equal(answer_of(&c, head)->status, 200);
    assert_int_equal(answer_of(&c, head)->len, 0);
    assert_int_equal(answer_of(&c, big)->len, BIG);
    assert_true(answer_of(&c, big)->is_big);
    assert_int_equal(answer_of(&c, wrong)->status, 405);
    assert_int_equal(answer_of(&c, up)->status, 400);
    assert_int_equal(answer_of(&c, brew)->status, 501);
    assert_int_equal(refused(&r, "syntax"), 1);
    client_close(&c);
    close_room(&r);
}

static void test_requests_over_tls(void **state)
{
    (void)state;
    try_requests(true);
}

static void test_requests_by_prior_knowledge(void **state)
{
    (void)state;
    try_requests(false);
}

struct upload {
    size_t left;
};

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *buf,
                           size_t length, uint32_t *flags,
                           nghttp2_data_source *source, void *arg)
{
    struct upload *u = source->ptr;
    size_t n = length < u->left ? length : u->left;

    (void)session, (void)id, (void)arg;
    memset(buf, 'u', n);
    u->left -= n;
    if (!u->left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void test_bodies(void **state)
{
    struct room r;
    static struct client c;
    struct upload fits = {300000}, over = {300001}, unwanted = {10};
    nghttp2_data_provider a = {{.ptr = &fits}, read_upload};
    nghttp2_data_provider b = {{.ptr = &over}, read_upload};
    nghttp2_data_provider d = {{.ptr = &unwanted}, read_upload};

    (void)state;
    open_room(&r, false, NULL);
    client_open(&c, &r);
    int32_t first = request(&c, "POST", "/body", &a);
    int32_t second = request(&c, "POST", "/body", &b);
    int32_t third = request(&c, "GET", "/hello", &d);
    client_wait(&c, 3);
    assert_int_equal(answer_of(&c, first)->status, 201);
    assert_string_equal(answer_of(&c, first)->text, "300000");
    assert_int_equal(answer_of(&c, second)->status, 413);
    assert_int_equal(answer_of(&c, third)->status, 413);
    client_close(&c);
    close_room(&r);
}

static void test_waiters_side_by_side(void **state)
{
    enum { N = 100 };
    struct room r;
    static struct client c;
    int32_t id[N];

    (void)state;
    open_room(&r, true, NULL);
    client_open(&c, &r);
    for (int i = 0; i < N; i++)
        id[i] = request(&c, "GET", "/wait", NULL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.waiting, N);
    /* ten go away; the others get their answer */
    for (int i = 0; i < 10; i++)
        nghttp2_submit_rst_stream(c.session, 0, id[i * 10], NGHTTP2_CANCEL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.aborted, 10);
    assert_int_equal(loop_post(r.l, release_all, &r), 0);
    client_wait(&c, N);
    assert_string_equal(answer_of(&c, id[1])->text, "released");
    assert_string_equal(answer_of(&c, id[99])->text, "released");
    assert_int_equal(r.aborted, 10);
    /* and the rest when the connection goes */
    request(&c, "GET", "/wait", NULL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.waiting, N + 1);
    client_close(&c);
    wait_for(&r.aborted, 11);
    close_room(&r);
}

static void until_cut_off(struct client *c)
{
    while (client_step(c))
        continue;
    assert_true(c->failed);
}

static void test_rapid_reset_is_cut_off(void **state)
{
    struct room r;
    static struct client c;

    (void)state;
    open_room(&r, false, NULL);
    client_open(&c, &r);
    for (int i = 0; i < 300 && !c.failed; i++) {
        int32_t id = request(&c, "GET", "/wait", NULL);
        if (nghttp2_session_send(c.session)) break;
        nghttp2_submit_rst_stream(c.session, 0, id, NGHTTP2_CANCEL);
        if (nghttp2_session_send(c.session)) break;
    }
    until_cut_off(&c);
    assert_int_equal(refused(&r, "h2-flood"), 1);
    assert_true(atomic_load(&r.waiting) < 200);
    assert_int_equal(atomic_load(&r.aborted), atomic_load(&r.waiting));
    client_close(&c);
    close_room(&r);
}

/* Frames by hand: what a well-kept client library would not send. */
static void raw_open(struct wire *w, struct room *r)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\x04\0\0\0\0\0";

    wire_open(w, r, "\x02h2");
    assert_int_equal(wire_write(w, hello, sizeof hello - 1), sizeof hello - 1);
}

static void send_until_closed(struct wire *w, const void *frame, size_t len,
                              int most)
{
    char in[4096];

    for (int i = 0; i < most; i++)
        if (send(w->fd, frame, len, MSG_NOSIGNAL) < 0) break;
    while (wire_read(w, in, sizeof in) > 0)
        continue;
    wire_close(w);
}

static void test_floods_are_cut_off(void **state)
{
    static const char ping[] = "\0\0\x08\x06\0\0\0\0\0pingpong";
    static const char settings[] = "\0\0\0\x04\0\0\0\0\0";
    static const char empty[] = "\0\0\0\x06\0\0\0\0\x01";
    /* CONTINUATION after HEADERS without END_HEADERS, never ending */
    static const char headers[] = "\0\0\0\x01\0\0\0\0\x01";
    static const char more[] = "\0\0\0\x09\0\0\0\0\x01";
    struct room r;
    struct wire w;

    (void)state;
    open_room(&r, false, NULL);
    raw_open(&w, &r);
    send_until_closed(&w, ping, sizeof ping - 1, 5000);
    raw_open(&w, &r);
    send_until_closed(&w, settings, sizeof settings - 1, 5000);
    raw_open(&w, &r);
    send_until_closed(&w, empty, sizeof empty - 1, 1);
    raw_open(&w, &r);
    assert_int_equal(wire_write(&w, headers, sizeof headers - 1),
                     sizeof headers - 1);
    send_until_closed(&w, more, sizeof more - 1, 5000);
    assert_int_equal(refused(&r, "h2-flood") + refused(&r, "h2-protocol"), 4);
    assert_int_equal(atomic_load(&r.answered), 0);
    close_room(&r);
}

static void be_small(struct server_limits *l)
{
    l->head_bytes = 4096;
    l->head_us = l->idle_us = l->write_us = 100000;
}

static void test_large_heads_and_slow_clients(void **state)
{
    struct room r;
    static struct client c;
    static char path[5000];
    char in[4096];
    struct wire w;
    static const char part[] = "\0\0\x40\x01\0\0\0\0\x01half a head";

    (void)state;
    open_room(&r, false, be_small);
    client_open(&c, &r);
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    int32_t id = request(&c, "GET", path, NULL);
    client_wait(&c, 1);
    assert_int_equal(answer_of(&c, id)->status, 431);
    /* then says nothing more: a friendly end */
    until_cut_off(&c);
    assert_true(c.has_goaway);
    assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
    client_close(&c);
    raw_open(&w, &r);
    assert_true(wire_write(&w, part, sizeof part - 1) > 0);
    while (wire_read(&w, in, sizeof in) > 0)
        continue;
    wire_close(&w);
    assert_int_equal(refused(&r, "head-time"), 1);
    /* one that never opens its window */
    client_open(&c, &r);
    nghttp2_settings_entry none = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    nghttp2_submit_settings(c.session, 0, &none, 1);
    request(&c, "GET", "/big", NULL);
    until_cut_off(&c);
    assert_int_equal(refused(&r, "write-time"), 1);
    client_close(&c);
    close_room(&r);
}

static void post_close(void *arg)
{
    struct room *r = arg;

    server_close(r->s, 20000000, on_closed, r);
}

static void test_closing_says_goaway_and_lets_answers_out(void **state)
{
    struct room r;
    static struct client c;

    (void)state;
    open_room(&r, true, NULL);
    client_open(&c, &r);
    int32_t id = request(&c, "GET", "/wait", NULL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.waiting, 1);
    assert_int_equal(loop_post(r.l, post_close, &r), 0);
    while (!c.has_goaway && client_step(&c))
        continue;
    assert_true(c.has_goaway);
    assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(loop_post(r.l, release_all, &r), 0);
    client_wait(&c, 1);
    assert_string_equal(answer_of(&c, id)->text, "released");
    client_close(&c);
    free_room(&r); /* the server ended by itself */
}

static void test_http1_over_tls(void **state)
{
    struct room r;
    struct wire w;
    static char in[BIG + 4096];
    size_t n = 0;
    static const char ask[] = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
                              "GET /big HTTP/1.1\r\nHost: h\r\n"
                              "Connection: close\r\n\r\n";

    (void)state;
    open_room(&r, true, NULL);
    wire_open(&w, &r, "\x08http/1.1");
    assert_true(wire_write(&w, ask, sizeof ask - 1) > 0);
    for (;;) {
        ssize_t got = wire_read(&w, in + n, sizeof in - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    wire_close(&w);
    assert_non_null(strstr(in, "/hello||h|1"));
    assert_true(n > BIG);
    const uint8_t *body = (uint8_t *)in + n - BIG;
    for (size_t i = 0; i < BIG; i++)
        assert_int_equal(body[i], (uint8_t)(i * 13 + (i >> 11)));
    /* not TLS at all */
    struct tls_server *kept = r.tls;
    r.tls = NULL;
    wire_open(&w, &r, "");
    r.tls = kept;
    assert_true(wire_write(&w, ask, sizeof ask - 1) > 0);
    while (wire_read(&w, in, sizeof in) > 0)
        continue;
    wire_close(&w);
    assert_int_equal(refused(&r, "handshake"), 1);
    close_room(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_requests_over_tls),
    cmocka_unit_test(test_requests_by_prior_knowledge),
    cmocka_unit_test(test_bodies),
    cmocka_unit_test(test_waiters_side_by_side),
    cmocka_unit_test(test_rapid_reset_is_cut_off),
    cmocka_unit_test(test_floods_are_cut_off),
    cmocka_unit_test(test_large_heads_and_slow_clients),
    cmocka_unit_test(test_closing_says_goaway_and_lets_answers_out),
    cmocka_unit_test(test_http1_over_tls),
};
HARNESS_MAIN(tests)
