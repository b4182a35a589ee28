#include "transcode/tracks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum { PROOF_AGAIN = 4, PROOF_MAX = 64, NEVER_SECONDS = 1 << 30 };

static int64_t never(void)
{
    return -(int64_t)NEVER_SECONDS * VIDEO_TIMESCALE;
}

static bool is_near(int64_t a, int64_t b)
{
    return a - b <= TRACKS_NEAR && b - a <= TRACKS_NEAR;
}

/* --- what is held --------------------------------------------------------- */

static struct tracks_item *item_at(struct tracks_one *k, int n)
{
    return &k->held[(k->first + n) % TRACKS_HELD];
}

static void set_current(struct tracks_one *k, struct track *track)
{
    track_ref(track);
    track_unref(&k->current);
    k->current = track;
    k->due = true;
}

/* Takes the oldest out; what it says of the track stays said. */
static void drop_first(struct tracks_one *k)
{
    struct tracks_item *i = item_at(k, 0);

    if (i->track) set_current(k, i->track);
    if (i->frame) k->bytes -= i->frame->payload.len;
    frame_unref(&i->frame);
    track_unref(&i->track);
    k->first = (k->first + 1) % TRACKS_HELD;
    k->count--;
    if (k->examined) k->examined--;
}

static void drop_examined(struct tracks_one *k)
{
    while (k->examined)
        drop_first(k);
}

static void hold(struct tracks_one *k, struct frame *f, struct track *track)
{
    struct tracks_item *i = item_at(k, k->count++);

    *i = (struct tracks_item){.frame = f ? frame_ref(f) : NULL,
                              .track = track ? track_ref(track) : NULL};
    if (f) k->bytes += f->payload.len;
}

/* --- marks ---------------------------------------------------------------- */

static const struct mark *mark_at(const struct tracks *t, uint64_t n)
{
    return &t->marks[n % TRACKS_MARKS];
}

static uint64_t oldest(const struct tracks *t)
{
    return t->mark_count > TRACKS_MARKS ? t->mark_count - TRACKS_MARKS : 0;
}

/* --- states --------------------------------------------------------------- */

static void begin_anew(struct tracks_one *k, int proof)
{
    drop_examined(k);
    k->seen = k->begun = false;
    k->proven = 0;
    k->proof = proof;
}

static void leave(struct tracks *t, struct tracks_one *k,
                  enum tracks_change why, int64_t offset)
{
    bool told = k->state == TRACKS_IN || k->expected ||
                (why == TRACKS_MISALIGNED && k->state != TRACKS_OUT);

    k->expected = false;
    k->state = why == TRACKS_STOPPED ? TRACKS_PROVING : TRACKS_OUT;
    if (told) t->events.on_change(k, why, offset, t->events.arg);
}

/* From m to the newest keyframe, or from the mark that this meant to meet. */
static int64_t offset_of(const struct tracks *t, const struct tracks_one *k,
                         const struct mark *m)
{
    int64_t best = k->key_pts - m->pts;

    for (uint64_t i = oldest(t); i < t->mark_count; i++) {
        int64_t off = k->key_pts - mark_at(t, i)->pts;
        if (off <= TRACKS_NEAR && off >= -TRACKS_NEAR)
            return k->key_pts - m->pts;
        if (llabs(off) < llabs(best)) best = off;
    }
    return best;
}

static void miss(struct tracks *t, struct tracks_one *k, const struct mark *m)
{
    int proof = k->proof * 2;

    if (proof < PROOF_AGAIN) proof = PROOF_AGAIN;
    drop_examined(k);
    k->begun = false;
    k->proven = 0;
    k->proof = proof > PROOF_MAX ? PROOF_MAX : proof;
    k->msn = m->msn;
    leave(t, k, TRACKS_MISALIGNED, offset_of(t, k, m));
}

static void stop(struct tracks *t, struct tracks_one *k)
{
    while (k->count)
        drop_first(k);
    begin_anew(k, TRACKS_PROOF);
    leave(t, k, TRACKS_STOPPED, 0);
}

