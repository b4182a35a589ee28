#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/loop/loop.h"
#include "transcode/transcode_priv.h"

enum { VARIED_FPS = 30 }; /* of a source whose cadence says nothing */

/* --- the ladder ----------------------------------------------------------- */

static const struct ladder_rung *passes(const struct transcode *t, uint8_t id)
{
    const struct ladder_rung *r = ladder_find(&t->lineup.ladder, id);

    return r && r->info.passthrough ? r : NULL;
}

/* Made by us, or taken from the source? */
static bool encodes_top(const struct transcode *t)
{
    return t->conf.type == CHANNEL_STANDARD &&
           (t->boundary.mode == BOUNDARY_GRID || !source_may_pass(t->video));
}

/* A browser begins small and grows with what the network allows, and goes
 * back when it must: the rungs are of the most there was. */
static void settle_size(struct transcode *t, struct ladder_source *s)
{
    struct track_info *v = &s->video;
    uint32_t side = v->width < v->height ? v->width : v->height;

    if (side > t->most_lines) t->most_lines = side;
    s->lines = t->most_lines;
    if (v->fps_den && v->fps_num / v->fps_den > VARIED_FPS * 7 / 6) return;
    v->fps_num = VARIED_FPS;
    v->fps_den = 1;
}

/* What is on demand counts while somebody wants it. */
static void want(struct transcode *t)
{
    const struct ladder *all = &t->lineup.ladder;
    struct ladder pictures = {0}, sound = {0};

    if (!ladder_find(all, LADDER_REALTIME)) wanted_realtime_ended(t);
    for (int i = 0; i < all->count; i++) {
        const struct ladder_rung *r = &all->rungs[i];
        struct ladder *l = r->info.kind == TRACK_AUDIO ? &sound : &pictures;
        if (r->info.id >= LADDER_LANGUAGE) continue;
        if (r->info.id != LADDER_REALTIME || t->realtime.on)
            l->rungs[l->count++] = *r;
    }
    rungs_want(t->rungs, &pictures);
    rungs_want(t->sound, &sound);
    languages_want(t, all);
}

void publish_choose(struct transcode *t)
{
    struct ladder_source s = {.audio_plain = t->audio_plain};
    struct ladder_conf conf = {.type = t->conf.type,
                               .opus = t->conf.opus,
                               .no_child = !t->worker_path[0]};

    if (t->video && !t->audio_alone) {
        s.has_video = true;
        s.video = *track_info(t->video);
        if (s.video.askable) settle_size(t, &s);
        /* What was shed says that there is no room for more. */
        conf.realtime =
            t->conf.realtime && t->reorders && !t->lineup.shed_count;
        if (!s.video.fps_num || !s.video.fps_den) {
            s.video.fps_num = t->boundary.fps_num;
            s.video.fps_den = t->boundary.fps_den;
        }
        conf.encode_top = encodes_top(t);
        lineup_keep_codec(&t->lineup, &conf, &s.video);
        further_offered(t, &s);
    }
    if (t->audio) {
        s.has_audio = true;
        s.audio = *track_info(t->audio);
        languages_list(t, &s);
    }
    bool passed = passes(t, LADDER_TOP);
    lineup_choose(&t->lineup, &conf, &s);
    if (!passed && passes(t, LADDER_TOP)) t->top_due = true;
    want(t);
}

void publish_realtime(struct transcode *t)
{
    const struct ladder_rung *r =
        ladder_find(&t->lineup.ladder, LADDER_REALTIME);
    struct track_info info = r ? r->info : t->realtime.info;
    struct track *idle = NULL;

    if (!t->planned || (!r && !t->realtime.told)) return;
    if (!r) info.bitrate_bps = 0;
    if (t->realtime.told && (t->realtime.idle || t->realtime.on) &&
        info.bitrate_bps == t->realtime.info.bitrate_bps &&
        info.width == t->realtime.info.width &&
        info.height == t->realtime.info.height)
        return;
    if (track_create(&idle, &info, (struct slice){0})) return;
    bus_track(t->bus, idle);
    track_unref(&idle);
    t->realtime.told = t->realtime.idle = true;
    t->realtime.info = info;
}

void publish_say(const struct transcode *t)
{
    char names[LADDER_RUNGS_MAX * TRACK_NAME_MAX] = "";
    size_t n = 0;

    for (int i = 0; i < t->lineup.ladder.count; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s%s",
                              i ? "," : "", t->lineup.ladder.rungs[i].info.name,
                              t->lineup.ladder.rungs[i].info.passthrough ? "*"
                                                                         : "");
    log_info("transcode", "ladder", log_s("channel", transcode_channel(t)),
             log_s("renditions", names),
             log_s("marks", t->boundary.mode == BOUNDARY_FOLLOW
                                ? "source keyframes"
                                : "every 2 s"),
             log_f("gop_s", (double)t->boundary.gop_us / 1e6),
             log_f("part_s", (double)t->boundary.part_us / 1e6),
             log_i("target_duration_s", t->boundary.target_duration_s));
}

void publish_plan(struct transcode *t)
{
    struct plan p = {.target_duration_s = t->boundary.target_duration_s,
                     .part_us = t->boundary.part_us,
                     .segment_us = TRANSCODE_SEGMENT_US};

    ladder_list(&t->lineup.ladder, &p);
    if (t->planned && p.rendition_count == t->plan.rendition_count &&
        !memcmp(p.rendition_ids, t->plan.rendition_ids, sizeof p.rendition_ids))
        return;
    t->planned = true;
    t->plan = p;
    if (bus_plan(t->bus, &p)) t->plan.rendition_count = 0; /* with a mark */
    publish_say(t);
}

