/* tests/protocol/mpegts.c — what real encoders wrote (tests/data/ts), fed
 * whole, byte by byte and in random pieces, with packets lost and bits
 * flipped. */
#include "tests/ts_bytes.h"

#include "tests/harness.h"

enum { CAPTURE_MAX = 100000 };

struct capture {
    const char *file;
    int slots, video, keys, audio;
    int64_t video_span_us;
};

/* As ffprobe counts them. Also the last picture comes out: by then its end is
 * known without a next one. */
static const struct capture captures[] = {
    {"h264-aac.ts", 2, 60, 2, 95, 1966666},
    {"bframes-latm.ts", 2, 60, 2, 95, 1966666},
    {"two-opus.ts", 3, 60, 2, 101, 1966666},
    {"gstreamer.ts", 2, 60, 2, 94, 1966666},
    {"wrap.ts", 2, 60, 2, 95, 1966666},
    {"hevc.ts", 2, 90, 3, 142, 2966666},
};
enum { CAPTURES = sizeof captures / sizeof *captures };

static size_t load(const char *file, uint8_t *out)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof path, "tests/data/ts/%s", file);
    f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, CAPTURE_MAX, f);
    fclose(f);
    assert_in_range(n, 1, CAPTURE_MAX - 1);
    return n;
}

/* In pieces of at most `most` bytes (random if seed is set). */
static uint64_t replay(struct ts_recorder *r, const uint8_t *data, size_t len,
                       size_t most, uint32_t seed)
{
    assert_int_equal(recorder_init(r), 0);
    for (size_t at = 0, n; at < len; at += n) {
        n = most;
        if (seed) {
            seed = seed * 1664525 + 1013904223;
            n = 1 + (seed >> 8) % most;
        }
        if (n > len - at) n = len - at;
        assert_int_equal(demux_feed(r->demux, data + at, n), 0);
    }
    return r->hash;
}

static void check(const struct capture *c, const struct ts_recorder *r)
{
    int slots = 0;

    for (int i = 0; i < DEMUX_SLOTS; i++)
        slots += r->tracks[i] == 1;
    assert_int_equal(slots, c->slots);
    assert_int_equal(r->frames[0], c->video);
    assert_int_equal(r->keys, c->keys);
    for (int i = 1; i < c->slots; i++)
        assert_in_range(r->frames[i], c->audio - 1, c->audio);
    assert_false(r->backwards);
    assert_in_range(r->last_us[0] - r->first_us[0], c->video_span_us - 20,
                    c->video_span_us + 20);
}

static void test_captures_of_real_encoders(void **state)
{
    static uint8_t bytes[CAPTURE_MAX];

    (void)state;
    for (int i = 0; i < CAPTURES; i++) {
        struct ts_recorder r;
        size_t len = load(captures[i].file, bytes);
        uint64_t whole = replay(&r, bytes, len, len, 0);
        print_message("%s: %d+%d frames\n", captures[i].file, r.frames[0],
                      r.frames[1]);
        check(&captures[i], &r);
        const struct demux_counts *n = demux_counts(r.demux);
        assert_int_equal(n->broken + n->gaps + n->lost_units, 0);
        demux_free(&r.demux);
        assert_true(replay(&r, bytes, len, 1, 0) == whole);
        demux_free(&r.demux);
        for (uint32_t seed = 1; seed < 8; seed++) {
            assert_true(replay(&r, bytes, len, 3000, seed) == whole);
            demux_free(&r.demux);
        }
    }
}

static void test_what_is_only_recognised(void **state)
{
    static uint8_t bytes[CAPTURE_MAX];
    struct ts_recorder r;
    size_t len = load("hevc-ac3.ts", bytes);

    (void)state;
    replay(&r, bytes, len, len, 0);
    assert_int_equal(r.unsupported, 1);
    assert_int_equal(r.refused[0], CONTENT_AC3);
    assert_int_equal(r.frames[0], 30);
    demux_free(&r.demux);
    len = load("mp2.ts", bytes);
    replay(&r, bytes, len, len, 0);
    assert_int_equal(r.unsupported, 1);
    assert_int_equal(r.refused[0], CONTENT_MPEG_AUDIO);
    demux_free(&r.demux);
}

