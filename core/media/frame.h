/* core/media/frame.h — one access unit with its times. Immutable once made
 * and atomically counted; the payload is a slice, shared, never copied.
 * Any thread.
 * Times are ticks of the track's timescale on the stream's one timeline, whose
 * zero is the stream's origin (see core/media/bus.h). */
#ifndef CORE_MEDIA_FRAME_H
#define CORE_MEDIA_FRAME_H
#include <stdint.h>

#include "core/base/buf.h"

enum frame_flags {
    FRAME_KEY = 1 << 0, /* IDR or its like; every audio frame has it too */
    /* First frame of its track after a break: a publisher came back or was
     * replaced, or paused and its clock jumped. Times go on growing across it.
     */
    FRAME_DISCONTINUITY = 1 << 1,
};

struct frame {
    uint8_t track_id;
    uint8_t flags;
    int64_t dts, pts;     /* ticks */
    int64_t duration;     /* ticks; expected, 0 if unknown */
    int64_t captured_at;  /* monotonic µs: when its last byte came in */
    struct slice payload; /* framing as track.h says */
};

/* Gives a frame with the values of f; takes f->payload's reference, also on
 * error. 0 or ERR_NOMEM. */
int frame_create(struct frame **out, const struct frame *f);
struct frame *frame_ref(const struct frame *f);
void frame_unref(struct frame **f);

#endif
