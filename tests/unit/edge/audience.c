#include "edge/audience.h"

#include <stdio.h>

#include "tests/harness.h"

static void note(struct audience *a, int viewer, int64_t at)
{
    char name[32];

    snprintf(name, sizeof name, "10.0.%d.%d", viewer / 256, viewer % 256);
    audience_note(a, audience_hash(1, name), at);
}

static void test_counts_the_different_ones(void **state)
{
    static const int sizes[] = {1, 2, 10, 300, 20000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct audience a = {0};
        int n = sizes[i], slack = n / 50 + (n > 100);

        for (int round = 0; round < 3; round++)
            for (int k = 0; k < n; k++)
                note(&a, k, 1000);
        int seen = audience_count(&a, 1000);
        audience_release(&a);
        assert_in_range(seen, n - slack, n + slack);
    }
}

static void test_forgets_who_left(void **state)
{
    struct audience a = {0};

    (void)state;
    assert_int_equal(audience_count(&a, 0), 0);
    for (int k = 0; k < 50; k++)
        note(&a, k, 1000);
    note(&a, 7, 1000 + AUDIENCE_SPAN_US);
    int both = audience_count(&a, 1000 + AUDIENCE_SPAN_US);
    note(&a, 7, 1000 + 2 * AUDIENCE_SPAN_US);
    int one = audience_count(&a, 1000 + 2 * AUDIENCE_SPAN_US);
    int none = audience_count(&a, 1000 + 9 * AUDIENCE_SPAN_US);
    audience_release(&a);
    assert_in_range(both, 49, 51);
    assert_int_equal(one, 1);
    assert_int_equal(none, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_counts_the_different_ones),
    cmocka_unit_test(test_forgets_who_left),
};
HARNESS_MAIN(tests)