static void fit(struct tracks *t, struct tracks_one *k, const struct mark *m,
                struct tracks_item *item)
{
    k->msn = m->msn;
    k->shift = m->pts - item->frame->pts;
    item->discontinuity = m->discontinuity;
    if (k->state == TRACKS_IN) return;
    k->begun = true;
    if (++k->proven < k->proof) {
        drop_examined(k);
        return;
    }
    k->state = TRACKS_IN;
    k->due = true;
    t->events.on_change(k, TRACKS_JOINED, 0, t->events.arg);
}

/* Its first frame: marks that lie before it are not for it. */
static void pass_old_marks(const struct tracks *t, struct tracks_one *k,
                           int64_t pts)
{
    k->seen = true;
    for (uint64_t i = oldest(t); i < t->mark_count; i++)
        if (mark_at(t, i)->pts < pts - TRACKS_NEAR) k->msn = mark_at(t, i)->msn;
}

/* The oldest mark still to be fitted that pts has reached; NULL: none. */
static const struct mark *due_mark(const struct tracks *t,
                                   const struct tracks_one *k, int64_t pts)
{
    for (uint64_t i = oldest(t); i < t->mark_count; i++)
        if (mark_at(t, i)->msn > k->msn)
            return pts >= mark_at(t, i)->pts - TRACKS_NEAR ? mark_at(t, i)
                                                           : NULL;
    return NULL;
}

/* --- frames --------------------------------------------------------------- */

/* False: the first picture has to come to here before. */
static bool examine(struct tracks *t, struct tracks_one *k,
                    struct tracks_item *item)
{
    const struct frame *f = item->frame;
    bool key = f->flags & FRAME_KEY;

    if (key && f->pts > t->passed + TRACKS_NEAR) return false;
    if (!k->seen) pass_old_marks(t, k, f->pts);
    if (key) k->key_pts = f->pts;
    const struct mark *m = due_mark(t, k, f->pts);
    if (m && key && is_near(f->pts, m->pts))
        fit(t, k, m, item);
    else if (m)
        miss(t, k, m);
    item->shift = k->shift;
    return true;
}

static void emit(struct tracks *t, struct tracks_one *k)
{
    const struct tracks_item *i = item_at(k, 0);

    if (i->frame) {
        struct tracks_frame f = {.frame = i->frame,
                                 .dts = i->frame->dts + i->shift,
                                 .pts = i->frame->pts + i->shift,
                                 .discontinuity = i->discontinuity};
        if (f.dts <= k->last_dts) f.dts = k->last_dts + 1;
        k->last_dts = f.dts;
        if (k->due) k->due = !t->events.on_track(k, k->current, t->events.arg);
        t->events.on_frame(k, &f, t->events.arg);
    }
    drop_first(k);
}

static void run(struct tracks *t, struct tracks_one *k)
{
    while (k->examined < k->count) {
        struct tracks_item *item = item_at(k, k->examined);

        if (item->frame && !examine(t, k, item)) break;
        k->examined++;
        if (k->state == TRACKS_IN)
            while (k->examined)
                emit(t, k);
        else if (!k->begun)
            drop_examined(k);
    }
}

static struct tracks_one *find(struct tracks *t, uint8_t source_id)
{
    for (int i = 0; i < t->count; i++)
        if (t->list[i].source_id == source_id) return &t->list[i];
    return NULL;
}

void tracks_frame(struct tracks *t, struct frame *f)
{
    struct tracks_one *k = find(t, f->track_id);

    if (!k) return;
    if (k->count >= TRACKS_HELD - 1 || k->bytes + f->payload.len > TRACKS_BYTES)
        stop(t, k);
    hold(k, f, NULL);
    if (f->pts > k->newest_pts) k->newest_pts = f->pts;
    run(t, k);
}

void tracks_mark(struct tracks *t, const struct mark *m)
{
    t->marks[t->mark_count++ % TRACKS_MARKS] = *m;
}

void tracks_passed(struct tracks *t, int64_t pts)
{
    if (pts > t->passed) t->passed = pts;
    for (int i = 0; i < t->count; i++) {
        struct tracks_one *k = &t->list[i];

        if (!k->source_id) continue;
        if (k->newest_pts == never()) k->newest_pts = pts;
        run(t, k);
        if (t->passed - k->newest_pts <= TRACKS_LATE) continue;
        stop(t, k);
        k->newest_pts = t->passed;
    }
}

