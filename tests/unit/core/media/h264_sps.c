#include "tests/harness.h"

#include "core/base/err.h"
#include "core/media/h264_sps.h"

/* What x264 0.164 really wrote for these inputs, and hand-made odd ones. */
struct expected {
    const char *hex;
    uint32_t width, height, shown_width;
    uint32_t fps_num, fps_den;
    int reorder;
    uint32_t profile, level, depth;
};

static const struct expected cases[] = {
    /* ultrafast, zerolatency: emulation prevention inside the VUI */
    {"6742c01fda014016ec0440000003004000000f23c60ca8", 1280, 720, 1280, 30, 1,
     0, 66, 31, 8},
    /* 1080 lines are 1088 cropped; NTSC rate */
    {"6764002aacd940780227e5c04400000fa4000753003c60c658", 1920, 1080, 1920,
     60000, 1001, 2, 100, 42, 8},
    /* anamorphic PAL, SAR 64:45 */
    {"674d401eeca05a0937fe0080005a20000003002000000641e2c5b2c0", 720, 576, 1024,
     25, 1, 2, 77, 30, 8},
    {"676e001ea6cd980a02ff97011000000300100000030300f162d9a0", 640, 360, 640,
     24, 1, 2, 110, 30, 10},
    /* 4:4:4 with odd cropping */
    {"67f40032919b300f0044f7178088000003000800000301e078c18cd0", 1918, 1078,
     1918, 30, 1, 2, 244, 50, 8},
    {"6742c01ed900a02ff970110000030001000003003c0f162e48", 640, 360, 640, 30, 1,
     0, 66, 30, 8},
    /* no VUI at all: 320x240 baseline */
    {"6742001ef40a0fc8", 320, 240, 320, 0, 0, 0, 66, 30, 8},
};

static size_t from_hex(uint8_t *out, const char *hex)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return n;
}

static void test_real_parameter_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct expected *want = &cases[i];
        uint8_t bytes[128];
        struct h264_sps s;
        uint32_t w, h;
        size_t n = from_hex(bytes, want->hex);
        assert_int_equal(h264_sps_parse(&s, bytes, n), 0);
        assert_int_equal(s.width, want->width);
        assert_int_equal(s.height, want->height);
        h264_sps_display(&s, &w, &h);
        assert_int_equal(w, want->shown_width);
        assert_int_equal(h, want->height);
        assert_int_equal(s.fps_num, want->fps_num);
        assert_int_equal(s.fps_den, want->fps_den);
        assert_int_equal(s.reorder_frames, want->reorder);
        assert_int_equal(s.profile, want->profile);
        assert_int_equal(s.level, want->level);
        assert_int_equal(s.bit_depth, want->depth);
        assert_false(s.interlaced);
    }
}

static void test_interlaced(void **state)
{
    uint8_t bytes[64];
    struct h264_sps s;
    size_t n =
        from_hex(bytes, "6764001eacd940b47b6022000007d20001d4c03e28532c");

    (void)state;
    assert_int_equal(h264_sps_parse(&s, bytes, n), 0);
    assert_true(s.interlaced);
    assert_int_equal(s.width, 720);
    assert_int_equal(s.height, 480);
    assert_int_equal(s.fps_num, 30000);
    assert_int_equal(s.fps_den, 1001);
}

static void test_any_cut_is_handled(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[128];
        struct h264_sps s;
        size_t n = from_hex(bytes, cases[i].hex);
        for (size_t cut = 0; cut < n; cut++) {
            uint8_t *exact = malloc(cut ? cut : 1);
            if (!exact) return;
            memcpy(exact, bytes, cut);
            int err = h264_sps_parse(&s, exact, cut);
            /* a cut inside the VUI keeps the size */
            if (!err) assert_int_equal(s.height, cases[i].height);
            free(exact);
        }
    }
}

static void test_nonsense_is_refused(void **state)
{
    static uint8_t big[5000] = {0x67};
    struct h264_sps s = {.width = 7};
    uint8_t ff[40];

    (void)state;
    memset(ff, 0xff, sizeof ff);
    assert_int_equal(h264_sps_parse(&s, "", 0), ERR_SYNTAX);
    assert_int_equal(h264_sps_parse(&s, "\x68\x42\x00\x1e\xf4", 5), ERR_SYNTAX);
    assert_int_equal(h264_sps_parse(&s, ff, sizeof ff), ERR_SYNTAX);
    assert_int_equal(h264_sps_parse(&s, big, sizeof big), ERR_LIMIT);
    big[1] = 66;
    assert_true(h264_sps_parse(&s, big, 4000) < 0);
    assert_int_equal(s.width, 7);
    /* scaling lists with the largest steps there are */
    static const char steps[] = "676400"
                                "29ffffffffffffffffffffffff24ffffff046700ff0000"
                                "0000ffffff0010ff5611";
    size_t n = from_hex(ff, steps);
    assert_true(h264_sps_parse(&s, ff, n) < 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_real_parameter_sets),
    cmocka_unit_test(test_interlaced),
    cmocka_unit_test(test_any_cut_is_handled),
    cmocka_unit_test(test_nonsense_is_refused),
};
HARNESS_MAIN(tests)
