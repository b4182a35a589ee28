/* packager/rendition.h — one rendition inside the packager: its frames become
 * CMAF chunks, and what happened is told as store_events. One thread, no I/O.
 *
 *   WAITING ──frame of a mark──► OPEN ──stop()──► WAITING
 *      ▲                          │└─ each mark: close, open the next one
 *      └──── the next mark ◄─ TORN ◄─ tear(), its IDR never came
 *
 * A segment that others have whole lasts here as long as there: what of it is
 * lost become missing parts, or dates would not go on as durations say. */
#ifndef PACKAGER_RENDITION_H
#define PACKAGER_RENDITION_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/bus.h"
#include "core/media/frame.h"
#include "core/media/track.h"
#include "packager/fmp4.h"
#include "packager/segmenter.h"
#include "packager/store.h"

/* Of one part. A frame that does not fit is left out. */
enum {
    PART_SAMPLES_MAX = 512,
    PART_SLICES_MAX = 900,
    FRAME_SLICES_MAX = 16,
    FRAME_RANGES_KEPT = 2, /* more are copied into one */
    /* Smaller parts are copied into one piece: fewer iovecs per viewer. */
    PART_COPY_BYTES = 16 * 1024,
};

/* Where the events go; borrows e. */
typedef void rendition_emit(struct store_event *e, void *arg);

struct rendition_conf {
    int index; /* in store_events */
    int64_t part_us, segment_us;
    int64_t origin_at, origin_wall_us;
    const struct mark_log *marks; /* borrowed */
    rendition_emit *emit;
    void *arg;
};

struct rendition {
    struct rendition_conf conf;
    struct track *track;   /* of the open segment */
    struct track *pending; /* from the next segment on */
    struct segmenter segmenter;
    bool known;        /* told to the store */
    bool is_closed;    /* the newest segment's last part said so */
    bool torn;         /* it ends at a mark that is not known yet */
    int64_t told_us;   /* of its parts */
    uint32_t init;     /* newest init's number; 0: none */
    uint32_t sequence; /* of chunks */
    uint64_t last_msn; /* newest begun or missed; 0: none */
    int64_t end_us;    /* of its media, on the stream's timeline */
    int64_t begun_us;  /* media made since it last started */
    uint64_t part_count, dropped, silent; /* for metrics */
    int64_t silent_to; /* dts: where silence_until() ended last; 0: never */

    /* The open segment's next part. */
    struct store_head head;
    int part_index;
    int64_t part_dts, part_ticks;
    int64_t first_captured_at, last_captured_at;
    size_t part_bytes;
    int sample_count, slice_count;
    struct fmp4_sample samples[PART_SAMPLES_MAX];
    struct slice slices[PART_SLICES_MAX];
};

/* Gives a rendition waiting for its first mark. 0 or ERR_NOMEM. */
int rendition_create(struct rendition **out, const struct rendition_conf *conf);
void rendition_free(struct rendition **r);

/* Shares t: frames from here on are of this track. */
void rendition_track(struct rendition *r, struct track *t);
/* Borrows f (its payload's bytes are shared). Holes in sound are filled, what
 * comes after it was filled is left out. */
void rendition_feed(struct rendition *r, const struct frame *f);
/* As it is: for packager/silence. */
void rendition_put(struct rendition *r, const struct frame *f);
/* Ends the open segment, as do those of all others; goes on at a mark of
 * skip_to or later. */
void rendition_stop(struct rendition *r, uint64_t skip_to);
/* The same where others go on: its segment ends where theirs do. */
void rendition_tear(struct rendition *r, uint64_t skip_to);
/* Frames go on in a segment. */
static inline bool rendition_is_open(const struct rendition *r)
{
    return r->segmenter.started;
}
/* Says of every segment after its newest and before msn that it is missing.
 * The rendition must not be open. */
void rendition_miss(struct rendition *r, uint64_t msn);

#endif
