#include "tests/harness.h"

#include "core/base/err.h"
#include "core/rtc/rtp.h"

static void test_classifies_by_first_byte(void **state)
{
    static const struct {
        uint8_t first, second;
        enum rtp_kind kind;
    } cases[] = {
        {0, 1, RTP_STUN},        {3, 0, RTP_STUN},
        {4, 0, RTP_UNKNOWN},     {19, 0, RTP_UNKNOWN},
        {20, 254, RTP_DTLS},     {63, 0, RTP_DTLS},
        {64, 0, RTP_UNKNOWN},    {127, 0, RTP_UNKNOWN},
        {128, 96, RTP_MEDIA},    {144, 224, RTP_MEDIA},
        {128, 191, RTP_MEDIA},   {128, 192, RTP_CONTROL},
        {129, 200, RTP_CONTROL}, {191, 223, RTP_CONTROL},
        {192, 0, RTP_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t d[2] = {cases[i].first, cases[i].second};

        assert_int_equal(rtp_classify(d, 2), cases[i].kind);
    }
    assert_int_equal(rtp_classify((const uint8_t *)"", 0), RTP_UNKNOWN);
    assert_int_equal(rtp_classify((const uint8_t *)"\x80", 1), RTP_UNKNOWN);
}

static void test_header_round_trip(void **state)
{
    uint8_t d[RTP_HEADER_MAX + 4];
    struct rtp_writer w;
    struct rtp_packet p;
    size_t n;

    (void)state;
    rtp_write_begin(&w, d, 102, true, 0xfffe, 0xdeadbeef, 0x01020304);
    n = rtp_write_end(&w);
    assert_int_equal(n, RTP_HEADER_BYTES);
    memcpy(d + n, "abcd", 4);
    assert_int_equal(rtp_parse(&p, d, n + 4), 0);
    assert_true(p.marker);
    assert_int_equal(p.payload_type, 102);
    assert_int_equal(p.sequence, 0xfffe);
    assert_int_equal(p.timestamp, 0xdeadbeef);
    assert_int_equal(p.ssrc, 0x01020304);
    assert_int_equal(p.header_len, 12);
    assert_int_equal(p.payload_len, 4);
    assert_memory_equal(p.payload, "abcd", 4);
    assert_int_equal(rtp_parse(&p, d, n), 0); /* empty payload is legal */
    assert_int_equal(p.payload_len, 0);
}

static void test_extensions_round_trip(void **state)
{
    uint8_t d[RTP_HEADER_MAX + 1];
    struct rtp_writer w;
    struct rtp_packet p;
    size_t n;

    (void)state;
    rtp_write_begin(&w, d, 96, false, 1, 2, 3);
    rtp_write_extension(&w, 4, "\x12\x34", 2);
    rtp_write_extension(&w, 14, "0123456789abcdef", 16);
    rtp_write_extension(&w, 1, "x", 1);
    n = rtp_write_end(&w);
    assert_int_equal(n % 4, 0);
    d[n] = 9;
    assert_int_equal(rtp_parse(&p, d, n + 1), 0);
    assert_int_equal(p.header_len, n);
    assert_int_equal(p.payload_len, 1);
    assert_int_equal(p.extensions[4].len, 2);
    assert_memory_equal(p.extensions[4].data, "\x12\x34", 2);
    assert_int_equal(p.extensions[14].len, 16);
    assert_memory_equal(p.extensions[14].data, "0123456789abcdef", 16);
    assert_int_equal(p.extensions[1].len, 1);
    assert_null(p.extensions[2].data);
}

/* RFC 8285 §4.3: two-byte elements may be empty and have ids past ours. */
static void test_two_byte_extensions_csrc_padding(void **state)
{
    static const uint8_t d[] = {
        0xb2, 0x60, 0, 1, 0, 0,   0, 2, 0, 0, 0, 3, /* P, X, two CSRCs */
        9,    9,    9, 9, 8, 8,   8, 8,             /* CSRCs */
        0x10, 0x05, 0, 3,                           /* two-byte, three words */
        3,    2,    7, 7, 0, 200, 1, 5, 5, 0, 0, 0, 'a', 'b', 0, 0, 3};
    struct rtp_packet p;

    (void)state;
    assert_int_equal(rtp_parse(&p, d, sizeof d), 0);
    assert_int_equal(p.header_len, 36);
    assert_int_equal(p.payload_len, 2);
    assert_int_equal(p.extensions[3].len, 2);
    assert_memory_equal(p.extensions[3].data, "\7\7", 2);
    assert_int_equal(p.extensions[5].len, 0);
    assert_non_null(p.extensions[5].data);
}

static void test_padding_only_and_malformed(void **state)
{
    uint8_t d[16] = {0xa0, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};
    struct rtp_packet p;

    (void)state;
    assert_int_equal(rtp_parse(&p, d, 16), 0);
    assert_int_equal(p.payload_len, 0);
    d[15] = 5; /* more padding than there are bytes */
    assert_int_equal(rtp_parse(&p, d, 16), ERR_SYNTAX);
    d[15] = 0;
    assert_int_equal(rtp_parse(&p, d, 16), ERR_SYNTAX);
    assert_int_equal(rtp_parse(&p, d, 12), ERR_SYNTAX);
    assert_int_equal(rtp_parse(&p, d, 11), ERR_SYNTAX);
    assert_int_equal(rtp_parse(&p, d, 0), ERR_SYNTAX);
    d[0] = 0x40; /* version 1 */
    assert_int_equal(rtp_parse(&p, d, 16), ERR_SYNTAX);
    d[0] = 0x82; /* two CSRCs, room for one */
    assert_int_equal(rtp_parse(&p, d, 16), ERR_SYNTAX);
    d[0] = 0x90; /* an extension of 2 words, room for none */
    d[15] = 2;
    assert_int_equal(rtp_parse(&p, d, 16), ERR_SYNTAX);
}

static void test_element_past_its_block_is_dropped(void **state)
{
    static const uint8_t d[] = {0x90, 96,   0,    1, 0, 0,    0, 2,    0, 0,  0,
                                3,    0xbe, 0xde, 0, 1, 0x10, 1, 0x2f, 2, 'p'};
    struct rtp_packet p;

    (void)state;
    assert_int_equal(rtp_parse(&p, d, sizeof d), 0);
    assert_int_equal(p.extensions[1].len, 1);
    assert_null(p.extensions[2].data);
    assert_int_equal(p.payload_len, 1);
}

static void test_unwraps_both_ways(void **state)
{
    struct rtp_unwrap16 a = {0};
    struct rtp_unwrap32 b = {0};

    (void)state;
    assert_int_equal(rtp_unwrap16(&a, 0xfffe), 0x1fffe);
    assert_int_equal(rtp_unwrap16(&a, 1), 0x20001);
    assert_int_equal(rtp_unwrap16(&a, 0xffff), 0x1ffff);
    assert_int_equal(rtp_unwrap16(&a, 0x7ffe), 0x27ffe);
    assert_true(rtp_unwrap32(&b, 5) == INT64_C(0x100000005));
    assert_true(rtp_unwrap32(&b, 0xfffffff0) == INT64_C(0xfffffff0));
    assert_true(rtp_unwrap32(&b, 0x10) == INT64_C(0x100000010));
}

static void test_ntp_round_trip(void **state)
{
    static const int64_t walls[] = {
        0, 1, 999999, 1795442504123456,
        2085978496000001 /* 2036: the count wraps */};

    (void)state;
    assert_true(rtp_ntp_of_wall(0) == UINT64_C(2208988800) << 32);
    assert_true(rtp_ntp_of_wall(500000) ==
                (UINT64_C(2208988800) << 32 | 0x80000000));
    for (size_t i = 0; i < sizeof walls / sizeof *walls; i++)
        assert_true(rtp_wall_of_ntp(rtp_ntp_of_wall(walls[i])) == walls[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_classifies_by_first_byte),
    cmocka_unit_test(test_header_round_trip),
    cmocka_unit_test(test_extensions_round_trip),
    cmocka_unit_test(test_two_byte_extensions_csrc_padding),
    cmocka_unit_test(test_padding_only_and_malformed),
    cmocka_unit_test(test_element_past_its_block_is_dropped),
    cmocka_unit_test(test_unwraps_both_ways),
    cmocka_unit_test(test_ntp_round_trip),
};

HARNESS_MAIN(tests)
