/* transcode/recent.h — what a new child is given again: the video since the
 * last keyframe and the newest sound. One thread.
 * Bounds: RECENT_FRAMES and RECENT_BYTES of video, policy: then none is kept
 * until the next keyframe; RECENT_SOUND frames of sound (5 s), policy: the
 * oldest go. */
#ifndef TRANSCODE_RECENT_H
#define TRANSCODE_RECENT_H
#include <stdbool.h>
#include <stddef.h>

#include "core/media/frame.h"

enum {
    RECENT_FRAMES = 900,
    RECENT_BYTES = 32 << 20,
    RECENT_SOUND = 256,
};

struct recent { /* {0} is empty */
    struct frame *video[RECENT_FRAMES];
    int video_count;
    size_t video_bytes;
    bool whole; /* begins with a keyframe, nothing missing */
    struct frame *ring[RECENT_SOUND];
    int first, sound_count;
};

/* Share f. */
void recent_video(struct recent *r, struct frame *f);
void recent_sound(struct recent *r, struct frame *f);
/* The n-th oldest; borrowed. */
struct frame *recent_sound_at(const struct recent *r, int n);
void recent_forget_video(struct recent *r);
void recent_forget_sound(struct recent *r);

#endif
