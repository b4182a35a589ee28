/* core/media/bus.h — the meeting place of one live stream: an ordered, bounded
 * log of what happened on it. Publishers and the ladder append; packager,
 * recorder, fan-out and relay are subscribers with a cursor each. Nothing else
 * connects the rooms.
 *
 * Lives on one loop (bus_loop). Append and subscriber calls happen there only;
 * the bus_post_* forms come from any thread and keep their order per thread.
 *
 * Timeline: zero is the stream's origin, fixed at creation as one instant on
 * both clocks. Frame times and marks are offsets from it; wall time of media
 * is origin_wall_us + offset.
 *
 * Bound: entries, payload bytes and time span (struct bus_conf). Policy: the
 * oldest entries go; a subscriber they overtake gets BUS_LOST, is placed at
 * the newest mark or keyframe that is left, and goes on from there. */
#ifndef CORE_MEDIA_BUS_H
#define CORE_MEDIA_BUS_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/frame.h"
#include "core/media/track.h"

struct bus;
struct loop;

/* A segment boundary: the IDR with this pts in every video rendition begins
 * segment msn; audio's begins at its first frame with pts at or after it. */
struct mark {
    uint64_t msn;
    int64_t pts;        /* VIDEO_TIMESCALE ticks */
    bool discontinuity; /* decoders must reset here */
};

/* What the packager must know before the first segment; appended once per
 * stream by the ladder room, before its first mark; later ones replace the
 * rendition list only (a rung was shed or came back). */
enum { PLAN_RENDITIONS_MAX = 16 };
struct plan {
    uint32_t target_duration_s; /* EXT-X-TARGETDURATION, fixed for life */
    int64_t part_us;            /* PART-TARGET, frame aligned, fixed for life */
    int64_t segment_us;         /* nominal */
    uint8_t rendition_ids[PLAN_RENDITIONS_MAX]; /* tracks to expect, best
                                                   video first, audio last */
    int rendition_count;
};

enum bus_event_type {
    BUS_TRACK, /* a track began or its config changed */
    BUS_FRAME,
    BUS_MARK,
    BUS_PLAN,
    BUS_GONE, /* the publisher left; grace runs; it may come back */
    BUS_BACK, /* a publisher is there again (first frames say discontinuity) */
    BUS_END,  /* the stream is over; nothing follows */
    BUS_LOST, /* only to a subscriber that was overtaken: entries are missing */
};

struct bus_event {
    enum bus_event_type type;
    union {
        struct track *track; /* borrowed until the next bus_next() */
        struct frame *frame; /* borrowed likewise */
        struct mark mark;
        const struct plan *plan; /* borrowed likewise */
    } v;
};

struct bus_conf {
    struct loop *loop;
    const char *channel;    /* name, copied */
    uint64_t generation;    /* in URLs; wall clock seconds at creation */
    int64_t origin_at;      /* monotonic µs of timeline zero */
    int64_t origin_wall_us; /* the same instant on the wall clock */
    int64_t window_us;      /* 1 000 000 .. 60 000 000; default 12 000 000 */
    size_t max_entries;     /* 64 .. 65536; default 16384 */
    size_t max_bytes;       /* default 64 MiB of payload */
};

/* Gives a counted bus. 0, ERR_RANGE or ERR_NOMEM. */
int bus_create(struct bus **out, const struct bus_conf *conf);
struct bus *bus_ref(struct bus *b); /* any thread */
void bus_unref(struct bus **b);     /* any thread */

const struct bus_conf *bus_conf(const struct bus *b); /* any thread */
struct loop *bus_loop(const struct bus *b);           /* any thread */

/* On the bus's loop. All share what they are given. 0 or ERR_NOMEM. */
int bus_track(struct bus *b, struct track *t);
int bus_append(struct bus *b, struct frame *f);
int bus_mark(struct bus *b, const struct mark *m);
int bus_plan(struct bus *b, const struct plan *p);
int bus_signal(struct bus *b, enum bus_event_type type); /* GONE, BACK, END */

/* The same from any thread, by mailbox; on the bus's own loop they are direct.
 * Take nothing: they hold their own reference meanwhile. 0, ERR_NOMEM or
 * ERR_LIMIT (mailbox full: the frame is dropped and counted). */
int bus_post_track(struct bus *b, struct track *t);
int bus_post_frame(struct bus *b, struct frame *f);
int bus_post_signal(struct bus *b, enum bus_event_type type);

/* Wishes that walk against the stream: a reader needs a keyframe of a track
 * soon (a viewer joins, lost a picture, changes rendition). Any thread; takes
 * effect on the bus's loop, where wishes for one track within BUS_ASK_US of
 * the last become one, told when that time is over. Whoever makes the track
 * may listen: the ladder for what it encodes, a publisher that can ask its
 * encoder (WHIP) for the source; asking for a rendition that passes through
 * is asking for its source. */
enum { BUS_ASK_US = 500000, BUS_ASKED_MAX = 4 };
typedef void bus_asked(uint8_t track_id, void *arg);
void bus_ask_key(struct bus *b, uint8_t track_id);
/* On the bus's loop. A listener is told on that loop, maybe from within its
 * own bus_ask_key(), never after its bus_unlisten() or BUS_END; a wish that
 * nobody listens to is forgotten. ERR_LIMIT with more than BUS_ASKED_MAX. */
int bus_listen(struct bus *b, bus_asked *fn, void *arg);
void bus_unlisten(struct bus *b, bus_asked *fn, void *arg);

/* Newest state, on the bus's loop. Track: borrowed, NULL if none. */
struct track *bus_find_track(const struct bus *b, uint8_t id);
/* End of the timeline so far in µs: the greatest dts + duration appended. */
int64_t bus_end_us(const struct bus *b);
bool bus_is_ended(const struct bus *b);

/* A subscriber first sees the current plan and tracks, then entries from its
 * starting point on. */
enum bus_start {
    BUS_FROM_MARK, /* the newest mark that is left, else from now on */
    BUS_FROM_KEY,  /* the newest source video keyframe, else from now on */
    BUS_FROM_NOW,
};
typedef void bus_wake(void *arg);

struct bus_subscriber;

/* wake is called on the bus's loop after entries came in (once per append, not
 * re-entered from within itself); the subscriber then pulls with bus_next()
 * until ERR_AGAIN. Gives *out. 0 or ERR_NOMEM. */
int bus_subscribe(struct bus *b, struct bus_subscriber **out,
                  enum bus_start start, bus_wake *wake, void *arg);
/* 0 or ERR_AGAIN. */
int bus_next(struct bus_subscriber *s, struct bus_event *out);
/* Takes *s and sets it NULL; NULL is fine; allowed inside wake. */
void bus_unsubscribe(struct bus_subscriber **s);

#endif
