#include "tests/harness.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/rtc/bwe.h"

/* A sender whose media follows the estimate, a link with a rate, a drop-tail
 * queue, delay, jitter and losses, and a receiver that gives feedback. Time
 * goes in steps of 1 ms; nothing is random but what a fixed seed yields. */

enum {
    MS = 1000,
    SECOND = 1000000,
    WAY_MAX = 4096,
    PACKET = 1200,
    STEP_US = MS,
    KBIT = 1000,
    MBIT = 1000000,
};

struct traveller { /* a packet, or a feedback packet on its way back */
    int64_t due_at;
    uint16_t number;
    bool dropped;
};

struct answer {
    int64_t due_at;
    struct rtcp_packet packet;
};

struct link {
    /* The way, changed by the tests. */
    int64_t rate_bps, queue_us, delay_us, jitter_us;
    int64_t stall_us; /* at most so long the receiver sleeps, again and again */
    int64_t asleep_until, awake_until;
    double loss;
    /* The sender. */
    int64_t source_bps; /* media is at most so much */
    int fps;
    int key_every; /* frames; a key frame is 4 times as large */
    bool reports_only;
    struct bwe *b;
    struct twcc_sender *sender;
    int64_t now, next_frame_at, next_tick_at, next_report_at;
    int64_t backlog_bytes; /* cut frames that the pacer still holds */
    double budget_bytes;
    int frames;
    /* The way's and the receiver's state. */
    int64_t free_at, last_due_at;
    struct traveller way[WAY_MAX];
    int way_first, way_count;
    struct twcc_recorder *recorder;
    struct answer answers[64];
    int answer_first, answer_count;
    int64_t delivered_bytes, sent_packets, lost_packets;
    uint32_t seed;
    int64_t least_bps, most_bps; /* targets since reset_extremes() */
    int64_t longest_us;          /* queue */
};

static double chance(struct link *l)
{
    l->seed = l->seed * 1664525 + 1013904223;
    return (l->seed >> 8) / (double)(1 << 24);
}

static struct link *start(int64_t rate_bps)
{
    static const struct bwe_conf conf = {MBIT, 100 * KBIT, 8 * MBIT};
    struct link *l = calloc(1, sizeof *l);

    assert_non_null(l);
    l->rate_bps = rate_bps;
    l->queue_us = 100 * MS;
    l->delay_us = 20 * MS;
    l->source_bps = 20 * MBIT;
    l->fps = 25;
    l->now = 1000 * SECOND;
    l->next_frame_at = l->next_tick_at = l->now;
    l->next_report_at = l->now + SECOND;
    l->seed = 7;
    assert_int_equal(bwe_create(&l->b, &conf), 0);
    assert_int_equal(twcc_sender_create(&l->sender), 0);
    assert_int_equal(twcc_recorder_create(&l->recorder), 0);
    return l;
}

static void stop(struct link **l)
{
    bwe_free(&(*l)->b);
    twcc_sender_free(&(*l)->sender);
    twcc_recorder_free(&(*l)->recorder);
    free(*l);
    *l = NULL;
}

static void put_on_way(struct link *l, size_t bytes, uint8_t probe)
{
    uint16_t number = twcc_sender_sent(l->sender, bytes, probe, l->now);
    int64_t begins_at = l->free_at > l->now ? l->free_at : l->now;
    int64_t waits_us = begins_at - l->now;
    struct traveller t = {.number = number};

    bwe_sent(l->b, (int64_t)bytes, l->now);
    l->sent_packets++;
    if (waits_us > l->longest_us) l->longest_us = waits_us;
    if (waits_us > l->queue_us || chance(l) < l->loss || !l->rate_bps) {
        l->lost_packets++;
        return;
    }
    l->free_at = begins_at + (int64_t)bytes * 8 * SECOND / l->rate_bps;
    t.due_at =
        l->free_at + l->delay_us + (int64_t)(chance(l) * (double)l->jitter_us);
    if (t.due_at < l->last_due_at) t.due_at = l->last_due_at;
    l->last_due_at = t.due_at;
    assert_in_range(l->way_count, 0, WAY_MAX - 1);
    l->way[(l->way_first + l->way_count++) % WAY_MAX] = t;
}

