/* transcode/rungs_priv.h — the body of struct rungs: rungs.c talks with the
 * child, rungs_pace.c keeps it real-time. */
#ifndef TRANSCODE_RUNGS_PRIV_H
#define TRANSCODE_RUNGS_PRIV_H
#include "core/loop/timer.h"
#include "transcode/child.h"
#include "transcode/recent.h"
#include "transcode/rungs.h"

enum { RUNG_SLOTS = TRACK_ID_LAST + 1 - TRACK_RENDITION_FIRST };

struct rungs {
    struct rungs_conf conf;
    struct rungs_events events;
    struct child *child;
    struct track *video, *audio; /* the source */
    struct ladder ladder;
    struct recent recent;
    struct mark last_mark;
    int64_t key_pts; /* of the newest keyframe */
    bool was_up;
    bool dropping; /* until the next keyframe */
    int64_t source_pts, frame_ticks;
    int64_t jump_pts;           /* where the source last jumped to */
    int64_t newest[RUNG_SLOTS]; /* pts of what a rung gave last */
    int64_t ends[RUNG_SLOTS];   /* of a sound rung: where that ends */
    bool begun[RUNG_SLOTS];
    /* instants; 0: not the case */
    int64_t up_at, fed_at, marked_at, heard_at, late_since;
    bool dying; /* a kill is on its way */
    int away;   /* rungs shed and not asked back */
    int64_t spare_at, spare_us;
    struct timer tick;
    struct metric *restarts, *shed, *dropped, *lag;
};

/* Is the ladder's i-th one a picture of the child's? */
static inline bool rungs_makes(const struct rungs *r, int i)
{
    const struct track_info *t = &r->ladder.rungs[i].info;

    return t->kind == TRACK_VIDEO && !t->passthrough;
}

static inline bool rungs_make_video(const struct rungs *r)
{
    for (int i = 0; i < r->ladder.count; i++)
        if (rungs_makes(r, i)) return true;
    return false;
}

/* --- rungs_pace.c: real time ---------------------------------------------- */
void rungs_pace_begin(struct rungs *r);
void rungs_pace_end(struct rungs *r);
/* A child came or went: it is judged anew. */
void rungs_pace_reset(struct rungs *r);
/* Gives up that rung: it may be asked back after a while. */
void rungs_shed(struct rungs *r, uint8_t id, const char *reason);

#endif
