#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/rtc/host.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "edge/viewer_priv.h"

enum {
    ESTIMATE_MIN_BPS = 100000,
    ESTIMATE_MAX_BPS = 200000000,
};

void viewer_tick(struct viewer *v, const struct selector_rung *rungs, int count,
                 int64_t now_at)
{
    if (!v->connected) return;
    bool is_heard = now_at - rtc_peer_heard_at(v->peer) < VIEWER_AWAY_US;
    if (!is_heard && !v->away) viewer_pause(v);
    if (is_heard && v->away) viewer_resume(v, now_at);
    if (v->away) return;
    bwe_tick(v->bwe, now_at);
    if (v->has_video) {
        viewer_steer(v, rungs, count, now_at);
        viewer_mend(v, now_at);
        viewer_pace(v, now_at);
        viewer_pump(v, now_at);
    }
    if (v->next_report_at && now_at >= v->next_report_at)
        viewer_report(v, now_at);
    viewer_tell_metrics(v);
}

/* --- what the viewer says
 * ------------------------------------------------------ */

static void on_reports(struct viewer *v, const struct rtcp_packet *p,
                       int64_t now_at)
{
    const struct bus_conf *bus = bus_conf(v->feed->bus);
    uint64_t ntp =
        rtp_ntp_of_wall(bus->origin_wall_us + now_at - bus->origin_at);
    uint32_t ssrc = v->has_video ? v->sender.video.ssrc : v->sender.audio.ssrc;

    for (int i = 0; i < p->count; i++) {
        const struct rtcp_report *r = &p->v.reports[i];
        if (r->ssrc != ssrc) continue;
        bwe_report(v->bwe, r->fraction_lost, bwe_rtt_of_report(r, ntp), now_at);
    }
}

static void on_key_wanted(struct viewer *v, int64_t now_at)
{
    const struct feed_rendition *r = viewer_rendition(v, v->sender.current);

    v->plis++;
    metric_add(v->room->plis, 1);
    if (!r) return;
    feed_ask(v->feed, v->sender.current, now_at);
    if (v->missing_at || !r->info.passthrough) return;
    v->missing_at = now_at;
    v->missing_key = r->history.newest_key;
}

static void on_feedback(struct viewer *v, const struct rtcp_packet *p,
                        int64_t now_at)
{
    struct twcc_sample *samples = v->room->samples;
    int count = twcc_sender_match(v->twcc, p, samples, RTCP_TWCC_MAX);

    bwe_samples(v->bwe, samples, count, now_at);
    burst_samples(&v->burst, samples, count);
}

static void on_packet(struct viewer *v, const struct rtcp_packet *p,
                      int64_t now_at)
{
    switch (p->type) {
    case RTCP_SR:
    case RTCP_RR: on_reports(v, p, now_at); break;
    case RTCP_NACK:
        if (p->media_ssrc != v->sender.video.ssrc) break;
        for (int i = 0; i < p->count; i++)
            sender_nack(&v->sender, p->v.nacks[i], bwe_estimate(v->bwe)->rtt_us,
                        now_at);
        break;
    case RTCP_PLI:
    case RTCP_FIR: on_key_wanted(v, now_at); break;
    case RTCP_REMB: bwe_remb(v->bwe, p->remb_bps, now_at); break;
    case RTCP_TWCC:
        if (v->twcc) on_feedback(v, p, now_at);
        break;
    default: break;
    }
}

static void on_rtcp(uint8_t *data, size_t len, int64_t at, void *arg)
{
    struct viewer *v = arg;
    size_t offset = 0;

    if (v->away) viewer_resume(v, at);
    while (!rtcp_next(data, len, &offset, v->room->rtcp))
        on_packet(v, v->room->rtcp, at);
    rtc_host_flush(v->room->host);
}

static void on_rtp(uint8_t *data, size_t len, int64_t at, void *arg)
{
    (void)data;
    (void)len;
    (void)at;
    (void)arg; /* a viewer has nothing to send us */
}

static void on_connected(void *arg)
{
    struct viewer *v = arg;
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    int64_t now_at = loop_now(v->room->loop);
    int count = feed_ladder(v->feed, now_at, rungs);

    v->connected = true;
    v->connected_at = now_at;
    v->events.on_connected(v, v->events.arg);
    viewer_tick(v, rungs, count, now_at);
    rtc_host_flush(v->room->host);
}

static void on_closed(const char *reason, void *arg)
{
    struct viewer *v = arg;

    v->connected = false;
    v->events.on_closed(v, reason, v->events.arg);
}

/* --- life
 * ----------------------------------------------------------------------- */

static int random_numbers(void *out, size_t size)
{
    return getrandom(out, size, 0) == (ssize_t)size ? 0 : ERR_IO;
}

