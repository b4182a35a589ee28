#include "tests/rtmp_live.h"

static void put_named(struct builder *b, const char *key, const char *name,
                      const char *language)
{
    amf_write_key(b, key);
    amf_write_object(b);
    amf_write_key(b, "samplerate");
    amf_write_number(b, 48000);
    amf_write_key(b, "name");
    amf_write_string(b, name);
    amf_write_key(b, "language");
    amf_write_string(b, language);
    amf_write_end(b);
}

static void put_track_names(struct builder *b)
{
    struct builder body;

    builder_init(&body, 4096);
    amf_write_string(&body, "@setDataFrame");
    amf_write_string(&body, "onMetaData");
    amf_write_object(&body);
    amf_write_key(&body, "audioTrackIdInfoMap");
    amf_write_object(&body);
    put_named(&body, "1", "Audio  (DE)!", "de");
    put_named(&body, "300", "none", "en");
    put_named(&body, "2", "", "no such language");
    amf_write_end(&body);
    amf_write_key(&body, "encoder");
    amf_write_string(&body, "test");
    amf_write_end(&body);
    put_message(b, RTMP_CHUNK_SIZE_DEFAULT, 4, RTMP_DATA_AMF0, 0, 1,
                builder_data(&body), body.len);
    builder_release(&body);
}

/* One connection, three languages: each form of a message of several tracks. */
static void test_sound_in_several_tracks(void **state)
{
    static const uint8_t one[] = {0x95, 0x00, 'm',  'p', '4',
                                  'a',  1,    0x11, 0x90};
    static const uint8_t one_frame[] = {0x95, 0x01, 'm', 'p', '4', 'a', 1, 7};
    static const uint8_t many[] = {0x95, 0x10, 'm', 'p', '4',  'a',
                                   0,    0,    0,   2,   0x11, 0x90,
                                   2,    0,    0,   2,   0x12, 0x10};
    static const uint8_t codecs[] = {0x95, 0x21, 'm', 'p', '4',  'a', 0,   0,
                                     0,    1,    9,   'm', 'p',  '4', 'a', 2,
                                     0,    0,    1,   8,   'O',  'p', 'u', 's',
                                     5,    0,    0,   2,   0xfc, 1};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_track_names(&b);
    put_audio(&b, 0, one);
    put_audio(&b, 0, one_frame);
    put_audio(&b, 0, many);
    put_audio(&b, 21, codecs);
    put_audio(&b, 21, one_frame);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_string_equal(rtmp_session_client(r.session), "test");
    assert_int_equal(r.tracks, 4);
    assert_int_equal(r.frames[RTMP_SLOT_AUDIO], 1);
    assert_int_equal(r.frames[2], 2);
    assert_int_equal(r.frames[3], 1);
    assert_int_equal(r.frames[4], 1);
    assert_int_equal(r.last_us[2], 21000);
    assert_string_equal(r.info[2].name, "audio-de");
    assert_string_equal(r.info[2].language, "de");
    assert_int_equal(r.info[3].sample_rate, 44100);
    assert_string_equal(r.info[3].language, "");
    assert_int_equal(r.info[4].codec, CODEC_OPUS);
    assert_int_equal(rtmp_session_counts(r.session)->dropped, 0);
out:
    recorder_release(&r);
}

/* Two pictures in one connection; the second one's frames go their own way. */
static void test_pictures_in_several_tracks(void **state)
{
    uint8_t config[7 + sizeof test_avcc - 5] = {0x96, 0x00, 'a', 'v',
                                                'c',  '1',  3};
    static const uint8_t idr[] = {0x96, 0x03, 'a', 'v',  'c',  '1', 3, 0,
                                  0,    0,    5,   0x65, 0x88, 1,   2, 3};
    static const uint8_t delta[] = {0xa6, 0x03, 'a', 'v', 'c',  '1', 3,
                                    0,    0,    0,   3,   0x41, 9,   8};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    memcpy(config + 7, test_avcc + 5, sizeof test_avcc - 5);
    builder_init(&b, 65536);
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, config);
    put_video(&b, 0, test_idr);
    put_video(&b, 0, idr);
    put_video(&b, 33, test_delta);
    put_video(&b, 33, delta);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.tracks, 2);
    assert_int_equal(r.info[2].kind, TRACK_VIDEO);
    assert_int_equal(r.frames[RTMP_SLOT_VIDEO], 2);
    assert_int_equal(r.frames[2], 2);
    assert_int_equal(r.last_us[2], 33000);
    assert_int_equal(rtmp_session_counts(r.session)->dropped, 0);
out:
    recorder_release(&r);
}

static void test_more_tracks_than_slots(void **state)
{
    uint8_t config[] = {0x95, 0x00, 'm', 'p', '4', 'a', 0, 0x11, 0x90};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    for (int i = 0; i < 20; i++) {
        config[6] = (uint8_t)(i * 10);
        put_audio(&b, 0, config);
    }
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.tracks, 15); /* one slot is the picture's */
    assert_int_equal(rtmp_session_counts(r.session)->extra_tracks, 5);
    assert_int_equal(rtmp_session_state(r.session), RTMP_LIVE);
out:
    recorder_release(&r);
}

/* Tracks and forms we cannot take are stepped over, beside those we can. */
static void test_strangers_beside_good_tracks(void **state)
{
    static const uint8_t vvc[] = {0x96, 0x01, 'v', 'v', 'c', '1', 1, 0, 0, 0};
    static const uint8_t form[] = {0x9c, 1, 2, 3};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 1 << 20);
    put_audio(&b, 0, test_asc);
    for (uint32_t i = 0; i < 200; i++) {
        put_video(&b, i * 20, vvc);
        put_video(&b, i * 20, form);
        put_audio(&b, i * 20, test_aac);
    }
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(rtmp_session_state(r.session), RTMP_LIVE);
    assert_int_equal(r.frames[RTMP_SLOT_AUDIO], 200);
    assert_int_equal(rtmp_session_counts(r.session)->unsupported, 200);
    assert_int_equal(rtmp_session_counts(r.session)->skipped, 200);
    assert_string_equal(rtmp_session_stranger(r.session), "vvc1");
out:
    recorder_release(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sound_in_several_tracks),
    cmocka_unit_test(test_pictures_in_several_tracks),
    cmocka_unit_test(test_more_tracks_than_slots),
    cmocka_unit_test(test_strangers_beside_good_tracks),
};
HARNESS_MAIN(tests)
