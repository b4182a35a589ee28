#include "edge/tap.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"

enum { BATCH_MAX = 64 };

struct batch {
    struct tap *tap;
    int count;
    struct bus_event events[BATCH_MAX]; /* with references of their own */
};

struct tap {
    /* The owner's, the subscription's, one for each message under way. */
    atomic_int refs;
    struct loop *loop;
    struct bus *bus;
    struct tap_events events;
    atomic_bool closing;
    /* On the bus's loop: */
    struct bus_subscriber *subscriber;
    struct batch *filling;
    bool flush_is_due, lost;
};

static void event_release(struct bus_event *e)
{
    if (e->type == BUS_TRACK) track_unref(&e->v.track);
    if (e->type == BUS_FRAME) frame_unref(&e->v.frame);
}

static void batch_free(struct batch **b)
{
    struct batch *last = *b;

    *b = NULL;
    if (!last) return;
    for (int i = 0; i < last->count; i++)
        event_release(&last->events[i]);
    free(last);
}

static struct tap *ref(struct tap *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

static void unref(struct tap *t)
{
    if (atomic_fetch_sub(&t->refs, 1) != 1) return;
    batch_free(&t->filling);
    bus_unref(&t->bus);
    free(t);
}

/* Of several that the caller holds. */
static void unref_spare(struct tap *t)
{
    atomic_fetch_sub(&t->refs, 1);
}

/* --- on the viewers' loop --------------------------------------------------
 */

static void hand_over(struct tap *t, struct batch *b)
{
    for (int i = 0; i < b->count && !atomic_load(&t->closing); i++)
        t->events.on_event(&b->events[i], t->events.arg);
    if (!atomic_load(&t->closing)) t->events.on_batch_end(t->events.arg);
    batch_free(&b);
}

static void deliver(void *arg)
{
    struct batch *b = arg;
    struct tap *t = b->tap;

    hand_over(t, b);
    unref(t);
}

/* --- on the bus's loop ------------------------------------------------------
 */

static void flush(struct tap *t)
{
    struct batch *b = t->filling;

    t->filling = NULL;
    if (!b) return;
    if (t->loop == bus_loop(t->bus)) {
        hand_over(t, b);
        return;
    }
    b->tap = ref(t);
    if (!loop_post(t->loop, deliver, b)) return;
    t->lost = true;
    batch_free(&b);
    unref_spare(t);
}

static void flush_letter(void *arg)
{
    struct tap *t = arg;

    t->flush_is_due = false;
    flush(t);
    unref(t);
}

static void add(struct tap *t, const struct bus_event *e)
{
    if (!t->filling) t->filling = calloc(1, sizeof *t->filling);
    if (!t->filling) {
        t->lost = true;
        return;
    }
    struct bus_event *kept = &t->filling->events[t->filling->count++];
    *kept = *e;
    if (e->type == BUS_TRACK) track_ref(e->v.track);
    if (e->type == BUS_FRAME) frame_ref(e->v.frame);
    if (t->filling->count == BATCH_MAX) flush(t);
}

static bool is_wanted(const struct tap *t, const struct bus_event *e)
{
    const struct track *track;

    switch (e->type) {
    case BUS_TRACK: return track_is_rendition(e->v.track);
    case BUS_FRAME:
        if (e->v.frame->track_id < TRACK_RENDITION_FIRST) return false;
        track = bus_find_track(t->bus, e->v.frame->track_id);
        return track && (track_info(track)->codec == CODEC_H264 ||
                         track_info(track)->codec == CODEC_OPUS);
    case BUS_MARK:
    case BUS_PLAN: return false;
    default: return true;
    }
}

/* The caller holds t. */
static void stop(struct tap *t)
{
    if (!t->subscriber) return;
    bus_unsubscribe(&t->subscriber);
    unref_spare(t);
}

static void on_wake(void *arg)
{
    struct tap *t = arg;
    struct bus_event e;

    if (atomic_load(&t->closing)) {
        ref(t);
        stop(t);
        unref(t);
        return;
    }
    while (!bus_next(t->subscriber, &e)) {
        if (!is_wanted(t, &e)) continue;
        if (t->lost) {
            t->lost = false;
            add(t, &(struct bus_event){.type = BUS_LOST});
        }
        add(t, &e);
    }
    if (!t->filling || t->flush_is_due) return;
    t->flush_is_due = !loop_post(bus_loop(t->bus), flush_letter, ref(t));
    if (t->flush_is_due) return;
    unref_spare(t);
    flush(t);
}

static void start_letter(void *arg)
{
    struct tap *t = arg;
    int err = 0;

    if (!atomic_load(&t->closing))
        err = bus_subscribe(t->bus, &t->subscriber, BUS_FROM_MARK, on_wake, t);
    if (err)
        log_error("whep", "no_tap", log_s("stream", bus_conf(t->bus)->channel),
                  log_s("why", err_text(err)));
    if (t->subscriber) {
        ref(t);
        on_wake(t);
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the letter's own */
    unref(t);
}

static void stop_letter(void *arg)
{
    struct tap *t = arg;

    stop(t);
    unref(t);
}

/* --------------------------------------------------------------------------
 */

int tap_create(struct tap **out, struct loop *loop, struct bus *bus,
               const struct tap_events *events)
{
    struct tap *t = calloc(1, sizeof *t);
    int err;

    if (!t) return ERR_NOMEM;
    atomic_init(&t->refs, 1);
    t->loop = loop;
    t->bus = bus_ref(bus);
    t->events = *events;
    err = loop_post(bus_loop(bus), start_letter, ref(t));
    if (err) {
        bus_unref(&t->bus);
        free(t);
        return err;
    }
    *out = t;
    return 0;
}

void tap_close(struct tap **t)
{
    struct tap *last = *t;

    *t = NULL;
    if (!last) return;
    atomic_store(&last->closing, true);
    /* With a full mailbox the bus's next wake does it. */
    if (loop_post(bus_loop(last->bus), stop_letter, ref(last)))
        unref_spare(last);
    unref(last);
}
