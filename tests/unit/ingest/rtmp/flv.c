#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/rtmp/flv.h"

static struct flv_tag t;

static int read_one(enum track_kind kind, const char *bytes, size_t len)
{
    struct flv_reader r;
    int err;

    flv_open(&r, kind, bytes, len);
    err = flv_next(&r, &t);
    if (!err) assert_int_equal(flv_next(&r, &t), ERR_AGAIN);
    return err;
}

#define VIDEO(s) read_one(TRACK_VIDEO, s, sizeof s - 1)
#define AUDIO(s) read_one(TRACK_AUDIO, s, sizeof s - 1)

static void test_legacy_video(void **state)
{
    (void)state;
    assert_int_equal(VIDEO("\x17\x00\x00\x00\x00\x01"), 0);
    assert_int_equal(t.kind, FLV_CONFIG);
    assert_int_equal(t.len, 1);
    assert_int_equal(VIDEO("\x17\x01\x00\x00\x43zz"), 0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_true(t.key);
    assert_int_equal(t.cts_ms, 67);
    assert_int_equal(VIDEO("\x27\x01\xff\xff\xd8zz"), 0);
    assert_int_equal(t.cts_ms, -40);
    assert_false(t.key);
    assert_int_equal(VIDEO("\x17\x02\x00\x00\x00"), 0);
    assert_int_equal(t.kind, FLV_IGNORED);
    assert_int_equal(VIDEO("\x57\x00"), 0);
    assert_int_equal(t.kind, FLV_IGNORED);
    assert_int_equal(VIDEO("\x17\x01\x00\x00"), ERR_SYNTAX);
    assert_int_equal(VIDEO("\x12zz"), 0);
    assert_int_equal(t.kind, FLV_UNSUPPORTED);
    assert_string_equal(t.name, "h263");
    assert_int_equal(VIDEO(""), 0);
    assert_int_equal(t.kind, FLV_IGNORED);
}

static void test_legacy_audio(void **state)
{
    (void)state;
    assert_int_equal(AUDIO("\xaf\x00\x11\x90"), 0);
    assert_int_equal(t.kind, FLV_CONFIG);
    assert_int_equal(t.len, 2);
    assert_int_equal(AUDIO("\xaf\x01zzz"), 0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(AUDIO("\xaf\x01"), 0);
    assert_int_equal(t.kind, FLV_IGNORED);
    assert_int_equal(AUDIO("\xaf"), ERR_SYNTAX);
    assert_int_equal(AUDIO("\x2fzz"), 0);
    assert_string_equal(t.name, "mp3");
}

static void test_enhanced_video(void **state)
{
    (void)state;
    assert_int_equal(VIDEO("\x90"
                           "avc1zz"),
                     0);
    assert_int_equal(t.kind, FLV_CONFIG);
    assert_int_equal(t.codec, CODEC_H264);
    assert_true(t.enhanced);
    assert_int_equal(t.len, 2);
    assert_int_equal(VIDEO("\x91"
                           "avc1\xff\xff\xd8zz"),
                     0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(t.cts_ms, -40);
    assert_true(t.key);
    assert_int_equal(VIDEO("\xa3"
                           "avc1zz"),
                     0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_false(t.key);
    assert_int_equal(t.len, 2);
    assert_int_equal(VIDEO("\x92"
                           "avc1"),
                     0);
    assert_int_equal(t.kind, FLV_IGNORED);
    assert_int_equal(VIDEO("\x94"
                           "avc1zz"),
                     0);
    assert_int_equal(t.kind, FLV_IGNORED);
    assert_int_equal(VIDEO("\xd1\x00"), 0); /* a command frame */
    assert_int_equal(t.kind, FLV_IGNORED);
    assert_int_equal(VIDEO("\x91"
                           "avc1\x00"),
                     ERR_SYNTAX);
    assert_int_equal(VIDEO("\x90hv"), ERR_SYNTAX);
}

static void test_hevc(void **state)
{
    (void)state;
    assert_int_equal(VIDEO("\x90hvc1zz"), 0);
    assert_int_equal(t.kind, FLV_CONFIG);
    assert_int_equal(t.codec, CODEC_HEVC);
    assert_int_equal(VIDEO("\xa1hvc1\x00\x00\x21zz"), 0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(t.cts_ms, 33);
    assert_int_equal(t.len, 2);
    assert_int_equal(VIDEO("\x93hvc1zz"), 0);
    assert_int_equal(t.cts_ms, 0);
    assert_int_equal(t.len, 2);
}

static void test_enhanced_audio(void **state)
{
    (void)state;
    assert_int_equal(AUDIO("\x90mp4a\x11\x90"), 0);
    assert_int_equal(t.kind, FLV_CONFIG);
    assert_int_equal(t.codec, CODEC_AAC);
    assert_int_equal(AUDIO("\x91mp4azz"), 0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(t.len, 2);
    assert_int_equal(AUDIO("\x94mp4azz"), 0); /* channel layout */
    assert_int_equal(t.kind, FLV_IGNORED);
    assert_int_equal(AUDIO("\x90Opus"), 0);
    assert_int_equal(t.kind, FLV_CONFIG);
    assert_int_equal(t.codec, CODEC_OPUS);
    assert_int_equal(t.len, 0);
    assert_int_equal(AUDIO("\x91Opuszz"), 0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_true(t.key);
}

static void test_unknown_forms_are_skipped(void **state)
{
    (void)state;
    assert_int_equal(VIDEO("\x99"
                           "avc1zz"),
                     0);
    assert_int_equal(t.kind, FLV_SKIPPED);
    assert_string_equal(t.name, "video type 9");
    assert_int_equal(AUDIO("\x93mp4azz"), 0);
    assert_int_equal(t.kind, FLV_SKIPPED);
    assert_string_equal(t.name, "audio type 3");
    assert_int_equal(VIDEO("\x96\x31"
                           "avc1\x00zz"),
                     0);
    assert_string_equal(t.name, "video form 3");
    assert_int_equal(VIDEO("\x96\x06"
                           "avc1\x00zz"),
                     0); /* tracks within tracks */
    assert_int_equal(t.kind, FLV_SKIPPED);
    assert_int_equal(VIDEO("\x9f"), 0);
    assert_string_equal(t.name, "video type 15");
}

static void test_other_codecs_are_named(void **state)
{
    (void)state;
    assert_int_equal(VIDEO("\x90vvc1zz"), 0);
    assert_int_equal(t.kind, FLV_UNSUPPORTED);
    assert_string_equal(t.name, "vvc1");
    assert_int_equal(AUDIO("\x90"
                           "fLaC"),
                     0);
    assert_int_equal(t.kind, FLV_UNSUPPORTED);
    assert_string_equal(t.name, "fLaC");
    /* sound in a picture's message */
    assert_int_equal(VIDEO("\x91mp4azz"), 0);
    assert_int_equal(t.kind, FLV_UNSUPPORTED);
    assert_int_equal(AUDIO("\x91\x01\x02\x03\"zz"), 0);
    assert_string_equal(t.name, "???\"");
}

static void test_modifiers(void **state)
{
    (void)state;
    /* nanoseconds, then a modifier nobody knows, then CodedFramesX */
    assert_int_equal(VIDEO("\x97\x02\x07\xa1\x20\x07\x00x\xf3"
                           "avc1zz"),
                     0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(t.offset_ns, 500000);
    /* a long one: 256 says a 16-bit size follows */
    assert_int_equal(VIDEO("\x97\xff\x00\x01xx\x03"
                           "avc1zz"),
                     0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(VIDEO("\x97\xff\xff\xffxx\x03"
                           "avc1zz"),
                     ERR_SYNTAX);
    assert_int_equal(VIDEO("\x97\x02\xff\xff\xff\x03"
                           "avc1zz"),
                     0);
    assert_int_equal(t.offset_ns, 0);
}

static void test_multitrack(void **state)
{
    static const char one[] = "\x96\x03"
                              "avc1\x02zz";
    static const char many[] = "\x96\x13"
                               "avc1\x00\x00\x00\x02yy\x01\x00\x00"
                               "\x01z";
    static const char codecs[] = "\x96\x23"
                                 "avc1\x00\x00\x00\x02yyvvc1\x01"
                                 "\x00\x00\x01z";
    struct flv_reader r;

    (void)state;
    assert_int_equal(VIDEO(one), 0);
    assert_int_equal(t.track, 2);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(t.len, 2);
    flv_open(&r, TRACK_VIDEO, many, sizeof many - 1);
    assert_int_equal(flv_next(&r, &t), 0);
    assert_int_equal(t.track, 0);
    assert_int_equal(t.len, 2);
    assert_int_equal(flv_next(&r, &t), 0);
    assert_int_equal(t.track, 1);
    assert_int_equal(t.len, 1);
    assert_int_equal(flv_next(&r, &t), ERR_AGAIN);
    flv_open(&r, TRACK_VIDEO, codecs, sizeof codecs - 1);
    assert_int_equal(flv_next(&r, &t), 0);
    assert_int_equal(t.kind, FLV_FRAME);
    assert_int_equal(flv_next(&r, &t), 0);
    assert_int_equal(t.kind, FLV_UNSUPPORTED);
    assert_string_equal(t.name, "vvc1");
    assert_int_equal(flv_next(&r, &t), ERR_AGAIN);
    for (size_t cut = 1; cut < sizeof codecs - 1; cut++) {
        int err = 0;
        flv_open(&r, TRACK_VIDEO, codecs, cut);
        for (int i = 0; i < 5 && !err; i++)
            err = flv_next(&r, &t);
        assert_true(err == ERR_SYNTAX || err == ERR_AGAIN);
    }
}

static void test_tracks_are_counted(void **state)
{
    char bytes[2 + 4 + 100 * 4] = {(char)0x96, 0x13, 'a', 'v', 'c', '1'};
    struct flv_reader r;
    int err = 0, n = 0;

    (void)state;
    flv_open(&r, TRACK_VIDEO, bytes, sizeof bytes);
    while (!(err = flv_next(&r, &t)))
        n++;
    assert_int_equal(err, ERR_LIMIT);
    assert_int_equal(n, FLV_TRACKS_MAX);
    assert_int_equal(flv_next(&r, &t), ERR_AGAIN);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_legacy_video),
    cmocka_unit_test(test_legacy_audio),
    cmocka_unit_test(test_enhanced_video),
    cmocka_unit_test(test_hevc),
    cmocka_unit_test(test_enhanced_audio),
    cmocka_unit_test(test_other_codecs_are_named),
    cmocka_unit_test(test_unknown_forms_are_skipped),
    cmocka_unit_test(test_modifiers),
    cmocka_unit_test(test_multitrack),
    cmocka_unit_test(test_tracks_are_counted),
};
HARNESS_MAIN(tests)
