/* edge/pacer.h — when a viewer's packets may leave: a bucket that a usual
 * frame passes at once, and that a keyframe or a cached GOP leaves little by
 * little, at a multiple of the rendition's rate. Pure; one per viewer; the
 * loop's one timer asks every PACER_TICK_US.
 * Source: RFC 8085 §3.1.2 (bursts); what a browser's own sender does (2.5 x).
 */
#ifndef EDGE_PACER_H
#define EDGE_PACER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACER_TICK_US = 5000,
    PACER_BURST_BYTES = 12000, /* ten packets: what TCP begins with */
    PACER_BURST_LEAST = 2400,
    PACER_CAREFUL_US = 10000, /* the burst where the path is known narrow */
    PACER_RATE_MIN_BPS = 200000,
    PACER_RATE_MAX_BPS = 400000000,
    PACER_OWED_US = 100000, /* of a tick that comes late */
    /* What is further behind than this is skipped to the next keyframe. */
    PACER_LATE_US = 300000,
};

struct pacer {
    int64_t rate_bps;
    bool careful;   /* small bursts: the path has shown its limits */
    bool waits;     /* there was no budget when it was asked for */
    int64_t budget; /* 1/1,000,000 bit; below 0: the last was larger */
    int64_t at;
};

void pacer_init(struct pacer *p, int64_t rate_bps, int64_t now_at);
void pacer_set_rate(struct pacer *p, int64_t rate_bps, bool careful,
                    int64_t now_at);
/* May a packet leave now? */
bool pacer_may_send(struct pacer *p, int64_t now_at);
void pacer_sent(struct pacer *p, size_t bytes);
/* How long a line of so many bytes takes. */
int64_t pacer_span_us(const struct pacer *p, uint64_t bytes);

#endif
