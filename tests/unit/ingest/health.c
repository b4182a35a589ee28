#include "tests/harness.h"

#include "ingest/health.h"

enum { SECOND = 1000000, BEGIN = 7 * SECOND };

/* A source as it might come: 1280x720 at 30 fps, a keyframe each 2 s, 2.4
 * Mbit/s, AAC at 48 kHz; each case turns one thing. */
struct source {
    int fps, announced, keyframe_s, bytes;
    bool b_frames, no_audio, no_video;
    int drop_each;           /* of so many frames one is missing; 0: none */
    int64_t burst_us;        /* frames arrive together, once each such time */
    struct health_line line; /* packets: a second */
};

static const struct source good = {
    .fps = 30, .announced = 30, .keyframe_s = 2, .bytes = 10000};

static struct health h;
static unsigned began, ended;

static void start(const struct source *s)
{
    struct track_info video = {.kind = TRACK_VIDEO,
                               .codec = CODEC_H264,
                               .width = 1280,
                               .height = 720,
                               .fps_num = (uint32_t)s->announced,
                               .fps_den = s->announced ? 1 : 0};
    struct track_info audio = {.kind = TRACK_AUDIO,
                               .codec = CODEC_AAC,
                               .sample_rate = 44100,
                               .channels = 1};

    began = ended = 0;
    health_init(&h, BEGIN);
    health_track(&h, 0, &video);
    health_track(&h, 1, &audio);
}

static void give_video(const struct source *s, int n)
{
    int64_t us = (int64_t)n * SECOND / s->fps, at = us;
    int64_t step = SECOND / s->fps;
    struct health_frame f = {.kind = TRACK_VIDEO,
                             .key = n % (s->fps * s->keyframe_s) == 0,
                             .bytes = (size_t)s->bytes,
                             .dts_us = us,
                             .pts_us = us};

    if (s->drop_each && n % s->drop_each == 1) return;
    /* I P B: the P is shown after the B. */
    if (s->b_frames && n % 3 == 1) f.pts_us += step;
    if (s->b_frames && n % 3 == 2) f.pts_us -= step;
    if (s->burst_us) at = (us / s->burst_us + 1) * s->burst_us;
    f.arrived_at = BEGIN + at;
    health_frame(&h, &f);
}

static void give_audio(int64_t us)
{
    struct health_frame f = {.kind = TRACK_AUDIO,
                             .slot = 1,
                             .bytes = 200,
                             .dts_us = us,
                             .pts_us = us,
                             .arrived_at = BEGIN + us};

    health_frame(&h, &f);
}

static void give_line(const struct source *s, uint64_t seconds)
{
    struct health_line l = s->line;

    l.packets *= seconds;
    l.lost *= seconds;
    l.late *= seconds;
    health_line(&h, &l);
}

/* From second `from` on, for so many; ticks after each. */
static void play(const struct source *s, int from, int seconds)
{
    unsigned b, e;

    for (int t = from; t < from + seconds; t++) {
        for (int i = 0; i < s->fps && !s->no_video; i++)
            give_video(s, t * s->fps + i);
        for (int i = 0; i < 50 && !s->no_audio; i++)
            give_audio((int64_t)t * SECOND + i * 20000);
        if (s->line.packets) give_line(s, (uint64_t)t + 1);
        health_tick(&h, BEGIN + (int64_t)(t + 1) * SECOND, &b, &e);
        began |= b;
        ended |= e;
    }
}

static unsigned after(const struct source *s, int seconds)
{
    start(s);
    play(s, 0, seconds);
    return h.figures.warnings;
}

static void test_a_good_source_has_figures_and_no_warnings(void **state)
{
    (void)state;
    assert_int_equal(after(&good, 30), 0);
    assert_int_equal(began, 0);
    assert_true(h.figures.fps > 29.9 && h.figures.fps < 30.1);
    assert_true(h.figures.video_bps > 2.39e6 && h.figures.video_bps < 2.41e6);
    assert_int_equal((int)h.figures.audio_bps, 80000);
    assert_true(h.figures.keyframe_s > 1.99 && h.figures.keyframe_s < 2.01);
    assert_int_equal(h.figures.missing, 0);
    assert_int_equal(h.figures.late, 0);
    assert_false(h.figures.b_frames);
    assert_int_equal(h.figures.uptime_us, 30 * SECOND);
}

static void test_a_good_line_is_told_without_a_warning(void **state)
{
    struct source srt = good;

    (void)state;
    assert_int_equal(after(&good, 10), 0);
    assert_false(h.figures.line.known);
    srt.line = (struct health_line){
        .rtt_s = 0.1, .latency_s = 0.4, .packets = 1000, .lost = 10};
    assert_int_equal(after(&srt, 20), 0);
    assert_true(h.figures.line.known);
    assert_int_equal(h.figures.line.packets, 20000);
    assert_true(h.figures.line.lost_share > 0.0099 &&
                h.figures.line.lost_share < 0.0101);
    assert_true(h.figures.line.late_share <= 0);
}

