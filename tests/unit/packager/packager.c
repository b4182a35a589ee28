#include "tests/packager_sim.h"

static void test_steady(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 120000000);
    no_gaps(s);
    assert_int_equal(s->store->listed, 7);
    assert_int_equal(s->store->state, STORE_LIVE);
    /* 10 parts of 6 frames per segment; audio 10 of 9 frames and a rest. */
    assert_in_range(s->seen[0].parts, 598, 601);
    assert_in_range(s->seen[2].parts, 645, 662);
    bus_signal(s->bus, BUS_END);
    struct m3u8 *last = read_list(s, 0, false);
    bool ended = last->ended;
    int count = last->segment_count;
    m3u8_free(&last);
    assert_true(ended);
    assert_in_range(count, 20, 22);
}

static void test_millisecond_times(void **state)
{
    struct sim *s = *state;

    s->ms_times = true;
    begin(s);
    run_for(s, 60000000);
    no_gaps(s);
}

static void test_no_durations(void **state)
{
    struct sim *s = *state;

    s->ms_times = true;
    s->no_durations = true;
    begin(s);
    run_for(s, 30000000);
    no_gaps(s);
}

static void test_cadences(void **state)
{
    static const int rates[][2] = {{24, 1},       {25, 1}, {30000, 1001},
                                   {50, 1},       {60, 1}, {60000, 1001},
                                   {24000, 1001}, {15, 1}, {5, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct sim *s = calloc(1, sizeof *s);

        if (!s) return;
        s->fps_num = rates[i][0];
        s->fps_den = rates[i][1];
        s->rate = i % 2 ? 44100 : 48000;
        begin(s);
        run_for(s, 20000000);
        no_gaps(s);
        end((void **)&s);
    }
}

static void test_random_boundaries(void **state)
{
    struct sim *s = *state;
    unsigned seed = 7;

    begin(s);
    for (int i = 0; i < 60; i++) {
        seed = seed * 1103515245 + 12345;
        s->gop_us = 600000 + (seed >> 8) % 1800000;
        run_for(s, 1500000);
    }
    no_gaps(s);
}

static void test_publisher_comes_back(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 11300000);
    come_back(s, 9000000);
    assert_int_equal(s->store->state, STORE_LIVE);
    run_for(s, 20000000);
    come_back(s, 300000);
    run_for(s, 70000000);
    no_gaps(s);
    assert_int_equal(s->seen[0].full->discontinuity_sequence, 2);
    assert_int_equal(s->seen[2].full->discontinuity_sequence, 2);
}

static void test_rung_dies_and_comes_back(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9500000);
    s->low_is_off = true;
    run_for(s, 9000000);
    assert_int_equal(s->store->listed, 5);
    assert_true(
        s->seen[1].full->segments[s->seen[1].full->segment_count - 1].gap);
    s->low_is_off = false;
    s->hold_low = true;
    run_for(s, 9000000);
    assert_int_equal(s->store->listed, 7);
    run_for(s, 60000000);
    assert_int_equal(s->seen[1].full->segments[0].msn,
                     s->seen[0].full->segments[0].msn);
}

/* Nearer than the rule asks: no more than a part off. */
static void dates_go_on(const struct sim *s)
{
    for (int i = 0; i < 3; i++) {
        const struct m3u8 *p = s->seen[i].full;
        for (int k = 1; k < p->segment_count; k++) {
            const struct m3u8_segment *a = &p->segments[k - 1], *b = a + 1;
            int64_t off = b->pdt_us - a->pdt_us - a->duration_us;

            if (b->discontinuity) continue;
            assert_in_range(off + 210000, 0, 420000);
            assert_true(!a->uri || a->duration_us < 2500000);
        }
    }
}

/* A rung gives nothing for any time from any time on. */
static void lose_rung(bool holds)
{
    for (int64_t at = 0; at < 2000000; at += 170000)
        for (int64_t off = 400000; off < 5000000; off += 900000) {
            struct sim *s = calloc(1, sizeof *s);

            if (!s) return;
            begin(s);
            run_for(s, 8000000 + at);
            s->low_is_off = true;
            run_for(s, off);
            s->low_is_off = false;
            s->hold_low = holds;
            run_for(s, 6000000);
            dates_go_on(s);
            end((void **)&s);
        }
}

static void test_rung_dies_in_mid_segment(void **state)
{
    (void)state;
    lose_rung(true);
}

/* It stands, and goes on where it stood: everything comes late, or what came
 * before the next keyframe is lost. */
static void test_rung_stalls_in_mid_segment(void **state)
{
    (void)state;
    lose_rung(false);
}

/* It was torn when the publisher left: the segment ends as it is. */
static void test_rung_dies_and_then_the_publisher(void **state)
{
    struct sim *s = *state;
    struct plan plan = {2, 200000, 2000000, {HIGH, SOUND}, 2};

    begin(s);
    run_for(s, 9100000);
    s->low_is_off = true;
    bus_plan(s->bus, &plan);
    run_for(s, 300000);
    come_back(s, 5000000);
    run_for(s, 5000000);
    dates_go_on(s);
    assert_int_equal(s->seen[1].gaps, 0);
}

static void test_rung_comes_late(void **state)
{
    struct sim *s = *state;

    s->low_is_off = true;
    begin(s);
    run_for(s, 5000000);
    assert_int_equal(s->store->listed, 0); /* still waits for the clock */
    s->low_is_off = false;
    s->hold_low = true;
    run_for(s, 9000000);
    assert_int_equal(s->store->listed, 7);
    assert_true(s->seen[1].full->segments[0].msn > 1);
}

static void test_shed_rung_leaves_the_list(void **state)
{
    struct sim *s = *state;
    struct plan plan = {2, 200000, 2000000, {HIGH, SOUND}, 2};

    begin(s);
    run_for(s, 9100000);
    s->low_is_off = true;
    bus_plan(s->bus, &plan);
    run_for(s, 9400000);
    dates_go_on(s);
    assert_int_equal(s->store->listed, 5);
    int n = s->seen[1].full->segment_count;
    assert_true(s->seen[1].full->segments[n - 1].gap);
    assert_true(s->seen[1].full->segments[n - 1].msn >=
                s->store->renditions[0]
                        .segments[s->store->renditions[0].count - 1]
                        .msn -
                    1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_steady, make, end),
    cmocka_unit_test_setup_teardown(test_millisecond_times, make, end),
    cmocka_unit_test_setup_teardown(test_no_durations, make, end),
    cmocka_unit_test(test_cadences),
    cmocka_unit_test_setup_teardown(test_random_boundaries, make, end),
    cmocka_unit_test_setup_teardown(test_publisher_comes_back, make, end),
    cmocka_unit_test_setup_teardown(test_rung_dies_and_comes_back, make, end),
    cmocka_unit_test(test_rung_dies_in_mid_segment),
    cmocka_unit_test(test_rung_stalls_in_mid_segment),
    cmocka_unit_test_setup_teardown(test_rung_dies_and_then_the_publisher, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_rung_comes_late, make, end),
    cmocka_unit_test_setup_teardown(test_shed_rung_leaves_the_list, make, end),
};
HARNESS_MAIN(tests)
