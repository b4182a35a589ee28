/* A publisher with several sounds: each is a rendition. */
#include "tests/transcode_rig.h"

/* The capture's sound as another source track. */
static void tell_twin(uint8_t id, const char *language)
{
    struct track *t = NULL, *first = the_track(2);

    struct track_info info = *track_info(first);
    info.id = rig.twin = id;
    snprintf(info.language, sizeof info.language, "%s", language);
    assert_int_equal(track_create(&t, &info, track_config(first)), 0);
    bus_track(rig.bus, t);
    track_unref(&t);
}

/* A publisher with two languages: each is a rendition. */
static void test_two_sounds_pass(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 1, false, 0);
    tell_twin(3, "de");
    play(1, 240, false, 0);
    assert_int_equal(count_of(BUS_PLAN), 1);
    assert_int_equal(plan_number(0)->rendition_count, 3);
    assert_int_equal(plan_number(0)->rendition_ids[2], LADDER_LANGUAGE);
    assert_string_equal(newest_track(LADDER_LANGUAGE)->name, "audio-2");
    assert_string_equal(newest_track(LADDER_LANGUAGE)->language, "de");
    assert_true(newest_track(LADDER_LANGUAGE)->passthrough);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_in_range(frames_of(LADDER_AUDIO), 344, 346);
    assert_in_range(frames_of(LADDER_LANGUAGE), 342, 346);
    finish();
}

/* One that comes later is in the next plan; who has the lower number is the
 * first; who has no place is not heard; and a publisher who comes back with
 * other numbers finds its languages again. */
static void test_sounds_come_and_go(void **state)
{
    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 120, false, 0);
    for (int i = 0; i < LADDER_LANGUAGES_MAX + 1; i++)
        tell_twin((uint8_t)(3 + i), i ? "fr" : "de");
    assert_int_equal(plan_number(count_of(BUS_PLAN) - 1)->rendition_count,
                     2 + LADDER_LANGUAGES_MAX);
    rig.twin = 3;
    play(120, 180, false, 0);
    assert_in_range(frames_of(LADDER_LANGUAGE), 80, 90);
    assert_int_equal(frames_of(LADDER_LANGUAGE + 1), 0);
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    tell_twin(2, "en");
    tell_twin(4, "de");
    rig.offset = 90000;
    play(180, 240, false, FRAME_DISCONTINUITY);
    assert_string_equal(newest_track(LADDER_LANGUAGE)->language, "de");
    assert_in_range(frames_of(LADDER_LANGUAGE), 160, 180);
    assert_int_equal(frames_of(LADDER_LANGUAGE + 1), 0);
    finish();
}

/* A language goes on in stereo: from a mark on that says so. */
static void test_a_language_with_another_config(void **state)
{
    uint8_t stereo[8];
    struct track *t = NULL, *first;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 1, false, 0);
    tell_twin(3, "de");
    play(1, 130, false, 0);
    assert_int_equal(tracks_of(LADDER_LANGUAGE), 1);
    first = the_track(3);
    struct slice config = track_config(first);
    assert_in_range(config.len, 2, sizeof stereo);
    memcpy(stereo, config.data, config.len);
    stereo[1] = (uint8_t)((stereo[1] & ~0x78) | 2 << 3);
    config.data = stereo;
    config.owner = NULL;
    assert_int_equal(track_create(&t, track_info(first), config), 0);
    bus_track(rig.bus, t);
    track_unref(&t);
    int marks = count_of(BUS_MARK), frames = frames_of(LADDER_LANGUAGE);
    play(130, 150, false, 0);
    assert_int_equal(frames_of(LADDER_LANGUAGE), frames);
    assert_int_equal(tracks_of(LADDER_LANGUAGE), 1);
    play(150, 240, false, 0);
    assert_true(mark_number(marks)->discontinuity);
    assert_int_equal(tracks_of(LADDER_LANGUAGE), 2);
    assert_in_range(frames_of(LADDER_LANGUAGE), frames + 80, 345);
    finish();
}

/* The map's order is not that in which the sounds come. */
static void test_the_lower_number_is_the_first_sound(void **state)
{
    struct track *t = NULL, *second;
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 30, false, 0);
    second = track_ref(the_track(2));
    struct track_info info = *track_info(second);
    info.id = 3;
    snprintf(info.language, sizeof info.language, "de");
    track_create(&t, &info, track_config(second));
    track_unref(&second);
    assert_non_null(t);
    finish();
    begin(CHANNEL_BASIC, NULL);
    bus_track(rig.bus, t);
    track_unref(&t);
    rig.twin = 3;
    play(0, 240, false, 0);
    assert_string_equal(newest_track(LADDER_LANGUAGE)->language, "de");
    before = frames_of(LADDER_AUDIO);
    assert_in_range(before, 344, 346);
    assert_in_range(frames_of(LADDER_LANGUAGE), 344, 346);
    finish();
}

/* The capture's sound, which nobody told yet, under this id. */
static void tell_sound(uint8_t id)
{
    struct track *t;

    for (int i = 0; i < rig.record_count; i++) {
        struct wire_record r = rig.capture[i];
        if (r.type != WIRE_TRACK || r.v.track.kind != TRACK_AUDIO) continue;
        r.v.track.id = id;
        assert_int_equal(wire_to_track(&r, &t), 0);
        bus_track(rig.bus, t);
        track_unref(&t);
        return;
    }
}

