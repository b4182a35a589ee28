/* core/rtc/line.h — a host's line of sealed packets: they lie one after the
 * other in one slab, and those of equal size to the same place in a row are one
 * run, which the kernel cuts apart (UDP_SEGMENT).
 *
 *   slab  |1216|1216|1216|340| 1216|1216| 92|
 *   runs  └──── to A ────────┘ └── to B ────┘
 *
 * Bound: LINE_BYTES, LINE_RUNS; policy: what is in line leaves early. */
#ifndef CORE_RTC_LINE_H
#define CORE_RTC_LINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/net/udp.h"

enum {
    LINE_BYTES = 512 << 10,
    LINE_RUNS = 256,
    LINE_RUN_PACKETS = 48, /* x 1,232 bytes: an IP packet's worth */
    LINE_PACKET_MAX = 1500,
};

struct line_run {
    struct net_path to;
    size_t offset, len, segment;
    int packets;
    bool ended; /* a shorter packet was the last */
};

struct line {
    uint8_t *slab;
    size_t len;
    int run_count;
    struct line_run runs[LINE_RUNS];
};

/* 0 or ERR_NOMEM. */
int line_init(struct line *l);
void line_release(struct line *l);
/* Room for a packet of at most LINE_PACKET_MAX bytes; NULL: flush first. */
uint8_t *line_room(const struct line *l);
/* The room's first len bytes are a packet to that place. */
void line_put(struct line *l, const struct net_path *to, size_t len);
/* All was sent. */
void line_clear(struct line *l);

#endif
