#include "tests/harness.h"

#include <stdio.h>

#include "transcode/ladder.h"

static struct ladder_source source(uint32_t w, uint32_t h, uint32_t fps)
{
    struct ladder_source s = {
        .has_video = true, .has_audio = true, .audio_plain = true};

    s.video = (struct track_info){.id = 1,
                                  .kind = TRACK_VIDEO,
                                  .codec = CODEC_H264,
                                  .timescale = 90000,
                                  .width = w,
                                  .height = h,
                                  .fps_num = fps,
                                  .fps_den = 1};
    s.audio = (struct track_info){.id = 2,
                                  .kind = TRACK_AUDIO,
                                  .codec = CODEC_AAC,
                                  .timescale = 44100,
                                  .sample_rate = 44100,
                                  .channels = 2};
    return s;
}

/* "720p:1280x720@30 …", a star where the source passes through. */
static const char *show(const struct ladder *l)
{
    static char text[512];
    size_t n = 0;

    text[0] = 0;
    for (int i = 0; i < l->count; i++) {
        const struct track_info *t = &l->rungs[i].info;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "",
                              t->name);
        if (t->kind == TRACK_VIDEO)
            n += (size_t)snprintf(text + n, sizeof text - n, ":%ux%u@%u",
                                  t->width, t->height,
                                  t->fps_den ? t->fps_num / t->fps_den : 0);
        if (t->passthrough)
            n += (size_t)snprintf(text + n, sizeof text - n, "*");
    }
    return text;
}

static const char *choose(enum channel_type type, bool encode_top,
                          struct ladder_source s)
{
    static struct ladder l;
    struct ladder_conf conf = {.type = type, .encode_top = encode_top};

    ladder_choose(&l, &conf, &s);
    return show(&l);
}

static void test_standard_ladders(void **state)
{
    (void)state;
    assert_string_equal(choose(CHANNEL_STANDARD, false, source(1920, 1080, 30)),
                        "1080p:1920x1080@30* 720p:1280x720@30 480p:854x480@30 "
                        "360p:640x360@30 160p:284x160@30 audio*");
    assert_string_equal(choose(CHANNEL_STANDARD, false, source(1280, 720, 60)),
                        "720p:1280x720@60* 480p:854x480@30 360p:640x360@30 "
                        "160p:284x160@30 audio*");
    /* Never upscaled, nothing twice, odd sources in even rungs. */
    assert_string_equal(choose(CHANNEL_STANDARD, false, source(640, 360, 25)),
                        "360p:640x360@25* 160p:284x160@25 audio*");
    assert_string_equal(choose(CHANNEL_STANDARD, true, source(853, 481, 30)),
                        "480p:852x480@30 360p:638x360@30 160p:284x160@30 "
                        "audio*");
    /* Larger than we encode: the top is reduced when it must be made. */
    assert_string_equal(choose(CHANNEL_STANDARD, true, source(3840, 2160, 30)),
                        "1080p:1920x1080@30 720p:1280x720@30 480p:854x480@30 "
                        "360p:640x360@30 160p:284x160@30 audio*");
}

static void test_portrait_keeps_its_shape(void **state)
{
    (void)state;
    assert_string_equal(choose(CHANNEL_STANDARD, false, source(720, 1280, 30)),
                        "720p:720x1280@30* 480p:480x854@30 360p:360x640@30 "
                        "160p:160x284@30 audio*");
}

static void test_basic_is_the_source(void **state)
{
    struct ladder_source s = source(1920, 1080, 30);

    (void)state;
    assert_string_equal(choose(CHANNEL_BASIC, true, s),
                        "1080p:1920x1080@30* audio*");
    s.has_video = false;
    assert_string_equal(choose(CHANNEL_BASIC, false, s), "audio*");
    s = source(0, 0, 30); /* size unknown */
    assert_string_equal(choose(CHANNEL_STANDARD, false, s),
                        "source:0x0@30* audio*");
}

