#include "edge/viewer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/rtc/bwe.h"
#include "core/rtc/host.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "core/rtc/twcc.h"
#include "edge/sender.h"

enum {
    AUDIO_BPS = 130000, /* Opus with its headers */
    ESTIMATE_MIN_BPS = 100000,
    ESTIMATE_MAX_BPS = 200000000,
    ADDRESS_MAX = 64,
    CAREFUL_US = 60000000,
};

struct viewer {
    struct list node, pacing;
    struct viewer_room *room;
    struct feed *feed;
    struct viewer_events events;
    struct rtc_peer *peer;
    struct bwe *bwe;
    struct twcc_sender *twcc; /* NULL: not negotiated */
    struct selector selector;
    char pin[TRACK_NAME_MAX], address[ADDRESS_MAX];
    char cname[17];
    bool has_video, has_audio, connected;
    int64_t asked_at, connected_at, joined_at, next_report_at;
    /* A picture is missing since then, while this was the newest keyframe. */
    int64_t missing_at;
    uint64_t missing_key, mended_key;
    int shown;         /* index, as last told to the selector */
    int paced;         /* index the pacer's rate is for */
    int64_t floor_bps; /* the least that is of use */
    uint32_t plis;
    struct sender_counts told; /* to the metrics */
    struct sender sender;
};

/* --- what viewers share ------------------------------------------------------
 */

int viewer_room_init(struct viewer_room *r, struct rtc_host *host,
                     struct metrics *m)
{
    static const double joins[] = {0.05, 0.1, 0.2, 0.3, 0.5,
                                   0.75, 1,   1.5, 2,   4};
    const int count = sizeof joins / sizeof *joins;
    char label[32];

    *r = (struct viewer_room){.loop = rtc_host_loop(host), .host = host};
    list_init(&r->pacing);
    r->rtcp = malloc(sizeof *r->rtcp);
    r->samples = malloc(RTCP_TWCC_MAX * sizeof *r->samples);
    if (!r->rtcp || !r->samples) {
        viewer_room_release(r);
        return ERR_NOMEM;
    }
    snprintf(label, sizeof label, "loop=\"%d\"", loop_index(r->loop));
    r->viewers = metrics_gauge(m, "lectern_whep_viewers",
                               "Viewers who watch in real time.", label);
    r->packets = metrics_counter(m, "lectern_whep_packets_total",
                                 "RTP packets sent to viewers.", NULL);
    r->bytes = metrics_counter(m, "lectern_whep_bytes_total",
                               "Bytes of RTP sent to viewers.", NULL);
    r->resent = metrics_counter(m, "lectern_whep_retransmits_total",
                                "Packets that viewers asked for again.", NULL);
    r->plis = metrics_counter(m, "lectern_whep_plis_total",
                              "Keyframes that viewers asked for.", NULL);
    r->switches = metrics_counter(m, "lectern_whep_switches_total",
                                  "Changes of a viewer's rendition.", NULL);
    r->dropped = metrics_counter(m, "lectern_whep_dropped_frames_total",
                                 "Frames skipped for viewers who lag.", NULL);
    r->join_seconds = metrics_histogram(
        m, "lectern_whep_join_seconds",
        "From the request to the first picture sent.", NULL, joins, count);
    return 0;
}

void viewer_room_release(struct viewer_room *r)
{
    free(r->rtcp);
    free(r->samples);
    *r = (struct viewer_room){0};
}

/* --- sending -----------------------------------------------------------------
 */

static const struct feed_rendition *rendition(const struct viewer *v, int index)
{
    return index < 0 ? NULL : &v->feed->renditions[index];
}

/* 0: nothing is known yet. */
static uint32_t target_bps(const struct viewer *v)
{
    const struct bwe_estimate *e = bwe_estimate(v->bwe);

    if (e->state == BWE_STARTING) return 0;
    int64_t bps = e->target_bps - (v->has_audio ? AUDIO_BPS : 0);
    return bps < 1 ? 1 : (uint32_t)bps;
}

static uint8_t *sink_room(size_t size, void *arg)
{
    struct viewer *v = arg;

    return rtc_peer_packet(v->peer, size);
}

static void sink_seal(size_t header_len, size_t size, void *arg)
{
    struct viewer *v = arg;

    rtc_peer_seal(v->peer, header_len, size);
}

