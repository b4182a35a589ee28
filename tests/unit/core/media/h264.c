#include "tests/harness.h"

#include "core/base/err.h"
#include "core/media/h264.h"

static const uint8_t sps[] = {0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0,
                              0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03,
                              0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c,
                              0x0f, 0x16, 0x2e, 0x48};
static const uint8_t high_sps[] = {0x67, 0x64, 0x00, 0x2a, 0xac, 0xd9, 0x40,
                                   0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00,
                                   0x00, 0x0f, 0xa4, 0x00, 0x07, 0x53, 0x00,
                                   0x3c, 0x60, 0xc6, 0x58};
static const uint8_t pps[] = {0x68, 0xcb, 0x83, 0xcb, 0x20};

static struct h264_params params_of(const uint8_t *set, size_t len)
{
    struct h264_params p = {.length_size = 4, .sps_count = 1, .pps_count = 1};

    p.sps[0] = (struct nal){set, len};
    p.pps[0] = (struct nal){pps, sizeof pps};
    return p;
}

static void test_avcc_there_and_back(void **state)
{
    struct h264_params p = params_of(sps, sizeof sps), q;
    struct builder b;
    struct buf *out = NULL;
    char text[H264_CODEC_TEXT];

    (void)state;
    builder_init(&b, 4096);
    h264_avcc_write(&b, &p);
    if (builder_seal(&b, &out)) return;
    assert_int_equal(buf_len(out), 7 + 2 + sizeof sps + 2 + sizeof pps);
    assert_int_equal(buf_data(out)[4], 0xff);
    assert_int_equal(buf_data(out)[5], 0xe1);
    assert_int_equal(h264_avcc_parse(&q, buf_data(out), buf_len(out)), 0);
    assert_int_equal(q.length_size, 4);
    assert_int_equal(q.sps_count, 1);
    assert_int_equal(q.pps_count, 1);
    assert_memory_equal(q.sps[0].data, sps, sizeof sps);
    assert_memory_equal(q.pps[0].data, pps, sizeof pps);
    h264_codec_text(text, q.sps[0]);
    assert_string_equal(text, "avc1.42c01e");
    for (size_t cut = 0; cut < buf_len(out); cut++)
        assert_true(h264_avcc_parse(&q, buf_data(out), cut) < 0);
    buf_unref(&out);
}

static void test_avcc_of_high_profile_carries_its_extension(void **state)
{
    struct h264_params p = params_of(high_sps, sizeof high_sps);
    static const uint8_t want[] = {0xfd, 0xf8, 0xf8, 0x00};
    struct builder b;
    struct buf *out = NULL;

    (void)state;
    builder_init(&b, 4096);
    h264_avcc_write(&b, &p);
    if (builder_seal(&b, &out)) return;
    assert_memory_equal(buf_data(out) + buf_len(out) - 4, want, 4);
    buf_unref(&out);
}

static void test_avcc_without_sets(void **state)
{
    struct h264_params p;
    static const uint8_t none[] = {1, 66, 0, 30, 0xff, 0xe0, 0};
    static const uint8_t odd[] = {1, 66, 0, 30, 0xfe, 0xe0, 0};

    (void)state;
    assert_int_equal(h264_avcc_parse(&p, none, sizeof none), ERR_NOTFOUND);
    assert_int_equal(h264_avcc_parse(&p, odd, sizeof odd), ERR_SYNTAX);
}

