#include "tests/harness.h"

#include <stdio.h>

#include "control/directory.h"

static void test_finds_by_name_and_by_key(void **state)
{
    struct channel two[2] = {{.name = "a"}, {.name = "b"}};
    struct directory *d = NULL;

    (void)state;
    key_hash(two[0].key_hash, "key-a");
    key_hash(two[1].key_hash, "key-b");
    assert_int_equal(directory_create(&d, two, 2), 0);
    assert_string_equal(directory_by_key(d, "key-b")->name, "b");
    assert_null(directory_by_key(d, "key-"));
    assert_null(directory_by_key(d, ""));
    assert_string_equal(directory_find(d, "a")->name, "a");
    assert_null(directory_find(d, "c"));
    directory_unref(&d);
}

static void test_keys_are_new_each_time(void **state)
{
    char one[KEY_TEXT_SIZE], two[KEY_TEXT_SIZE];

    (void)state;
    assert_int_equal(key_make(one), 0);
    assert_int_equal(key_make(two), 0);
    assert_int_equal(strlen(one), 35);
    assert_string_not_equal(one, two);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_finds_by_name_and_by_key),
    cmocka_unit_test(test_keys_are_new_each_time),
};
HARNESS_MAIN(tests)
