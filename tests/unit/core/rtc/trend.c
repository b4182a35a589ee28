#include "tests/harness.h"

#include "core/rtc/trend.h"

enum { MS = 1000, SECOND = 1000000, PACKET = 1200 };

/* Feeds a packet every 10 ms for span_us; each is delayed by growth_us more
 * than the one before. Says whether over-use was ever seen. */
static bool feed(struct trend *t, int64_t *now, int64_t *delay_us,
                 int64_t span_us, int64_t growth_us)
{
    bool over = false;

    for (int64_t until = *now + span_us; *now < until; *now += 10 * MS) {
        struct twcc_sample s = {
            .sent_at = *now, .arrived_at = *now + *delay_us, .bytes = PACKET};

        trend_feed(t, &s);
        over |= t->state == TREND_OVER;
        *delay_us += growth_us;
    }
    return over;
}

static void test_an_even_way_is_normal(void **state)
{
    struct trend t;
    int64_t now = 50 * SECOND, delay = 33 * SECOND; /* another clock */

    (void)state;
    trend_init(&t);
    assert_false(feed(&t, &now, &delay, 10 * SECOND, 0));
    assert_int_equal(t.state, TREND_NORMAL);
    assert_int_equal(t.queue_us, 0);
    /* A clock that drifts by 100 ppm is no queue either. */
    assert_false(feed(&t, &now, &delay, 60 * SECOND, 1));
    assert_in_range(t.queue_us, 0, 3 * MS);
}

static void test_a_growing_queue_is_seen(void **state)
{
    struct trend t;
    int64_t now = 50 * SECOND, delay = 0;

    (void)state;
    trend_init(&t);
    feed(&t, &now, &delay, 2 * SECOND, 0);
    /* 10 ms apart when sent, 15 when they arrive. */
    assert_true(feed(&t, &now, &delay, 500 * MS, 5 * MS));
    assert_int_equal(t.state, TREND_OVER);
    assert_in_range(t.queue_us, 230 * MS, 250 * MS);
    assert_in_range(t.standing_us, 100 * MS, 240 * MS);
    feed(&t, &now, &delay, 490 * MS, -5 * MS);
    assert_int_equal(t.state, TREND_UNDER);
    feed(&t, &now, &delay, 3 * SECOND, 0);
    assert_int_equal(t.state, TREND_NORMAL);
}

static void test_a_longer_way_becomes_the_base(void **state)
{
    struct trend t;
    int64_t now = 50 * SECOND, delay = 20 * MS;

    (void)state;
    trend_init(&t);
    feed(&t, &now, &delay, 5 * SECOND, 0);
    delay += 80 * MS;
    feed(&t, &now, &delay, 2 * SECOND, 0);
    assert_int_equal(t.queue_us, 80 * MS);
    assert_int_equal(t.standing_us, 80 * MS);
    feed(&t, &now, &delay, 21 * SECOND, 0);
    assert_in_range(t.queue_us, 0, MS);
}

/* Nothing comes for 100 ms, then all at once: nothing stands. */
static void test_a_stall_leaves_no_standing_queue(void **state)
{
    struct trend t;
    int64_t now = 50 * SECOND, delay = 20 * MS, most = 0;

    (void)state;
    trend_init(&t);
    feed(&t, &now, &delay, 5 * SECOND, 0);
    for (int i = 0; i < 20; i++) {
        delay += 100 * MS;
        for (int k = 0; k < 10; k++) {
            feed(&t, &now, &delay, 10 * MS, -10 * MS);
            if (t.standing_us > most) most = t.standing_us;
        }
        feed(&t, &now, &delay, 150 * MS, 0);
    }
    assert_in_range(most, 0, 10 * MS);
}

static void test_gaps_and_disorder_start_anew(void **state)
{
    struct trend t;
    int64_t now = 50 * SECOND, delay = 20 * MS;
    struct twcc_sample old = {.sent_at = 49 * SECOND, .bytes = 1};

    (void)state;
    trend_init(&t);
    feed(&t, &now, &delay, SECOND, 0);
    now += 10 * SECOND;
    assert_false(feed(&t, &now, &delay, SECOND, 0));
    old.arrived_at = now;
    trend_feed(&t, &old);
    delay -= 15 * SECOND; /* arrivals jump back */
    assert_false(feed(&t, &now, &delay, SECOND, 0));
    assert_int_equal(t.state, TREND_NORMAL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_an_even_way_is_normal),
    cmocka_unit_test(test_a_growing_queue_is_seen),
    cmocka_unit_test(test_a_longer_way_becomes_the_base),
    cmocka_unit_test(test_a_stall_leaves_no_standing_queue),
    cmocka_unit_test(test_gaps_and_disorder_start_anew),
};

HARNESS_MAIN(tests)
