/* tests/protocol/rtmp.c — what real encoders sent (tests/data/rtmp, client to
 * server bytes), fed whole, byte by byte and in random pieces; and what hostile
 * ones might send. */
#include "tests/rtmp_bytes.h"

#include "tests/harness.h"

enum { CAPTURE_MAX = 100000, SECOND = 1000000 };

struct capture {
    const char *file, *app, *key;
    int tracks, video, audio, keys, unpublished;
    int64_t video_span_us; /* first to last */
};

static const struct capture captures[] = {
    {"ffmpeg-5.1.bin", "live", "demo-key", 2, 60, 95, 2, 1, 1967000},
    {"ffmpeg-5.1-bframes.bin", "live", "demo-key", 1, 60, 0, 2, 1, 1969000},
    {"gstreamer-1.22-rtmp2sink.bin", "live", "demo-key", 2, 60, 95, 2, 1,
     1966000},
    {"librtmp-2.4.bin", "live", "demo-key", 2, 60, 95, 2, 1, 2360000},
    {"obs-29.bin", "live", "demo-key", 2, 60, 94, 1, 0, 1966000},
};

static size_t load(const char *file, uint8_t *out)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof path, "tests/data/rtmp/%s", file);
    f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, CAPTURE_MAX, f);
    fclose(f);
    return n;
}

/* Feeds data in pieces of at most `most` bytes (random if seed is set).
 * Returns the hash of all events. */
static uint64_t replay(struct recorder *r, const uint8_t *data, size_t len,
                       size_t most, uint32_t seed)
{
    size_t at = 0;

    assert_int_equal(recorder_init(r, true), 0);
    while (at < len) {
        size_t n = most;
        if (seed) {
            seed = seed * 1664525 + 1013904223;
            n = 1 + (seed >> 8) % most;
        }
        if (n > len - at) n = len - at;
        assert_int_equal(recorder_feed(r, data + at, n, (int64_t)at), 0);
        at += n;
    }
    return r->hash;
}

static void test_captures_of_real_encoders(void **state)
{
    static uint8_t data[CAPTURE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
        const struct capture *c = &captures[i];
        struct recorder r;
        size_t len = load(c->file, data);
        uint64_t whole = replay(&r, data, len, len, 0);
        assert_string_equal(r.app, c->app);
        assert_string_equal(r.key, c->key);
        assert_int_equal(r.tracks, c->tracks);
        assert_int_equal(r.frames[RTMP_SLOT_VIDEO], c->video);
        assert_int_equal(r.frames[RTMP_SLOT_AUDIO], c->audio);
        assert_int_equal(r.keys, c->keys);
        assert_int_equal(r.unpublished, c->unpublished);
        assert_int_equal(r.last_us[0] - r.first_us[0], c->video_span_us);
        assert_int_equal(rtmp_session_counts(r.session)->dropped, 0);
        assert_int_equal(rtmp_session_counts(r.session)->restarts, 0);
        recorder_release(&r);
        assert_true(replay(&r, data, len, 1, 0) == whole);
        recorder_release(&r);
        for (uint32_t seed = 1; seed <= 20; seed++) {
            assert_true(replay(&r, data, len, seed % 2 ? 40 : 3000, seed) ==
                        whole);
            recorder_release(&r);
        }
    }
}

/* Every prefix of a session is a connection that broke: nothing may leak. */
static void test_any_cut_of_a_capture(void **state)
{
    static uint8_t data[CAPTURE_MAX];
    size_t len = load("ffmpeg-5.1.bin", data), before = buf_total_bytes();

    (void)state;
    for (size_t cut = 0; cut < len; cut += cut < 5000 ? 7 : 509) {
        struct recorder r;
        replay(&r, data, cut, 1000, 0);
        recorder_release(&r);
        assert_int_equal(buf_total_bytes(), before);
    }
}

/* Bytes of a capture turned over, one here and there: an error or not, but
 * an end, within bounds of memory. */
