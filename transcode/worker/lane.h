/* transcode/worker/lane.h — one video rung: a thread of its own, a short
 * queue and an encoder, so that the rungs use every core.
 * Bound: LANE_QUEUE pictures; policy: the decoder waits. */
#ifndef TRANSCODE_WORKER_LANE_H
#define TRANSCODE_WORKER_LANE_H
#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/media/track.h"
#include "transcode/worker/sink.h"

enum { LANE_QUEUE = 4 };

struct lane;

struct lane_picture {
    AVFrame *frame; /* the lane's once pushed */
    int64_t duration, captured_at;
    bool idr, discontinuity;
};

/* info: what the parent asked for; becomes the rung's track once the encoder
 * opened. Borrows sink. 0, ERR_NOMEM or ERR_IO. */
int lane_create(struct lane **out, const struct track_info *info, bool hardware,
                struct sink *sink);
/* Encodes what is queued, takes the last packets out, ends the thread. Takes
 * *l; NULL is fine. */
void lane_free(struct lane **l);
const struct track_info *lane_info(const struct lane *l);

/* The next picture that is wanted is an IDR. The decoder's thread. */
void lane_force(struct lane *l);
/* Is this picture one of the rung's? The decoder's thread. Until the first IDR
 * nothing is; at a lower cadence than the source's only every n-th. *idr: must
 * it be one (a mark lies here)? Set, too, where one was forced. */
bool lane_wants(struct lane *l, int64_t pts, bool *idr);
/* Takes p->frame. Waits while the queue is full. */
void lane_push(struct lane *l, const struct lane_picture *p);

#endif
