#include "edge/pacer.h"

#include "tests/harness.h"

/* Sends `bytes` in packets of 1200 on 5 ms ticks; when the last leaves. */
static int64_t drain(struct pacer *p, int64_t bytes, int64_t now,
                     int64_t *most_at_once)
{
    *most_at_once = 0;
    for (;; now += PACER_TICK_US) {
        int64_t at_once = 0;
        while (bytes > 0 && pacer_may_send(p, now)) {
            pacer_sent(p, 1200);
            bytes -= 1200;
            at_once += 1200;
        }
        if (at_once > *most_at_once) *most_at_once = at_once;
        if (bytes <= 0) return now;
    }
}

static void test_a_usual_frame_leaves_at_once(void **state)
{
    struct pacer p;
    int64_t most;

    (void)state;
    pacer_init(&p, 7000000, 0);
    for (int i = 0; i < 60; i++) {
        int64_t now = i * 33333;
        assert_int_equal(drain(&p, 11000, now, &most), now);
    }
}

static void test_a_keyframe_is_spread(void **state)
{
    struct pacer p;
    int64_t most;

    (void)state;
    pacer_init(&p, 8000000, 0); /* 5,000 bytes a tick */
    int64_t done = drain(&p, 112000, 0, &most);
    assert_in_range(done, 95000, 105000);
    assert_in_range(most, 1, PACER_BURST_BYTES + 1200);
    /* And the next frame waits for nothing but what was overdrawn. */
    assert_in_range(drain(&p, 1200, done + 5000, &most) - done, 0, 5000);
}

static void test_idle_time_is_not_saved_up(void **state)
{
    struct pacer p;
    int64_t most;

    (void)state;
    pacer_init(&p, 2000000, 0);
    drain(&p, 120000, 3600000000LL, &most);
    assert_in_range(most, 1, PACER_BURST_BYTES + 1200);
}

static void test_many_short_steps_add_up(void **state)
{
    struct pacer p;
    int sent = 0;

    (void)state;
    pacer_init(&p, 1000000, 0);
    for (int64_t now = 0; now < 1000000; now += 3)
        if (pacer_may_send(&p, now)) {
            pacer_sent(&p, 1000);
            sent += 1000;
        }
    assert_in_range(sent, 125000, 125000 + PACER_BURST_BYTES + 1000);
}

static void test_a_narrow_path_gets_small_bursts(void **state)
{
    struct pacer p;
    int64_t most;

    (void)state;
    pacer_init(&p, 600000, 0);
    pacer_set_rate(&p, 600000, true, 0);
    drain(&p, 12000, 0, &most); /* what it was born with */
    int64_t done = drain(&p, 30000, 1000000, &most);
    assert_in_range(most, 1200, PACER_BURST_LEAST + 1200);
    assert_in_range(done - 1000000, 340000, 400000);
}

static void test_a_late_tick_owes_what_it_held_up(void **state)
{
    struct pacer p;
    int64_t now = 0, sent = 0;

    (void)state;
    pacer_init(&p, 4000000, 0);
    pacer_set_rate(&p, 4000000, true, 0);
    while (sent < 200000) { /* ticks of 40 ms, on a machine that is busy */
        while (pacer_may_send(&p, now)) {
            pacer_sent(&p, 1200);
            sent += 1200;
        }
        now += 40000;
    }
    assert_in_range(now, 340000, 440000); /* at 4 Mbit/s: 400 ms */
}

static void test_rates_are_bounded(void **state)
{
    struct pacer p;

    (void)state;
    pacer_init(&p, 0, 0);
    assert_int_equal(p.rate_bps, PACER_RATE_MIN_BPS);
    pacer_set_rate(&p, INT64_MAX, false, 10);
    assert_int_equal(p.rate_bps, PACER_RATE_MAX_BPS);
    pacer_set_rate(&p, 8000000, false, 20);
    assert_int_equal(pacer_span_us(&p, 300000), 300000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_usual_frame_leaves_at_once),
    cmocka_unit_test(test_a_keyframe_is_spread),
    cmocka_unit_test(test_idle_time_is_not_saved_up),
    cmocka_unit_test(test_many_short_steps_add_up),
    cmocka_unit_test(test_a_narrow_path_gets_small_bursts),
    cmocka_unit_test(test_a_late_tick_owes_what_it_held_up),
    cmocka_unit_test(test_rates_are_bounded),
};
HARNESS_MAIN(tests)
