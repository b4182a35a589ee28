#include "core/media/bus.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/media/bus_priv.h"
#include "core/media/wishes.h"

enum {
    WINDOW_DEFAULT_US = 12000000,
    WINDOW_LEAST_US = 1000000,
    WINDOW_MOST_US = 60000000,
    ENTRIES_DEFAULT = 16384,
    ENTRIES_LEAST = 64,
    ENTRIES_MOST = 65536,
    BYTES_DEFAULT = 64 << 20,
};

struct entry {
    enum bus_event_type type;
    int64_t at_us; /* end of the timeline when it came in */
    union {
        struct track *track;
        struct frame *frame;
        struct mark mark;
        struct plan *plan;
    } v;
};

struct bus {
    atomic_uint refs;
    struct bus_conf conf;
    char *channel;
    struct entry *ring; /* entry of sequence n stands at n % ring_size */
    size_t ring_size;
    uint64_t first, next; /* sequences held: [first, next) */
    size_t payload_bytes;
    int64_t end_us;
    uint64_t newest_mark, newest_key; /* sequence + 1; 0: none */
    struct track *tracks[TRACK_ID_LAST + 1];
    struct plan *plan;
    struct list subscribers;
    bool waking, ended;
    struct wishes wishes;
};

/* What a new subscriber is told before it reads the log. */
enum greeting_step { GREET_PLAN, GREET_TRACKS, GREET_DONE };

struct bus_subscriber {
    struct list node;
    struct bus *bus;
    uint64_t at;
    bus_wake *wake;
    void *arg;
    enum greeting_step greeting;
    int greeted_track;
    bool gone;
    struct entry held; /* what the last bus_next() lent */
};

static void entry_release(struct entry *e)
{
    switch (e->type) {
    case BUS_TRACK: track_unref(&e->v.track); break;
    case BUS_FRAME: frame_unref(&e->v.frame); break;
    case BUS_PLAN: free(e->v.plan); break;
    default: break;
    }
    e->type = BUS_LOST;
}

static int entry_copy(struct entry *out, const struct entry *e)
{
    *out = *e;
    switch (e->type) {
    case BUS_TRACK: track_ref(e->v.track); break;
    case BUS_FRAME: frame_ref(e->v.frame); break;
    case BUS_PLAN:
        out->v.plan = malloc(sizeof *out->v.plan);
        if (!out->v.plan) {
            out->type = BUS_LOST;
            return ERR_NOMEM;
        }
        *out->v.plan = *e->v.plan;
        break;
    default: break;
    }
    return 0;
}

static int check_conf(struct bus_conf *c)
{
    if (!c->window_us) c->window_us = WINDOW_DEFAULT_US;
    if (!c->max_entries) c->max_entries = ENTRIES_DEFAULT;
    if (!c->max_bytes) c->max_bytes = BYTES_DEFAULT;
    if (c->window_us < WINDOW_LEAST_US || c->window_us > WINDOW_MOST_US ||
        c->max_entries < ENTRIES_LEAST || c->max_entries > ENTRIES_MOST ||
        !c->channel)
        return ERR_RANGE;
    return 0;
}

int bus_create(struct bus **out, const struct bus_conf *conf)
{
    struct bus *b = calloc(1, sizeof *b);
    int err = ERR_NOMEM;

    if (!b) return ERR_NOMEM;
    atomic_init(&b->refs, 1);
    list_init(&b->subscribers);
    b->conf = *conf;
    err = check_conf(&b->conf);
    if (err) goto fail;
    err = ERR_NOMEM;
    b->channel = strdup(conf->channel);
    if (!b->channel) goto fail;
    b->conf.channel = b->channel;
    b->ring_size = b->conf.max_entries;
    b->ring = calloc(b->ring_size, sizeof *b->ring);
    if (!b->ring) goto fail;
    wishes_init(&b->wishes, b);
    *out = b;
    return 0;
fail:
    free(b->channel);
    free(b);
    return err;
}

