#include "tests/harness.h"

#include "ingest/cadence.h"

/* Frame i of num/den fps in ticks, after its time was cut to whole ms. */
static int64_t rounded(int64_t i, int64_t num, int64_t den)
{
    int64_t ms = (i * 1000 * den + num / 2) / num;

    return ms * 90;
}

static void test_thirty_fps_in_ms_is_3000_ticks(void **state)
{
    struct cadence c;

    (void)state;
    cadence_init(&c, 30, 1);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(cadence_place(&c, 900 + rounded(i, 30, 1)),
                         900 + 3000 * i);
        assert_int_equal(cadence_duration(&c), 3000);
    }
}

static void test_truncated_ms_fit_too(void **state)
{
    struct cadence c;

    (void)state;
    cadence_init(&c, 60, 1);
    for (int i = 0; i < 600; i++)
        assert_int_equal(cadence_place(&c, i * 1000 / 60 * 90), 1500 * i);
}

static void test_ntsc(void **state)
{
    struct cadence c;

    (void)state;
    cadence_init(&c, 30000, 1001);
    for (int i = 0; i < 9000; i++)
        assert_int_equal(cadence_place(&c, rounded(i, 30000, 1001)), 3003 * i);
    cadence_init(&c, 60000, 1001);
    for (int i = 0; i < 9000; i++) {
        int64_t tick = cadence_place(&c, rounded(i, 60000, 1001));
        assert_in_range(tick, 3003 * i / 2, 3003 * i / 2 + 1);
    }
}

static void test_missing_frames_keep_the_grid(void **state)
{
    struct cadence c;

    (void)state;
    cadence_init(&c, 25, 1);
    for (int i = 0; i < 500; i++) {
        if (i % 7 == 3 || i % 50 > 40) continue;
        assert_int_equal(cadence_place(&c, rounded(i, 25, 1)), 3600 * i);
    }
}

static void test_unannounced_rate_is_found(void **state)
{
    struct cadence c;
    int64_t before = 0;

    (void)state;
    cadence_init(&c, 0, 0);
    for (int i = 0; i < 200; i++) {
        int64_t tick = cadence_place(&c, rounded(i, 24, 1));
        if (i > 40) assert_int_equal(tick - before, 3750);
        before = tick;
    }
    assert_int_equal(c.num, 24);
}

static void test_wrong_announcement_is_left(void **state)
{
    struct cadence c;
    int64_t before = 0;

    (void)state;
    cadence_init(&c, 25, 1);
    for (int i = 0; i < 300; i++) {
        int64_t tick = cadence_place(&c, rounded(i, 30, 1));
        if (i > 60) assert_int_equal(tick - before, 3000);
        before = tick;
    }
}

/* 29.97 called 30: it fits for a second, then drifts a ms each second. */
static void test_nearly_right_announcement_is_corrected(void **state)
{
    struct cadence c;
    int64_t before = 0;

    (void)state;
    cadence_init(&c, 30, 1);
    for (int i = 0; i < 2000; i++) {
        int64_t tick = cadence_place(&c, rounded(i, 30000, 1001));
        if (i > 600) assert_int_equal(tick - before, 3003);
        before = tick;
    }
    assert_int_equal(c.num, 30000);
}

static void test_variable_rate_passes(void **state)
{
    struct cadence c;
    uint32_t seed = 7;
    int64_t at = 0;
    int moved = 0;

    (void)state;
    cadence_init(&c, 30, 1);
    for (int i = 0; i < 1000; i++) {
        int64_t tick = cadence_place(&c, at);
        if (i > 40 && tick != at) moved++;
        seed = seed * 1664525 + 1013904223;
        at += 90 * (10 + (seed >> 24) % 60);
    }
    assert_int_equal(moved, 0);
    assert_false(c.locked);
}

static void test_pts_lands_on_the_same_grid(void **state)
{
    struct cadence c;

    (void)state;
    cadence_init(&c, 30, 1);
    for (int i = 0; i < 100; i++) {
        cadence_place(&c, rounded(i, 30, 1));
        assert_int_equal(cadence_snap(&c, rounded(i + 2, 30, 1)),
                         3000 * (i + 2));
    }
    assert_int_equal(cadence_snap(&c, 1500), 1500);
}

static void test_silly_rates_are_ignored(void **state)
{
    struct cadence c;

    (void)state;
    cadence_init(&c, 1, 0);
    assert_false(c.locked);
    cadence_init(&c, 4000000000u, 1);
    assert_false(c.locked);
    cadence_init(&c, 1, 5);
    assert_false(c.locked);
    assert_int_equal(cadence_place(&c, -5), -5);
    assert_int_equal(cadence_duration(&c), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_thirty_fps_in_ms_is_3000_ticks),
    cmocka_unit_test(test_truncated_ms_fit_too),
    cmocka_unit_test(test_ntsc),
    cmocka_unit_test(test_missing_frames_keep_the_grid),
    cmocka_unit_test(test_unannounced_rate_is_found),
    cmocka_unit_test(test_wrong_announcement_is_left),
    cmocka_unit_test(test_nearly_right_announcement_is_corrected),
    cmocka_unit_test(test_variable_rate_passes),
    cmocka_unit_test(test_pts_lands_on_the_same_grid),
    cmocka_unit_test(test_silly_rates_are_ignored),
};
HARNESS_MAIN(tests)
