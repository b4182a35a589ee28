#include "edge/tap.h"

#include <stdatomic.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "edge/feed.h"
#include "tests/avc_configs.h"
#include "tests/harness.h"

static const uint8_t picture[] = {0, 0, 0, 3, 0x41, 1, 2};

struct world {
    struct loop *loop;
    struct bus *bus;
    struct tap *tap;
    struct feed *feed;
    int64_t frames[256];
    int tracks, lost, ends, batches, units;
    bool close_at_end;
};

static void on_event(const struct bus_event *e, void *arg)
{
    struct world *w = arg;

    w->tracks += e->type == BUS_TRACK;
    w->lost += e->type == BUS_LOST;
    w->ends += e->type == BUS_END;
    assert_true(e->type != BUS_MARK && e->type != BUS_PLAN);
    if (e->type == BUS_FRAME) w->frames[e->v.frame->track_id]++;
    if (e->type == BUS_END && w->close_at_end) tap_close(&w->tap);
}

static void on_batch_end(void *arg)
{
    struct world *w = arg;

    w->batches++;
}

static void on_unit(int index, struct unit *u, void *arg)
{
    struct world *w = arg;

    assert_int_equal(u->number, w->feed->renditions[index].history.next - 1);
    w->units++;
}

static void on_end(void *arg)
{
    struct world *w = arg;

    w->ends++;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct bus_conf conf = {.channel = "demo", .max_entries = 256};

    *state = w;
    if (!w || loop_create(&w->loop, 0)) return -1;
    conf.loop = w->loop;
    return bus_create(&w->bus, &conf) ? -1 : 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    if (!w) return 0;
    tap_close(&w->tap);
    feed_free(&w->feed);
    if (w->loop) loop_run_once(w->loop);
    if (w->bus) bus_unref(&w->bus);
    if (w->loop) loop_free(&w->loop);
    free(w);
    return 0;
}

static void add_track(struct world *w, uint8_t id, enum codec codec,
                      bool passthrough)
{
    bool video = codec == CODEC_H264 || codec == CODEC_HEVC;
    struct track_info info = {
        .id = id,
        .kind = video ? TRACK_VIDEO : TRACK_AUDIO,
        .codec = codec,
        .timescale = video ? 90000 : 48000,
        .width = video ? 16 * (100U - id) : 0,
        .height = video ? 9 * (100U - id) : 0,
        .bitrate_bps = 1000000,
        .passthrough = passthrough,
    };
    struct track *t = NULL;

    snprintf(info.name, sizeof info.name, "r%d", id);
    struct slice config = {.data = avcc_brief,
                           .len = video ? sizeof avcc_brief : 0};
    assert_int_equal(track_create(&t, &info, config), 0);
    int err = bus_track(w->bus, t);
    track_unref(&t);
    assert_int_equal(err, 0);
}

static void add_frame(struct world *w, uint8_t id, bool key, int64_t dts,
                      int64_t pts)
{
    struct frame f = {.track_id = id,
                      .flags = key ? FRAME_KEY : 0,
                      .dts = dts,
                      .pts = pts,
                      .payload = {.data = picture, .len = sizeof picture}};
    struct frame *frame = NULL;

    assert_int_equal(frame_create(&frame, &f), 0);
    int err = bus_append(w->bus, frame);
    frame_unref(&frame);
    assert_int_equal(err, 0);
}

static void begin_tap(struct world *w)
{
    struct tap_events events = {on_event, on_batch_end, w};

    assert_int_equal(tap_create(&w->tap, w->loop, w->bus, &events), 0);
    assert_int_equal(w->tracks, 0);
    loop_run_once(w->loop);
}

static void begin_feed(struct world *w)
{
    struct feed_events events = {on_unit, on_batch_end, on_end, w};

    assert_int_equal(feed_create(&w->feed, w->loop, w->bus, &events), 0);
    loop_run_once(w->loop);
}

static void test_what_browsers_play_crosses(void **state)
{
    struct world *w = *state;

    add_track(w, 1, CODEC_H264, false);
    add_track(w, 64, CODEC_H264, true);
    add_track(w, 65, CODEC_HEVC, false);
    add_track(w, 80, CODEC_AAC, false);
    add_track(w, 81, CODEC_OPUS, false);
    bus_mark(w->bus, &(struct mark){.msn = 1});
    for (int i = 0; i < 3; i++)
        add_frame(w, 64, i == 0, i, i);
    begin_tap(w);
    assert_int_equal(w->tracks, 4);
    assert_int_equal(w->frames[64], 3); /* from the mark on */
    w->batches = 0;
    for (int i = 0; i < 10; i++) {
        add_frame(w, 1, i == 0, i, i);
        add_frame(w, 64, false, i, i);
        add_frame(w, 65, i == 0, i, i);
        add_frame(w, 80, true, i, i);
        add_frame(w, 81, true, i, i);
    }
    assert_int_equal(w->frames[64], 3); /* not before the loop turns */
    loop_run_once(w->loop);
    assert_int_equal(w->batches, 1);
    assert_int_equal(w->frames[1], 0);
    assert_int_equal(w->frames[64], 13);
    assert_int_equal(w->frames[65], 0);
    assert_int_equal(w->frames[80], 0);
    assert_int_equal(w->frames[81], 10);
}

