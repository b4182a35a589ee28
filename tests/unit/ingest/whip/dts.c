#include "tests/harness.h"

#include "ingest/whip/dts.h"

enum { FRAME = 40000 };

static void test_order_of_showing(void **state)
{
    struct whip_dts d;
    bool deeper;

    (void)state;
    whip_dts_init(&d);
    whip_dts_depth(&d, -1);
    for (int64_t i = 0; i < 100; i++) {
        assert_int_equal(whip_dts_next(&d, i * FRAME, &deeper), i * FRAME);
        assert_false(deeper);
    }
}

/* I P B B, in groups of three, with the SPS's word and without. */
static void check(int depth, int settled)
{
    static const int order[] = {3, 1, 2};
    struct whip_dts d;
    bool deeper;
    int64_t last, grew = 0;

    whip_dts_init(&d);
    whip_dts_depth(&d, depth);
    last = whip_dts_next(&d, 0, &deeper);
    for (int64_t i = 0; i < 99; i++) {
        int64_t pts = (i / 3 * 3 + order[i % 3]) * FRAME;
        int64_t dts = whip_dts_next(&d, pts, &deeper);
        assert_true(dts > last);
        if (i >= settled) {
            assert_true(dts <= pts);
            assert_int_equal(dts - last, FRAME);
        }
        grew += deeper;
        last = dts;
    }
    assert_int_equal(grew, depth < 0);
    assert_int_equal(d.depth, 1);
}

static void test_reordered(void **state)
{
    (void)state;
    check(1, 3);
    check(-1, 6);
}

static void test_a_frame_twice(void **state)
{
    struct whip_dts d;
    bool deeper;

    (void)state;
    whip_dts_init(&d);
    whip_dts_depth(&d, 0);
    assert_int_equal(whip_dts_next(&d, 5, &deeper), 5);
    assert_true(whip_dts_next(&d, 5, &deeper) > 5);
    assert_false(deeper);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_order_of_showing),
    cmocka_unit_test(test_reordered),
    cmocka_unit_test(test_a_frame_twice),
};
HARNESS_MAIN(tests)
