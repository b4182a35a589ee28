#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/media/aac.h"
#include "ingest/rtmp/flv.h"
#include "ingest/rtmp/session_priv.h"

enum { AGGREGATE_TAGS_MAX = 4096 };

void rtmp_session_forget_media(struct rtmp_session *s)
{
    avc_source_release(&s->avc);
    s->avc.framing = 4;
    buf_unref(&s->audio_config);
    s->clock_set = false;
    s->video_sent = false;
    s->fps_hint = 0;
    s->unsupported_run = s->dropped_run = 0;
}

/* 32 bits of ms wrap after 49.7 days: signed steps from the newest time. */
static int64_t unwrap(struct rtmp_session *s, uint32_t timestamp)
{
    if (s->clock_set)
        s->clock_ms += (int32_t)(timestamp - (uint32_t)s->clock_ms);
    else
        s->clock_ms = timestamp;
    s->clock_set = true;
    return s->clock_ms;
}

static int drop(struct rtmp_session *s)
{
    s->counts.dropped++;
    if (++s->dropped_run > DROPPED_MAX)
        return rtmp_session_fail(s, ERR_SYNTAX, "nothing but malformed media");
    return 0;
}

static int refuse_codec(struct rtmp_session *s, const struct flv_tag *t)
{
    char why[REASON_MAX];

    s->counts.unsupported++;
    if (t->enhanced) s->counts.enhanced++;
    if (++s->unsupported_run <= UNSUPPORTED_MAX) return 0;
    snprintf(why, sizeof why, "codec %s%s is not supported, send H.264 and AAC",
             t->name, t->enhanced ? " (enhanced RTMP)" : "");
    rtmp_reply_status(s, "error", "NetStream.Publish.Rejected", why);
    rtmp_session_end(s, ERR_UNSUPPORTED, why);
    return 0;
}

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

static void announce_video(struct rtmp_session *s)
{
    struct track_info info = {
        .kind = TRACK_VIDEO, .codec = CODEC_H264, .timescale = VIDEO_TIMESCALE};
    struct slice config = slice_of(s->avc.config, 0, buf_len(s->avc.config));

    set_cadence(&info, s->fps_hint);
    s->video_sent = true;
    s->events.on_track(RTMP_SLOT_VIDEO, &info, config, s->events.arg);
    slice_unref(&config);
}

static int on_video_config(struct rtmp_session *s, const struct flv_tag *t)
{
    bool changed = false;
    int err = avc_source_config(&s->avc, t->data, t->len, &changed);

    if (err == ERR_NOMEM) return err;
    /* An avcC without sets is a promise of sets in band. */
    if (err) return err == ERR_NOTFOUND ? 0 : drop(s);
    if (changed || !s->video_sent) announce_video(s);
    return 0;
}

static int on_video_frame(struct rtmp_session *s, const struct flv_tag *t,
                          struct slice body, int64_t at_us)
{
    struct slice in = {body.owner, t->data, t->len};
    struct avc_unit unit;
    int err = avc_source_unit(&s->avc, in, t->key, &unit);

    if (err == ERR_NOMEM) return err;
    if (err) return drop(s);
    if (unit.changed) announce_video(s);
    if (unit.payload.len) {
        struct publisher_frame f = {.slot = RTMP_SLOT_VIDEO,
                                    .key = unit.key,
                                    .dts_us = at_us,
                                    .pts_us = at_us + t->cts_ms * 1000LL,
                                    .payload = unit.payload};
        s->unsupported_run = s->dropped_run = 0;
        s->events.on_frame(&f, s->events.arg);
    }
    slice_unref(&unit.payload);
    return 0;
}

