/* transcode/child.h — one supervised lectern-transcode process: started again
 * whenever it ends, at once after a good life, later and later after short
 * ones. Records go in and out by pipe. Lives on one loop.
 *
 *   STARTING ──spawned: on_up──► UP ──ended, killed: on_down──► RESTING
 *       ▲                                                          │
 *       └────────────── 0.1 s, doubling to 10 s ◄──────────────────┘
 *
 * Bound: CHILD_QUEUE_BYTES and CHILD_QUEUE_RECORDS not yet taken by the child;
 * policy: ERR_LIMIT to the caller, who drops to the next keyframe. */
#ifndef TRANSCODE_CHILD_H
#define TRANSCODE_CHILD_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/wire.h"

struct loop;
struct child;

enum {
    CHILD_QUEUE_BYTES = 32 << 20,
    CHILD_QUEUE_RECORDS = 1200,
};

struct child_events {
    void (*on_up)(void *arg);
    void (*on_record)(const struct wire_record *r, void *arg); /* borrowed */
    void (*on_down)(const char *why, void *arg);
    void *arg;
};

/* path is copied. on_up comes from the loop, never from inside this call.
 * 0 or ERR_NOMEM: a program that cannot be started is tried again, too. */
int child_create(struct child **out, struct loop *loop, const char *path,
                 bool hardware, const struct child_events *events);
/* Closes its input; what still lives 1 s later is killed. No event follows.
 * Takes *c; NULL is fine; allowed inside an event. */
void child_free(struct child **c);

bool child_is_up(const struct child *c);
int child_pid(const struct child *c); /* 0 when not up; for logs and tests */
/* Shares r's payload. 0, ERR_CLOSED (not up), ERR_LIMIT, ERR_NOMEM. */
int child_send(struct child *c, const struct wire_record *r);
/* SIGKILL: on_down follows. */
void child_kill(struct child *c, const char *why);

#endif
