#include "tests/harness.h"

#include "core/base/err.h"
#include "core/rtc/rtcp.h"

static struct rtcp_packet packet; /* large */

static void open_builder(struct builder *b)
{
    builder_init(b, RTCP_MAX + 32);
}

/* Reads the only packet of b. */
static void read_one(struct builder *b, enum rtcp_type type)
{
    size_t offset = 0;

    assert_int_equal(b->err, 0);
    assert_int_equal(b->len % 4, 0);
    assert_int_equal(rtcp_next(builder_data(b), b->len, &offset, &packet), 0);
    assert_int_equal(packet.type, type);
    assert_int_equal(offset, b->len);
    assert_int_equal(rtcp_next(builder_data(b), b->len, &offset, &packet),
                     ERR_AGAIN);
    assert_int_equal(packet.type, type);
}

static void test_compound_of_sr_sdes_bye(void **state)
{
    static const struct rtcp_sender_info info = {UINT64_C(0x1122334455667788),
                                                 90000, 7, 8000};
    static const struct rtcp_report report = {5, 255, -3, 0x10002, 44, 55, 66};
    struct builder b;
    size_t offset = 0;

    (void)state;
    open_builder(&b);
    rtcp_write_sr(&b, 1, &info, &report, 1);
    rtcp_write_sdes(&b, 1, "abcd"); /* 2 + 4: two zeros */
    rtcp_write_sdes(&b, 1, "ab");   /* 2 + 2: four zeros */
    rtcp_write_bye(&b, 1);
    assert_int_equal(rtcp_next(builder_data(&b), b.len, &offset, &packet), 0);
    assert_int_equal(packet.type, RTCP_SR);
    assert_int_equal(packet.sender_ssrc, 1);
    assert_memory_equal(&packet.sender, &info, sizeof info);
    assert_int_equal(packet.count, 1);
    assert_memory_equal(&packet.v.reports[0], &report, sizeof report);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rtcp_next(builder_data(&b), b.len, &offset, &packet),
                         0);
        assert_int_equal(packet.type, RTCP_SDES);
        assert_int_equal(packet.sender_ssrc, 1);
    }
    assert_int_equal(rtcp_next(builder_data(&b), b.len, &offset, &packet), 0);
    assert_int_equal(packet.type, RTCP_BYE);
    assert_int_equal(packet.v.ssrcs[0], 1);
    assert_int_equal(rtcp_next(builder_data(&b), b.len, &offset, &packet),
                     ERR_AGAIN);
    builder_release(&b);
}

static void test_rr_clamps_cumulative_loss(void **state)
{
    struct rtcp_report r[2] = {{.ssrc = 1, .cumulative_lost = 0x1000000},
                               {.ssrc = 2, .cumulative_lost = -0x1000000}};
    struct builder b;

    (void)state;
    open_builder(&b);
    rtcp_write_rr(&b, 9, r, 2);
    read_one(&b, RTCP_RR);
    assert_int_equal(packet.count, 2);
    assert_int_equal(packet.v.reports[0].cumulative_lost, 0x7fffff);
    assert_int_equal(packet.v.reports[1].cumulative_lost, -0x800000);
    builder_release(&b);
}

static void test_nack_packs_and_unpacks(void **state)
{
    static const uint16_t lost[] = {65530, 65535, 0, 10, 11, 27, 1000};
    struct builder b;

    (void)state;
    open_builder(&b);
    rtcp_write_nack(&b, 1, 2, lost, 7);
    assert_int_equal(b.len, 12 + 3 * 4);
    read_one(&b, RTCP_NACK);
    assert_int_equal(packet.media_ssrc, 2);
    assert_int_equal(packet.count, 7);
    assert_memory_equal(packet.v.nacks, lost, sizeof lost);
    builder_release(&b);
}

static void test_pli_fir_remb(void **state)
{
    static const uint32_t media[] = {7, 8};
    struct builder b;

    (void)state;
    open_builder(&b);
    rtcp_write_pli(&b, 1, 2);
    read_one(&b, RTCP_PLI);
    assert_int_equal(packet.media_ssrc, 2);
    builder_release(&b);
    open_builder(&b);
    rtcp_write_fir(&b, 1, 2, 200);
    read_one(&b, RTCP_FIR);
    assert_int_equal(packet.count, 1);
    assert_int_equal(packet.v.ssrcs[0], 2);
    assert_int_equal(packet.fir_sequence, 200);
    builder_release(&b);
    open_builder(&b);
    rtcp_write_remb(&b, 1, 2500000, media, 2);
    read_one(&b, RTCP_REMB);
    assert_in_range(packet.remb_bps, 2499000, 2500000);
    assert_int_equal(packet.count, 2);
    assert_int_equal(packet.v.ssrcs[1], 8);
    builder_release(&b);
}

