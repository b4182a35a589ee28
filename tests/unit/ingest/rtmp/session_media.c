#include "tests/rtmp_live.h"

static void test_media_in_any_order(void **state)
{
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_video(&b, 0, test_delta); /* before any config: dropped */
    put_audio(&b, 0, test_aac);
    put_audio(&b, 0, test_asc);
    put_audio(&b, 10, test_aac);
    put_video(&b, 20, test_avcc);
    put_video(&b, 33, test_idr);
    put_video(&b, 67, test_delta);
    put_video(&b, 67, test_avcc); /* the same again: no new track */
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.tracks, 2);
    assert_int_equal(r.frames[RTMP_SLOT_AUDIO], 1);
    assert_int_equal(r.frames[RTMP_SLOT_VIDEO], 2);
    assert_int_equal(r.keys, 1);
    assert_int_equal(rtmp_session_counts(r.session)->dropped, 2);
out:
    recorder_release(&r);
}

static void test_timestamps_unwrap(void **state)
{
    static const uint32_t at[] = {0xffffffd0, 0xfffffff2, 0x14, 0x35, 0x30};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_video(&b, at[0], test_avcc);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        put_video(&b, at[i], test_idr);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.frames[0], 5);
    assert_int_equal(r.last_us[0] - r.first_us[0], 96000);
out:
    recorder_release(&r);
}

static void test_aggregate(void **state)
{
    struct builder b, body;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&body, 4096);
    static const struct {
        uint8_t type;
        uint32_t at;
        const uint8_t *data;
        size_t len;
    } tags[] = {{9, 5000, test_avcc, sizeof test_avcc},
                {9, 5000, test_idr, sizeof test_idr},
                {8, 5010, test_asc, sizeof test_asc},
                {8, 5010, test_aac, sizeof test_aac},
                {9, 5033, test_delta, sizeof test_delta}};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        builder_u8(&body, tags[i].type);
        builder_u24(&body, (uint32_t)tags[i].len);
        builder_u24(&body, tags[i].at);
        builder_u32(&body, 0);
        builder_bytes(&body, tags[i].data, tags[i].len);
        builder_u32(&body, (uint32_t)tags[i].len + 11);
    }
    builder_init(&b, 65536);
    put_message(&b, 128, 6, RTMP_AGGREGATE, 700, 1, builder_data(&body),
                body.len);
    builder_release(&body);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(r.frames[1], 1);
    assert_int_equal(r.first_us[0], 700000);
    assert_int_equal(r.last_us[0], 733000);
    assert_int_equal(r.first_us[1], 710000);
out:
    recorder_release(&r);
}

static void test_enhanced_codec_is_refused_in_words(void **state)
{
    static const uint8_t vvc[] = {0x91, 'v', 'v', 'c', '1', 0, 0, 0};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 1 << 20);
    for (uint32_t i = 0; i < 100; i++)
        put_video(&b, i * 33, vvc);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(rtmp_session_state(r.session), RTMP_CLOSING);
    assert_int_equal(rtmp_session_error(r.session), ERR_UNSUPPORTED);
    assert_true(recorder_said(&r, "codec vvc1 (enhanced RTMP)"));
    assert_true(rtmp_session_counts(r.session)->enhanced > 50);
out:
    recorder_release(&r);
}

/* OBS says nothing of E-RTMP at connect and sends it all the same. */
static void test_enhanced_avc_and_aac_are_taken(void **state)
{
    uint8_t config[4 + sizeof test_avcc] = {0x90, 'a', 'v', 'c', '1'};
    static const uint8_t idr[] = {0x93, 'a', 'v',  'c',  '1', 0, 0,
                                  0,    5,   0x65, 0x88, 1,   2, 3};
    static const uint8_t second[] = {0x96, 0x03, 'a', 'v', 'c',  '1', 1,
                                     0,    0,    0,   2,   0x65, 1};
    static const uint8_t asc[] = {0x90, 'm', 'p', '4', 'a', 0x11, 0x90};
    static const uint8_t aac[] = {0x91, 'm', 'p', '4', 'a', 0x21, 0x10};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    memcpy(config + 5, test_avcc + 5, sizeof test_avcc - 5);
    builder_init(&b, 65536);
    put_message(&b, 128, 6, RTMP_VIDEO, 0, 1, config, sizeof test_avcc);
    put_video(&b, 0, idr);
    put_video(&b, 0, second);
    put_audio(&b, 0, asc);
    put_audio(&b, 7, aac);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.tracks, 2);
    assert_int_equal(r.frames[0], 1);
    assert_int_equal(r.keys, 1);
    assert_int_equal(r.frames[1], 1);
    /* the second track's frame came without its config */
    assert_int_equal(rtmp_session_counts(r.session)->dropped, 1);
out:
    recorder_release(&r);
}

