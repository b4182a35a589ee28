/* The top without B-frames: made while somebody watches in real time. */
#include "tests/transcode_rig.h"

/* Nothing of it runs where nobody asked for it. */
static void test_without_real_time_nothing_more_is_made(void **state)
{
    (void)state;
    begin(CHANNEL_BASIC, worker());
    play(0, 240, false, 0);
    assert_int_equal(transcode_child_pid(rig.t), 0);
    assert_int_equal(frames_of(LADDER_OPUS), 0);
    bus_ask_key(rig.bus, LADDER_REALTIME);
    assert_int_equal(frames_of(LADDER_REALTIME), 0);
    finish();
}

static bool is_idle(int64_t arg)
{
    const struct track *t = bus_find_track(rig.bus, LADDER_REALTIME);

    (void)arg;
    return t && !track_config(t).len;
}

static bool realtime_reached(int64_t pts)
{
    return rig.newest[LADDER_REALTIME] >= pts;
}

/* A source with B-frames: a top without them while somebody watches. */
static void test_a_real_time_top_on_demand(void **state)
{
    int first = 0, keys = 0, n = 0;

    (void)state;
    begin_conf((struct transcode_conf){.type = CHANNEL_STANDARD,
                                       .worker_path = worker(),
                                       .realtime = true,
                                       .realtime_us = 1500000});
    for (int i = 0; i < rig.record_count; i++)
        if (rig.capture[i].type == WIRE_FRAME &&
            rig.capture[i].v.frame.track_id == 1)
            rig.capture[i].v.frame.dts -= 2 * TICK;
    play(0, 61, false, 0);
    assert_true(is_idle(0)); /* it can be had */
    assert_int_equal(newest_track(LADDER_REALTIME)->width, 320);
    assert_true(newest_track(LADDER_REALTIME)->bitrate_bps > 0);
    play(61, 100, true, 0);
    assert_int_equal(frames_of(LADDER_REALTIME), 0);
    bus_ask_key(rig.bus, LADDER_REALTIME);
    play(100, 130, true, 0);
    assert_true(wait_for(realtime_reached, 125 * TICK));
    assert_false(is_idle(0));
    bus_ask_key(rig.bus, LADDER_REALTIME_KEEP);
    play(130, 150, true, 0);
    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME || f->track_id != LADDER_REALTIME)
            continue;
        if (!n++) first = (int)(f->pts / TICK);
        assert_int_equal(f->dts, f->pts);
        if (f->flags & FRAME_KEY) keys++;
    }
    assert_in_range(first, 100 - 3, 100); /* at once, not at a mark */
    assert_int_equal(keys, 2);            /* the first, and the mark's */
    assert_int_equal(plan_number(0)->rendition_count, 3);
    assert_int_equal(count_of(BUS_PLAN), 1);
    /* Nobody asks again: it ends. */
    assert_true(wait_for(is_idle, 0));
    n = frames_of(LADDER_REALTIME);
    play(150, 160, true, 0);
    loop_run_once(rig.loop);
    int after = frames_of(LADDER_REALTIME);
    play(160, 240, true, 0);
    assert_int_equal(frames_of(LADDER_REALTIME), after);
    assert_true(after - n <= 10);
    finish();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_without_real_time_nothing_more_is_made),
    cmocka_unit_test(test_a_real_time_top_on_demand),
};
HARNESS_MAIN(tests)
