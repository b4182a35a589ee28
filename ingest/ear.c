#include "ingest/ear.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/loop/loop.h"

/* Counted: by its owner, by the bus while it listens there, and by what is
 * under way between the loops. (The analyser does not count: where one of
 * several references goes, it sees the last one go.) */
struct ear {
    atomic_uint refs;
    atomic_bool closed;
    struct bus *bus;
    struct loop *loop;
    bus_asked *fn;
    void *arg;
    bool listening; /* the bus's loop only */
};

struct wish {
    struct ear *ear;
    uint8_t track_id;
};

static struct ear *ear_ref(struct ear *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

static void ear_unref(struct ear *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    bus_unref(&e->bus);
    free(e);
}

/* --- the owner's loop ----------------------------------------------------- */

static void on_wish(void *arg)
{
    struct wish *w = arg;

    if (!atomic_load(&w->ear->closed)) w->ear->fn(w->track_id, w->ear->arg);
    ear_unref(w->ear);
    free(w);
}

/* --- the bus's loop ------------------------------------------------------- */

static void on_asked(uint8_t track_id, void *arg);

static void stop_listening(struct ear *e)
{
    if (!e->listening) return;
    e->listening = false;
    bus_unlisten(e->bus, on_asked, e);
    ear_unref(e);
}

static void on_asked(uint8_t track_id, void *arg)
{
    struct ear *e = arg;
    struct wish *w;

    if (atomic_load(&e->closed)) { /* whose message did not get through */
        stop_listening(e);
        return;
    }
    w = malloc(sizeof *w);
    if (!w) return;
    *w = (struct wish){ear_ref(e), track_id};
    if (!loop_post(e->loop, on_wish, w)) return;
    ear_unref(e);
    free(w);
}

static void on_open(void *arg)
{
    struct ear *e = arg;

    if (!atomic_load(&e->closed) && !bus_listen(e->bus, on_asked, e)) {
        e->listening = true;
        ear_ref(e);
    }
    ear_unref(e);
}

static void on_close(void *arg)
{
    struct ear *e = arg;

    stop_listening(e);
    ear_unref(e); /* NOLINT(clang-analyzer-unix.Malloc) */
}

/* --- doors ---------------------------------------------------------------- */

static int on_bus_loop(struct ear *e, loop_fn *fn)
{
    int err = 0;

    ear_ref(e);
    if (loop_is_here(bus_loop(e->bus)))
        fn(e);
    else
        err = loop_post(bus_loop(e->bus), fn, e);
    if (err) ear_unref(e);
    return err;
}

int ear_open(struct ear **out, struct bus *b, struct loop *loop, bus_asked *fn,
             void *arg)
{
    struct ear *e = calloc(1, sizeof *e);
    int err;

    if (!e) return ERR_NOMEM;
    atomic_init(&e->refs, 1);
    atomic_init(&e->closed, false);
    e->bus = bus_ref(b);
    e->loop = loop;
    e->fn = fn;
    e->arg = arg;
    err = on_bus_loop(e, on_open);
    if (err)
        ear_unref(e); /* NOLINT(clang-analyzer-unix.Malloc) */
    else
        *out = e;
    return err;
}

void ear_close(struct ear **e)
{
    struct ear *last = *e;

    *e = NULL;
    if (!last) return;
    atomic_store(&last->closed, true);
    on_bus_loop(last, on_close);
    ear_unref(last); /* NOLINT(clang-analyzer-unix.Malloc) */
}