static void test_many_frames_in_one_turn(void **state)
{
    struct world *w = *state;

    add_track(w, 81, CODEC_OPUS, false);
    begin_tap(w);
    for (int i = 0; i < 200; i++)
        add_frame(w, 81, true, i, i);
    loop_run_once(w->loop);
    assert_int_equal(w->frames[81], 200);
    assert_in_range(w->batches, 4, 6);
    assert_int_equal(w->lost, 0);
}

static void test_closed_inside_its_event(void **state)
{
    struct world *w = *state;

    add_track(w, 81, CODEC_OPUS, false);
    begin_tap(w);
    w->close_at_end = true;
    bus_signal(w->bus, BUS_END);
    loop_run_once(w->loop);
    assert_int_equal(w->ends, 1);
    assert_null(w->tap);
}

static void test_closed_before_it_began(void **state)
{
    struct world *w = *state;
    struct tap_events events = {on_event, on_batch_end, w};

    add_track(w, 81, CODEC_OPUS, false);
    assert_int_equal(tap_create(&w->tap, w->loop, w->bus, &events), 0);
    tap_close(&w->tap);
    add_frame(w, 81, true, 0, 0);
    loop_run_once(w->loop);
    assert_int_equal(w->tracks, 0);
}

/* --- two loops, two threads --------------------------------------------- */

struct far {
    struct loop *loop;
    struct bus *bus;
    struct tap *tap;
    atomic_int frames, lost, closed, runs;
};

static void far_event(const struct bus_event *e, void *arg)
{
    struct far *f = arg;

    if (e->type == BUS_FRAME) f->frames++;
    if (e->type == BUS_LOST) f->lost++;
}

static void far_batch(void *arg)
{
    (void)arg;
}

static void far_open(void *arg)
{
    struct far *f = arg;
    struct tap_events events = {far_event, far_batch, f};

    if (tap_create(&f->tap, f->loop, f->bus, &events)) f->lost++;
}

static void far_runs(void *arg)
{
    ((struct far *)arg)->runs++;
}

static void far_close(void *arg)
{
    struct far *f = arg;

    tap_close(&f->tap);
    f->closed++;
}

static bool comes(atomic_int *what, int n)
{
    int patience = getenv("LECTERN_ALLOC_FAIL") ? 300 : 10000;

    while (*what < n && patience--)
        usleep(1000);
    return *what >= n;
}

static void test_from_loop_to_loop(void **state)
{
    struct world *w = *state;
    struct far f = {.bus = w->bus};
    struct frame *frame = NULL;
    int err;

    add_track(w, 81, CODEC_OPUS, false);
    assert_int_equal(loop_create(&f.loop, 1), 0);
    assert_int_equal(loop_start(f.loop), 0);
    assert_int_equal(loop_start(w->loop), 0);
    /* Before its thread runs a loop is everybody's. */
    err = loop_post(w->loop, far_runs, &f);
    if (!err) comes(&f.runs, 1);
    if (!err) err = loop_post(f.loop, far_open, &f);
    for (int i = 0; i < 500 && !err; i++) {
        struct frame it = {.track_id = 81, .flags = FRAME_KEY, .pts = i};
        it.payload = (struct slice){.data = picture, .len = sizeof picture};
        if (frame_create(&frame, &it)) continue;
        bus_post_frame(w->bus, frame);
        frame_unref(&frame);
        if (i == 100) comes(&f.frames, 1);
    }
    bool came = comes(&f.frames, 300);
    while (loop_post(f.loop, far_close, &f))
        usleep(1000);
    comes(&f.closed, 1);
    loop_stop(w->loop);
    loop_join(w->loop);
    loop_stop(f.loop);
    loop_join(f.loop);
    loop_free(&f.loop);
    assert_true(came);
    assert_int_equal(f.lost, 0);
}

/* --- feed -------------------------------------------------------------------
 */

