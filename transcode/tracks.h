/* transcode/tracks.h — the lecturer's own ladder: further pictures that come
 * with a source's first one (OBS Enhanced Broadcasting), checked against it,
 * so that they can be renditions as they are. Pure: no I/O, no clock, no log;
 * time is the frames' own. One thread.
 *
 * Segments begin at the first picture's marks. A track fits a mark when it has
 * a keyframe with the same pts, give or take TRACKS_NEAR: that is moved onto
 * the mark, and what follows up to the next one by as much. Other keyframes
 * between the marks and another frame rate are welcome.
 *
 *            fits `proof` marks in a row: TRACKS_JOINED
 *   PROVING ─────────────────────────────────────────────► IN
 *     ▲ └───────────────┬── misses one: TRACKS_MISALIGNED ──┤
 *     │                 ▼                                   │ no frames for
 *     │                OUT ──── fits twice as many ──► IN   │ TRACKS_LATE:
 *     └─────────────────┴─────────────────── TRACKS_STOPPED ┘
 *
 * One that is OUT goes on proving itself, in silence: 4 marks in a row at
 * first, twice as many each time, at most 64.
 *
 * A new track has TRACKS_PROOF marks to prove itself: two, since any track
 * begins with a keyframe and only the second tells its interval. What it sent
 * from the last mark on is held meanwhile, so that it joins without a hole. One
 * that is expected (there before the ladder was decided) has its place in the
 * ladder from the beginning. After a break each that was in is in again with
 * the first mark it fits.
 *
 * A frame that runs before the first picture waits for it, since nobody knows
 * yet whether a mark will be there: so where the first picture stops, all do.
 * Bound: TRACKS_HELD frames and TRACKS_BYTES a track; policy: what is held
 * goes, and the track has to prove itself anew. */
#ifndef TRANSCODE_TRACKS_H
#define TRANSCODE_TRACKS_H
#include <stddef.h>

#include "transcode/ladder.h"

enum {
    TRACKS_HELD = 1024,
    TRACKS_BYTES = 24 << 20,
    TRACKS_MARKS = 16,
    /* 1 ms, and as much for what rounding makes of two equal times. */
    TRACKS_NEAR = 180,
    TRACKS_LATE = 2 * VIDEO_TIMESCALE,
    TRACKS_PROOF = 2,
};

enum tracks_state { TRACKS_PROVING, TRACKS_IN, TRACKS_OUT };
enum tracks_change { TRACKS_JOINED, TRACKS_MISALIGNED, TRACKS_STOPPED };

/* Of one track; either a frame or what comes from here on. */
struct tracks_item {
    struct frame *frame;
    struct track *track;
    int64_t shift;
    bool discontinuity;
};

struct tracks_one {
    uint8_t source_id;
    struct track_info rung; /* as offered; id 0: not named yet */
    enum tracks_state state;
    bool expected;
    struct track *track;      /* as the source told it last */
    struct track *current;    /* of the frames that go out now */
    bool due;                 /* to be told before the next frame */
    struct tracks_item *held; /* a ring of TRACKS_HELD */
    int first, count, examined;
    size_t bytes;
    bool seen, begun; /* any frame since the break; fits a mark */
    int proven, proof;
    uint64_t msn;  /* of the last mark that was fitted, missed, or before */
    int64_t shift; /* of the segment */
    int64_t key_pts, newest_pts; /* as they came */
    int64_t last_dts;            /* as it went out */
};

/* A frame as the rendition `rung` shall have it. */
struct tracks_frame {
    const struct frame *frame;
    int64_t dts, pts;
    bool discontinuity;
};

struct tracks_events {
    /* offset: ticks from the mark to the keyframe next to it. */
    void (*on_change)(const struct tracks_one *k, enum tracks_change what,
                      int64_t offset, void *arg);
    /* What the frames after it are; borrowed. False: nobody wants them now, ask
     * again with the next one. */
    bool (*on_track)(const struct tracks_one *k, struct track *track,
                     void *arg);
    void (*on_frame)(const struct tracks_one *k, const struct tracks_frame *f,
                     void *arg);
    void *arg;
};

struct tracks {
    struct tracks_events events;
    struct mark marks[TRACKS_MARKS];
    uint64_t mark_count;
    int64_t passed; /* the first picture's newest pts */
    struct tracks_one list[LADDER_TRACKS_MAX];
    int count;
};

void tracks_init(struct tracks *t, const struct tracks_events *events);
void tracks_release(struct tracks *t);

/* A further picture, or its new config; shares it. ERR_LIMIT: there are
 * LADDER_TRACKS_MAX already. ERR_NOMEM. */
int tracks_track(struct tracks *t, struct track *track, bool expected);
/* That id is something else now, or nothing. */
void tracks_forget(struct tracks *t, uint8_t source_id);
/* Shares f; fine where it is of none of the tracks. */
void tracks_frame(struct tracks *t, struct frame *f);
/* The first picture has a mark, then a frame up to pts. */
void tracks_mark(struct tracks *t, const struct mark *m);
void tracks_passed(struct tracks *t, int64_t pts);
/* What follows does not continue what came before. */
void tracks_break(struct tracks *t);

/* Those that are in or expected, as rungs: named by their short side, each
 * once and for good; top is the name of the first picture's. */
int tracks_offered(struct tracks *t, const char *top,
                   struct track_info out[LADDER_TRACKS_MAX]);

#endif
