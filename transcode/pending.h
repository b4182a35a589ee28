/* transcode/pending.h — frames and tracks kept in order until it is known what
 * becomes of them. Bound: PENDING_ITEMS and PENDING_BYTES; policy: what comes
 * then is refused. One thread. */
#ifndef TRANSCODE_PENDING_H
#define TRANSCODE_PENDING_H
#include <stddef.h>

#include "core/media/frame.h"
#include "core/media/track.h"

enum { PENDING_ITEMS = 8192, PENDING_BYTES = 64 << 20 };

struct pending_item {
    struct frame *frame; /* one of the two */
    struct track *track;
};

struct pending { /* {0} is empty */
    struct pending_item *items;
    int count, room;
    size_t bytes;
};

/* Share what they are given. 0, ERR_LIMIT or ERR_NOMEM. */
int pending_frame(struct pending *p, struct frame *f);
int pending_track(struct pending *p, struct track *t);
/* Forgets the frames of a track. */
void pending_drop(struct pending *p, uint8_t track_id);
void pending_release(struct pending *p); /* leaves it empty */

#endif
