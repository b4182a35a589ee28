/* core/rtc/early.h — media that came before it can be opened or used: a sender
 * begins as soon as it has its keys, while ours are still on the way, and what
 * it sends first is a keyframe. Kept sealed, in order.
 * Bound: EARLY_PACKETS and EARLY_BYTES of a peer; policy: the newest is
 * dropped, which leaves a gap that the receiver can ask for. Lives on the
 * peer's loop. */
#ifndef CORE_RTC_EARLY_H
#define CORE_RTC_EARLY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"

enum { EARLY_PACKETS = 64, EARLY_BYTES = 96 << 10 };

struct early {
    struct list packets; /* oldest first */
    int count;
    size_t bytes;
};

struct early_packet {
    struct list node;
    int64_t at;
    bool is_control;
    size_t len;
    uint8_t data[];
};

void early_init(struct early *e);
void early_release(struct early *e);
/* Copies. False: no room, or no memory. */
bool early_add(struct early *e, const uint8_t *data, size_t len, int64_t at,
               bool is_control);
/* Gives the oldest, for free(); NULL: none. */
struct early_packet *early_take(struct early *e);

#endif
