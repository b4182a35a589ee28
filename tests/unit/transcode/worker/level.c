#include "tests/harness.h"

#include <math.h>
#include <time.h>

#include "transcode/worker/level.h"

enum { RATE = 48000, FRAME = 1024 };

/* A sine of that amplitude on the first channel, one a tenth of it on others.
 * False without memory. */
static bool make(AVFrame **out, enum AVSampleFormat format, int channels,
                 double amplitude)
{
    AVFrame *f = av_frame_alloc();

    *out = f;
    if (!f) return false;
    f->format = format;
    f->sample_rate = RATE;
    f->nb_samples = FRAME;
    av_channel_layout_default(&f->ch_layout, channels);
    if (av_frame_get_buffer(f, 0) < 0) return false;
    bool planar = av_sample_fmt_is_planar(format);
    bool words = av_get_packed_sample_fmt(format) == AV_SAMPLE_FMT_S16;
    for (int i = 0; i < FRAME; i++) {
        for (int c = 0; c < channels; c++) {
            double x = amplitude * sin(i * 2 * 3.141592653589793 / 64);
            int at = planar ? i : i * channels + c;
            void *data = f->extended_data[planar ? c : 0];
            if (c) x /= 10;
            if (x > 1 && words) x = 32767 / 32768.0;
            if (x < -1 && words) x = -1;
            if (words)
                ((int16_t *)data)[at] = (int16_t)lrint(x * 32767);
            else
                ((float *)data)[at] = (float)x;
        }
    }
    return true;
}

static bool measure(enum AVSampleFormat format, int channels, double amplitude,
                    struct impression *out)
{
    struct level l = {0};
    AVFrame *f = NULL;
    int fed = 0;
    bool full = false;

    if (make(&f, format, channels, amplitude))
        while (fed < 2 * RATE && !full) {
            full = level_feed(&l, f, out);
            fed += FRAME;
        }
    av_frame_free(&f);
    if (!full) return false;
    assert_int_equal(fed, (RATE + FRAME - 1) / FRAME * FRAME);
    assert_int_equal(out->kind, TRACK_AUDIO);
    assert_int_equal(out->span_ms, fed * 1000LL / RATE);
    assert_int_equal(l.samples, 0);
    return true;
}

/* Of the loudest channel, whatever the others do. */
static void test_a_second_is_measured_in_every_form(void **state)
{
    static const enum AVSampleFormat forms[] = {
        AV_SAMPLE_FMT_FLT, AV_SAMPLE_FMT_FLTP, AV_SAMPLE_FMT_S16,
        AV_SAMPLE_FMT_S16P};
    struct impression c;

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        for (int channels = 1; channels <= 6; channels++) {
            assert_true(measure(forms[i], channels, 0.5, &c));
            assert_in_range(c.peak_cdb + 2000, 1397, 1399); /* -6.02 dBFS */
            assert_in_range(c.rms_cdb + 2000, 1096, 1098);
            assert_int_equal(c.clipped, 0);
        }
    }
}

static void test_silence_is_the_floor_and_faint_is_not(void **state)
{
    struct impression c;

    (void)state;
    assert_true(measure(AV_SAMPLE_FMT_FLTP, 2, 0, &c));
    assert_int_equal(c.rms_cdb, IMPRESSION_FLOOR_CDB);
    assert_int_equal(c.peak_cdb, IMPRESSION_FLOOR_CDB);
    assert_true(measure(AV_SAMPLE_FMT_FLTP, 2, 0.0001, &c));
    assert_in_range(c.peak_cdb + 10000, 1999, 2001);
}

static void test_what_is_too_loud_is_counted(void **state)
{
    struct impression c;

    (void)state;
    assert_true(measure(AV_SAMPLE_FMT_FLTP, 1, 2, &c));
    assert_in_range(c.clipped, 6500, 6800); /* two of three are over */
    assert_in_range(c.peak_cdb, 601, 603);
    assert_true(measure(AV_SAMPLE_FMT_S16, 1, 2, &c));
    assert_in_range(c.clipped, 6500, 6800);
    assert_true(measure(AV_SAMPLE_FMT_FLTP, 1, 0.98, &c));
    assert_int_equal(c.clipped, 0);
    /* What no wire would carry. */
    assert_true(measure(AV_SAMPLE_FMT_FLTP, 1, 1e9, &c));
    assert_int_equal(c.peak_cdb, IMPRESSION_PEAK_CDB);
    assert_true(measure(AV_SAMPLE_FMT_FLTP, 1, (double)NAN, &c));
    assert_in_range(c.rms_cdb + 20000, 20000 + IMPRESSION_FLOOR_CDB,
                    20000 + IMPRESSION_PEAK_CDB);
}

static void test_other_forms_are_not_heard(void **state)
{
    struct level l = {0};
    struct impression c;
    AVFrame *f = av_frame_alloc();
    bool heard = false;

    (void)state;
    assert_non_null(f);
    f->format = AV_SAMPLE_FMT_DBL;
    f->sample_rate = RATE;
    f->nb_samples = RATE;
    av_channel_layout_default(&f->ch_layout, 1);
    if (!av_frame_get_buffer(f, 0)) heard = level_feed(&l, f, &c);
    av_frame_free(&f);
    assert_false(heard);
}

/* Said, not asserted: how much of a core it takes. */
static void test_cost(void **state)
{
    enum { SECONDS = 50 };
    struct level l = {0};
    struct impression c;
    struct timespec a, b;
    AVFrame *f = NULL;
    bool made = make(&f, AV_SAMPLE_FMT_FLTP, 2, 0.5);

    (void)state;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (int i = 0; made && i < SECONDS * RATE / FRAME; i++)
        level_feed(&l, f, &c);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    av_frame_free(&f);
    assert_true(made);
    double s =
        (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    print_message("stereo: %.4f %% of a core\n", s / SECONDS * 100);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_second_is_measured_in_every_form),
    cmocka_unit_test(test_silence_is_the_floor_and_faint_is_not),
    cmocka_unit_test(test_what_is_too_loud_is_counted),
    cmocka_unit_test(test_other_forms_are_not_heard),
    cmocka_unit_test(test_cost),
};
HARNESS_MAIN(tests)
