#include "tests/rtmp_bytes.h"

#include "tests/harness.h"

static struct recorder r;

enum { SECOND = 1000000 };

/* A session that publishes already. False if memory ran out. */
static bool go_live(void)
{
    struct builder b;

    if (recorder_init(&r, true)) return false;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "demo-key");
    return !recorder_take(&r, &b, 0) &&
           rtmp_session_state(r.session) == RTMP_LIVE;
}

static void test_dialogue_to_live(void **state)
{
    (void)state;
    if (!go_live()) goto out;
    assert_string_equal(r.app, "live");
    assert_string_equal(r.key, "demo-key");
    assert_true(recorder_said(&r, "NetConnection.Connect.Success"));
    assert_true(recorder_said(&r, "NetStream.Publish.Start"));
    assert_string_equal(rtmp_session_reason(r.session), "");
out:
    recorder_release(&r);
}

static void check_key(const char *app, const char *name, const char *want)
{
    struct builder b;

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_to_publish(&b, app, name);
    if (!recorder_take(&r, &b, 0)) assert_string_equal(r.key, want);
    recorder_release(&r);
}

static void test_where_the_key_may_be(void **state)
{
    char longest[300];

    (void)state;
    check_key("live", "k-1", "k-1");
    check_key("live/inst", "k-1?user=a&token=b", "k-1");
    check_key("live?vhost=x", "/k-1/", "k-1");
    check_key("live/k-1", "", "k-1");
    check_key("live/k-1/?x=y", NULL, "k-1");
    check_key("live", "", "");
    check_key("live", "a%2Fb%zz%", "a/b%zz%");
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    check_key("live", longest, "");
}

static void check_priority(const char *app, const char *name, int32_t want)
{
    struct builder b;

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_to_publish(&b, app, name);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_string_equal(r.key, "k-1");
    assert_int_equal(rtmp_session_priority(r.session), want);
out:
    recorder_release(&r);
}

static void test_priorities(void **state)
{
    struct builder b;

    (void)state;
    check_priority("live", "k-1", 0);
    check_priority("live", "k-1?priority=2", 2);
    check_priority("live", "k-1?clientConfigId=x&priority=2147483647",
                   2147483647);
    check_priority("live/k-1?priority=3", "", 3);
    check_priority("live?priority=3", "k-1", 0); /* not the key's */

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "k-1?priority=first");
    if (recorder_take(&r, &b, 0)) goto out;
    assert_string_equal(r.key, "");
    assert_int_equal(rtmp_session_state(r.session), RTMP_CLOSING);
    assert_true(recorder_said(&r, "NetStream.Publish.BadName"));
    assert_true(recorder_said(&r, "from 0 to 2147483647"));
out:
    recorder_release(&r);
}

static void test_start_waits_for_the_answer(void **state)
{
    struct builder b;

    (void)state;
    if (recorder_init(&r, false)) goto out;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "demo-key");
    /* an impatient client: media in the same packet */
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, test_idr);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(rtmp_session_state(r.session), RTMP_ASKED);
    assert_false(rtmp_session_wants_read(r.session));
    assert_false(recorder_said(&r, "Publish.Start"));
    assert_int_equal(r.frames[0], 0);
    if (rtmp_session_accept(r.session, SECOND)) goto out;
    recorder_pull(&r);
    assert_true(recorder_said(&r, "Publish.Start") || r.out.err);
    assert_int_equal(r.tracks, 1);
    assert_int_equal(r.frames[0], 1);
    assert_true(rtmp_session_wants_read(r.session));
out:
    recorder_release(&r);
}

static void test_wrong_key(void **state)
{
    struct builder b;
    int64_t next;

    (void)state;
    if (recorder_init(&r, false)) goto out;
    r.refuse = true;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "nope");
    put_video(&b, 0, test_avcc);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(rtmp_session_state(r.session), RTMP_CLOSING);
    assert_true(recorder_said(&r, "NetStream.Publish.BadName"));
    assert_false(recorder_said(&r, "Publish.Start"));
    assert_int_equal(r.tracks, 0);
    assert_int_equal(rtmp_session_error(r.session), ERR_DENIED);
    assert_int_equal(rtmp_session_tick(r.session, 3 * SECOND, &next),
                     ERR_TIMEOUT);
