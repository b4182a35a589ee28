#include "tests/harness.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/tcp.h"

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        int err;
        const char *back, *host;
        int is_loopback;
    } cases[] = {
        {"127.0.0.1:80", 0, "127.0.0.1:80", "127.0.0.1", 1},
        {"[::1]:8080", 0, "[::1]:8080", "::1", 1},
        {":65535", 0, "0.0.0.0:65535", "0.0.0.0", 0},
        {"[::ffff:127.0.0.9]:1", 0, "127.0.0.9:1", "127.0.0.9", 1},
        {"[2001:db8::7]:1", 0, "[2001:db8::7]:1", "2001:db8::7", 0},
        {"127.0.0.1", ERR_SYNTAX, 0, 0, 0},
        {"127.0.0.1:", ERR_SYNTAX, 0, 0, 0},
        {"127.0.0.1:65536", ERR_RANGE, 0, 0, 0},
        {"127.0.0.1:8x", ERR_SYNTAX, 0, 0, 0},
        {"::1:80", ERR_SYNTAX, 0, 0, 0},
        {"[::1:80", ERR_SYNTAX, 0, 0, 0},
        {"localhost:80", ERR_SYNTAX, 0, 0, 0},
        {"", ERR_SYNTAX, 0, 0, 0},
        {"[]:", ERR_SYNTAX, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_storage a;
        char text[ADDRESS_TEXT_MAX];
        assert_int_equal(tcp_parse_address(cases[i].text, &a), cases[i].err);
        if (cases[i].err) continue;
        tcp_format_address(text, (struct sockaddr *)&a);
        assert_string_equal(text, cases[i].back);
        tcp_format_host(text, (struct sockaddr *)&a);
        assert_string_equal(text, cases[i].host);
        assert_int_equal(tcp_is_loopback((struct sockaddr *)&a),
                         cases[i].is_loopback);
    }
}

static void test_lists_of_prefixes(void **state)
{
    static const char list[] =
        "192.0.2.1 10.0.0.0/8,2001:db8::/33, junk/ 1.2.3.4/33";
    static const struct {
        const char *address;
        int is_listed;
    } cases[] = {
        {"192.0.2.1:1", 1},          {"192.0.2.2:1", 0},
        {"10.255.0.1:1", 1},         {"11.0.0.1:1", 0},
        {"[::ffff:10.1.1.1]:1", 1},  {"[2001:db8:7fff::1]:1", 1},
        {"[2001:db8:8000::1]:1", 0}, {"1.2.3.4:1", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_storage a;
        assert_int_equal(tcp_parse_address(cases[i].address, &a), 0);
        assert_int_equal(tcp_is_listed(list, (struct sockaddr *)&a),
                         cases[i].is_listed);
        assert_false(tcp_is_listed("", (struct sockaddr *)&a));
        assert_true(tcp_is_listed("0.0.0.0/0 ::/0", (struct sockaddr *)&a));
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    (void)listener, (void)status;
}

static void test_listening_and_sharing(void **state)
{
    uv_tcp_t first, second, third, fourth;
    char text[ADDRESS_TEXT_MAX];
    struct loop *l;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    assert_int_equal(tcp_listen(&first, l, "127.0.0.1:0", true, on_connection),
                     0);
    int port = tcp_bound_port(&first);
    assert_true(port > 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", port);
    assert_int_equal(tcp_listen(&second, l, text, true, on_connection), 0);
    assert_int_equal(tcp_listen(&third, l, text, false, on_connection),
                     ERR_BUSY);
    assert_int_equal(tcp_listen(&fourth, l, "nowhere", false, on_connection),
                     ERR_USAGE);
    loop_free(&l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_addresses),
    cmocka_unit_test(test_lists_of_prefixes),
    cmocka_unit_test(test_listening_and_sharing),
};
HARNESS_MAIN(tests)