static int init_sender(struct viewer *v, const struct rtc_negotiated *n,
                       int64_t now_at)
{
    const struct rtc_section *video = &n->video, *audio = &n->audio;
    struct {
        uint32_t ssrcs[3], bases[2];
        uint16_t sequences[3];
        uint64_t cname;
    } r;
    int err = random_numbers(&r, sizeof r);

    if (err) return err;
    struct sender_conf c = {
        .feed = v->feed,
        .sink = viewer_sink(v),
        /* Apart from each other, and never 0. */
        .video_ssrc = (r.ssrcs[0] & ~3U) | 1,
        .rtx_ssrc = (r.ssrcs[1] & ~3U) | 2,
        .audio_ssrc = (r.ssrcs[2] & ~3U) | 3,
        .video_base = r.bases[0],
        .audio_base = r.bases[1],
        .video_sequence = r.sequences[0] & 0x7fff, /* RFC 3711 §3.3.1 */
        .rtx_sequence = r.sequences[1] & 0x7fff,
        .audio_sequence = r.sequences[2] & 0x7fff,
    };
    if (video->used) {
        c.video_payload_type = video->h264[0].payload_type;
        c.rtx_payload_type = video->h264[0].rtx_payload_type;
        c.video_nack = video->nack;
        if (video->transport_cc)
            c.video_transport_cc = video->extensions.transport_cc;
        c.playout_delay = video->extensions.playout_delay;
        c.abs_capture_time = video->extensions.abs_capture_time;
    }
    if (audio->used) {
        c.audio_payload_type = audio->opus_payload_type;
        if (audio->transport_cc)
            c.audio_transport_cc = audio->extensions.transport_cc;
    }
    sender_init(&v->sender, &c, now_at);
    snprintf(v->cname, sizeof v->cname, "%016llx", (unsigned long long)r.cname);
    return 0;
}

static int init_transport(struct viewer *v, const struct rtc_negotiated *n)
{
    struct bwe_conf bwe = {
        .start_bps = SELECTOR_START_BPS,
        .min_bps = ESTIMATE_MIN_BPS,
        .max_bps = ESTIMATE_MAX_BPS,
    };
    struct rtc_peer_conf peer = {
        .host = v->room->host,
        .dtls_client = n->dtls_client,
        .remote = n->remote,
        .fingerprint = n->fingerprint,
        .events = {on_connected, on_rtp, on_rtcp, on_closed, v},
    };
    int err = bwe_create(&v->bwe, &bwe);

    if (!err && (v->sender.conf.video_transport_cc ||
                 v->sender.conf.audio_transport_cc))
        err = twcc_sender_create(&v->twcc);
    return err ? err : rtc_peer_create(&v->peer, &peer);
}

static void release(struct viewer *v)
{
    list_unlink(&v->node);
    list_unlink(&v->pacing);
    rtc_peer_free(&v->peer);
    bwe_free(&v->bwe);
    twcc_sender_free(&v->twcc);
    free(v);
}

int viewer_create(struct viewer **out, const struct viewer_conf *conf)
{
    struct viewer *v = calloc(1, sizeof *v);
    int64_t now_at = loop_now(conf->room->loop);
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    int err;

    if (!v) return ERR_NOMEM;
    list_init(&v->node);
    list_init(&v->pacing);
    v->room = conf->room;
    v->feed = conf->feed;
    v->events = conf->events;
    v->asked_at = conf->asked_at;
    v->has_video = conf->negotiated->video.used;
    v->has_audio = conf->negotiated->audio.used;
    v->shown = v->paced = -1;
    snprintf(v->address, sizeof v->address, "%s", conf->address);
    viewer_set_pin(v, conf->rendition);
    selector_init(&v->selector, now_at);
    err = init_sender(v, conf->negotiated, now_at);
    if (!err) err = init_transport(v, conf->negotiated);
    if (err) {
        release(v);
        return err;
    }
    if (v->has_video) { /* the keyframe is made while keys are exchanged */
        int count = feed_ladder(v->feed, now_at, rungs);
        viewer_steer(v, rungs, count, now_at);
    }
    *out = v;
    return 0;
}

static void log_end(struct viewer *v, const char *reason)
{
    int shown = v->sender.current >= 0 ? v->sender.current : v->shown;
    const struct feed_rendition *r = viewer_rendition(v, shown);
    const struct sender_counts *c = &v->sender.counts;
    int64_t now_at = loop_now(v->room->loop);
    char path[72] = "";

    rtc_peer_path_text(v->peer, path);
    log_info(
        "whep", "viewer_left", log_s("stream", feed_channel(v->feed)),
        log_s("viewer", v->address), log_s("why", reason),
        log_s("rendition", r ? r->info.name : "none"), log_s("path", path),
        log_i("ms",
              now_at - v->asked_at > 0 ? (now_at - v->asked_at) / 1000 : 0),
        log_i("join_ms",
              v->joined_at ? (v->joined_at - v->asked_at) / 1000 : -1),
        log_i("bytes", (int64_t)c->bytes), log_i("resent", (int64_t)c->resent),
        log_i("switches", c->switches), log_i("plis", v->plis),
        log_i("dropped", (int64_t)c->dropped_frames));
}

void viewer_free(struct viewer **v, const char *reason)
{
    struct viewer *last = *v;

    *v = NULL;
    if (!last) return;
    viewer_tell_metrics(last);
    log_end(last, reason);
    release(last);
}

struct rtc_peer *viewer_peer(struct viewer *v)
{
    return v->peer;
}

void viewer_answer(const struct viewer *v, struct rtc_answer *out)
{
    out->local = rtc_peer_credentials(v->peer);
    out->video_ssrc = v->sender.conf.video_ssrc;
    out->rtx_ssrc =
        v->sender.conf.rtx_payload_type ? v->sender.conf.rtx_ssrc : 0;
    out->audio_ssrc = v->sender.conf.audio_ssrc;
    out->cname = v->cname;
}

const char *viewer_channel(const struct viewer *v)
{
    return feed_channel(v->feed);
}

struct list *viewer_node(struct viewer *v)
{
    return &v->node;
}

struct viewer *viewer_of_node(struct list *node)
{
    return LIST_ENTRY(node, struct viewer, node);
}
