/* tests/http_room.h — an HTTP server with one of each kind of handler, and a
 * client beside it, on a loop that the test turns. */
#ifndef TESTS_HTTP_ROOM_H
#define TESTS_HTTP_ROOM_H
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/server.h"
#include "core/net/tcp.h"
#include "tests/harness.h"

enum { BIG = 6 << 20, PART = 2 << 20 };

/* How long a test waits for what must come; short where an allocation fails
 * and it may never come. */
static inline int64_t give_up_us(void)
{
    return getenv("LECTERN_ALLOC_FAIL") ? 150000 : 20000000;
}

struct room {
    struct loop *l;
    struct server *s;
    struct metrics *m;
    struct list waiters;
    int aborted, handled;
    struct response *big, *part;
    char seen_body[64];
};

struct client {
    int fd;
    char *in;
    size_t len, room;
    bool has_eof;
};

/* --- a server with one of each kind of handler ---------------------------- */

static inline void handle_hello(struct exchange *x, void *arg)
{
    struct room *r = arg;
    char text[512];

    r->handled++;
    snprintf(text, sizeof text, "path=%s query=%s host=%s ua=%s peer=%s",
             exchange_path(x), exchange_query(x), exchange_host(x),
             exchange_header(x, "user-agent") ? exchange_header(x, "user-agent")
                                              : "-",
             exchange_peer(x));
    exchange_respond_text(x, 200, text);
}

static inline void handle_body(struct exchange *x, void *arg)
{
    struct room *r = arg;
    struct slice s = exchange_body(x);

    r->handled++;
    snprintf(r->seen_body, sizeof r->seen_body, "%.*s", (int)s.len,
             s.len ? (const char *)s.data : "");
    exchange_respond_text(x, 201, r->seen_body);
}

static inline void handle_big(struct exchange *x, void *arg)
{
    exchange_respond(x, ((struct room *)arg)->big);
}

/* Large enough, and asked for often enough, to go out by sendfile. */
static inline void handle_part(struct exchange *x, void *arg)
{
    exchange_respond(x, ((struct room *)arg)->part);
}

struct waiter {
    struct room *room;
    struct exchange *x;
};

static inline void on_waiter_gone(void *arg)
{
    struct waiter *w = arg;

    w->room->aborted++;
    list_unlink(exchange_node(w->x));
    free(w);
}

static inline void handle_wait(struct exchange *x, void *arg)
{
    struct room *r = arg;
    struct waiter *w = malloc(sizeof *w);

    if (!w) {
        exchange_respond_text(x, 503, "memory");
        return;
    }
    *w = (struct waiter){r, x};
    r->handled++;
    list_append(&r->waiters, exchange_node(x));
    exchange_set_user(x, w);
    exchange_on_abort(x, on_waiter_gone, w);
}

static inline void make_big(struct room *r)
{
    struct builder b;
    struct buf *buf;

    assert_int_equal(response_create(&r->big, 200), 0);
    builder_init(&b, BIG);
    uint8_t *room = builder_extend(&b, BIG);
    assert_non_null(room);
    for (size_t i = 0; i < BIG; i++)
        room[i] = (uint8_t)(i * 7 + (i >> 10));
    assert_int_equal(builder_seal(&b, &buf), 0);
    for (size_t at = 0; at < BIG; at += BIG / 8) {
        struct slice s = slice_of(buf, at, BIG / 8);
        assert_int_equal(response_body(r->big, s), 0);
        slice_unref(&s);
    }
    assert_int_equal(response_create(&r->part, 200), 0);
    for (size_t at = 0; at < PART; at += PART / 4) {
        struct slice s = slice_of(buf, at, PART / 4);
        assert_int_equal(response_body(r->part, s), 0);
        slice_unref(&s);
    }
    buf_unref(&buf);
}