void tracks_break(struct tracks *t)
{
    for (int i = 0; i < t->count; i++) {
        struct tracks_one *k = &t->list[i];
        bool was_in = k->state == TRACKS_IN;

        begin_anew(k, was_in || k->proof == 1 ? 1 : TRACKS_PROOF);
        k->expected = k->expected || was_in;
        k->state = TRACKS_PROVING;
        k->newest_pts = never();
    }
}

/* --- tracks --------------------------------------------------------------- */

static struct tracks_one *add(struct tracks *t, uint8_t source_id)
{
    struct tracks_one *k = find(t, 0); /* one that was forgotten */
    struct tracks_item *held;

    if (!k && t->count == LADDER_TRACKS_MAX) return NULL;
    held = calloc(TRACKS_HELD, sizeof *held);
    if (!held) return NULL;
    if (!k) k = &t->list[t->count++];
    *k = (struct tracks_one){.source_id = source_id,
                             .held = held,
                             .proof = TRACKS_PROOF,
                             .newest_pts = never(),
                             .key_pts = never(),
                             .last_dts = never()};
    return k;
}

int tracks_track(struct tracks *t, struct track *track, bool expected)
{
    struct tracks_one *k = find(t, track_info(track)->id);

    if (!k) k = add(t, track_info(track)->id);
    if (!k) return t->count == LADDER_TRACKS_MAX ? ERR_LIMIT : ERR_NOMEM;
    if (expected && k->state == TRACKS_PROVING) k->expected = true;
    track_ref(track);
    track_unref(&k->track);
    k->track = track;
    if (k->count >= TRACKS_HELD) stop(t, k);
    hold(k, NULL, track);
    run(t, k);
    return 0;
}

static void release(struct tracks_one *k)
{
    while (k->count)
        drop_first(k);
    track_unref(&k->current);
    track_unref(&k->track);
    free(k->held);
    *k = (struct tracks_one){0};
}

void tracks_forget(struct tracks *t, uint8_t source_id)
{
    struct tracks_one *k = find(t, source_id);

    if (!k) return;
    leave(t, k, TRACKS_STOPPED, 0);
    release(k);
}

void tracks_init(struct tracks *t, const struct tracks_events *events)
{
    *t = (struct tracks){.events = *events, .passed = never()};
}

void tracks_release(struct tracks *t)
{
    for (int i = 0; i < t->count; i++)
        release(&t->list[i]);
    t->count = 0;
}

/* --- names ---------------------------------------------------------------- */

static bool is_taken(const struct tracks *t, const char *top, const char *name,
                     uint8_t id)
{
    if (name && !strcmp(name, top)) return true;
    for (int i = 0; i < t->count; i++) {
        const struct track_info *r = &t->list[i].rung;
        if (r->id && (name ? !strcmp(r->name, name) : r->id == id)) return true;
    }
    return false;
}

static void name_it(struct tracks *t, struct tracks_one *k, const char *top)
{
    const struct track_info *v = track_info(k->track);
    uint32_t lines = v->width < v->height ? v->width : v->height;
    uint8_t id = ladder_id_of(lines);
    char name[TRACK_NAME_MAX];

    snprintf(name, sizeof name, "%up", lines);
    for (int n = 2; is_taken(t, top, name, 0); n++) {
        snprintf(name, sizeof name, "%up-%d", lines, n);
        id = 0;
    }
    /* With the name goes the id: made or taken, it is one rendition. */
    if (!id)
        for (id = LADDER_TRACK; is_taken(t, top, NULL, id);)
            id++;
    k->rung.id = id;
    memcpy(k->rung.name, name, sizeof name);
}

int tracks_offered(struct tracks *t, const char *top,
                   struct track_info out[LADDER_TRACKS_MAX])
{
    int n = 0;

    for (int i = 0; i < t->count; i++) {
        struct tracks_one *k = &t->list[i];
        struct track_info was;

        if (k->state != TRACKS_IN && !k->expected) continue;
        if (!k->rung.id) name_it(t, k, top);
        was = k->rung;
        k->rung = *track_info(k->track);
        k->rung.id = was.id;
        memcpy(k->rung.name, was.name, sizeof was.name);
        out[n++] = k->rung;
    }
    return n;
}