static void test_damaged_captures(void **state)
{
    static uint8_t data[CAPTURE_MAX], damaged[CAPTURE_MAX];
    size_t len = load("librtmp-2.4.bin", data), before = buf_total_bytes();
    uint32_t seed = 3;

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct recorder r;
        memcpy(damaged, data, len);
        for (int i = 0; i < 5; i++) {
            seed = seed * 1664525 + 1013904223;
            size_t at = (seed >> 4) % (i ? len : 4200);
            damaged[at] = (uint8_t)(seed >> 20);
        }
        assert_int_equal(recorder_init(&r, true), 0);
        recorder_feed(&r, damaged, len, 0);
        assert_in_range(buf_total_bytes() - before, 0, 4 << 20);
        recorder_release(&r);
        assert_int_equal(buf_total_bytes(), before);
    }
}

/* --- hostile peers --- */

static struct recorder r;
static struct builder b;

static void go_live(void)
{
    assert_int_equal(recorder_init(&r, true), 0);
    builder_init(&b, 1 << 20);
    put_to_publish(&b, "live", "demo-key");
    assert_int_equal(recorder_take(&r, &b, 0), 0);
    assert_int_equal(rtmp_session_state(r.session), RTMP_LIVE);
    builder_init(&b, 64 << 20);
}

/* Set Chunk Size 2147483647 is clamped and costs nothing; a message that says
 * 16 MB is refused at its header. */
static void test_huge_chunk_size_and_message(void **state)
{
    static const uint8_t size[] = {0x7f, 0xff, 0xff, 0xff};
    static const uint8_t huge[] = {0x06, 0, 0, 0, 0xff, 0xff,
                                   0xff, 9, 1, 0, 0,    0};
    size_t before = buf_total_bytes();

    (void)state;
    go_live();
    put_message(&b, 128, 2, RTMP_SET_CHUNK_SIZE, 0, 0, size, sizeof size);
    put_message(&b, 1 << 20, 6, RTMP_VIDEO, 0, 1, test_avcc, sizeof test_avcc);
    put_message(&b, 1 << 20, 6, RTMP_VIDEO, 0, 1, test_idr, sizeof test_idr);
    assert_int_equal(recorder_take(&r, &b, 0), 0);
    assert_int_equal(r.frames[0], 1);
    assert_in_range(buf_total_bytes() - before, 0, 16384);
    assert_int_equal(recorder_feed(&r, huge, sizeof huge, 0), ERR_LIMIT);
    assert_int_equal(rtmp_session_state(r.session), RTMP_FAILED);
    recorder_release(&r);
}

static void test_chunk_size_zero_is_refused(void **state)
{
    static const uint8_t zero[4];

    (void)state;
    go_live();
    put_message(&b, 128, 2, RTMP_SET_CHUNK_SIZE, 0, 0, zero, sizeof zero);
    assert_int_equal(recorder_take(&r, &b, 0), ERR_RANGE);
    recorder_release(&r);
}

/* One-byte chunks are legal, at the rate of a slow publisher; as a flood they
 * run out of budget. */
static void put_one_byte_video(uint32_t at, size_t len)
{
    uint8_t body[3000] = {0x27, 1, 0, 0, 0, 0, 0};

    body[7] = (uint8_t)((len - 9) >> 8);
    body[8] = (uint8_t)(len - 9);
    body[9] = 0x41;
    put_message(&b, 1, 6, RTMP_VIDEO, at, 1, body, len);
}

