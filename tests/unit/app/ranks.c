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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_who_is_there),
};
HARNESS_MAIN(tests)
