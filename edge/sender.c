#include "edge/sender.h"

#include <stdlib.h>

#include "core/loop/loop.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "edge/sender_priv.h"

enum {
    SQUEEZE_TICKS = VIDEO_TIMESCALE / 1000,
    CAPTURE_TIME_US = 1000000,
    SMALL_GOP_BYTES = 60000,
    AUDIO_CLOCK = 48000,
    /* Playout delay, of 10 ms: at least nothing, at most that. */
    DELAY_EAGER = 40,
    DELAY_STEADY = 100,
};

/* --- one packet ------------------------------------------------------------
 */

uint64_t sender_capture_ntp(const struct sender *s, const struct unit *u)
{
    const struct bus_conf *bus = bus_conf(s->conf.feed->bus);
    int64_t at_us = u->frame->captured_at
                        ? u->frame->captured_at - bus->origin_at
                        : u->pts_us;

    return rtp_ntp_of_wall(bus->origin_wall_us + at_us);
}

static void write_extras(const struct sender *s, struct rtp_writer *w,
                         const struct sender_form *f)
{
    if (f->extras & (EXTRA_EAGER | EXTRA_STEADY)) {
        const uint8_t delay[3] = {
            0, 0, f->extras & EXTRA_EAGER ? DELAY_EAGER : DELAY_STEADY};
        rtp_write_extension(w, s->conf.playout_delay, delay, sizeof delay);
    }
    if (f->extras & EXTRA_CAPTURE_TIME) {
        uint64_t ntp = sender_capture_ntp(s, f->unit);
        uint8_t time[8];
        for (int i = 0; i < 8; i++)
            time[i] = (uint8_t)(ntp >> (56 - 8 * i));
        rtp_write_extension(w, s->conf.abs_capture_time, time, sizeof time);
    }
}

bool sender_put(struct sender *s, struct sender_form *f, int64_t now_at)
{
    const struct sender_sink *sink = &s->conf.sink;
    size_t payload = packet_size(f->packet) + (f->is_rtx ? 2 : 0);
    uint8_t *out = sink->room(SENDER_HEADER_MAX + payload, sink->arg);
    struct rtp_writer w;

    if (!out) return false;
    if (!f->is_repeat)
        f->number = sink->count(SENDER_HEADER_MAX + payload, f->probe, now_at,
                                sink->arg);
    rtp_write_begin(&w, out, f->payload_type, f->marker, f->sequence,
                    f->timestamp, f->ssrc);
    if (f->transport_cc) {
        const uint8_t number[2] = {f->number >> 8, f->number & 255};
        rtp_write_extension(&w, f->transport_cc, number, sizeof number);
    }
    if (f->extras) write_extras(s, &w, f);
    size_t header = rtp_write_end(&w);
    uint8_t *at = out + header;
    if (f->is_rtx) {
        *at++ = (uint8_t)(f->original >> 8);
        *at++ = (uint8_t)f->original;
    }
    packet_write(f->packet, at);
    sink->seal(header, header + payload, sink->arg);
    s->counts.packets++;
    s->counts.bytes += header + payload;
    return true;
}

static void counted(struct sender_stream *t, size_t payload, uint32_t timestamp)
{
    t->sequence++;
    t->packets++;
    t->octets += (uint32_t)payload;
    t->timestamp = timestamp;
}

/* --- sound: never paced, one packet -----------------------------------------
 */

static void send_audio(struct sender *s, struct unit *u, int64_t now_at)
{
    const struct packets *p = history_packets(u);
    struct sender_stream *t = &s->audio;

    if (!s->conf.audio_payload_type || !p || !p->count) return;
    struct sender_form f = {
        .packet = &p->list[0],
        .unit = u,
        .payload_type = s->conf.audio_payload_type,
        .marker = t->packets == 0,
        .sequence = t->sequence,
        .timestamp = t->base + (uint32_t)u->pts,
        .ssrc = t->ssrc,
        .transport_cc = s->conf.audio_transport_cc,
    };
    if (sender_put(s, &f, now_at)) counted(t, p->bytes, f.timestamp);
}

/* --- pictures: the line ------------------------------------------------------
 */

