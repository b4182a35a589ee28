#include "tests/harness.h"

#include "ingest/whip/layers.h"

enum { MS = 1000, SECOND = 1000000 };

static void flow(struct whip_layers *l, int layer, int64_t from, int64_t to)
{
    for (int64_t at = from; at < to; at += 100 * MS)
        whip_layers_packet(l, layer, at);
}

static void test_the_first_is_whichever_shows_a_keyframe(void **state)
{
    struct whip_layers l;

    (void)state;
    whip_layers_init(&l);
    assert_int_equal(whip_layers_wanted(&l, 1), -1);
    whip_layers_packet(&l, 1, SECOND);
    assert_int_equal(whip_layers_wanted(&l, SECOND), -1);
    whip_layers_switch(&l, 1);
    assert_int_equal(whip_layers_wanted(&l, SECOND), 1);
}

static void test_better_ones_must_prove_themselves(void **state)
{
    struct whip_layers l;

    (void)state;
    whip_layers_init(&l);
    for (int i = 0; i < 3; i++)
        whip_layers_size(&l, i, 100u << i);
    flow(&l, 0, SECOND, 10 * SECOND);
    whip_layers_switch(&l, 0);
    flow(&l, 1, 5 * SECOND, 10 * SECOND);
    assert_int_equal(whip_layers_wanted(&l, 10 * SECOND), 1);
    flow(&l, 2, 9 * SECOND, 10 * SECOND);
    assert_int_equal(whip_layers_wanted(&l, 10 * SECOND), 1);
    for (int i = 0; i < 3; i++)
        flow(&l, i, 10 * SECOND, 12 * SECOND);
    assert_int_equal(whip_layers_wanted(&l, 12 * SECOND), 2);
}

static void test_one_that_stops_is_left(void **state)
{
    struct whip_layers l;

    (void)state;
    whip_layers_init(&l);
    for (int i = 0; i < 3; i++)
        whip_layers_size(&l, i, 100u << i);
    for (int i = 0; i < 2; i++)
        flow(&l, i, SECOND, 6 * SECOND);
    flow(&l, 2, SECOND, 4 * SECOND);
    whip_layers_switch(&l, 2);
    assert_int_equal(whip_layers_wanted(&l, 5 * SECOND), 2);
    assert_int_equal(whip_layers_wanted(&l, 6 * SECOND), 1);
    /* nobody flows: stay */
    assert_int_equal(whip_layers_wanted(&l, 60 * SECOND), 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_first_is_whichever_shows_a_keyframe),
    cmocka_unit_test(test_better_ones_must_prove_themselves),
    cmocka_unit_test(test_one_that_stops_is_left),
};
HARNESS_MAIN(tests)
