#include "tests/http_room.h"

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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_routes),
    cmocka_unit_test(test_bodies),
};
HARNESS_MAIN(tests)