static void test_remb_of_any_exponent(void **state)
{
    uint8_t d[] = {0x8f, 206, 0,   4,   0,   0,   0, 1,    0,    0,
                   0,    0,   'R', 'E', 'M', 'B', 0, 0xff, 0xff, 0xff};
    size_t offset = 0;

    (void)state;
    assert_int_equal(rtcp_next(d, sizeof d, &offset, &packet), 0);
    assert_int_equal(packet.type, RTCP_REMB);
    assert_true(packet.remb_bps == UINT64_MAX);
    d[12] = 'X'; /* an application message of someone else's */
    offset = 0;
    assert_int_equal(rtcp_next(d, sizeof d, &offset, &packet), 0);
    assert_int_equal(packet.type, RTCP_OTHER);
}

/* Statuses survive to within a tick; all that was not written is left. */
static void check_twcc(const struct rtcp_twcc_status *s, int count, int least)
{
    struct builder b;
    int64_t shift = 0;
    bool aligned = false;
    int n;

    open_builder(&b);
    n = rtcp_write_twcc(&b, 1, 2, 77, s, count);
    assert_true(n >= least && n <= count);
    assert_true(b.len <= RTCP_MAX);
    read_one(&b, RTCP_TWCC);
    assert_int_equal(packet.twcc_count, 77);
    assert_int_equal(packet.count, n);
    for (int i = 0; i < n; i++) {
        const struct rtcp_twcc_status *g = &packet.v.twcc[i];

        assert_int_equal(g->sequence, s[i].sequence);
        assert_int_equal(g->received, s[i].received);
        if (!s[i].received) continue;
        if (!aligned) shift = (s[i].arrival_us - g->arrival_us) / 64000 * 64000;
        aligned = true;
        assert_in_range(s[i].arrival_us - g->arrival_us - shift, 0, 249);
    }
    builder_release(&b);
}

static void test_twcc_round_trips(void **state)
{
    static struct rtcp_twcc_status s[RTCP_TWCC_MAX + 10];
    uint32_t seed = 1;

    (void)state;
    for (int kind = 0; kind < 7; kind++) {
        int64_t at = INT64_C(5000000000) + kind;

        for (int i = 0; i < RTCP_TWCC_MAX + 10; i++) {
            int random = (int)((seed = seed * 1664525 + 1013904223) >> 16);
            bool received = true;
            int64_t step = 1000;

            if (kind == 1) received = random % 10 > 0;
            if (kind == 2) received = i % 40 < 20;
            if (kind == 3) step = random % 100000;      /* small and large */
            if (kind == 4) step = random % 5000 - 2000; /* reordered */
            if (kind == 5) received = random & 1;
            if (kind == 6) received = i % 2000 == 0;
            at += step;
            s[i] = (struct rtcp_twcc_status){(uint16_t)(65000 + i), received,
                                             received ? at : 0};
        }
        check_twcc(s, 1, 1);
        check_twcc(s, 6, 6);
        check_twcc(s, 13, 13);
        check_twcc(s, 50, 50);
        check_twcc(s, RTCP_TWCC_MAX + 10, 300);
    }
}

static void test_twcc_stops_at_a_delta_too_large(void **state)
{
    struct rtcp_twcc_status s[3] = {
        {1, true, 1000000}, {2, true, 1000250}, {3, true, 1000250 + 8192000}};
    struct builder b;

    (void)state;
    open_builder(&b);
    assert_int_equal(rtcp_write_twcc(&b, 1, 2, 0, s, 3), 2);
    builder_release(&b);
    s[2].arrival_us = 1000250 + 8191000;
    check_twcc(s, 3, 3);
    builder_init(&b, 20); /* no room: nothing is written, nothing broken */
    assert_int_equal(rtcp_write_twcc(&b, 1, 2, 0, s, 3), 0);
    assert_int_equal(b.len, 0);
    builder_release(&b);
}