static void test_one_byte_chunks(void **state)
{
    static const uint8_t one[] = {0, 0, 0, 1};
    int err = 0;

    (void)state;
    go_live();
    put_message(&b, 128, 2, RTMP_SET_CHUNK_SIZE, 0, 0, one, sizeof one);
    put_message(&b, 1, 6, RTMP_VIDEO, 0, 1, test_avcc, sizeof test_avcc);
    for (uint32_t i = 0; i < 60; i++)
        put_one_byte_video(i * 33, 1000);
    assert_int_equal(recorder_take(&r, &b, 0), 0);
    assert_int_equal(r.frames[0], 60);
    for (int i = 0; i < 100 && !err; i++) {
        builder_init(&b, 64 << 20);
        for (uint32_t k = 0; k < 10; k++)
            put_one_byte_video(2000, 1000);
        err = recorder_take(&r, &b, 1000);
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_string_equal(rtmp_session_reason(r.session), "too many tiny chunks");
    recorder_release(&r);
}

static void test_flood_of_empty_messages(void **state)
{
    int err = 0;

    (void)state;
    go_live();
    for (int i = 0; i < 100 && !err; i++) {
        builder_init(&b, 64 << 20);
        for (int k = 0; k < 1000; k++)
            put_message(&b, 128, 4, RTMP_AUDIO, 0, 1, "", 0);
        err = recorder_take(&r, &b, 0);
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_string_equal(rtmp_session_reason(r.session), "too many messages");
    recorder_release(&r);
}

/* Calls whose answers are never read must not pile up. */
static void test_unread_answers_are_bounded(void **state)
{
    int err = 0;

    (void)state;
    go_live();
    for (int i = 0; i < 100 && !err; i++) {
        builder_init(&b, 64 << 20);
        for (int k = 0; k < 100; k++)
            put_message(&b, 128, 2, RTMP_USER_CONTROL, 0, 0, "\0\6\1\2\3\4", 6);
        err = rtmp_session_feed(r.session, builder_data(&b), b.len, 0);
        builder_release(&b);
    }
    assert_int_equal(err, ERR_LIMIT);
    recorder_release(&r);
}

static void test_amf_depth_bomb(void **state)
{
    struct builder body;

    (void)state;
    assert_int_equal(recorder_init(&r, true), 0);
    builder_init(&b, 1 << 20);
    put_handshake(&b);
    builder_init(&body, 1 << 20);
    amf_write_string(&body, "connect");
    amf_write_number(&body, 1);
    for (int i = 0; i < 50000; i++) {
        amf_write_object(&body);
        amf_write_key(&body, "a");
    }
    put_body(&b, 0, &body);
    assert_int_equal(recorder_take(&r, &b, 0), ERR_LIMIT);
    recorder_release(&r);
}

static void test_not_a_number_stays_harmless(void **state)
{
    static const uint8_t call[] = {
        2,   0,   12, 'c',  'r',  'e', 'a', 't', 'e', 'S', 't', 'r', 'e',
        'a', 'm', 0,  0x7f, 0xf8, 0,   0,   0,   0,   0,   0,   5};

    (void)state;
    go_live();
    put_message(&b, 128, 3, RTMP_COMMAND_AMF0, 0, 0, call, sizeof call);
    assert_int_equal(recorder_take(&r, &b, 0), 0);
    recorder_release(&r);
}

/* Times that jump: the session hands them on unwrapped and in order of
 * arrival; putting them right is the timeline's part. */
static void test_jumping_timestamps_never_end_a_session(void **state)
{
    static const uint32_t at[] = {0,          33,         0x7fffffff, 0,
                                  0xffffffff, 5,          0x80000000, 66,
                                  0x00ffffff, 0x01000000, 100};

    (void)state;
    go_live();
    put_video(&b, 0, test_avcc);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        put_video(&b, at[i], test_idr);
    assert_int_equal(recorder_take(&r, &b, 0), 0);
    assert_int_equal(r.frames[0], (int)(sizeof at / sizeof *at));
    recorder_release(&r);
}

/* Malformed media is dropped and counted; nothing but it ends the session. */
static void test_malformed_media(void **state)
{
    static const uint8_t cut[] = {0x17, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 5};
    static const uint8_t bad_config[] = {0x17, 0, 0, 0, 0, 1, 66, 0};
    int err = 0;

    (void)state;
    go_live();
    put_video(&b, 0, bad_config);
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, cut);
    put_video(&b, 33, test_idr);
    assert_int_equal(recorder_take(&r, &b, 0), 0);
    assert_int_equal(rtmp_session_counts(r.session)->dropped, 2);
    assert_int_equal(r.frames[0], 1);
    for (int i = 0; i < 400 && !err; i++) {
        builder_init(&b, 1000);
        put_video(&b, 66, cut);
        err = recorder_take(&r, &b, 0);
    }
    assert_int_equal(err, ERR_SYNTAX);
    recorder_release(&r);
}

static void test_truncated_handshakes_time_out(void **state)
{
    static const size_t cuts[] = {0, 1, 2, 1536, 1537, 1538, 3072};
    uint8_t bytes[4000] = {3};
    int64_t next;

    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        assert_int_equal(recorder_init(&r, true), 0);
        assert_int_equal(recorder_feed(&r, bytes, cuts[i], 0), 0);
        assert_int_equal(rtmp_session_tick(r.session, 0, &next), 0);
        assert_int_equal(next, 5 * SECOND);
        /* trickling does not help */
        assert_int_equal(rtmp_session_tick(r.session, next, &next),
                         ERR_TIMEOUT);
        assert_string_equal(rtmp_session_reason(r.session),
                            "handshake timed out");
        recorder_release(&r);
    }
}

