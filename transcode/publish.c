#include <string.h>

#include "transcode/transcode_priv.h"

/* --- the ladder ----------------------------------------------------------- */

/* Made by us, or taken from the source? */
static bool encodes_top(const struct transcode *t)
{
    return t->conf.type == CHANNEL_STANDARD &&
           (t->boundary.mode == BOUNDARY_GRID ||
            track_info(t->video)->codec != CODEC_H264);
}

void publish_choose(struct transcode *t)
{
    struct ladder_source s = {.audio_plain = t->audio_plain};
    struct ladder_conf conf = {.type = t->conf.type, .opus = t->conf.opus};

    if (t->video) {
        s.has_video = true;
        s.video = *track_info(t->video);
        if (!s.video.fps_num || !s.video.fps_den) {
            s.video.fps_num = t->boundary.fps_num;
            s.video.fps_den = t->boundary.fps_den;
        }
        conf.encode_top = encodes_top(t);
    }
    if (t->audio) {
        s.has_audio = true;
        s.audio = *track_info(t->audio);
    }
    lineup_choose(&t->lineup, &conf, &s);
    rungs_want(t->rungs, &t->lineup.ladder);
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
}

void publish_change(struct transcode *t)
{
    if (!t->lineup.chosen) return;
    publish_choose(t);
    if (t->planned) publish_plan(t);
}

/* --- publishing ----------------------------------------------------------- */

static const struct ladder_rung *passes(const struct transcode *t, uint8_t id)
{
    const struct ladder_rung *r = ladder_find(&t->lineup.ladder, id);

    return r && r->info.passthrough ? r : NULL;
}

/* The source's track under a rendition's id. */
static void tell_track(struct transcode *t, uint8_t id, struct track *source)
{
    const struct ladder_rung *r = passes(t, id);
    struct track *made = NULL;

    if (!r || track_create(&made, &r->info, track_config(source))) return;
    bus_track(t->bus, made);
    track_unref(&made);
}

static void tell_frame(struct transcode *t, const struct frame *f, uint8_t id,
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

void publish_waiting(struct transcode *t)
{
    t->audio_waits = false;
    for (int i = 0; i < t->source.count; i++)
        publish_audio(t, t->source.items[i].frame);
    pending_release(&t->source);
}

void publish_mark(struct transcode *t, const struct mark *m)
{
    if (!t->plan.rendition_count) publish_plan(t);
    if (t->top_due) {
        tell_track(t, LADDER_TOP, t->video);
        t->top_due = false;
    }
    bus_mark(t->bus, m);
    if (!m->discontinuity) return;
    t->disc_pts = m->pts;
    if (!t->audio_waits) return;
    t->audio_from_pts = m->pts;
    publish_waiting(t);
}

void publish_video(struct transcode *t, const struct frame *f,
                   const struct boundary_step *step)
{
    if (t->boundary.mode != BOUNDARY_FOLLOW || step->drop) return;
    tell_frame(t, f, LADDER_TOP, step->marked && step->mark.discontinuity);
}

void publish_audio(struct transcode *t, const struct frame *f)
{
    uint32_t rate = track_info(t->audio)->timescale;
    bool broken = f->flags & FRAME_DISCONTINUITY;

    int64_t pts = transcode_video_ticks(f->pts, rate);

    if (pts < t->from_pts || pts < t->audio_from_pts) return;
    if (t->audio_due) {
        tell_track(t, LADDER_AUDIO, t->audio);
        tell_track(t, LADDER_OPUS, t->audio);
        t->audio_due = false;
    }
    tell_frame(t, f, LADDER_AUDIO, broken);
    tell_frame(t, f, LADDER_OPUS, broken);
}

/* What a child made. */
void publish_made(struct transcode *t, struct frame *f)
{
    const struct ladder_rung *r = ladder_find(&t->lineup.ladder, f->track_id);

    if (!r || r->info.passthrough) return;
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
