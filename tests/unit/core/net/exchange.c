#include "tests/http_room.h"

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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_accepting_gzip),
    cmocka_unit_test(test_forwarded_addresses),
};
HARNESS_MAIN(tests)
