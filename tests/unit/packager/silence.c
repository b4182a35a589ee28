#include "tests/packager_sim.h"

static void test_lost_audio_is_silence(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8500000);
    s->audio_frames += 30;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    run_for(s, 20000000);
    no_gaps(s);
    assert_in_range(s->seen[2].parts, 152, 160);
}

/* The same, and its track is told anew when it comes back: over a boundary or
 * not, each segment has its own length. */
static void test_lost_audio_that_is_told_anew(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8500000);
    for (int i = 0; i < 12; i++) {
        s->audio_frames += 45;
        s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
        add_track(s, SOUND, asc, sizeof asc);
        run_for(s, 3100000);
    }
    no_gaps(s);
}

/* Microphone off and on: the list goes on, half a second behind the picture,
 * over boundaries and breaks, and what comes back has its own place. */
static void test_sound_is_off_for_long(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9300000);
    for (int i = 0; i < 4; i++) {
        s->sound_is_off = true;
        if (i == 2) s->discontinuity = true;
        run_for(s, 7100000);
        int64_t behind =
            s->seen[0].next_dts * 100 / 9 - s->seen[2].next_dts * 1000 / 48;
        assert_in_range(behind, 0, 800000);
        s->sound_is_off = false;
        run_for(s, 3300000 + i * 211000);
        behind =
            s->seen[0].next_dts * 100 / 9 - s->seen[2].next_dts * 1000 / 48;
        assert_in_range(behind + 300000, 0, 600000);
    }
    no_gaps(s);
    assert_int_equal(s->store->listed, 7);
}

static void test_publisher_comes_back_without_sound(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 11300000);
    s->sound_is_off = true;
    come_back(s, 9000000);
    run_for(s, 15100000);
    no_gaps(s);
    int64_t behind =
        s->seen[0].next_dts * 100 / 9 - s->seen[2].next_dts * 1000 / 48;
    assert_in_range(behind, 0, 800000);
    s->sound_is_off = false;
    run_for(s, 10000000);
    no_gaps(s);
    assert_int_equal(s->seen[2].full->discontinuity_sequence +
                         (s->seen[2].full->segments[0].msn < 6),
                     1);
}

/* Nothing for a while, and then sound a little before the picture that ends
 * the old segment: that does not get as long as the pause. */
static void test_sound_goes_on_before_the_break(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9300000);
    s->video_us += 1600000;
    s->audio_frames = (s->video_us - 60000) * s->rate / 1000000 / 1024;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    s->next_mark_us = s->video_us;
    s->discontinuity = s->broken = true;
    run_for(s, 10000000);
    no_gaps(s);
    assert_int_equal(s->seen[2].silent, 0);
}

/* Who always comes late is not lost. */
static void test_late_sound_is_no_silence(void **state)
{
    struct sim *s = *state;

    begin(s);
    for (int late = 0; late <= 1500000; late += 300000) {
        s->sound_late_us = late;
        run_for(s, 10000000);
    }
    no_gaps(s);
    assert_int_equal(s->seen[2].silent, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_lost_audio_is_silence, make, end),
    cmocka_unit_test_setup_teardown(test_lost_audio_that_is_told_anew, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_sound_goes_on_before_the_break, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_sound_is_off_for_long, make, end),
    cmocka_unit_test_setup_teardown(test_publisher_comes_back_without_sound,
                                    make, end),
    cmocka_unit_test_setup_teardown(test_late_sound_is_no_silence, make, end),
};
HARNESS_MAIN(tests)
