#include "core/media/nal.h"

#include <string.h>

#include "core/base/err.h"
#include "tests/harness.h"

static void test_annexb_walk(void **state)
{
    static const uint8_t data[] = {0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1, 0, 0,
                                   3, 0, 0, 0, 0, 1,    0, 0, 1, 0x41, 7, 0};
    struct reader r = reader_of(data, sizeof data);
    struct nal n;

    (void)state;
    assert_true(nal_next_annexb(&r, &n));
    assert_int_equal(n.len, 2);
    assert_true(nal_next_annexb(&r, &n));
    assert_int_equal(n.data[0], 0x65);
    assert_int_equal(n.len, 5); /* its trailing zeros belong to nobody */
    assert_true(nal_next_annexb(&r, &n)); /* the empty one was skipped */
    assert_int_equal(n.data[0], 0x41);
    assert_int_equal(n.len, 2);
    assert_false(nal_next_annexb(&r, &n));
}

static bool drops_nines(struct nal n)
{
    return n.data[0] == 9;
}

static int count(struct nal n, void *arg)
{
    (void)n;
    return ++*(int *)arg > 2 ? ERR_RANGE : 0;
}

static void test_scan_says_what_is_to_be_done(void **state)
{
    static const uint8_t sized[] = {0, 0, 0, 1, 9, 0, 0, 0, 2, 0x65, 1};
    static const uint8_t short_one[] = {0, 0, 0, 3, 9, 9};
    static const uint8_t forbidden[] = {0, 0, 0, 1, 0x89};
    struct nal_scan scan;
    int seen = 0;

    (void)state;
    assert_int_equal(
        nal_scan(&scan, 4, sized, sizeof sized, drops_nines, count, &seen), 0);
    assert_int_equal(seen, 2);
    assert_int_equal(scan.dropped, 1);
    assert_false(scan.clean);
    seen = 0;
    assert_int_equal(
        nal_scan(&scan, 4, sized + 5, 6, drops_nines, count, &seen), 0);
    assert_true(scan.clean);
    assert_int_equal(nal_scan(&scan, 4, short_one, sizeof short_one,
                              drops_nines, count, &seen),
                     ERR_SYNTAX);
    assert_int_equal(nal_scan(&scan, 4, forbidden, sizeof forbidden,
                              drops_nines, count, &seen),
                     ERR_SYNTAX);
    seen = 2; /* what the codec says ends it */
    assert_int_equal(
        nal_scan(&scan, 4, sized, sizeof sized, drops_nines, count, &seen),
        ERR_RANGE);
}

static void test_payload_is_what_is_left(void **state)
{
    static const uint8_t annexb[] = {0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1};
    static const uint8_t want[] = {0, 0, 0, 2, 0x65, 1};
    struct slice in = {NULL, annexb, sizeof annexb}, out;
    struct nal n = {want + 4, 2};
    struct builder b;

    (void)state;
    if (!nal_payload(&out, NAL_ANNEXB, in, drops_nines)) {
        assert_int_equal(out.len, sizeof want);
        assert_memory_equal(out.data, want, sizeof want);
        slice_unref(&out);
    }
    builder_init(&b, 64);
    nal_put_annexb(&b, n);
    if (!b.err) assert_memory_equal(builder_data(&b), "\0\0\0\1\x65\1", 6);
    builder_release(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_annexb_walk),
    cmocka_unit_test(test_scan_says_what_is_to_be_done),
    cmocka_unit_test(test_payload_is_what_is_left),
};
HARNESS_MAIN(tests)
