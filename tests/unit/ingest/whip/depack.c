#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/whip/depack.h"

enum { UNITS_MAX = 64 };

struct seen {
    struct slice data[UNITS_MAX];
    uint32_t timestamp[UNITS_MAX];
    bool lost[UNITS_MAX];
    int count;
};

static void on_unit(const struct whip_unit *u, void *arg)
{
    struct seen *s = arg;

    assert_true(s->count < UNITS_MAX);
    s->timestamp[s->count] = u->timestamp;
    s->lost[s->count] = u->lost;
    s->data[s->count++] = slice_ref(u->data);
}

static void release(struct whip_depack *d, struct seen *s)
{
    whip_depack_release(d);
    for (int i = 0; i < s->count; i++)
        slice_unref(&s->data[i]);
    s->count = 0;
}

enum { MARK = 1, HOLE = 2 };

static int feed(struct whip_depack *d, uint32_t timestamp, int flags,
                const void *payload, size_t len)
{
    struct whip_packet p = {.timestamp = timestamp,
                            .marker = flags & MARK,
                            .lost = flags & HOLE,
                            .payload = payload,
                            .len = len};

    return whip_depack_feed(d, &p);
}
#define FEED(d, timestamp, flags, ...)                                         \
    feed(d, timestamp, flags, (const uint8_t[]){__VA_ARGS__},                  \
         sizeof((const uint8_t[]){__VA_ARGS__}))

