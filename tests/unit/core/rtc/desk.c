/* Words and replies of a desk, and one session's life, which the walk through
 * failing allocations takes; what clients see is tests/protocol/whip_http.c. */
#include "core/rtc/desk_priv.h"
#include "tests/desk_room.h"

static void test_types(void **state)
{
    (void)state;
    assert_true(desk_type_is("application/sdp", "application/sdp"));
    assert_true(desk_type_is("Application/SDP ; charset=x", "application/sdp"));
    assert_false(desk_type_is("application/sdpx", "application/sdp"));
    assert_false(desk_type_is("", "application/sdp"));
    assert_false(desk_type_is(NULL, "application/sdp"));
}

/* RFC 9110 §13.1.1. */
static void test_matches(void **state)
{
    static const struct {
        const char *text;
        bool found, any;
    } cases[] = {
        {"\"a-1\"", true, false},
        {"*", false, true},
        {"\"*\"", false, true},
        {"W/\"a-1\"", false, false},
        {"\"b\" , \"a-1\"", true, false},
        {"\"a-1\",*", true, true},
        {"a-1", false, false},
        {"", false, false},
        {" , ,", false, false},
        {"\"a-1\" ", true, false},
    };
    bool any;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(desk_matches(cases[i].text, "\"a-1\"", &any),
                         cases[i].found);
        assert_int_equal(any, cases[i].any);
    }
}

static void test_tokens(void **state)
{
    struct desk_token a = desk_token_of("key"), b = desk_token_of("key");
    struct desk_token other = desk_token_of("kex"), none = desk_token_of("");

    (void)state;
    assert_true(desk_token_is(&a, &b));
    assert_false(desk_token_is(&a, &other));
    assert_false(desk_token_is(&none, &none));
    assert_false(desk_token_of(NULL).is_set);
}

static void test_candidates(void **state)
{
    struct room *r = &((struct world *)*state)->rooms[1];
    struct rtc_candidate c[4];

    assert_int_equal(rtc_desk_candidates(r->host, c, 4), 2);
    assert_string_equal(c[0].address, "198.51.100.4");
    assert_false(c[0].tcp);
    assert_int_equal(c[0].port, rtc_host_udp_port(r->host));
    assert_true(c[1].tcp);
    assert_int_equal(c[1].port, rtc_host_tcp_port(r->host));
    assert_int_equal(rtc_desk_candidates(r->host, c, 1), 1);
}

static void test_life(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < LOOPS; i++) {
        struct room *here = &w->rooms[0], *there = &w->rooms[i];
        struct reply s = offer(there, "/whip/live?token=k",
                               "X-Forwarded-For: 192.0.2.1\r\n");
        assert_int_equal(s.status, 201);
        assert_int_equal(
            patch(here, s.location, s.etag, "a=end-of-candidates\r\n").status,
            204);
        assert_int_equal(patch(here, s.location, "*",
                               "a=ice-ufrag:new1\r\n"
                               "a=ice-pwd:anotherpassword0123456789\r\n")
                             .status,
                         200);
        for (int j = 0; j < 2; j++)
            assert_int_equal(
                request(here, "DELETE", s.location, NULL, NULL).status, 200);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_types),
    cmocka_unit_test(test_matches),
    cmocka_unit_test(test_tokens),
    CASE(test_candidates),
    CASE(test_life),
};
HARNESS_MAIN(tests)
