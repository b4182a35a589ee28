/* core/loop/loop.h — one libuv loop on one thread, with a bounded mailbox for
 * messages from other threads. What lives on a loop is touched by that loop's
 * thread only; everything else reaches it by loop_post(). */
#ifndef CORE_LOOP_LOOP_H
#define CORE_LOOP_LOOP_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;
typedef void loop_fn(void *arg);

/* Gives a loop; index names it in logs and metrics. 0, ERR_NOMEM or ERR_IO. */
int loop_create(struct loop **out, int index);
/* The loop must not be running. What is left in its mailbox is called, then
 * open handles are closed. Takes *l; NULL is fine. */
void loop_free(struct loop **l);

/* Runs on the calling thread until loop_stop(). */
void loop_run(struct loop *l);
/* Runs until nothing is left to do now, without waiting (for tests). */
void loop_run_once(struct loop *l);
/* Any thread. */
void loop_stop(struct loop *l);

/* Starts a thread that runs l; loop_join() waits for its end after
 * loop_stop(). 0 or ERR_IO. */
int loop_start(struct loop *l);
void loop_join(struct loop *l);

uv_loop_t *loop_uv(struct loop *l);
int loop_index(const struct loop *l);
/* Monotonic µs, read once after the loop woke or loop_touch() was called. */
int64_t loop_now(struct loop *l);
void loop_touch(struct loop *l); /* after long work: read the clock again */
/* Is the caller on l's thread? True before the loop first ran. */
bool loop_is_here(const struct loop *l);

/* Calls fn(arg) on l's thread, in order of posting per thread; never inline.
 * Any thread. Bound: 65536 messages. 0, or ERR_LIMIT / ERR_NOMEM (not
 * posted). */
int loop_post(struct loop *l, loop_fn *fn, void *arg);

#endif
