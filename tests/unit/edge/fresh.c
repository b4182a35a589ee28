#include "edge/fresh.h"
#include "tests/harness.h"

enum { MS = 1000, SECOND = 1000000, START = 5 * SECOND };

static void test_steady(void **state)
{
    struct fresh f = {0};
    (void)state;

    for (int64_t at = START; at < START + 60 * SECOND; at += 20 * MS) {
        int64_t jitter = at / MS % 7 * 10 * MS;
        fresh_picture(&f, 40 * MS, at);
        assert_true(fresh_sound(&f, 60 * MS + jitter, at));
    }
}

/* A second of sound was held back while the ladder began. */
static void test_heap_at_start(void **state)
{
    struct fresh f = {0};
    int64_t at = START;
    int kept = 0;
    (void)state;

    fresh_picture(&f, 40 * MS, at);
    for (int i = 0; i < 50; i++)
        kept += fresh_sound(&f, (50 - i) * 20 * MS + 60 * MS, at);
    assert_in_range(kept, 20, 25);
    for (; at < START + 5 * SECOND; at += 20 * MS)
        assert_true(fresh_sound(&f, 60 * MS, at));
}

static void test_heap_after_stall(void **state)
{
    struct fresh f = {0};
    int64_t at = START;
    int kept = 0;
    (void)state;

    for (; at < START + 5 * SECOND; at += 20 * MS)
        assert_true(fresh_sound(&f, 60 * MS, at));
    at += 2 * SECOND;
    for (int i = 0; i < 100; i++)
        kept += fresh_sound(&f, (100 - i) * 20 * MS + 60 * MS, at);
    assert_in_range(kept, 11, 14);
    assert_true(fresh_sound(&f, 60 * MS, at + 20 * MS));
}

/* An encoder whose sound always comes 0.8 s after its picture is heard. */
static void test_always_late(void **state)
{
    struct fresh f = {0};
    int silent = 0;
    (void)state;

    for (int64_t at = START; at < START + 20 * SECOND; at += 20 * MS) {
        fresh_picture(&f, 40 * MS, at);
        silent += !fresh_sound(&f, 840 * MS, at);
    }
    assert_in_range(silent, 1, 50);
}

/* A clock that runs away is followed: lag grows for good. */
static void test_lasting_delay(void **state)
{
    struct fresh f = {0};
    int silent = 0;
    (void)state;

    for (int64_t at = START; at < START + 10 * SECOND; at += 20 * MS)
        assert_true(fresh_sound(&f, 60 * MS, at));
    for (int64_t at = START + 10 * SECOND; at < START + 40 * SECOND;
         at += 20 * MS)
        silent += !fresh_sound(&f, 900 * MS, at);
    assert_in_range(silent, 1, FRESH_SPAN_US / (20 * MS));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_steady),
    cmocka_unit_test(test_heap_at_start),
    cmocka_unit_test(test_heap_after_stall),
    cmocka_unit_test(test_always_late),
    cmocka_unit_test(test_lasting_delay),
};
HARNESS_MAIN(tests)
