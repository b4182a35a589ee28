#include "ingest/srt/handshakes.h"

#include "tests/harness.h"

static struct handshakes h;

static void test_who_came_is_forgotten(void **state)
{
    (void)state;
    handshakes_init(&h);
    handshakes_note(&h, "127.0.0.1:1", "a", true, 0);
    handshakes_note(&h, "127.0.0.1:2", "b", false, 0);
    handshakes_came(&h, "127.0.0.1:1");
    handshakes_came(&h, "127.0.0.1:3");
    assert_null(handshakes_overdue(&h, HANDSHAKE_US - 1));
    struct handshake *it = handshakes_overdue(&h, HANDSHAKE_US);
    assert_non_null(it);
    assert_string_equal(it->peer, "127.0.0.1:2");
    assert_string_equal(it->channel, "b");
    assert_false(it->secret);
    handshakes_forget(it);
    assert_null(handshakes_overdue(&h, 10 * HANDSHAKE_US));
}

static void test_a_repeated_one_is_one(void **state)
{
    (void)state;
    handshakes_init(&h);
    for (int i = 0; i < 5; i++)
        handshakes_note(&h, "127.0.0.1:1", "a", true, i * HANDSHAKE_US / 8);
    struct handshake *it = handshakes_overdue(&h, HANDSHAKE_US);
    assert_non_null(it);
    assert_true(it->secret);
    handshakes_forget(it);
    assert_null(handshakes_overdue(&h, 10 * HANDSHAKE_US));
}

static void test_too_many_are_passed_over(void **state)
{
    int told = 0;
    char peer[32];

    (void)state;
    handshakes_init(&h);
    for (int i = 0; i < 2 * HANDSHAKES_MAX; i++) {
        snprintf(peer, sizeof peer, "127.0.0.1:%d", i + 1);
        handshakes_note(&h, peer, "a", true, 0);
    }
    for (struct handshake *it; (it = handshakes_overdue(&h, HANDSHAKE_US));
         told++)
        handshakes_forget(it);
    assert_int_equal(told, HANDSHAKES_MAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_who_came_is_forgotten),
    cmocka_unit_test(test_a_repeated_one_is_one),
    cmocka_unit_test(test_too_many_are_passed_over),
};

HARNESS_MAIN(tests)
