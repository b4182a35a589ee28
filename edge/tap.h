/* edge/tap.h — a live stream's renditions on another loop: a subscriber on the
 * bus's loop that hands over references, many at a time.
 *
 *   bus's loop: wake ─► batch ─flush─► loop_post ─► on_event …, on_batch_end
 *
 * Only what WebRTC can carry crosses: renditions' tracks of any kind, frames
 * of H.264 and Opus, and what happens to the stream.
 * Bound: BATCH_MAX events a message; a full mailbox loses a batch: BUS_LOST
 * is told before the next. */
#ifndef EDGE_TAP_H
#define EDGE_TAP_H
#include "core/media/bus.h"

struct loop;
struct tap;

struct tap_events {
    /* Tracks and frames are borrowed until it returns. Never BUS_PLAN or
     * BUS_MARK. */
    void (*on_event)(const struct bus_event *e, void *arg);
    void (*on_batch_end)(void *arg);
    void *arg;
};

/* On `loop`, where events are told from then on, never from inside this call;
 * shares bus. Begins with the newest mark. 0, ERR_NOMEM or ERR_LIMIT. */
int tap_create(struct tap **out, struct loop *loop, struct bus *bus,
               const struct tap_events *events);
/* On that loop; no event follows. Takes *t; NULL is fine; allowed inside
 * events. */
void tap_close(struct tap **t);

#endif