static void test_opus(void **state)
{
    static const uint8_t head[] = {0x90, 'O',  'p',  'u', 's', 'O', 'p', 'u',
                                   's',  'H',  'e',  'a', 'd', 1,   1,   56,
                                   1,    0x80, 0xbb, 0,   0,   0,   0,   0};
    static const uint8_t empty[] = {0x90, 'O', 'p', 'u', 's'};
    static const uint8_t packet[] = {0x91, 'O', 'p', 'u', 's', 0xfc, 1, 2};
    static const uint8_t broken[] = {0x90, 'O', 'p', 'u', 's', 1, 2, 3};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_audio(&b, 0, packet); /* no config at all: stereo */
    put_audio(&b, 20, empty);
    put_audio(&b, 20, packet);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.tracks, 1);
    assert_int_equal(r.info[RTMP_SLOT_AUDIO].codec, CODEC_OPUS);
    assert_int_equal(r.info[RTMP_SLOT_AUDIO].channels, 2);
    assert_int_equal(r.info[RTMP_SLOT_AUDIO].timescale, 48000);
    builder_init(&b, 65536);
    put_audio(&b, 40, head);
    put_audio(&b, 40, head); /* the same again: no new track */
    put_audio(&b, 40, packet);
    put_audio(&b, 60, broken);
    put_audio(&b, 60, packet);
    put_audio(&b, 80, test_asc); /* and on with another codec */
    put_audio(&b, 80, test_aac);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.tracks, 3);
    assert_int_equal(r.frames[RTMP_SLOT_AUDIO], 5);
    assert_int_equal(r.info[RTMP_SLOT_AUDIO].codec, CODEC_AAC);
    assert_int_equal(rtmp_session_counts(r.session)->dropped, 1);
out:
    recorder_release(&r);
}

static void put_promise(struct builder *b, double id)
{
    struct builder body;

    builder_init(&body, 4096);
    amf_write_string(&body, "@setDataFrame");
    amf_write_string(&body, "onMetaData");
    amf_write_object(&body);
    amf_write_key(&body, "videocodecid");
    amf_write_number(&body, id);
    amf_write_end(&body);
    put_message(b, RTMP_CHUNK_SIZE_DEFAULT, 4, RTMP_DATA_AMF0, 0, 1,
                builder_data(&body), body.len);
    builder_release(&body);
}

/* GStreamer's picture comes 2 s after its sound. */
static void test_a_picture_is_promised(void **state)
{
    static const uint8_t config[] = {0xaf, 0x00, 0x11, 0x90};
    static const uint8_t frame[] = {0xaf, 0x01, 7};
    static const struct {
        double id;
        int tracks;
        enum codec codec;
    } rows[] = {{7, 2, CODEC_H264},
                {0x68766331, 2, CODEC_HEVC},
                {0x61763031, 2, CODEC_AV1},
                {0, 1, CODEC_NONE},
                {-1, 1, CODEC_NONE}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct builder b;
        if (!go_live()) goto out;
        builder_init(&b, 65536);
        put_promise(&b, rows[i].id);
        put_audio(&b, 0, config);
        put_audio(&b, 0, frame);
        put_audio(&b, 21, frame);
        if (recorder_take(&r, &b, 0)) goto out;
        assert_int_equal(r.tracks, rows[i].tracks);
        assert_int_equal(r.info[RTMP_SLOT_VIDEO].codec, rows[i].codec);
        builder_init(&b, 65536);
        put_video(&b, 42, test_avcc); /* now it comes */
        put_video(&b, 42, test_idr);
        if (recorder_take(&r, &b, 0)) goto out;
        assert_int_equal(r.tracks, rows[i].tracks + 1);
        assert_int_equal(r.info[RTMP_SLOT_VIDEO].codec, CODEC_H264);
        assert_int_equal(r.frames[RTMP_SLOT_VIDEO], 1);
        recorder_release(&r);
    }
    return;
out:
    recorder_release(&r);
}

static void test_nanoseconds_are_added(void **state)
{
    static const uint8_t packet[] = {0x97, 2,   0x07, 0xa1, 0x20, 0x01,
                                     'O',  'p', 'u',  's',  0xfc, 1};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_audio(&b, 40, packet);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.last_us[RTMP_SLOT_AUDIO], 40500);
out:
    recorder_release(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_media_in_any_order),
    cmocka_unit_test(test_timestamps_unwrap),
    cmocka_unit_test(test_aggregate),
    cmocka_unit_test(test_enhanced_codec_is_refused_in_words),
    cmocka_unit_test(test_enhanced_avc_and_aac_are_taken),
    cmocka_unit_test(test_opus),
    cmocka_unit_test(test_a_picture_is_promised),
    cmocka_unit_test(test_nanoseconds_are_added),
};
HARNESS_MAIN(tests)
