/* tests/http2_room.h — HTTP/2 and TLS against the server on its own thread: the
 * client here blocks, with nghttp2 and OpenSSL as the judges of what comes. */
#ifndef TESTS_HTTP2_ROOM_H
#define TESTS_HTTP2_ROOM_H
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
#include "tests/harness.h"

enum { BIG = 3 << 20, STREAMS_MAX = 400 };

/* --- server --------------------------------------------------------------- */

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

static inline void handle_hello(struct exchange *x, void *arg)
{
    struct room *r = arg;
    char text[256];

    snprintf(text, sizeof text, "%s|%s|%s|%d", exchange_path(x),
             exchange_query(x), exchange_host(x), exchange_is_secure(x));
    atomic_fetch_add(&r->answered, 1);
    exchange_respond_text(x, 200, text);
}

static inline void handle_body(struct exchange *x, void *arg)
{
    struct slice s = exchange_body(x);
    char text[64];

    (void)arg;
    snprintf(text, sizeof text, "%zu", s.len);
    exchange_respond_text(x, 201, text);
}

static inline void handle_big(struct exchange *x, void *arg)
{
    exchange_respond(x, ((struct room *)arg)->big);
}

static inline void on_gone(void *arg)
{
    struct exchange *x = arg;
    struct room *r = exchange_user(x);

    list_unlink(exchange_node(x));
    atomic_fetch_add(&r->aborted, 1);
}

static inline void handle_wait(struct exchange *x, void *arg)
{
    struct room *r = arg;

    list_append(&r->waiters, exchange_node(x));
    exchange_set_user(x, r);
    exchange_on_abort(x, on_gone, x);
    atomic_fetch_add(&r->waiting, 1);
}

static inline int make_big(struct room *r)
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

static inline int open_tls(struct room *r)
{
    struct tls_server_conf conf = {"auto", "auto", r->dir, NULL, true};

    if (!harness_dir(r->dir)) return -1;
    return tls_server_create(&r->tls, &conf);
}

static inline void open_room(struct room *r, bool secure,
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

static inline void on_closed(void *arg)
{
    loop_stop(((struct room *)arg)->l);
}

static inline void close_server(void *arg)
{
    struct room *r = arg;

    server_close(r->s, 0, on_closed, r);
}

static inline void free_room(struct room *r)
{
    loop_join(r->l);
    response_unref(&r->big);
    loop_free(&r->l);
    metrics_free(&r->m);
    tls_server_free(&r->tls);
    if (r->dir[0]) harness_remove(r->dir);
}

static inline void close_room(struct room *r)
{
    if (loop_post(r->l, close_server, r)) loop_stop(r->l);
    free_room(r);
}

static inline int64_t refused(struct room *r, const char *reason)
{
    char label[64] = "";

    metric_label(label, sizeof label, "reason", reason);
    return metric_count(
        metrics_counter(r->m, "lectern_http_refused_total", "", label));
}

/* --- client --------------------------------------------------------------- */

struct wire {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static inline void wire_open(struct wire *w, struct room *r, const char *alpn)
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

static inline void wire_close(struct wire *w)
{
    SSL_free(w->ssl);
    SSL_CTX_free(w->ctx);
    close(w->fd);
}

static inline ssize_t wire_write(struct wire *w, const void *data, size_t len)
{
    if (w->ssl) return SSL_write(w->ssl, data, (int)len);
    return send(w->fd, data, len, MSG_NOSIGNAL);
}

static inline ssize_t wire_read(struct wire *w, void *data, size_t size)
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

static inline struct answer *answer_of(struct client *c, int32_t id)
{
    return &c->answers[(id / 2) % STREAMS_MAX];
}

static inline ssize_t on_send(nghttp2_session *session, const uint8_t *data,
                              size_t len, int flags, void *arg)
{
    struct client *c = arg;

    (void)session, (void)flags;
    if (wire_write(&c->w, data, len) == (ssize_t)len) return (ssize_t)len;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static inline int on_header(nghttp2_session *session,
                            const nghttp2_frame *frame, const uint8_t *name,
                            size_t name_len, const uint8_t *value, size_t len,
                            uint8_t flags, void *arg)
{
    struct answer *a = answer_of(arg, frame->hd.stream_id);

    (void)session, (void)name_len, (void)flags;
    if (!strcmp((const char *)name, ":status"))
        a->status = atoi((const char *)value);
    if (!strcmp((const char *)name, "date"))
        snprintf(a->date, sizeof a->date, "%.*s", (int)len, value);
    return 0;
}

static inline int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
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

static inline int on_close(nghttp2_session *session, int32_t id, uint32_t code,
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

static inline int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                           void *arg)
{
    struct client *c = arg;

    (void)session;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    c->has_goaway = true;
    c->goaway = frame->goaway.error_code;
    return 0;
}

static inline void client_open(struct client *c, struct room *r)
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

static inline void client_close(struct client *c)
{
    nghttp2_session_del(c->session);
    wire_close(&c->w);
}

#define NV(n, v)                                                               \
    {                                                                          \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n),       \
            strlen(v), 0                                                       \
    }

static inline int32_t request(struct client *c, const char *method,
                              const char *path,
                              const nghttp2_data_provider *body)
{
    const nghttp2_nv fields[] = {NV(":method", method), NV(":scheme", "https"),
                                 NV(":authority", "me:1"), NV(":path", path),
                                 NV("user-agent", "test")};

    return nghttp2_submit_request(c->session, NULL, fields, 5, body, NULL);
}

static inline bool client_step(struct client *c)
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

static inline void client_wait(struct client *c, int over)
{
    while (c->over < over && client_step(c))
        continue;
    assert_true(c->over >= over);
}

#endif
