#include "tests/harness.h"

#include <stdio.h>
#include <time.h>

#include <libavutil/pixdesc.h>

#include "transcode/worker/look.h"

enum { SECOND = VIDEO_TIMESCALE };

static AVFrame *picture;
static struct look look;
static struct impression c;

/* An even picture of that luma (8 bit); black by default. */
static bool make(enum AVPixelFormat format, int width, int height, int luma)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    AVFrame *f = av_frame_alloc();

    av_frame_free(&picture);
    memset(&look, 0, sizeof look);
    picture = f;
    if (!f) return false;
    f->format = format;
    f->width = width;
    f->height = height;
    f->color_range = AVCOL_RANGE_MPEG;
    if (av_frame_get_buffer(f, 0) < 0) return false;
    int shift = d->comp[0].shift + d->comp[0].depth - 8;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *at = f->data[0] + (ptrdiff_t)y * f->linesize[0] +
                          x * d->comp[0].step;
            if (d->comp[0].depth > 8) at[1] = (uint8_t)(luma << shift >> 8);
            *at = (uint8_t)(luma << shift);
        }
    return true;
}

/* A rectangle of it (8-bit formats). */
static void paint(int x, int y, int width, int height, int luma)
{
    for (int i = 0; i < height; i++)
        memset(picture->data[0] + (ptrdiff_t)(y + i) * picture->linesize[0] + x,
               luma, (size_t)width);
}

static bool at(int64_t pts)
{
    picture->pts = pts;
    return look_feed(&look, picture, &c);
}

static int end(void **state)
{
    (void)state;
    av_frame_free(&picture);
    return 0;
}

static void test_one_picture_of_each_second(void **state)
{
    int looked = 0;

    (void)state;
    assert_true(make(AV_PIX_FMT_YUV420P, 640, 360, 128));
    for (int i = 0; i < 300; i++)
        looked += at(7 + (int64_t)i * SECOND / 30);
    assert_int_equal(looked, 10);
    assert_int_equal(c.kind, TRACK_VIDEO);
    assert_int_equal(c.span_ms, 1000);
    assert_true(at(14LL * SECOND)); /* few pictures come of a screen */
    assert_in_range(c.span_ms, 4999, 5000);
    assert_true(at(100LL * SECOND));
    assert_int_equal(c.span_ms, IMPRESSION_SPAN_MAX_MS);
    assert_true(at(3)); /* another clock */
    assert_int_equal(c.span_ms, 1000);
}

static void test_brightness_in_every_form(void **state)
{
    static const struct {
        enum AVPixelFormat format;
        int luma, says;
    } cases[] = {
        {AV_PIX_FMT_YUV420P, 16, 0},     {AV_PIX_FMT_YUV420P, 235, 255},
        {AV_PIX_FMT_YUV420P, 126, 128},  {AV_PIX_FMT_NV12, 126, 128},
        {AV_PIX_FMT_YUVJ420P, 128, 128}, {AV_PIX_FMT_YUV420P10LE, 126, 128},
        {AV_PIX_FMT_P010LE, 126, 128},   {AV_PIX_FMT_YUV444P, 16, 0},
        {AV_PIX_FMT_YUV420P, 255, 255},  {AV_PIX_FMT_YUV420P, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(make(cases[i].format, 1280, 720, cases[i].luma));
        assert_true(at(0));
        assert_int_equal(c.luma, cases[i].says);
        assert_int_equal(c.lit, cases[i].says ? IMPRESSION_WHOLE : 0);
        assert_true(c.changed); /* the first one does */
        assert_int_equal(c.change, 0);
    }
}

/* A word on a black slide, of 60 lines, is light; a pointer is not. */
static void test_a_word_on_black_is_light(void **state)
{
    (void)state;
    assert_true(make(AV_PIX_FMT_YUV420P, 1920, 1080, 16));
    paint(900, 500, 8, 12, 235);
    assert_true(at(0));
    assert_in_range(c.lit, 0, 4);
    for (int i = 0; i < 5; i++)
        paint(800 + 50 * i, 500, 10, 60, 235);
    assert_true(at(SECOND));
    assert_in_range(c.lit, 6, 100);
}

static void test_what_moves_changes_and_noise_does_not(void **state)
{
    uint32_t seed = 1;

    (void)state;
    assert_true(make(AV_PIX_FMT_YUV420P, 1280, 720, 200));
    assert_true(at(0));
    assert_true(at(SECOND));
    assert_false(c.changed);
    assert_int_equal(c.change, 0);
    for (int i = 2; i < 10; i++) { /* a sensor's noise, an encoder's polish */
        for (int y = 0; y < 720; y++)
            for (int x = 0; x < 1280; x++) {
                seed = seed * 1664525 + 1013904223;
                picture->data[0][(ptrdiff_t)y * picture->linesize[0] + x] =
                    (uint8_t)(198 + (seed >> 24) % 5);
            }
        assert_true(at((int64_t)i * SECOND));
        assert_false(c.changed);
    }
    assert_true(make(AV_PIX_FMT_YUV420P, 1280, 720, 200));
    assert_true(at(0));
    paint(300, 333, 12, 20, 16); /* a pointer came */
    assert_true(at(SECOND));
    assert_true(c.changed);
    assert_in_range(c.change, 0, 100);
    assert_true(at(2LL * SECOND));
    assert_false(c.changed);
    paint(0, 0, 1280, 720, 30); /* a cut */
    assert_true(at(3LL * SECOND));
    assert_true(c.changed);
    assert_in_range(c.change, 15000, 25500);
}

/* Each step is too small to be seen, all of them are not. */
static void test_a_slow_change_is_one(void **state)
{
    int changed = 0;

    (void)state;
    assert_true(make(AV_PIX_FMT_YUV420P, 640, 360, 100));
    assert_true(at(0));
    for (int i = 1; i <= 8; i++) {
        paint(0, 0, 80 * i, 360, 101);
        paint(80, 80, 40, 20, 100 + i);
        assert_true(at((int64_t)i * SECOND));
        changed += c.changed;
    }
    assert_in_range(changed, 1, 4);
}

static void test_what_cannot_be_seen_is_not_guessed(void **state)
{
    (void)state;
    assert_true(make(AV_PIX_FMT_YUV420P, 62, 360, 100));
    assert_false(at(0));
    assert_true(make(AV_PIX_FMT_YUV420P, 640, 70, 100));
    assert_false(at(0));
    assert_true(make(AV_PIX_FMT_RGB24, 640, 360, 100));
    assert_false(at(0));
}

/* Said, not asserted: how much of a core it takes. */
static void test_cost(void **state)
{
    enum { TIMES = 200 };
    struct timespec a, b;

    (void)state;
    assert_true(make(AV_PIX_FMT_YUV420P, 1920, 1080, 100));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (int i = 0; i < TIMES; i++)
        assert_true(at((int64_t)i * SECOND));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double s =
        (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    print_message("1080p: %.4f %% of a core\n", s / TIMES * 100);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(test_one_picture_of_each_second, end),
    cmocka_unit_test_teardown(test_brightness_in_every_form, end),
    cmocka_unit_test_teardown(test_a_word_on_black_is_light, end),
    cmocka_unit_test_teardown(test_what_moves_changes_and_noise_does_not, end),
    cmocka_unit_test_teardown(test_a_slow_change_is_one, end),
    cmocka_unit_test_teardown(test_what_cannot_be_seen_is_not_guessed, end),
    cmocka_unit_test_teardown(test_cost, end),
};
HARNESS_MAIN(tests)
