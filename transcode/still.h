/* transcode/still.h — when the source's pictures stop while its sound goes on,
 * players that were promised pictures must get some, or they stop as well: the
 * last keyframe is given again and again with new times, one for each part.
 * Real pictures go on with their next keyframe. Pure; one thread.
 *
 *   SHOWN ──still_due() says so──► STILL ──keyframe: still_video()──► SHOWN
 *
 * Pictures are gone once sound is STILL_US ahead of them, and by what it
 * usually is, and by three times their usual distance. */
#ifndef TRANSCODE_STILL_H
#define TRANSCODE_STILL_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/frame.h"

enum { STILL_US = 700000, STILL_MOST_US = 3000000 };

struct still { /* {0} is new */
    struct frame *key;
    bool on;
    bool known, seen; /* next_pts is, seen_pts is */
    int64_t next_pts; /* of the first still, or the next one */
    int64_t rest_pts; /* of what is to be filled before real ones go on */
    int64_t step;     /* widest usual distance of pictures */
    int64_t lead;     /* how far sound usually is ahead */
    int64_t seen_pts, sound_pts; /* of the newest picture, and sound */
};

/* A real picture: shares f. False: it is of no use, since what it refers to
 * was not shown, unless `any` is, where decoders saw nothing of the stills. */
bool still_video(struct still *s, struct frame *f, bool any);
/* Where parts begin, as the newest boundary says. */
struct still_grid {
    int64_t from, ticks;
};
/* Sound goes on to pts (VIDEO_TIMESCALE). True: *at is where a still belongs,
 * which lasts *span, to the end of a part; ask again. urgent: a segment is
 * due, there is no time to wait for a picture. */
bool still_due(struct still *s, int64_t pts, const struct still_grid *g,
               bool urgent, int64_t *at, int64_t *span);
/* Pictures are back, at pts: the same for what is left up to there. */
bool still_rest(struct still *s, int64_t pts, const struct still_grid *g,
                int64_t *at, int64_t *span);
/* The keyframe that was kept, at pts, or a frame without bytes, which tells the
 * child to show its last picture again; gives a frame. NULL: no memory. */
struct frame *still_frame(const struct still *s, bool copy, int64_t pts,
                          int64_t ticks, int64_t captured_at);
/* What follows does not continue what came before, or there is no sound. */
void still_break(struct still *s);
/* Another codec or size: the picture that was kept is of no use. */
void still_forget(struct still *s);

#endif
