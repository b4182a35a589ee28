#include "packager/fmp4_init.h"

#include "core/base/err.h"
#include "packager/boxes.h"
#include "tests/avc_configs.h"
#include "tests/harness.h"

static const uint8_t asc[] = {0x11, 0x90};

static struct track *make(enum codec codec, const uint8_t *config, size_t len)
{
    bool video = codec == CODEC_H264 || codec == CODEC_HEVC;
    struct track_info info = {.id = 64,
                              .kind = video ? TRACK_VIDEO : TRACK_AUDIO,
                              .codec = codec,
                              .timescale = video ? 90000 : 48000,
                              .name = "x",
                              .language = "deu",
                              .width = 640,
                              .height = 360,
                              .sample_rate = 48000,
                              .channels = 2};
    struct track *t = NULL;

    int err = track_create(&t, &info, (struct slice){NULL, config, len});
    assert_int_equal(err, 0);
    return t;
}

static void test_init_and_codec(void **state)
{
    static const struct {
        enum codec codec;
        const uint8_t *config;
        size_t len;
        const char *text;
        uint32_t timescale;
    } rows[] = {
        {CODEC_H264, avcc_360p, sizeof avcc_360p, "avc1.42c01e", 90000},
        {CODEC_AAC, asc, sizeof asc, "mp4a.40.2", 48000},
        {CODEC_OPUS, NULL, 0, "opus", 48000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct track *t = make(rows[i].codec, rows[i].config, rows[i].len);
        char text[FMP4_CODEC_TEXT];
        struct boxes_init init = {0};
        struct buf *b = NULL;
        int err = fmp4_init(&b, t);

        if (!err) err = boxes_read_init(&init, buf_data(b), buf_len(b));
        buf_unref(&b);
        int named = fmp4_codec(text, t);
        track_unref(&t);
        assert_int_equal(err, 0);
        assert_int_equal(named, 0);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(init.track_count, 1);
        assert_int_equal(init.tracks[0].timescale, rows[i].timescale);
        assert_int_equal(init.tracks[0].video, i == 0);
    }
}

static void test_a_config_too_short_is_refused(void **state)
{
    struct track *t = make(CODEC_H264, avcc_360p, 12);
    struct buf *b = NULL;
    int err = fmp4_init(&b, t);

    (void)state;
    track_unref(&t);
    assert_int_equal(err, ERR_SYNTAX);
    assert_null(b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_init_and_codec),
    cmocka_unit_test(test_a_config_too_short_is_refused),
};
HARNESS_MAIN(tests)
