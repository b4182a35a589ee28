#include "tests/harness.h"

#include <stdio.h>

#include "transcode/lineup.h"

static struct ladder_source source(uint32_t w, uint32_t h)
{
    struct ladder_source s = {
        .has_video = true, .has_audio = true, .audio_plain = true};

    s.video = (struct track_info){.id = 1,
                                  .kind = TRACK_VIDEO,
                                  .codec = CODEC_H264,
                                  .timescale = 90000,
                                  .width = w,
                                  .height = h,
                                  .fps_num = 30,
                                  .fps_den = 1};
    s.audio = (struct track_info){.id = 2,
                                  .kind = TRACK_AUDIO,
                                  .codec = CODEC_AAC,
                                  .timescale = 48000,
                                  .sample_rate = 48000,
                                  .channels = 2};
    return s;
}

static const char *choose(struct lineup *l, struct ladder_source s)
{
    static char names[256];
    struct ladder_conf conf = {.type = CHANNEL_STANDARD};
    size_t n = 0;

    lineup_choose(l, &conf, &s);
    names[0] = 0;
    for (int i = 0; i < l->ladder.count; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? " " : "",
                              l->ladder.rungs[i].info.name);
    return names;
}

static void test_a_smaller_source_takes_rungs_out(void **state)
{
    struct lineup l = {0};

    (void)state;
    assert_string_equal(choose(&l, source(1280, 720)),
                        "720p 480p 360p 160p audio");
    /* The URL stays, though it is smaller now. */
    assert_string_equal(choose(&l, source(640, 360)), "720p 160p audio");
    assert_int_equal(l.ladder.rungs[0].info.height, 360);
    assert_string_equal(choose(&l, source(1280, 720)),
                        "720p 480p 360p 160p audio");
    /* Larger: no second "720p" beside the first. */
    assert_string_equal(choose(&l, source(1920, 1080)),
                        "720p 480p 360p 160p audio");
}

static const char *chosen(struct lineup *l, enum codec codec, bool grid)
{
    static char names[256];
    struct ladder_source s = source(1280, 720);
    struct ladder_conf conf = {.type = CHANNEL_STANDARD, .encode_top = grid};
    size_t n = 0;

    s.video.codec = codec;
    lineup_keep_codec(l, &conf, &s.video);
    lineup_choose(l, &conf, &s);
    names[0] = 0;
    for (int i = 0; i < l->ladder.count; i++) {
        const struct track_info *t = &l->ladder.rungs[i].info;
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s%s",
                              i ? " " : "", t->name, t->passthrough ? "*" : "");
        if (t->kind == TRACK_VIDEO && !t->passthrough)
            assert_int_equal(t->codec, CODEC_H264);
    }
    return names;
}

/* Who plays a rendition has a decoder for it, and maybe no other. */
static void test_a_rendition_keeps_its_codec(void **state)
{
    struct lineup l = {0}, h = {0};

    (void)state;
    assert_string_equal(chosen(&l, CODEC_H264, false),
                        "720p* 480p 360p 160p audio*");
    assert_string_equal(chosen(&l, CODEC_HEVC, false),
                        "720p 480p 360p 160p audio*");
    assert_string_equal(chosen(&l, CODEC_H264, false),
                        "720p* 480p 360p 160p audio*");
    assert_string_equal(chosen(&h, CODEC_HEVC, false),
                        "source* 720p 480p 360p 160p audio*");
    assert_string_equal(chosen(&h, CODEC_H264, false),
                        "720p 480p 360p 160p audio*");
    assert_string_equal(chosen(&h, CODEC_AV1, false),
                        "720p 480p 360p 160p audio*");
    assert_string_equal(chosen(&h, CODEC_HEVC, false),
                        "source* 720p 480p 360p 160p audio*");
}

/* A browser's picture grows: rungs join, none meets a name twice. */
static void test_a_larger_source_brings_rungs_in(void **state)
{
    struct lineup l = {0};

    (void)state;
    assert_string_equal(choose(&l, source(320, 180)), "180p 160p audio");
    assert_string_equal(choose(&l, source(1280, 720)),
                        "180p 480p 360p 160p audio");
    assert_string_equal(choose(&l, source(640, 360)), "180p 160p audio");
    assert_string_equal(choose(&l, source(1280, 720)),
                        "180p 480p 360p 160p audio");
}

static void test_what_was_shed_stays_away(void **state)
{
    struct lineup l = {0};

    (void)state;
    choose(&l, source(1280, 720));
    assert_string_equal(lineup_shed(&l, LADDER_480P), "480p");
    assert_null(lineup_shed(&l, LADDER_1080P));
    assert_string_equal(choose(&l, source(1280, 720)), "720p 360p 160p audio");
    lineup_shed(&l, LADDER_360P);
    assert_true(lineup_restore(&l)); /* the cheaper one first */
    assert_string_equal(choose(&l, source(1280, 720)), "720p 360p 160p audio");
    assert_true(lineup_restore(&l));
    assert_string_equal(choose(&l, source(1280, 720)),
                        "720p 480p 360p 160p audio");
    assert_false(lineup_restore(&l));
}

static void test_late_tracks_join(void **state)
{
    struct lineup l = {0};
    struct ladder_source s = source(1280, 720);

    (void)state;
    s.has_video = false;
    assert_string_equal(choose(&l, s), "audio");
    s.has_video = true;
    assert_string_equal(choose(&l, s), "720p 480p 360p 160p audio");
    struct lineup silent = {0};
    s.has_audio = false;
    choose(&silent, s);
    s.has_audio = true;
    assert_string_equal(choose(&silent, s), "720p 480p 360p 160p audio");
}

/* The lecturer sends himself what we had no time to make. */
static void test_what_was_shed_may_come_as_it_is(void **state)
{
    struct ladder_source s = source(1280, 720);
    struct lineup l = {0};

    (void)state;
    choose(&l, s);
    lineup_shed(&l, LADDER_480P);
    assert_string_equal(choose(&l, s), "720p 360p 160p audio");
    s.tracks[0] = source(854, 480).video;
    s.tracks[0].id = LADDER_480P;
    snprintf(s.tracks[0].name, sizeof s.tracks[0].name, "480p");
    s.track_count = 1;
    assert_string_equal(choose(&l, s), "720p 480p audio");
    s.track_count = 0;
    assert_string_equal(choose(&l, s), "720p 360p 160p audio");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_was_shed_may_come_as_it_is),
    cmocka_unit_test(test_a_smaller_source_takes_rungs_out),
    cmocka_unit_test(test_a_rendition_keeps_its_codec),
    cmocka_unit_test(test_a_larger_source_brings_rungs_in),
    cmocka_unit_test(test_what_was_shed_stays_away),
    cmocka_unit_test(test_late_tracks_join),
};
HARNESS_MAIN(tests)
