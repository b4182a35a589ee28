#include "ingest/whip/session.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/rtc/twcc.h"
#include "ingest/whip/session_priv.h"

enum {
    SPROP_BYTES_MAX = 1024, /* of one set, in base64 */
    REPLACE_US = 2000000,   /* a silent stream gives its place to a new SSRC */
    BYE_US = 1000000,       /* all said BYE, and nothing came since */
    TICK_MAX_US = 100000,
};

/* --- parameter sets of the offer (RFC 6184 §8.1) --- */

/* Decodes one base64 word into out; its length, 0 if it is none. */
static size_t decode_set(struct sdp_text word, uint8_t *out)
{
    int n;
    size_t pad = 0;

    if (word.len % 4 || !word.len || word.len > SPROP_BYTES_MAX) return 0;
    n = EVP_DecodeBlock(out, (const unsigned char *)word.at, (int)word.len);
    if (n < 0) return 0;
    while (pad < 2 && word.at[word.len - 1 - pad] == '=')
        pad++;
    return (size_t)n - pad;
}

/* As an avcC; a malformed one is as good as none. 0 or ERR_NOMEM. */
static int read_sprop(struct whip_session *s, struct sdp_text all)
{
    static const size_t set_max = SPROP_BYTES_MAX;
    struct h264_params p = {.length_size = 4};
    uint8_t *sets = malloc(4 * set_max);
    struct builder b;
    size_t count = 0;
    int err;

    if (!sets) return ERR_NOMEM;
    while (all.len && count < 4) {
        const char *comma = memchr(all.at, ',', all.len);
        struct sdp_text word = {all.at,
                                comma ? (size_t)(comma - all.at) : all.len};
        uint8_t *at = sets + count++ * set_max;
        size_t n = decode_set(word, at);
        if (n) h264_params_add(&p, (struct nal){at, n});
        all.at += word.len + (comma != NULL);
        all.len -= word.len + (comma != NULL);
    }
    builder_init(&b, 8192);
    if (p.sps_count && p.pps_count) h264_avcc_write(&b, &p);
    err = b.len ? builder_seal(&b, &s->sprop) : b.err;
    builder_release(&b);
    free(sets);
    return err == ERR_NOMEM ? err : 0;
}

/* --- life --- */

int whip_session_create(struct whip_session **out,
                        const struct whip_session_conf *conf)
{
    struct whip_session *s = calloc(1, sizeof *s);
    int err = 0;

    if (!s) return ERR_NOMEM;
    s->negotiated = *conf->negotiated;
    s->events = conf->events;
    s->reduced_size = conf->reduced_size;
    s->ssrc = conf->ssrc;
    whip_layers_init(&s->layers);
    whip_clock_init(&s->clock);
    whip_dts_init(&s->dts);
    for (int i = 0; i < STREAMS_MAX; i++) {
        s->streams[i].session = s;
        s->streams[i].index = i;
    }
    if (s->negotiated.video.transport_cc || s->negotiated.audio.transport_cc)
        err = twcc_recorder_create(&s->twcc);
    if (!err && conf->sprop.len) err = read_sprop(s, conf->sprop);
    if (err) {
        whip_session_free(&s);
        return err;
    }
    *out = s;
    return 0;
}

void whip_session_free(struct whip_session **out)
{
    struct whip_session *s = *out;

    *out = NULL;
    if (!s) return;
    for (int i = 0; i < STREAMS_MAX; i++)
        whip_stream_close(&s->streams[i]);
    twcc_recorder_free(&s->twcc);
    buf_unref(&s->sprop);
    free(s);
}

void whip_session_start(struct whip_session *s, int64_t now)
{
    s->now = s->started_at = s->heard_at = now;
    s->report_at = now;
}

/* --- whose packet is it? --- */

static struct stream *find_ssrc(struct whip_session *s, uint32_t ssrc,
                                bool *rtx)
{
    for (int i = 0; i < STREAMS_MAX; i++) {
        struct whip_receiver *r = &s->streams[i].receiver;
        *rtx = r->rtx_ssrc == ssrc;
        if (r->used && (r->ssrc == ssrc || (*rtx && ssrc)))
            return &s->streams[i];
    }
    *rtx = false;
    return NULL;
}

static bool is_video(const struct whip_session *s, uint8_t pt, bool *rtx)
{
    const struct rtc_section *v = &s->negotiated.video;

    *rtx = false;
    for (int i = 0; v->used && i < v->h264_count; i++) {
        if (v->h264[i].payload_type == pt) return true;
        *rtx = v->h264[i].rtx_payload_type == pt && pt;
        if (*rtx) return true;
    }
    return false;
}