static int on_audio_config(struct rtmp_session *s, const struct flv_tag *t)
{
    struct track_info info = {.kind = TRACK_AUDIO, .codec = CODEC_AAC};
    struct aac_config aac;
    struct buf *made;

    if (s->audio_config && buf_len(s->audio_config) == t->len &&
        !memcmp(buf_data(s->audio_config), t->data, t->len))
        return 0;
    if (aac_config_parse(&aac, t->data, t->len)) return drop(s);
    int err = buf_create(&made, t->data, t->len);
    if (err) return err;
    buf_unref(&s->audio_config);
    s->audio_config = made;
    info.timescale = info.sample_rate = aac.sample_rate;
    info.channels = aac.channels;
    struct slice config = slice_of(made, 0, t->len);
    s->events.on_track(RTMP_SLOT_AUDIO, &info, config, s->events.arg);
    slice_unref(&config);
    return 0;
}

static int on_audio_frame(struct rtmp_session *s, const struct flv_tag *t,
                          struct slice body, int64_t at_us)
{
    struct publisher_frame f = {
        .slot = RTMP_SLOT_AUDIO, .key = true, .dts_us = at_us, .pts_us = at_us};

    if (!s->audio_config) return drop(s);
    f.payload =
        slice_of(body.owner, (size_t)(t->data - buf_data(body.owner)), t->len);
    s->dropped_run = 0;
    s->events.on_frame(&f, s->events.arg);
    slice_unref(&f.payload);
    return 0;
}

static int on_tag(struct rtmp_session *s, const struct flv_tag *t,
                  struct slice body, int64_t at_us)
{
    bool video = t->codec == CODEC_H264;

    at_us += t->offset_ns / 1000;
    /* Further tracks (another size, another language) are let go. */
    if (t->track) {
        s->counts.extra_tracks++;
        return 0;
    }
    switch (t->kind) {
    case FLV_UNSUPPORTED: return refuse_codec(s, t);
    case FLV_CONFIG:
        return video ? on_video_config(s, t) : on_audio_config(s, t);
    case FLV_FRAME:
        return video ? on_video_frame(s, t, body, at_us)
                     : on_audio_frame(s, t, body, at_us);
    case FLV_IGNORED: break;
    }
    return 0;
}

int rtmp_session_media(struct rtmp_session *s, const struct rtmp_message *m)
{
    struct flv_reader r;
    struct flv_tag t;
    int err = 0;
    int64_t ms;

    if (s->state != RTMP_LIVE) {
        s->counts.dropped++;
        return 0;
    }
    ms = unwrap(s, m->timestamp);
    flv_open(&r, m->type == RTMP_VIDEO ? TRACK_VIDEO : TRACK_AUDIO,
             m->body.data, m->body.len);
    while (!err && s->state == RTMP_LIVE) {
        int more = flv_next(&r, &t);
        if (more == ERR_AGAIN) break;
        err = more ? drop(s) : on_tag(s, &t, m->body, ms * 1000);
        if (more) break;
    }
    if (err && s->state != RTMP_FAILED)
        return rtmp_session_fail(s, err, err_text(err));
    return err;
}

/* §7.1.6: FLV tags back to back; their times count from the first one's, which
 * is the message's own. */
int rtmp_session_aggregate(struct rtmp_session *s, const struct rtmp_message *m)
{
    struct reader r = reader_of(m->body.data, m->body.len);
    uint32_t first = 0;

    for (int i = 0; reader_left(&r) >= 11; i++) {
        struct rtmp_message part = {.stream_id = m->stream_id};
        if (i == AGGREGATE_TAGS_MAX) return drop(s);
        part.type = reader_u8(&r);
        uint32_t len = reader_u24(&r);
        uint32_t at = reader_u24(&r);
        at |= (uint32_t)reader_u8(&r) << 24;
        reader_u24(&r);
        const uint8_t *data = reader_take(&r, len);
        reader_u32(&r); /* back pointer; missing behind the last of some */
        if (!data) return drop(s);
        if (i == 0) first = at;
        part.timestamp = m->timestamp + (at - first);
        part.body = (struct slice){m->body.owner, data, len};
        int err = 0;
        if (part.type == RTMP_AUDIO || part.type == RTMP_VIDEO)
            err = rtmp_session_media(s, &part);
        else if (part.type == RTMP_DATA_AMF0)
            err = rtmp_session_data(s, &part);
        if (err) return err;
    }
    return 0;
}
