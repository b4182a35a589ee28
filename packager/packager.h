/* packager/packager.h — room door: the renditions of one live stream become
 * parts, segments and what playlists say of them. Reads the bus (PLAN, MARK,
 * rendition tracks and frames), tells what happened in store_events.
 * Lives on the bus's loop.
 *
 * Bound: frames of one open part per rendition, and AUDIO_WAIT_MAX frames of
 * audio that wait until it is known on which side of a boundary they lie. */
#ifndef PACKAGER_PACKAGER_H
#define PACKAGER_PACKAGER_H
#include <stdint.h>

#include "core/media/bus.h"
#include "packager/store.h"

struct metrics;
struct packager;

enum { PACKAGER_WINDOW_US = 40000000 };

struct packager_conf {
    int64_t window_us; /* listed; 0: PACKAGER_WINDOW_US */
    /* Called on the bus's loop, in order; borrows e: take a reference to keep
     * it. The first event is STORE_PLAN, the last STORE_STATE ended. */
    void (*on_event)(struct store_event *e, void *arg);
    void *arg;
    struct metrics *metrics; /* may be NULL */
};

/* Gives a packager working on bus until freed or BUS_END. 0 or ERR_NOMEM. */
int packager_create(struct packager **out, struct bus *bus,
                    const struct packager_conf *conf);
/* Takes *p; NULL is fine. No event follows. */
void packager_free(struct packager **p);

#endif
