#include "ingest/ear.h"

#include "tests/harness.h"

#include <pthread.h>

#include "core/loop/loop.h"

/* The bus lives on `there`, which runs on a thread; the ear's owner here. */
static struct {
    struct loop *here, *there;
    struct bus *bus;
    struct ear *ear;
    int heard;
    uint8_t last;
} w;

static bool begin(void)
{
    struct bus_conf conf = {.channel = "demo"};

    memset(&w, 0, sizeof w);
    if (loop_create(&w.here, 0) || loop_create(&w.there, 1)) return false;
    conf.loop = w.there;
    if (bus_create(&w.bus, &conf)) return false;
    loop_run_once(w.here); /* from now on this thread owns it */
    return true;
}

static void end(void)
{
    ear_close(&w.ear);
    bus_unref(&w.bus);
    loop_free(&w.there);
    loop_free(&w.here);
}

static void on_heard(uint8_t track_id, void *arg)
{
    (void)arg;
    assert_true(loop_is_here(w.here));
    w.heard++;
    w.last = track_id;
    loop_stop(w.here);
}

static void ask(void *arg)
{
    (void)arg;
    bus_ask_key(w.bus, TRACK_SOURCE_FIRST);
}

static void stop_there(void *arg)
{
    (void)arg;
    loop_stop(w.there);
}

static void test_a_wish_crosses_loops(void **state)
{
    (void)state;
    if (getenv("LECTERN_ALLOC_FAIL")) return; /* it would wait for ever */
    if (!begin()) goto out;
    assert_int_equal(loop_start(w.there), 0);
    assert_int_equal(ear_open(&w.ear, w.bus, w.here, on_heard, NULL), 0);
    loop_post(w.there, ask, NULL);
    loop_run(w.here);
    assert_int_equal(w.heard, 1);
    assert_int_equal(w.last, TRACK_SOURCE_FIRST);
    loop_post(w.there, stop_there, NULL);
    loop_join(w.there);
out:
    end();
}

/* Closed while a wish is under way, and the bus closed over it. */
static void test_nothing_is_heard_after_closing(void **state)
{
    (void)state;
    if (!begin()) goto out;
    if (ear_open(&w.ear, w.bus, w.here, on_heard, NULL)) goto out;
    loop_run_once(w.there);
    ask(NULL);
    ear_close(&w.ear);
    loop_run_once(w.here);
    assert_int_equal(w.heard, 0);
    bus_signal(w.bus, BUS_END);
out:
    end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_wish_crosses_loops),
    cmocka_unit_test(test_nothing_is_heard_after_closing),
};
HARNESS_MAIN(tests)
