/* edge/burst.h — how fast a viewer's path takes a keyframe, learnt from those
 * it took: when the packets arrive as they were sent, the next may come twice
 * as fast; when they arrive spread out, that is the path's rate. A keyframe
 * that is longer on its way than other frames makes browsers show all of them
 * that much later. Pure; one per viewer; times in µs.
 * Source: draft-holmer-rmcat-transport-wide-cc-extensions-01 (arrival times);
 * RFC 6349's idea of a path's rate from a train of packets. */
#ifndef EDGE_BURST_H
#define EDGE_BURST_H
#include <stdint.h>

#include "core/rtc/twcc.h"

enum {
    BURST_BYTES = 20000,   /* a shorter train says nothing */
    BURST_APART_US = 7000, /* packets of a train are closer (a pacer's tick) */
    BURST_NOISE_US = 4000, /* a receiver's own hesitation */
    BURST_MAX_BPS = 200000000,
};

struct burst {   /* {0} is new */
    int64_t bps; /* 0: nothing is known */
};

/* What became of packets, in the order they were sent. */
void burst_samples(struct burst *b, const struct twcc_sample *s, int count);

#endif
