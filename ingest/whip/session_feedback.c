#include "core/base/err.h"
#include "core/rtc/twcc.h"
#include "ingest/whip/session_priv.h"

enum {
    REPORT_US = 1000000,
    NACKS_MAX = 128, /* of one stream at a time */
    PROBE_MAX = 5,   /* requests to learn a layer's size */
};

/* --- what the sender says --- */

static struct stream *find(struct whip_session *s, uint32_t ssrc)
{
    for (int i = 0; i < STREAMS_MAX; i++)
        if (s->streams[i].receiver.used && s->streams[i].receiver.ssrc == ssrc)
            return &s->streams[i];
    return NULL;
}

void whip_feedback_read(struct whip_session *s, const struct rtcp_packet *p,
                        int64_t at)
{
    struct stream *k;

    switch (p->type) {
    case RTCP_SR:
        k = find(s, p->sender_ssrc);
        if (!k) return;
        whip_receiver_sr(&k->receiver, p->sender.ntp, at);
        whip_clock_report(&s->clock, k->index, p->sender.ntp,
                          p->sender.rtp_timestamp);
        return;
    case RTCP_BYE:
        for (int i = 0; i < p->count; i++) {
            k = find(s, p->v.ssrcs[i]);
            if (k) k->receiver.bye = true;
        }
        return;
    default: return;
    }
}

/* --- what we say --- */

/* A compound begins with a report (RFC 3550 §6.1), be it empty, unless
 * reduced size was agreed on (RFC 5506). */
static void begin(struct whip_session *s, struct builder *b)
{
    builder_init(b, RTCP_MAX);
    if (!s->reduced_size) rtcp_write_rr(b, s->ssrc, NULL, 0);
}

static void finish(struct whip_session *s, struct builder *b)
{
    if (!b->err && b->len)
        s->events.on_rtcp(builder_data(b), b->len, s->events.arg);
    builder_release(b);
}

static void send_reports(struct whip_session *s, int64_t now)
{
    const struct rtc_section *v = &s->negotiated.video;
    struct rtcp_report reports[STREAMS_MAX];
    uint32_t media[STREAMS_MAX];
    int count = 0, videos = 0;
    struct builder b;

    for (int i = 0; i < STREAMS_MAX; i++) {
        struct whip_receiver *r = &s->streams[i].receiver;
        if (!r->used || !r->received) continue;
        whip_receiver_report(r, now, &reports[count++]);
        if (i != AUDIO_STREAM) media[videos++] = r->ssrc;
    }
    if (!count) return;
    builder_init(&b, RTCP_MAX);
    rtcp_write_rr(&b, s->ssrc, reports, count);
    rtcp_write_sdes(&b, s->ssrc, "lectern");
    if (videos && v->remb && !s->twcc)
        rtcp_write_remb(&b, s->ssrc, WHIP_WISHED_BPS, media, videos);
    finish(s, &b);
}

/* Layers that are not looked at are not repaired. */
static bool is_of_use(const struct whip_session *s, const struct stream *k,
                      int64_t now)
{
    int wanted = whip_layers_wanted(&s->layers, now);

    return k->index == AUDIO_STREAM || s->layers.current < 0 ||
           k->index == s->layers.current || k->index == wanted;
}

static void send_nacks(struct whip_session *s, struct stream *k, int64_t now)
{
    uint16_t missing[NACKS_MAX];
    struct builder b;
    int n = whip_receiver_nacks(&k->receiver, now, missing, NACKS_MAX);

    if (!n) return;
    if (!is_of_use(s, k, now)) {
        k->receiver.counts.nacked -= (uint64_t)n;
        return;
    }
    begin(s, &b);
    rtcp_write_nack(&b, s->ssrc, k->receiver.ssrc, missing, n);
    finish(s, &b);
}

/* When a keyframe of this stream is to be asked for; INT64_MAX: it is not. */
static int64_t key_due_at(const struct whip_session *s, const struct stream *k,
                          int64_t now)
{
    int wanted = whip_layers_wanted(&s->layers, now);
    bool chosen = k->index == s->layers.current || s->layers.current < 0;

    if (k->index == AUDIO_STREAM) return INT64_MAX;
    if (!s->negotiated.video.pli && !s->negotiated.video.fir) return INT64_MAX;
    if (!whip_layers_flows(&s->layers, k->index, now)) return INT64_MAX;
    if (chosen && k->need_key) return k->pli_at + WHIP_KEY_AGAIN_US;
    if (chosen && k->key_wished) return k->pli_at + WHIP_PLI_US;
    if (k->index == wanted && !chosen) return k->pli_at + WHIP_PLI_US;
    /* a layer of which nothing is known yet */
    return !s->layers.layers[k->index].area && k->probes < PROBE_MAX
               ? k->pli_at + WHIP_KEY_AGAIN_US
               : INT64_MAX;
}

static void send_pli(struct whip_session *s, struct stream *k, int64_t now)
{
    struct builder b;

    if (now < key_due_at(s, k, now)) return;
    begin(s, &b);
    if (s->negotiated.video.pli)
        rtcp_write_pli(&b, s->ssrc, k->receiver.ssrc);
    else
        rtcp_write_fir(&b, s->ssrc, k->receiver.ssrc, k->fir_number++);
    finish(s, &b);
    if (!s->layers.layers[k->index].area) k->probes++;
    k->key_wished = false;
    k->pli_at = now;
    s->counts.plis++;
}

static void send_twcc(struct whip_session *s, int64_t now)
{
    struct builder b;
    bool more = now >= twcc_recorder_deadline(s->twcc);

    while (more) {
        begin(s, &b);
        more = twcc_recorder_write(s->twcc, &b, s->ssrc, s->twcc_media);
        if (!more) {
            builder_release(&b);
            return;
        }
        more = !b.err;
        finish(s, &b);
    }
}

void whip_feedback(struct whip_session *s, int64_t now)
{
    if (now >= s->report_at) {
        send_reports(s, now);
        s->report_at = now + REPORT_US;
    }
    for (int i = 0; i < STREAMS_MAX; i++) {
        struct stream *k = &s->streams[i];
        if (!k->receiver.used) continue;
        send_nacks(s, k, now);
        send_pli(s, k, now);
    }
    if (s->twcc) send_twcc(s, now);
}

int64_t whip_feedback_due_at(const struct whip_session *s, int64_t now)
{
    int64_t due = s->report_at, at;

    for (int i = 0; i < STREAMS_MAX; i++) {
        const struct stream *k = &s->streams[i];
        if (!k->receiver.used) continue;
        at = whip_receiver_deadline(&k->receiver);
        if (at < due) due = at;
        at = key_due_at(s, k, now);
        if (at < due) due = at;
    }
    if (!s->twcc) return due;
    at = twcc_recorder_deadline(s->twcc);
    return at < due ? at : due;
}