/* Tracks, languages and codecs as ffprobe names them. */
static void test_tracks_of_captures(void **state)
{
    static uint8_t bytes[CAPTURE_MAX];
    struct ts_recorder r;
    size_t len = load("two-opus.ts", bytes);

    (void)state;
    replay(&r, bytes, len, len, 0);
    assert_int_equal(r.info[0].codec, CODEC_H264);
    assert_int_equal(r.info[1].codec, CODEC_OPUS);
    assert_int_equal(r.info[1].channels, 2);
    assert_string_equal(r.info[1].language, "en");
    assert_string_equal(r.info[2].language, "de");
    demux_free(&r.demux);
    len = load("bframes-latm.ts", bytes);
    replay(&r, bytes, len, len, 0);
    assert_int_equal(r.info[1].codec, CODEC_AAC);
    assert_int_equal(r.info[1].sample_rate, 48000);
    assert_int_equal(r.info[1].channels, 2);
    demux_free(&r.demux);
    len = load("hevc.ts", bytes);
    replay(&r, bytes, len, len, 0);
    assert_int_equal(r.info[0].codec, CODEC_HEVC);
    demux_free(&r.demux);
}

/* Where decoding starts at a CRA, the two B-frames that lead it in time but
 * follow it in the stream cannot be decoded. */
static void test_a_gap_takes_the_pictures_that_lead_its_keyframe(void **state)
{
    static uint8_t bytes[CAPTURE_MAX];
    struct ts_recorder r;
    size_t len = load("hevc.ts", bytes), cut;

    (void)state;
    assert_int_equal(recorder_init(&r), 0);
    for (cut = 0; r.frames[0] < 20; cut += TS_PACKET_BYTES)
        assert_int_equal(demux_feed(r.demux, bytes + cut, TS_PACKET_BYTES), 0);
    demux_break(r.demux);
    demux_feed(r.demux, bytes + cut, len - cut);
    assert_int_equal(r.keys, 3);
    /* the second keyframe is picture 28 */
    assert_int_equal(r.frames[0], 20 + 62 - 2);
    demux_free(&r.demux);
}

/* Each lost packet costs at most the pictures up to the next keyframe, and
 * what comes out is still in order. */
static void test_packets_are_lost(void **state)
{
    static uint8_t bytes[CAPTURE_MAX];
    size_t len = load("h264-aac.ts", bytes);

    (void)state;
    for (size_t lost = 0; lost < len; lost += TS_PACKET_BYTES) {
        struct ts_recorder r;
        assert_int_equal(recorder_init(&r), 0);
        demux_feed(r.demux, bytes, lost);
        demux_feed(r.demux, bytes + lost + TS_PACKET_BYTES,
                   len - lost - TS_PACKET_BYTES);
        assert_in_range(r.frames[0], 29, 60);
        assert_in_range(r.frames[1], 65, 95); /* 22 to a unit */
        assert_in_range(r.keys, 1, 2);
        assert_false(r.backwards);
        demux_free(&r.demux);
    }
}

static void test_bits_flip(void **state)
{
    static uint8_t bytes[CAPTURE_MAX];
    uint32_t seed = 7;

    (void)state;
    for (int i = 0; i < CAPTURES; i++) {
        size_t len = load(captures[i].file, bytes);
        for (int round = 0; round < 20; round++) {
            struct ts_recorder r;
            for (int k = 0; k < 50; k++) {
                seed = seed * 1664525 + 1013904223;
                bytes[(seed >> 4) % len] ^= (uint8_t)(1 << (seed & 7));
            }
            replay(&r, bytes, len, 1316, 0);
            demux_free(&r.demux);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_captures_of_real_encoders),
    cmocka_unit_test(test_what_is_only_recognised),
    cmocka_unit_test(test_tracks_of_captures),
    cmocka_unit_test(test_a_gap_takes_the_pictures_that_lead_its_keyframe),
    cmocka_unit_test(test_packets_are_lost),
    cmocka_unit_test(test_bits_flip),
};
HARNESS_MAIN(tests)