static const struct history *history_of(const struct sender *s, int index)
{
    return &s->conf.feed->renditions[index].history;
}

static void stamp(struct sender *s, const struct unit *u)
{
    int64_t ts = u->pts;

    if (u->number <= s->cached_until)
        ts = s->cached_pts -
             (int64_t)(s->cached_until - u->number) * SQUEEZE_TICKS;
    if (s->started && ts <= s->last_ts) ts = s->last_ts + SQUEEZE_TICKS;
    s->frame_ts = ts;
}

/* Below half a second libwebrtc shows pictures as they come: the first one at
 * once, and a cached GOP in a blink. It then takes no heed of sound, nor of
 * jitter, so that after the start the bound is a second. */
static uint8_t delay_of(struct sender *s, int64_t now_at)
{
    if (!s->eager_until) s->eager_until = now_at + SENDER_EAGER_US;
    if (now_at < s->eager_until) return EXTRA_EAGER;
    if (s->steady_frames == SENDER_STEADY_FRAMES) return 0;
    s->steady_frames++;
    return EXTRA_STEADY;
}

static uint8_t extras_of(struct sender *s, int64_t now_at)
{
    uint8_t extras = 0;

    if (s->packet) return 0; /* the run behind stays of one size */
    if (s->conf.playout_delay) extras |= delay_of(s, now_at);
    if (s->conf.abs_capture_time &&
        (!s->capture_time_at || now_at - s->capture_time_at >= CAPTURE_TIME_US))
        extras |= EXTRA_CAPTURE_TIME;
    return extras;
}

static bool send_video(struct sender *s, struct unit *u,
                       const struct packets *p, int64_t now_at)
{
    struct sender_stream *t = &s->video;
    struct sender_form f = {
        .packet = &p->list[s->packet],
        .unit = u,
        .payload_type = s->conf.video_payload_type,
        .marker = p->list[s->packet].marker,
        .sequence = t->sequence,
        .timestamp = t->base + (uint32_t)s->frame_ts,
        .ssrc = t->ssrc,
        .transport_cc = s->conf.video_transport_cc,
        .extras = extras_of(s, now_at),
    };
    size_t size = packet_size(f.packet);

    if (!sender_put(s, &f, now_at)) return false;
    if (f.extras & EXTRA_CAPTURE_TIME) s->capture_time_at = now_at;
    s->ring[f.sequence % SENDER_RING] = (struct sent_packet){
        .unit = (uint32_t)u->number,
        .timestamp = f.timestamp,
        .packet = (uint16_t)s->packet,
        .number = f.number,
        .rendition = (uint8_t)s->current,
        .extras = f.extras,
    };
    counted(t, size, f.timestamp);
    pacer_sent(&s->pacer, size + SENDER_HEADER_MAX);
    return true;
}

static void finish_unit(struct sender *s, const struct unit *u, int64_t now_at)
{
    if (s->started) s->step = u->pts - s->last_pts;
    s->last_pts = u->pts;
    s->last_shown = s->current;
    s->last_ts = s->frame_ts;
    s->started = true;
    s->counts.frames++;
    s->unit++;
    s->packet = 0;
    if (s->catch_up_by && s->unit >= history_of(s, s->current)->next) {
        s->catch_up_by = 0;
        pacer_set_rate(&s->pacer, s->rate_bps, s->careful, now_at);
    }
}

/* Is it time for the target's keyframe? */
static bool switch_is_due(const struct sender *s, int64_t now_at)
{
    if (s->target < 0 || !s->target_unit) return false;
    const struct unit *u = history_find(history_of(s, s->current), s->unit);
    if (s->hurry && u) return true;
    if (s->packet) return false;
    if (u && u->pts >= s->target_pts) return true;
    return s->last_pts + s->step + s->step / 2 > s->target_pts ||
           now_at >= s->switch_by;
}

static void do_switch(struct sender *s)
{
    int to = s->target;
    uint64_t unit = s->target_unit;

    s->target_unit = 0;
    if (!history_find(history_of(s, to), unit)) return; /* gone: the next one */
    s->current = to;
    s->unit = unit;
    s->packet = 0;
    s->target = s->stopgap = -1;
    s->cached_until = 0;
    s->catch_up_by = 0;
    s->capture_time_at = 0;
    if (s->hurry) s->fresh_from = s->video.packets;
    s->counts.switches++;
}