static void test_sound_is_made_where_it_must_be(void **state)
{
    struct ladder_source s = source(640, 360, 30);
    struct ladder_conf conf = {.type = CHANNEL_STANDARD, .opus = true};
    struct ladder l;
    struct plan p;

    (void)state;
    s.audio_plain = false;
    s.audio.codec = CODEC_OPUS;
    ladder_choose(&l, &conf, &s);
    assert_false(ladder_find(&l, LADDER_AUDIO)->info.passthrough);
    assert_int_equal(ladder_find(&l, LADDER_AUDIO)->info.timescale, 48000);
    assert_true(ladder_find(&l, LADDER_OPUS)->info.passthrough);
    assert_true(ladder_needs_child(&l));
    ladder_list(&l, &p);
    assert_int_equal(p.rendition_count, 3); /* Opus is not HLS's */
    assert_int_equal(p.rendition_ids[2], LADDER_AUDIO);
}

static void test_languages_stand_behind_the_first_sound(void **state)
{
    struct ladder_source s = source(640, 360, 30);
    struct ladder_conf conf = {.type = CHANNEL_STANDARD, .opus = true};
    struct ladder l;
    struct plan p;

    (void)state;
    s.languages[0] = (struct ladder_sound){true, true, s.audio};
    s.languages[3] = (struct ladder_sound){true, false, s.audio};
    s.languages[3].info.codec = CODEC_OPUS;
    snprintf(s.languages[3].info.language, TRACK_LANGUAGE_MAX, "de");
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* 160p:284x160@30 audio* "
                                  "audio-2* audio-5 opus");
    const struct ladder_rung *r = ladder_find(&l, LADDER_LANGUAGE + 3);
    assert_int_equal(r->info.codec, CODEC_AAC);
    assert_string_equal(r->info.language, "de");
    ladder_list(&l, &p);
    assert_int_equal(p.rendition_count, 5);
    assert_int_equal(p.rendition_ids[4], LADDER_LANGUAGE + 3);
    /* Where nothing can be made, what not all players have is left out. */
    conf = (struct ladder_conf){.type = CHANNEL_BASIC, .no_child = true};
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* audio* audio-2*");
}

static void test_basic_makes_sound_alone(void **state)
{
    struct ladder_source s = source(640, 360, 30);
    struct ladder_conf conf = {.type = CHANNEL_BASIC, .opus = true};
    struct ladder l;

    (void)state;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* audio* opus");
    s.audio_plain = false; /* more channels: as it came */
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* audio* opus");
    s.audio.codec = CODEC_OPUS;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* audio opus*");
    conf.opus = false;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* audio");
    conf.opus = conf.no_child = true;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* audio* opus*");
    s.audio.codec = CODEC_AAC;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@30* audio*");
}

static void test_real_time_has_a_top_of_its_own(void **state)
{
    struct ladder_source s = source(1920, 1080, 60);
    struct ladder_conf conf = {.type = CHANNEL_STANDARD, .realtime = true};
    struct ladder l;
    struct plan p;

    (void)state;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "1080p:1920x1080@60* 1080p:1920x1080@60 "
                                  "720p:1280x720@60 480p:854x480@30 "
                                  "360p:640x360@30 160p:284x160@30 audio*");
    assert_int_equal(ladder_dearest(&l)->info.id, LADDER_REALTIME);
    ladder_list(&l, &p);
    assert_int_equal(p.rendition_count, l.count - 1);
    s = source(640, 360, 60); /* small ones keep their cadence, too */
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "360p:640x360@60* 360p:640x360@60 "
                                  "160p:284x160@30 audio*");
    s = source(2560, 1440, 60); /* its 1080p rung will do */
    ladder_choose(&l, &conf, &s);
    assert_null(ladder_find(&l, LADDER_REALTIME));
    s = source(640, 360, 60);
    conf.encode_top = true; /* it has no B-frames then */
    ladder_choose(&l, &conf, &s);
    assert_null(ladder_find(&l, LADDER_REALTIME));
    conf = (struct ladder_conf){.type = CHANNEL_BASIC, .realtime = true};
    ladder_choose(&l, &conf, &s);
    assert_null(ladder_find(&l, LADDER_REALTIME));
}

static void test_a_size_that_varies_keeps_its_rungs(void **state)
{
    struct ladder_source s = source(320, 180, 30);
    struct ladder_conf conf = {.type = CHANNEL_STANDARD};
    struct ladder l;

    (void)state;
    s.lines = 720;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "source:320x180@30* 480p:854x480@30 "
                                  "360p:640x360@30 160p:284x160@30 audio*");
    s = source(360, 640, 30); /* turned */
    s.lines = 720;
    conf.encode_top = true;
    ladder_choose(&l, &conf, &s);
    assert_string_equal(show(&l), "720p:720x1280@30 480p:480x854@30 "
                                  "360p:360x640@30 160p:160x284@30 audio*");
}

