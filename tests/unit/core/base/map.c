#include "tests/harness.h"

#include <stdio.h>

#include "core/base/map.h"

static void test_many_keys_come_and_go(void **state)
{
    struct map m;
    static int values[1000];
    char key[16];

    (void)state;
    map_init(&m);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "k%d", i);
            if (map_set(&m, key, &values[i])) goto out;
        }
        assert_int_equal(m.count, 1000);
        for (int i = 0; i < 1000; i += 2) {
            snprintf(key, sizeof key, "k%d", i);
            assert_ptr_equal(map_remove(&m, key), &values[i]);
            assert_null(map_get(&m, key));
        }
        for (int i = 1; i < 1000; i += 2) {
            snprintf(key, sizeof key, "k%d", i);
            assert_ptr_equal(map_get(&m, key), &values[i]);
        }
        size_t at = 0, seen = 0;
        while (map_next(&m, &at, NULL))
            seen++;
        assert_int_equal(seen, 500);
    }
out:
    map_release(&m);
}

static void test_an_empty_map_answers(void **state)
{
    struct map m;

    (void)state;
    map_init(&m);
    assert_null(map_get(&m, "x"));
    assert_null(map_remove(&m, "x"));
    map_release(&m);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_many_keys_come_and_go),
    cmocka_unit_test(test_an_empty_map_answers),
};
HARNESS_MAIN(tests)