/* The layer that a rid extension names; -1: it names none. */
static int layer_of_rid(const struct rtc_section *v, const struct rtp_packet *p,
                        uint8_t id)
{
    const struct rtp_extension *x = &p->extensions[id];

    if (!id || id > RTP_EXTENSION_IDS || !x->data) return -1;
    for (int i = 0; i < v->rid_count && i < LAYERS_MAX; i++)
        if (strlen(v->rids[i]) == x->len &&
            !memcmp(v->rids[i], x->data, x->len))
            return i;
    return -1;
}

/* A place for a video SSRC without a name: a free one, else one that has been
 * silent. */
static int free_layer(const struct whip_session *s)
{
    for (int i = 0; i < LAYERS_MAX; i++)
        if (!s->streams[i].receiver.used) return i;
    for (int i = 0; i < LAYERS_MAX; i++)
        if (s->now - s->streams[i].receiver.packet_at > REPLACE_US) return i;
    return -1;
}

static struct stream *open_stream(struct whip_session *s, int index,
                                  uint32_t ssrc)
{
    struct stream *k = &s->streams[index];

    if (k->receiver.used) {
        /* the same stream under a new SSRC, once the old one is quiet */
        if (s->now - k->receiver.packet_at < REPLACE_US && !k->receiver.bye)
            return NULL;
        whip_stream_close(k);
    }
    return whip_stream_open(s, index, ssrc) ? NULL : k;
}

static struct stream *new_video(struct whip_session *s,
                                const struct rtp_packet *p)
{
    const struct rtc_section *v = &s->negotiated.video;
    int layer = -1;

    if (v->rid_count && v->extensions.rid) {
        layer = layer_of_rid(v, p, v->extensions.rid);
    } else {
        layer = free_layer(s);
    }
    return layer < 0 ? NULL : open_stream(s, layer, p->ssrc);
}

/* Which stream does an unknown RTX SSRC repair: the one that its repaired-rid
 * names, the only one, or the one that lacks what it brings. */
static struct stream *new_rtx(struct whip_session *s,
                              const struct rtp_packet *p)
{
    const struct rtc_section *v = &s->negotiated.video;
    int layer = layer_of_rid(v, p, v->extensions.repaired_rid), used = 0;
    uint16_t original;
    struct stream *k = NULL;

    if (p->payload_len < 2) return NULL;
    original = (uint16_t)(p->payload[0] << 8 | p->payload[1]);
    for (int i = 0; layer < 0 && i < LAYERS_MAX; i++) {
        const struct whip_receiver *r = &s->streams[i].receiver;
        used += r->used;
        if (r->used && whip_jitter_is_missing(r->jitter, original)) layer = i;
    }
    if (layer < 0 && used == 1)
        for (int i = 0; i < LAYERS_MAX; i++)
            if (s->streams[i].receiver.used) layer = i;
    if (layer >= 0) k = &s->streams[layer];
    if (!k || !k->receiver.used) return NULL;
    k->receiver.rtx_ssrc = p->ssrc;
    return k;
}

static struct stream *new_stream(struct whip_session *s,
                                 const struct rtp_packet *p, bool *rtx)
{
    const struct rtc_section *a = &s->negotiated.audio;

    if (a->used && p->payload_type == a->opus_payload_type) {
        *rtx = false;
        return open_stream(s, AUDIO_STREAM, p->ssrc);
    }
    if (!is_video(s, p->payload_type, rtx)) return NULL;
    return *rtx ? new_rtx(s, p) : new_video(s, p);
}

/* A stream's packet has one of its kind's payload types: not, for example, the
 * redundant or comfort noise ones, which share the SSRC. */
static bool is_expected(const struct whip_session *s, const struct stream *k,
                        const struct rtp_packet *p, bool rtx)
{
    bool is_rtx;

    if (k->index == AUDIO_STREAM)
        return p->payload_type == s->negotiated.audio.opus_payload_type;
    return is_video(s, p->payload_type, &is_rtx) && is_rtx == rtx;
}

/* RFC 4588 §4: two bytes of the original's number, then its payload. False:
 * there is nothing in it (padding that probes the line). */
static bool unwrap_rtx(struct rtp_packet *p, uint32_t ssrc)
{
    if (p->payload_len < 2) return false;
    p->sequence = (uint16_t)(p->payload[0] << 8 | p->payload[1]);
    p->ssrc = ssrc;
    p->payload += 2;
    p->payload_len -= 2;
    return true;
}

static void record_twcc(struct whip_session *s, const struct rtp_packet *p,
                        int64_t at)
{
    uint8_t id = s->negotiated.video.extensions.transport_cc;
    const struct rtp_extension *x;

    if (!id) id = s->negotiated.audio.extensions.transport_cc;
    if (!s->twcc || !id || id > RTP_EXTENSION_IDS) return;
    x = &p->extensions[id];
    if (!x->data || x->len < 2) return;
    s->twcc_media = p->ssrc;
    twcc_recorder_received(s->twcc, (uint16_t)(x->data[0] << 8 | x->data[1]),
                           at);
}

