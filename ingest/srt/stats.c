#include <string.h>

#include "core/base/log.h"
#include "core/loop/loop.h"
#include "ingest/srt/server_priv.h"

static struct metric *gauge(struct link *l, const char *name, const char *help)
{
    char labels[128] = "";

    metric_label(labels, sizeof labels, "channel", l->channel);
    return metrics_gauge(l->server->metrics, name, help, labels);
}

static struct metric *counter(struct link *l, const char *name,
                              const char *help)
{
    char labels[128] = "";

    metric_label(labels, sizeof labels, "channel", l->channel);
    return metrics_counter(l->server->metrics, name, help, labels);
}

void srt_stats_open(struct link *l)
{
    struct link_metrics *m = &l->metrics;

    m->rtt = gauge(l, "lectern_srt_rtt_seconds", "Round trip to the sender.");
    m->buffer = gauge(l, "lectern_srt_buffer_seconds",
                      "Media held back until its time has come.");
    m->latency = gauge(l, "lectern_srt_latency_seconds",
                       "Latency agreed with the sender.");
    m->rate = gauge(l, "lectern_srt_receive_bps", "Rate of what comes in.");
    m->packets =
        counter(l, "lectern_srt_packets_total", "Packets received, each once.");
    m->lost = counter(l, "lectern_srt_lost_packets_total",
                      "Packets missed at first.");
    m->retransmitted = counter(l, "lectern_srt_retransmitted_packets_total",
                               "Packets that came by retransmission.");
    m->dropped = counter(l, "lectern_srt_dropped_packets_total",
                         "Packets that did not come in time: visible damage.");
    m->undecrypted = counter(l, "lectern_srt_undecrypted_packets_total",
                             "Packets that could not be decrypted.");
}

/* The first damage to each connection is worth a line: there is a cure. */
static void say_late(struct link *l, const SRT_TRACEBSTATS *st)
{
    l->late += st->pktRcvDrop;
    if (l->said_late || !st->pktRcvDrop) return;
    l->said_late = true;
    log_warn("srt", "packets_too_late", log_s("channel", l->channel),
             log_s("peer", l->peer), log_i("dropped", st->pktRcvDrop),
             log_f("rtt_ms", st->msRTT),
             log_i("latency_ms", st->msRcvTsbPdDelay),
             log_s("cure", "let the sender ask for a latency of 4 round trips "
                           "or more"));
}

void srt_stats_read(struct link *l)
{
    struct link_metrics *m = &l->metrics;
    SRT_TRACEBSTATS st;

    if (srt_bistats(l->socket, &st, 1, 1)) return;
    metric_set(m->rtt, st.msRTT / 1000);
    metric_set(m->buffer, st.msRcvBuf / 1000.0);
    metric_set(m->latency, st.msRcvTsbPdDelay / 1000.0);
    metric_set(m->rate, st.mbpsRecvRate * 1000000);
    metric_add(m->packets, st.pktRecvUnique);
    metric_add(m->lost, st.pktRcvLoss);
    metric_add(m->retransmitted, st.pktRcvRetrans);
    metric_add(m->dropped, st.pktRcvDrop);
    metric_add(m->undecrypted, st.pktRcvUndecrypt);
    say_late(l, &st);
}

/* A successor on the same channel goes on with the same metrics. */
static bool is_shared(const struct link *l)
{
    LIST_FOREACH (it, &l->server->links) {
        const struct link *other = LIST_ENTRY(it, struct link, node);
        if (other != l && !other->ended && !strcmp(other->channel, l->channel))
            return true;
    }
    return false;
}

void srt_stats_close(struct link *l)
{
    struct link_metrics *m = &l->metrics;
    struct metrics *all = l->server->metrics;

    if (is_shared(l)) return;
    metric_remove(all, &m->rtt);
    metric_remove(all, &m->buffer);
    metric_remove(all, &m->latency);
    metric_remove(all, &m->rate);
}