/* Frames are cut at the source's rate, and leave at 2.5 times that. */
static void send_media(struct link *l)
{
    int64_t target = bwe_estimate(l->b)->target_bps;
    int64_t bps = target < l->source_bps ? target : l->source_bps;

    while (l->now >= l->next_frame_at) {
        bool key = l->key_every && l->frames++ % l->key_every == 0;
        int64_t bytes = bps / 8 / l->fps;

        if (l->key_every) /* the same rate all together */
            bytes = bytes * (key ? 4 : 1) * l->key_every / (l->key_every + 3);
        l->backlog_bytes += bytes;
        l->next_frame_at += SECOND / l->fps;
    }
    l->budget_bytes += 2.5 * (double)bps / 8 * STEP_US / SECOND;
    if (l->budget_bytes > 2 * PACKET) l->budget_bytes = 2 * PACKET;
    while (l->backlog_bytes > 0 && l->budget_bytes > 0) {
        size_t n = l->backlog_bytes < PACKET ? (size_t)l->backlog_bytes
                                             : (size_t)PACKET;

        put_on_way(l, n + 40, 0);
        l->backlog_bytes -= (int64_t)n;
        l->budget_bytes -= (double)n;
    }
}

/* A machine with more to do than it can: packets wait, then come all at once,
 * and so does the feedback. */
static bool is_asleep(struct link *l)
{
    if (!l->stall_us) return false;
    if (l->now < l->asleep_until) return true;
    if (l->now < l->awake_until) return false;
    l->asleep_until = l->now + (int64_t)(chance(l) * (double)l->stall_us);
    l->awake_until = l->asleep_until + (int64_t)(chance(l) * 200 * MS);
    return true;
}

static void receive(struct link *l)
{
    if (is_asleep(l)) return;
    while (l->way_count && l->way[l->way_first].due_at <= l->now) {
        int64_t at = l->stall_us ? l->now : l->way[l->way_first].due_at;

        twcc_recorder_received(l->recorder, l->way[l->way_first].number,
                               at + 77 * SECOND);
        l->delivered_bytes += PACKET;
        l->way_first = (l->way_first + 1) % WAY_MAX;
        l->way_count--;
    }
}

static void give_feedback(struct link *l)
{
    struct answer *a = &l->answers[(l->answer_first + l->answer_count) % 64];
    struct builder out;
    size_t offset = 0;

    if (twcc_recorder_deadline(l->recorder) - 77 * SECOND > l->now ||
        l->now < l->asleep_until)
        return;
    builder_init(&out, RTCP_MAX);
    if (twcc_recorder_write(l->recorder, &out, 1, 2)) {
        assert_int_equal(
            rtcp_next(builder_data(&out), out.len, &offset, &a->packet), 0);
        a->due_at = l->now + l->delay_us;
        if (l->rate_bps && !l->reports_only) l->answer_count++;
        assert_in_range(l->answer_count, 0, 63);
    }
    builder_release(&out);
}

static void take_feedback(struct link *l)
{
    static struct twcc_sample samples[RTCP_TWCC_MAX];

    while (l->answer_count && l->answers[l->answer_first].due_at <= l->now) {
        int n =
            twcc_sender_match(l->sender, &l->answers[l->answer_first].packet,
                              samples, RTCP_TWCC_MAX);

        bwe_samples(l->b, samples, n, l->now);
        l->answer_first = (l->answer_first + 1) % 64;
        l->answer_count--;
    }
    if (l->now >= l->next_report_at) {
        int64_t queue = l->free_at > l->now ? l->free_at - l->now : 0;
        double lost = l->sent_packets
                          ? (double)l->lost_packets / (double)l->sent_packets
                          : 0;

        l->next_report_at += SECOND;
        l->sent_packets = l->lost_packets = 0;
        if (l->rate_bps && l->now >= l->asleep_until)
            bwe_report(l->b, (uint8_t)(lost * 255), 2 * l->delay_us + queue,
                       l->now);
    }
}

static void run_for(struct link *l, int64_t span_us)
{
    int64_t until = l->now + span_us;

    while (l->now < until) {
        int64_t target;

        send_media(l);
        receive(l);
        give_feedback(l);
        take_feedback(l);
        if (l->now >= l->next_tick_at) {
            bwe_tick(l->b, l->now);
            l->next_tick_at += 100 * MS;
        }
        target = bwe_estimate(l->b)->target_bps;
        if (target < l->least_bps) l->least_bps = target;
        if (target > l->most_bps) l->most_bps = target;
        l->now += STEP_US;
        if (getenv("TRACE") && l->now % (atoi(getenv("TRACE")) * MS) == 0) {
            const struct bwe_estimate *e = bwe_estimate(l->b);

            printf("%7.2f link %5d target %5d acked %5d loss %.2f queue %4d "
                   "rtt %3d state %d%s\n",
                   (double)(l->now - 1000 * SECOND) / 1e6,
                   (int)(l->rate_bps / 1000), (int)(e->target_bps / 1000),
                   (int)(e->acked_bps / 1000), e->loss,
                   (int)(e->queue_us / 1000), (int)(e->rtt_us / 1000), e->state,
                   e->limited ? " limited" : "");
        }
    }
}

