#include "tests/http_room.h"

static void release_all(struct room *r, const char *text)
{
    while (!list_is_empty(&r->waiters)) {
        struct exchange *x = exchange_of_node(r->waiters.next);
        list_unlink(exchange_node(x));
        free(exchange_user(x));
        exchange_respond_text(x, 200, text);
    }
}

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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_answers_and_keeps_alive),
    cmocka_unit_test(test_pipelining_keeps_order),
    cmocka_unit_test(test_every_step_of_input),
    cmocka_unit_test(test_waiters_that_leave),
    cmocka_unit_test(test_half_closed_clients_get_their_answer),
    cmocka_unit_test(test_closing_lets_answers_out),
};
HARNESS_MAIN(tests)
