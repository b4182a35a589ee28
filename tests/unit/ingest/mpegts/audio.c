#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/mpegts/audio.h"

struct got {
    int count, changes;
    size_t len;
    int64_t pts[16];
};

static int on_packet(const struct audio_packet *p, void *arg)
{
    struct got *g = arg;

    if (g->count < 16) g->pts[g->count] = p->pts;
    g->count++;
    g->changes += p->changed;
    g->len = p->len;
    return 0;
}

/* 48 kHz, two channels, three bytes of payload */
static const uint8_t adts[] = {0xff, 0xf1, 0x4c, 0x80, 0x01,
                               0x5f, 0xfc, 0x21, 0x10, 0x04};

static int feed(struct audio *a, const void *data, size_t len, int64_t pts,
                struct got *g)
{
    struct pes_unit u = {.pts = pts, .dts = pts, .data = data, .len = len};

    return audio_feed(a, &u, on_packet, g);
}

static void test_frames_reach_across_units(void **state)
{
    uint8_t bytes[5 * sizeof adts];
    struct audio a;
    struct got g = {0};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        memcpy(bytes + i * sizeof adts, adts, sizeof adts);
    audio_init(&a, CONTENT_ADTS);
    /* two and a half frames, then the rest: the unit's time is that of the
     * first frame that begins in it */
    if (!feed(&a, bytes, 25, 90000, &g) &&
        !feed(&a, bytes + 25, 25, 900000, &g)) {
        assert_int_equal(g.count, 5);
        assert_int_equal(g.changes, 1);
        assert_int_equal(g.len, 3);
        assert_int_equal(g.pts[1], 90000 + 1920);
        assert_int_equal(g.pts[2], 90000 + 3840);
        assert_int_equal(g.pts[3], 900000);
        assert_int_equal(g.pts[4], 900000 + 1920);
        assert_int_equal(a.aac.sample_rate, 48000);
    }
    audio_release(&a);
}

static void test_adts_is_found_again(void **state)
{
    static const uint8_t noise[] = {0xff, 0xf1, 0x4c, 0x80, 0x01, 0x7f, 0xfc,
                                    0,    0,    0,    0,    0,    0xff, 0xf9};
    uint8_t bytes[sizeof noise + 2 * sizeof adts];
    struct audio a;
    struct got g = {0};

    (void)state;
    memcpy(bytes, noise, sizeof noise);
    memcpy(bytes + sizeof noise, adts, sizeof adts);
    memcpy(bytes + sizeof noise + sizeof adts, adts, sizeof adts);
    audio_init(&a, CONTENT_ADTS);
    if (!feed(&a, bytes, sizeof bytes, 0, &g)) {
        assert_int_equal(g.count, 2);
        assert_true(a.skipped > 0);
        assert_int_equal(feed(&a, adts, 6, 90000, &g),
                         0); /* the rest is lost */
        audio_break(&a);
        assert_int_equal(feed(&a, adts, sizeof adts, PES_NO_TIME, &g), 0);
        assert_int_equal(g.count, 2); /* no time is known */
        assert_int_equal(feed(&a, adts, sizeof adts, 180000, &g), 0);
        assert_int_equal(g.count, 3);
        assert_int_equal(g.pts[2], 180000);
    }
    audio_release(&a);
}

static void test_opus(void **state)
{
    /* prefix, size 3, 20 ms CELT; then with trims, an extension, size 256 */
    uint8_t bytes[6 + 2 + 2 + 4 + 3 + 256] = {0x7f, 0xe0, 3, 0xfc, 1, 2};
    struct audio a;
    struct got g = {0};

    (void)state;
    memcpy(bytes + 6,
           (uint8_t[]){0x7f, 0xfc, 255, 1, 0, 9, 0, 9, 2, 7, 7, 0xfc}, 12);
    audio_init(&a, CONTENT_OPUS);
    if (!feed(&a, bytes, sizeof bytes, 90000, &g)) {
        assert_int_equal(g.count, 2);
        assert_int_equal(g.len, 256);
        assert_int_equal(g.pts[1], 90000 + 1800);
        assert_int_equal(a.skipped, 0);
        assert_int_equal(feed(&a, bytes, 5, 90000, &g), 0); /* cut short */
        assert_int_equal(feed(&a, "abc", 3, 90000, &g), 0);
        assert_int_equal(g.count, 2);
        assert_int_equal(a.skipped, 2);
        assert_int_equal(a.len, 0);
    }
    audio_release(&a);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_frames_reach_across_units),
    cmocka_unit_test(test_adts_is_found_again),
    cmocka_unit_test(test_opus),
};
HARNESS_MAIN(tests)
