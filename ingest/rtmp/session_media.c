#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "ingest/rtmp/flv.h"
#include "ingest/rtmp/session_priv.h"

enum { AGGREGATE_TAGS_MAX = 4096 };

void rtmp_session_forget_media(struct rtmp_session *s)
{
    rtmp_tracks_release(s);
    s->clock_set = false;
    s->fps_hint = 0;
    s->promised = CODEC_NONE;
    s->hint_count = 0;
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

int rtmp_session_drop(struct rtmp_session *s)
{
    s->counts.dropped++;
    if (++s->dropped_run > DROPPED_MAX)
        return rtmp_session_fail(s, ERR_SYNTAX, "nothing but malformed media");
    return 0;
}

/* Who it is is logged once by the connection. */
static void note_stranger(struct rtmp_session *s, const struct flv_tag *t)
{
    if (!s->stranger[0])
        snprintf(s->stranger, sizeof s->stranger, "%s", t->name);
}

/* A further track may be whatever it is; one that all depends on is refused in
 * words when nothing else comes. */
static int refuse_codec(struct rtmp_session *s, const struct flv_tag *t)
{
    char why[REASON_MAX];

    note_stranger(s, t);
    s->counts.unsupported++;
    if (t->enhanced) s->counts.enhanced++;
    if (t->track || ++s->unsupported_run <= UNSUPPORTED_MAX) return 0;
    snprintf(why, sizeof why,
             "codec %s%s is not supported, send H.264, HEVC or AV1, and AAC or "
             "Opus",
             t->name, t->enhanced ? " (enhanced RTMP)" : "");
    rtmp_reply_status(s, "error", "NetStream.Publish.Rejected", why);
    rtmp_session_end(s, ERR_UNSUPPORTED, why);
    return 0;
}

static int on_media(struct rtmp_session *s, const struct flv_tag *t,
                    enum track_kind kind, struct slice body, int64_t at_us)
{
    struct rtmp_track *k = rtmp_track_of(s, kind, t->track);

    if (!k) {
        s->counts.extra_tracks++;
        return 0;
    }
    at_us += t->offset_ns / 1000;
    return t->kind == FLV_CONFIG ? rtmp_track_config(s, k, t)
                                 : rtmp_track_frame(s, k, t, body, at_us);
}

static int on_tag(struct rtmp_session *s, const struct flv_tag *t,
                  enum track_kind kind, struct slice body, int64_t at_us)
{
    switch (t->kind) {
    case FLV_UNSUPPORTED: return refuse_codec(s, t);
    case FLV_SKIPPED:
        note_stranger(s, t);
        s->counts.skipped++;
        return 0;
    case FLV_CONFIG:
    case FLV_FRAME: return on_media(s, t, kind, body, at_us);
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
    enum track_kind kind = m->type == RTMP_VIDEO ? TRACK_VIDEO : TRACK_AUDIO;
    ms = unwrap(s, m->timestamp);
    flv_open(&r, kind, m->body.data, m->body.len);
    while (!err && s->state == RTMP_LIVE) {
        int more = flv_next(&r, &t);
        if (more == ERR_AGAIN) break;
        err = more ? rtmp_session_drop(s)
                   : on_tag(s, &t, kind, m->body, ms * 1000);
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
        if (i == AGGREGATE_TAGS_MAX) return rtmp_session_drop(s);
        part.type = reader_u8(&r);
        uint32_t len = reader_u24(&r);
        uint32_t at = reader_u24(&r);
        at |= (uint32_t)reader_u8(&r) << 24;
        reader_u24(&r);
        const uint8_t *data = reader_take(&r, len);
        reader_u32(&r); /* back pointer; missing behind the last of some */
        if (!data) return rtmp_session_drop(s);
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
