#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/avc.h"

static const uint8_t sps[] = {0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0,
                              0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03,
                              0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c,
                              0x0f, 0x16, 0x2e, 0x48};
static const uint8_t other_sps[] = {0x67, 0x42, 0x00, 0x1e,
                                    0xf4, 0x0a, 0x0f, 0xc8};
static const uint8_t pps[] = {0x68, 0xcb, 0x83, 0xcb, 0x20};
static const uint8_t idr[] = {0x65, 0x88, 1, 2, 3};
static const uint8_t slice_p[] = {0x41, 0x9a, 4};

static void put(struct builder *b, const uint8_t *nal, size_t len)
{
    builder_u32(b, (uint32_t)len);
    builder_bytes(b, nal, len);
}

static int seal(struct builder *b, struct slice *out)
{
    struct buf *made;
    int err = builder_seal(b, &made);

    if (!err) *out = slice_take(&made);
    return err;
}

static void test_clean_unit_is_not_copied(void **state)
{
    struct avc_source a = {.framing = 4};
    struct avc_unit u;
    struct builder b;
    struct slice in;
    bool changed = false;
    struct h264_params p = {.sps_count = 1, .pps_count = 1};

    (void)state;
    p.sps[0] = (struct nal){sps, sizeof sps};
    p.pps[0] = (struct nal){pps, sizeof pps};
    builder_init(&b, 4096);
    h264_avcc_write(&b, &p);
    if (seal(&b, &in)) return;
    int err = avc_source_config(&a, in.data, in.len, &changed);
    if (!err) {
        assert_true(changed);
        assert_int_equal(avc_source_config(&a, in.data, in.len, &changed), 0);
        assert_false(changed);
    }
    slice_unref(&in);
    if (err) return;
    builder_init(&b, 4096);
    put(&b, slice_p, sizeof slice_p);
    if (!seal(&b, &in)) {
        assert_int_equal(avc_source_unit(&a, in, false, &u), 0);
        assert_ptr_equal(u.payload.data, in.data);
        assert_false(u.key);
        slice_unref(&u.payload);
        slice_unref(&in);
    }
    avc_source_release(&a);
}

static void test_sets_in_band_make_the_config(void **state)
{
    struct avc_source a = {.framing = 4};
    struct avc_unit u = {0};
    struct builder b;
    struct slice in;

    (void)state;
    builder_init(&b, 4096);
    put(&b, slice_p, sizeof slice_p);
    if (seal(&b, &in)) return;
    assert_int_equal(avc_source_unit(&a, in, false, &u), ERR_ORDER);
    slice_unref(&in);

    builder_init(&b, 4096);
    put(&b, sps, sizeof sps);
    put(&b, pps, sizeof pps);
    put(&b, idr, sizeof idr);
    if (seal(&b, &in)) return;
    int err = avc_source_unit(&a, in, true, &u);
    slice_unref(&in);
    if (err) return;
    assert_true(u.changed && u.key);
    assert_int_equal(u.payload.len, 4 + sizeof idr);
    slice_unref(&u.payload);

    builder_init(&b, 4096);
    put(&b, other_sps, sizeof other_sps);
    put(&b, pps, sizeof pps);
    put(&b, idr, sizeof idr);
    if (!seal(&b, &in)) {
        err = avc_source_unit(&a, in, true, &u);
        if (!err) {
            assert_true(u.changed);
            slice_unref(&u.payload);
        }
        slice_unref(&in);
    }
    avc_source_release(&a);
}

static void test_start_codes_where_lengths_belong(void **state)
{
    struct avc_source a = {.framing = 4};
    struct avc_unit u = {0};
    struct builder b;
    struct slice in;

    (void)state;
    builder_init(&b, 4096);
    builder_u32(&b, 1);
    builder_bytes(&b, sps, sizeof sps);
    builder_u32(&b, 1);
    builder_bytes(&b, pps, sizeof pps);
    builder_u32(&b, 1);
    builder_bytes(&b, idr, sizeof idr);
    if (seal(&b, &in)) return;
    int err = avc_source_unit(&a, in, true, &u);
    slice_unref(&in);
    if (!err) {
        assert_int_equal(u.payload.len, 4 + sizeof idr);
        assert_int_equal(u.payload.data[3], sizeof idr);
        slice_unref(&u.payload);
    }
    avc_source_release(&a);
}

static void test_units_without_pictures_are_empty(void **state)
{
    struct avc_source a = {.framing = 4};
    struct avc_unit u = {0};
    struct slice nothing = {0};

    (void)state;
    assert_int_equal(avc_source_unit(&a, nothing, false, &u), 0);
    assert_int_equal(u.payload.len, 0);
    struct slice cut = {NULL, (const uint8_t *)"\0\0\0\x09\x65", 5};
    assert_int_equal(avc_source_unit(&a, cut, false, &u), ERR_SYNTAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_clean_unit_is_not_copied),
    cmocka_unit_test(test_sets_in_band_make_the_config),
    cmocka_unit_test(test_start_codes_where_lengths_belong),
    cmocka_unit_test(test_units_without_pictures_are_empty),
};
HARNESS_MAIN(tests)