/* More sounds than there are places, the first of them last: what has no place
 * any more is no picture. */
static void test_a_sound_that_lost_its_place_is_dropped(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    rig.offset = TICK;
    tell_first();
    for (uint8_t id = 3; id < 4 + LADDER_LANGUAGES_MAX; id++)
        tell_sound(id);
    rig.twin = 3;
    play(0, 30, false, 0);
    tell_sound(2);
    play(30, 240, false, 0);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    finish();
}

/* What came before its encoder changed its mind is not said to be of the new
 * config. */
static void test_sound_of_another_config_while_measuring(void **state)
{
    static const uint8_t stereo[] = {0x12, 0x10};
    struct buf *config;
    struct track *t;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 30, false, 0);
    struct track_info info = *track_info(the_track(2));
    info.channels = 2;
    assert_int_equal(buf_create(&config, stereo, sizeof stereo), 0);
    struct slice all = slice_take(&config);
    assert_int_equal(track_create(&t, &info, all), 0);
    slice_unref(&all);
    bus_track(rig.bus, t);
    track_unref(&t);
    play(30, 120, false, 0);
    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_FRAME &&
            rig.seen[i].frame.track_id == LADDER_AUDIO)
            assert_true(rig.seen[i].frame.pts >= 29 * 44100 / 30);
    assert_true(frames_of(LADDER_AUDIO) > 100);
    finish();
}

/* How many languages there are does not shorten how long sound waits. */
static void test_sound_of_another_config_waits_for_its_mark(void **state)
{
    static const uint8_t stereo[] = {0x12, 0x10};
    struct buf *config;
    struct track *t;
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 2, false, 0);
    for (uint8_t id = 3; id < 3 + LADDER_LANGUAGES_MAX; id++)
        tell_twin(id, "de");
    rig.twin = 3;
    rig.twins = LADDER_LANGUAGES_MAX - 1;
    play(2, 65, false, 0);
    before = frames_of(LADDER_AUDIO);
    assert_true(before > 80);
    struct track_info info = *track_info(the_track(2));
    info.channels = 2;
    assert_int_equal(buf_create(&config, stereo, sizeof stereo), 0);
    struct slice all = slice_take(&config);
    assert_int_equal(track_create(&t, &info, all), 0);
    slice_unref(&all);
    bus_track(rig.bus, t);
    track_unref(&t);
    play(65, 120, false, 0);
    assert_int_equal(frames_of(LADDER_AUDIO), before);
    assert_int_equal(newest_track(LADDER_AUDIO)->channels, 1);
    rig.silent = true; /* silence in its place is of the new config */
    play(120, 122, false, 0);
    assert_int_equal(newest_track(LADDER_AUDIO)->channels, 2);
    rig.silent = false;
    play(122, 180, false, 0);
    assert_true(frames_of(LADDER_AUDIO) > before + 80);
    finish();
}

/* Nobody said that the one before was gone. */
static void test_a_takeover_whose_language_comes_first(void **state)
{
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 2, false, 0);
    tell_twin(3, "de");
    play(2, 65, false, 0);
    before = frames_of(LADDER_LANGUAGE);
    bus_signal(rig.bus, BUS_BACK);
    tell_twin(3, "de");
    rig.offset = 10 * 90000;
    rig.late = true;
    play(90, 120, false, FRAME_DISCONTINUITY); /* no keyframe yet */
    assert_int_equal(frames_of(LADDER_LANGUAGE), before);
    rig.late = false;
    play(120, 180, false, 0);
    assert_true(frames_of(LADDER_LANGUAGE) > before + 80);
    finish();
}

/* What was a language is a picture with who comes next: the two are of one
 * number, and not of one rendition. */
static void test_a_language_that_becomes_a_picture(void **state)
{
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 1, false, 0);
    tell_twin(SECOND, "de");
    play(1, 120, false, 0);
    before = frames_of(LADDER_LANGUAGE);
    assert_true(before > 100);
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    rig.twin = 0;
    rig.second = true;
    rig.offset = 90000;
    tell_second(640, 360);
    play(120, 240, false, FRAME_DISCONTINUITY);
    assert_int_equal(frames_of(LADDER_LANGUAGE), before);
    assert_true(frames_of(LADDER_360P) > 0);
    finish();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_two_sounds_pass),
    cmocka_unit_test(test_a_language_that_becomes_a_picture),
    cmocka_unit_test(test_a_takeover_whose_language_comes_first),
    cmocka_unit_test(test_a_sound_that_lost_its_place_is_dropped),
    cmocka_unit_test(test_sound_of_another_config_waits_for_its_mark),
    cmocka_unit_test(test_sound_of_another_config_while_measuring),
    cmocka_unit_test(test_sounds_come_and_go),
    cmocka_unit_test(test_a_language_with_another_config),
    cmocka_unit_test(test_the_lower_number_is_the_first_sound),
};
HARNESS_MAIN(tests)