void publish_change(struct transcode *t)
{
    if (!t->lineup.chosen) return;
    publish_choose(t);
    if (!t->planned) return;
    publish_plan(t);
    publish_realtime(t);
}

/* --- publishing ----------------------------------------------------------- */

bool publish_track(struct transcode *t, uint8_t id, struct track *source)
{
    const struct ladder_rung *r = passes(t, id);
    struct track *made = NULL;

    if (!r || track_create(&made, &r->info, track_config(source))) return false;
    bus_track(t->bus, made);
    track_unref(&made);
    return true;
}

void publish_frame(struct transcode *t, const struct frame *f, uint8_t id,
                   bool discontinuity)
{
    struct frame copy = *f;
    struct frame *made = NULL;

    if (!passes(t, id)) return;
    copy.track_id = id;
    copy.flags &= FRAME_KEY;
    if (discontinuity) copy.flags |= FRAME_DISCONTINUITY;
    copy.payload = slice_ref(f->payload);
    if (frame_create(&made, &copy)) return;
    bus_append(t->bus, made);
    frame_unref(&made);
}

bool publish_waits(const struct transcode *t, uint8_t id)
{
    return t->renews && id == LADDER_AUDIO;
}

/* A sound that passes, as it is from here on; l NULL: the first. */
static void tell_sound(struct transcode *t, struct language *l)
{
    struct track *source = l ? l->source : t->audio;
    bool *due = l ? &l->due : &t->audio_due;

    if (!*due || !source) return;
    publish_track(t, l ? l->id : LADDER_AUDIO, source);
    if (!l) publish_track(t, LADDER_OPUS, source);
    *due = false;
}

void publish_waiting(struct transcode *t)
{
    const struct ladder_rung *made =
        ladder_find(&t->lineup.ladder, LADDER_AUDIO);
    int64_t made_from = made && t->audio_from_pts > 0
                            ? t->audio_from_pts *
                                  (int64_t)made->info.timescale /
                                  VIDEO_TIMESCALE
                            : INT64_MIN;

    t->audio_waits = t->renews = t->returns = false;
    t->waiting = 0;
    /* Before its frames, which may be late: silence is of the new config. */
    tell_sound(t, NULL);
    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++)
        tell_sound(t, &t->languages.all[i]);
    for (int i = 0; i < t->source.count; i++) {
        struct pending_item *item = &t->source.items[i];
        if (item->track)
            bus_track(t->bus, item->track);
        else if (item->frame->track_id < TRACK_RENDITION_FIRST)
            publish_audio(t, item->frame);
        else if (item->frame->pts >= made_from)
            publish_made(t, item->frame);
    }
    pending_release(&t->source);
}

void publish_mark(struct transcode *t, const struct mark *m)
{
    if (!t->plan.rendition_count) publish_plan(t);
    if (t->top_due) {
        publish_track(t, LADDER_TOP, t->video);
        t->top_due = false;
    }
    bus_mark(t->bus, m);
    if (!m->discontinuity) return;
    t->disc_pts = m->pts;
    /* Sound had the hole as well: what is before this picture is of the
     * segment before, which shall not reach over it. */
    if ((m->pts - t->audio_pts) * 1000000 / VIDEO_TIMESCALE > STOOD_US)
        t->audio_from_pts = m->pts;
    if (!t->audio_waits && !t->returns) return;
    t->audio_from_pts = m->pts;
    publish_waiting(t);
}

void publish_video(struct transcode *t, const struct frame *f,
                   const struct boundary_step *step)
{
    /* One that comes into the ladder begins with a mark. */
    if (t->boundary.mode != BOUNDARY_FOLLOW || step->drop || t->top_due) return;
    publish_frame(t, f, LADDER_TOP, step->marked && step->mark.discontinuity);
}

void publish_audio(struct transcode *t, const struct frame *f)
{
    struct language *l = languages_find(t, f->track_id);
    struct track *source = l ? l->source : t->audio;
    uint8_t id = l ? l->id : LADDER_AUDIO;
    bool broken = f->flags & FRAME_DISCONTINUITY;

    if (!l && f->track_id != track_info(source)->id) return; /* it left */
    int64_t pts = transcode_video_ticks(f->pts, track_info(source)->timescale);

    if (pts < t->from_pts || pts < t->audio_from_pts) return;
    tell_sound(t, l);
    publish_frame(t, f, id, broken);
    if (!l) publish_frame(t, f, LADDER_OPUS, broken);
}

/* What a child made. */
void publish_made(struct transcode *t, struct frame *f)
{
    const struct ladder_rung *r = ladder_find(&t->lineup.ladder, f->track_id);

    if (!r || r->info.passthrough) return;
    if (f->track_id == LADDER_REALTIME && f->flags & FRAME_KEY)
        t->realtime.key_at = loop_now(bus_loop(t->bus));
    if (transcode_video_ticks(f->pts, r->info.timescale) < t->from_pts) return;
    bus_append(t->bus, f);
}

void publish_held(struct transcode *t)
{
    for (int i = 0; i < t->made.count; i++) {
        if (t->made.items[i].track)
            bus_track(t->bus, t->made.items[i].track);
        else
            publish_made(t, t->made.items[i].frame);
    }
    pending_release(&t->made);
}