/* Likewise of the line. */
static void test_each_warning_of_the_line(void **state)
{
    static const struct {
        unsigned warnings;
        struct health_line line;
        const char *says;
    } cases[] = {
        {1u << HEALTH_LATE_PACKETS,
         {.rtt_s = 0.12, .latency_s = 0.4, .packets = 880, .late = 120},
         "12.0 % of packets arrive too late: raise the latency of 400 ms to 4 "
         "× RTT = 480 ms in the SRT URL"},
        {1u << HEALTH_LATE_PACKETS,
         {.rtt_s = 0.05, .latency_s = 0.5, .packets = 900, .late = 100},
         "the line is too full"},
        {1u << HEALTH_LATENCY,
         {.rtt_s = 0.09, .latency_s = 0.12, .packets = 900},
         "latency of 120 ms is too short for a round trip of 90 ms: set 4 × "
         "RTT = 360 ms"},
        {1u << HEALTH_LOSS,
         {.rtt_s = 0.01, .latency_s = 0.12, .packets = 1000, .lost = 70},
         "the line loses 7 % of packets"},
    };
    char text[HEALTH_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source s = good;
        s.line = cases[i].line;
        assert_int_equal(after(&s, 24), cases[i].warnings);
        int bit = __builtin_ctz(cases[i].warnings);
        health_text(&h.figures, (enum health_warning)bit, text);
        if (!strstr(text, cases[i].says)) fail_msg("%s", text);
    }
}

/* One thing is turned: that warning comes, and no other. */
static void test_each_warning_by_itself(void **state)
{
    static const struct {
        enum health_warning warning;
        struct source source;
        const char *says;
    } cases[] = {
        {HEALTH_KEYFRAMES,
         {30, 30, 8, 10000, .burst_us = 0},
         "keyframe interval is 8.0 s: "},
        {HEALTH_B_FRAMES,
         {30, 30, 2, 10000, .b_frames = true},
         "B-frames to 0"},
        {HEALTH_FRAME_RATE,
         {20, 30, 2, 10000, .burst_us = 0},
         "20.0 frames a second arrive"},
        {HEALTH_MISSING_FRAMES,
         {30, 30, 2, 10000, .drop_each = 20},
         "frames are missing"},
        {HEALTH_UNEVEN, {30, 30, 2, 10000, .burst_us = 2 * SECOND}, "unevenly"},
        {HEALTH_BITRATE_LOW,
         {30, 30, 2, 100, .burst_us = 0},
         "video is 24 kbit/s for 1280x"},
        {HEALTH_BITRATE_HIGH,
         {30, 30, 2, 60000, .burst_us = 0},
         "video is 14.4 Mbit/s: "},
        {HEALTH_NO_AUDIO, {30, 30, 2, 10000, .no_audio = true}, "no sound"},
        {HEALTH_NO_VIDEO, {30, 30, 2, 10000, .no_video = true}, "no picture"},
    };
    char text[HEALTH_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned got = after(&cases[i].source, 24);
        if (got != 1u << cases[i].warning)
            fail_msg("%s: %#x", health_name(cases[i].warning), got);
        health_text(&h.figures, cases[i].warning, text);
        assert_non_null(strstr(text, cases[i].says));
    }
}

static void test_a_warning_ends_when_it_is_mended(void **state)
{
    struct source far = good;

    (void)state;
    far.keyframe_s = 8;
    start(&far);
    play(&far, 0, 12);
    assert_int_equal(began, 1u << HEALTH_KEYFRAMES);
    assert_int_equal(ended, 0);
    play(&good, 12, 16);
    assert_int_equal(ended, 1u << HEALTH_KEYFRAMES);
    assert_int_equal(h.figures.warnings, 0);
}

/* A shared screen gives a frame when something moves. */
static void test_who_promises_no_rate_misses_none(void **state)
{
    struct source screen = good;

    (void)state;
    screen.announced = 0;
    screen.drop_each = 3;
    assert_int_equal(after(&screen, 24), 0);
    assert_int_equal(h.figures.missing, 0);
}

/* A second or two of trouble is no warning. */
static void test_short_trouble_is_not_told(void **state)
{
    struct source short_of_frames = good;

    (void)state;
    short_of_frames.b_frames = true;
    start(&good);
    play(&good, 0, 20);
    h.buckets[0].reordered = 0;
    began = 0;
    play(&short_of_frames, 20, 1);
    for (int i = 0; i < HEALTH_SECONDS; i++)
        h.buckets[i].reordered = 0;
    play(&good, 21, 20);
    assert_int_equal(began, 0);
}

