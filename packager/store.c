#include "packager/store.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

const char *store_state_name(enum store_state s)
{
    static const char *const names[] = {"starting", "live", "reconnecting",
                                        "ended"};
    return names[s];
}

/* --- events --------------------------------------------------------------- */

int store_event_create(struct store_event **out, enum store_event_type type,
                       int rendition, int slices)
{
    struct store_event *e =
        calloc(1, sizeof *e + (size_t)slices * sizeof(struct slice));

    if (!e) return ERR_NOMEM;
    atomic_init(&e->refs, 1);
    e->type = type;
    e->rendition = rendition;
    e->slice_count = slices;
    *out = e;
    return 0;
}

struct store_event *store_event_ref(struct store_event *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void store_event_unref(struct store_event **e)
{
    struct store_event *last = *e;

    *e = NULL;
    if (!last ||
        atomic_fetch_sub_explicit(&last->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < last->slice_count; i++)
        slice_unref(&last->slices[i]);
    free(last);
}

/* --- dropping what grew old ----------------------------------------------- */

static void drop_cached(struct store *s, void **cached)
{
    if (*cached && s->drop) s->drop(*cached, s->drop_arg);
    *cached = NULL;
}

static void object_release(struct store *s, struct store_object *o)
{
    drop_cached(s, &o->cached);
    store_event_unref(&o->event);
}

static void segment_release(struct store *s, struct store_segment *g)
{
    drop_cached(s, &g->cached);
    for (int i = 0; i < g->part_count; i++)
        object_release(s, &g->parts[i]);
    free(g->parts);
    g->parts = NULL;
}

static void drop_oldest(struct store *s, struct store_rendition *r, int n)
{
    if (!n) return;
    for (int i = 0; i < n; i++)
        segment_release(s, &r->segments[i]);
    r->count -= n;
    memmove(r->segments, r->segments + n,
            (size_t)r->count * sizeof *r->segments);
    r->first_listed = r->first_listed > n ? r->first_listed - n : 0;
}

/* Inits older than the oldest segment's own are nobody's any more. */
static void drop_inits(struct store *s, struct store_rendition *r)
{
    int n = 0;

    if (!r->count) return;
    while (n < r->init_count - 1 &&
           r->inits[n].number < r->segments[0].head.init)
        object_release(s, &r->inits[n++].object);
    r->init_count -= n;
    memmove(r->inits, r->inits + n, (size_t)r->init_count * sizeof *r->inits);
}

/* Takes segments off the list once window_us is covered without them, and
 * lets go of them when as much time has passed again. */
static void evict(struct store *s, struct store_rendition *r)
{
    int64_t listed = 0, kept = 0;
    int n = 0, last = r->count - (store_open(r) ? 1 : 0);

    for (int i = r->first_listed; i < last; i++)
        listed += r->segments[i].duration_us;
    while (last - r->first_listed > SEGMENTS_LISTED_MIN &&
           listed - r->segments[r->first_listed].duration_us >=
               s->plan.window_us)
        listed -= r->segments[r->first_listed++].duration_us;
    for (int i = r->first_listed - 1; i >= 0; i--) {
        kept += r->segments[i].duration_us;
        if (kept >
            s->plan.window_us + (int64_t)s->plan.target_duration_s * 2000000) {
            n = i;
            break;
        }
    }
    if (r->count - n > SEGMENTS_MAX) n = r->count - SEGMENTS_MAX;
    if (n) drop_oldest(s, r, n);
    drop_inits(s, r);
}

int store_create(struct store **out, const char *channel, uint64_t generation,
                 void (*drop)(void *cached, void *arg), void *drop_arg)
{
    struct store *s;

    if (strlen(channel) > STORE_CHANNEL_MAX) return ERR_RANGE;
    s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    strcpy(s->channel, channel);
    s->generation = generation;
    s->drop = drop;
    s->drop_arg = drop_arg;
    *out = s;
    return 0;
}

void store_free(struct store **s)
{
    struct store *gone = *s;

    *s = NULL;
    if (!gone) return;
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        struct store_rendition *r = &gone->renditions[i];

        drop_oldest(gone, r, r->count);
        free(r->segments);
        for (int k = 0; k < r->init_count; k++)
            object_release(gone, &r->inits[k].object);
        drop_cached(gone, &r->cached);
    }
    free(gone);
}

/* --- finding -------------------------------------------------------------- */

struct store_rendition *store_find_rendition(struct store *s, const char *name,
                                             size_t len)
{
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        struct store_rendition *r = &s->renditions[i];

        if (r->used && strlen(r->description.name) == len &&
            !memcmp(r->description.name, name, len))
            return r;
    }
    return NULL;
}

