#include "tests/harness.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/media/bus.h"

enum { VIDEO = TRACK_SOURCE_FIRST, TRACKS_MAX = 8 };

struct fixture {
    struct loop *loop;
    struct bus *bus;
};

struct seen {
    struct bus_subscriber *s;
    char text[512]; /* one letter an event, frames with their dts */
    bool leave_at_first;
};

static void pull(void *arg)
{
    struct seen *seen = arg;
    struct bus_event e;

    while (seen->s && bus_next(seen->s, &e) == 0) {
        size_t at = strlen(seen->text);
        char *out = seen->text + at;
        size_t room = sizeof seen->text - at;
        switch (e.type) {
        case BUS_TRACK:
            snprintf(out, room, "T%d ", track_info(e.v.track)->id);
            break;
        case BUS_FRAME: snprintf(out, room, "%ld ", e.v.frame->dts); break;
        case BUS_MARK: snprintf(out, room, "M%ld ", (long)e.v.mark.msn); break;
        case BUS_PLAN: snprintf(out, room, "P "); break;
        case BUS_GONE: snprintf(out, room, "G "); break;
        case BUS_BACK: snprintf(out, room, "B "); break;
        case BUS_END: snprintf(out, room, "E "); break;
        case BUS_LOST: snprintf(out, room, "L "); break;
        }
        if (seen->leave_at_first) bus_unsubscribe(&seen->s);
    }
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

static void add_track(struct bus *b)
{
    struct track *t = NULL;
    struct track_info info = {.id = VIDEO,
                              .kind = TRACK_VIDEO,
                              .codec = CODEC_H264,
                              .timescale = VIDEO_TIMESCALE};

    assert_int_equal(track_create(&t, &info, (struct slice){0}), 0);
    int err = bus_track(b, t);
    track_unref(&t);
    assert_int_equal(err, 0);
}

static void add_frame(struct bus *b, int64_t dts, bool key)
{
    struct frame *f = NULL;
    struct frame values = {.track_id = VIDEO,
                           .dts = dts,
                           .pts = dts,
                           .duration = 3000,
                           .flags = key ? FRAME_KEY : 0};

    assert_int_equal(frame_create(&f, &values), 0);
    int err = bus_append(b, f);
    frame_unref(&f);
    assert_int_equal(err, 0);
}

static void test_a_subscriber_is_greeted_then_reads_in_order(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};

    add_track(f->bus);
    bus_plan(f->bus, &(struct plan){.target_duration_s = 2});
    add_frame(f->bus, 0, true);
    bus_mark(f->bus, &(struct mark){.msn = 7});
    add_frame(f->bus, 3000, true);
    add_frame(f->bus, 6000, false);
    assert_int_equal(bus_subscribe(f->bus, &seen.s, BUS_FROM_MARK, pull, &seen),
                     0);
    pull(&seen);
    assert_string_equal(seen.text, "P T1 M7 3000 6000 ");
    add_frame(f->bus, 9000, false);
    bus_signal(f->bus, BUS_GONE);
    bus_signal(f->bus, BUS_END);
    assert_string_equal(seen.text, "P T1 M7 3000 6000 9000 G E ");
    assert_int_equal(bus_end_us(f->bus), 12000 * 100 / 9);
    assert_true(bus_is_ended(f->bus));
    bus_unsubscribe(&seen.s);
}

static void test_from_key_and_from_now(void **state)
{
    struct fixture *f = *state;
    struct seen key = {0}, now = {0};

    add_track(f->bus);
    add_frame(f->bus, 0, true);
    add_frame(f->bus, 3000, false);
    bus_subscribe(f->bus, &key.s, BUS_FROM_KEY, pull, &key);
    bus_subscribe(f->bus, &now.s, BUS_FROM_NOW, pull, &now);
    add_frame(f->bus, 6000, false);
    assert_string_equal(key.text, "T1 0 3000 6000 ");
    assert_string_equal(now.text, "T1 6000 ");
    bus_unsubscribe(&key.s);
    bus_unsubscribe(&now.s);
}

static void pull_nothing(void *arg)
{
    (void)arg;
}

static void test_a_slow_subscriber_is_told_what_it_lost(void **state)
{
    struct fixture *f = *state;
    struct seen slow = {0};

    add_track(f->bus);
    bus_subscribe(f->bus, &slow.s, BUS_FROM_NOW, pull_nothing, &slow);
    for (int i = 0; i < 200; i++) {
        if (i == 190) bus_mark(f->bus, &(struct mark){.msn = 9});
        add_frame(f->bus, i * 3000, i == 190);
    }
    pull(&slow);
    assert_memory_equal(slow.text, "L T1 M9 570000 573000 ", 22);
    bus_unsubscribe(&slow.s);
}

static void test_the_window_bounds_span(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};

    add_track(f->bus);
    add_frame(f->bus, 0, true);
    add_frame(f->bus, 90000 * 20, false); /* the first is 20 s old now */
    add_frame(f->bus, 90000 * 21, false);
    bus_subscribe(f->bus, &seen.s, BUS_FROM_KEY, pull, &seen);
    pull(&seen);
    assert_string_equal(seen.text, "T1 ");
    bus_unsubscribe(&seen.s);
}

static void test_leaving_from_inside_a_wake(void **state)
{
    struct fixture *f = *state;
    struct seen first = {.leave_at_first = true}, second = {0};

    add_track(f->bus);
    bus_subscribe(f->bus, &first.s, BUS_FROM_NOW, pull, &first);
    bus_subscribe(f->bus, &second.s, BUS_FROM_NOW, pull, &second);
    add_frame(f->bus, 0, true);
    add_frame(f->bus, 3000, false);
    assert_null(first.s);
    assert_string_equal(first.text, "T1 ");
    assert_string_equal(second.text, "T1 0 3000 ");
    bus_unsubscribe(&second.s);
}

static void test_nothing_follows_the_end(void **state)
{
    struct fixture *f = *state;

    bus_signal(f->bus, BUS_END);
    assert_int_equal(bus_signal(f->bus, BUS_GONE), ERR_CLOSED);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
    CASE(test_a_subscriber_is_greeted_then_reads_in_order),
    CASE(test_from_key_and_from_now),
    CASE(test_a_slow_subscriber_is_told_what_it_lost),
    CASE(test_the_window_bounds_span),
    CASE(test_leaving_from_inside_a_wake),
    CASE(test_nothing_follows_the_end),
};
HARNESS_MAIN(tests)
