/* core/loop/timer.h — deadlines on a loop, O(1) to set and to cancel: a
 * hierarchical wheel of 1 ms slots driven by one uv_timer. Embedded; on the
 * loop's thread only. */
#ifndef CORE_LOOP_TIMER_H
#define CORE_LOOP_TIMER_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"

struct loop;
typedef void timer_fn(void *arg);

struct timer {
    struct list node;
    struct loop *loop;
    timer_fn *fn;
    void *arg;
    int64_t at; /* monotonic µs; 0 when not set */
};

void timer_init(struct timer *t, struct loop *l, timer_fn *fn, void *arg);
/* Fires once at or just after `at` (monotonic µs), never before; replaces an
 * earlier deadline. */
void timer_set(struct timer *t, int64_t at);
void timer_cancel(struct timer *t); /* fine when not set */
static inline bool timer_is_set(const struct timer *t)
{
    return t->at != 0;
}

#endif
