#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/rtc/host.h"
#include "core/rtc/rtcp.h"
#include "edge/viewer_priv.h"

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
    r->away =
        metrics_counter(m, "lectern_whep_away_total",
                        "Viewers who fell silent and were sent nothing.", NULL);
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

/* --- sending ------------------------------------------------------ */

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

struct sender_sink viewer_sink(struct viewer *v)
{
    return (struct sender_sink){sink_room, sink_seal, sink_count, v};
}

void viewer_report(struct viewer *v, int64_t now_at)
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

void viewer_pause(struct viewer *v)
{
    v->away = true;
    v->missing_at = 0;
    list_unlink(&v->pacing);
    sender_pause(&v->sender);
    viewer_tell_metrics(v);
    metric_add(v->room->away, 1);
    log_info("whep", "viewer_away", log_s("stream", feed_channel(v->feed)),
             log_s("viewer", v->address),
             log_i("silent_ms", VIEWER_AWAY_US / 1000));
}

void viewer_resume(struct viewer *v, int64_t now_at)
{
    v->away = false;
    if (v->next_report_at) v->next_report_at = now_at;
    log_info("whep", "viewer_back", log_s("stream", feed_channel(v->feed)),
             log_s("viewer", v->address));
}

static void note_joined(struct viewer *v, int64_t now_at)
{
    const struct feed_rendition *r = viewer_rendition(v, v->sender.current);
    char path[72] = "";

    v->joined_at = now_at;
    metric_observe(v->room->join_seconds, (double)(now_at - v->asked_at) / 1e6);
    rtc_peer_path_text(v->peer, path);
    log_info("whep", "viewer_joined", log_s("stream", feed_channel(v->feed)),
             log_s("viewer", v->address),
             log_s("rendition", r ? r->info.name : "none"), log_s("path", path),
             log_i("join_ms", (now_at - v->asked_at) / 1000));
}

/* Sends what may leave now. */
void viewer_pump(struct viewer *v, int64_t now_at)
{
    if (v->paced != v->sender.current) viewer_pace(v, now_at);
    bool more = sender_drain(&v->sender, now_at);

    if (!v->joined_at && v->sender.counts.frames) note_joined(v, now_at);
    if (!v->next_report_at && v->sender.video.packets) viewer_report(v, now_at);
    if (more == list_is_empty(&v->pacing)) {
        list_unlink(&v->pacing);
        if (more) list_append(&v->room->pacing, &v->pacing);
    }
}

void viewer_room_pace(struct viewer_room *r, int64_t now_at)
{
    LIST_FOREACH_SAFE (node, &r->pacing)
        viewer_pump(LIST_ENTRY(node, struct viewer, pacing), now_at);
    rtc_host_flush(r->host);
}

void viewer_unit(struct viewer *v, int index, struct unit *u, int64_t now_at)
{
    struct sender *s = &v->sender;

    if (!v->connected || v->away) return;
    sender_unit(s, index, u, now_at);
    if (u->is_video && (index == s->current || index == s->target))
        viewer_pump(v, now_at);
    else if (!v->next_report_at && !v->has_video)
        viewer_report(v, now_at);
}

void viewer_tell_metrics(struct viewer *v)
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