static void test_the_dearest_goes_first_and_one_stays(void **state)
{
    struct ladder_source s = source(1280, 720, 30);
    struct ladder_conf conf = {.type = CHANNEL_STANDARD};
    struct ladder l;

    (void)state;
    ladder_choose(&l, &conf, &s);
    static const uint8_t order[] = {LADDER_480P, LADDER_360P, LADDER_160P};
    for (int i = 0; i < 3; i++) {
        const struct ladder_rung *r = ladder_dearest(&l);
        assert_non_null(r);
        assert_int_equal(r->info.id, order[i]);
        ladder_remove(&l, r->info.id);
    }
    assert_null(ladder_dearest(&l));
    assert_false(ladder_needs_child(&l));
    conf.encode_top = true;
    ladder_choose(&l, &conf, &s);
    assert_int_equal(ladder_dearest(&l)->info.id, LADDER_TOP);
    for (int i = 0; i < 3; i++)
        ladder_remove(&l, ladder_dearest(&l)->info.id);
    assert_null(ladder_dearest(&l)); /* 160p is all there is to watch */
}

/* What passes through is not for all players: its size is there twice. */
static void test_hevc_stands_beside_a_whole_ladder(void **state)
{
    struct ladder_source s = source(1920, 1080, 30);

    (void)state;
    s.video.codec = CODEC_HEVC;
    assert_string_equal(choose(CHANNEL_STANDARD, false, s),
                        "source:1920x1080@30* 1080p:1920x1080@30 "
                        "720p:1280x720@30 480p:854x480@30 360p:640x360@30 "
                        "160p:284x160@30 audio*");
    assert_string_equal(choose(CHANNEL_BASIC, false, s),
                        "source:1920x1080@30* audio*");
    s = source(320, 180, 30);
    s.video.codec = CODEC_HEVC;
    assert_string_equal(choose(CHANNEL_STANDARD, false, s),
                        "source:320x180@30* 160p:284x160@30 audio*");
}

/* Pictures that the source sends in several sizes are the ladder. */
static void test_the_lecturers_own_ladder(void **state)
{
    struct ladder_source s = source(1280, 720, 30);
    struct ladder_source more = source(1920, 1080, 60);
    struct ladder_source less = source(854, 480, 30);

    (void)state;
    s.tracks[0] = less.video;
    s.tracks[1] = more.video;
    s.tracks[0].id = LADDER_480P;
    s.tracks[1].id = LADDER_1080P;
    snprintf(s.tracks[0].name, sizeof s.tracks[0].name, "480p");
    snprintf(s.tracks[1].name, sizeof s.tracks[1].name, "1080p");
    s.track_count = 2;
    static const char own[] =
        "1080p:1920x1080@60* 720p:1280x720@30* 480p:854x480@30* audio*";
    assert_string_equal(choose(CHANNEL_STANDARD, false, s), own);
    assert_string_equal(choose(CHANNEL_BASIC, false, s), own);
    /* Keyframes that are of no use are of none for all. */
    assert_string_equal(choose(CHANNEL_STANDARD, true, s),
                        "720p:1280x720@30 480p:854x480@30 360p:640x360@30 "
                        "160p:284x160@30 audio*");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_lecturers_own_ladder),
    cmocka_unit_test(test_hevc_stands_beside_a_whole_ladder),
    cmocka_unit_test(test_standard_ladders),
    cmocka_unit_test(test_portrait_keeps_its_shape),
    cmocka_unit_test(test_basic_is_the_source),
    cmocka_unit_test(test_sound_is_made_where_it_must_be),
    cmocka_unit_test(test_languages_stand_behind_the_first_sound),
    cmocka_unit_test(test_basic_makes_sound_alone),
    cmocka_unit_test(test_real_time_has_a_top_of_its_own),
    cmocka_unit_test(test_a_size_that_varies_keeps_its_rungs),
    cmocka_unit_test(test_the_dearest_goes_first_and_one_stays),
};
HARNESS_MAIN(tests)