out:
    recorder_release(&r);
}

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

static void test_unknown_calls_are_answered(void **state)
{
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    size_t before = r.out.len;
    builder_init(&b, 65536);
    put_call(&b, 0, "fancyThing", 9, "x");
    if (recorder_take(&r, &b, 0)) goto out;
    assert_true(recorder_said(&r, "NetConnection.Call.Failed"));
    before = r.out.len;
    builder_init(&b, 65536);
    put_call(&b, 0, "notify", 0, "x");
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.out.len, before);
out:
    recorder_release(&r);
}

static void test_ping_is_answered_and_sent(void **state)
{
    static const uint8_t ping[] = {0, 6, 1, 2, 3, 4};
    static const char pong[] = "\x00\x07\x01\x02\x03\x04";
    struct builder b;
    int64_t next;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_message(&b, 128, 2, RTMP_USER_CONTROL, 0, 0, ping, sizeof ping);
    if (recorder_take(&r, &b, 9 * SECOND)) goto out;
    assert_true(r.out.err ||
                memmem(builder_data(&r.out), r.out.len, pong, 6) != NULL);
    size_t before = r.out.len;
    assert_int_equal(rtmp_session_tick(r.session, 10 * SECOND, &next), 0);
    recorder_pull(&r);
    assert_true(r.out.len > before || r.out.err);
out:
    recorder_release(&r);
}

static void test_deadlines(void **state)
{
    struct builder b;
    int64_t next = 0;

    (void)state;
    if (recorder_init(&r, true)) goto out;
    assert_int_equal(rtmp_session_tick(r.session, 0, &next), 0);
    assert_int_equal(next, 5 * SECOND);
    builder_init(&b, 65536);
    put_handshake(&b);
    if (recorder_take(&r, &b, SECOND)) goto out;
    assert_int_equal(rtmp_session_tick(r.session, SECOND, &next), 0);
    assert_int_equal(next, 10 * SECOND);
    assert_int_equal(rtmp_session_tick(r.session, 10 * SECOND, &next),
                     ERR_TIMEOUT);
    assert_string_equal(rtmp_session_reason(r.session), "no publish in time");
    recorder_release(&r);

    if (!go_live()) goto out;
    assert_int_equal(rtmp_session_tick(r.session, SECOND, &next), 0);
    assert_int_equal(rtmp_session_tick(r.session, 39 * SECOND, &next), 0);
    assert_int_equal(rtmp_session_tick(r.session, 40 * SECOND, &next),
                     ERR_TIMEOUT);
    assert_string_equal(rtmp_session_reason(r.session), "no data");
out:
    recorder_release(&r);
}

static void test_unpublish_and_publish_again(void **state)
{
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_video(&b, 100, test_avcc);
    put_video(&b, 100, test_idr);
    put_call(&b, 0, "FCUnpublish", 6, "demo-key");
    put_call(&b, 0, "deleteStream", 7, NULL);
    put_video(&b, 133, test_delta); /* a straggler */
    put_call(&b, 1, "publish", 8, "other-key");
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, test_idr);
    if (recorder_take(&r, &b, 0)) goto out;
    assert_int_equal(r.unpublished, 1);
    assert_string_equal(r.key, "other-key");
    assert_int_equal(r.tracks, 2);
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(rtmp_session_state(r.session), RTMP_LIVE);
out:
    recorder_release(&r);
}

static void test_commands_before_connect_fail(void **state)
{
    struct builder b;

    (void)state;
    if (recorder_init(&r, true)) goto out;
    builder_init(&b, 65536);
    put_handshake(&b);
    put_call(&b, 1, "publish", 5, "demo-key");
    int err = recorder_take(&r, &b, 0);
    assert_true(err == ERR_ORDER || err == ERR_NOMEM);
    assert_int_equal(rtmp_session_state(r.session), RTMP_FAILED);
    assert_string_equal(r.key, "");
out:
    recorder_release(&r);
}