struct bus *bus_ref(struct bus *b)
{
    if (b) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

static struct entry *entry_at(struct bus *b, uint64_t sequence)
{
    return &b->ring[sequence % b->ring_size];
}

static void drop_oldest(struct bus *b)
{
    struct entry *e = entry_at(b, b->first);

    if (e->type == BUS_FRAME) b->payload_bytes -= e->v.frame->payload.len;
    entry_release(e);
    b->first++;
}

static void bus_destroy(struct bus *b)
{
    INVARIANT(list_is_empty(&b->subscribers));
    INVARIANT(!timer_is_set(&b->wishes.due));
    while (b->first < b->next)
        drop_oldest(b);
    for (int i = 0; i <= TRACK_ID_LAST; i++)
        track_unref(&b->tracks[i]);
    free(b->plan);
    free(b->ring);
    free(b->channel);
    free(b);
}

void bus_unref(struct bus **b)
{
    struct bus *last = *b;

    *b = NULL;
    if (!last) return;
    if (atomic_fetch_sub_explicit(&last->refs, 1, memory_order_acq_rel) == 1)
        bus_destroy(last);
}

const struct bus_conf *bus_conf(const struct bus *b)
{
    return &b->conf;
}

struct loop *bus_loop(const struct bus *b)
{
    return b->conf.loop;
}

struct wishes *bus_wishes(struct bus *b)
{
    return &b->wishes;
}

struct track *bus_find_track(const struct bus *b, uint8_t id)
{
    return b->tracks[id];
}

int64_t bus_end_us(const struct bus *b)
{
    return b->end_us;
}

bool bus_is_ended(const struct bus *b)
{
    return b->ended;
}

/* Keeps the window: entries, bytes, span. */
static void make_room(struct bus *b, size_t coming_bytes)
{
    while (b->first < b->next) {
        bool full = b->next - b->first >= b->ring_size;
        bool heavy = b->payload_bytes + coming_bytes > b->conf.max_bytes;
        bool old = entry_at(b, b->first)->at_us < b->end_us - b->conf.window_us;
        if (!full && !heavy && !old) break;
        drop_oldest(b);
    }
}

static void wake_all(struct bus *b)
{
    /* An append from inside a wake is seen by the pull loops that run. */
    if (b->waking) return;
    b->waking = true;
    bool again;
    do {
        uint64_t before = b->next;
        LIST_FOREACH (node, &b->subscribers) {
            struct bus_subscriber *s =
                LIST_ENTRY(node, struct bus_subscriber, node);
            if (!s->gone) s->wake(s->arg);
        }
        again = b->next != before;
    } while (again);
    b->waking = false;
    LIST_FOREACH_SAFE (node, &b->subscribers) {
        struct bus_subscriber *s =
            LIST_ENTRY(node, struct bus_subscriber, node);
        if (!s->gone) continue;
        list_unlink(&s->node);
        entry_release(&s->held);
        free(s);
    }
}

/* Takes what e holds, also on error. */
static int append(struct bus *b, struct entry *e)
{
    size_t bytes = e->type == BUS_FRAME ? e->v.frame->payload.len : 0;

    INVARIANT(loop_is_here(b->conf.loop));
    if (b->ended) {
        entry_release(e);
        return ERR_CLOSED;
    }
    make_room(b, bytes);
    e->at_us = b->end_us;
    *entry_at(b, b->next) = *e;
    b->payload_bytes += bytes;
    b->next++;
    bus_ref(b); /* a subscriber may let go of it */
    wake_all(b);
    bus_unref(&b);
    return 0;
}

int bus_track(struct bus *b, struct track *t)
{
    struct entry e = {.type = BUS_TRACK, .v.track = track_ref(t)};
    uint8_t id = track_info(t)->id;

    track_unref(&b->tracks[id]);
    b->tracks[id] = track_ref(t);
    return append(b, &e);
}

int bus_append(struct bus *b, struct frame *f)
{
    struct entry e = {.type = BUS_FRAME, .v.frame = frame_ref(f)};
    const struct track *t = b->tracks[f->track_id];

    if (t) {
        const struct track_info *info = track_info(t);
        int64_t end = (f->dts + f->duration) * 1000000 / info->timescale;
        if (end > b->end_us) b->end_us = end;
        if (f->flags & FRAME_KEY && info->kind == TRACK_VIDEO &&
            info->id < TRACK_RENDITION_FIRST)
            b->newest_key = b->next + 1;
    }
    return append(b, &e);
}

int bus_mark(struct bus *b, const struct mark *m)
{
    struct entry e = {.type = BUS_MARK, .v.mark = *m};

    b->newest_mark = b->next + 1;
    return append(b, &e);
}

int bus_plan(struct bus *b, const struct plan *p)
{
    struct entry e = {.type = BUS_PLAN};
    struct plan *kept = malloc(sizeof *kept);

    e.v.plan = malloc(sizeof *p);
    if (!kept || !e.v.plan) {
        free(kept);
        free(e.v.plan);
        return ERR_NOMEM;
    }
    *kept = *p;
    *e.v.plan = *p;
    free(b->plan);
    b->plan = kept;
    return append(b, &e);
}

int bus_signal(struct bus *b, enum bus_event_type type)
{
    struct entry e = {.type = type};
    int err;

    INVARIANT(type == BUS_GONE || type == BUS_BACK || type == BUS_END);
    bus_ref(b);
    err = append(b, &e);
    if (type == BUS_END) {
        b->ended = true;
        wishes_end(&b->wishes);
    }
    bus_unref(&b);
    return err;
}

/* --- from other threads ------------------------------------------------- */

struct letter {
    struct bus *bus;
    struct entry entry;
};

static int deliver(struct bus *b, struct entry *e)
{
    int err = 0;

    switch (e->type) {
    case BUS_TRACK: err = bus_track(b, e->v.track); break;
    case BUS_FRAME: err = bus_append(b, e->v.frame); break;
    default: err = bus_signal(b, e->type); break;
    }
    return err;
}

static void open_letter(void *arg)
{
    struct letter *l = arg;

    deliver(l->bus, &l->entry);
    entry_release(&l->entry);
    bus_unref(&l->bus);
    free(l);
}

static int post(struct bus *b, const struct entry *e)
{
    struct letter *l;
    int err;

    if (loop_is_here(b->conf.loop)) {
        struct entry here = *e;
        return deliver(b, &here);
    }
    l = malloc(sizeof *l);
    if (!l) return ERR_NOMEM;
    l->bus = bus_ref(b);
    entry_copy(&l->entry, e);
    err = loop_post(b->conf.loop, open_letter, l);
    if (err) {
        entry_release(&l->entry);
        bus_unref(&l->bus);
        free(l);
    }
    return err;
}

int bus_post_track(struct bus *b, struct track *t)
{
    return post(b, &(struct entry){.type = BUS_TRACK, .v.track = t});
}

int bus_post_frame(struct bus *b, struct frame *f)
{
    return post(b, &(struct entry){.type = BUS_FRAME, .v.frame = f});
}

int bus_post_signal(struct bus *b, enum bus_event_type type)
{
    return post(b, &(struct entry){.type = type});
}

/* --- subscribers -------------------------------------------------------- */

static uint64_t start_at(const struct bus *b, enum bus_start start)
{
    uint64_t wanted = start == BUS_FROM_MARK  ? b->newest_mark
                      : start == BUS_FROM_KEY ? b->newest_key
                                              : 0;

    return wanted && wanted - 1 >= b->first ? wanted - 1 : b->next;
}

int bus_subscribe(struct bus *b, struct bus_subscriber **out,
                  enum bus_start start, bus_wake *wake, void *arg)
{
    struct bus_subscriber *s = calloc(1, sizeof *s);

