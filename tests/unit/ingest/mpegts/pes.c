#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/mpegts/pes.h"

struct got {
    int count;
    size_t len;
    int64_t pts, dts;
    bool random_access;
};

static void on_unit(const struct pes_unit *u, void *arg)
{
    struct got *g = arg;

    g->count++;
    g->len = u->len;
    g->pts = u->pts;
    g->dts = u->dts;
    g->random_access = u->random_access;
}

/* pts 2^33 - 1, dts 90000 */
static const uint8_t head[] = {0,    0,    1,    0xe0, 0,    0,    0x80,
                               0xc0, 10,   0x3f, 0xff, 0xff, 0xff, 0xff,
                               0x11, 0x00, 0x05, 0xbf, 0x21, 'x',  'y'};

static int feed(struct pes *p, const void *data, size_t len, int flags,
                struct got *g)
{
    struct ts_packet k = {.start = flags & 1,
                          .stuffed = flags & 2,
                          .random_access = flags & 4,
                          .payload = data,
                          .len = len};

    return pes_feed(p, &k, on_unit, g);
}

static void test_header(void **state)
{
    struct pes_unit u;
    uint8_t bytes[sizeof head];

    (void)state;
    assert_int_equal(pes_parse(&u, head, sizeof head), 0);
    assert_true(u.pts == ((int64_t)1 << 33) - 1);
    assert_int_equal(u.dts, 90000);
    assert_int_equal(u.len, 2);
    for (size_t n = 0; n < 19; n++)
        assert_int_equal(pes_parse(&u, head, n), ERR_AGAIN);
    memcpy(bytes, head, sizeof bytes);
    bytes[7] = 0x80; /* only a pts */
    assert_int_equal(pes_parse(&u, bytes, sizeof bytes), 0);
    assert_true(u.dts == u.pts);
    bytes[9] &= 0xfe; /* without its marker bit it is none */
    assert_int_equal(pes_parse(&u, bytes, sizeof bytes), 0);
    assert_true(u.dts == PES_NO_TIME);
    bytes[6] = 0x40;
    assert_int_equal(pes_parse(&u, bytes, sizeof bytes), ERR_SYNTAX);
    bytes[3] = 0xbf; /* private stream 2 has no such header */
    assert_int_equal(pes_parse(&u, bytes, sizeof bytes), 0);
    assert_int_equal(u.len, sizeof bytes - 6);
    bytes[2] = 2;
    assert_int_equal(pes_parse(&u, bytes, sizeof bytes), ERR_SYNTAX);
}

static void test_length_ends_a_unit(void **state)
{
    struct pes p;
    struct got g = {0};
    uint8_t bytes[sizeof head];

    (void)state;
    pes_init(&p, PES_VIDEO_MAX);
    memcpy(bytes, head, sizeof bytes);
    bytes[5] = sizeof head - 6 + 4;
    if (!feed(&p, bytes, sizeof bytes, 1 | 4, &g)) {
        assert_int_equal(g.count, 0);
        assert_int_equal(feed(&p, "1234stray", 9, 0, &g), 0);
        assert_int_equal(g.count, 1);
        assert_int_equal(g.len, 6);
        assert_true(g.random_access);
        assert_int_equal(feed(&p, "more", 4, 0, &g), 0); /* nobody's */
        assert_int_equal(g.count, 1);
    }
    pes_release(&p);
}

/* Units without a length: each ends when the next begins, until filler was
 * seen often enough to tell. */
static void test_filler_ends_a_unit_once_trusted(void **state)
{
    struct pes p;
    struct got g = {0};
    int n = 0;

    (void)state;
    pes_init(&p, PES_VIDEO_MAX);
    while (n < 12) {
        if (feed(&p, head, sizeof head, 1, &g)) goto out;
        assert_int_equal(feed(&p, "middle", 6, 0, &g), 0);
        assert_int_equal(feed(&p, "end", 3, 2, &g), 0);
        n++;
        assert_int_equal(g.count, n <= 8 ? n - 1 : n);
    }
    /* a unit whose end fits exactly has no filler: the next one ends it */
    assert_int_equal(feed(&p, head, sizeof head, 1, &g), 0);
    assert_int_equal(g.count, 12);
    assert_int_equal(feed(&p, head, sizeof head, 1, &g), 0);
    assert_int_equal(g.count, 13);
    /* trust is lost for good with the first mistake */
    assert_int_equal(feed(&p, "fill", 4, 2, &g), 0);
    assert_int_equal(g.count, 14);
    assert_int_equal(feed(&p, "and more", 8, 0, &g), ERR_ORDER);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(feed(&p, head, sizeof head, 1 | 2, &g), 0);
        assert_int_equal(g.count, 14 + i);
    }
out:
    pes_release(&p);
}

static void test_filler_amid_a_unit_is_never_trusted(void **state)
{
    struct pes p;
    struct got g = {0};

    (void)state;
    pes_init(&p, PES_VIDEO_MAX);
    for (int i = 0; i < 20; i++) {
        if (feed(&p, head, sizeof head, 1 | 2, &g)) break;
        assert_int_equal(g.count, i);
        assert_int_equal(feed(&p, "rest", 4, 2, &g), 0);
        assert_int_equal(g.count, i);
    }
    pes_release(&p);
}

static void test_bounds_and_breaks(void **state)
{
    struct pes p;
    struct got g = {0};
    uint8_t bulk[184] = {0};
    int err;

    (void)state;
    pes_init(&p, 1000);
    err = feed(&p, head, sizeof head, 1, &g);
    for (int i = 0; i < 5 && !err; i++)
        err = feed(&p, bulk, sizeof bulk, 0, &g);
    if (err != ERR_NOMEM) {
        assert_int_equal(err, 0);
        assert_int_equal(feed(&p, bulk, sizeof bulk, 0, &g), ERR_LIMIT);
        assert_int_equal(feed(&p, bulk, sizeof bulk, 0, &g), 0); /* ignored */
        assert_int_equal(feed(&p, head, sizeof head, 1, &g), 0);
        assert_int_equal(g.count, 0);
        assert_true(pes_break(&p));
        assert_false(pes_break(&p));
        assert_int_equal(feed(&p, "tail", 4, 0, &g), 0);
        assert_int_equal(feed(&p, "no packet header", 16, 1, &g), 0);
        assert_int_equal(feed(&p, head, sizeof head, 1, &g), ERR_SYNTAX);
        assert_int_equal(g.count, 0);
    }
    pes_release(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_header),
    cmocka_unit_test(test_length_ends_a_unit),
    cmocka_unit_test(test_filler_ends_a_unit_once_trusted),
    cmocka_unit_test(test_filler_amid_a_unit_is_never_trusted),
    cmocka_unit_test(test_bounds_and_breaks),
};
HARNESS_MAIN(tests)
