/* tests/protocol/day_rtmp.c — 24 hours of RTMP whose clock is 100 ppm too fast
 * and says whole milliseconds, over the wrap of its 32 bits. */
#include "tests/day.h"

#include "tests/rtmp_bytes.h"

/* 640x360, 25 fps. */
static const uint8_t avc[] = {
    0x17, 0,    0,    0,    0,    0x01, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0x00,
    0x19, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x66, 0x10,
    0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x62,
    0xe4, 0x80, 0x01, 0x00, 0x05, 0x68, 0xcb, 0x83, 0xcb, 0x20};

static struct day day;
static struct rtmp_session *session;

static void on_publish(const char *app, const char *key, void *arg)
{
    (void)app;
    (void)key;
    (void)arg;
    rtmp_session_accept(session, 0);
}

static void on_unpublish(void *arg)
{
    (void)arg;
}

static void feed(struct builder *b)
{
    struct slice s;

    assert_int_equal(
        rtmp_session_feed(session, builder_data(b), b->len, day.at), 0);
    builder_release(b);
    while (!rtmp_session_pull(session, &s))
        slice_unref(&s);
}

/* Half of the day before the wrap. */
static uint32_t stamp(int64_t truth_us)
{
    return (uint32_t)(-12 * 3600000 + (truth_us + 500) / 1000);
}

static void send_one(struct day *d, bool video, int64_t n, int64_t truth_us)
{
    struct builder b;
    uint32_t at = stamp(truth_us);

    (void)d;
    builder_init(&b, 4096);
    if (!video)
        put_audio(&b, at, test_aac);
    else if (n % DAY_GOP)
        put_video(&b, at, test_delta);
    else
        put_video(&b, at, test_idr);
    feed(&b);
}

static void begin(double ppm, double sound_ppm)
{
    struct rtmp_session_events events = {on_publish, day_track, day_frame,
                                         on_unpublish, &day};
    struct builder b;

    day_begin(&day, ppm);
    day.sound_ppm = sound_ppm;
    assert_int_equal(rtmp_session_create(&session, &events, 42, 0), 0);
    builder_init(&b, 1 << 16);
    put_to_publish(&b, "live", "demo-key");
    put_video(&b, stamp(0), avc);
    put_audio(&b, stamp(0), test_asc);
    feed(&b);
}

static void end(void)
{
    rtmp_session_free(&session);
    day_end(&day);
}

static void test_a_day(void **state)
{
    (void)state;
    begin(100, 0);
    day_live(&day, send_one);
    end();
}

/* Sound cards have clocks of their own: what they count and what the encoder
 * stamps drift apart, by 100 ppm in good ones. */
static void test_sound_that_counts_otherwise(void **state)
{
    static const double ppm[] = {100, -100, 1000, 10000, -10000};

    (void)state;
    for (size_t i = 0; i < sizeof ppm / sizeof *ppm; i++) {
        int64_t video = 0, audio = 0;

        begin(0, ppm[i]);
        day_run(&day, DAY_HOUR_US, &video, &audio, send_one);
        day_check(&day, 1);
        end();
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_day),
    cmocka_unit_test(test_sound_that_counts_otherwise),
};
HARNESS_MAIN(tests)
