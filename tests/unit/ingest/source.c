#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/source.h"

static struct slice bytes(const char *data, size_t len)
{
    return (struct slice){NULL, (const uint8_t *)data, len};
}

static void test_aac_says_its_rate(void **state)
{
    struct track_info info = {
        .kind = TRACK_AUDIO, .codec = CODEC_AAC, .sample_rate = 1};
    struct source s;

    (void)state;
    assert_int_equal(source_init(&s, &info, bytes("\x11\x90", 2)), 0);
    assert_int_equal(s.info.sample_rate, 48000);
    assert_int_equal(s.info.timescale, 48000);
    assert_int_equal(s.info.channels, 2);
    assert_int_equal(source_samples(&s, bytes("x", 1)), 1024);
    assert_int_equal(source_init(&s, &info, bytes("", 0)), ERR_SYNTAX);
}

static void test_opus_packets_say_their_length(void **state)
{
    struct track_info info = {.kind = TRACK_AUDIO, .codec = CODEC_OPUS};
    struct source s;

    (void)state;
    assert_int_equal(source_init(&s, &info, bytes("", 0)), 0);
    assert_int_equal(s.info.timescale, 48000);
    assert_int_equal(source_samples(&s, bytes("\xfc", 1)), 960);
    assert_int_equal(source_samples(&s, bytes("\xf9", 1)), 1920 / 2 * 2);
    assert_int_equal(source_samples(&s, bytes("\xe3\x03", 2)), 360);
    assert_int_equal(source_samples(&s, bytes("\x08", 1)), 960);
    assert_int_equal(source_samples(&s, bytes("\x68", 1)), 960);
    assert_int_equal(source_samples(&s, bytes("\x1b\x3f", 2)), 0);
    assert_int_equal(source_samples(&s, bytes("", 0)), 0);
}

static void test_h264_corrects_what_the_protocol_thought(void **state)
{
    static const char avcc[] =
        "\x01\x42\xc0\x1e\xff\xe1\x00\x19\x67\x42\xc0\x1e\xd9\x00\xa0\x2f\xf9"
        "\x70\x11\x00\x00\x03\x00\x01\x00\x00\x03\x00\x3c\x0f\x16\x2e\x48\x01"
        "\x00\x05\x68\xcb\x83\xcb\x20";
    struct track_info info = {.kind = TRACK_VIDEO,
                              .codec = CODEC_H264,
                              .width = 9,
                              .fps_num = 25,
                              .fps_den = 1};
    struct source s;

    (void)state;
    assert_int_equal(source_init(&s, &info, bytes(avcc, sizeof avcc - 1)), 0);
    assert_int_equal(s.info.width, 640);
    assert_int_equal(s.info.height, 360);
    assert_int_equal(s.info.fps_num, 30);
    assert_int_equal(s.info.timescale, VIDEO_TIMESCALE);
    assert_int_equal(source_init(&s, &info, bytes("\x01", 1)), ERR_SYNTAX);
    info.codec = CODEC_NONE;
    assert_int_equal(source_init(&s, &info, bytes(avcc, sizeof avcc - 1)),
                     ERR_UNSUPPORTED);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_aac_says_its_rate),
    cmocka_unit_test(test_opus_packets_say_their_length),
    cmocka_unit_test(test_h264_corrects_what_the_protocol_thought),
};
HARNESS_MAIN(tests)
