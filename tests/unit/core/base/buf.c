#include "tests/harness.h"

#include "core/base/buf.h"
#include "core/base/err.h"

static void test_builder_seals_what_was_written(void **state)
{
    struct builder b;
    struct buf *out = NULL;
    static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 0, 0, 0, 9, 'h', 'i', '7'};

    (void)state;
    builder_init(&b, 1000);
    builder_u8(&b, 1);
    builder_u16(&b, 0x0203);
    builder_u24(&b, 0x040506);
    builder_u32(&b, 0);
    builder_text(&b, "hi");
    builder_printf(&b, "%d", 7);
    builder_patch_u32(&b, 6, 9);
    assert_int_equal(builder_seal(&b, &out), 0);
    assert_int_equal(buf_len(out), sizeof want);
    assert_memory_equal(buf_data(out), want, sizeof want);
    buf_unref(&out);
    assert_null(out);
}

static void test_builder_stops_at_its_limit(void **state)
{
    struct builder b;
    struct buf *out = NULL;

    (void)state;
    builder_init(&b, 4);
    builder_u32(&b, 1);
    builder_u8(&b, 2);
    assert_int_equal(builder_seal(&b, &out), ERR_LIMIT);
    assert_null(out);
}

static void test_printf_longer_than_its_scratch(void **state)
{
    struct builder b;
    struct buf *out = NULL;

    (void)state;
    builder_init(&b, 4096);
    builder_printf(&b, "%0900d", 1);
    assert_int_equal(builder_seal(&b, &out), 0);
    assert_int_equal(buf_len(out), 900);
    assert_int_equal(buf_data(out)[899], '1');
    buf_unref(&out);
}

static void test_slices_share(void **state)
{
    struct buf *b = NULL;

    (void)state;
    size_t before = buf_total_bytes();
    assert_int_equal(buf_create(&b, "abcdef", 6), 0);
    struct slice s = slice_of(b, 2, 3);
    struct slice t = slice_ref(s);
    buf_unref(&b);
    slice_unref(&s);
    assert_memory_equal(t.data, "cde", 3);
    slice_unref(&t);
    assert_int_equal(buf_total_bytes(), before);
}

static void test_process_limit_refuses(void **state)
{
    struct buf *b = NULL;

    (void)state;
    buf_set_limit(buf_total_bytes() + 10);
    assert_int_equal(buf_create(&b, "0123456789ab", 12), ERR_NOMEM);
    assert_null(b);
    buf_set_limit((size_t)4 << 30);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_builder_seals_what_was_written),
    cmocka_unit_test(test_builder_stops_at_its_limit),
    cmocka_unit_test(test_printf_longer_than_its_scratch),
    cmocka_unit_test(test_slices_share),
    cmocka_unit_test(test_process_limit_refuses),
};
HARNESS_MAIN(tests)
