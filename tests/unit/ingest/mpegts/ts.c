#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/mpegts/ts.h"

static void make(uint8_t *p, uint16_t pid, uint8_t counter)
{
    memset(p, 0xab, TS_PACKET_BYTES);
    p[0] = TS_SYNC;
    p[1] = (uint8_t)(pid >> 8);
    p[2] = (uint8_t)pid;
    p[3] = 0x10 | counter;
}

static void count(const uint8_t *packet, void *arg)
{
    int *n = arg;

    assert_int_equal(packet[0], TS_SYNC);
    assert_int_equal(packet[3] & 0x0f, *n & 0x0f);
    ++*n;
}

static void test_framer_takes_any_pieces(void **state)
{
    uint8_t bytes[10 * TS_PACKET_BYTES];

    (void)state;
    for (uint8_t i = 0; i < 10; i++)
        make(bytes + i * TS_PACKET_BYTES, 256, i);
    for (size_t piece = 1; piece < 800; piece += 7) {
        struct ts_framer f = {0};
        int n = 0;
        for (size_t at = 0; at < sizeof bytes; at += piece) {
            size_t len = sizeof bytes - at < piece ? sizeof bytes - at : piece;
            ts_framer_feed(&f, bytes + at, len, count, &n);
        }
        assert_int_equal(n, 10);
        assert_int_equal(f.skipped, 0);
    }
}

static void test_framer_finds_the_packets_again(void **state)
{
    uint8_t bytes[8 * TS_PACKET_BYTES + 50];
    struct ts_framer f = {0};
    int n = 0;

    (void)state;
    memset(bytes, TS_SYNC, sizeof bytes); /* sync bytes where none belong */
    memset(bytes, 0, 20);
    for (uint8_t i = 0; i < 4; i++)
        make(bytes + 25 + i * TS_PACKET_BYTES, 256, i);
    memset(bytes + 25 + 4 * TS_PACKET_BYTES, 0, 25);
    for (uint8_t i = 0; i < 4; i++)
        make(bytes + 50 + (4 + i) * TS_PACKET_BYTES, 256, 4 + i);
    ts_framer_feed(&f, bytes, sizeof bytes, count, &n);
    assert_int_equal(n, 8);
    assert_int_equal(f.skipped, 50);
}

static void test_packet_fields(void **state)
{
    uint8_t p[TS_PACKET_BYTES];
    struct ts_packet k;

    (void)state;
    make(p, 0x1ffe, 7);
    p[1] |= 0x40;
    assert_int_equal(ts_packet_parse(&k, p), 0);
    assert_int_equal(k.pid, 0x1ffe);
    assert_int_equal(k.counter, 7);
    assert_true(k.start && !k.stuffed && !k.has_pcr);
    assert_int_equal(k.len, 184);
    p[3] |= 0x20; /* random access, PCR 1 s + 5, no filler */
    p[4] = 7;
    p[5] = 0x50;
    memcpy(p + 6, (uint8_t[]){0, 0, 0xaf, 0xc8, 0x7e, 5}, 6);
    assert_int_equal(ts_packet_parse(&k, p), 0);
    assert_true(k.random_access && k.has_pcr && !k.stuffed);
    assert_int_equal(k.pcr, 27000005);
    assert_int_equal(k.len, 176);
    p[4] = 8; /* one byte more: filler */
    assert_int_equal(ts_packet_parse(&k, p), 0);
    assert_true(k.stuffed);
    p[4] = 0; /* the shortest filler */
    assert_int_equal(ts_packet_parse(&k, p), 0);
    assert_true(k.stuffed && !k.random_access);
    assert_int_equal(k.len, 183);
    p[4] = 183; /* nothing but filler */
    assert_int_equal(ts_packet_parse(&k, p), 0);
    assert_null(k.payload);
}

static void test_packets_that_make_no_sense(void **state)
{
    uint8_t p[TS_PACKET_BYTES];
    struct ts_packet k;

    (void)state;
    make(p, 256, 0);
    p[1] |= 0x80; /* transport error */
    assert_int_equal(ts_packet_parse(&k, p), ERR_SYNTAX);
    make(p, 256, 0);
    p[3] |= 0x20;
    p[4] = 184; /* longer than the packet */
    assert_int_equal(ts_packet_parse(&k, p), ERR_SYNTAX);
    p[4] = 4;
    p[5] = 0x10; /* a PCR that does not fit */
    assert_int_equal(ts_packet_parse(&k, p), ERR_SYNTAX);
}

static void test_counters(void **state)
{
    struct ts_counter c = {0};
    struct ts_packet k = {.payload = (const uint8_t *)"", .len = 1};

    (void)state;
    k.counter = 14;
    assert_int_equal(ts_counter_step(&c, &k), TS_NEXT);
    k.counter = 15;
    assert_int_equal(ts_counter_step(&c, &k), TS_NEXT);
    assert_int_equal(ts_counter_step(&c, &k), TS_DUPLICATE);
    assert_int_equal(ts_counter_step(&c, &k), TS_GAP); /* twice is too often */
    k.counter = 0;
    assert_int_equal(ts_counter_step(&c, &k), TS_NEXT);
    k.counter = 2;
    assert_int_equal(ts_counter_step(&c, &k), TS_GAP);
    k.payload = NULL; /* stands still without payload */
    assert_int_equal(ts_counter_step(&c, &k), TS_NEXT);
    k.payload = (const uint8_t *)"";
    k.counter = 9;
    k.discontinuity = true;
    assert_int_equal(ts_counter_step(&c, &k), TS_JUMP);
    k.payload = NULL; /* said in a packet of its own */
    assert_int_equal(ts_counter_step(&c, &k), TS_NEXT);
    k.payload = (const uint8_t *)"";
    k.discontinuity = false;
    k.counter = 3;
    assert_int_equal(ts_counter_step(&c, &k), TS_NEXT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_framer_takes_any_pieces),
    cmocka_unit_test(test_framer_finds_the_packets_again),
    cmocka_unit_test(test_packet_fields),
    cmocka_unit_test(test_packets_that_make_no_sense),
    cmocka_unit_test(test_counters),
};
HARNESS_MAIN(tests)