static void check_unit(const struct seen *s, int i, const uint8_t *want,
                       size_t len)
{
    assert_true(i < s->count);
    assert_int_equal(s->data[i].len, len);
    assert_memory_equal(s->data[i].data, want, len);
}
#define CHECK_UNIT(s, i, ...)                                                  \
    check_unit(s, i, (const uint8_t[]){__VA_ARGS__},                           \
               sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_the_three_forms(void **state)
{
    struct whip_depack d;
    struct seen s = {0};

    (void)state;
    whip_depack_init(&d, on_unit, &s);
    FEED(&d, 1, 0, 0x78, 0, 2, 0x67, 1, 0, 0, 0, 3, 0x68, 2, 3); /* STAP-A */
    FEED(&d, 1, 0, 0x7c, 0x85, 0x88, 9);                         /* FU-A */
    FEED(&d, 1, 0, 0x7c, 0x05, 8);
    FEED(&d, 1, MARK, 0x7c, 0x45, 7);
    if (!FEED(&d, 2, MARK, 0x41, 0x9a, 5) && s.count == 2) {
        CHECK_UNIT(&s, 0, 0, 0, 0, 2, 0x67, 1, 0, 0, 0, 3, 0x68, 2, 3, 0, 0, 0,
                   5, 0x65, 0x88, 9, 8, 7);
        CHECK_UNIT(&s, 1, 0, 0, 0, 3, 0x41, 0x9a, 5);
        assert_int_equal(s.timestamp[1], 2);
        assert_false(s.lost[0]);
        assert_false(s.lost[1]);
    }
    release(&d, &s);
}

static void test_a_marker_that_never_came(void **state)
{
    struct whip_depack d;
    struct seen s = {0};

    (void)state;
    whip_depack_init(&d, on_unit, &s);
    FEED(&d, 1, 0, 0x41, 0x9a, 1);
    assert_int_equal(s.count, 0);
    int err = FEED(&d, 2, MARK, 0x41, 0x9a, 2);
    if (!err && d.counts.broken == 0) {
        assert_int_equal(s.count, 2);
        assert_false(s.lost[1]);
    }
    release(&d, &s);
}

static void test_holes(void **state)
{
    struct whip_depack d;
    struct seen s = {0};

    (void)state;
    whip_depack_init(&d, on_unit, &s);
    /* in a unit: that one goes */
    FEED(&d, 1, 0, 0x7c, 0x81, 0x88, 9);
    FEED(&d, 1, HOLE | MARK, 0x7c, 0x41, 7);
    assert_int_equal(s.count, 0);
    assert_int_equal(d.counts.broken, 1);
    /* between: the next begins at its first macroblock, so it is whole */
    int err = FEED(&d, 2, MARK, 0x41, 0x9a, 2);
    if (!err) assert_true(s.count == 1 && s.lost[0]);
    /* the tail, with its marker, and the head of the next */
    FEED(&d, 3, 0, 0x7c, 0x81, 0x88, 9);
    FEED(&d, 4, HOLE | MARK, 0x41, 0x1a, 9);
    if (!err) assert_int_equal(s.count, 1);
    /* only the tail; S and E at once are against the rule, and harmless */
    FEED(&d, 5, 0, 0x41, 0x9a, 9);
    if (!FEED(&d, 6, HOLE | MARK, 0x7c, 0xc5, 0x88) && !err) {
        assert_true(s.count == 2 && s.lost[1]);
        assert_int_equal(s.timestamp[1], 6);
    }
    release(&d, &s);
}

static void test_padding_changes_nothing(void **state)
{
    struct whip_depack d;
    struct seen s = {0};

    (void)state;
    whip_depack_init(&d, on_unit, &s);
    FEED(&d, 1, 0, 0x41, 0x9a, 1);
    feed(&d, 9, 0, NULL, 0);
    if (!FEED(&d, 1, MARK, 0x41, 0x1a, 2) && s.count)
        CHECK_UNIT(&s, 0, 0, 0, 0, 3, 0x41, 0x9a, 1, 0, 0, 0, 3, 0x41, 0x1a, 2);
    release(&d, &s);
}

static void test_malformed(void **state)
{
    struct whip_depack d;
    struct seen s = {0};

    (void)state;
    whip_depack_init(&d, on_unit, &s);
    FEED(&d, 1, MARK, 0x78, 0, 9, 0x67);    /* STAP-A cut short */
    FEED(&d, 2, MARK, 0x78, 0, 1, 0x7c);    /* FU-A in STAP-A */
    FEED(&d, 3, MARK, 0x7c, 0x81);          /* FU-A without body */
    FEED(&d, 4, MARK, 0x7c, 0x9c, 1);       /* FU-A of FU-A */
    FEED(&d, 5, MARK, 0x79, 0, 1, 0x67);    /* STAP-B */
    FEED(&d, 6, MARK, 0x40, 1);             /* type 0 */
    FEED(&d, 7, MARK, 0x7c, 0x41, 0x9a, 1); /* the end of no beginning */
    FEED(&d, 8, MARK, 0x7c, 0x81, 0x9a, 1); /* the beginning of no end */
    assert_int_equal(s.count, 0);
    assert_int_equal(d.counts.broken, 8);
    assert_int_equal(d.counts.malformed, 6);
    if (!FEED(&d, 9, MARK, 0x41, 0x9a) && s.count) assert_true(s.lost[0]);
    release(&d, &s);
}

static void test_units_are_bounded(void **state)
{
    static uint8_t big[60000] = {0x41, 0x9a};
    struct whip_depack d;
    struct seen s = {0};

    (void)state;
    whip_depack_init(&d, on_unit, &s);
    for (int i = 0; i < 100; i++)
        feed(&d, 1, 0, big, sizeof big);
    FEED(&d, 1, MARK, 0x41, 0x9a);
    for (int i = 0; i < DEPACK_NALS_MAX; i++)
        FEED(&d, 2, 0, 0x41, 0x9a);
    FEED(&d, 2, MARK, 0x41, 0x9a);
    assert_int_equal(s.count, 0);
    assert_int_equal(d.counts.broken, 2);
    release(&d, &s);
}

#define OPUS(...)                                                              \
    whip_opus_is_sound((const uint8_t[]){__VA_ARGS__},                         \
                       sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_opus(void **state)
{
    (void)state;
    assert_false(whip_opus_is_sound(NULL, 0));
    assert_true(OPUS(0x78));
    assert_true(OPUS(0x78, 1, 2));
    assert_true(OPUS(0x79, 1, 2));
    assert_false(OPUS(0x79, 1));
    assert_true(OPUS(0x7a, 1, 9));
    assert_false(OPUS(0x7a, 9, 9));
    assert_false(OPUS(0x7b));
    assert_false(OPUS(0x7b, 0));
    assert_true(OPUS(0x7b, 2, 1, 2));
    assert_false(OPUS(0x7b, 2, 1));
    assert_true(OPUS(0x7b, 0x82, 1, 9, 9));
    assert_false(OPUS(0x7b, 0x82, 7, 9, 9));
    assert_true(OPUS(0x7b, 0x41, 1, 9, 0));
    assert_false(OPUS(0x7b, 0x41, 3, 9, 0));
    assert_false(OPUS(0x7b, 49, 1));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_three_forms),
    cmocka_unit_test(test_a_marker_that_never_came),
    cmocka_unit_test(test_holes),
    cmocka_unit_test(test_padding_changes_nothing),
    cmocka_unit_test(test_malformed),
    cmocka_unit_test(test_units_are_bounded),
    cmocka_unit_test(test_opus),
};
HARNESS_MAIN(tests)
