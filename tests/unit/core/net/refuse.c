#include "tests/http_room.h"

static int64_t metric_of(struct room *r, const char *name, const char *labels)
{
    return metric_count(metrics_counter(r->m, name, "", labels));
}

#define REFUSED(r, reason)                                                     \
    metric_of(r, "lectern_http_refused_total", "reason=\"" reason "\"")

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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_hostile_requests_are_refused),
    cmocka_unit_test(test_slow_clients_are_cut_off),
    cmocka_unit_test(test_idle_connections_end),
    cmocka_unit_test(test_connections_are_capped),
};
HARNESS_MAIN(tests)
