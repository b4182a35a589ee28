/* core/loop/wheel.h — the timer wheel itself, without a clock: seven levels of
 * 64 slots, 1 ms at the lowest. A deadline lies at the level of the highest
 * group of six bits in which its tick differs from now, so that within a level
 * only slots ahead are filled and a lower level always comes first.
 * Setting, cancelling and finding the next are O(1). Pure. */
#ifndef CORE_LOOP_WHEEL_H
#define CORE_LOOP_WHEEL_H
#include <stdint.h>

#include "core/base/list.h"

enum { WHEEL_LEVELS = 7, WHEEL_SLOTS = 64, WHEEL_BITS = 6 };
/* 42 bits of ms: 139 years. */
#define WHEEL_TICK_MAX (((uint64_t)1 << (WHEEL_LEVELS * WHEEL_BITS)) - 1)

struct timer;

struct wheel {
    uint64_t tick;                 /* everything up to here has fired */
    uint64_t filled[WHEEL_LEVELS]; /* a bit per slot; may be set too often */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t tick);
/* t->at is set. Returns the tick at which the wheel must next be turned for
 * it. */
uint64_t wheel_add(struct wheel *w, struct timer *t);
/* The next tick at which something may have to happen; UINT64_MAX: none. */
uint64_t wheel_next(const struct wheel *w);
/* Fires all that is due up to tick `to`, in order of their ticks. */
void wheel_turn(struct wheel *w, uint64_t to);

#endif
