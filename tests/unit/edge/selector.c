#include "edge/selector.h"

#include "tests/harness.h"

enum { TOP = 64, HD = 66, SD = 67, LOW = 68 };
static const struct selector_rung ladder[] = {
    {TOP, 5000000}, {HD, 2800000}, {SD, 1200000}, {LOW, 700000}};

/* A viewer who switches `switch_us` after the advice changes: up at the next
 * keyframe, down as soon as it can be asked for. */
struct viewer {
    struct selector s;
    int64_t now, change_at;
    int switches, probes;
    bool probing;
};

static void viewer_init(struct viewer *v, uint8_t shows)
{
    *v = (struct viewer){.now = 1000000};
    selector_init(&v->s, v->now);
    selector_set_rungs(&v->s, ladder, 4);
    if (shows) selector_shows(&v->s, shows, v->now);
    v->s.wanted = shows;
    v->s.began_at = v->now - SELECTOR_SETTLE_US; /* a while ago */
}

static struct selector_advice step(struct viewer *v, uint32_t target)
{
    v->now += 100000;
    struct selector_advice a = selector_tick(&v->s, target, v->now);
    bool probes = a.want_bps != 0;
    if (probes && !v->probing) v->probes++;
    v->probing = probes;
    if (a.id == v->s.current) {
        v->change_at = 0;
    } else if (!v->change_at) {
        v->change_at = v->now + (a.hurry ? 100000 : 1000000);
    } else if (v->now >= v->change_at) {
        selector_shows(&v->s, a.id, v->now);
        v->switches++;
        v->change_at = 0;
    }
    return a;
}

/* Seconds until `id` is shown; -1 within `most`. */
static double until(struct viewer *v, uint8_t id, uint32_t target, double most)
{
    int64_t from = v->now;

    while (v->s.current != id) {
        if (v->now - from > most * 1000000) return -1;
        step(v, target);
    }
    return (double)(v->now - from) / 1e6;
}

static void test_begins_with_what_fits(void **state)
{
    struct viewer v;

    (void)state;
    viewer_init(&v, 0);
    assert_int_equal(selector_best(&v.s, 0), TOP);
    assert_int_equal(selector_best(&v.s, 3000000), HD);
    assert_int_equal(selector_best(&v.s, 100000), LOW);
    struct selector_advice a = step(&v, 0);
    assert_int_equal(a.id, TOP);
    assert_true(a.hurry);
    selector_set_rungs(&v.s, NULL, 0);
    assert_int_equal(step(&v, 0).id, 0);
    /* What comes up a moment later is taken without a wait. */
    viewer_init(&v, 0);
    selector_set_rungs(&v.s, ladder + 1, 3);
    v.s.began_at = 0;
    selector_shows(&v.s, HD, v.now);
    step(&v, 0);
    selector_set_rungs(&v.s, ladder, 4);
    a = step(&v, 0);
    assert_int_equal(a.id, TOP);
    assert_false(a.hurry);
}

static void test_down_within_a_second(void **state)
{
    struct viewer v;

    (void)state;
    viewer_init(&v, TOP);
    for (int i = 0; i < 50; i++)
        assert_int_equal(step(&v, 5500000).id, TOP);
    /* One bad moment is not enough. */
    step(&v, 4500000);
    step(&v, 4500000);
    assert_int_equal(step(&v, 5500000).id, TOP);
    double s = until(&v, HD, 4000000, 2);
    assert_true(s >= 0.3 && s <= 1.0);
    /* A collapse is answered at once, over several rungs. */
    viewer_init(&v, TOP);
    s = until(&v, LOW, 800000, 2);
    assert_true(s >= 0 && s <= 0.3);
}

static void test_up_after_a_clean_time(void **state)
{
    struct viewer v;

    (void)state;
    viewer_init(&v, SD);
    double s = until(&v, HD, 3500000, 10);
    assert_true(s >= 5 && s <= 8);
    /* Straight to the top, if there is room for it. */
    viewer_init(&v, LOW);
    s = until(&v, TOP, 9000000, 10);
    assert_true(s >= 5 && s <= 8);
    assert_int_equal(v.switches, 1);
}

