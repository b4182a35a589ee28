#include "tests/harness.h"

#include "core/base/log.h"

static void test_one_line_quoted_where_needed(void **state)
{
    char line[512];
    size_t n = log_format(
        line, sizeof line, 1795341600000000, LOG_WARN, "ingest", "publish",
        LOG_FIELDS(log_s("stream", "demo"), log_s("agent", "a \"b\"\n\x01"),
                   log_i("bytes", -5), log_f("x", 1.5),
                   log_secret("key", "0123456789"), log_secret("k", "abc"),
                   log_s("empty", ""), {0}));

    (void)state;
    assert_string_equal(line,
                        "ts=2026-11-22T10:00:00.000Z level=warn room=ingest "
                        "event=publish stream=demo "
                        "agent=\"a \\\"b\\\"\\n\\x01\" bytes=-5 x=1.500 "
                        "key=0123… k=… empty=\"\"\n");
    assert_int_equal(n, strlen(line));
}

static void test_long_values_are_cut_with_a_newline(void **state)
{
    char line[64], big[500];

    (void)state;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    size_t n = log_format(line, sizeof line, 0, LOG_INFO, "a", "b",
                          LOG_FIELDS(log_s("v", big), {0}));
    assert_int_equal(n, sizeof line - 1);
    assert_int_equal(line[n - 1], '\n');
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_line_quoted_where_needed),
    cmocka_unit_test(test_long_values_are_cut_with_a_newline),
};
HARNESS_MAIN(tests)