/* AUD, in-band sets, an empty NAL, filler, IDR: what is left is the IDR. */
static void test_repack_keeps_only_pictures(void **state)
{
    uint8_t unit[256];
    struct builder in, b;
    struct buf *out = NULL;
    struct h264_unit u;
    static const uint8_t idr[] = {0x65, 0x88, 1, 2, 3};
    size_t n = 0;

    (void)state;
    builder_init(&in, sizeof unit);
    builder_u32(&in, 2);
    builder_u16(&in, 0x09f0);
    builder_u32(&in, sizeof sps);
    builder_bytes(&in, sps, sizeof sps);
    builder_u32(&in, sizeof pps);
    builder_bytes(&in, pps, sizeof pps);
    builder_u32(&in, 0);
    builder_u32(&in, 2);
    builder_u16(&in, 0x0cff);
    builder_u32(&in, sizeof idr);
    builder_bytes(&in, idr, sizeof idr);
    if (builder_seal(&in, &out)) return;
    n = buf_len(out);
    memcpy(unit, buf_data(out), n);
    buf_unref(&out);

    assert_int_equal(h264_scan(&u, 4, unit, n), 0);
    assert_true(u.idr);
    assert_false(u.scan.clean);
    assert_int_equal(u.slices, 1);
    assert_int_equal(u.scan.dropped, 4);
    assert_int_equal(u.params.sps_count, 1);
    assert_int_equal(u.params.pps_count, 1);

    builder_init(&b, 4096);
    nal_repack(&b, 4, unit, n, h264_drops);
    if (builder_seal(&b, &out)) return;
    assert_int_equal(buf_len(out), 4 + sizeof idr);
    assert_int_equal(h264_scan(&u, 4, buf_data(out), buf_len(out)), 0);
    assert_true(u.scan.clean);

    struct h264_params p = params_of(sps, sizeof sps);
    struct buf *annexb = NULL;
    builder_init(&b, 4096);
    h264_to_annexb(&b, &p, buf_data(out), buf_len(out));
    buf_unref(&out);
    if (builder_seal(&b, &annexb)) return;
    assert_int_equal(buf_len(annexb),
                     12 + sizeof sps + sizeof pps + sizeof idr);
    assert_int_equal(
        h264_scan(&u, NAL_ANNEXB, buf_data(annexb), buf_len(annexb)), 0);
    assert_true(u.idr);
    assert_int_equal(u.params.sps_count, 1);
    buf_unref(&annexb);
}

static void test_scan_refuses_cut_units(void **state)
{
    static const uint8_t cut[] = {0, 0, 0, 9, 0x65, 1};
    static const uint8_t bad[] = {0, 0, 0, 2, 0xe5, 1};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0x65};
    struct h264_unit u;

    (void)state;
    assert_int_equal(h264_scan(&u, 4, cut, sizeof cut), ERR_SYNTAX);
    assert_int_equal(h264_scan(&u, 4, bad, sizeof bad), ERR_SYNTAX);
    assert_int_equal(h264_scan(&u, 4, huge, sizeof huge), ERR_SYNTAX);
    assert_int_equal(h264_scan(&u, 4, "", 0), 0);
    assert_int_equal(u.slices, 0);
}

static void test_recovery_point_is_seen(void **state)
{
    static const uint8_t sei[] = {0, 0,    0,    9, 6, 5, 2, 1,    2,   6,
                                  1, 0xc0, 0x80, 0, 0, 0, 2, 0x41, 0x9a};
    struct h264_unit u;

    (void)state;
    assert_int_equal(h264_scan(&u, 4, sei, sizeof sei), 0);
    assert_true(u.recovery);
    assert_false(u.idr);
    assert_true(u.scan.clean);
}

static void test_sets_of_one_id_replace_each_other(void **state)
{
    struct h264_params p = {0};
    struct nal a = {sps, sizeof sps}, b = {high_sps, sizeof high_sps};

    (void)state;
    assert_int_equal(h264_params_add(&p, a), 0);
    assert_int_equal(h264_params_add(&p, a), 0);
    assert_int_equal(p.sps_count, 1);
    assert_int_equal(h264_params_add(&p, b), 0);
    assert_int_equal(p.sps_count, 1);
    assert_ptr_equal(p.sps[0].data, high_sps);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_avcc_there_and_back),
    cmocka_unit_test(test_avcc_of_high_profile_carries_its_extension),
    cmocka_unit_test(test_avcc_without_sets),
    cmocka_unit_test(test_repack_keeps_only_pictures),
    cmocka_unit_test(test_scan_refuses_cut_units),
    cmocka_unit_test(test_recovery_point_is_seen),
    cmocka_unit_test(test_sets_of_one_id_replace_each_other),
};
HARNESS_MAIN(tests)