static void test_a_clock_that_jumps_is_no_gap(void **state)
{
    (void)state;
    start(&good);
    play(&good, 0, 10);
    struct health_frame f = {.kind = TRACK_VIDEO,
                             .key = true,
                             .bytes = 1000,
                             .dts_us = 5000LL * SECOND,
                             .pts_us = 5000LL * SECOND,
                             .arrived_at = BEGIN + 10 * SECOND};
    health_frame(&h, &f);
    f.dts_us = f.pts_us = 0;
    health_frame(&h, &f);
    assert_int_equal(h.figures.missing, 0);
    play(&good, 0, 1); /* and ticks of the past change nothing */
    assert_int_equal(h.figures.missing, 0);
}

/* --- content -------------------------------------------------------------- */

/* A second of it, as a child tells it; then the tick. */
static void tell(const struct source *s, int t, int rms_cdb, int clipped,
                 int lit, int change, bool changed)
{
    struct impression sound = {.kind = TRACK_AUDIO,
                               .span_ms = 1000,
                               .rms_cdb = (int16_t)rms_cdb,
                               .peak_cdb = (int16_t)(rms_cdb + 1200),
                               .clipped = (uint16_t)clipped};
    struct impression picture = {.kind = TRACK_VIDEO,
                                 .span_ms = 1000,
                                 .luma = 51,
                                 .lit = (uint16_t)lit,
                                 .change = (uint16_t)change,
                                 .changed = changed};
    int64_t now = BEGIN + (int64_t)t * SECOND + SECOND / 2;

    health_impression(&h, &sound, now);
    health_impression(&h, &picture, now);
    play(s, t, 1);
}

enum { LOUD = -2300, LIGHT = 9000, MOVES = 400, CUTS = 6000 };

static int talk(int from, int seconds)
{
    for (int t = from; t < from + seconds; t++)
        tell(&good, t, LOUD, 0, LIGHT, MOVES, true);
    return from + seconds;
}

static int first(enum health_warning w, int from, int rms_cdb, int clipped,
                 int lit, int change, bool changed)
{
    began = 0;
    for (int t = from; t < from + 120; t++) {
        tell(&good, t, rms_cdb, clipped, lit, change, changed);
        if (began >> w & 1) return t + 1 - from;
    }
    return -1;
}

static void test_content_is_told_while_it_is_measured(void **state)
{
    (void)state;
    start(&good);
    play(&good, 0, 3);
    assert_false(h.figures.heard || h.figures.seen);
    int t = talk(3, 10);
    assert_true(h.figures.heard && h.figures.seen);
    assert_true(h.figures.rms_dbfs > -23.1 && h.figures.rms_dbfs < -22.9);
    assert_true(h.figures.peak_dbfs > -11.1 && h.figures.peak_dbfs < -10.9);
    assert_true(h.figures.brightness > 0.19 && h.figures.brightness < 0.21);
    assert_true(h.figures.still_s == 0 && h.figures.silent_s == 0);
    assert_int_equal(h.figures.warnings, 0);
    for (int i = 0; i < 20; i++)
        tell(&good, t++, IMPRESSION_FLOOR_CDB, 0, LIGHT, 0, false);
    assert_true(h.figures.silent_s > 19.9 && h.figures.still_s > 19.9);
    assert_int_equal(h.figures.warnings, 1u << HEALTH_SILENT);
    /* The child is gone: nobody knows. */
    play(&good, t, 8);
    assert_false(h.figures.heard || h.figures.seen);
    assert_true(h.figures.silent_s == 0 && h.figures.still_s == 0);
    assert_int_equal(h.figures.warnings, 0);
}

static void test_silence_is_told_after_ten_seconds(void **state)
{
    char text[HEALTH_TEXT_SIZE];

    (void)state;
    start(&good);
    int t = talk(0, 20);
    assert_int_equal(first(HEALTH_SILENT, t, -6100, 0, LIGHT, MOVES, true), 10);
    health_text(&h.figures, HEALTH_SILENT, text);
    assert_string_equal(text, "no sound for 10 s: is the microphone muted in "
                              "OBS → Audio Mixer?");
    ended = 0;
    t = talk(t + 10, 1);
    assert_int_equal(ended, 1u << HEALTH_SILENT);
    /* Who thinks for a while is not silent. */
    for (int round = 0; round < 5; round++) {
        t = talk(t, 2);
        for (int i = 0; i < 9; i++)
            tell(&good, t++, IMPRESSION_FLOOR_CDB, 0, LIGHT, MOVES, true);
    }
    assert_int_equal(h.figures.warnings, 0);
}

