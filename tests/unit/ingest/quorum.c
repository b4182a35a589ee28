#include "tests/harness.h"

#include "ingest/quorum.h"

enum { BEGAN_AT = 1000000 };

static void test_one_track_may_go_on_for_five_seconds(void **state)
{
    struct quorum q = {0};

    (void)state;
    assert_false(quorum_is_missed(&q, BEGAN_AT, 0)); /* nothing came yet */
    assert_true(quorum_begin(&q, BEGAN_AT));
    assert_int_equal(q.due_at, BEGAN_AT + QUORUM_US);
    assert_false(quorum_begin(&q, BEGAN_AT + 1)); /* of the first only */
    assert_int_equal(q.due_at, BEGAN_AT + QUORUM_US);
    assert_false(quorum_is_missed(&q, q.due_at - 1, 1));
    assert_true(quorum_is_missed(&q, q.due_at, 1));
    assert_false(quorum_is_missed(&q, BEGAN_AT + 2 * QUORUM_US, 1));
}

static void test_two_are_enough_and_none_is_not(void **state)
{
    struct quorum two = {0}, sound = {0};

    (void)state;
    quorum_begin(&two, BEGAN_AT);
    assert_false(quorum_is_missed(&two, two.due_at, QUORUM_TRACKS));
    /* One that is lost later is another matter. */
    assert_false(quorum_is_missed(&two, BEGAN_AT + 9 * QUORUM_US, 1));
    quorum_begin(&sound, BEGAN_AT);
    assert_true(quorum_is_missed(&sound, sound.due_at, 0));
}

static void test_what_is_said_fits(void **state)
{
    (void)state;
    assert_in_range(strlen(quorum_missed), 20, 119);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_track_may_go_on_for_five_seconds),
    cmocka_unit_test(test_two_are_enough_and_none_is_not),
    cmocka_unit_test(test_what_is_said_fits),
};
HARNESS_MAIN(tests)