/* The example of draft-holmer §3.1.3 and §3.1.4: a run and a vector chunk. */
static void test_twcc_of_hand(void **state)
{
    static const uint8_t d[] = {0x8f, 205,  0,    6,    0,    0,    0,
                                1,    0,    0,    0,    2,    0xff, 0xff,
                                0,    9,    0xff, 0xff, 0xff, 3,    0x20,
                                2,    0xd2, 0x40, /* see below */
                                4,    0,    0xff, 0xfc};
    /* 2 small; then 01 00 10 01 00 00 00: small, lost, large, small */
    static const uint8_t e[] = {0x8f, 205,  0,    7,    0,    0,    0,    1,
                                0,    0,    0,    2,    0xff, 0xff, 0,    9,
                                0xff, 0xff, 0xff, 3,    0x20, 2,    0xd2, 0x40,
                                4,    0,    1,    0xff, 0xfc, 2,    0,    0};
    size_t offset = 0;

    (void)state;
    assert_int_equal(rtcp_next(d, sizeof d, &offset, &packet), ERR_SYNTAX);
    assert_int_equal(offset, 0);
    assert_int_equal(rtcp_next(e, sizeof e, &offset, &packet), 0);
    assert_int_equal(packet.count, 9);
    assert_int_equal(packet.v.twcc[0].sequence, 65535);
    assert_int_equal(packet.v.twcc[0].arrival_us, -64000 + 1000);
    assert_int_equal(packet.v.twcc[1].sequence, 0);
    assert_int_equal(packet.v.twcc[1].arrival_us, -63000);
    assert_int_equal(packet.v.twcc[2].arrival_us, -62750);
    assert_false(packet.v.twcc[3].received);
    assert_int_equal(packet.v.twcc[4].arrival_us, -63750);
    assert_int_equal(packet.v.twcc[5].arrival_us, -63250);
    assert_false(packet.v.twcc[8].received);
}

static void test_malformed(void **state)
{
    static const struct {
        size_t len;
        uint8_t d[12];
    } cases[] = {
        {3, {0x80, 200, 0}},
        {4, {0x40, 201, 0, 0}},
        {4, {0x80, 201, 0, 1}},             /* longer than the datagram */
        {8, {0x81, 201, 0, 1, 0, 0, 0, 1}}, /* a report that is not there */
        {8, {0x80, 200, 0, 1, 0, 0, 0, 1}}, /* SR without its info */
        {8, {0x82, 203, 0, 1, 0, 0, 0, 1}},
        {8, {0x81, 206, 0, 1, 0, 0, 0, 1}},
        {4, {0xa0, 201, 0, 0}},             /* padding of nothing */
        {8, {0xa0, 201, 0, 1, 0, 0, 0, 5}}, /* more than there is */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t offset = 0;

        assert_int_equal(rtcp_next(cases[i].d, cases[i].len, &offset, &packet),
                         ERR_SYNTAX);
        assert_int_equal(offset, 0);
    }
}

static void test_a_compound_has_a_bound(void **state)
{
    uint8_t d[4 * (RTCP_PACKETS_MAX + 1)];
    size_t offset = 0;

    (void)state;
    for (size_t i = 0; i < sizeof d; i += 4)
        memcpy(d + i, "\x80\xcb\0\0", 4); /* an empty BYE */
    for (int i = 0; i < RTCP_PACKETS_MAX; i++)
        assert_int_equal(rtcp_next(d, sizeof d, &offset, &packet), 0);
    assert_int_equal(rtcp_next(d, sizeof d, &offset, &packet), ERR_SYNTAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_compound_of_sr_sdes_bye),
    cmocka_unit_test(test_rr_clamps_cumulative_loss),
    cmocka_unit_test(test_nack_packs_and_unpacks),
    cmocka_unit_test(test_pli_fir_remb),
    cmocka_unit_test(test_remb_of_any_exponent),
    cmocka_unit_test(test_twcc_round_trips),
    cmocka_unit_test(test_twcc_stops_at_a_delta_too_large),
    cmocka_unit_test(test_twcc_of_hand),
    cmocka_unit_test(test_malformed),
    cmocka_unit_test(test_a_compound_has_a_bound),
};

HARNESS_MAIN(tests)