static void reset_extremes(struct link *l)
{
    l->least_bps = INT64_MAX;
    l->most_bps = 0;
    l->longest_us = 0;
}

static void send_probe(struct link *l, uint8_t id, int64_t bps)
{
    int64_t gap_us = INT64_C(8) * PACKET * SECOND / bps;

    for (int i = 0; i < BWE_PROBE_PACKETS; i++) {
        put_on_way(l, PACKET, id);
        run_for(l, gap_us / STEP_US * STEP_US);
    }
}

static int64_t target(const struct link *l)
{
    return bwe_estimate(l->b)->target_bps;
}

static void test_step_down_and_back(void **state)
{
    struct link *l = start(4 * MBIT);

    (void)state;
    run_for(l, 15 * SECOND);
    assert_in_range(target(l), 2800 * KBIT, 4500 * KBIT);
    l->rate_bps = 600 * KBIT;
    run_for(l, SECOND + SECOND / 2);
    assert_in_range(target(l), 300 * KBIT, 640 * KBIT);
    reset_extremes(l);
    run_for(l, 15 * SECOND);
    assert_in_range(l->least_bps, 350 * KBIT, 640 * KBIT);
    assert_in_range(l->most_bps, 450 * KBIT, 900 * KBIT);
    l->rate_bps = 4 * MBIT;
    run_for(l, 10 * SECOND);
    assert_in_range(target(l), 2800 * KBIT, 4800 * KBIT);
    stop(&l);
}

/* A router that holds a second: the queue must not stay. */
static void test_a_long_queue_is_drained(void **state)
{
    struct link *l = start(4 * MBIT);

    (void)state;
    l->queue_us = SECOND;
    run_for(l, 12 * SECOND);
    l->rate_bps = 600 * KBIT;
    run_for(l, SECOND + SECOND / 2);
    assert_in_range(target(l), 250 * KBIT, 620 * KBIT);
    run_for(l, 5 * SECOND);
    reset_extremes(l);
    run_for(l, 10 * SECOND);
    assert_in_range(l->longest_us, 0, 250 * MS);
    assert_in_range(l->least_bps, 300 * KBIT, 620 * KBIT);
    stop(&l);
}

/* A shallow queue gives losses and hardly any delay. */
static void test_a_shallow_queue_is_found_by_losses(void **state)
{
    struct link *l = start(4 * MBIT);

    (void)state;
    l->queue_us = 15 * MS;
    run_for(l, 12 * SECOND);
    assert_in_range(target(l), 2 * MBIT, 5 * MBIT);
    l->rate_bps = 600 * KBIT;
    l->queue_us = 30 * MS;
    run_for(l, 2 * SECOND);
    assert_in_range(target(l), 250 * KBIT, 900 * KBIT);
    stop(&l);
}

static void test_a_sender_that_limits_itself_learns_little(void **state)
{
    struct link *l = start(4 * MBIT);
    int64_t before, bps;
    uint8_t id;

    (void)state;
    l->source_bps = 300 * KBIT;
    run_for(l, 2 * SECOND);
    reset_extremes(l);
    run_for(l, 30 * SECOND);
    assert_true(bwe_estimate(l->b)->limited);
    assert_in_range(l->most_bps, 300 * KBIT, MBIT); /* as it started */
    before = target(l);
    assert_int_equal(bwe_probe_wanted(l->b, before, l->now), 0);
    bps = bwe_probe_wanted(l->b, 2 * MBIT, l->now);
    assert_in_range(bps, 2 * MBIT, 4 * MBIT);
    id = bwe_probe_sent(l->b, bps, BWE_PROBE_PACKETS, l->now);
    assert_int_not_equal(id, 0);
    assert_int_equal(bwe_probe_wanted(l->b, 2 * MBIT, l->now), 0);
    send_probe(l, id, bps);
    run_for(l, SECOND);
    assert_in_range(target(l), 1900 * KBIT, 3 * MBIT);
    reset_extremes(l);
    run_for(l, 5 * SECOND);
    assert_true(l->most_bps <= target(l) + 1000);
    stop(&l);
}

