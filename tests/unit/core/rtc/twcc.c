#include "tests/harness.h"

#include "core/base/err.h"
#include "core/rtc/twcc.h"

enum { MS = 1000 };

static struct rtcp_packet packet; /* large */

/* A sender and a receiver with a way between them. */
struct pair {
    struct twcc_sender *sender;
    struct twcc_recorder *recorder;
    struct twcc_sample samples[RTCP_TWCC_MAX];
    int count;
};

static void start(struct pair *p)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(twcc_sender_create(&p->sender), 0);
    assert_int_equal(twcc_recorder_create(&p->recorder), 0);
}

static void stop(struct pair *p)
{
    twcc_sender_free(&p->sender);
    twcc_recorder_free(&p->recorder);
    assert_null(p->sender);
    assert_null(p->recorder);
}

/* One feedback packet from recorder to sender; false: none was due. */
static bool feed_back(struct pair *p)
{
    struct builder b;
    size_t offset = 0;
    bool wrote;

    builder_init(&b, RTCP_MAX);
    wrote = twcc_recorder_write(p->recorder, &b, 1, 2);
    p->count = 0;
    if (wrote) {
        assert_int_equal(rtcp_next(builder_data(&b), b.len, &offset, &packet),
                         0);
        assert_int_equal(packet.type, RTCP_TWCC);
        p->count =
            twcc_sender_match(p->sender, &packet, p->samples, RTCP_TWCC_MAX);
    }
    builder_release(&b);
    return wrote;
}

static void test_numbers_come_back_as_samples(void **state)
{
    struct pair p;

    (void)state;
    start(&p);
    assert_true(twcc_recorder_deadline(p.recorder) == INT64_MAX);
    assert_false(feed_back(&p));
    for (int i = 0; i < 10; i++) {
        uint16_t n =
            twcc_sender_sent(p.sender, (size_t)(1000 + i), i == 4, i * MS);

        assert_int_equal(n, i);
        if (i % 3 != 1) /* 1, 4 and 7 are lost */
            twcc_recorder_received(p.recorder, n, 500 * MS + i * MS);
    }
    assert_int_equal(twcc_sender_in_flight(p.sender), 10045);
    assert_int_equal(twcc_recorder_deadline(p.recorder),
                     500 * MS + TWCC_INTERVAL_US);
    assert_true(feed_back(&p));
    assert_int_equal(p.count, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(p.samples[i].lost, i % 3 == 1);
        assert_int_equal(p.samples[i].sent_at, i * MS);
        assert_int_equal(p.samples[i].bytes, 1000 + i);
        assert_int_equal(p.samples[i].probe, i == 4);
        if (i % 3 != 1)
            assert_int_equal(p.samples[i].arrived_at - p.samples[0].arrived_at,
                             i * MS);
    }
    assert_int_equal(twcc_sender_in_flight(p.sender), 0);
    assert_true(twcc_recorder_deadline(p.recorder) == INT64_MAX);
    assert_false(feed_back(&p));
    stop(&p);
}

static void test_a_late_packet_is_said_again(void **state)
{
    struct pair p;

    (void)state;
    start(&p);
    for (int i = 0; i < 3; i++)
        twcc_sender_sent(p.sender, 100, 0, 0);
    twcc_recorder_received(p.recorder, 0, 10 * MS);
    twcc_recorder_received(p.recorder, 2, 12 * MS);
    twcc_recorder_received(p.recorder, 2, 13 * MS); /* a duplicate */
    assert_true(feed_back(&p));
    assert_int_equal(p.count, 3);
    assert_true(p.samples[1].lost);
    twcc_recorder_received(p.recorder, 1, 70 * MS);
    assert_int_equal(twcc_recorder_deadline(p.recorder),
                     70 * MS + TWCC_INTERVAL_US);
    assert_true(feed_back(&p));
    assert_int_equal(p.count, 1); /* 2 was heard of before */
    assert_false(p.samples[0].lost);
    stop(&p);
}

static void test_lost_feedback_is_not_in_flight_for_ever(void **state)
{
    struct pair p;

    (void)state;
    start(&p);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 4; i++)
            twcc_recorder_received(p.recorder,
                                   twcc_sender_sent(p.sender, 100, 0, 0), MS);
    /* What covers 0..11 is written and lost on the way. */
    {
        struct builder b;

        builder_init(&b, RTCP_MAX);
        assert_true(twcc_recorder_write(p.recorder, &b, 1, 2));
        builder_release(&b);
    }
    assert_int_equal(twcc_sender_in_flight(p.sender), 1200);
    twcc_recorder_received(p.recorder, twcc_sender_sent(p.sender, 100, 0, 0),
                           MS);
    assert_true(feed_back(&p));
    assert_int_equal(p.count, 1);
    assert_int_equal(twcc_sender_in_flight(p.sender), 0);
    stop(&p);
}

/* For longer than any number or the reference time lasts. */
static void test_numbers_and_times_wrap(void **state)
{
    struct pair p;
    int64_t first = -1, last = 0;
    const int64_t step = INT64_C(64000) << 20; /* 16 are a turn */

    (void)state;
    start(&p);
    for (int64_t i = 0; i < 70; i++) {
        for (int k = 0; k < 1000; k++)
            twcc_recorder_received(p.recorder,
                                   twcc_sender_sent(p.sender, 1, 0, i * step),
                                   i * step + k * 250);
        assert_true(feed_back(&p));
        while (p.count) {
            if (first < 0) first = p.samples[0].arrived_at;
            last = p.samples[p.count - 1].arrived_at;
            feed_back(&p);
        }
    }
    assert_true(last - first == 69 * step + 999 * 250);
    stop(&p);
}

static void test_old_numbers_are_forgotten(void **state)
{
    struct pair p;

    (void)state;
    start(&p);
    for (int i = 0; i < TWCC_WINDOW + 100; i++)
        twcc_sender_sent(p.sender, 1, 0, i);
    assert_int_equal(twcc_sender_in_flight(p.sender), TWCC_WINDOW);
    twcc_recorder_received(p.recorder, 50, MS);
    assert_true(feed_back(&p));
    assert_int_equal(p.count, 0);
    twcc_recorder_received(p.recorder, 101, MS);
    assert_true(feed_back(&p));
    assert_int_equal(p.count, 2); /* 100 is lost; 51..99 are forgotten */
    assert_true(p.samples[0].lost);
    /* Numbers that were never sent tell nothing. */
    twcc_recorder_received(p.recorder, 30000, 2 * MS);
    while (feed_back(&p))
        assert_true(p.count <= TWCC_WINDOW);
    stop(&p);
}

static void test_a_jump_of_numbers_starts_anew(void **state)
{
    struct pair p;

    (void)state;
    start(&p);
    twcc_recorder_received(p.recorder, 5, MS);
    twcc_recorder_received(p.recorder, 5000, 2 * MS);
    assert_true(feed_back(&p));
    assert_int_equal(packet.v.twcc[0].sequence, 5000);
    assert_int_equal(packet.count, 1);
    twcc_recorder_received(p.recorder, 5, 3 * MS); /* too old to tell */
    assert_false(feed_back(&p));
    stop(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_numbers_come_back_as_samples),
    cmocka_unit_test(test_a_late_packet_is_said_again),
    cmocka_unit_test(test_lost_feedback_is_not_in_flight_for_ever),
    cmocka_unit_test(test_numbers_and_times_wrap),
    cmocka_unit_test(test_old_numbers_are_forgotten),
    cmocka_unit_test(test_a_jump_of_numbers_starts_anew),
};

HARNESS_MAIN(tests)
