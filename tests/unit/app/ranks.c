#include "tests/harness.h"

#include "app/ranks.h"

static bool out_of_memory(void)
{
    return getenv("LECTERN_ALLOC_FAIL") != NULL;
}

static void test_who_is_there(void **state)
{
    struct ranks r;

    (void)state;
    ranks_init(&r);
    assert_int_equal(ranks_of(&r, "a"), 0);
    ranks_set(&r, "a", 0);
    ranks_set(&r, "a", 2);
    ranks_set(&r, "b", 7);
    ranks_set(&r, "a", 5);
    int32_t a = ranks_of(&r, "a"), b = ranks_of(&r, "b");
    ranks_set(&r, "a", 0);
    int32_t gone = ranks_of(&r, "a"), left = ranks_of(&r, "b");
    ranks_release(&r);
    assert_int_equal(gone, 0);
    if (out_of_memory()) return;
    assert_int_equal(a, 5);
    assert_int_equal(b, 7);
    assert_int_equal(left, 7);
}

static void test_a_guard_lasts_until_another_comes(void **state)
{
    struct ranks r;

    (void)state;
    ranks_init(&r);
    assert_false(ranks_guarded(&r, "a", 0));
    ranks_set(&r, "a", 3);
    ranks_guard(&r, "a", 100);
    ranks_guard(&r, "b", 100);
    bool during = ranks_guarded(&r, "a", 99), b = ranks_guarded(&r, "b", 99);
    bool after = ranks_guarded(&r, "a", 100);
    int32_t a = ranks_of(&r, "a");
    ranks_set(&r, "a", 3);
    ranks_set(&r, "b", 0);
    bool again = ranks_guarded(&r, "a", 99), gone = ranks_guarded(&r, "b", 99);
    ranks_release(&r);
    assert_false(after || again || gone);
    if (out_of_memory()) return;
    assert_true(during && b);
    assert_int_equal(a, 3);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_who_is_there),
    cmocka_unit_test(test_a_guard_lasts_until_another_comes),
};
HARNESS_MAIN(tests)
