#include "transcode/languages.h"

#include <string.h>

#include "transcode/transcode_priv.h"

enum {
    /* The first sound went: with what a segment is longer anyway, less than
     * it may be. */
    LEAD_TICKS = VIDEO_TIMESCALE * 15 / 100,
};

void languages_begin(struct transcode *t, const struct rungs_conf *conf,
                     const struct rungs_events *events)
{
    t->languages.conf = *conf;
    t->languages.events = *events;
}

void languages_end(struct transcode *t)
{
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++) {
        struct language *l = &t->languages.all[i];
        rungs_free(&l->rungs);
        track_unref(&l->source);
    }
}

struct language *languages_find(struct transcode *t, uint8_t id)
{
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++) {
        struct language *l = &t->languages.all[i];
        if (l->source && track_info(l->source)->id == id) return l;
    }
    return NULL;
}

/* --- places --------------------------------------------------------------- */

static bool speaks(const struct language *l, const char *language)
{
    return l->source && !strcmp(track_info(l->source)->language, language);
}

static void leave(struct language *l)
{
    l->lost = true;
    track_unref(&l->source);
}

static struct language *find_lost(struct languages *all, const char *language)
{
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++) {
        struct language *l = &all->all[i];
        if (l->lost && (!language || speaks(l, language))) return l;
    }
    return NULL;
}

/* In the publisher's order, where its numbers allow it. */
static struct language *find_new(struct languages *all, uint8_t id)
{
    int at = id - TRACK_SOURCE_FIRST - 2; /* behind a picture and a sound */

    if (at >= 0 && at < LADDER_LANGUAGES_MAX && !all->all[at].id)
        return &all->all[at];
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++)
        if (!all->all[i].id) return &all->all[i];
    return NULL;
}

/* Its own; after a publisher came back with other numbers that of its
 * language; else a new one before any that is lost. */
static struct language *place(struct transcode *t,
                              const struct track_info *info)
{
    struct language *own = languages_find(t, info->id), *l;

    if (own && (!own->lost || speaks(own, info->language))) return own;
    l = find_lost(&t->languages, info->language);
    if (!l && own) return own;
    if (own) leave(own);
    if (!l) l = find_new(&t->languages, info->id);
    return l ? l : find_lost(&t->languages, NULL);
}

static bool settle(struct transcode *t, struct language *l)
{
    if (!l->rungs &&
        rungs_create(&l->rungs, &t->languages.conf, &t->languages.events))
        return false;
    l->id = (uint8_t)(LADDER_LANGUAGE + (l - t->languages.all));
    return true;
}

bool languages_track(struct transcode *t, struct track *track)
{
    struct language *l = place(t, track_info(track));

    if (!l || !settle(t, l)) return false;
    bool renewed = l->source && !source_is_same(l->source, track);
    track_ref(track);
    track_unref(&l->source);
    l->source = track;
    l->plain = source_is_plain(track);
    l->due = true;
    l->lost = false;
    rungs_source(l->rungs, track);
    if (renewed) source_renew_sound(t, track_info(track)->id);
    publish_change(t);
    return true;
}

void languages_forget(struct transcode *t, uint8_t id)
{
    struct language *l = languages_find(t, id);

    if (!l) return;
    leave(l);
    publish_change(t);
}

void languages_yield(struct transcode *t, struct track *first)
{
    const struct track_info *info = track_info(first);
    struct track *before = NULL;

    if (info->kind != TRACK_AUDIO) return;
    if (t->audio && track_info(t->audio)->id != info->id &&
        !t->languages.first_lost)
        before = t->audio;
    t->languages.first_lost = false;
    if (before) languages_track(t, before);
}

/* --- frames --------------------------------------------------------------- */

/* Without pictures the first sound sets the marks, and this one where that
 * went. */
static void lead(struct transcode *t, const struct frame *f)
{
    const struct track *source = languages_find(t, f->track_id)->source;
    int64_t pts = transcode_video_ticks(f->pts, track_info(source)->timescale);
    struct boundary_frame bf = {pts, pts, true, false};
    struct boundary_step step;

    if (!t->audio_alone || !t->planned || pts <= t->boundary.newest_pts ||
        pts - t->alone_pts < LEAD_TICKS)
        return;
    step = boundary_feed(&t->boundary, &bf);
    if (!step.marked) return;
    publish_mark(t, &step.mark);
    rungs_mark(t->rungs, &step.mark);
}

void languages_frame(struct transcode *t, struct frame *f)
{
    struct language *l = languages_find(t, f->track_id);

    if (!l) return;
    lead(t, f);
    rungs_frame(l->rungs, f);
    if (t->planned ? t->audio_waits || t->returns : t->boundary.anchored)
        pending_frame(&t->source, f);
    else if (t->planned)
        publish_audio(t, f);
}

void languages_gone(struct transcode *t)
{
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++)
        if (t->languages.all[i].rungs) rungs_gone(t->languages.all[i].rungs);
}

void languages_back(struct transcode *t)
{
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++)
        t->languages.all[i].lost = t->languages.all[i].id;
    t->languages.first_lost = t->audio;
}

/* --- the ladder ----------------------------------------------------------- */

void languages_list(const struct transcode *t, struct ladder_source *s)
{
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++) {
        const struct language *l = &t->languages.all[i];
        if (l->source)
            s->languages[i] =
                (struct ladder_sound){true, l->plain, *track_info(l->source)};
    }
}

void languages_want(struct transcode *t, const struct ladder *all)
{
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++) {
        const struct language *l = &t->languages.all[i];
        const struct ladder_rung *r = ladder_find(all, l->id);
        struct ladder mine = {0};
        if (r) mine.rungs[mine.count++] = *r;
        if (l->rungs) rungs_want(l->rungs, &mine);
    }
}
