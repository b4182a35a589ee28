#include "edge/burst.h"
#include "tests/harness.h"

enum { PACKETS = 60, BYTES = 1200, MS = 1000 };

/* A keyframe sent at one rate over a path of another. */
static int train(struct twcc_sample *out, int64_t at, int64_t send_bps,
                 int64_t path_bps)
{
    int64_t arrived = 0;

    for (int i = 0; i < PACKETS; i++) {
        int64_t sent = at + (int64_t)i * BYTES * 8 * 1000000 / send_bps;
        int64_t out_at = arrived + (int64_t)BYTES * 8 * 1000000 / path_bps;
        arrived = sent > out_at ? sent : out_at;
        out[i] = (struct twcc_sample){
            .sent_at = sent, .arrived_at = arrived + 20 * MS, .bytes = BYTES};
    }
    return PACKETS;
}

static void test_a_wide_path_is_found(void **state)
{
    struct twcc_sample s[PACKETS];
    struct burst b = {0};
    int64_t bps = 10000000;
    (void)state;

    for (int i = 0; i < 4; i++) {
        burst_samples(&b, s, train(s, i * 2000000, bps, 500000000));
        assert_true(b.bps > bps * 5 / 4);
        bps = b.bps;
    }
    assert_true(bps > 60000000);
}

static void test_a_narrow_path_is_found(void **state)
{
    struct twcc_sample s[PACKETS];
    struct burst b = {.bps = 100000000};
    (void)state;

    burst_samples(&b, s, train(s, 0, 15000000, 4000000));
    assert_in_range(b.bps, 3600000, 4400000);
    /* Sent as the path takes it: no doubt about it, so it is tried again. */
    burst_samples(&b, s, train(s, 0, 3500000, 4000000));
    assert_in_range(b.bps, 4000000, 8000000);
}

static void test_losses_are_no_speed(void **state)
{
    struct twcc_sample s[PACKETS];
    struct burst b = {.bps = 100000000};
    (void)state;

    train(s, 0, 15000000, 15000000);
    for (int i = 20; i < PACKETS; i += 2)
        s[i].lost = true;
    burst_samples(&b, s, PACKETS);
    assert_true(b.bps < 15000000);
}

static void test_usual_frames_say_nothing(void **state)
{
    struct twcc_sample s[PACKETS];
    struct burst b = {0};
    (void)state;

    train(s, 0, 100000000, 100000000);
    for (int i = 0; i < PACKETS; i++)
        s[i].sent_at += i / 10 * 33 * MS;
    burst_samples(&b, s, PACKETS);
    burst_samples(&b, s, 0);
    assert_int_equal(b.bps, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_wide_path_is_found),
    cmocka_unit_test(test_a_narrow_path_is_found),
    cmocka_unit_test(test_losses_are_no_speed),
    cmocka_unit_test(test_usual_frames_say_nothing),
};
HARNESS_MAIN(tests)
