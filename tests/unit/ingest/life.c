#include "tests/harness.h"

#include "ingest/life.h"

enum { SECOND = 1000000, BEGIN = 5 * SECOND };

static void test_silence_starves_then_ends(void **state)
{
    struct life l;
    int64_t next = 0;

    (void)state;
    life_init(&l, BEGIN);
    assert_int_equal(life_tick(&l, BEGIN, &next), LIFE_GOES_ON);
    assert_int_equal(next, BEGIN + 10 * SECOND);
    assert_false(life_feed(&l, BEGIN + 2 * SECOND, 100));
    assert_int_equal(life_tick(&l, next, &next), LIFE_GOES_ON);
    assert_int_equal(next, BEGIN + 12 * SECOND);
    assert_int_equal(life_tick(&l, next - 1, &next), LIFE_GOES_ON);
    assert_int_equal(life_tick(&l, next, &next), LIFE_STARVES);
    assert_int_equal(next, BEGIN + 32 * SECOND);
    assert_int_equal(life_tick(&l, next - 1, &next), LIFE_GOES_ON);
    assert_int_equal(life_tick(&l, next, &next), LIFE_IS_OVER);
}

static void test_media_ends_starving(void **state)
{
    struct life l;
    int64_t next = 0;

    (void)state;
    life_init(&l, BEGIN);
    assert_int_equal(life_tick(&l, BEGIN + 10 * SECOND, &next), LIFE_STARVES);
    assert_true(life_feed(&l, BEGIN + 29 * SECOND, 1));
    assert_false(life_feed(&l, BEGIN + 29 * SECOND, 1));
    assert_int_equal(life_tick(&l, BEGIN + 30 * SECOND, &next), LIFE_GOES_ON);
    assert_int_equal(life_tick(&l, BEGIN + 39 * SECOND, &next), LIFE_STARVES);
}

/* 8 Mbit/s may bring 4 MB in a window of 4 s; no matter how fast. */
static void test_bitrate_is_limited(void **state)
{
    struct life_limits limits = {.bitrate_bps = 8000000}, none = {0};
    struct life l;

    (void)state;
    life_init(&l, BEGIN);
    for (int i = 0; i < 60; i++) { /* a minute at just the limit */
        life_feed(&l, BEGIN + i * SECOND, 1000000);
        assert_false(life_is_over_rate(&l, &limits));
    }
    life_init(&l, BEGIN);
    life_feed(&l, BEGIN, 4000000);
    assert_false(life_is_over_rate(&l, &limits));
    life_feed(&l, BEGIN + 1, 1);
    assert_true(life_is_over_rate(&l, &limits));
    assert_false(life_is_over_rate(&l, &none));
    life_feed(&l, BEGIN + 4 * SECOND, 1);
    assert_false(life_is_over_rate(&l, &limits));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_silence_starves_then_ends),
    cmocka_unit_test(test_media_ends_starving),
    cmocka_unit_test(test_bitrate_is_limited),
};
HARNESS_MAIN(tests)
