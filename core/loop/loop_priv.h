/* core/loop/loop_priv.h — the body of a loop, for the files of this room. */
#ifndef CORE_LOOP_LOOP_PRIV_H
#define CORE_LOOP_LOOP_PRIV_H
#include <pthread.h>
#include <stdatomic.h>

#include "core/loop/loop.h"
#include "core/loop/mailbox.h"
#include "core/loop/wheel.h"

struct loop {
    uv_loop_t uv;
    uv_async_t doorbell; /* mail is there, or stop was asked for */
    uv_prepare_t before_wait;
    uv_timer_t alarm;
    uint64_t alarm_tick; /* when alarm rings; UINT64_MAX: not set */
    struct mailbox mailbox;
    struct wheel wheel;
    bool in_wheel; /* wheel callbacks run: the alarm is set afterwards */
    int64_t now;   /* 0: to be read at the next question */
    int index;
    atomic_bool stopping;
    atomic_bool has_thread;
    pthread_t thread;
    uv_thread_t started;
};

/* Re-reads timers that are due and sets the alarm for the next. */
void loop_wheel_turn(struct loop *l);
/* A deadline came in: the alarm must ring no later. */
void loop_wheel_hurry(struct loop *l);
/* Posts a message of the caller's own (never fails, not bounded): workers. */
void loop_post_message(struct loop *l, struct message *m);

#endif
