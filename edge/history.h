/* edge/history.h — the last seconds of one rendition, shared by all viewers of
 * a loop: what is still to be sent, what may be asked for again, and the GOP
 * that a new viewer begins with. Units are numbered from 1 on; a number that
 * is no longer here finds nothing. Cut into packets when first needed.
 * One thread, no clock.
 *
 * Bounds: HISTORY_US, longer for the GOP that is still growing (HISTORY_GOP_US,
 * HISTORY_GOP_BYTES), and HISTORY_UNITS; policy: the oldest go. */
#ifndef EDGE_HISTORY_H
#define EDGE_HISTORY_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/frame.h"
#include "edge/packets.h"

enum {
    HISTORY_UNITS = 1024,
    HISTORY_US = 3000000,
    HISTORY_GOP_US = 8000000,
    HISTORY_GOP_BYTES = 8 << 20,
};

struct unit {
    uint64_t number;
    uint64_t offset; /* payload bytes of all units before it */
    int64_t pts_us;
    int64_t pts; /* ticks of its track */
    bool key, is_video;
    struct frame *frame;
    struct packet_sets sets;
    struct packets *packets; /* NULL: not cut yet, or not to be had */
    bool refused;
};

struct history {
    struct unit **ring; /* of HISTORY_UNITS; NULL until the first */
    uint64_t first, next;
    uint64_t newest_key; /* number; 0: none is left */
    uint64_t bytes;      /* of all that ever came */
    uint32_t timescale;
    bool is_video;
};

void history_init(struct history *h, uint32_t timescale, bool is_video);
void history_release(struct history *h);

/* Shares f, and sets if it is a video keyframe. 0 or ERR_NOMEM. */
int history_push(struct history *h, struct frame *f,
                 const struct packet_sets *sets);

/* NULL when gone, or not there yet. */
struct unit *history_find(const struct history *h, uint64_t number);
/* The newest; NULL if none. */
struct unit *history_newest(const struct history *h);
/* Cuts if need be. NULL without memory or for a frame that cannot be sent. */
const struct packets *history_packets(struct unit *u);

/* Payload bytes from unit `number` (or what is left of it) on. */
uint64_t history_bytes_from(const struct history *h, uint64_t number);
/* Over what is held; 0 while less than half a second is. */
uint32_t history_rate_bps(const struct history *h);

#endif
