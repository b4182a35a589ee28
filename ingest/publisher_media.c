#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/media/frame.h"
#include "core/media/language.h"
#include "ingest/publisher_priv.h"

enum { RECADENCE_US = 5000000 };

static int announce(struct publisher *p, int slot, struct slice config)
{
    struct publisher_slot *s = &p->slots[slot];
    struct track_info info = s->source.info;
    struct track *made = NULL;
    int err;

    info.id = (uint8_t)(TRACK_SOURCE_FIRST + slot);
    info.askable = info.kind == TRACK_VIDEO && p->events.on_key_wanted;
    language_tag(info.language, s->source.info.language);
    err = track_create(&made, &info, config);
    if (!err) err = bus_post_track(p->bus, made);
    if (err) {
        track_unref(&made);
        return err;
    }
    track_unref(&s->track);
    s->track = made;
    s->announced_at = loop_now(p->loop);
    log_info(
        "ingest", "track", log_s("channel", p->grant.channel),
        log_s("codec", codec_name(info.codec)),
        log_s("language", info.language), log_i("width", info.width),
        log_i("height", info.height),
        log_f("fps", info.fps_den ? (double)info.fps_num / info.fps_den : 0),
        log_i("sample_rate", info.sample_rate),
        log_i("channels", info.channels));
    return 0;
}

static int check_size(struct publisher *p, const struct track_info *info)
{
    int64_t most = p->door.limits.pixels;
    char why[REASON_MAX];

    if (!most || (int64_t)info->width * info->height <= most) return 0;
    snprintf(why, sizeof why,
             "limits.source_pixels: %ux%u is more than %lld pixels",
             info->width, info->height, (long long)most);
    publisher_over_limit(p, "source_pixels", why);
    return ERR_LIMIT;
}

int publisher_track(struct publisher *p, int slot,
                    const struct track_info *info, struct slice config)
{
    struct source source;
    int err;

    if (p->state != LIVE) return ERR_ORDER;
    if (slot < 0 || slot >= TIMELINE_SLOTS) return ERR_RANGE;
    err = source_init(&source, info, config);
    if (!err) err = check_size(p, &source.info);
    if (err) return err;
    struct source before = p->slots[slot].source;
    p->slots[slot].source = source;
    err = announce(p, slot, config);
    if (err) {
        p->slots[slot].source = before;
        return err;
    }
    health_track(&p->health, slot, &source.info);
    publisher_watch_quorum(p);
    if (info->kind == TRACK_VIDEO) {
        timeline_video(&p->timeline, slot, source.info.fps_num,
                       source.info.fps_den);
        p->slots[slot].need_key = true;
    } else {
        timeline_audio(&p->timeline, slot, source.info.timescale);
    }
    return 0;
}

void publisher_track_gone(struct publisher *p, int slot)
{
    struct publisher_slot *s;
    enum track_kind kind;

    if (p->state != LIVE || slot < 0 || slot >= TIMELINE_SLOTS) return;
    s = &p->slots[slot];
    if (!s->track) return;
    kind = track_info(s->track)->kind;
    log_info("ingest", "track_gone", log_s("channel", p->grant.channel),
             log_s("codec", codec_name(track_info(s->track)->codec)));
    health_track_gone(&p->health, slot, kind);
    track_unref(&s->track);
    for (int i = 0; i < TIMELINE_SLOTS; i++) /* another one may be told of */
        if (p->slots[i].track && p->slots[i].source.info.kind == kind)
            health_track(&p->health, i, &p->slots[i].source.info);
}

static void count_repairs(struct publisher *p)
{
    const struct timeline_counts *now = &p->timeline.counts, *was = &p->seen;

    if (!memcmp(now, was, sizeof *now)) return;
    if (now->rebased != was->rebased)
        log_warn("ingest", "clock_jump", log_s("channel", p->grant.channel),
                 log_s("peer", p->peer));
    metric_add(p->m_clamped, (int64_t)(now->clamped - was->clamped));
    metric_add(p->m_rebased, (int64_t)(now->rebased - was->rebased));
    metric_add(p->m_resynced, (int64_t)(now->resynced - was->resynced));
    metric_add(p->m_early, (int64_t)(now->early - was->early));
    p->seen = *now;
}

/* The rate that was announced turned out to be another, or none was: say so
 * before a keyframe, and not often. */
static void correct_cadence(struct publisher *p, int slot)
{
    struct publisher_slot *s = &p->slots[slot];
    const struct cadence *c = &p->timeline.tracks[slot].cadence;
    struct track_info *info = &s->source.info;

    if (info->kind != TRACK_VIDEO || !c->locked) return;
    if ((uint64_t)c->num * info->fps_den == (uint64_t)info->fps_num * c->den &&
        info->fps_den)
        return;
    if (loop_now(p->loop) - s->announced_at < RECADENCE_US) return;
    info->fps_num = c->num;
    info->fps_den = c->den;
    announce(p, slot, track_config(s->track));
}

static int hand_on(struct publisher *p, const struct publisher_frame *f,
                   const struct timeline_out *at)
{
    struct frame made = {.track_id = (uint8_t)(TRACK_SOURCE_FIRST + f->slot),
                         .dts = at->dts,
                         .pts = at->pts,
                         .duration = at->duration,
                         .captured_at = loop_now(p->loop),
                         .payload = slice_ref(f->payload)};
    struct frame *frame;
    int err;

    if (f->key) made.flags |= FRAME_KEY;
    if (at->discontinuity) made.flags |= FRAME_DISCONTINUITY;
    err = frame_create(&frame, &made);
    if (!err) {
        err = bus_post_frame(p->bus, frame);
        frame_unref(&frame);
    }
    return err;
}

static void note_health(struct publisher *p, const struct publisher_frame *f)
{
    struct health_frame seen = {.kind = p->slots[f->slot].source.info.kind,
                                .slot = f->slot,
                                .key = f->key,
                                .bytes = f->payload.len,
                                .dts_us = f->dts_us,
                                .pts_us = f->pts_us,
                                .arrived_at = loop_now(p->loop)};

    health_frame(&p->health, &seen);
}

int publisher_frame(struct publisher *p, const struct publisher_frame *f)
{
    struct timeline_in in = {f->slot, f->dts_us, f->pts_us, 0, 0};
    struct timeline_out at;
    struct publisher_slot *s;
    int err;

    if (p->state != LIVE || atomic_load(&p->ousted)) return ERR_ORDER;
    if (f->slot < 0 || f->slot >= TIMELINE_SLOTS) return ERR_RANGE;
    s = &p->slots[f->slot];
    if (!s->track) return ERR_ORDER;
    publisher_fed(p, f->payload.len);
    note_health(p, f);
    if (atomic_load(&p->ousted)) return ERR_LIMIT;
    if (s->need_key && !f->key) return 0;
    in.arrived_at = loop_now(p->loop);
    in.samples = source_samples(&s->source, f->payload);
    if (f->key) correct_cadence(p, f->slot);
    err = timeline_place(&p->timeline, &in, &at);
    count_repairs(p);
    if (err) {
        /* without this frame the ones behind it are of no use */
        if (track_info(s->track)->kind == TRACK_VIDEO) s->need_key = true;
        return 0;
    }
    s->need_key = false;
    err = hand_on(p, f, &at);
    if (err) {
        p->lost++;
        metric_add(p->m_lost, 1);
        if (track_info(s->track)->kind == TRACK_VIDEO) s->need_key = true;
        return err;
    }
    p->frames++;
    p->bytes += f->payload.len;
    metric_add(p->m_frames, 1);
    metric_add(p->m_bytes, (int64_t)f->payload.len);
    return 0;
}
