#include "core/loop/loop.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop_priv.h"

enum { RUN_ONCE_MOST = 10000, CHILD_WAITS = 400, CHILD_WAIT_MS = 5 };

static void on_doorbell(uv_async_t *doorbell)
{
    struct loop *l = doorbell->data;

    loop_touch(l);
    mailbox_drain(&l->mailbox);
    if (atomic_load(&l->stopping)) uv_stop(&l->uv);
}

/* Whatever happens after the wait happens at a later instant. */
static void on_before_wait(uv_prepare_t *handle)
{
    loop_touch(handle->data);
}

/* A peer that went away is an error from write(), not a signal. */
static void ignore_sigpipe(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) || now.sa_handler != SIG_DFL) return;
    now.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &now, NULL);
}

int loop_create(struct loop **out, int index)
{
    struct loop *l = calloc(1, sizeof *l);

    if (!l) return ERR_NOMEM;
    ignore_sigpipe();
    if (uv_loop_init(&l->uv)) {
        free(l);
        return ERR_IO;
    }
    if (uv_async_init(&l->uv, &l->doorbell, on_doorbell)) {
        uv_loop_close(&l->uv);
        free(l);
        return ERR_IO;
    }
    uv_prepare_init(&l->uv, &l->before_wait);
    uv_timer_init(&l->uv, &l->alarm);
    l->doorbell.data = l->before_wait.data = l->alarm.data = l;
    uv_prepare_start(&l->before_wait, on_before_wait);
    uv_unref((uv_handle_t *)&l->before_wait);
    mailbox_init(&l->mailbox);
    wheel_init(&l->wheel, (uint64_t)clock_mono_us() / 1000);
    l->alarm_tick = UINT64_MAX;
    l->index = index;
    *out = l;
    return 0;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

static void find_process(uv_handle_t *h, void *found)
{
    if (uv_handle_get_type(h) == UV_PROCESS && uv_is_active(h))
        *(bool *)found = true;
}

/* Children that were told to end are seen off, so that their owners hear of it
 * and let go of what they keep; two seconds are enough for the slowest. */
static void await_children(struct loop *l)
{
    for (int i = 0; i < CHILD_WAITS; i++) {
        bool found = false;
        uv_walk(&l->uv, find_process, &found);
        if (!found) return;
        uv_run(&l->uv, UV_RUN_NOWAIT);
        poll(NULL, 0, CHILD_WAIT_MS);
    }
}

void loop_free(struct loop **l)
{
    struct loop *last = *l;

    *l = NULL;
    if (!last) return;
    /* What is left in the mailbox carries references: let it run. */
    for (int i = 0; i < RUN_ONCE_MOST && mailbox_drain(&last->mailbox); i++)
        continue;
    await_children(last);
    do {
        uv_walk(&last->uv, close_handle, NULL);
        uv_run(&last->uv, UV_RUN_DEFAULT);
    } while (uv_loop_close(&last->uv) == UV_EBUSY);
    mailbox_drain(&last->mailbox);
    mailbox_release(&last->mailbox);
    free(last);
}

static void settle_here(struct loop *l)
{
    l->thread = pthread_self();
    atomic_store(&l->has_thread, true);
    loop_touch(l);
}

void loop_run(struct loop *l)
{
    settle_here(l);
    while (!atomic_load(&l->stopping))
        uv_run(&l->uv, UV_RUN_DEFAULT);
    atomic_store(&l->stopping, false);
}

static bool is_idle(struct loop *l)
{
    struct pollfd fd = {.fd = uv_backend_fd(&l->uv), .events = POLLIN};

    return poll(&fd, 1, 0) <= 0 && uv_backend_timeout(&l->uv) != 0;
}

void loop_run_once(struct loop *l)
{
    settle_here(l);
    for (int i = 0; i < RUN_ONCE_MOST; i++) {
        uv_run(&l->uv, UV_RUN_NOWAIT);
        uv_update_time(&l->uv);
        if (is_idle(l)) break;
    }
    atomic_store(&l->stopping, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    uv_async_send(&l->doorbell);
}

static void run_on_thread(void *arg)
{
    loop_run(arg);
}

int loop_start(struct loop *l)
{
    return uv_thread_create(&l->started, run_on_thread, l) ? ERR_IO : 0;
}

void loop_join(struct loop *l)
{
    uv_thread_join(&l->started);
    /* Whoever frees it now is its thread. */
    atomic_store(&l->has_thread, false);
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

int loop_index(const struct loop *l)
{
    return l->index;
}

int64_t loop_now(struct loop *l)
{
    if (!l->now) l->now = clock_mono_us();
    return l->now;
}

void loop_touch(struct loop *l)
{
    l->now = 0;
}

bool loop_is_here(const struct loop *l)
{
    return !atomic_load(&l->has_thread) ||
           pthread_equal(l->thread, pthread_self());
}

int loop_post(struct loop *l, loop_fn *fn, void *arg)
{
    bool rang = false;
    int err = mailbox_post(&l->mailbox, fn, arg, &rang);

    if (rang) uv_async_send(&l->doorbell);
    return err;
}

void loop_post_message(struct loop *l, struct message *m)
{
    bool rang = false;

    mailbox_post_own(&l->mailbox, m, &rang);
    if (rang) uv_async_send(&l->doorbell);
}
