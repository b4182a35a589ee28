/* The source under a rendition's id, marks and plans: as it begins, breaks,
 * returns and goes over to another. */
#include "tests/transcode_rig.h"

static void test_source_passes_and_a_rung_is_made(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    play(0, 1, false, 0);
    assert_true(wait_for(child_is_up, 1));
    /* The second keyframe is not waited for. */
    assert_int_equal(count_of(BUS_MARK), 1);
    assert_int_equal(count_of(BUS_PLAN), 1);
    play(1, 240, true, 0);
    const struct plan *p = plan_number(0);
    assert_int_equal(count_of(BUS_PLAN), 1);
    assert_int_equal(p->target_duration_s, 2);
    assert_int_equal(p->part_us, 201000);
    assert_int_equal(p->rendition_count, 3);
    assert_int_equal(p->rendition_ids[0], LADDER_TOP);
    assert_int_equal(p->rendition_ids[1], LADDER_160P);
    assert_int_equal(p->rendition_ids[2], LADDER_AUDIO);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(mark_number(i)->pts, i * 2 * 90000);
        assert_int_equal(mark_number(i)->msn, 100 + i);
        assert_false(mark_number(i)->discontinuity);
    }
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    assert_true(check_rung(LADDER_160P, &gaps) >= 240 - AHEAD_FRAMES);
    assert_int_equal(gaps, 0);
    /* 8 s of 44.1 kHz in packets of 1024 */
    assert_in_range(frames_of(LADDER_AUDIO), 344, 346);
    finish();
}

static void test_a_publisher_that_returns_is_a_discontinuity(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    play(0, 61, false, 0);
    play(61, 150, true, 0);
    bus_signal(rig.bus, BUS_GONE);
    assert_true(wait_for(rung_reached, 149 * TICK)); /* all comes out */
    bus_signal(rig.bus, BUS_BACK);
    rig.offset = 10 * 90000;
    play(0, 130, true, FRAME_DISCONTINUITY);
    assert_int_equal(mark_number(3)->pts, 10 * 90000);
    assert_true(mark_number(3)->discontinuity);
    assert_int_equal(mark_number(3)->msn, 103);
    assert_false(mark_number(4)->discontinuity);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 280);
    assert_int_equal(gaps, 1);
    check_rung(LADDER_160P, &gaps);
    assert_int_equal(gaps, 1);
    finish();
}

/* An encoder dies, another takes over seconds later, and its first sound is
 * there before its first picture: video did not stand still. */
static void test_a_takeover_whose_sound_comes_first(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 120, false, 0);
    int marks = count_of(BUS_MARK);
    for (int i = 0; i < rig.record_count; i++) {
        const struct wire_record *r = &rig.capture[i];
        if (r->type != WIRE_FRAME || r->v.frame.track_id == 1) continue;
        rig.offset = 6 * 90000 - 2090; /* one sound frame before the rest */
        give_frame(r, FRAME_DISCONTINUITY);
        break;
    }
    rig.offset = 6 * 90000;
    play(0, 130, false, FRAME_DISCONTINUITY);
    assert_int_equal(mark_number(marks)->pts, 6 * 90000);
    assert_true(mark_number(marks)->discontinuity);
    assert_int_equal(mark_number(marks + 1)->pts, 8 * 90000);
    assert_false(mark_number(marks + 1)->discontinuity);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 250);
    finish();
}

/* The line was gone for 1.5 s, sound and all, over the end of a segment; what
 * comes first then is sound. */
static void test_no_segment_reaches_over_a_hole(void **state)
{
    int64_t last = 0, first = 0;
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 120, false, 0);
    int marks = count_of(BUS_MARK);
    for (int i = 0; i < rig.record_count; i++) {
        const struct wire_record *r = &rig.capture[i];
        if (r->type != WIRE_FRAME || r->v.frame.track_id == 1) continue;
        rig.offset = 495000 - 2090; /* one sound frame before the rest */
        give_frame(r, 0);
        break;
    }
    rig.offset = 495000; /* 5.5 s */
    play(0, 130, false, 0);
    assert_int_equal(mark_number(marks)->pts, 495000);
    assert_true(mark_number(marks)->discontinuity);
    assert_false(mark_number(marks + 1)->discontinuity);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 250);
    assert_int_equal(gaps, 1);
    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME || f->track_id != LADDER_AUDIO)
            continue;
        if (f->pts > 5 * 44100 && !first) first = f->pts;
        if (!first) last = f->pts;
    }
    assert_true(last < 41 * 4410);
    assert_in_range(first, 495000 / 100 * 49, 495000 / 100 * 49 + 1024);
    finish();
}

