#include "edge/feed.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"

static struct feed_rendition *add(struct feed *f, const struct track_info *info)
{
    if (f->count == FEED_RENDITIONS_MAX) return NULL;
    struct feed_rendition *r = &f->renditions[f->count++];
    *r = (struct feed_rendition){.info = *info};
    history_init(&r->history, info->timescale, info->kind == TRACK_VIDEO);
    return r;
}

static void on_track(struct feed *f, const struct track *t)
{
    const struct track_info *info = track_info(t);

    if (info->kind == TRACK_AUDIO && info->codec != CODEC_OPUS) return;
    int at = feed_find(f, info->id);
    struct feed_rendition *r = at < 0 ? add(f, info) : &f->renditions[at];
    struct packet_sets sets = {0};

    if (!r) return;
    if (info->codec == CODEC_H264 && !track_config(t).len) {
        if (r->info.kind == TRACK_VIDEO) r->awaits_key = true; /* made later */
    } else if (info->codec == CODEC_H264) {
        int err = packet_sets_create(&sets, track_config(t));
        if (err) {
            log_warn("whep", "config_refused", log_s("stream", feed_channel(f)),
                     log_s("rendition", info->name),
                     log_s("why", err_text(err)));
            r->awaits_key = true;
        }
    }
    r->info = *info;
    packet_sets_unref(&r->sets);
    r->sets = sets;
}

static bool is_of_now(struct feed *f, const struct feed_rendition *r,
                      const struct frame *frame)
{
    int64_t now_at = loop_now(f->loop), scale = r->info.timescale;
    int64_t lag_us = now_at - bus_conf(f->bus)->origin_at -
                     frame->pts / scale * 1000000 -
                     frame->pts % scale * 1000000 / scale;

    if (r->info.kind == TRACK_AUDIO)
        return fresh_sound(&f->fresh, lag_us, now_at);
    fresh_picture(&f->fresh, lag_us, now_at);
    return true;
}

static void on_frame(struct feed *f, struct frame *frame)
{
    int at = feed_find(f, frame->track_id);
    bool key = frame->flags & FRAME_KEY;

    if (at < 0) return;
    struct feed_rendition *r = &f->renditions[at];
    r->fed_at = loop_now(f->loop);
    if (!is_of_now(f, r, frame)) return;
    if (r->info.kind == TRACK_VIDEO) {
        if (r->info.passthrough && frame->pts != frame->dts) r->reorders = true;
        if (frame->flags & FRAME_DISCONTINUITY && key)
            r->reorders = frame->pts != frame->dts;
        if (!r->sets.units.len || (r->awaits_key && !key)) return;
    }
    r->awaits_key = false;
    if (history_push(&r->history, frame, &r->sets)) {
        r->awaits_key = r->info.kind == TRACK_VIDEO;
        return;
    }
    f->events.on_unit(at, history_newest(&r->history), f->events.arg);
}

static void on_lost(struct feed *f)
{
    for (int i = 0; i < f->count; i++) {
        struct feed_rendition *r = &f->renditions[i];
        if (r->info.kind != TRACK_VIDEO) continue;
        r->awaits_key = true;
        feed_ask(f, i, loop_now(f->loop));
    }
}

void feed_apply(struct feed *f, const struct bus_event *e)
{
    switch (e->type) {
    case BUS_TRACK: on_track(f, e->v.track); break;
    case BUS_FRAME: on_frame(f, e->v.frame); break;
    case BUS_LOST: on_lost(f); break;
    case BUS_END: f->events.on_end(f->events.arg); break;
    default: break;
    }
}

static void on_event(const struct bus_event *e, void *arg)
{
    feed_apply(arg, e);
}

static void on_batch_end(void *arg)
{
    struct feed *f = arg;

    f->events.on_batch_end(f->events.arg);
}

int feed_create(struct feed **out, struct loop *loop, struct bus *bus,
                const struct feed_events *events)
{
    struct feed *f = calloc(1, sizeof *f);
    struct tap_events tap = {on_event, on_batch_end, f};
    int err;

    if (!f) return ERR_NOMEM;
    f->loop = loop;
    f->events = *events;
    f->bus = bus_ref(bus);
    err = tap_create(&f->tap, loop, bus, &tap);
    if (err) {
        bus_unref(&f->bus);
        free(f);
        return err;
    }
    *out = f;
    return 0;
}

void feed_free(struct feed **f)
{
    struct feed *last = *f;

    *f = NULL;
    if (!last) return;
    tap_close(&last->tap);
    for (int i = 0; i < last->count; i++) {
        history_release(&last->renditions[i].history);
        packet_sets_unref(&last->renditions[i].sets);
    }
    bus_unref(&last->bus);
    free(last);
}

const char *feed_channel(const struct feed *f)
{
    return bus_conf(f->bus)->channel;
}

