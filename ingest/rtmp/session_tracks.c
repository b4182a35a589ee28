#include <math.h>
#include <string.h>

#include "core/base/err.h"
#include "core/media/aac.h"
#include "core/media/opus.h"
#include "ingest/rtmp/session_priv.h"

static void forget(struct rtmp_track *k)
{
    avc_source_release(&k->avc);
    k->avc.framing = 4;
    hevc_source_release(&k->hevc);
    k->hevc.framing = 4;
    av1_source_release(&k->av1);
    buf_unref(&k->config);
    k->sent = false;
}

void rtmp_tracks_release(struct rtmp_session *s)
{
    for (int i = 0; i < RTMP_SLOTS; i++) {
        forget(&s->tracks[i]);
        s->tracks[i].used = false;
    }
}

static bool is_it(const struct rtmp_track *k, enum track_kind kind,
                  uint8_t number)
{
    return k->used && k->kind == kind && k->number == number;
}

struct rtmp_track *rtmp_track_of(struct rtmp_session *s, enum track_kind kind,
                                 uint8_t number)
{
    int first = kind == TRACK_VIDEO ? RTMP_SLOT_VIDEO : RTMP_SLOT_AUDIO;
    struct rtmp_track *found = number ? NULL : &s->tracks[first];

    for (int i = RTMP_SLOT_AUDIO + 1; i < RTMP_SLOTS && number; i++) {
        struct rtmp_track *k = &s->tracks[i];
        if (is_it(k, kind, number)) return k;
        if (!k->used && !found) found = k;
    }
    if (!found || is_it(found, kind, number)) return found;
    found->used = true;
    found->kind = kind;
    found->number = number;
    forget(found);
    return found;
}

/* A track may change its codec from one config to the next. */
static void set_codec(struct rtmp_track *k, enum codec codec)
{
    if (k->codec != codec) forget(k);
    k->codec = codec;
}

/* --- saying what there is --- */

/* onMetaData says 29.97 for 30000/1001. */
static void set_cadence(struct track_info *info, double fps)
{
    double ntsc = fps * 1.001;

    if (fps <= 0) return;
    if (fabs(fps - round(fps)) < 0.001) {
        info->fps_num = (uint32_t)round(fps);
        info->fps_den = 1;
    } else if (fabs(ntsc - round(ntsc)) < 0.01) {
        info->fps_num = (uint32_t)round(ntsc) * 1000;
        info->fps_den = 1001;
    } else {
        info->fps_num = (uint32_t)round(fps * 1000);
        info->fps_den = 1000;
    }
}

static void set_names(const struct rtmp_session *s, const struct rtmp_track *k,
                      struct track_info *info)
{
    for (int i = 0; i < s->hint_count; i++) {
        const struct rtmp_hint *h = &s->hints[i];
        if (h->kind != k->kind || h->number != k->number) continue;
        memcpy(info->name, h->name, sizeof info->name);
        memcpy(info->language, h->language, sizeof info->language);
    }
}

/* Shares config. */
static void announce(struct rtmp_session *s, struct rtmp_track *k,
                     struct track_info *info, struct buf *config)
{
    struct slice all = {0};

    if (config) all = slice_of(config, 0, buf_len(config));
    info->kind = k->kind;
    info->codec = k->codec;
    set_names(s, k, info);
    k->sent = true;
    s->events.on_track((int)(k - s->tracks), info, all, s->events.arg);
    slice_unref(&all);
}

static struct buf *video_config(const struct rtmp_track *k)
{
    switch (k->codec) {
    case CODEC_HEVC: return k->hevc.config;
    case CODEC_AV1: return k->av1.config;
    default: return k->avc.config;
    }
}

static void announce_video(struct rtmp_session *s, struct rtmp_track *k)
{
    struct track_info info = {.timescale = VIDEO_TIMESCALE};

    /* of the first track: the others say nothing of theirs */
    if (!k->number) set_cadence(&info, s->fps_hint);
    announce(s, k, &info, video_config(k));
}

/* --- configs --- */

static int feed_record(struct rtmp_track *k, const struct flv_tag *t,
                       bool *changed)
{
    switch (k->codec) {
    case CODEC_HEVC:
        return hevc_source_config(&k->hevc, t->data, t->len, changed);
    case CODEC_AV1: return av1_source_config(&k->av1, t->data, t->len, changed);
    default: return avc_source_config(&k->avc, t->data, t->len, changed);
    }
}

static int feed_unit(struct rtmp_track *k, const struct flv_tag *t,
                     struct slice in, struct avc_unit *unit)
{
    switch (k->codec) {
    case CODEC_HEVC: return hevc_source_unit(&k->hevc, in, unit);
    case CODEC_AV1: return av1_source_unit(&k->av1, in, unit);
    default: return avc_source_unit(&k->avc, in, t->key, unit);
    }
}

