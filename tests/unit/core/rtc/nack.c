#include "tests/harness.h"

#include "core/base/err.h"
#include "core/rtc/nack.h"

enum { MS = 1000 };

static struct nack *start(int64_t grace_us)
{
    struct nack *n = NULL;

    assert_int_equal(nack_create(&n, grace_us), 0);
    return n;
}

/* Asserts that exactly `count` numbers from `first` on are asked for. */
static void assert_asks(struct nack *n, int64_t now, int64_t rtt, int first,
                        int count)
{
    uint16_t out[NACK_LIST_MAX];

    assert_int_equal(nack_pull(n, now, rtt, out, NACK_LIST_MAX), count);
    for (int i = 0; i < count; i++)
        assert_int_equal(out[i], (uint16_t)(first + i));
}

static void test_asks_after_grace_then_each_rtt(void **state)
{
    struct nack *n = start(NACK_GRACE_US);

    (void)state;
    assert_int_equal(nack_received(n, 65534, 0), NACK_FIRST);
    assert_true(nack_deadline(n) == INT64_MAX);
    assert_int_equal(nack_received(n, 65538, 0), NACK_FIRST);
    assert_int_equal(nack_missing(n), 3);
    assert_int_equal(nack_deadline(n), 10 * MS);
    assert_asks(n, 9 * MS, 50 * MS, 0, 0);
    assert_int_equal(nack_received(n, 65535, 9 * MS), NACK_RECOVERED);
    assert_int_equal(nack_received(n, 65535, 9 * MS), NACK_STALE);
    assert_asks(n, 10 * MS, 50 * MS, 0, 2); /* 65536 wraps to 0 */
    assert_asks(n, 59 * MS, 50 * MS, 0, 0);
    assert_int_equal(nack_deadline(n), 60 * MS);
    assert_int_equal(nack_received(n, 65536, 59 * MS), NACK_RECOVERED);
    assert_asks(n, 60 * MS, 50 * MS, 1, 1);
    nack_free(&n);
    assert_null(n);
}

static void test_asks_at_once_without_grace(void **state)
{
    struct nack *n = start(0);

    (void)state;
    nack_received(n, 100, 0);
    nack_received(n, 102, 5);
    assert_asks(n, 5, 0, 101, 1);
    assert_asks(n, 100 * MS + 4, 0, 0, 0); /* no RTT known: 100 ms */
    assert_asks(n, 100 * MS + 5, 1, 101, 1);
    assert_asks(n, 120 * MS + 4, 1, 0, 0); /* a tiny RTT: 20 ms */
    assert_asks(n, 120 * MS + 5, 1, 101, 1);
    nack_free(&n);
}

static void test_gives_up_after_ten_tries(void **state)
{
    struct nack *n = start(0);
    int64_t now = 0, last = 0;

    (void)state;
    nack_received(n, 10, 0);
    nack_received(n, 13, 0);
    for (int i = 0; i < NACK_TRIES_MAX; i++, now += 30 * MS)
        assert_asks(n, now, 30 * MS, 11, 2);
    assert_int_equal(nack_take_lost(n, &last), 0);
    assert_asks(n, now, 30 * MS, 0, 0);
    assert_int_equal(nack_take_lost(n, &last), 2);
    assert_int_equal(last, 12);
    assert_int_equal(nack_take_lost(n, &last), 0);
    assert_int_equal(nack_received(n, 11, now), NACK_STALE);
    nack_free(&n);
}

static void test_max_leaves_the_rest_due(void **state)
{
    struct nack *n = start(0);
    uint16_t out[2];

    (void)state;
    nack_received(n, 0, 0);
    nack_received(n, 6, 0);
    assert_int_equal(nack_pull(n, 0, 0, out, 2), 2);
    assert_int_equal(out[1], 2);
    assert_int_equal(nack_pull(n, 0, 0, out, 2), 2);
    assert_int_equal(out[0], 3);
    assert_int_equal(nack_deadline(n), 0);
    nack_free(&n);
}

static void test_forgotten_ones_are_neither_asked_nor_lost(void **state)
{
    struct nack *n = start(0);
    int64_t last;

    (void)state;
    nack_received(n, 0, 0);
    nack_received(n, 10, 0);
    nack_forget_before(n, 8);
    assert_asks(n, 0, 0, 8, 2);
    nack_forget_before(n, 15);
    assert_int_equal(nack_missing(n), 0);
    nack_received(n, 20, 1);
    assert_asks(n, 1, 0, 15, 5);
    nack_forget_before(n, 3); /* does not go back */
    assert_int_equal(nack_take_lost(n, &last), 0);
    nack_free(&n);
}

static void test_the_list_is_bounded(void **state)
{
    struct nack *n = start(0);
    int64_t last = 0;

    (void)state;
    nack_received(n, 0, 0);
    nack_received(n, 901, 0);
    assert_int_equal(nack_missing(n), 900);
    nack_received(n, 1102, 0); /* 200 more: the 100 oldest go */
    assert_int_equal(nack_missing(n), NACK_LIST_MAX);
    assert_int_equal(nack_take_lost(n, &last), 100);
    assert_int_equal(last, 100);
    nack_received(n, 33000, 0); /* one gap larger than the list */
    assert_int_equal(nack_missing(n), NACK_LIST_MAX);
    assert_int_equal(nack_take_lost(n, &last), NACK_LIST_MAX + 31897 - 1000);
    assert_int_equal(last, 33000 - 1 - NACK_LIST_MAX);
    assert_asks(n, 0, 0, 32000, NACK_LIST_MAX);
    nack_free(&n);
}

static void test_old_ones_are_lost(void **state)
{
    struct nack *n = start(0);
    int64_t last = 0;

    (void)state;
    nack_received(n, 0, 0);
    nack_received(n, 2, 0);
    for (int64_t s = 3; s < NACK_AGE_MAX + 10; s++)
        nack_received(n, s, 0);
    assert_int_equal(nack_missing(n), 0);
    assert_int_equal(nack_take_lost(n, &last), 1);
    assert_int_equal(last, 1);
    nack_free(&n);
}

static void test_bounds_of_grace(void **state)
{
    struct nack *n = NULL;

    (void)state;
    assert_int_equal(nack_create(&n, -1), ERR_RANGE);
    assert_null(n);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_asks_after_grace_then_each_rtt),
    cmocka_unit_test(test_asks_at_once_without_grace),
    cmocka_unit_test(test_gives_up_after_ten_tries),
    cmocka_unit_test(test_max_leaves_the_rest_due),
    cmocka_unit_test(test_forgotten_ones_are_neither_asked_nor_lost),
    cmocka_unit_test(test_the_list_is_bounded),
    cmocka_unit_test(test_old_ones_are_lost),
    cmocka_unit_test(test_bounds_of_grace),
};

HARNESS_MAIN(tests)