static void test_says_what_it_wants_to_know(void **state)
{
    struct viewer v;

    (void)state;
    viewer_init(&v, SD);
    for (int i = 0; i < 9; i++)
        assert_int_equal(step(&v, 1800000).want_bps, 0);
    for (int i = 0; i < 100; i++) {
        struct selector_advice a = step(&v, 1800000);
        assert_int_equal(a.want_bps, 3500000);
        assert_int_equal(a.id, SD);
    }
    /* A probe showed what the line carries: up, it was clean long enough. */
    assert_true(until(&v, HD, 3400000, 2) >= 0);
    assert_int_equal(v.switches, 1);
    /* Nothing is asked of a line that is bad, or good enough. */
    assert_int_equal(step(&v, 2700000).want_bps, 0);
}

static void test_a_relapse_makes_it_patient(void **state)
{
    struct viewer v;
    double last = 0;

    (void)state;
    viewer_init(&v, SD);
    for (int round = 0; round < 4; round++) {
        double s = until(&v, HD, 3500000, 100);
        assert_true(s > last * 1.4);
        last = s;
        assert_true(until(&v, SD, 1500000, 2) >= 0);
    }
    /* With room to spare it need not be. */
    double s = until(&v, HD, 4500000, 70);
    assert_true(s >= 5 && s <= 8);
    /* All well for long: forgotten. */
    for (int i = 0; i < 400; i++)
        step(&v, 3500000);
    assert_true(until(&v, SD, 1500000, 2) >= 0);
    s = until(&v, HD, 3500000, 70);
    assert_true(s >= 5 && s <= 8);
}

static void test_a_pin_holds(void **state)
{
    struct viewer v;

    (void)state;
    viewer_init(&v, TOP);
    selector_pin(&v.s, SD);
    struct selector_advice a = step(&v, 9000000);
    assert_int_equal(a.id, SD);
    assert_true(a.hurry);
    assert_true(until(&v, SD, 9000000, 1) >= 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(step(&v, i % 2 ? 100000 : 9000000).id, SD);
    assert_int_equal(v.probes, 0);
    /* A pin on what is not there is none. */
    selector_pin(&v.s, 99);
    assert_true(until(&v, TOP, 9000000, 10) >= 0);
    selector_pin(&v.s, 0);
    assert_true(until(&v, LOW, 800000, 2) >= 0);
}

static void test_a_rung_goes_away(void **state)
{
    struct viewer v;

    (void)state;
    viewer_init(&v, TOP);
    selector_set_rungs(&v.s, ladder + 1, 3);
    struct selector_advice a = step(&v, 9000000);
    assert_int_equal(a.id, HD);
    assert_true(a.hurry);
    assert_true(until(&v, HD, 9000000, 1) >= 0);
    /* What was wanted goes away before its keyframe. */
    viewer_init(&v, SD);
    while (step(&v, 9000000).id == SD)
        ;
    assert_int_equal(v.s.wanted, TOP);
    selector_set_rungs(&v.s, ladder + 1, 3);
    assert_true(until(&v, HD, 9000000, 10) >= 0);
}

static void test_a_way_up_that_closes(void **state)
{
    struct viewer v;

    (void)state;
    viewer_init(&v, SD);
    while (step(&v, 3500000).id == SD)
        ;
    /* Before the keyframe comes the estimate falls, though not below what is
     * shown now. */
    assert_int_equal(step(&v, 2000000).id, SD);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_begins_with_what_fits),
    cmocka_unit_test(test_down_within_a_second),
    cmocka_unit_test(test_up_after_a_clean_time),
    cmocka_unit_test(test_says_what_it_wants_to_know),
    cmocka_unit_test(test_a_relapse_makes_it_patient),
    cmocka_unit_test(test_a_pin_holds),
    cmocka_unit_test(test_a_rung_goes_away),
    cmocka_unit_test(test_a_way_up_that_closes),
};
HARNESS_MAIN(tests)
