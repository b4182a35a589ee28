#include "core/media/wishes.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/media/bus_priv.h"

static bool is_heard(const struct wishes *w)
{
    for (int i = 0; i < BUS_ASKED_MAX; i++)
        if (w->listeners[i].fn) return true;
    return false;
}

/* The caller holds a reference: a listener may let go of its own. */
static void tell(struct wishes *w, uint8_t track_id)
{
    w->wanted[track_id] = false;
    w->told_at[track_id] = loop_now(bus_loop(w->bus));
    for (int i = 0; i < BUS_ASKED_MAX; i++)
        if (w->listeners[i].fn)
            w->listeners[i].fn(track_id, w->listeners[i].arg);
}

static void disarm(struct wishes *w)
{
    struct bus *held = w->bus;

    if (!timer_is_set(&w->due)) return;
    timer_cancel(&w->due);
    bus_unref(&held);
}

/* The deadline of the wish that is due first. */
static void arm(struct wishes *w)
{
    int64_t first = INT64_MAX;

    for (int i = 0; i <= TRACK_ID_LAST; i++)
        if (w->wanted[i] && w->told_at[i] < first) first = w->told_at[i];
    if (first == INT64_MAX) return;
    if (!timer_is_set(&w->due)) bus_ref(w->bus);
    timer_set(&w->due, first + BUS_ASK_US);
}

static void on_due(void *arg)
{
    struct wishes *w = arg;
    struct bus *held = w->bus; /* the deadline's own reference */
    int64_t now = loop_now(bus_loop(held));

    for (int i = 0; i <= TRACK_ID_LAST; i++)
        if (w->wanted[i] && now - w->told_at[i] >= BUS_ASK_US)
            tell(w, (uint8_t)i);
    if (!bus_is_ended(held) && is_heard(w)) arm(w);
    bus_unref(&held);
}

static void take(struct wishes *w, uint8_t track_id)
{
    struct bus *held;
    int64_t told = w->told_at[track_id];

    if (bus_is_ended(w->bus) || !is_heard(w) || w->wanted[track_id]) return;
    held = bus_ref(w->bus);
    if (told && loop_now(bus_loop(held)) - told < BUS_ASK_US) {
        w->wanted[track_id] = true;
        arm(w);
    } else {
        tell(w, track_id);
    }
    bus_unref(&held);
}

void wishes_init(struct wishes *w, struct bus *bus)
{
    w->bus = bus;
    timer_init(&w->due, bus_loop(bus), on_due, w);
}

void wishes_end(struct wishes *w)
{
    for (int i = 0; i <= TRACK_ID_LAST; i++)
        w->wanted[i] = false;
    disarm(w);
}

/* --- the doors that bus.h shows ------------------------------------------- */

struct letter {
    struct bus *bus;
    uint8_t track_id;
};

static void open_letter(void *arg)
{
    struct letter *l = arg;
    struct wishes *w = bus_wishes(l->bus);

    atomic_store(&w->posted[l->track_id], false);
    take(w, l->track_id);
    bus_unref(&l->bus);
    free(l);
}

void bus_ask_key(struct bus *b, uint8_t track_id)
{
    struct wishes *w = bus_wishes(b);
    struct letter *l;

    if (loop_is_here(bus_loop(b))) {
        take(w, track_id);
        return;
    }
    if (atomic_exchange(&w->posted[track_id], true)) return;
    l = malloc(sizeof *l);
    if (l) {
        *l = (struct letter){bus_ref(b), track_id};
        if (!loop_post(bus_loop(b), open_letter, l)) return;
        bus_unref(&l->bus);
        free(l);
    }
    atomic_store(&w->posted[track_id], false); /* who needs it asks again */
}

int bus_listen(struct bus *b, bus_asked *fn, void *arg)
{
    struct wishes *w = bus_wishes(b);

    INVARIANT(loop_is_here(bus_loop(b)));
    for (int i = 0; i < BUS_ASKED_MAX; i++) {
        if (w->listeners[i].fn) continue;
        w->listeners[i].fn = fn;
        w->listeners[i].arg = arg;
        return 0;
    }
    return ERR_LIMIT;
}

void bus_unlisten(struct bus *b, bus_asked *fn, void *arg)
{
    struct wishes *w = bus_wishes(b);

    INVARIANT(loop_is_here(bus_loop(b)));
    for (int i = 0; i < BUS_ASKED_MAX; i++)
        if (w->listeners[i].fn == fn && w->listeners[i].arg == arg)
            w->listeners[i].fn = NULL;
    if (!is_heard(w)) wishes_end(w);
}