static inline void open_room(struct room *r,
                             void (*tweak)(struct server_limits *))
{
    static const struct {
        unsigned methods;
        const char *path;
        size_t body;
        server_handler *fn;
    } routes[] = {
        {HTTP_GET, "/hello", 0, handle_hello},
        {HTTP_GET, "/tree/*", 0, handle_hello},
        {HTTP_POST | HTTP_PATCH, "/body", 32, handle_body},
        {HTTP_GET, "/wait", 0, handle_wait},
        {HTTP_GET, "/big", 0, handle_big},
        {HTTP_GET, "/part", 0, handle_part},
    };
    struct server_conf conf = {.listen = "127.0.0.1:0"};

    memset(r, 0, sizeof *r);
    list_init(&r->waiters);
    log_setup(LOG_ERROR, 2);
    assert_int_equal(loop_create(&r->l, 0), 0);
    assert_int_equal(metrics_create(&r->m), 0);
    make_big(r);
    conf.loop = r->l;
    conf.metrics = r->m;
    server_limits_default(&conf.limits);
    if (tweak) tweak(&conf.limits);
    assert_int_equal(server_create(&r->s, &conf), 0);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct server_route route = {routes[i].methods, routes[i].path,
                                     routes[i].body, routes[i].fn, r};
        assert_int_equal(server_route(r->s, &route), 0);
    }
}

static inline void on_done(void *arg)
{
    *(bool *)arg = true;
}

static inline void close_room(struct room *r)
{
    bool done = false;

    server_close(r->s, 0, on_done, &done);
    int64_t until = clock_mono_us() + give_up_us();
    while (!done && clock_mono_us() < until)
        loop_run_once(r->l);
    assert_true(done);
    assert_true(list_is_empty(&r->waiters));
    response_unref(&r->big);
    response_unref(&r->part);
    loop_free(&r->l);
    metrics_free(&r->m);
}

/* --- a client ------------------------------------------------------------- */

static inline void client_open(struct room *r, struct client *c)
{
    char text[64];
    struct sockaddr_storage a;

    memset(c, 0, sizeof *c);
    snprintf(text, sizeof text, "127.0.0.1:%d", server_port(r->s));
    assert_int_equal(tcp_parse_address(text, &a), 0);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    assert_int_equal(
        connect(c->fd, (struct sockaddr *)&a, sizeof(struct sockaddr_in)), 0);
}

static inline void client_close(struct client *c)
{
    close(c->fd);
    free(c->in);
    c->in = NULL;
}

/* One turn of the server's loop and of what came to the client. */
static inline void turn(struct room *r, struct client *c)
{
    struct pollfd fds[2] = {
        {.fd = uv_backend_fd(loop_uv(r->l)), .events = POLLIN},
        {.fd = c && !c->has_eof ? c->fd : -1, .events = POLLIN}};
    int timeout = uv_backend_timeout(loop_uv(r->l));

    if (timeout < 0 || timeout > 100) timeout = 100;
    poll(fds, 2, timeout);
    loop_run_once(r->l);
    if (!c || c->has_eof) return;
    for (;;) {
        if (c->room - c->len < 65536) {
            size_t want = c->room * 2 + 131072;
            char *more = realloc(c->in, want);
            if (!more) return;
            c->in = more;
            c->room = want;
        }
        ssize_t n =
            recv(c->fd, c->in + c->len, c->room - c->len - 1, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            c->has_eof = true;
            break;
        }
        c->len += (size_t)n;
    }
    c->in[c->len] = 0;
}

static inline void client_send(struct room *r, struct client *c,
                               const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno != EAGAIN) {
            return; /* the server hung up: tests look at what it said */
        }
        turn(r, c);
    }
}

static inline void client_say(struct room *r, struct client *c,
                              const char *text)
{
    client_send(r, c, text, strlen(text));
}

#define UNTIL(r, c, condition)                                                 \
    do {                                                                       \
        int64_t until_ = clock_mono_us() + give_up_us();                       \
        while (!(condition) && clock_mono_us() < until_)                       \
            turn(r, c);                                                        \
        assert_true(condition);                                                \
    } while (0)

static inline int count_of(const char *text, const char *word)
{
    int n = 0;

    for (; text && (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* Sends one request on its own connection and reads until the server is
 * done with it. */
static inline char *ask(struct room *r, const char *request)
{
    static char answer[8192];
    struct client c;

    client_open(r, &c);
    client_say(r, &c, request);
    int64_t until = clock_mono_us() + give_up_us();
    while (!c.has_eof && clock_mono_us() < until)
        turn(r, &c);
    snprintf(answer, sizeof answer, "%s", c.len ? c.in : "");
    client_close(&c);
    return answer;
}

#define CLOSE "Host: h\r\nConnection: close\r\n\r\n"

#endif