static void test_a_probe_that_does_not_fit_is_not_believed(void **state)
{
    struct link *l = start(800 * KBIT);
    int64_t bps;
    uint8_t id;

    (void)state;
    l->source_bps = 300 * KBIT;
    run_for(l, 10 * SECOND);
    bps = bwe_probe_wanted(l->b, 3 * MBIT, l->now);
    assert_in_range(bps, MBIT, 4 * MBIT);
    id = bwe_probe_sent(l->b, bps, BWE_PROBE_PACKETS, l->now);
    send_probe(l, id, bps);
    run_for(l, 2 * SECOND);
    assert_in_range(target(l), 300 * KBIT, 850 * KBIT);
    assert_int_equal(bwe_probe_wanted(l->b, 3 * MBIT, l->now), 0);
    stop(&l);
}

static void test_losses_by_chance_do_not_starve(void **state)
{
    struct link *l = start(20 * MBIT);

    (void)state;
    l->loss = 0.05;
    l->delay_us = 50 * MS;
    l->source_bps = 2 * MBIT;
    run_for(l, 30 * SECOND);
    assert_in_range(target(l), 1500 * KBIT, 4 * MBIT);
    stop(&l);
}

static void test_heavy_losses_lower_it(void **state)
{
    struct link *l = start(20 * MBIT);

    (void)state;
    run_for(l, 5 * SECOND);
    l->loss = 0.20;
    run_for(l, 5 * SECOND);
    assert_in_range(target(l), 100 * KBIT, 2500 * KBIT);
    l->loss = 0;
    run_for(l, 10 * SECOND);
    assert_true(target(l) >= 2500 * KBIT);
    stop(&l);
}

/* What a radio does to arrivals is not a queue. */
static void test_jitter_is_not_congestion(void **state)
{
    struct link *l = start(20 * MBIT);

    (void)state;
    l->jitter_us = 15 * MS;
    l->source_bps = 2 * MBIT;
    run_for(l, 10 * SECOND);
    reset_extremes(l);
    run_for(l, 60 * SECOND);
    assert_true(l->least_bps >= 1500 * KBIT);
    stop(&l);
}

static void test_stalls_are_not_congestion(void **state)
{
    struct link *l = start(20 * MBIT);

    (void)state;
    l->stall_us = 120 * MS;
    l->source_bps = 2 * MBIT;
    l->key_every = 50;
    run_for(l, 10 * SECOND);
    reset_extremes(l);
    run_for(l, 60 * SECOND);
    assert_true(l->least_bps >= 2 * MBIT);
    stop(&l);
}

/* Longer than silence is borne, and nothing is lost. */
static void test_late_feedback_changes_nothing(void **state)
{
    struct link *l = start(20 * MBIT);
    int64_t before;

    (void)state;
    l->source_bps = 2 * MBIT;
    run_for(l, 10 * SECOND);
    before = target(l);
    l->stall_us = MS;
    l->asleep_until = l->now + 2500 * MS;
    l->awake_until = l->now + 100 * SECOND;
    run_for(l, 2400 * MS);
    assert_int_equal(bwe_estimate(l->b)->state, BWE_SILENT);
    assert_true(target(l) < before);
    run_for(l, 2 * SECOND);
    assert_true(target(l) >= before);
    stop(&l);
}

/* Another route, 60 ms longer. */
static void test_a_longer_way_is_not_congestion(void **state)
{
    struct link *l = start(20 * MBIT);

    (void)state;
    l->source_bps = 1500 * KBIT;
    run_for(l, 10 * SECOND);
    reset_extremes(l);
    l->delay_us += 60 * MS;
    run_for(l, 30 * SECOND);
    assert_true(l->least_bps >= 1500 * KBIT);
    stop(&l);
}

/* A lecture's slides: five frames a second, each a burst that queues. */
static void test_few_frames_a_second(void **state)
{
    struct link *l = start(MBIT);

    (void)state;
    l->source_bps = 300 * KBIT;
    l->fps = 5;
    l->key_every = 10;
    run_for(l, 10 * SECOND);
    reset_extremes(l);
    run_for(l, 60 * SECOND);
    assert_in_range(l->least_bps, 450 * KBIT, 1200 * KBIT);
    stop(&l);
}

