#include "tests/harness.h"

#include "core/media/scale.h"

static void test_sizes_are_even_and_keep_the_aspect(void **state)
{
    (void)state;
    assert_int_equal(scale_lines(1080, 1920), 1080);
    assert_int_equal(scale_side(1920, 480, 1080), 854);
    assert_int_equal(scale_side(1080, 480, 1080), 480);
    assert_int_equal(scale_side(1280, 360, 720), 640);
    assert_int_equal(scale_side(4294967294U, 160, 160), 4294967294U);
}

static void test_rates_and_cadences(void **state)
{
    (void)state;
    assert_int_equal(scale_bps(720, 30), 2800000);
    assert_int_equal(scale_bps(720, 60), 4200000);
    assert_int_equal(scale_bps(700, 30), 2800000);
    assert_int_equal(scale_bps(100, 30), 250000);
    assert_int_equal(scale_step(720, 60), 1);
    assert_int_equal(scale_step(480, 60), 2);
    assert_int_equal(scale_step(360, 30), 1);
    assert_int_equal(scale_step(360, 120), 4);
}

static void test_nearly_the_same_is_not_below(void **state)
{
    (void)state;
    assert_true(scale_is_below(480, 720));
    assert_false(scale_is_below(720, 768));
    assert_false(scale_is_below(720, 720));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sizes_are_even_and_keep_the_aspect),
    cmocka_unit_test(test_rates_and_cadences),
    cmocka_unit_test(test_nearly_the_same_is_not_below),
};
HARNESS_MAIN(tests)