/* MSNs are dense but for a rendition that came late or lost events: guess the
 * place, then look around. */
struct store_segment *store_find_segment(struct store_rendition *r,
                                         uint64_t msn)
{
    if (!r->count || msn < r->segments[0].msn ||
        msn > r->segments[r->count - 1].msn)
        return NULL;
    uint64_t back = r->segments[r->count - 1].msn - msn;
    if (back < (uint64_t)r->count) {
        struct store_segment *g = &r->segments[r->count - 1 - (int)back];
        if (g->msn == msn) return g;
    }
    for (int i = 0; i < r->count; i++)
        if (r->segments[i].msn == msn) return &r->segments[i];
    return NULL;
}

struct store_object *store_find_init(struct store_rendition *r, uint32_t number)
{
    for (int i = 0; i < r->init_count; i++)
        if (r->inits[i].number == number) return &r->inits[i].object;
    return NULL;
}

const struct store_segment *store_open(const struct store_rendition *r)
{
    if (!r->count || r->segments[r->count - 1].closed) return NULL;
    return &r->segments[r->count - 1];
}

uint64_t store_open_msn(const struct store_rendition *r)
{
    if (!r->count) return 0;
    return r->segments[r->count - 1].msn + r->segments[r->count - 1].closed;
}

int64_t store_end_us(const struct store_rendition *r)
{
    if (!r->count) return 0;
    const struct store_segment *g = &r->segments[r->count - 1];
    return g->head.pts_us + g->duration_us;
}

/* --- applying ------------------------------------------------------------- */

static struct store_segment *add_segment(struct store_rendition *r,
                                         uint64_t msn,
                                         const struct store_head *head)
{
    if (r->count == r->room) {
        int room = r->room ? r->room * 2 : 16;
        struct store_segment *more =
            realloc(r->segments, (size_t)room * sizeof *more);

        if (!more) return NULL;
        r->segments = more;
        r->room = room;
    }
    struct store_segment *g = &r->segments[r->count++];
    *g = (struct store_segment){.msn = msn, .head = *head};
    return g;
}

/* Dense numbering is what the list can say: where segments were lost, the list
 * begins anew behind the hole. */
static void keep_dense(struct store *s, struct store_rendition *r, uint64_t msn)
{
    if (r->count && msn != r->segments[r->count - 1].msn + 1)
        drop_oldest(s, r, r->count);
}

static int add_part(struct store_segment *g, struct store_event *e)
{
    if (g->part_count == PARTS_MAX) return ERR_LIMIT;
    if (g->part_count == g->part_room) {
        int room = g->part_room ? g->part_room * 2 : 12;
        struct store_object *more =
            realloc(g->parts, (size_t)room * sizeof *more);

        if (!more) return ERR_NOMEM;
        g->parts = more;
        g->part_room = room;
    }
    g->parts[g->part_count++] =
        (struct store_object){.event = store_event_ref(e)};
    return 0;
}

/* Its close was lost on the way here: say that it is not whole. */
static void end_stale(struct store_rendition *r, uint64_t msn)
{
    struct store_segment *g = r->count ? &r->segments[r->count - 1] : NULL;

    if (g && !g->closed && g->msn < msn) g->closed = g->missing = true;
}

/* Peak and mean over the listed segments; short ones say little. */
static void measure(struct store *s, struct store_rendition *r)
{
    int64_t us = 0, bits = 0, least = s->plan.target_duration_s * 500000LL;

    for (int i = r->first_listed; i < r->count; i++) {
        const struct store_segment *g = &r->segments[i];
        int64_t b = (int64_t)g->bytes * 8;

        if (g->missing || g->duration_us < least) continue;
        us += g->duration_us;
        bits += b;
        uint32_t bps = (uint32_t)(b * 1000000 / g->duration_us);
        if (bps > r->peak_bps) r->peak_bps = bps;
    }
    if (us) r->average_bps = (uint32_t)(bits * 1000000 / us);
}

