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

static void test_enhanced_is_recognised(void **state)
{
    (void)state;
    assert_int_equal(VIDEO("\x90hvc1zz"), 0);
    assert_int_equal(t.kind, FLV_UNSUPPORTED);
    assert_true(t.enhanced);
    assert_string_equal(t.name, "hvc1");
    assert_int_equal(VIDEO("\x96\x01zz"), 0);
    assert_string_equal(t.name, "multitrack");
    assert_int_equal(VIDEO("\x97\x01zz"), 0);
    assert_string_equal(t.name, "modex");
    assert_int_equal(VIDEO("\x90hv"), ERR_SYNTAX);
    assert_int_equal(AUDIO("\x90Opus"), 0);
    assert_string_equal(t.name, "Opus");
    assert_int_equal(AUDIO("\x91\x01\x02\x03\"zz"), 0);
    assert_string_equal(t.name, "???\"");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_legacy_video),
    cmocka_unit_test(test_legacy_audio),
    cmocka_unit_test(test_enhanced_is_recognised),
};
HARNESS_MAIN(tests)
