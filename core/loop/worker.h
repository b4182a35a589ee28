/* core/loop/worker.h — a few threads for work that would hold up a loop
 * (TLS and DTLS handshakes, key set-up, compression of large bodies). */
#ifndef CORE_LOOP_WORKER_H
#define CORE_LOOP_WORKER_H
#include "core/loop/loop.h"

struct workers;

/* threads: 1 .. 64. 0, ERR_RANGE, ERR_NOMEM or ERR_IO. */
int workers_create(struct workers **out, int threads);
/* Waits for what runs; what was only queued is dropped after its done() was
 * posted. Takes *w. */
void workers_free(struct workers **w);
/* run(arg) on a worker, then done(arg) on loop `back`. Bound: 4096 queued.
 * 0, ERR_LIMIT or ERR_NOMEM (nothing will be called). */
int workers_submit(struct workers *w, loop_fn *run, loop_fn *done, void *arg,
                   struct loop *back);

#endif