static uint16_t sink_count(size_t size, uint8_t probe, int64_t now_at,
                           void *arg)
{
    struct viewer *v = arg;

    bwe_sent(v->bwe, (int64_t)size, now_at);
    return v->twcc ? twcc_sender_sent(v->twcc, size, probe, now_at) : 0;
}

static void send_reports(struct viewer *v, int64_t now_at)
{
    struct builder b;

    v->next_report_at = now_at + VIEWER_REPORT_US;
    for (int video = 0; video < 2; video++) {
        if (video ? !v->sender.video.packets : !v->sender.audio.packets)
            continue;
        builder_init(&b, RTCP_MAX);
        sender_report(&v->sender, video, v->cname, now_at, &b);
        if (!b.err) rtc_peer_send_rtcp(v->peer, builder_data(&b), b.len);
        builder_release(&b);
    }
}

static void note_joined(struct viewer *v, int64_t now_at)
{
    const struct feed_rendition *r = rendition(v, v->sender.current);
    char path[72] = "";

    v->joined_at = now_at;
    metric_observe(v->room->join_seconds, (double)(now_at - v->asked_at) / 1e6);
    rtc_peer_path_text(v->peer, path);
    log_info("whep", "viewer_joined", log_s("stream", feed_channel(v->feed)),
             log_s("viewer", v->address),
             log_s("rendition", r ? r->info.name : "none"), log_s("path", path),
             log_i("join_ms", (now_at - v->asked_at) / 1000));
}

static void pace_for(struct viewer *v, int64_t now_at)
{
    const struct feed_rendition *r = rendition(v, v->sender.current);
    int64_t target = target_bps(v);

    v->paced = v->sender.current;
    if (!r) return;
    int64_t bps = feed_need_bps(r);
    if (bps < r->info.bitrate_bps) bps = r->info.bitrate_bps;
    bps = bps * 5;
    /* A path that overflowed lately gets keyframes as it can take them. */
    const struct bwe_estimate *e = bwe_estimate(v->bwe);
    bool careful = e->lowered_at > 0 && now_at - e->lowered_at < CAREFUL_US;
    if (careful && target * 11 / 10 < bps) bps = target * 11 / 10;
    if (bps < v->floor_bps) bps = v->floor_bps;
    sender_set_rate(&v->sender, bps, careful, now_at);
}

/* Sends what may leave now. */
static void pump(struct viewer *v, int64_t now_at)
{
    if (v->paced != v->sender.current) pace_for(v, now_at);
    bool more = sender_drain(&v->sender, now_at);

    if (!v->joined_at && v->sender.counts.frames) note_joined(v, now_at);
    if (!v->next_report_at && v->sender.video.packets) send_reports(v, now_at);
    if (more == list_is_empty(&v->pacing)) {
        list_unlink(&v->pacing);
        if (more) list_append(&v->room->pacing, &v->pacing);
    }
}

void viewer_room_pace(struct viewer_room *r, int64_t now_at)
{
    LIST_FOREACH_SAFE (node, &r->pacing)
        pump(LIST_ENTRY(node, struct viewer, pacing), now_at);
    rtc_host_flush(r->host);
}

void viewer_unit(struct viewer *v, int index, struct unit *u, int64_t now_at)
{
    struct sender *s = &v->sender;

    if (!v->connected) return;
    sender_unit(s, index, u, now_at);
    if (u->is_video && (index == s->current || index == s->target))
        pump(v, now_at);
    else if (!v->next_report_at && !v->has_video)
        send_reports(v, now_at);
}

/* --- the choice
 * --------------------------------------------------------------- */

/* Pins go by name: the rung of that name may come and go. */
static void apply_pin(struct viewer *v, int64_t now_at)
{
    int index = *v->pin ? feed_find_name(v->feed, v->pin, now_at) : -1;

    selector_pin(&v->selector,
                 index < 0 ? 0 : v->feed->renditions[index].info.id);
}