void whip_session_rtp(struct whip_session *s, uint8_t *data, size_t len,
                      int64_t at)
{
    struct rtp_packet p;
    struct stream *k;
    bool rtx;

    if (rtp_parse(&p, data, len)) {
        s->counts.unknown++;
        return;
    }
    s->now = s->heard_at = at;
    record_twcc(s, &p, at);
    k = find_ssrc(s, p.ssrc, &rtx);
    if (!k) k = new_stream(s, &p, &rtx);
    if (!k || !is_expected(s, k, &p, rtx)) {
        /* RTX that brings nothing probes the line, even before media */
        s->counts.unknown += !rtx || p.payload_len > 2;
        return;
    }
    s->counts.packets++;
    s->media_at = at;
    if (rtx && !unwrap_rtx(&p, k->receiver.ssrc)) return;
    if (!rtx && k->index != AUDIO_STREAM)
        whip_layers_packet(&s->layers, k->index, at);
    whip_receiver_put(&k->receiver, &p, at, rtx);
    whip_stream_drain(k, at);
}

/* --- control and time --- */

void whip_session_rtcp(struct whip_session *s, const uint8_t *data, size_t len,
                       int64_t at)
{
    size_t offset = 0;

    s->now = s->heard_at = at;
    while (!rtcp_next(data, len, &offset, &s->scratch))
        whip_feedback_read(s, &s->scratch, at);
}

/* BYE of one stream may be a layer that was turned off: all must have said
 * it. */
static bool has_left(struct whip_session *s, int64_t now)
{
    int used = 0;

    for (int i = 0; i < STREAMS_MAX; i++) {
        const struct whip_receiver *r = &s->streams[i].receiver;
        used += r->used;
        if (r->used && !r->bye) {
            s->bye_at = 0;
            return false;
        }
    }
    if (used && !s->bye_at) s->bye_at = now;
    return used && now - s->bye_at >= BYE_US;
}

static const char *find_end(struct whip_session *s, int64_t now)
{
    if (!s->started_at) return NULL;
    if (!s->media_at && now - s->started_at >= WHIP_MEDIA_WAIT_US)
        return s->counts.unknown ? "no media of the agreed formats within 10 s"
                                 : "no media within 10 s";
    if (now - s->heard_at >= WHIP_SILENCE_US) return "silent for 30 s";
    if (has_left(s, now)) return "RTCP BYE";
    return NULL;
}

void whip_session_tick(struct whip_session *s, int64_t now)
{
    s->now = now;
    if (!s->end) s->end = find_end(s, now);
    if (s->end || !s->started_at) return;
    for (int i = 0; i < STREAMS_MAX; i++)
        if (s->streams[i].receiver.used) whip_stream_drain(&s->streams[i], now);
    whip_feedback(s, now);
}

int64_t whip_session_due_at(const struct whip_session *s, int64_t now)
{
    int64_t due = now + TICK_MAX_US, at;

    if (s->end || !s->started_at) return due;
    at = whip_feedback_due_at(s, now);
    return at < due ? at : due;
}

void whip_session_want_key(struct whip_session *s, int64_t now)
{
    if (s->layers.current >= 0) s->streams[s->layers.current].key_wished = true;
    s->now = now;
}

/* --- questions --- */

const char *whip_session_end(const struct whip_session *s)
{
    return s->end;
}

bool whip_session_has_media(const struct whip_session *s)
{
    return s->media_at != 0;
}

void whip_session_counts(const struct whip_session *s,
                         struct whip_session_counts *out)
{
    *out = s->counts;
    for (int i = 0; i <= STREAMS_MAX; i++) {
        const struct stream *k = i < STREAMS_MAX ? &s->streams[i] : NULL;
        if (k && !k->receiver.used) continue;
        out->nacked += k ? k->receiver.counts.nacked : s->gone.nacked;
        out->recovered += k ? k->receiver.counts.recovered : s->gone.recovered;
        out->lost += k ? k->receiver.counts.lost : s->gone.lost;
        out->broken += k ? k->depack.counts.broken : s->gone.broken;
        out->malformed += k ? k->depack.counts.malformed : s->gone.malformed;
    }
    out->distrusted = s->clock.distrusted;
}

void whip_session_line(const struct whip_session *s, double *jitter_s,
                       int64_t *rtt_us, int *layer)
{
    int i = s->layers.current < 0 ? AUDIO_STREAM : s->layers.current;
    const struct whip_receiver *r = &s->streams[i].receiver;

    *layer = s->layers.current;
    *jitter_s = r->used ? whip_receiver_jitter_s(r) : 0;
    *rtt_us = r->used ? r->rtt_us : 0;
}
