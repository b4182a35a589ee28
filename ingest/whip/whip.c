#include "ingest/whip/whip.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/rtc/desk.h"
#include "core/rtc/host.h"
#include "ingest/whip/whip_priv.h"

enum {
    SESSIONS_MAX = 1000, /* of one loop; policy: 503 */
    PENDING_MAX = 256,
    LOOPS_MAX = 256,
};

static void make_metrics(struct whip *w, struct metrics *m)
{
    static const double bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02,
                                    0.05,  0.1,   0.2,   0.5};

    w->metrics = m;
    w->m_opened = metrics_counter(m, "lectern_whip_sessions_total",
                                  "WHIP sessions that were accepted.", NULL);
    w->m_closed = metrics_counter(m, "lectern_whip_sessions_closed_total",
                                  "WHIP sessions that ended.", NULL);
    w->m_packets = metrics_counter(m, "lectern_whip_packets_total",
                                   "RTP packets from publishers.", NULL);
    w->m_unknown = metrics_counter(m, "lectern_whip_unknown_packets_total",
                                   "RTP packets of no stream agreed on.", NULL);
    w->m_nacked = metrics_counter(m, "lectern_whip_nacked_total",
                                  "RTP packets asked for again.", NULL);
    w->m_recovered = metrics_counter(
        m, "lectern_whip_recovered_total",
        "RTP packets that came after they were asked for.", NULL);
    w->m_lost = metrics_counter(m, "lectern_whip_lost_total",
                                "RTP packets given up.", NULL);
    w->m_plis = metrics_counter(m, "lectern_whip_key_requests_total",
                                "Keyframes asked for (PLI, FIR).", NULL);
    w->m_left_out = metrics_counter(
        m, "lectern_whip_left_out_frames_total",
        "Frames left out between a loss and the next keyframe.", NULL);
    w->m_broken = metrics_counter(m, "lectern_whip_broken_frames_total",
                                  "Frames that lacked packets.", NULL);
    w->m_malformed =
        metrics_counter(m, "lectern_whip_malformed_payloads_total",
                        "RTP payloads and frames against their format.", NULL);
    w->m_switches =
        metrics_counter(m, "lectern_whip_layer_switches_total",
                        "Changes of the simulcast layer taken.", NULL);
    w->m_jitter = metrics_histogram(
        m, "lectern_whip_jitter_seconds",
        "Interarrival jitter (RFC 3550 A.8) of the video taken, each second.",
        NULL, bounds, sizeof bounds / sizeof *bounds);
}

static void on_offer(struct rtc_ticket *t, void *arg)
{
    struct whip *w = arg;

    if (w->draining)
        rtc_ticket_refuse(t, 503, 5, "The server is shutting down.");
    else
        whip_connection_open(w, t);
}

int whip_create(struct whip **out, const struct whip_conf *conf)
{
    struct whip *w = calloc(1, sizeof *w);
    struct rtc_desk_conf desk = {
        .host = conf->host,
        .prefix = "/whip/",
        .on_offer = on_offer,
        .on_delete = whip_connection_delete,
        .arg = w,
        .pending_per_address = conf->pending_per_address,
        .pending_max = PENDING_MAX,
        .sessions_max = SESSIONS_MAX,
        .metrics = conf->metrics,
    };
    int err;

    if (!w) return ERR_NOMEM;
    w->host = conf->host;
    w->loop = rtc_host_loop(conf->host);
    w->door = *conf->door;
    list_init(&w->connections);
    make_metrics(w, conf->metrics);
    err = rtc_desk_create(&w->desk, &desk);
    if (err) {
        free(w);
        return err;
    }
    *out = w;
    return 0;
}

void whip_set_peers(struct whip *w, struct whip *const *all, int count)
{
    struct rtc_desk *desks[LOOPS_MAX];

    if (count > LOOPS_MAX) count = LOOPS_MAX;
    for (int i = 0; i < count; i++)
        desks[i] = all[i]->desk;
    rtc_desk_set_peers(w->desk, desks, count);
}

int whip_serve(struct whip *w, struct server *s)
{
    return rtc_desk_serve(w->desk, s);
}

void whip_drain(struct whip *w)
{
    w->draining = true;
    whip_connections_close(w, "the server is shutting down");
}

void whip_free(struct whip **out)
{
    struct whip *w = *out;

    *out = NULL;
    if (!w) return;
    whip_connections_close(w, "the server is shutting down");
    rtc_desk_free(&w->desk);
    free(w);
}