static struct selector_advice choose(struct viewer *v,
                                     const struct selector_rung *rungs,
                                     int count, int64_t now_at)
{
    uint32_t target = target_bps(v);

    selector_set_rungs(&v->selector, rungs, count);
    apply_pin(v, now_at);
    if (v->shown != v->sender.current && v->sender.current >= 0) {
        v->shown = v->sender.current;
        selector_shows(&v->selector, rendition(v, v->shown)->info.id, now_at);
    }
    struct selector_advice a = selector_tick(&v->selector, target, now_at);
    /* At the top of what there is, or pinned to what cannot be shown. */
    if (count && a.id == rungs[0].id && (!*v->pin || !v->selector.pinned))
        feed_wish_top(v->feed, target ? target : SELECTOR_START_BPS, now_at);
    return a;
}

/* Nothing is shown yet, or no more: the quickest way to a picture. */
static void start(struct viewer *v, uint8_t wanted,
                  const struct selector_rung *rungs, int count, int64_t now_at)
{
    int index = feed_find(v->feed, wanted), stopgap = -1;
    const struct feed_rendition *r = rendition(v, index);

    if (!r) return;
    sender_aim(&v->sender, index, false);
    uint64_t key = sender_cached(r, false);
    for (int i = 0; i < count && r->info.passthrough && !key; i++) {
        int at = feed_find(v->feed, rungs[i].id);
        bool below = rungs[i].bps <= SELECTOR_START_BPS;
        if (stopgap < 0 && below && !rendition(v, at)->info.passthrough)
            stopgap = at;
    }
    if (stopgap >= 0) {
        key = sender_cached(rendition(v, stopgap), false);
        if (key) index = stopgap;
    } else if (!key && r->info.passthrough) {
        key = sender_cached(r, true);
    }
    /* After a break only new pictures will do. */
    if (v->connected && key && !v->sender.started) {
        sender_begin(&v->sender, index, key, now_at);
        return;
    }
    feed_ask(v->feed, feed_find(v->feed, wanted), now_at);
    if (stopgap < 0) return;
    sender_accept(&v->sender, stopgap);
    feed_ask(v->feed, stopgap, now_at);
}

static void probe(struct viewer *v, uint32_t want_bps, int64_t now_at)
{
    if (!want_bps || !v->twcc || !v->sender.conf.rtx_payload_type ||
        !v->sender.video.packets || v->sender.probe_left)
        return;
    if (v->has_audio) want_bps += AUDIO_BPS;
    int64_t bps = bwe_probe_wanted(v->bwe, want_bps, now_at);
    if (bps <= 0) return;
    uint8_t id = bwe_probe_sent(v->bwe, bps, BWE_PROBE_PACKETS, now_at);
    sender_probe(&v->sender, id, bps, BWE_PROBE_PACKETS, now_at);
}

/* The encoder did not answer: the pictures since its keyframe once more. */
static void mend(struct viewer *v, int64_t now_at)
{
    const struct feed_rendition *r = rendition(v, v->sender.current);

    if (!v->missing_at || now_at - v->missing_at < VIEWER_REPLAY_US) return;
    v->missing_at = 0;
    if (!r || r->history.newest_key != v->missing_key) return;
    if (v->mended_key == v->missing_key) return; /* once is enough */
    v->mended_key = v->missing_key;
    uint64_t key = sender_cached(r, true);
    if (key) sender_begin(&v->sender, v->sender.current, key, now_at);
}

static void tell_metrics(struct viewer *v)
{
    const struct sender_counts *c = &v->sender.counts, *t = &v->told;

    metric_add(v->room->packets, (int64_t)(c->packets - t->packets));
    metric_add(v->room->bytes, (int64_t)(c->bytes - t->bytes));
    metric_add(v->room->resent, (int64_t)(c->resent - t->resent));
    metric_add(v->room->switches, (int64_t)(c->switches - t->switches));
    metric_add(v->room->dropped,
               (int64_t)(c->dropped_frames - t->dropped_frames));
    v->told = *c;
}

static void steer(struct viewer *v, const struct selector_rung *rungs,
                  int count, int64_t now_at)
{
    struct selector_advice a = choose(v, rungs, count, now_at);
    int index = feed_find(v->feed, a.id);

    if (index < 0) return;
    v->floor_bps = (int64_t)rungs[count - 1].bps * 3 / 2;
    if (sender_is_awaiting(&v->sender)) {
        start(v, a.id, rungs, count, now_at);
        return;
    }
    sender_aim(&v->sender, index, a.hurry);
    if (index != v->sender.current) {
        uint64_t key = sender_cached(rendition(v, index), false);
        if (key)
            sender_aim_at(&v->sender, key, now_at);
        else if (a.hurry)
            feed_ask(v->feed, index, now_at);
    }
    probe(v, a.want_bps, now_at);
}

