#include <stdlib.h>
#include <string.h>

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

static void tell_loop(struct link *l)
{
    struct line_news *n = malloc(sizeof *n);

    if (!n) return; /* the next second has it all */
    *n = (struct line_news){srt_link_ref(l), l->line};
    if (!loop_post(l->loop, srt_session_line, n)) return;
    srt_link_give_back(l);
    free(n);
}

static void add_up(struct health_line *to, const SRT_TRACEBSTATS *st)
{
    to->rtt_s = st->msRTT / 1000;
    to->latency_s = st->msRcvTsbPdDelay / 1000.0;
    to->buffer_s = st->msRcvBuf / 1000.0;
    to->bps = st->mbpsRecvRate * 1000000;
    to->packets += (uint64_t)st->pktRecvUnique;
    to->lost += (uint64_t)st->pktRcvLoss;
    to->resent += (uint64_t)st->pktRcvRetrans;
    to->late += (uint64_t)st->pktRcvDrop;
    to->undecrypted += (uint64_t)st->pktRcvUndecrypt;
}

void srt_stats_read(struct link *l)
{
    struct link_metrics *m = &l->metrics;
    SRT_TRACEBSTATS st;

    if (srt_bistats(l->socket, &st, 1, 1)) return;
    add_up(&l->line, &st);
    metric_set(m->rtt, l->line.rtt_s);
    metric_set(m->buffer, l->line.buffer_s);
    metric_set(m->latency, l->line.latency_s);
    metric_set(m->rate, l->line.bps);
    metric_add(m->packets, st.pktRecvUnique);
    metric_add(m->lost, st.pktRcvLoss);
    metric_add(m->retransmitted, st.pktRcvRetrans);
    metric_add(m->dropped, st.pktRcvDrop);
    metric_add(m->undecrypted, st.pktRcvUndecrypt);
    tell_loop(l);
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
