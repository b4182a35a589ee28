/* transcode/rungs.h — what the child makes: tells it the source and the rungs
 * wanted, feeds it, takes its output, and keeps it real-time. Lives on one
 * loop.
 *
 * A new child is given the frames since the last keyframe again, so that it
 * can begin at the next mark; until then it makes nothing.
 * Sound that came before a child is up, up to 5 s, is given to it as well.
 * Policies: a full queue drops source frames to the next keyframe; a rung
 * over 0.3 s (or 8 frames) behind for 5 s costs the dearest rung its place;
 * over 2.5 s behind, or 3 s of silence while frames flow, costs the child its
 * life. After a minute in time a shed rung is asked back; after each shed that
 * takes twice as long. Ingest never waits. */
#ifndef TRANSCODE_RUNGS_H
#define TRANSCODE_RUNGS_H
#include "core/media/bus.h"
#include "transcode/ladder.h"

struct loop;
struct metrics;
struct rungs;

struct rungs_events {
    void (*on_track)(struct track *t, void *arg); /* borrowed */
    void (*on_frame)(struct frame *f, void *arg); /* borrowed */
    /* The rung must go: reason is for the log. Answer with rungs_want(). */
    void (*on_shed)(uint8_t id, const char *reason, void *arg);
    /* There was time to spare for long: what was shed last may come back. */
    void (*on_spare)(void *arg);
    /* A child is up (again): its rungs can begin at the next mark. */
    void (*on_up)(void *arg);
    /* How the source looks or sounds; about once a second. */
    void (*on_impression)(const struct impression *c, void *arg);
    void *arg;
};

struct rungs_conf {
    struct loop *loop;
    const char *worker_path;
    const char *channel; /* for logs and labels; borrowed while it lives */
    bool hardware;
    bool sound;       /* for logs and figures: no pictures will be wanted */
    int64_t spare_us; /* 0: a minute */
    struct metrics *metrics; /* may be NULL */
};

/* No child yet. 0 or ERR_NOMEM. */
int rungs_create(struct rungs **out, const struct rungs_conf *conf,
                 const struct rungs_events *events);
/* Takes *r; NULL is fine; no event follows. */
void rungs_free(struct rungs **r);

/* A source track, or its new config. Shares t. */
void rungs_source(struct rungs *r, struct track *t);
/* The ladder as it shall be from the next mark on; the child is started when
 * it is first needed. Copies. */
void rungs_want(struct rungs *r, const struct ladder *l);
/* Before the frame it marks. */
void rungs_mark(struct rungs *r, const struct mark *m);
/* Shares f, a frame of a source track. */
void rungs_frame(struct rungs *r, struct frame *f);
/* A keyframe of this rung as soon as can be; fine where it is not made. */
void rungs_key(struct rungs *r, uint8_t id);
/* The publisher left: what is held back may come out. */
void rungs_gone(struct rungs *r);

int rungs_child_pid(const struct rungs *r); /* 0: none; for tests */

#endif
