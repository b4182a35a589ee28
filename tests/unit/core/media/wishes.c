#include "core/media/wishes.h"

#include "tests/harness.h"

#include <pthread.h>

#include "core/base/err.h"
#include "core/loop/loop.h"

enum { TOP = TRACK_RENDITION_FIRST, SECOND };

struct fixture {
    struct loop *loop;
    struct bus *bus;
};

struct ear {
    struct bus *bus;
    struct loop *loop;
    int told, wanted;
    uint8_t last;
    bool leaves;
    int64_t at;
};

static void on_asked(uint8_t id, void *arg)
{
    struct ear *e = arg;

    e->told++;
    e->last = id;
    e->at = loop_now(e->loop);
    if (e->leaves) bus_unlisten(e->bus, on_asked, e);
    if (e->told == e->wanted) loop_stop(e->loop);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (!f || loop_create(&f->loop, 0)) return -1;
    struct bus_conf conf = {
        .loop = f->loop, .channel = "demo", .max_entries = 64};
    if (bus_create(&f->bus, &conf)) return -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    bus_unref(&f->bus);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static void test_wishes_for_one_track_become_one(void **state)
{
    struct fixture *f = *state;
    struct ear ear = {.bus = f->bus, .loop = f->loop, .wanted = 3};

    assert_int_equal(bus_listen(f->bus, on_asked, &ear), 0);
    bus_ask_key(f->bus, TOP);
    assert_int_equal(ear.told, 1);
    int64_t first = ear.at;
    for (int i = 0; i < 100; i++)
        bus_ask_key(f->bus, TOP);
    assert_int_equal(ear.told, 1);
    bus_ask_key(f->bus, SECOND); /* another track waits for nobody */
    assert_int_equal(ear.told, 2);
    assert_int_equal(ear.last, SECOND);
    loop_run(f->loop); /* until the hundred were told, as one */
    assert_int_equal(ear.told, 3);
    assert_int_equal(ear.last, TOP);
    assert_true(ear.at - first >= BUS_ASK_US);
    bus_unlisten(f->bus, on_asked, &ear);
}

static void test_a_wish_nobody_hears_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct ear ear = {.bus = f->bus, .loop = f->loop};

    bus_ask_key(f->bus, TOP);
    bus_listen(f->bus, on_asked, &ear);
    assert_int_equal(ear.told, 0);
    bus_ask_key(f->bus, TOP);
    assert_int_equal(ear.told, 1);
    bus_unlisten(f->bus, on_asked, &ear);
}

static void test_a_bus_outlives_its_deadline_only(void **state)
{
    struct fixture *f = *state;
    struct ear ear = {.bus = f->bus, .loop = f->loop, .wanted = 2};

    bus_listen(f->bus, on_asked, &ear);
    bus_ask_key(f->bus, TOP);
    bus_ask_key(f->bus, TOP);
    bus_unref(&f->bus); /* nobody else has it: it dies after telling */
    loop_run(f->loop);
    assert_int_equal(ear.told, 2);
    loop_run_once(f->loop);
}

static void test_the_end_and_the_last_listener_end_all(void **state)
{
    struct fixture *f = *state;
    struct ear ear = {.bus = f->bus, .loop = f->loop};

    bus_listen(f->bus, on_asked, &ear);
    bus_ask_key(f->bus, TOP);
    bus_ask_key(f->bus, TOP); /* a deadline is set */
    bus_unlisten(f->bus, on_asked, &ear);
    bus_listen(f->bus, on_asked, &ear);
    bus_ask_key(f->bus, TOP); /* and again */
    bus_signal(f->bus, BUS_END);
    bus_ask_key(f->bus, SECOND);
    assert_int_equal(ear.told, 1);
}

static void test_leaving_while_told_and_too_many(void **state)
{
    struct fixture *f = *state;
    struct ear ears[BUS_ASKED_MAX + 1];

    for (int i = 0; i <= BUS_ASKED_MAX; i++)
        ears[i] = (struct ear){
            .bus = f->bus, .loop = f->loop, .leaves = i == 1, .wanted = -1};
    for (int i = 0; i < BUS_ASKED_MAX; i++)
        assert_int_equal(bus_listen(f->bus, on_asked, &ears[i]), 0);
    assert_int_equal(bus_listen(f->bus, on_asked, &ears[BUS_ASKED_MAX]),
                     ERR_LIMIT);
    bus_ask_key(f->bus, TOP);
    bus_ask_key(f->bus, SECOND);
    assert_int_equal(ears[0].told, 2);
    assert_int_equal(ears[1].told, 1);
    assert_int_equal(ears[BUS_ASKED_MAX - 1].told, 2);
    for (int i = 0; i < BUS_ASKED_MAX; i++)
        bus_unlisten(f->bus, on_asked, &ears[i]);
}

static void *ask_a_lot(void *arg)
{
    for (int i = 0; i < 10000; i++)
        bus_ask_key(arg, TOP);
    return NULL;
}

static void test_wishes_from_other_threads(void **state)
{
    struct fixture *f = *state;
    struct ear ear = {.bus = f->bus, .loop = f->loop, .wanted = 2};
    pthread_t threads[2];

    loop_run_once(f->loop); /* it knows its thread now */
    bus_listen(f->bus, on_asked, &ear);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_a_lot, f->bus),
                         0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ear.told, 0); /* only on the bus's own loop */
    loop_run_once(f->loop);
    assert_int_equal(ear.told, 1); /* there was one message */
    bus_ask_key(f->bus, TOP);
    loop_run(f->loop);
    assert_int_equal(ear.told, 2);
    bus_unlisten(f->bus, on_asked, &ear);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
    CASE(test_wishes_for_one_track_become_one),
    CASE(test_a_wish_nobody_hears_is_forgotten),
    CASE(test_a_bus_outlives_its_deadline_only),
    CASE(test_the_end_and_the_last_listener_end_all),
    CASE(test_leaving_while_told_and_too_many),
    CASE(test_wishes_from_other_threads),
};
HARNESS_MAIN(tests)
