#include "core/base/hash.h"

#include "tests/harness.h"

/* draft-eastlake-fnv, appendix C: test vectors of 64-bit FNV-1a. */
static void test_the_drafts_vectors(void **state)
{
    (void)state;
    assert_true(hash_text(HASH_BEGIN, "") == UINT64_C(0xcbf29ce484222325));
    assert_true(hash_text(HASH_BEGIN, "a") == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_text(HASH_BEGIN, "foobar") ==
                UINT64_C(0x85944171f73967e8));
}

static void test_bytes_go_on_where_others_ended(void **state)
{
    (void)state;
    uint64_t begun = hash_bytes(HASH_BEGIN, "foo", 3);
    assert_true(hash_bytes(begun, "bar", 3) == hash_text(HASH_BEGIN, "foobar"));
    assert_true(hash_bytes(begun, "\0", 1) != begun);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_drafts_vectors),
    cmocka_unit_test(test_bytes_go_on_where_others_ended),
};
HARNESS_MAIN(tests)
