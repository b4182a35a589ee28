/* core/media/wishes.h — a bus's wishes for keyframes, and who listens to them.
 * Part of core/media/bus.h, which says what holds; embedded in a bus.
 *
 * A track's wish is told at once; those of the next BUS_ASK_US are one, told
 * when that time is over. The deadline holds a reference of the bus, so a bus
 * never dies under it; it is set only while somebody listens. */
#ifndef CORE_MEDIA_WISHES_H
#define CORE_MEDIA_WISHES_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/loop/timer.h"
#include "core/media/bus.h"

struct wishes {
    struct bus *bus;
    struct timer due;
    int64_t told_at[TRACK_ID_LAST + 1]; /* 0: never */
    bool wanted[TRACK_ID_LAST + 1];     /* to be told when it is due */
    struct {
        bus_asked *fn; /* NULL: free */
        void *arg;
    } listeners[BUS_ASKED_MAX];
    /* On their way from other threads: one message for each track at most. */
    atomic_bool posted[TRACK_ID_LAST + 1];
};

void wishes_init(struct wishes *w, struct bus *bus);
/* Nothing is told any more; the bus's loop. */
void wishes_end(struct wishes *w);

#endif
