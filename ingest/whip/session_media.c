#include "core/base/err.h"
#include "core/media/h264_sps.h"
#include "ingest/whip/session_priv.h"

enum { VIDEO_RATE = 90000, OPUS_RATE = 48000 };

static void on_unit(const struct whip_unit *u, void *arg);

int whip_stream_open(struct whip_session *s, int index, uint32_t ssrc)
{
    struct stream *k = &s->streams[index];
    bool video = index != AUDIO_STREAM, changed;
    uint32_t rate = video ? VIDEO_RATE : OPUS_RATE;
    bool nack = video ? s->negotiated.video.nack : s->negotiated.audio.nack;
    int err = whip_receiver_init(&k->receiver, ssrc, rate, nack);

    if (err) return err;
    whip_clock_begin(&s->clock, index, rate);
    if (!video) return 0;
    whip_depack_init(&k->depack, on_unit, k);
    k->avc = (struct avc_source){.framing = 4};
    k->reorder_frames = -1;
    k->need_key = true;
    k->key_wished = k->sets_changed = false;
    k->pli_at = s->now - WHIP_KEY_AGAIN_US + WHIP_KEY_FIRST_US;
    k->probes = 0;
    if (!s->sprop) return 0;
    avc_source_config(&k->avc, buf_data(s->sprop), buf_len(s->sprop), &changed);
    return 0;
}

void whip_stream_close(struct stream *k)
{
    struct whip_session_counts *gone = &k->session->gone;

    if (!k->receiver.used) return;
    gone->nacked += k->receiver.counts.nacked;
    gone->recovered += k->receiver.counts.recovered;
    gone->lost += k->receiver.counts.lost;
    gone->broken += k->depack.counts.broken;
    gone->malformed += k->depack.counts.malformed;
    whip_receiver_release(&k->receiver);
    if (k->index == AUDIO_STREAM) return;
    whip_depack_release(&k->depack);
    avc_source_release(&k->avc);
}

/* --- video --- */

/* The SPS is another one: what is the picture like? */
static void read_sps(struct stream *k)
{
    struct h264_params p;
    struct h264_sps sps;

    k->reorder_frames = -1;
    if (h264_avcc_parse(&p, buf_data(k->avc.config), buf_len(k->avc.config)))
        return;
    if (h264_sps_parse(&sps, p.sps[0].data, p.sps[0].len)) return;
    k->reorder_frames = sps.reorder_frames;
    whip_layers_size(&k->session->layers, k->index,
                     (uint64_t)sps.width * sps.height);
}

static void announce_video(struct stream *k)
{
    struct whip_session *s = k->session;
    struct track_info info = {
        .kind = TRACK_VIDEO, .codec = CODEC_H264, .timescale = VIDEO_TIMESCALE};
    struct slice config = slice_of(k->avc.config, 0, buf_len(k->avc.config));

    whip_dts_depth(&s->dts, k->reorder_frames);
    s->events.on_track(WHIP_SLOT_VIDEO, &info, config, s->events.arg);
    slice_unref(&config);
}

/* Does this layer go on, maybe from this unit on? */
static bool is_chosen(struct stream *k, const struct avc_unit *unit)
{
    struct whip_session *s = k->session;
    int wanted = whip_layers_wanted(&s->layers, s->now);

    if (k->index == s->layers.current && k->index == wanted) {
        if (unit->changed) announce_video(k);
        return true;
    }
    if (unit->key && (wanted == k->index || wanted < 0)) {
        if (s->layers.current >= 0 && s->layers.current != k->index)
            s->counts.switches++;
        whip_layers_switch(&s->layers, k->index);
        announce_video(k);
        return true;
    }
    /* the old one goes on until the better one shows a keyframe */
    if (k->index != s->layers.current) return false;
    if (unit->changed) announce_video(k);
    return true;
}

static void hand_on(struct stream *k, const struct whip_unit *u,
                    const struct avc_unit *unit)
{
    struct whip_session *s = k->session;
    struct publisher_frame f = {
        .slot = WHIP_SLOT_VIDEO, .key = unit->key, .payload = unit->payload};
    bool deeper;

    f.pts_us = whip_clock_us(&s->clock, k->index, u->timestamp, u->arrived_at);
    f.dts_us = whip_dts_next(&s->dts, f.pts_us, &deeper);
    /* a layer's first frame may be the picture that the other showed last */
    if (f.pts_us < f.dts_us) f.pts_us = f.dts_us;
    s->counts.deeper += deeper;
    s->counts.frames++;
    s->events.on_frame(&f, s->events.arg);
}

static void on_unit(const struct whip_unit *u, void *arg)
{
    struct stream *k = arg;
    struct whip_session *s = k->session;
    struct avc_unit unit;
    int err;

    if (u->lost) k->need_key = true;
    err = avc_source_unit(&k->avc, u->data, true, &unit);
    if (err) {
        if (err != ERR_ORDER && err != ERR_NOMEM) s->counts.malformed++;
        k->need_key = true;
        return;
    }
    if (unit.changed) read_sps(k);
    if (unit.key) k->need_key = k->key_wished = false;
    if (!unit.payload.len) {
        /* sets alone: said with the keyframe that follows */
        k->sets_changed |= unit.changed;
        return;
    }
    unit.changed |= k->sets_changed;
    k->sets_changed = false;
    if (k->need_key) {
        k->sets_changed = unit.changed;
        s->counts.left_out += k->index == s->layers.current;
    } else if (is_chosen(k, &unit)) {
        hand_on(k, u, &unit);
    }
    slice_unref(&unit.payload);
}

/* --- audio --- */

static void hand_on_opus(struct stream *k, const struct whip_packet *p)
{
    struct whip_session *s = k->session;
    struct publisher_frame f = {.slot = WHIP_SLOT_AUDIO, .key = true};
    struct track_info info = {.kind = TRACK_AUDIO,
                              .codec = CODEC_OPUS,
                              .timescale = OPUS_RATE,
                              .sample_rate = OPUS_RATE,
                              .channels = 2}; /* RFC 7587 §4.1: always */
    struct buf *copy;

    if (!p->len) return;
    if (!whip_opus_is_sound(p->payload, p->len)) {
        s->counts.malformed++;
        return;
    }
    f.dts_us = f.pts_us =
        whip_clock_us(&s->clock, k->index, p->timestamp, p->arrived_at);
    if (!s->announced_audio)
        s->events.on_track(WHIP_SLOT_AUDIO, &info, (struct slice){0},
                           s->events.arg);
    s->announced_audio = true;
    if (buf_create(&copy, p->payload, p->len)) return;
    f.payload = slice_take(&copy);
    s->counts.frames++;
    s->events.on_frame(&f, s->events.arg);
    slice_unref(&f.payload);
}

void whip_stream_drain(struct stream *k, int64_t now)
{
    struct whip_packet p;

    while (whip_receiver_next(&k->receiver, now, &p)) {
        if (k->index == AUDIO_STREAM) {
            hand_on_opus(k, &p);
            continue;
        }
        /* its tail, or whole pictures: known before the next unit ends */
        if (p.lost) k->need_key = true;
        if (whip_depack_feed(&k->depack, &p)) k->need_key = true;
        /* the keyframe that senders begin with lacks its head: ask at once */
        if (k->depack.counts.broken && !k->probes && k->need_key)
            k->pli_at = now - WHIP_KEY_AGAIN_US;
    }
}
