/* A publisher with several pictures: the lecturer's own ladder. */
#include "tests/avc_configs.h"
#include "tests/transcode_rig.h"

/* The lecturer's own ladder: the child has nothing to make. */
static void test_a_second_picture_is_a_rung_as_it_is(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    tell_first();
    tell_second(284, 160);
    rig.second = true;
    play(0, 240, false, 0);
    assert_int_equal(transcode_child_pid(rig.t), 0);
    assert_int_equal(count_of(BUS_PLAN), 1);
    assert_int_equal(plan_number(0)->rendition_count, 3);
    assert_int_equal(plan_number(0)->rendition_ids[0], LADDER_TOP);
    assert_int_equal(plan_number(0)->rendition_ids[1], LADDER_160P);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(check_rung(LADDER_160P, &gaps), 240);
    assert_int_equal(tracks_of(LADDER_160P), 1);
    finish();
}

/* A rendition in H.264 gets no other codec's bytes, and no other colours. */
static void test_a_second_picture_that_turns_strange(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        begin(CHANNEL_BASIC, NULL);
        tell_first();
        tell_second(640, 360);
        rig.second = true;
        play(0, 120, false, 0);
        assert_int_equal(frames_of(LADDER_360P), 120);
        struct track_info info = *track_info(the_track(SECOND));
        struct buf *config;
        struct track *t;
        if (i) info.codec = CODEC_HEVC;
        assert_int_equal(
            buf_create(&config, avcc_full_colour, sizeof avcc_full_colour), 0);
        struct slice all = slice_take(&config);
        assert_int_equal(track_create(&t, &info, all), 0);
        slice_unref(&all);
        bus_track(rig.bus, t);
        track_unref(&t);
        play(120, 240, false, 0);
        assert_int_equal(frames_of(LADDER_360P), 120);
        assert_int_equal(frames_of(LADDER_TOP), 240);
        finish();
    }
}

/* A second picture that is no rung beside the first is one when that is
 * another, and is told before its frames. */
static void test_a_second_picture_whose_time_comes(void **state)
{
    struct track *t;
    int before = -1;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    rig.offset = TICK;
    tell_first();
    struct track_info info = *track_info(the_track(1));
    info.codec = CODEC_HEVC;
    assert_int_equal(track_create(&t, &info, (struct slice){0}), 0);
    tell_second(640, 360);
    bus_track(rig.bus, t);
    track_unref(&t);
    rig.second = true;
    play(0, 120, false, 0);
    assert_int_equal(frames_of(LADDER_360P), 0);
    tell_first();
    play(120, 240, false, 0);
    for (int i = 0; i < rig.seen_count && before < 0; i++) {
        if (rig.seen[i].type == BUS_TRACK &&
            rig.seen[i].track.id == LADDER_360P)
            before = i;
        assert_false(rig.seen[i].type == BUS_FRAME &&
                     rig.seen[i].frame.track_id == LADDER_360P);
    }
    assert_int_equal(frames_of(LADDER_360P), 120);
    finish();
}

static void test_a_late_second_picture_joins(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 70, false, 0);
    assert_int_equal(plan_number(0)->rendition_count, 2);
    tell_second(640, 360);
    rig.second = true;
    play(70, 240, false, 0);
    assert_int_equal(count_of(BUS_PLAN), 2);
    assert_int_equal(plan_number(1)->rendition_ids[0], LADDER_360P);
    assert_int_equal(plan_number(1)->rendition_ids[1], LADDER_TOP);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(check_rung(LADDER_360P, &gaps), 120);
    finish();
}

/* The ladder is made as if there were one picture. */
static void test_a_misaligned_picture_is_not_shown(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    tell_first();
    tell_second(284, 160);
    rig.second = true;
    rig.second_off = 3600;
    play(0, 62, false, 0);
    assert_int_equal(plan_number(count_of(BUS_PLAN) - 1)->rendition_count, 3);
    assert_true(wait_for(child_is_up, 1));
    play(62, 240, true, 0); /* else the rung is far behind, and shed */
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    check_rung(LADDER_160P, &gaps);
    finish();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_second_picture_that_turns_strange),
    cmocka_unit_test(test_a_second_picture_whose_time_comes),
    cmocka_unit_test(test_a_second_picture_is_a_rung_as_it_is),
    cmocka_unit_test(test_a_late_second_picture_joins),
    cmocka_unit_test(test_a_misaligned_picture_is_not_shown),
};
HARNESS_MAIN(tests)
