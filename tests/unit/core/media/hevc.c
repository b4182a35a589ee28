#include "core/media/hevc.h"

#include <string.h>

#include "core/base/err.h"
#include "tests/harness.h"

/* x265, 320x180 at 30, two B-frames */
static const uint8_t hvcc[] = {
    0x01, 0x01, 0x60, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x3c, 0xf0, 0x00, 0xfc, 0xfd, 0xf8, 0xf8, 0x00, 0x00, 0x0f, 0x03, 0xa0,
    0x00, 0x01, 0x00, 0x18, 0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60,
    0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3c, 0x95, 0x90, 0x09, 0xa1, 0x00, 0x01, 0x00, 0x2b, 0x42, 0x01, 0x01,
    0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00,
    0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f, 0x3e, 0x59, 0x59, 0x12,
    0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x3c, 0x10, 0xa2, 0x00, 0x01, 0x00, 0x06, 0x44, 0x01, 0xc0,
    0x73, 0xc1, 0x89};

static void test_what_a_record_says(void **state)
{
    char text[HEVC_CODEC_TEXT];
    struct hevc_params p;
    struct hevc_sps s;

    (void)state;
    assert_int_equal(hevc_hvcc_parse(&p, hvcc, sizeof hvcc), 0);
    assert_int_equal(p.length_size, 4);
    for (int k = 0; k < HEVC_SET_KINDS; k++)
        assert_int_equal(p.count[k], 1);
    assert_int_equal(hevc_sps_parse(&s, p.sets[1][0].data, p.sets[1][0].len),
                     0);
    assert_int_equal(s.width, 320);
    assert_int_equal(s.height, 180);
    assert_int_equal(s.fps_num, 30);
    assert_int_equal(s.fps_den, 1);
    assert_int_equal(s.bit_depth, 8);
    assert_int_equal(s.chroma_format, 1);
    assert_in_range(s.reorder_frames, 1, 2);
    assert_int_equal(hevc_codec_text(text, hvcc, sizeof hvcc), 0);
    assert_string_equal(text, "hvc1.1.6.L60.90");
    assert_int_equal(hevc_codec_text(text, hvcc, 20), ERR_SYNTAX);
}

static void test_a_record_is_written_as_it_was(void **state)
{
    struct hevc_params p;
    struct builder b;

    (void)state;
    assert_int_equal(hevc_hvcc_parse(&p, hvcc, sizeof hvcc), 0);
    builder_init(&b, 4096);
    hevc_hvcc_write(&b, &p);
    if (!b.err) {
        assert_int_equal(b.len, sizeof hvcc);
        assert_memory_equal(builder_data(&b), hvcc, sizeof hvcc);
    }
    builder_release(&b);
}

static void test_cut_short(void **state)
{
    struct hevc_params p, whole;
    struct hevc_sps s;

    (void)state;
    for (size_t cut = 0; cut < sizeof hvcc; cut++)
        assert_true(hevc_hvcc_parse(&p, hvcc, cut) != 0);
    assert_int_equal(hevc_hvcc_parse(&whole, hvcc, sizeof hvcc), 0);
    for (size_t cut = 0; cut + 16 < whole.sets[1][0].len; cut++)
        assert_true(hevc_sps_parse(&s, whole.sets[1][0].data, cut) != 0);
}

static void test_sets_of_one_id_replace_each_other(void **state)
{
    struct hevc_params p;
    uint8_t pps[] = {0x44, 0x01, 0x40, 0x73}; /* id 1 */

    (void)state;
    assert_int_equal(hevc_hvcc_parse(&p, hvcc, sizeof hvcc), 0);
    assert_int_equal(hevc_params_add(&p, p.sets[2][0]), 0);
    assert_int_equal(p.count[2], 1);
    assert_int_equal(hevc_params_add(&p, (struct nal){pps, sizeof pps}), 0);
    assert_int_equal(p.count[2], 2);
    pps[0] = 0x26;
    assert_int_equal(hevc_params_add(&p, (struct nal){pps, sizeof pps}),
                     ERR_SYNTAX);
}

static void test_units(void **state)
{
    /* delimiter, an IDR slice, a slice of another layer */
    static const uint8_t unit[] = {0, 0, 0, 3, 0x46, 1, 0x50, 0, 0, 0, 4, 0x26,
                                   1, 7, 8, 0, 0,    0, 4,    2, 9, 7, 8};
    static const uint8_t clean[] = {0, 0, 0, 4, 0x26, 1, 7, 8};
    struct hevc_unit u;
    struct builder b;

    (void)state;
    assert_int_equal(hevc_scan(&u, 4, unit, sizeof unit), 0);
    assert_true(u.irap);
    assert_int_equal(u.slices, 1);
    assert_int_equal(u.scan.dropped, 2);
    assert_false(u.scan.clean);
    builder_init(&b, 4096);
    nal_repack(&b, 4, unit, sizeof unit, hevc_drops);
    if (!b.err) {
        assert_int_equal(b.len, sizeof clean);
        assert_memory_equal(builder_data(&b), clean, sizeof clean);
    }
    builder_release(&b);
    assert_int_equal(hevc_scan(&u, 4, clean, sizeof clean), 0);
    assert_true(u.scan.clean);
    assert_int_equal(hevc_scan(&u, 4, clean, sizeof clean - 1), ERR_SYNTAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_a_record_says),
    cmocka_unit_test(test_a_record_is_written_as_it_was),
    cmocka_unit_test(test_cut_short),
    cmocka_unit_test(test_sets_of_one_id_replace_each_other),
    cmocka_unit_test(test_units),
};
HARNESS_MAIN(tests)
