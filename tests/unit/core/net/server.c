#include "tests/harness.h"

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

enum { BIG = 6 << 20, PART = 2 << 20 };

/* How long a test waits for what must come; short where an allocation fails
 * and it may never come. */
static int64_t give_up_us(void)
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

/* --- a server with one of each kind of handler
 * --------------------------------- */

static void handle_hello(struct exchange *x, void *arg)
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

static void handle_body(struct exchange *x, void *arg)
{
    struct room *r = arg;
    struct slice s = exchange_body(x);

    r->handled++;
    snprintf(r->seen_body, sizeof r->seen_body, "%.*s", (int)s.len,
             s.len ? (const char *)s.data : "");
    exchange_respond_text(x, 201, r->seen_body);
}

static void handle_big(struct exchange *x, void *arg)
{
    exchange_respond(x, ((struct room *)arg)->big);
}

/* Large enough, and asked for often enough, to go out by sendfile. */
static void handle_part(struct exchange *x, void *arg)
{
    exchange_respond(x, ((struct room *)arg)->part);
}

struct waiter {
    struct room *room;
    struct exchange *x;
};

static void on_waiter_gone(void *arg)
{
    struct waiter *w = arg;

    w->room->aborted++;
    list_unlink(exchange_node(w->x));
    free(w);
}

static void handle_wait(struct exchange *x, void *arg)
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

static void release_all(struct room *r, const char *text)
{
    while (!list_is_empty(&r->waiters)) {
        struct exchange *x = exchange_of_node(r->waiters.next);
        list_unlink(exchange_node(x));
        free(exchange_user(x));
        exchange_respond_text(x, 200, text);
    }
}

static void make_big(struct room *r)
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

static void open_room(struct room *r, void (*tweak)(struct server_limits *))
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

static void on_done(void *arg)
{
    *(bool *)arg = true;
}

static void close_room(struct room *r)
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

static int64_t metric_of(struct room *r, const char *name, const char *labels)
{
    return metric_count(metrics_counter(r->m, name, "", labels));
}

#define REFUSED(r, reason)                                                     \
    metric_of(r, "lectern_http_refused_total", "reason=\"" reason "\"")

/* --- a client
 * ---------------------------------------------------------------------- */

static void client_open(struct room *r, struct client *c)
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

static void client_close(struct client *c)
{
    close(c->fd);
    free(c->in);
    c->in = NULL;
}

/* One turn of the server's loop and of what came to the client. */
static void turn(struct room *r, struct client *c)
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

static void client_send(struct room *r, struct client *c, const char *data,
                        size_t len)
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

static void client_say(struct room *r, struct client *c, const char *text)
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

