#include "tests/harness.h"

#include "core/rtc/meter.h"

enum { MS = 1000, SECOND = 1000000 };

static void test_rate_of_what_was_added(void **state)
{
    struct meter m = {0};

    (void)state;
    assert_int_equal(meter_rate(&m, SECOND, 0), 0);
    for (int64_t at = 0; at <= 3 * SECOND; at += 10 * MS)
        meter_add(&m, 7 * SECOND + at, 1250); /* 1 Mbit/s */
    assert_in_range(meter_rate(&m, SECOND, 0), 990000, 1020000);
    assert_in_range(meter_rate(&m, SECOND / 2, 0), 980000, 1040000);
}

static void test_too_short_a_time_says_nothing(void **state)
{
    struct meter m = {0};

    (void)state;
    meter_add(&m, 5 * SECOND, 1000);
    meter_add(&m, 5 * SECOND + 90 * MS, 1000);
    assert_int_equal(meter_rate(&m, SECOND, 100 * MS), 0);
    meter_add(&m, 5 * SECOND + 100 * MS, 500);
    assert_int_equal(meter_rate(&m, SECOND, 100 * MS), 200000);
}

static void test_old_ones_fade_and_late_ones_count(void **state)
{
    struct meter m = {0};
    int64_t seen;

    (void)state;
    meter_add(&m, 10 * SECOND, 100);
    meter_add(&m, 10 * SECOND + 500 * MS, 10);
    meter_add(&m, 10 * SECOND + 400 * MS, 1); /* out of order */
    assert_int_equal(meter_sum(&m, SECOND, &seen), 111);
    assert_int_equal(seen, 500 * MS);
    assert_int_equal(meter_sum(&m, 200 * MS, &seen), 11);
    meter_idle(&m, 11 * SECOND + 200 * MS);
    assert_int_equal(meter_sum(&m, SECOND, &seen), 11);
    meter_add(&m, 10 * SECOND, 1000); /* older than all that is kept */
    assert_int_equal(meter_sum(&m, SECOND, &seen), 11);
    meter_idle(&m, 99 * SECOND);
    assert_int_equal(meter_sum(&m, SECOND, &seen), 0);
    assert_int_equal(meter_rate(&m, SECOND, 0), 0);
}

static void test_instants_before_zero(void **state)
{
    struct meter m = {0};
    int64_t seen;

    (void)state;
    for (int64_t at = -2 * SECOND; at <= 0; at += 50 * MS)
        meter_add(&m, at, 1);
    assert_int_equal(meter_sum(&m, SECOND, &seen), 20);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_rate_of_what_was_added),
    cmocka_unit_test(test_too_short_a_time_says_nothing),
    cmocka_unit_test(test_old_ones_fade_and_late_ones_count),
    cmocka_unit_test(test_instants_before_zero),
};

HARNESS_MAIN(tests)