/* The line is too long, or its beginning is gone. */
static void skip_ahead(struct sender *s)
{
    const struct history *h = history_of(s, s->current);

    if (h->newest_key > s->unit) {
        s->counts.dropped_frames += h->newest_key - s->unit;
        s->unit = h->newest_key;
    } else {
        s->counts.dropped_frames += h->next - s->unit;
        if (s->target < 0) s->target = s->current;
        s->stopgap = s->current;
        s->current = -1;
    }
    s->packet = 0;
    s->cached_until = 0;
    s->catch_up_by = 0;
    s->fresh_from = s->video.packets;
}

/* A keyframe's own way through the pacer does not count, nor does a start. */
static bool is_late(const struct sender *s, int64_t now_at)
{
    const struct history *h = history_of(s, s->current);
    const struct unit *u = history_find(h, s->unit);
    const struct unit *key = history_find(h, h->newest_key);
    int64_t most = PACER_LATE_US;

    if (!u || now_at < s->catch_up_by) return false;
    if (key) most += pacer_span_us(&s->pacer, key->frame->payload.len);
    return history_newest(h)->pts_us - u->pts_us > most;
}

/* One step; false: nothing (more) may leave now. *more: later. */
static bool drain_step(struct sender *s, int64_t now_at, bool *more)
{
    if (switch_is_due(s, now_at)) do_switch(s);
    const struct history *h = history_of(s, s->current);
    struct unit *u = history_find(h, s->unit);
    if (!u) {
        if (s->unit >= h->next) return false;
        skip_ahead(s);
        return s->current >= 0;
    }
    const struct packets *p = history_packets(u);
    if (!p || !p->count) {
        s->unit++;
        s->packet = 0;
        return true;
    }
    *more = true;
    if (!pacer_may_send(&s->pacer, now_at)) return false;
    if (!s->packet) stamp(s, u);
    if (!send_video(s, u, p, now_at)) return false;
    *more = false;
    if (++s->packet == p->count) finish_unit(s, u, now_at);
    return true;
}

bool sender_drain(struct sender *s, int64_t now_at)
{
    bool more = false;

    if (s->current >= 0 && is_late(s, now_at)) skip_ahead(s);
    while (s->current >= 0 && drain_step(s, now_at, &more))
        ;
    if (s->probe_left) more |= sender_drain_probe(s, now_at);
    return more;
}

/* --- what is shown -----------------------------------------------------------
 */

void sender_init(struct sender *s, const struct sender_conf *conf,
                 int64_t now_at)
{
    *s = (struct sender){
        .conf = *conf,
        .video = {.ssrc = conf->video_ssrc,
                  .base = conf->video_base,
                  .sequence = conf->video_sequence},
        .rtx = {.ssrc = conf->rtx_ssrc, .sequence = conf->rtx_sequence},
        .audio = {.ssrc = conf->audio_ssrc,
                  .base = conf->audio_base,
                  .sequence = conf->audio_sequence},
        .current = -1,
        .target = -1,
        .stopgap = -1,
    };
    pacer_init(&s->pacer, 0, now_at);
    pacer_init(&s->again, 0, now_at);
    sender_set_rate(s, 0, false, now_at);
}

uint64_t sender_cached(const struct feed_rendition *r, bool any_age)
{
    const struct history *h = &r->history;
    const struct unit *key = history_find(h, h->newest_key);
    uint64_t most = SENDER_CACHE_BYTES;

    if (!key || r->awaits_key) return 0;
    uint64_t bytes = history_bytes_from(h, key->number);
    int64_t age = history_newest(h)->pts_us - key->pts_us;
    if (any_age) return bytes <= SENDER_CACHE_MOST ? key->number : 0;
    /* An encoder that was asked just now answers again only half a second
     * after that: so much of its rate is the quicker way. */
    if (!r->info.passthrough && feed_need_bps(r) / 10 > most)
        most = feed_need_bps(r) / 10;
    if (bytes > most || bytes > SENDER_CACHE_MOST) return 0;
    return age <= SENDER_CACHE_US || bytes <= SMALL_GOP_BYTES ? key->number : 0;
}

