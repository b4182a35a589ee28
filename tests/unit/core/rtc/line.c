#include "tests/harness.h"

#include "core/rtc/line.h"

static struct net_path path_of(uint16_t port)
{
    struct net_path p;

    memset(&p, 0, sizeof p);
    p.port = port;
    return p;
}

static void put(struct line *l, uint16_t port, size_t len)
{
    struct net_path to = path_of(port);
    uint8_t *room = line_room(l);

    assert_non_null(room);
    memset(room, (int)port, len);
    line_put(l, &to, len);
}

static void assert_run(const struct line *l, int i, uint16_t port, int packets,
                       size_t segment, size_t len)
{
    const struct line_run *r = &l->runs[i];

    assert_int_equal(r->to.port, port);
    assert_int_equal(r->packets, packets);
    assert_int_equal(r->segment, segment);
    assert_int_equal(r->len, len);
    for (size_t at = 0; at < len; at++)
        assert_int_equal(l->slab[r->offset + at], port);
}

static void test_what_makes_a_run(void **state)
{
    static struct line l;

    (void)state;
    assert_int_equal(line_init(&l), 0);
    put(&l, 1, 1216);
    put(&l, 1, 1216);
    put(&l, 1, 340); /* a shorter one ends it */
    put(&l, 1, 340);
    put(&l, 1, 1216); /* a longer one cannot go on */
    put(&l, 2, 1216); /* another place */
    put(&l, 1, 1216);
    assert_int_equal(l.run_count, 5);
    assert_run(&l, 0, 1, 3, 1216, 2 * 1216 + 340);
    assert_run(&l, 1, 1, 1, 340, 340);
    assert_run(&l, 2, 1, 1, 1216, 1216);
    assert_run(&l, 3, 2, 1, 1216, 1216);
    assert_run(&l, 4, 1, 1, 1216, 1216);
    line_clear(&l);
    assert_int_equal(l.run_count, 0);
    line_release(&l);
}

static void test_its_bounds(void **state)
{
    static struct line l;
    int n = 0;

    (void)state;
    assert_int_equal(line_init(&l), 0);
    for (; line_room(&l); n++)
        put(&l, 1, 1200);
    assert_true((size_t)n >= (LINE_BYTES - LINE_PACKET_MAX) / 1200);
    for (int i = 0; i < l.run_count; i++)
        assert_true(l.runs[i].packets <= LINE_RUN_PACKETS);
    line_clear(&l);
    for (n = 0; line_room(&l); n++)
        put(&l, (uint16_t)(n % 2), 10);
    assert_int_equal(n, LINE_RUNS);
    line_release(&l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_makes_a_run),
    cmocka_unit_test(test_its_bounds),
};

HARNESS_MAIN(tests)
