#include "tests/packager_sim.h"

static void test_new_config_needs_new_init(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 7000000);
    come_back(s, 1000000);
    add_track(s, HIGH, avcc_other, sizeof avcc_other);
    run_for(s, 6000000);
    no_gaps(s);
    assert_int_equal(s->seen[0].inits, 2);
    assert_int_equal(s->seen[1].inits, 1);
    struct m3u8 *p = s->seen[0].full;
    assert_string_equal(p->segments[p->segment_count - 1].map, "init-2.mp4");
    assert_string_equal(p->segments[0].map, "init-1.mp4");
    assert_string_equal(s->store->renditions[0].description.codec,
                        "avc1.4d401e");
}

/* Decode times go on without a hole, shown times are true. */
static void test_lost_video_is_stretched_over(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8500000);
    s->video_us += 1000000; /* a second is lost inside a segment */
    run_for(s, 20000000);
    no_gaps(s);
    for (int i = 0; i < 40; i++) { /* and again, at any place */
        s->video_us += 130000 + i * 8000;
        if (s->next_mark_us < s->video_us) s->next_mark_us = s->video_us;
        run_for(s, 1900000);
    }
}

static void test_a_long_hole_is_missing_parts(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8100000);
    s->gop_us = 8000000;
    s->video_us += 1700000; /* what is lost reaches the boundary … */
    s->next_mark_us = s->video_us;
    run_for(s, 7000000);
    assert_in_range(s->seen[0].gaps, 6, 9);
    assert_int_equal(s->seen[2].gaps, 0);
}

/* Nobody said that the line was dead when the encoder came by another: its
 * first picture lies before the mark that ends the old segment. */
static void test_takeover_after_a_dead_line(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9300000);
    s->video_us += 10000000;
    s->audio_frames += 10 * s->rate / 1024;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    s->next_mark_us = s->video_us;
    s->discontinuity = s->broken = true;
    run_for(s, 10000000);
    no_gaps(s);
    assert_int_equal(s->seen[2].silent, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_new_config_needs_new_init, make, end),
    cmocka_unit_test_setup_teardown(test_lost_video_is_stretched_over, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_a_long_hole_is_missing_parts, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_takeover_after_a_dead_line, make, end),
};
HARNESS_MAIN(tests)
