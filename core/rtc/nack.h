/* core/rtc/nack.h — which packets of one SSRC are missing, and which of them
 * to ask for now. Pure; one thread. Numbers are unwrapped (rtp_unwrap16).
 *
 *   gap seen ─ grace ─► asked ─ RTT ─► asked … 10 times ─► lost
 *      └──────── received late, or by RTX ──┴─► recovered
 *
 * Bound: NACK_LIST_MAX missing packets; policy past it: the oldest are lost.
 * Packets of padding only count as received: feed them too.
 * Source: RFC 4585 §6.2.1; RFC 4588 §6.3. */
#ifndef CORE_RTC_NACK_H
#define CORE_RTC_NACK_H
#include <stdint.h>

enum {
    NACK_LIST_MAX = 1000,
    NACK_AGE_MAX = 10000, /* numbers behind the highest: lost */
    NACK_TRIES_MAX = 10,
    NACK_GRACE_US = 10000,   /* for packets that were only reordered */
    NACK_RTT_MIN_US = 20000, /* not asked again sooner, whatever the RTT */
};

struct nack;

/* grace_us: 0 asks at once. 0, ERR_RANGE or ERR_NOMEM. */
int nack_create(struct nack **out, int64_t grace_us);
void nack_free(struct nack **n);

enum nack_arrival {
    NACK_FIRST,     /* the highest so far */
    NACK_RECOVERED, /* was missing: reordered, or sent again */
    NACK_STALE,     /* a duplicate, or given up before */
};
enum nack_arrival nack_received(struct nack *n, int64_t sequence, int64_t now);
/* No use for what is older than this any more: not asked for, not lost. */
void nack_forget_before(struct nack *n, int64_t sequence);

/* Numbers to ask for now, ascending; at most max. rtt_us: 0 if not known (then
 * 100 ms). How many. */
int nack_pull(struct nack *n, int64_t now, int64_t rtt_us, uint16_t *out,
              int max);
/* When nack_pull() has something to do; INT64_MAX: nothing is missing. */
int64_t nack_deadline(const struct nack *n);
/* How many were given up since the last call; *last: the newest of them
 * (if any). */
int nack_take_lost(struct nack *n, int64_t *last);
int nack_missing(const struct nack *n);

#endif
