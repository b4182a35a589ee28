#include "tests/avc_configs.h"
#include "tests/harness.h"
#include "transcode/transcode_priv.h"

static const uint8_t half_colour[] = {
    0x01, 0x7a, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x18, 0x67, 0x7a, 0x00,
    0x0d, 0xbc, 0xb4, 0x0a, 0x0c, 0xfc, 0x6e, 0x02, 0x20, 0x00, 0x00,
    0x03, 0x00, 0x20, 0x00, 0x00, 0x07, 0x81, 0xe2, 0x85, 0x54, 0x01,
    0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8, 0xfe, 0xf8, 0xf8, 0x00};
static const uint8_t ten_bits[] = {
    0x01, 0x6e, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x6e, 0x00,
    0x0d, 0xa6, 0xcb, 0x40, 0xa0, 0xcf, 0xcf, 0x80, 0x88, 0x00, 0x00,
    0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x01, 0xe0, 0x78, 0xa1, 0x55,
    0x01, 0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8, 0xfd, 0xfa, 0xfa, 0x00};

static void passes(bool expected, enum codec codec, uint32_t height,
                   const void *config, size_t len)
{
    struct track_info info = {.id = TRACK_SOURCE_FIRST,
                              .kind = TRACK_VIDEO,
                              .codec = codec,
                              .timescale = VIDEO_TIMESCALE,
                              .width = height * 16 / 9,
                              .height = height};
    struct slice bytes = {0};
    struct track *track;
    struct buf *made;

    if (len && buf_create(&made, config, len)) return;
    if (len) bytes = slice_take(&made);
    if (!track_create(&track, &info, bytes)) {
        assert_int_equal(source_may_pass(track), expected);
        assert_int_equal(source_is_rare(track),
                         !expected && codec == CODEC_H264);
        track_unref(&track);
    }
    slice_unref(&bytes);
}

static void test_what_browsers_show_may_pass(void **state)
{
    (void)state;
    passes(true, CODEC_H264, 180, avcc_180p, sizeof avcc_180p);
    passes(true, CODEC_H264, 90, avcc_180p, sizeof avcc_180p);
    passes(true, CODEC_H264, 180, NULL, 0); /* it has not said */
    passes(false, CODEC_H264, 180, avcc_full_colour, sizeof avcc_full_colour);
    passes(false, CODEC_H264, 180, half_colour, sizeof half_colour);
    passes(false, CODEC_H264, 180, ten_bits, sizeof ten_bits);
}

static void test_other_codecs_need_h264_beside_them(void **state)
{
    (void)state;
    passes(true, CODEC_HEVC, 180, NULL, 0);
    passes(true, CODEC_AV1, 180, NULL, 0);
    passes(false, CODEC_HEVC, LADDER_LINES_MIN - 2, NULL, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_browsers_show_may_pass),
    cmocka_unit_test(test_other_codecs_need_h264_beside_them),
};
HARNESS_MAIN(tests)