static void test_ladder_of_what_is_fit(void **state)
{
    struct world *w = *state;
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];

    add_track(w, 66, CODEC_H264, false);
    add_track(w, 64, CODEC_H264, true);
    add_track(w, 67, CODEC_H264, false);
    add_track(w, 81, CODEC_OPUS, false);
    begin_feed(w);
    int64_t now = loop_now(w->loop);
    assert_int_equal(feed_ladder(w->feed, now, rungs), 0);
    assert_null(feed_refusal(w->feed));
    assert_true(feed_has_video(w->feed));
    assert_true(feed_has_audio(w->feed));
    add_frame(w, 66, true, 0, 0);
    add_frame(w, 64, true, 0, 0);
    add_frame(w, 67, true, 0, 0);
    loop_run_once(w->loop);
    now = loop_now(w->loop);
    assert_int_equal(w->units, 3);
    assert_int_equal(feed_ladder(w->feed, now, rungs), 3);
    assert_int_equal(rungs[0].id, 64);
    assert_int_equal(rungs[2].id, 67);
    assert_int_equal(feed_find_name(w->feed, "r66", now),
                     feed_find(w->feed, 66));
    assert_int_equal(feed_find_name(w->feed, "r99", now), -1);
    /* B-frames show: the source's own bytes are out. */
    add_frame(w, 64, false, 3000, 6000);
    loop_run_once(w->loop);
    now = loop_now(w->loop);
    assert_int_equal(feed_ladder(w->feed, now, rungs), 2);
    assert_int_equal(rungs[0].id, 66);
    assert_null(feed_refusal(w->feed));
    /* Nothing comes any more. */
    assert_int_equal(feed_ladder(w->feed, now + 2 * FEED_STALE_US, rungs), 0);
}

static void test_refusals(void **state)
{
    struct world *w = *state;

    add_track(w, 64, CODEC_H264, true);
    begin_feed(w);
    assert_null(feed_refusal(w->feed));
    add_frame(w, 64, true, 0, 6000);
    loop_run_once(w->loop);
    assert_non_null(strstr(feed_refusal(w->feed), "B-frames"));
    add_track(w, 64, CODEC_HEVC, true);
    loop_run_once(w->loop);
    assert_non_null(strstr(feed_refusal(w->feed), "H.264"));
}

static void asked(uint8_t id, void *arg)
{
    int *count = arg;

    count[id]++;
}

static void test_wishes(void **state)
{
    struct world *w = *state;
    int count[256] = {0};

    add_track(w, 64, CODEC_H264, true);
    begin_feed(w);
    assert_int_equal(bus_listen(w->bus, asked, count), 0);
    int64_t now = loop_now(w->loop);
    feed_ask(w->feed, 0, now);
    feed_ask(w->feed, 0, now + 1000);
    loop_run_once(w->loop);
    assert_int_equal(count[64], 1);
    /* Only where there is something to be made, and a use for it. */
    feed_wish_top(w->feed, 5000000, now);
    assert_null(feed_dormant(w->feed, now));
    add_track(w, FEED_REALTIME_ID, CODEC_H264, false);
    loop_run_once(w->loop);
    assert_non_null(feed_dormant(w->feed, now));
    feed_wish_top(w->feed, 500000, now);
    feed_wish_top(w->feed, 5000000, now);
    feed_wish_top(w->feed, 5000000, now + 1000);
    loop_run_once(w->loop);
    assert_int_equal(count[FEED_KEEP_ID], 1);
    add_frame(w, FEED_REALTIME_ID, true, 0, 0);
    loop_run_once(w->loop);
    assert_null(feed_dormant(w->feed, loop_now(w->loop)));
    bus_unlisten(w->bus, asked, count);
}

static void test_after_a_loss_a_keyframe_comes_first(void **state)
{
    struct world *w = *state;

    add_track(w, 66, CODEC_H264, false);
    add_track(w, 81, CODEC_OPUS, false);
    begin_feed(w);
    add_frame(w, 66, true, 0, 0);
    loop_run_once(w->loop);
    feed_apply(w->feed, &(struct bus_event){.type = BUS_LOST});
    add_frame(w, 66, false, 3000, 3000);
    add_frame(w, 81, true, 0, 0);
    loop_run_once(w->loop);
    assert_int_equal(w->units, 2);
    add_frame(w, 66, true, 6000, 6000);
    add_frame(w, 66, false, 9000, 9000);
    loop_run_once(w->loop);
    assert_int_equal(w->units, 4);
    bus_signal(w->bus, BUS_END);
    loop_run_once(w->loop);
    assert_int_equal(w->ends, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
    CASE(test_what_browsers_play_crosses),
    CASE(test_many_frames_in_one_turn),
    CASE(test_closed_inside_its_event),
    CASE(test_closed_before_it_began),
    CASE(test_from_loop_to_loop),
    CASE(test_ladder_of_what_is_fit),
    CASE(test_refusals),
    CASE(test_wishes),
    CASE(test_after_a_loss_a_keyframe_comes_first),
};
HARNESS_MAIN(tests)
