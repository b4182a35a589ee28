#include "ingest/av1.h"

#include <string.h>

#include "core/base/err.h"
#include "tests/harness.h"

static const uint8_t av1c[] = {0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b,
                               0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe,
                               0xcc, 0x02, 0xf8, 0x00, 0x40};
static const uint8_t key[] = {0x12, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00,
                              0x04, 0x3c, 0xfe, 0xcc, 0xfb, 0xf9, 0x00,
                              0x40, 0x32, 0x04, 0x14, 0x00, 0xa4, 0x78};

static int feed(struct av1_source *a, struct avc_unit *u)
{
    struct buf *made;
    int err = buf_create(&made, key, sizeof key);

    if (err) return err;
    struct slice in = slice_take(&made);
    err = av1_source_unit(a, in, u);
    slice_unref(&in);
    return err;
}

/* What the keyframe carries goes before the record's header. */
static void test_the_header_in_band_is_believed(void **state)
{
    struct av1_source a = {0};
    struct avc_unit u = {0};
    bool changed = false;
    int err = feed(&a, &u);

    (void)state;
    if (err == ERR_NOMEM) goto out;
    assert_int_equal(err, ERR_ORDER);
    if (av1_source_config(&a, av1c, sizeof av1c, &changed)) goto out;
    assert_true(changed);
    assert_int_equal(buf_len(a.config), sizeof av1c);
    assert_memory_equal(buf_data(a.config), av1c, sizeof av1c);
    for (int i = 0; i < 2; i++) {
        if (feed(&a, &u)) goto out;
        assert_true(u.key);
        assert_int_equal(u.changed, i == 0);
        assert_int_equal(u.payload.len, sizeof key - 2);
        slice_unref(&u.payload);
    }
    assert_memory_equal(buf_data(a.config) + 6, key + 4, 11);
    /* the same record once more says nothing new */
    if (av1_source_config(&a, av1c, sizeof av1c, &changed)) goto out;
    assert_false(changed);
    assert_memory_equal(buf_data(a.config) + 6, key + 4, 11);
out:
    av1_source_release(&a);
}

static void test_a_record_without_a_header(void **state)
{
    struct av1_source a = {0};
    struct avc_unit u = {0};
    bool changed = false;

    (void)state;
    assert_int_equal(av1_source_config(&a, av1c, 4, &changed), ERR_NOTFOUND);
    assert_null(a.config);
    if (!feed(&a, &u)) {
        assert_true(u.changed);
        assert_int_equal(buf_len(a.config), sizeof av1c);
        slice_unref(&u.payload);
    }
    av1_source_release(&a);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_header_in_band_is_believed),
    cmocka_unit_test(test_a_record_without_a_header),
};
HARNESS_MAIN(tests)