void viewer_tick(struct viewer *v, const struct selector_rung *rungs, int count,
                 int64_t now_at)
{
    if (!v->connected) return;
    bwe_tick(v->bwe, now_at);
    if (v->has_video) {
        steer(v, rungs, count, now_at);
        mend(v, now_at);
        pace_for(v, now_at);
        pump(v, now_at);
    }
    if (v->next_report_at && now_at >= v->next_report_at)
        send_reports(v, now_at);
    tell_metrics(v);
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
    const struct feed_rendition *r = rendition(v, v->sender.current);

    v->plis++;
    metric_add(v->room->plis, 1);
    if (!r) return;
    feed_ask(v->feed, v->sender.current, now_at);
    if (v->missing_at || !r->info.passthrough) return;
    v->missing_at = now_at;
    v->missing_key = r->history.newest_key;
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
        if (!v->twcc) break;
        bwe_samples(
            v->bwe, v->room->samples,
            twcc_sender_match(v->twcc, p, v->room->samples, RTCP_TWCC_MAX),
            now_at);
        break;
    default: break;
    }
}

static void on_rtcp(uint8_t *data, size_t len, int64_t at, void *arg)
{
    struct viewer *v = arg;
    size_t offset = 0;

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
        .sink = {sink_room, sink_seal, sink_count, v},
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

/* What is no rendition's name pins nothing. */
static void set_pin(struct viewer *v, const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    bool is_name = strcmp(name, "auto") && !name[strspn(name, letters)];

    snprintf(v->pin, sizeof v->pin, "%s", is_name ? name : "");
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
    set_pin(v, conf->rendition);
    selector_init(&v->selector, now_at);
    err = init_sender(v, conf->negotiated, now_at);
    if (!err) err = init_transport(v, conf->negotiated);
    if (err) {
        release(v);
        return err;
    }
    if (v->has_video) { /* the keyframe is made while keys are exchanged */
        int count = feed_ladder(v->feed, now_at, rungs);
        steer(v, rungs, count, now_at);
    }
    *out = v;
    return 0;
}

static void log_end(struct viewer *v, const char *reason)
{
    int shown = v->sender.current >= 0 ? v->sender.current : v->shown;
    const struct feed_rendition *r = rendition(v, shown);
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
    tell_metrics(last);
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

int viewer_pin(struct viewer *v, const char *name, int64_t now_at)
{
    const struct feed_rendition *dormant = feed_dormant(v->feed, now_at);

    if (strcmp(name, "auto") && feed_find_name(v->feed, name, now_at) < 0 &&
        (!dormant || strcmp(dormant->info.name, name)))
        return ERR_NOTFOUND;
    set_pin(v, name);
    return 0;
}

static void describe_rendition(const struct feed_rendition *r,
                               struct builder *out)
{
    builder_printf(
        out, "{\"name\":\"%s\",\"width\":%u,\"height\":%u,\"bps\":%u}",
        r->info.name, r->info.width, r->info.height, feed_need_bps(r));
}

void viewer_describe(const struct viewer *v, int64_t now_at,
                     struct builder *out)
{
    const struct feed_rendition *r = rendition(v, v->sender.current);
    const struct bwe_estimate *e = bwe_estimate(v->bwe);
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    int count = feed_ladder(v->feed, now_at, rungs);
    const struct feed_rendition *dormant = feed_dormant(v->feed, now_at);

    /* Names are [a-z0-9_-]: nothing to escape. */
    builder_printf(out, "{\"rendition\":\"%s\",\"auto\":%s,\"pinned\":\"%s\"",
                   r ? r->info.name : "", *v->pin ? "false" : "true", v->pin);
    builder_text(out, ",\"renditions\":[");
    if (dormant) describe_rendition(dormant, out);
    for (int i = 0; i < count; i++) {
        if (i || dormant) builder_text(out, ",");
        describe_rendition(rendition(v, feed_find(v->feed, rungs[i].id)), out);
    }
    builder_printf(
        out, "],\"estimate_bps\":%lld,\"rtt_ms\":%lld,\"loss\":%.3f}",
        (long long)e->target_bps, (long long)(e->rtt_us / 1000), e->loss);
}