    if (!s) return ERR_NOMEM;
    s->bus = bus_ref(b);
    s->at = start_at(b, start);
    s->wake = wake;
    s->arg = arg;
    s->held.type = BUS_LOST;
    list_append(&b->subscribers, &s->node);
    *out = s;
    return 0;
}

/* The plan and the tracks as they stand: newer ones follow in the log. */
static bool greet(struct bus_subscriber *s, struct bus_event *out)
{
    struct bus *b = s->bus;

    if (s->greeting == GREET_PLAN) {
        s->greeting = GREET_TRACKS;
        if (b->plan) {
            *out = (struct bus_event){BUS_PLAN, {.plan = b->plan}};
            return true;
        }
    }
    while (s->greeting == GREET_TRACKS) {
        if (s->greeted_track > TRACK_ID_LAST) {
            s->greeting = GREET_DONE;
            break;
        }
        struct track *t = b->tracks[s->greeted_track++];
        if (!t) continue;
        s->held = (struct entry){.type = BUS_TRACK, .v.track = track_ref(t)};
        *out = (struct bus_event){BUS_TRACK, {.track = t}};
        return true;
    }
    return false;
}

int bus_next(struct bus_subscriber *s, struct bus_event *out)
{
    struct bus *b = s->bus;
    struct entry *e;

    INVARIANT(!s->gone);
    entry_release(&s->held);
    if (s->at < b->first) {
        s->at = start_at(b, BUS_FROM_MARK);
        *out = (struct bus_event){.type = BUS_LOST};
        return 0;
    }
    if (s->greeting != GREET_DONE && greet(s, out)) return 0;
    if (s->at == b->next) return ERR_AGAIN;
    e = entry_at(b, s->at);
    if (entry_copy(&s->held, e)) return ERR_AGAIN; /* tried again next wake */
    s->at++;
    out->type = e->type;
    switch (e->type) {
    case BUS_TRACK: out->v.track = s->held.v.track; break;
    case BUS_FRAME: out->v.frame = s->held.v.frame; break;
    case BUS_MARK: out->v.mark = s->held.v.mark; break;
    case BUS_PLAN: out->v.plan = s->held.v.plan; break;
    default: break;
    }
    return 0;
}

void bus_unsubscribe(struct bus_subscriber **s)
{
    struct bus_subscriber *left = *s;
    struct bus *b;

    *s = NULL;
    if (!left) return;
    b = left->bus;
    if (b->waking) {
        left->gone = true; /* wake_all() frees it when it is done */
        entry_release(&left->held);
    } else {
        list_unlink(&left->node);
        entry_release(&left->held);
        free(left);
    }
    bus_unref(&b);
}