void sender_begin(struct sender *s, int index, uint64_t unit, int64_t now_at)
{
    const struct unit *newest = history_newest(history_of(s, index));

    if (s->started && index != s->last_shown) s->counts.switches++;
    s->current = index;
    s->unit = unit;
    s->packet = 0;
    s->cached_until = 0;
    s->catch_up_by = 0;
    s->capture_time_at = 0;
    if (index == s->target) s->target = -1;
    s->target_unit = 0;
    s->stopgap = -1;
    s->fresh_from = s->video.packets;
    if (!newest || newest->number <= unit) return;
    s->cached_until = newest->number;
    s->cached_pts = newest->pts;
    s->catch_up_by = now_at + SENDER_CATCH_UP_US;
    if (s->rate_bps < SENDER_CACHE_BPS)
        pacer_set_rate(&s->pacer, SENDER_CACHE_BPS, false, now_at);
}

void sender_pause(struct sender *s)
{
    s->current = s->target = s->stopgap = -1;
    s->packet = 0;
    s->target_unit = s->cached_until = 0;
    s->catch_up_by = 0;
    s->probe_left = 0;
    s->fresh_from = s->video.packets;
}

void sender_aim(struct sender *s, int index, bool hurry)
{
    if (index == s->current) index = -1;
    s->hurry = hurry && index >= 0;
    if (index == s->target) return;
    s->target = index;
    s->target_unit = 0;
}

void sender_aim_at(struct sender *s, uint64_t unit, int64_t now_at)
{
    const struct unit *u =
        s->target < 0 ? NULL : history_find(history_of(s, s->target), unit);

    if (!u || s->target_unit) return;
    s->target_unit = unit;
    s->target_pts = u->pts;
    s->switch_by = now_at;
}

void sender_accept(struct sender *s, int index)
{
    s->stopgap = index;
}

void sender_unit(struct sender *s, int index, struct unit *u, int64_t now_at)
{
    if (!u->is_video) {
        send_audio(s, u, now_at);
        return;
    }
    if (!s->conf.video_payload_type) return;
    if (!u->key) {
        if (s->current < 0 && s->started && index == s->stopgap)
            s->counts.dropped_frames++;
    } else if (s->current < 0) {
        if (index == s->target || index == s->stopgap)
            sender_begin(s, index, u->number, now_at);
    } else if (index == s->target) {
        s->target_unit = u->number;
        s->target_pts = u->pts;
        s->switch_by = now_at + SENDER_SWITCH_US;
    }
}

bool sender_is_awaiting(const struct sender *s)
{
    return s->current < 0;
}

void sender_set_rate(struct sender *s, int64_t bps, bool careful,
                     int64_t now_at)
{
    bool is_starting = now_at < s->catch_up_by;

    s->rate_bps = bps;
    s->careful = careful;
    if (!is_starting || bps > SENDER_CACHE_BPS)
        pacer_set_rate(&s->pacer, bps, careful, now_at);
    pacer_set_rate(&s->again, bps / 2, careful, now_at);
}

void sender_report(const struct sender *s, bool video, const char *cname,
                   int64_t now_at, struct builder *out)
{
    const struct bus_conf *bus = bus_conf(s->conf.feed->bus);
    const struct sender_stream *t = video ? &s->video : &s->audio;
    int64_t at_us = now_at - bus->origin_at;
    int64_t clock = video ? VIDEO_TIMESCALE : AUDIO_CLOCK;
    struct rtcp_sender_info info = {
        .ntp = rtp_ntp_of_wall(bus->origin_wall_us + at_us),
        .rtp_timestamp = t->base + (uint32_t)(at_us * clock / 1000000),
        .packets = t->packets,
        .octets = t->octets,
    };

    rtcp_write_sr(out, t->ssrc, &info, NULL, 0);
    rtcp_write_sdes(out, t->ssrc, cname);
}
