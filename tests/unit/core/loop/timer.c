#include "tests/harness.h"

#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/loop/wheel.h"

struct probe {
    struct timer t;
    uint64_t due, fired;
    int times;
};

static struct wheel wheel;

static void on_fire(void *arg)
{
    struct probe *p = arg;

    p->fired = wheel.tick;
    p->times++;
}

/* Every deadline fires once, at its own tick, whatever the steps: the whole
 * range of levels, from random starting points. */
static void test_wheel_fires_each_at_its_tick(void **state)
{
    enum { N = 2000 };
    static struct probe p[N];
    uint64_t seed = 42, last = 0;

    (void)state;
    wheel_init(&wheel, 1234567);
    for (int i = 0; i < N; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t span = seed >> (24 + seed % 34);
        p[i] = (struct probe){.due = wheel.tick + 1 + span % (1ull << 34)};
        timer_init(&p[i].t, NULL, on_fire, &p[i]);
        p[i].t.at = (int64_t)p[i].due * 1000;
        wheel_add(&wheel, &p[i].t);
        if (p[i].due > last) last = p[i].due;
    }
    for (uint64_t to = wheel.tick; wheel.tick < last; to += 1 + to / 7)
        wheel_turn(&wheel, to);
    for (int i = 0; i < N; i++) {
        assert_int_equal(p[i].times, 1);
        assert_true(p[i].fired == p[i].due);
    }
    assert_true(wheel_next(&wheel) == UINT64_MAX);
}

static void test_never_before_its_instant(void **state)
{
    struct probe p = {.due = 0};

    (void)state;
    wheel_init(&wheel, 100);
    timer_init(&p.t, NULL, on_fire, &p);
    p.t.at = 150001; /* 1 µs into tick 150 */
    wheel_add(&wheel, &p.t);
    wheel_turn(&wheel, 150);
    assert_int_equal(p.times, 0);
    wheel_turn(&wheel, 151);
    assert_int_equal(p.times, 1);
}

struct pair {
    struct timer a, b;
    struct loop *l;
    int fired_a, fired_b;
};

static void on_a(void *arg)
{
    struct pair *p = arg;

    p->fired_a++;
    timer_cancel(&p->b); /* same slot: may not fire any more */
    if (p->fired_a == 1)
        timer_set(&p->a, loop_now(p->l)); /* past: fires soon after */
    else
        loop_stop(p->l);
}

static void on_b(void *arg)
{
    ((struct pair *)arg)->fired_b++;
}

static void test_callbacks_may_cancel_and_set(void **state)
{
    struct pair p = {0};

    (void)state;
    assert_int_equal(loop_create(&p.l, 0), 0);
    timer_init(&p.a, p.l, on_a, &p);
    timer_init(&p.b, p.l, on_b, &p);
    int64_t at = loop_now(p.l) + 5000;
    timer_set(&p.b, at + 60000000);
    timer_set(&p.a, at);
    timer_set(&p.b, at); /* replaces */
    assert_true(timer_is_set(&p.b));
    loop_run(p.l);
    assert_int_equal(p.fired_a, 2);
    assert_int_equal(p.fired_b, 0);
    assert_false(timer_is_set(&p.b));
    assert_true(loop_now(p.l) >= at);
    loop_free(&p.l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_wheel_fires_each_at_its_tick),
    cmocka_unit_test(test_never_before_its_instant),
    cmocka_unit_test(test_callbacks_may_cancel_and_set),
};
HARNESS_MAIN(tests)