static int count_of(const char *text, const char *word)
{
    int n = 0;

    for (; text && (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* Sends one request on its own connection and reads until the server is
 * done with it. */
static char *ask(struct room *r, const char *request)
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

/* --- tests
 * ---------------------------------------------------------------------------
 */

static void test_answers_and_keeps_alive(void **state)
{
    struct room r;
    struct client c;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    for (int i = 1; i <= 3; i++) {
        client_say(&r, &c,
                   "GET /hello?a=%20b HTTP/1.1\r\nHost: me:1\r\n"
                   "User-Agent: test\r\n\r\n");
        UNTIL(&r, &c, count_of(c.in, "peer=127.0.0.1") == i);
    }
    assert_int_equal(count_of(c.in, "HTTP/1.1 200 OK\r\n"), 3);
    assert_int_equal(count_of(c.in, "\r\ndate: "), 3);
    assert_int_equal(count_of(c.in, " GMT\r\n"), 3);
    assert_int_equal(count_of(c.in, "content-length: "), 3);
    assert_non_null(strstr(c.in, "access-control-allow-origin: *"));
    assert_non_null(strstr(c.in, "path=/hello query=a=%20b host=me:1 ua=test"));
    assert_false(c.has_eof);
    client_close(&c);
    close_room(&r);
}

static void test_routes(void **state)
{
    struct room r;

    (void)state;
    open_room(&r, NULL);
    assert_non_null(strstr(ask(&r, "GET /none HTTP/1.1\r\n" CLOSE), " 404 "));
    char *a = ask(&r, "DELETE /body HTTP/1.1\r\n" CLOSE);
    assert_non_null(strstr(a, "HTTP/1.1 405 "));
    assert_non_null(strstr(a, "\r\nallow: POST, PATCH, OPTIONS\r\n"));
    assert_non_null(strstr(a, "access-control-allow-origin: *"));
    a = ask(&r, "OPTIONS /body HTTP/1.1\r\n" CLOSE);
    assert_non_null(strstr(a, "HTTP/1.1 204 "));
    assert_non_null(strstr(a, "access-control-allow-methods: POST, PATCH"));
    assert_null(strstr(a, "\r\ncontent-length"));
    a = ask(&r, "GET /tree/a/b HTTP/1.1\r\n" CLOSE);
    assert_non_null(strstr(a, "path=/tree/a/b "));
    assert_non_null(strstr(a, "\r\nconnection: close\r\n"));
    assert_non_null(strstr(ask(&r, "GET /tree HTTP/1.1\r\n" CLOSE), " 404 "));
    /* HEAD: the head of GET, its length, and nothing behind it */
    a = ask(&r, "HEAD /hello HTTP/1.1\r\n" CLOSE);
    assert_non_null(strstr(a, "HTTP/1.1 200 OK\r\n"));
    assert_null(strstr(a, "content-length: 0"));
    assert_string_equal(a + strlen(a) - 4, "\r\n\r\n");
    close_room(&r);
}

static void test_bodies(void **state)
{
    struct room r;
    struct client c;

    (void)state;
    open_room(&r, NULL);
    char *a =
        ask(&r, "POST /body HTTP/1.1\r\nContent-Length: 5\r\n" CLOSE "hello");
    assert_non_null(strstr(a, "HTTP/1.1 201 "));
    assert_string_equal(r.seen_body, "hello");
    a = ask(&r, "PATCH /body HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE
                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_non_null(strstr(a, "HTTP/1.1 201 "));
    assert_string_equal(r.seen_body, "abcde");
    /* over the route's limit, said or found out */
    a = ask(&r, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\n");
    assert_non_null(strstr(a, "HTTP/1.1 413 "));
    a = ask(&r, "POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                "chunked\r\n\r\n21\r\n0123456789012345678901234567890123"
                "456789\r\n");
    assert_non_null(strstr(a, "HTTP/1.1 413 "));
    a = ask(&r, "GET /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
    assert_non_null(strstr(a, "HTTP/1.1 413 "));
    assert_int_equal(r.handled, 2);
    /* Expect: the body comes only after 100 */
    client_open(&r, &c);
    client_say(&r, &c,
               "POST /body HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
               "Content-Length: 3\r\n\r\n");
    UNTIL(&r, &c, count_of(c.in, "HTTP/1.1 100 Continue\r\n\r\n") == 1);
    client_say(&r, &c, "xyz");
    UNTIL(&r, &c, count_of(c.in, "HTTP/1.1 201 ") == 1);
    assert_string_equal(r.seen_body, "xyz");
    client_close(&c);
    close_room(&r);
}

static void test_pipelining_keeps_order(void **state)
{
    enum { N = 300 };
    struct room r;
    struct client c;
    static char all[N * 80];
    size_t n = 0;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(all + n, sizeof all - n,
                              "GET %s?%03d HTTP/1.1\r\nHost: h\r\n\r\n",
                              i == 1 ? "/wait" : "/hello", i);
    client_send(&r, &c, all, n);
    UNTIL(&r, &c, r.handled == 2);
    for (int i = 0; i < 20; i++)
        turn(&r, &c);
    assert_int_equal(r.handled, 2); /* the third waits for the second */
    release_all(&r, "second");
    UNTIL(&r, &c, count_of(c.in, "HTTP/1.1 200 ") == N);
    const char *at = strstr(c.in, "second");
    assert_true(at > strstr(c.in, "query=000"));
    for (int i = 2; i < N; i++) {
        char word[32];
        snprintf(word, sizeof word, "query=%03d ", i);
        at = at ? strstr(at, word) : NULL;
        assert_non_null(at);
    }
    client_close(&c);
    close_room(&r);
}

static void test_every_step_of_input(void **state)
{
    struct room r;
    struct client c;
    static const char text[] = "POST /body HTTP/1.1\r\nHost: h\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n0\r\n\r\n";

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof text - 1; i++)
        client_send(&r, &c, text + i, 1);
    UNTIL(&r, &c, count_of(c.in, "HTTP/1.1 201 ") == 1);
    assert_string_equal(r.seen_body, "abc");
    client_close(&c);
    close_room(&r);
}

static bool is_big(const uint8_t *body)
{
    for (size_t i = 0; i < BIG; i++)
        if (body[i] != (uint8_t)(i * 7 + (i >> 10))) return false;
    return true;
}

static void test_large_answers_by_reference(void **state)
{
    struct room r;
    struct client c;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    size_t before = buf_total_bytes();
    client_say(&r, &c,
               "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"
               "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c, c.len > BIG && count_of(c.in + c.len - 80, "peer=") == 1);
    /* nobody copied it (the small answer and the head came on top) */
    assert_true(buf_total_bytes() < before + 65536);
    char *body = strstr(c.in, "\r\n\r\n");
    assert_non_null(body);
    assert_true(is_big((uint8_t *)body + 4));
    client_close(&c);
    close_room(&r);
}

static void test_hot_answers_stay_whole(void **state)
{
    enum { N = 12 };
    struct room r;
    struct client c;
    size_t at = 0;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    for (int i = 0; i < N; i++)
        client_say(&r, &c, "GET /part HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c, c.len > PART);
    char *first = memmem(c.in, c.len, "\r\n\r\n", 4);
    assert_non_null(first);
    size_t head = (size_t)(first + 4 - c.in); /* the same each time */
    UNTIL(&r, &c, c.len >= N * (head + PART));
    for (int i = 0; i < N; i++) {
        char *body = memmem(c.in + at, c.len - at, "\r\n\r\n", 4);
        assert_non_null(body);
        at = (size_t)(body - c.in) + 4;
        assert_true(c.len - at >= PART);
        for (size_t k = 0; k < PART; k += 997)
            assert_int_equal((uint8_t)c.in[at + k],
                             (uint8_t)(k * 7 + (k >> 10)));
        at += PART;
    }
    assert_int_equal(at, c.len);
    client_close(&c);
    close_room(&r);
}

static void test_waiters_that_leave(void **state)
{
    struct room r;
    struct client c[3];

    (void)state;
    open_room(&r, NULL);
    for (int i = 0; i < 3; i++) {
        client_open(&r, &c[i]);
        client_say(&r, &c[i], "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    UNTIL(&r, &c[0], r.handled == 3);
    client_close(&c[1]);
    UNTIL(&r, NULL, r.aborted == 1);
    release_all(&r, "now");
    UNTIL(&r, &c[0], count_of(c[0].in, "now") == 1);
    UNTIL(&r, &c[2], count_of(c[2].in, "now") == 1);
    assert_int_equal(r.aborted, 1);
    /* and one that is there when the server ends */
    client_say(&r, &c[0], "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c[0], r.handled == 4);
    client_close(&c[2]);
    close_room(&r);
    client_close(&c[0]);
    assert_int_equal(r.aborted, 2);
}

static void test_half_closed_clients_get_their_answer(void **state)
{
    struct room r;
    struct client c;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    client_say(&r, &c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    shutdown(c.fd, SHUT_WR);
    UNTIL(&r, &c, c.has_eof);
    assert_int_equal(count_of(c.in, "HTTP/1.1 200 "), 1);
    client_close(&c);
    close_room(&r);
}

static void test_hostile_requests_are_refused(void **state)
{
    struct room r;
    static char big[70000];

    (void)state;
    open_room(&r, NULL);
    char *a = ask(&r, "GET /tree/../x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(a, "HTTP/1.1 400 "));
    assert_non_null(strstr(a, "connection: close"));
    assert_non_null(strstr(
        ask(&r, "GET /tree/%2e%2e/x HTTP/1.1\r\nHost: h\r\n\r\n"), " 400 "));
    assert_non_null(strstr(ask(&r, "nonsense\r\n\r\n"), " 400 "));
    assert_non_null(
        strstr(ask(&r, "BREW / HTTP/1.1\r\nHost: h\r\n\r\n"), " 501 "));
    assert_true(REFUSED(&r, "syntax") == 3);
    assert_true(REFUSED(&r, "method") == 1);
    size_t n =
        (size_t)snprintf(big, sizeof big, "GET / HTTP/1.1\r\nHost: h\r\nA: ");
    memset(big + n, 'a', 65536);
    big[n + 65536] = 0;
    a = ask(&r, big); /* 64 KB of header */
    assert_non_null(strstr(a, "HTTP/1.1 431 "));
    assert_true(REFUSED(&r, "head-size") == 1);
    /* two requests in one, for who believes the length (RFC 9112 §11.2) */
    a = ask(&r, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 44\r\n"
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(a, " 400 "));
    assert_int_equal(count_of(a, "HTTP/1.1"), 1);
    assert_int_equal(r.handled, 0);
    close_room(&r);
}

static void be_hasty(struct server_limits *l)
{
    l->head_us = l->body_us = l->write_us = 60000;
}

static void test_slow_clients_are_cut_off(void **state)
{
    struct room r;
    struct client c;

    (void)state;
    open_room(&r, be_hasty);
    assert_non_null(strstr(ask(&r, "GET /hello HT"), "HTTP/1.1 408 "));
    assert_non_null(strstr(ask(&r, "POST /body HTTP/1.1\r\nHost: h\r\n"
                                   "Content-Length: 5\r\n\r\nhe"),
                           "HTTP/1.1 408 "));
    /* a byte now and then does not move the deadline */
    client_open(&r, &c);
    client_say(&r, &c, "GET /hello HTTP/1.1\r\nA: ");
    int64_t until = clock_mono_us() + give_up_us();
    while (!c.has_eof && clock_mono_us() < until) {
        poll(NULL, 0, 1); /* a drip, far below what a head may hold */
        client_say(&r, &c, "a");
    }
    assert_true(c.has_eof);
    client_close(&c);
    assert_true(REFUSED(&r, "head-time") == 2);
    assert_true(REFUSED(&r, "body-time") == 1);
    /* one that asks for much and reads nothing */
    int small = 4096;
    static const char big[] = "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"
                              "GET /big HTTP/1.1\r\nHost: h\r\n\r\n";
    client_open(&r, &c);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_true(send(c.fd, big, sizeof big - 1, 0) > 0);
    UNTIL(&r, NULL, REFUSED(&r, "write-time") == 1);
    client_close(&c);
    close_room(&r);
}

static void be_impatient(struct server_limits *l)
{
    l->idle_us = 30000;
}

static void test_idle_connections_end(void **state)
{
    struct room r;
    struct client c;

    (void)state;
    open_room(&r, be_impatient);
    client_open(&r, &c);
    UNTIL(&r, &c, c.has_eof); /* never said a word */
    client_close(&c);
    client_open(&r, &c);
    client_say(&r, &c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c, c.has_eof);
    assert_int_equal(count_of(c.in, " 200 "), 1);
    client_close(&c);
    /* but one that waits for us is not idle */
    client_open(&r, &c);
    client_say(&r, &c, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c, r.handled == 2);
    int64_t until = clock_mono_us() + 100000;
    while (clock_mono_us() < until)
        turn(&r, &c);
    assert_false(c.has_eof);
    assert_int_equal(r.aborted, 0);
    client_close(&c);
    close_room(&r);
}

static void be_small(struct server_limits *l)
{
    l->connections = 2;
}

static void test_connections_are_capped(void **state)
{
    struct room r;
    struct client c[3];

    (void)state;
    open_room(&r, be_small);
    for (int i = 0; i < 3; i++) {
        client_open(&r, &c[i]);
        turn(&r, NULL);
    }
    UNTIL(&r, &c[2], c[2].has_eof);
    assert_true(REFUSED(&r, "connections") == 1);
    client_close(&c[0]);
    turn(&r, NULL);
    client_close(&c[2]);
    client_open(&r, &c[2]); /* there is room again */
    client_say(&r, &c[2], "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c[2], count_of(c[2].in, " 200 ") == 1);
    client_close(&c[1]);
    client_close(&c[2]);
    close_room(&r);
}

static void test_closing_lets_answers_out(void **state)
{
    struct room r;
    struct client idle, waiting;
    bool done = false;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &idle);
    client_open(&r, &waiting);
    client_say(&r, &waiting, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &waiting, r.handled == 1);
    server_close(r.s, give_up_us(), on_done, &done);
    UNTIL(&r, &idle, idle.has_eof);
    assert_false(done);
    release_all(&r, "late");
    UNTIL(&r, &waiting, waiting.has_eof);
    assert_int_equal(count_of(waiting.in, "late"), 1);
    assert_int_equal(count_of(waiting.in, "connection: close"), 1);
    UNTIL(&r, NULL, done);
    client_close(&idle);
    client_close(&waiting);
    response_unref(&r.big);
    response_unref(&r.part);
    loop_free(&r.l);
    metrics_free(&r.m);
}

static void gzip_handler(struct exchange *x, void *arg)
{
    (void)arg;
    exchange_respond_text(x, 200, exchange_accepts_gzip(x) ? "yes" : "no");
}

static void test_accepting_gzip(void **state)
{
    static const struct {
        const char *field, *want;
    } cases[] = {{"gzip", "yes"},    {"br, GZIP;q=0.5", "yes"},
                 {"gzip;q=0", "no"}, {"gzip; q=0.000, *", "no"},
                 {"*", "yes"},       {"br", "no"},
                 {"xgzip", "no"}};
    struct room r;
    char text[200];

    (void)state;
    open_room(&r, NULL);
    struct server_route route = {HTTP_GET, "/gzip", 0, gzip_handler, NULL};
    assert_int_equal(server_route(r.s, &route), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "GET /gzip HTTP/1.1\r\nAccept-Encoding: %s\r\n" CLOSE,
                 cases[i].field);
        char *a = ask(&r, text);
        assert_string_equal(a + strlen(a) - strlen(cases[i].want),
                            cases[i].want);
    }
    close_room(&r);
}

static void test_forwarded_addresses(void **state)
{
    static const struct {
        const char *field, *peer;
    } cases[] = {{"192.0.2.9", "peer=192.0.2.9"},
                 {"10.0.0.1, 2001:db8::1", "peer=2001:db8::1"},
                 {"192.0.2.9, unknown", "peer=127.0.0.1"},
                 {"", "peer=127.0.0.1"}};
    struct room r;
    char text[200];

    (void)state;
    open_room(&r, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "GET /hello HTTP/1.1\r\nX-Forwarded-For: %s\r\n" CLOSE,
                 cases[i].field);
        const char *a = ask(&r, text);
        assert_string_equal(a + strlen(a) - strlen(cases[i].peer),
                            cases[i].peer);
    }
    close_room(&r);
}

static void test_values_cannot_end_their_line(void **state)
{
    struct response *r = NULL;

    (void)state;
    assert_int_equal(response_create(&r, 99), ERR_RANGE);
    assert_int_equal(response_create(&r, 200), 0);
    assert_int_equal(response_header(r, "location", "a\r\nset-cookie: b"),
                     ERR_SYNTAX);
    assert_int_equal(response_header(r, "location", "/a"), 0);
    response_unref(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_answers_and_keeps_alive),
    cmocka_unit_test(test_routes),
    cmocka_unit_test(test_bodies),
    cmocka_unit_test(test_pipelining_keeps_order),
    cmocka_unit_test(test_every_step_of_input),
    cmocka_unit_test(test_large_answers_by_reference),
    cmocka_unit_test(test_hot_answers_stay_whole),
    cmocka_unit_test(test_waiters_that_leave),
    cmocka_unit_test(test_half_closed_clients_get_their_answer),
    cmocka_unit_test(test_hostile_requests_are_refused),
    cmocka_unit_test(test_slow_clients_are_cut_off),
    cmocka_unit_test(test_idle_connections_end),
    cmocka_unit_test(test_connections_are_capped),
    cmocka_unit_test(test_closing_lets_answers_out),
    cmocka_unit_test(test_accepting_gzip),
    cmocka_unit_test(test_forwarded_addresses),
    cmocka_unit_test(test_values_cannot_end_their_line),
};
HARNESS_MAIN(tests)
