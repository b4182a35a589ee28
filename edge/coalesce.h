/* edge/coalesce.h — who waits for what: one queue per object that is not there
 * yet, however many viewers ask for it. A queue is answered at once as a
 * whole; a viewer that goes away leaves in O(1); one that waited too long is
 * answered alone. One loop.
 * Bound: QUEUES_MAX objects; waiters are bounded by the server. */
#ifndef EDGE_COALESCE_H
#define EDGE_COALESCE_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/loop/timer.h"

struct exchange;
struct loop;

enum { COALESCE_QUEUES_MAX = 128 };

struct coalesce_key {
    int kind; /* the user's own */
    uint64_t msn, part;
};

/* Answers x, which is no longer waiting. */
typedef void coalesce_answer(struct exchange *x, const struct coalesce_key *key,
                             void *arg);
typedef bool coalesce_ready(const struct coalesce_key *key, void *arg);

struct coalesce {
    struct loop *loop;
    struct list queues;
    int queue_count;
    int64_t span_us;
    coalesce_answer *timed_out;
    void *arg;
};

/* span_us: how long from a request's start it may wait. */
void coalesce_init(struct coalesce *c, struct loop *l, int64_t span_us,
                   coalesce_answer *timed_out, void *arg);
/* Answers whoever is left by answer. */
void coalesce_release(struct coalesce *c, coalesce_answer *answer);

/* Takes x until it is answered or aborted. 0, ERR_LIMIT or ERR_NOMEM (x is
 * still the caller's). */
int coalesce_wait(struct coalesce *c, const struct coalesce_key *key,
                  struct exchange *x);
/* Answers the queues whose key is ready. */
void coalesce_wake(struct coalesce *c, coalesce_ready *ready,
                   coalesce_answer *answer);
/* Waiters now, for metrics and tests; walks the queues. */
int coalesce_count(const struct coalesce *c);

#endif
