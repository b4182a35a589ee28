/* core/rtc/bwe_priv.h — what bwe.c (input) and bwe_control.c (decisions)
 * share. */
#ifndef CORE_RTC_BWE_PRIV_H
#define CORE_RTC_BWE_PRIV_H
#include "core/rtc/bwe.h"
#include "core/rtc/meter.h"
#include "core/rtc/trend.h"

enum {
    SECOND = 1000000,
    RATE_US = 500000,
    RATE_LEAST_US = 150000, /* seen for so long before a rate is said */
    QUEUE_CALM_US = 15000,
    PROBE_CALM_US = 300000, /* after a probe: its queue is our own doing */
};

#define LOSS_LOW 0.02 /* below, the path is fine */

struct bwe_probe {
    uint8_t id; /* 0: none */
    int64_t bps;
    int packets, arrived, lost;
    int64_t sent_at, first_sent_at, last_sent_at, first_arrived_at,
        last_arrived_at;
    int64_t bytes; /* of all but the first */
};

struct bwe {
    struct bwe_conf conf;
    struct bwe_estimate estimate;
    struct trend trend;
    struct meter sent, acked, counted, lost;
    int64_t peak_bps, peak_at; /* of what was delivered, fading */
    int recent, recent_lost;   /* of packets sent after the last cut */
    int64_t controlled_at;
    int64_t over_from_us; /* the queue when over-use began; -1: there is none */
    int64_t capacity_bps, capacity_at; /* when it was last over-used; 0 */
    int64_t samples_at, heard_at, silenced_at;
    int64_t before_silence_bps;
    int64_t resumed_at; /* after silence; what was lost in it is known */
    int64_t remb_bps, remb_at;
    int64_t rtt_least_us;
    int rtt_jumps;
    struct bwe_probe probe;
    uint8_t probe_ids;
    int64_t probed_at, probe_gap_us;
};

/* bwe_control.c */
void bwe_set_target(struct bwe *b, double bps, int64_t now);
/* True: bps is lower than the target was. */
bool bwe_cut(struct bwe *b, double bps, int64_t now);
void bwe_note_capacity(struct bwe *b, double bps, int64_t now);
int64_t bwe_rtt_or_guess(const struct bwe *b);
bool bwe_has_passed(int64_t since, int64_t now, int64_t span_us);
/* After each feedback: cut, hold or rise. */
void bwe_control_samples(struct bwe *b, int64_t now);
void bwe_control_report(struct bwe *b, double loss, int64_t rtt_us,
                        int64_t now);

#endif
