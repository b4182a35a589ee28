#include "edge/history.h"

#include "core/base/err.h"
#include "tests/harness.h"

/* A frame of n+5 bytes: one NAL. */
static struct frame *frame(int64_t pts, bool key, size_t n)
{
    struct frame f = {.flags = key ? FRAME_KEY : 0, .dts = pts, .pts = pts};
    struct frame *out = NULL;
    struct buf *whole = NULL;
    struct builder b;

    builder_init(&b, 1 << 24);
    builder_u32(&b, (uint32_t)(n + 1));
    builder_u8(&b, key ? 0x65 : 0x41);
    uint8_t *room = builder_extend(&b, n);
    if (room) memset(room, 0x55, n);
    assert_int_equal(builder_seal(&b, &whole), 0);
    f.payload = slice_take(&whole);
    assert_int_equal(frame_create(&out, &f), 0);
    return out;
}

static void push(struct history *h, int64_t pts, bool key, size_t n)
{
    struct frame *f = frame(pts, key, n);
    int err = history_push(h, f, NULL);

    frame_unref(&f);
    assert_int_equal(err, 0);
}

static void test_keeps_three_seconds(void **state)
{
    struct history h;

    (void)state;
    history_init(&h, 90000, true);
    assert_null(history_newest(&h));
    assert_int_equal(history_rate_bps(&h), 0);
    for (int i = 0; i < 300; i++)
        push(&h, i * 3000, i % 30 == 0, 995);
    assert_int_equal(history_newest(&h)->number, 300);
    assert_int_equal(h.newest_key, 271);
    assert_int_equal(h.next - h.first, 91);
    assert_null(history_find(&h, h.first - 1));
    assert_null(history_find(&h, 301));
    assert_null(history_find(&h, 0));
    assert_int_equal(history_find(&h, 250)->pts, 249 * 3000);
    assert_int_equal(history_bytes_from(&h, 271), 30 * 1000);
    assert_int_equal(history_bytes_from(&h, 1), 91 * 1000);
    assert_int_equal(history_bytes_from(&h, 301), 0);
    assert_in_range(history_rate_bps(&h), 239000, 241000);
    history_release(&h);
}

static void test_keeps_the_gop_that_grows(void **state)
{
    struct history h;

    (void)state;
    history_init(&h, 90000, true);
    for (int i = 0; i < 30 * 7; i++)
        push(&h, i * 3000, i == 0, 500);
    assert_int_equal(h.newest_key, 1);
    assert_non_null(history_find(&h, 1));
    /* Eight seconds are enough: it goes, and with it all that is old. */
    for (int i = 30 * 7; i < 30 * 9; i++)
        push(&h, i * 3000, false, 500);
    assert_int_equal(h.newest_key, 0);
    assert_null(history_find(&h, 1));
    assert_in_range(h.next - h.first, 90, 92);
    /* A heavy one goes sooner. */
    push(&h, 30 * 9 * 3000, true, HISTORY_GOP_BYTES);
    for (int i = 1; i < 100; i++)
        push(&h, (30 * 9 + i) * 3000, false, 500);
    assert_int_equal(h.newest_key, 0);
    history_release(&h);
}

static void test_is_bounded_by_units(void **state)
{
    struct history h;

    (void)state;
    history_init(&h, 48000, false);
    for (int i = 0; i < HISTORY_UNITS + 10; i++)
        push(&h, i, true, 1);
    assert_int_equal(h.next - h.first, HISTORY_UNITS);
    assert_int_equal(h.newest_key, 0);
    assert_int_equal(history_find(&h, h.first)->pts, 10);
    history_release(&h);
}

static void test_cuts_once_when_needed(void **state)
{
    struct history h;

    (void)state;
    history_init(&h, 90000, true);
    push(&h, 0, true, 3000);
    struct unit *u = history_newest(&h);
    assert_null(u->packets);
    const struct packets *p = history_packets(u);
    assert_non_null(p);
    assert_int_equal(p->count, 3);
    assert_ptr_equal(history_packets(u), p);
    history_release(&h);

    static const uint8_t bad[] = {0, 0, 1, 0, 1};
    struct frame f = {.payload = {.data = bad, .len = sizeof bad}}, *broken;
    assert_int_equal(frame_create(&broken, &f), 0);
    int err = history_push(&h, broken, NULL);
    frame_unref(&broken);
    assert_int_equal(err, 0);
    assert_null(history_packets(history_newest(&h)));
    assert_true(history_newest(&h)->refused);
    history_release(&h);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_keeps_three_seconds),
    cmocka_unit_test(test_keeps_the_gop_that_grows),
    cmocka_unit_test(test_is_bounded_by_units),
    cmocka_unit_test(test_cuts_once_when_needed),
};
HARNESS_MAIN(tests)