/* Key frames of four times the size on a path that just carries them. */
static void test_key_frames_are_not_congestion(void **state)
{
    struct link *l = start(4 * MBIT);

    (void)state;
    l->source_bps = 1500 * KBIT;
    l->key_every = 50;
    run_for(l, 10 * SECOND);
    reset_extremes(l);
    run_for(l, 60 * SECOND);
    assert_true(l->least_bps >= 1800 * KBIT);
    stop(&l);
}

static void test_a_dead_path_is_noticed(void **state)
{
    struct link *l = start(4 * MBIT);

    (void)state;
    run_for(l, 10 * SECOND);
    l->rate_bps = 0;
    run_for(l, 2 * SECOND);
    assert_int_equal(bwe_estimate(l->b)->state, BWE_SILENT);
    assert_true(target(l) < 3 * MBIT);
    l->rate_bps = 4 * MBIT;
    run_for(l, 10 * SECOND);
    assert_true(target(l) >= 2500 * KBIT);
    stop(&l);
}

static void test_reports_and_remb_alone(void **state)
{
    struct link *l = start(4 * MBIT);

    (void)state;
    l->reports_only = true;
    assert_int_equal(bwe_estimate(l->b)->state, BWE_STARTING);
    run_for(l, 15 * SECOND);
    assert_in_range(target(l), 2 * MBIT, 5 * MBIT);
    l->rate_bps = 600 * KBIT;
    run_for(l, 4 * SECOND);
    assert_in_range(target(l), 250 * KBIT, 900 * KBIT);
    l->rate_bps = 4 * MBIT;
    run_for(l, 10 * SECOND);
    assert_true(target(l) >= 1200 * KBIT);
    bwe_remb(l->b, 700 * KBIT, l->now);
    assert_int_equal(target(l), 700 * KBIT);
    run_for(l, 3 * SECOND);
    assert_int_equal(target(l), 700 * KBIT);
    bwe_remb(l->b, 900 * KBIT, l->now);
    run_for(l, 4 * SECOND);
    assert_in_range(target(l), 700 * KBIT, 900 * KBIT);
    stop(&l);
}

static void test_bounds(void **state)
{
    struct bwe *b = NULL;

    (void)state;
    assert_int_equal(bwe_create(&b, &(struct bwe_conf){1, 2, 3}), ERR_RANGE);
    assert_int_equal(bwe_create(&b, &(struct bwe_conf){4, 2, 3}), ERR_RANGE);
    assert_int_equal(bwe_create(&b, &(struct bwe_conf){0, 0, 3}), ERR_RANGE);
    assert_null(b);
}

static void test_rtt_of_a_report(void **state)
{
    /* RFC 3550 §6.4.1, figure 2: 6.125 s. */
    struct rtcp_report r = {.last_sr = 0xb7052000,
                            .delay_since_last_sr = 0x00054000};

    (void)state;
    assert_int_equal(
        bwe_rtt_of_report(&r, UINT64_C(0xb44db710) << 32 | 0x80000000),
        6125000);
    r.last_sr = 0;
    assert_int_equal(bwe_rtt_of_report(&r, UINT64_C(0xb44db710) << 32), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_step_down_and_back),
    cmocka_unit_test(test_a_long_queue_is_drained),
    cmocka_unit_test(test_a_shallow_queue_is_found_by_losses),
    cmocka_unit_test(test_a_sender_that_limits_itself_learns_little),
    cmocka_unit_test(test_a_probe_that_does_not_fit_is_not_believed),
    cmocka_unit_test(test_losses_by_chance_do_not_starve),
    cmocka_unit_test(test_heavy_losses_lower_it),
    cmocka_unit_test(test_jitter_is_not_congestion),
    cmocka_unit_test(test_stalls_are_not_congestion),
    cmocka_unit_test(test_late_feedback_changes_nothing),
    cmocka_unit_test(test_a_longer_way_is_not_congestion),
    cmocka_unit_test(test_few_frames_a_second),
    cmocka_unit_test(test_key_frames_are_not_congestion),
    cmocka_unit_test(test_a_dead_path_is_noticed),
    cmocka_unit_test(test_reports_and_remb_alone),
    cmocka_unit_test(test_bounds),
    cmocka_unit_test(test_rtt_of_a_report),
};

HARNESS_MAIN(tests)