int feed_find(const struct feed *f, uint8_t id)
{
    for (int i = 0; i < f->count; i++)
        if (f->renditions[i].info.id == id) return i;
    return -1;
}

bool feed_is_fit(const struct feed_rendition *r, int64_t now_at)
{
    if (!r->fed_at || now_at - r->fed_at > FEED_STALE_US) return false;
    if (r->info.codec == CODEC_OPUS) return true;
    return r->info.codec == CODEC_H264 && r->sets.units.len && !r->reorders;
}

int feed_find_name(const struct feed *f, const char *name, int64_t now_at)
{
    for (int i = 0; i < f->count; i++) {
        const struct feed_rendition *r = &f->renditions[i];
        if (r->info.kind == TRACK_VIDEO && !strcmp(r->info.name, name) &&
            feed_is_fit(r, now_at))
            return i;
    }
    return -1;
}

bool feed_has_audio(const struct feed *f)
{
    for (int i = 0; i < f->count; i++)
        if (f->renditions[i].info.codec == CODEC_OPUS) return true;
    return false;
}

uint32_t feed_need_bps(const struct feed_rendition *r)
{
    uint32_t said = r->info.bitrate_bps;
    uint32_t seen = history_rate_bps(&r->history);

    /* Slides need little until the next one; a third is kept for that. */
    if (!seen) return said ? said : 1000000;
    return seen > said / 3 ? seen : said / 3;
}

static uint64_t rank(const struct feed_rendition *r)
{
    return (uint64_t)r->info.width * r->info.height * 2 + r->info.passthrough;
}

int feed_ladder(const struct feed *f, int64_t now_at,
                struct selector_rung out[SELECTOR_RUNGS_MAX])
{
    const struct feed_rendition *sorted[FEED_RENDITIONS_MAX];
    int count = 0;

    for (int i = 0; i < f->count; i++) {
        const struct feed_rendition *r = &f->renditions[i];
        if (r->info.kind != TRACK_VIDEO || !feed_is_fit(r, now_at)) continue;
        int at = count++;
        while (at > 0 && rank(sorted[at - 1]) < rank(r)) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = r;
    }
    if (count > SELECTOR_RUNGS_MAX) count = SELECTOR_RUNGS_MAX;
    for (int i = 0; i < count; i++)
        out[i] = (struct selector_rung){sorted[i]->info.id,
                                        feed_need_bps(sorted[i])};
    return count;
}

bool feed_has_video(const struct feed *f)
{
    for (int i = 0; i < f->count; i++)
        if (f->renditions[i].info.kind == TRACK_VIDEO) return true;
    return false;
}

const char *feed_refusal(const struct feed *f)
{
    bool reorders = false, foreign = false, plain = false;

    for (int i = 0; i < f->count; i++) {
        const struct feed_rendition *r = &f->renditions[i];
        if (r->info.kind != TRACK_VIDEO) continue;
        if (r->info.codec != CODEC_H264)
            foreign = true;
        else if (r->reorders)
            reorders = true;
        else if (r->info.id != FEED_REALTIME_ID || r->info.bitrate_bps)
            plain = true;
    }
    if (plain) return NULL;
    if (reorders)
        return "This channel passes the encoder's video through unchanged, "
               "and that video uses B-frames, which browsers cannot play in "
               "real time: set B-frames to 0 in the encoder, or make the "
               "channel STANDARD.";
    if (foreign)
        return "This channel passes the encoder's video through unchanged, "
               "and only H.264 can be played in real time: set the encoder "
               "to H.264, or make the channel STANDARD.";
    return NULL;
}

void feed_ask(struct feed *f, int index, int64_t now_at)
{
    struct feed_rendition *r = &f->renditions[index];

    if (r->asked_at && now_at - r->asked_at < FEED_ASK_US) return;
    r->asked_at = now_at;
    bus_ask_key(f->bus, r->info.id);
}

static const struct feed_rendition *realtime_top(const struct feed *f)
{
    int at = feed_find(f, FEED_REALTIME_ID);

    return at >= 0 && f->renditions[at].info.bitrate_bps ? &f->renditions[at]
                                                         : NULL;
}

const struct feed_rendition *feed_dormant(const struct feed *f, int64_t now_at)
{
    const struct feed_rendition *r = realtime_top(f);

    return r && !feed_is_fit(r, now_at) ? r : NULL;
}

void feed_wish_top(struct feed *f, uint32_t target_bps, int64_t now_at)
{
    const struct feed_rendition *r = realtime_top(f);

    if (!r || r->info.bitrate_bps > target_bps) return;
    if (f->wished_at && now_at - f->wished_at < FEED_WISH_US) return;
    f->wished_at = now_at;
    bus_ask_key(f->bus, FEED_KEEP_ID);
}