static int on_picture_config(struct rtmp_session *s, struct rtmp_track *k,
                             const struct flv_tag *t)
{
    bool changed = false;
    int err = feed_record(k, t, &changed);

    if (err == ERR_NOMEM) return err;
    /* A record without sets is a promise of sets in band. */
    if (err) return err == ERR_NOTFOUND ? 0 : rtmp_session_drop(s);
    if (changed || !k->sent) announce_video(s, k);
    return 0;
}

static bool is_same(const struct buf *a, const void *data, size_t len)
{
    return a && buf_len(a) == len && !memcmp(buf_data(a), data, len);
}

static int replace_config(struct rtmp_session *s, struct rtmp_track *k,
                          struct track_info *info, const void *data, size_t len)
{
    struct buf *made;
    int err;

    if (k->sent && is_same(k->config, data, len)) return 0;
    err = buf_create(&made, data, len);
    if (err) return err;
    buf_unref(&k->config);
    k->config = made;
    announce(s, k, info, made);
    return 0;
}

static int on_aac(struct rtmp_session *s, struct rtmp_track *k,
                  const struct flv_tag *t)
{
    struct track_info info = {0};
    struct aac_config aac;

    if (aac_config_parse(&aac, t->data, t->len)) return rtmp_session_drop(s);
    info.timescale = info.sample_rate = aac.sample_rate;
    info.channels = aac.channels;
    return replace_config(s, k, &info, t->data, t->len);
}

/* An empty one is allowed, and so is none at all: then it is stereo. */
static int on_opus(struct rtmp_session *s, struct rtmp_track *k,
                   const struct flv_tag *t)
{
    struct track_info info = {
        .timescale = OPUS_RATE, .sample_rate = OPUS_RATE, .channels = 2};
    uint8_t dops[OPUS_DOPS_BYTES];

    if (!t->len && k->sent) return 0;
    if (t->len && opus_dops_from_head(dops, t->data, t->len))
        return rtmp_session_drop(s);
    if (!t->len) opus_dops_default(dops);
    info.channels = dops[1];
    return replace_config(s, k, &info, dops, sizeof dops);
}

int rtmp_track_config(struct rtmp_session *s, struct rtmp_track *k,
                      const struct flv_tag *t)
{
    set_codec(k, t->codec);
    switch (t->codec) {
    case CODEC_H264:
    case CODEC_HEVC:
    case CODEC_AV1: return on_picture_config(s, k, t);
    case CODEC_AAC: return on_aac(s, k, t);
    case CODEC_OPUS: return on_opus(s, k, t);
    default: return 0;
    }
}

/* --- frames --- */

static int hand_on(struct rtmp_session *s, const struct rtmp_track *k,
                   struct publisher_frame *f)
{
    f->slot = (int)(k - s->tracks);
    /* What we cannot take is of no account where something else is shown. */
    if (k->kind == TRACK_VIDEO) s->unsupported_run = 0;
    s->dropped_run = 0;
    s->events.on_frame(f, s->events.arg);
    slice_unref(&f->payload);
    return 0;
}

static int on_video(struct rtmp_session *s, struct rtmp_track *k,
                    const struct flv_tag *t, struct slice body, int64_t at_us)
{
    struct slice in = {body.owner, t->data, t->len};
    struct avc_unit unit;
    int err = feed_unit(k, t, in, &unit);

    if (err == ERR_NOMEM) return err;
    if (err) return rtmp_session_drop(s);
    if (unit.changed) announce_video(s, k);
    struct publisher_frame f = {.key = unit.key,
                                .dts_us = at_us,
                                .pts_us = at_us + t->cts_ms * 1000LL,
                                .payload = unit.payload};
    return unit.payload.len ? hand_on(s, k, &f) : 0;
}

/* Sound is here before the picture that metadata speaks of: who makes a ladder
 * shall wait for it. */
static void tell_promise(struct rtmp_session *s)
{
    struct rtmp_track *k = rtmp_track_of(s, TRACK_VIDEO, 0);
    enum codec promised = s->promised;

    s->promised = CODEC_NONE;
    if (!k || k->sent) return;
    set_codec(k, promised);
    announce_video(s, k);
}

static int on_audio(struct rtmp_session *s, struct rtmp_track *k,
                    const struct flv_tag *t, struct slice body, int64_t at_us)
{
    struct publisher_frame f = {.key = true, .dts_us = at_us, .pts_us = at_us};

    if (t->codec == CODEC_OPUS && !k->sent) {
        struct flv_tag none = {.kind = FLV_CONFIG, .codec = CODEC_OPUS};
        int err = on_opus(s, k, &none);
        if (err) return err;
    }
    if (!k->sent) return rtmp_session_drop(s);
    if (s->promised) tell_promise(s);
    f.payload =
        slice_of(body.owner, (size_t)(t->data - buf_data(body.owner)), t->len);
    return hand_on(s, k, &f);
}

int rtmp_track_frame(struct rtmp_session *s, struct rtmp_track *k,
                     const struct flv_tag *t, struct slice body, int64_t at_us)
{
    set_codec(k, t->codec);
    return k->kind == TRACK_VIDEO ? on_video(s, k, t, body, at_us)
                                  : on_audio(s, k, t, body, at_us);
}