static void close_open(struct store *s, struct store_rendition *r)
{
    r->segments[r->count - 1].closed = true;
    r->ends_soon = false;
    r->version++;
    evict(s, r);
    measure(s, r);
}

static int apply_close(struct store *s, struct store_rendition *r,
                       const struct store_event *e)
{
    if (!store_open(r) || r->segments[r->count - 1].msn != e->msn)
        return ERR_ORDER;
    close_open(s, r);
    return 0;
}

static int apply_part(struct store *s, struct store_rendition *r,
                      struct store_event *e)
{
    struct store_segment *g = NULL;
    int err;

    end_stale(r, e->msn);
    if (store_open(r)) g = &r->segments[r->count - 1];
    if (e->v.part.index == 0 && !g) {
        if (r->count && e->msn <= r->segments[r->count - 1].msn)
            return ERR_ORDER;
        keep_dense(s, r, e->msn);
        g = add_segment(r, e->msn, &e->v.part.head);
        if (!g) return ERR_NOMEM;
    }
    if (!g || g->msn != e->msn) return ERR_ORDER;
    /* A part that is lost here makes the whole segment one that is. */
    err = g->part_count == e->v.part.index ? add_part(g, e) : ERR_ORDER;
    g->duration_us += e->v.part.duration_us;
    if (err)
        g->missing = true;
    else
        g->bytes += e->bytes;
    r->ends_soon = e->v.part.ends_soon;
    r->version++;
    if (e->v.part.closes) close_open(s, r);
    return err;
}

static int apply_gap(struct store *s, struct store_rendition *r,
                     const struct store_event *e)
{
    struct store_segment *g;

    end_stale(r, e->msn);
    if (r->count && e->msn <= r->segments[r->count - 1].msn) return ERR_ORDER;
    keep_dense(s, r, e->msn);
    g = add_segment(r, e->msn, &e->v.gap.head);
    if (!g) return ERR_NOMEM;
    g->closed = g->missing = true;
    g->duration_us = e->v.gap.duration_us;
    r->ends_soon = false;
    r->version++;
    evict(s, r);
    return 0;
}

static int apply_init(struct store *s, struct store_rendition *r,
                      struct store_event *e)
{
    if (r->init_count == STORE_INITS_MAX) {
        object_release(s, &r->inits[0].object);
        memmove(r->inits, r->inits + 1, sizeof r->inits - sizeof *r->inits);
        r->init_count--;
    }
    r->inits[r->init_count++] = (struct store_init){
        .number = e->v.init, .object = {.event = store_event_ref(e)}};
    return 0;
}

static void apply_state(struct store *s, const struct store_event *e,
                        struct store_change *out)
{
    out->state = s->state != e->v.state;
    s->state = e->v.state;
    if (!out->state) return;
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
        s->renditions[i].version++;
}

int store_apply(struct store *s, struct store_event *e,
                struct store_change *out)
{
    struct store_rendition *r = &s->renditions[e->rendition];
    int err = 0;

    *out = (struct store_change){.rendition = -1};
    switch (e->type) {
    case STORE_PLAN: s->plan = e->v.plan; break;
    case STORE_RENDITION:
        r->used = true;
        r->description = e->v.description;
        out->multivariant = true;
        break;
    case STORE_INIT: return apply_init(s, r, e);
    case STORE_PART:
        err = apply_part(s, r, e);
        out->multivariant = e->v.part.closes;
        break;
    case STORE_CLOSE:
        err = apply_close(s, r, e);
        out->multivariant = true;
        break;
    case STORE_GAP: err = apply_gap(s, r, e); break;
    case STORE_PUBLISH:
        s->listed = e->v.listed;
        out->multivariant = true;
        break;
    case STORE_STATE: apply_state(s, e, out); break;
    }
    if (e->type == STORE_PART || e->type == STORE_CLOSE || e->type == STORE_GAP)
        out->rendition = e->rendition;
    if (out->multivariant) s->version++;
    return err;
}
