#include "tests/harness.h"

#include "ingest/whip/clock.h"

enum { VIDEO, AUDIO, SECOND = 1000000, MS = 1000 };

#define WALL ((int64_t)1700000000 * SECOND)

static int64_t video(struct whip_clock *c, int64_t at, uint32_t base)
{
    return whip_clock_us(c, VIDEO, base + (uint32_t)(at * 9 / 100), at);
}

static int64_t audio(struct whip_clock *c, int64_t at, uint32_t base)
{
    return whip_clock_us(c, AUDIO, base + (uint32_t)(at * 6 / 125), at);
}

static void begin(struct whip_clock *c)
{
    whip_clock_init(c);
    whip_clock_begin(c, VIDEO, 90000);
    whip_clock_begin(c, AUDIO, 48000);
}

static void test_first_arrival_and_wraps(void **state)
{
    struct whip_clock c;
    uint32_t base = 0xffffff00;

    (void)state;
    begin(&c);
    for (int64_t at = 0; at < 40 * SECOND; at += 20 * MS) {
        int64_t us = video(&c, at, base);
        assert_true(us >= at - 12 && us <= at + 12);
        us = audio(&c, at, base);
        assert_true(us >= at - 22 && us <= at + 22);
    }
    assert_int_equal(c.jumps, 0);
}

/* Arrival says that video is 80 ms late; the sender's reports know better.
 * Nothing steps back, nothing runs more than a twentieth too fast. */
static void test_reports_align(void **state)
{
    struct whip_clock c;
    int64_t last = -1, at, us = 0;

    (void)state;
    begin(&c);
    for (at = 0; at < 10 * SECOND; at += 20 * MS) {
        audio(&c, at, 5);
        us = whip_clock_us(&c, VIDEO, (uint32_t)(at * 9 / 100), at + 80 * MS);
        if (last >= 0) {
            assert_true(us - last >= 19 * MS - 20);
            assert_true(us - last <= 21 * MS + 20);
        }
        last = us;
        if (at == SECOND)
            whip_clock_report(&c, VIDEO, rtp_ntp_of_wall(WALL + at),
                              (uint32_t)(at * 9 / 100));
        if (at == 2 * SECOND)
            whip_clock_report(&c, AUDIO, rtp_ntp_of_wall(WALL + at),
                              5 + (uint32_t)(at * 6 / 125));
        if (at <= 2 * SECOND) assert_true(us >= at + 80 * MS - 20);
    }
    at -= 20 * MS;
    assert_true(us - at > -50 && us - at < 50);
    assert_int_equal(c.reference, AUDIO);
}

/* Reports that came before the first packets count once those are there. */
static void test_early_reports(void **state)
{
    struct whip_clock c;
    int64_t us = 0;

    (void)state;
    begin(&c);
    whip_clock_report(&c, AUDIO, rtp_ntp_of_wall(WALL), 0);
    whip_clock_report(&c, VIDEO, rtp_ntp_of_wall(WALL), 0);
    audio(&c, 0, 0);
    for (int64_t at = 0; at < 4 * SECOND; at += 20 * MS)
        us = whip_clock_us(&c, VIDEO, (uint32_t)(at * 9 / 100), at + 50 * MS);
    assert_true(us > 3980 * MS - 50 && us < 3980 * MS + 50);
}

static void test_nonsense_is_not_believed(void **state)
{
    struct whip_clock c;
    int64_t us;

    (void)state;
    begin(&c);
    audio(&c, 0, 0);
    video(&c, 0, 0);
    whip_clock_report(&c, AUDIO, rtp_ntp_of_wall(WALL), 0);
    whip_clock_report(&c, VIDEO, rtp_ntp_of_wall(WALL + 3600LL * SECOND), 0);
    assert_int_equal(c.distrusted, 1);
    whip_clock_report(&c, VIDEO, 0, 0);
    us = video(&c, 20 * MS, 0);
    assert_true(us > 20 * MS - 20 && us < 20 * MS + 20);
}

/* A sender that begins anew at another number goes on in time. */
static void test_jump(void **state)
{
    struct whip_clock c;
    int64_t us;

    (void)state;
    begin(&c);
    video(&c, 0, 1000);
    video(&c, 1 * SECOND, 1000);
    us = video(&c, 1040 * MS, 3000000000u);
    assert_true(us > 1030 * MS && us < 1050 * MS);
    assert_int_equal(c.jumps, 1);
}

/* Frames shown before the one before them: their own times. */
static void test_backward_within_a_group(void **state)
{
    struct whip_clock c;

    (void)state;
    begin(&c);
    assert_int_equal(whip_clock_us(&c, VIDEO, 9000, 1 * SECOND), SECOND);
    assert_int_equal(whip_clock_us(&c, VIDEO, 18000, 1 * SECOND),
                     SECOND + 100 * MS);
    assert_int_equal(whip_clock_us(&c, VIDEO, 13500, 1 * SECOND),
                     SECOND + 50 * MS);
}

/* A layer that joins late lies where those that run would put it, although
 * their clock has drifted. */
static void test_late_stream_shares_the_drift(void **state)
{
    struct whip_clock c;
    int64_t at = 0, us;

    (void)state;
    begin(&c);
    whip_clock_begin(&c, 2, 90000);
    for (; at < 1000 * SECOND; at += 100 * MS) /* 200 ppm fast */
        whip_clock_us(&c, VIDEO, (uint32_t)(at * 9 / 100), at * 4999 / 5000);
    at -= 100 * MS;
    us = whip_clock_us(&c, 2, 77, at * 4999 / 5000);
    assert_true(us > at - MS && us < at + MS);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_first_arrival_and_wraps),
    cmocka_unit_test(test_reports_align),
    cmocka_unit_test(test_early_reports),
    cmocka_unit_test(test_nonsense_is_not_believed),
    cmocka_unit_test(test_jump),
    cmocka_unit_test(test_backward_within_a_group),
    cmocka_unit_test(test_late_stream_shares_the_drift),
};
HARNESS_MAIN(tests)
