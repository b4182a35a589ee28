/* core/rtc/bwe.h — how much one viewer's path carries. Pure; one thread.
 *
 *   samples (twcc.h) ─► groups ─► trend of the queueing delay ─► over-use?
 *                    ─► acknowledged rate ───────────────────► increase, hold,
 *   loss (samples or RR) ─► over 10 %: lower; under 2 %: rise   decrease
 *   REMB ─► an upper bound
 *
 * While the path is not filled, the estimate rises to at most about 1.75 times
 * what was delivered: to learn more, send more, or probe:
 *   bps = bwe_probe_wanted(b, now) > 0 ─► id = bwe_probe_sent(b, …) ─► send
 *   padding or repeats at bps for some 50 ms as twcc_sender_sent(…, id, …)
 * Without transport-wide feedback (RR and REMB only) it follows losses, RTT
 * and REMB.
 *
 * Method: delay gradient by least squares over groups of packets, with an
 * adaptive threshold; additive increase, multiplicative decrease.
 * Source: draft-ietf-rmcat-gcc-02 §4–§6. */
#ifndef CORE_RTC_BWE_H
#define CORE_RTC_BWE_H
#include <stdbool.h>
#include <stdint.h>

#include "core/rtc/twcc.h"

enum { BWE_PROBE_PACKETS = 15, BWE_PROBE_US = 50000 };

enum bwe_state {
    BWE_STARTING, /* no feedback yet: target_bps is start_bps */
    BWE_RISING,   /* the path takes it: target grows */
    BWE_HOLDING,  /* a queue drains, or nothing can be learned */
    BWE_FALLING,  /* just lowered: the path is over-used or loses much */
    BWE_SILENT,   /* feedback has stopped */
};

struct bwe_conf {
    int64_t start_bps; /* first target */
    int64_t min_bps, max_bps;
};

struct bwe_estimate {
    int64_t target_bps; /* send at most so much, all together */
    int64_t acked_bps;  /* delivered, over the last 500 ms; 0: not known */
    int64_t rtt_us;     /* smoothed; 0: not known */
    int64_t queue_us;   /* delay above the least of 10 s, that did not pass */
    double loss;        /* 0 .. 1, over about the last second */
    enum bwe_state state;
    int64_t lowered_at; /* when target_bps was last cut; INT64_MIN: never */
    bool limited;       /* by the sender: it sends less than the target */
};

struct bwe;

/* 0, ERR_RANGE (not 0 < min <= start <= max) or ERR_NOMEM. */
int bwe_create(struct bwe **out, const struct bwe_conf *conf);
void bwe_free(struct bwe **b);

/* Everything that is sent to the viewer, probes too. */
void bwe_sent(struct bwe *b, int64_t bytes, int64_t now);
/* What feedback said, in the order of twcc_sender_match(). */
void bwe_samples(struct bwe *b, const struct twcc_sample *s, int count,
                 int64_t now);
/* A report block about our media. rtt_us: 0 if it says none. With several
 * SSRCs: that of the video. */
void bwe_report(struct bwe *b, uint8_t fraction_lost, int64_t rtt_us,
                int64_t now);
void bwe_remb(struct bwe *b, uint64_t bps, int64_t now);
/* Every 100 ms or so: notices that feedback has stopped. */
void bwe_tick(struct bwe *b, int64_t now);

/* Borrowed; changes with each call above. */
const struct bwe_estimate *bwe_estimate(const struct bwe *b);

/* The rate to probe at when a probe may teach something now, else 0: the
 * path is calm, the sender limits itself, and want_bps lies above the
 * target. want_bps: what the next better rendition needs. */
int64_t bwe_probe_wanted(const struct bwe *b, int64_t want_bps, int64_t now);
/* A probe of `packets` packets at bps starts now: its number, 1 .. 255, for
 * twcc_sender_sent(). */
uint8_t bwe_probe_sent(struct bwe *b, int64_t bps, int packets, int64_t now);

/* RTT of a report block that answers our SR (RFC 3550 §6.4.1), or 0.
 * ntp: of now. */
int64_t bwe_rtt_of_report(const struct rtcp_report *r, uint64_t ntp);

#endif
