/* transcode/boundary.h — where segments begin, decided from the source's
 * keyframes. Pure: no I/O, no clock, no log; time is the frames' own.
 *
 *             a hint, or regular keyframes, at most 4.1 s apart
 *   MEASURING ────────────────────────────────────────► FOLLOW
 *       │  none within 4.25 s, or the codec must change    │ none came in
 *       ▼                                                  ▼ time: switched
 *     GRID ◄──────────────────────────────────────────────┘
 *       └──────── another publisher: boundary_retry() ────► FOLLOW
 *
 * A hint ends the measurement at the first keyframe (after 0.5 s where the
 * cadence is not known): the interval is taken to be that, until keyframes have
 * shown another. One that is over what can be followed begins in GRID.
 *
 * FOLLOW: marks lie on the source's own IDRs, so its bytes pass through. A
 * source that can be asked (a browser's encoder makes keyframes only then) is
 * followed after 0.5 s, and asked shortly before each segment is due: the IDR
 * that comes then is the mark, others are not. Its cadence varies and says
 * nothing: parts are nominal, and the target has a second to spare for a wish
 * that got lost.
 * GRID: marks lie every segment_us on any frame; every rung is encoded.
 * Where nothing may be encoded FOLLOW stays, waits 10 s for the measurement,
 * and forces a mark without an IDR rather than break TARGETDURATION. */
#ifndef TRANSCODE_BOUNDARY_H
#define TRANSCODE_BOUNDARY_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/bus.h"

enum { BOUNDARY_SEEN_MAX = 256 };

enum boundary_mode { BOUNDARY_MEASURING, BOUNDARY_FOLLOW, BOUNDARY_GRID };

struct boundary_conf {
    bool may_encode;      /* a child may make the top rung */
    int64_t segment_us;   /* nominal, whole seconds */
    int64_t part_goal_us; /* nominal */
    uint64_t first_msn;
    int64_t hint_gop_us; /* the interval to expect; 0: measure it first */
};

/* Of the source, as far as its config tells. */
struct boundary_source {
    uint32_t fps_num, fps_den; /* 0/0: unknown */
    bool must_encode;          /* codec that cannot pass through, or audio
                                  alone, where any frame may begin a segment */
    bool askable;              /* gives a keyframe when it is asked for one */
};

struct boundary_frame {
    int64_t dts, pts; /* VIDEO_TIMESCALE ticks */
    bool key;
    bool still; /* a keyframe again: says nothing of the source's interval */
};

struct boundary {
    struct boundary_conf conf;
    struct boundary_source source;
    enum boundary_mode mode;
    bool measures; /* and takes no hint */
    bool planned;  /* the four below are fixed */
    uint32_t target_duration_s;
    int64_t part_us;
    uint32_t fps_num, fps_den; /* measured, snapped to a usual one */
    bool marked, forced;
    bool broken;    /* the next mark is a discontinuity */
    bool renewed;   /* it is, though nothing is lost until then */
    bool needs_key; /* nothing before one can be decoded */
    uint64_t next_msn;
    int64_t mark_pts, grid_pts, key_pts;
    int64_t newest_pts; /* of all that was fed */
    int64_t asked_pts;  /* where the source was asked last */
    int64_t gop_us;     /* longest seen between keyframes */
    bool hinted;        /* no: what the hint said, until enough was seen: */
    int64_t heard_us;   /* so much, */
    int64_t longest_us; /* and in it */
    bool anchored;      /* measuring from anchor_pts on */
    int64_t anchor_pts;
    int seen;
    int64_t seen_dts[BOUNDARY_SEEN_MAX];
};

/* What holds of the frame that was fed; marks lie before it. */
struct boundary_step {
    bool drop;     /* of no use: nothing before it can be decoded */
    bool early;    /* measuring: a mark may come to lie here; for the child,
                      in mark */
    bool decided;  /* measuring ended. FOLLOW: feed again all frames since the
                      first keyframe, this one last */
    bool marked;   /* mark is for everyone */
    bool switched; /* the source's keyframes stopped being usable here */
    bool ask;      /* a keyframe is needed soon; said again each 0.5 s */
    struct mark mark;
};

void boundary_init(struct boundary *b, const struct boundary_conf *conf);
/* What follows is of this kind; a change implies a break. */
void boundary_source(struct boundary *b, const struct boundary_source *s);
/* Its encoder says how far apart its keyframes are: a better hint, except that
 * what it did last time may be a little longer. It counts in frames, of which
 * some may be missing. */
void boundary_expect(struct boundary *b, int64_t gop_us);
/* No hint is to be taken. */
void boundary_measure(struct boundary *b);
/* What follows does not continue what came before. */
void boundary_break(struct boundary *b);
/* Decoders must reset soon, at a mark of its own: sound has another config. */
void boundary_renew(struct boundary *b);
/* A mark at the next frame if that is allowed (GRID), for rungs that can only
 * begin at one. */
void boundary_force(struct boundary *b);
/* Another publisher may send better keyframes: GRID becomes FOLLOW where it
 * may. True: it did. */
bool boundary_retry(struct boundary *b);
struct boundary_step boundary_feed(struct boundary *b,
                                   const struct boundary_frame *f);

/* Sound goes on to pts. True: video stands still (a camera was covered, an app
 * went to the background) and the segment must end by then, with *out. */
bool boundary_is_stalled(const struct boundary *b, int64_t pts);
bool boundary_stall(struct boundary *b, int64_t pts, struct mark *out);

/* Frames in a part of about goal_us, and the exact PART-TARGET of them. */
int boundary_part_frames(uint32_t fps_num, uint32_t fps_den, int64_t goal_us);
int64_t boundary_part_us(uint32_t fps_num, uint32_t fps_den, int64_t goal_us);

#endif
