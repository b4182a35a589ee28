#include "tests/harness.h"

#include "core/rtc/early.h"

static bool out_of_memory(void)
{
    return getenv("LECTERN_ALLOC_FAIL") != NULL;
}

static void test_in_order_and_bounded(void **state)
{
    uint8_t data[1500];
    struct early e;
    struct early_packet *p;
    int kept = 0, taken = 0;

    (void)state;
    early_init(&e);
    assert_null(early_take(&e));
    for (int i = 0; i < 2 * EARLY_PACKETS; i++) {
        memset(data, i, sizeof data);
        kept += early_add(&e, data, 100, 1000 + i, i % 2);
    }
    while ((p = early_take(&e)) != NULL) {
        if (!out_of_memory()) {
            assert_int_equal(p->at, 1000 + taken);
            assert_int_equal(p->data[99], taken);
            assert_int_equal(p->is_control, taken % 2);
        }
        taken++;
        free(p);
    }
    assert_int_equal(taken, kept);
    if (!out_of_memory()) assert_int_equal(kept, EARLY_PACKETS);
    assert_int_equal(e.count + e.bytes, 0);
}

static void test_bytes_are_bounded(void **state)
{
    static uint8_t data[EARLY_BYTES + 1];
    struct early e;

    (void)state;
    early_init(&e);
    assert_false(early_add(&e, data, EARLY_BYTES + 1, 1, false));
    bool one = early_add(&e, data, EARLY_BYTES - 10, 1, false);
    bool more = early_add(&e, data, 11, 1, false);
    bool fits = early_add(&e, data, 10, 1, false);
    early_release(&e);
    assert_int_equal(e.count, 0);
    if (out_of_memory()) return;
    assert_true(one && fits);
    assert_false(more);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_in_order_and_bounded),
    cmocka_unit_test(test_bytes_are_bounded),
};
HARNESS_MAIN(tests)