/* Recorded messages (type, ms, length, body) of an encoder that sends HEVC with
 * B-frames and Opus. */
static void test_hevc_and_opus(void **state)
{
    static uint8_t bytes[1 << 14];
    FILE *f = fopen("tests/data/rtmp/hevc-opus.messages", "rb");
    int messages = 0;

    (void)state;
    assert_non_null(f);
    struct reader in = reader_of(bytes, fread(bytes, 1, sizeof bytes, f));
    fclose(f);
    assert_int_equal(recorder_init(&r, true), 0);
    builder_init(&b, 1 << 16);
    put_to_publish(&b, "live", "demo-key");
    while (reader_left(&in)) {
        uint8_t type = reader_u8(&in);
        uint32_t at = reader_u32(&in), len = reader_u32(&in);
        const uint8_t *body = reader_take(&in, len);
        assert_non_null(body);
        put_message(&b, RTMP_CHUNK_SIZE_DEFAULT, type == 9 ? 6 : 4,
                    (enum rtmp_type)type, at, 1, body, len);
        messages++;
    }
    assert_int_equal(recorder_take(&r, &b, 0), 0);
    assert_int_equal(messages, 2 + 60 + 100);
    assert_int_equal(r.tracks, 2);
    assert_int_equal(r.info[RTMP_SLOT_VIDEO].codec, CODEC_HEVC);
    assert_int_equal(r.info[RTMP_SLOT_AUDIO].codec, CODEC_OPUS);
    assert_int_equal(r.info[RTMP_SLOT_AUDIO].channels, 1);
    assert_int_equal(r.frames[RTMP_SLOT_VIDEO], 60);
    assert_int_equal(r.frames[RTMP_SLOT_AUDIO], 100);
    assert_int_equal(r.keys, 1);
    assert_int_equal(rtmp_session_counts(r.session)->dropped, 0);
    recorder_release(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_hevc_and_opus),
    cmocka_unit_test(test_captures_of_real_encoders),
    cmocka_unit_test(test_any_cut_of_a_capture),
    cmocka_unit_test(test_damaged_captures),
    cmocka_unit_test(test_huge_chunk_size_and_message),
    cmocka_unit_test(test_chunk_size_zero_is_refused),
    cmocka_unit_test(test_one_byte_chunks),
    cmocka_unit_test(test_flood_of_empty_messages),
    cmocka_unit_test(test_unread_answers_are_bounded),
    cmocka_unit_test(test_amf_depth_bomb),
    cmocka_unit_test(test_not_a_number_stays_harmless),
    cmocka_unit_test(test_jumping_timestamps_never_end_a_session),
    cmocka_unit_test(test_malformed_media),
    cmocka_unit_test(test_truncated_handshakes_time_out),
};
HARNESS_MAIN(tests)