/* Keyframes stop coming: the top is encoded from there on. */
static void test_a_late_keyframe_switches_the_top(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    for (int i = 0, n = 0; i < rig.record_count; i++) {
        struct frame *f = &rig.capture[i].v.frame;
        if (rig.capture[i].type != WIRE_FRAME || f->track_id != 1) continue;
        /* Still decodable: only the flag and the boundary are gone. */
        if (n++ > 60) f->flags = 0;
    }
    play(0, 61, false, 0);
    play(61, 100, true, 0);
    play(100, 240, true, 0);
    assert_int_equal(mark_number(1)->pts, 60 * TICK);
    assert_int_equal(mark_number(2)->pts, (60 + 72) * TICK);
    assert_true(mark_number(2)->discontinuity);
    assert_int_equal(mark_number(3)->pts, (60 + 72 + 60) * TICK);
    assert_true(check_rung(LADDER_TOP, &gaps) >= 240 - 4 * AHEAD_FRAMES);
    assert_int_equal(gaps, 0);
    assert_int_equal(count_of(BUS_PLAN), 1); /* the same renditions */
    /* The lecturer took the advice and came back: it passes through again. */
    for (int i = 0, n = 0; i < rig.record_count; i++) {
        struct frame *f = &rig.capture[i].v.frame;
        if (rig.capture[i].type != WIRE_FRAME || f->track_id != 1) continue;
        f->flags = n++ % 60 ? 0 : FRAME_KEY;
    }
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    rig.offset = 20 * 90000;
    int before = frames_of(LADDER_TOP);
    play(0, 70, false, FRAME_DISCONTINUITY);
    assert_int_equal(frames_of(LADDER_TOP), before + 70);
    assert_int_equal(mark_number(4)->pts, 20 * 90000);
    assert_true(mark_number(4)->discontinuity);
    assert_int_equal(mark_number(5)->pts, 22 * 90000);
    assert_true(wait_for(rung_reached, 22 * 90000));
    finish();
}

static void test_basic_needs_no_child(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 240, false, 0);
    assert_int_equal(transcode_child_pid(rig.t), 0);
    assert_int_equal(plan_number(0)->rendition_count, 2);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    bus_signal(rig.bus, BUS_END);
    finish();
}

/* Who came back gives sound long after pictures: it has no break to wait for.
 */
static void test_sound_that_joins_a_newcomer_late(void **state)
{
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 90, false, 0);
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    rig.offset = 90000;
    rig.silent = true;
    play(120, 222, false, FRAME_DISCONTINUITY);
    before = frames_of(LADDER_AUDIO);
    rig.silent = false;
    rig.sound_flags = FRAME_DISCONTINUITY;
    play(222, 224, false, 0);
    rig.sound_flags = 0;
    play(224, 234, false, 0);
    assert_true(frames_of(LADDER_AUDIO) > before + 10);
    finish();
}

static void tell_picture(enum codec codec, uint32_t width, uint32_t height)
{
    struct track *t;

    for (int i = 0; i < rig.record_count; i++) {
        struct wire_record told = rig.capture[i];
        if (told.type != WIRE_TRACK || told.v.track.id != TRACK_SOURCE_FIRST)
            continue;
        told.v.track.codec = codec;
        told.v.track.width = width;
        told.v.track.height = height;
        told.v.track.fps_num = 30;
        told.v.track.fps_den = 1;
        assert_int_equal(wire_to_track(&told, &t), 0);
        bus_track(rig.bus, t);
        track_unref(&t);
        return;
    }
    fail_msg("no picture in the capture");
}

/* The top was of another codec, and there is none while the other has rungs of
 * its own; where it has not, it is the top: from a mark on, and told. */
static void test_a_top_that_joins_begins_with_a_mark(void **state)
{
    (void)state;
    begin(CHANNEL_STANDARD, "/nowhere");
    rig.offset = TICK;
    tell_picture(CODEC_HEVC, 1280, 720);
    play(0, 1, false, 0);
    assert_int_equal(frames_of(LADDER_TOP), 1);
    tell_picture(CODEC_H264, 320, 180);
    play(60, 90, false, 0);
    assert_int_equal(frames_of(LADDER_TOP), 1);
    tell_picture(CODEC_H264, 160, 90);
    play(90, 150, false, 0);
    assert_int_equal(frames_of(LADDER_TOP), 1 + 30);
    assert_int_equal(tracks_of(LADDER_TOP), 2);
    finish();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_top_that_joins_begins_with_a_mark),
    cmocka_unit_test(test_source_passes_and_a_rung_is_made),
    cmocka_unit_test(test_a_publisher_that_returns_is_a_discontinuity),
    cmocka_unit_test(test_a_late_keyframe_switches_the_top),
    cmocka_unit_test(test_basic_needs_no_child),
    cmocka_unit_test(test_a_takeover_whose_sound_comes_first),
    cmocka_unit_test(test_no_segment_reaches_over_a_hole),
    cmocka_unit_test(test_sound_that_joins_a_newcomer_late),
};
HARNESS_MAIN(tests)
