#include "packager/fmp4.h"

#include "core/base/err.h"
#include "packager/boxes.h"
#include "tests/harness.h"

static void test_chunk(void **state)
{
    const struct fmp4_sample samples[] = {
        {3000, 5, 3000, true}, {3000, 7, -3000, false}, {3100, 1, 0, false}};
    struct fmp4_chunk c = {.sequence = 9,
                           .dts = 0x123456789ab,
                           .begins_segment = true,
                           .video = true,
                           .captured_wall_us = 1700000000123456,
                           .samples = samples,
                           .count = 3};
    struct boxes_init init = {.track_count = 1, .tracks = {{.id = 1}}};
    struct boxes_fragment f = {0};
    struct builder b;

    (void)state;
    builder_init(&b, 4096);
    fmp4_chunk_head(&b, &c);
    builder_bytes(&b, "0123456789abc", 13);
    int err = b.err;
    if (!err) err = boxes_read_fragment(&f, &init, builder_data(&b), b.len);
    builder_release(&b);
    assert_int_equal(err, 0);
    assert_int_equal(f.dts, 0x123456789ab);
    assert_int_equal(f.duration, 9100);
    assert_int_equal(f.first_pts, 0x123456789ab + 3000);
    assert_int_equal(f.samples, 3);
    assert_int_equal(f.sample_bytes, 13);
    assert_int_equal(f.mdat_bytes, 13);
    assert_int_equal(f.first_sequence, 9);
    assert_true(f.has_styp && f.has_prft && f.base_is_moof && f.first_is_sync);
}

static int clean(const void *data, size_t len, struct slice *out, int max,
                 int *n)
{
    struct slice s = {NULL, data, len};

    return fmp4_clean_avc(out, max, n, &s);
}

static void test_cleaning(void **state)
{
    static const uint8_t sound[] = {0, 0, 0, 2, 0x65, 1, 0, 0, 0, 1, 0x41};
    static const uint8_t dirty[] = {0, 0, 0, 2, 0x09, 0x10,    /* delimiter */
                                    0, 0, 0, 3, 0x67, 1,    2, /* SPS */
                                    0, 0, 0, 1, 0x06,          /* SEI */
                                    0, 0, 0, 0,                /* empty */
                                    0, 0, 0, 2, 0x65, 7,       /* IDR */
                                    0, 0, 0, 2, 0x0c, 0xff};   /* filler */
    struct slice out[8];
    int n;

    (void)state;
    assert_int_equal(clean(sound, sizeof sound, out, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_ptr_equal(out[0].data, sound);
    assert_int_equal(out[0].len, sizeof sound);
    assert_int_equal(clean(dirty, sizeof dirty, out, 8, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(out[0].len, 5);
    assert_int_equal(out[0].data[4], 0x06);
    assert_int_equal(out[1].len, 6);
    assert_int_equal(out[1].data[4], 0x65);
    assert_int_equal(clean(dirty, sizeof dirty, out, 1, &n), ERR_LIMIT);
    assert_int_equal(clean(sound, sizeof sound - 1, out, 8, &n), ERR_SYNTAX);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].len, 6);
    assert_int_equal(clean("", 0, out, 8, &n), 0);
    assert_int_equal(n, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_chunk),
    cmocka_unit_test(test_cleaning),
};
HARNESS_MAIN(tests)