static void test_distortion_is_told_and_a_slam_is_not(void **state)
{
    (void)state;
    start(&good);
    int t = talk(0, 5);
    tell(&good, t++, -100, 2000, LIGHT, MOVES, true);
    began = 0;
    t = talk(t, 20);
    assert_int_equal(began, 0);
    assert_int_equal(first(HEALTH_CLIPPING, t, -600, 80, LIGHT, MOVES, true),
                     7);
    ended = 0;
    talk(t + 7, 25);
    assert_int_equal(ended, 1u << HEALTH_CLIPPING);
}

static void test_black_is_told_and_a_word_on_it_is_not(void **state)
{
    (void)state;
    start(&good);
    int t = talk(0, 5);
    assert_int_equal(first(HEALTH_BLACK, t, LOUD, 0, 20, 0, false), -1);
    t = talk(t + 120, 5);
    assert_int_equal(first(HEALTH_BLACK, t, LOUD, 0, 1, 0, false), 10);
    /* Black stands still, which is no news. */
    assert_int_equal(first(HEALTH_FROZEN, t + 10, LOUD, 0, 1, 0, false), -1);
    ended = 0;
    talk(t + 130, 1);
    assert_int_equal(ended, 1u << HEALTH_BLACK);
}

/* A lecture's slides: each comes with a cut and stands for minutes; between
 * them, now and then, a pointer. */
static void test_a_slide_may_stand(void **state)
{
    int t = 0;

    (void)state;
    start(&good);
    for (int slide = 0; slide < 4; slide++) {
        tell(&good, t++, LOUD, 0, LIGHT, CUTS, true);
        tell(&good, t++, LOUD, 0, LIGHT, 60, true); /* the encoder's polish */
        for (int i = 0; i < 90; i++)
            tell(&good, t++, LOUD, 0, LIGHT, 0, i == 20 || i == 23);
    }
    assert_int_equal(began, 0);
    assert_true(h.figures.still_s > 60);
    /* From the camera to a slide. */
    t = talk(t, 60);
    tell(&good, t++, LOUD, 0, LIGHT, CUTS, true);
    tell(&good, t++, LOUD, 0, LIGHT, 60, true);
    for (int i = 0; i < 90; i++)
        tell(&good, t++, LOUD, 0, LIGHT, 0, false);
    assert_int_equal(began, 0);
}

static void test_a_camera_that_hangs_is_told(void **state)
{
    char text[HEALTH_TEXT_SIZE];

    (void)state;
    start(&good);
    int t = talk(0, 40);
    assert_int_equal(first(HEALTH_FROZEN, t, LOUD, 0, LIGHT, 0, false), 30);
    health_text(&h.figures, HEALTH_FROZEN, text);
    assert_non_null(strstr(text, "stands still for 30 s"));
    ended = 0;
    talk(t + 30, 1);
    assert_int_equal(ended, 1u << HEALTH_FROZEN);
    /* Who moved for a moment only may stand again. */
    assert_int_equal(first(HEALTH_FROZEN, t + 31, LOUD, 0, LIGHT, 0, false),
                     -1);
}

static void test_few_bits_are_enough_for_a_slide(void **state)
{
    struct source slide = good;

    (void)state;
    slide.bytes = 100;
    start(&slide);
    for (int t = 0; t < 30; t++)
        tell(&slide, t, LOUD, 0, LIGHT, 0, t == 0);
    assert_int_equal(h.figures.warnings, 0);
    for (int t = 30; t < 60; t++)
        tell(&slide, t, LOUD, 0, LIGHT, MOVES, true);
    assert_int_equal(h.figures.warnings, 1u << HEALTH_BITRATE_LOW);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_good_source_has_figures_and_no_warnings),
    cmocka_unit_test(test_a_good_line_is_told_without_a_warning),
    cmocka_unit_test(test_each_warning_by_itself),
    cmocka_unit_test(test_each_warning_of_the_line),
    cmocka_unit_test(test_a_warning_ends_when_it_is_mended),
    cmocka_unit_test(test_who_promises_no_rate_misses_none),
    cmocka_unit_test(test_short_trouble_is_not_told),
    cmocka_unit_test(test_a_clock_that_jumps_is_no_gap),
    cmocka_unit_test(test_content_is_told_while_it_is_measured),
    cmocka_unit_test(test_silence_is_told_after_ten_seconds),
    cmocka_unit_test(test_distortion_is_told_and_a_slam_is_not),
    cmocka_unit_test(test_black_is_told_and_a_word_on_it_is_not),
    cmocka_unit_test(test_a_slide_may_stand),
    cmocka_unit_test(test_a_camera_that_hangs_is_told),
    cmocka_unit_test(test_few_bits_are_enough_for_a_slide),
};
HARNESS_MAIN(tests)