static void test_acknowledges_at_the_asked_window(void **state)
{
    static const uint8_t window[] = {0, 0, 0x10, 0};
    static const uint8_t junk[3000] = {0};
    struct builder b;

    (void)state;
    if (!go_live()) goto out;
    builder_init(&b, 65536);
    put_message(&b, 128, 2, RTMP_WINDOW_ACK, 0, 0, window, sizeof window);
    put_message(&b, 128, 4, RTMP_AUDIO, 0, 1, junk, sizeof junk);
    if (recorder_take(&r, &b, 0)) goto out;
    static const char ack[] = "\x02\x00\x00\x00\x00\x00\x04\x03";
    assert_true(r.out.err ||
                memmem(builder_data(&r.out), r.out.len, ack, 8) != NULL);
out:
    recorder_release(&r);
}

/* 1: it knows the request; another bit, none, or nonsense: it does not. */
static void check_ask_away(double caps, bool asked)
{
    struct builder b;

    if (recorder_init(&r, true)) return;
    builder_init(&b, 65536);
    put_handshake(&b);
    put_connect_caps(&b, "live", caps);
    put_call(&b, 1, "publish", 5, "demo-key");
    if (recorder_take(&r, &b, 0)) goto out;
    rtmp_session_ask_away(r.session, "the server is shutting down");
    recorder_pull(&r);
    assert_int_equal(rtmp_session_state(r.session), RTMP_LIVE);
    if (r.out.err) goto out;
    assert_int_equal(recorder_said(&r, "Connect.ReconnectRequest"), asked);
    rtmp_session_close(r.session, "the server is shutting down");
    recorder_pull(&r);
    assert_int_equal(rtmp_session_state(r.session), RTMP_CLOSING);
out:
    recorder_release(&r);
}

static void test_who_can_is_asked_to_reconnect(void **state)
{
    (void)state;
    check_ask_away(1, true);
    check_ask_away(15, true);
    check_ask_away(14, false);
    check_ask_away(-1, false);
    check_ask_away(1e300, false);
    check_ask_away(NAN, false);
}

static void test_who_does_not_publish_is_not_asked(void **state)
{
    struct builder b;

    (void)state;
    if (recorder_init(&r, true)) goto out;
    builder_init(&b, 65536);
    put_handshake(&b);
    put_connect_caps(&b, "live", 1);
    if (recorder_take(&r, &b, 0)) goto out;
    rtmp_session_ask_away(r.session, "the server is shutting down");
    recorder_pull(&r);
    assert_false(recorder_said(&r, "ReconnectRequest"));
out:
    recorder_release(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_who_can_is_asked_to_reconnect),
    cmocka_unit_test(test_who_does_not_publish_is_not_asked),
    cmocka_unit_test(test_dialogue_to_live),
    cmocka_unit_test(test_where_the_key_may_be),
    cmocka_unit_test(test_priorities),
    cmocka_unit_test(test_start_waits_for_the_answer),
    cmocka_unit_test(test_wrong_key),
    cmocka_unit_test(test_media_in_any_order),
    cmocka_unit_test(test_timestamps_unwrap),
    cmocka_unit_test(test_aggregate),
    cmocka_unit_test(test_enhanced_codec_is_refused_in_words),
    cmocka_unit_test(test_enhanced_avc_and_aac_are_taken),
    cmocka_unit_test(test_opus),
    cmocka_unit_test(test_a_picture_is_promised),
    cmocka_unit_test(test_sound_in_several_tracks),
    cmocka_unit_test(test_pictures_in_several_tracks),
    cmocka_unit_test(test_more_tracks_than_slots),
    cmocka_unit_test(test_strangers_beside_good_tracks),
    cmocka_unit_test(test_nanoseconds_are_added),
    cmocka_unit_test(test_unknown_calls_are_answered),
    cmocka_unit_test(test_ping_is_answered_and_sent),
    cmocka_unit_test(test_deadlines),
    cmocka_unit_test(test_unpublish_and_publish_again),
    cmocka_unit_test(test_commands_before_connect_fail),
    cmocka_unit_test(test_acknowledges_at_the_asked_window),
};
HARNESS_MAIN(tests)
