#include "ingest/rtmp/server.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/tcp.h"
#include "ingest/rtmp/server_priv.h"

/* A handshake turn, or all a session has to say, as records. */
enum { TLS_OUT_BYTES = 4 * TLS_OUT_MARGIN };

static const char shutting_down[] = "the server is shutting down";

void rtmp_server_limits_default(struct rtmp_server_limits *out)
{
    *out = (struct rtmp_server_limits){1000, 64, 32};
}

/* By error name: sentences may quote the peer, and labels must stay few. */
void rtmp_server_count_refusal(struct rtmp_server *s, int err)
{
    char labels[64] = "";

    metric_label(labels, sizeof labels, "reason", err_name(err));
    metric_add(metrics_counter(s->metrics, "lectern_rtmp_refused_total",
                               "Connections ended before or against a "
                               "publisher's will, by reason.",
                               labels),
               1);
}

void rtmp_server_maybe_done(struct rtmp_server *s)
{
    if (!s->closing || !s->listener_gone || s->count) return;
    if (s->on_done) s->on_done(s->done_arg);
    free(s->io.out);
    free(s);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct rtmp_server *s = listener->data;

    if (status < 0 || s->closing) return;
    rtmp_connection_accept(s);
}

static void make_metrics(struct rtmp_server *s, struct metrics *m)
{
    s->metrics = m;
    s->m_accepted = metrics_counter(m, "lectern_rtmp_connections_total",
                                    "RTMP connections accepted.", NULL);
    s->m_closed = metrics_counter(m, "lectern_rtmp_connections_closed_total",
                                  "RTMP connections that ended.", NULL);
    s->m_bytes_in = metrics_counter(m, "lectern_rtmp_received_bytes_total",
                                    "Bytes from RTMP clients.", NULL);
    s->m_bytes_out = metrics_counter(m, "lectern_rtmp_sent_bytes_total",
                                     "Bytes to RTMP clients.", NULL);
    s->m_dropped =
        metrics_counter(m, "lectern_rtmp_dropped_messages_total",
                        "Media messages malformed or out of order.", NULL);
    s->m_unsupported = metrics_counter(
        m, "lectern_rtmp_unsupported_messages_total",
        "Media messages of codecs and forms we do not take.", NULL);
    s->m_enhanced = metrics_counter(
        m, "lectern_rtmp_enhanced_messages_total",
        "Unsupported messages with an enhanced RTMP header.", NULL);
    s->m_skipped =
        metrics_counter(m, "lectern_rtmp_skipped_messages_total",
                        "Media messages of forms we do not know.", NULL);
    s->m_extra = metrics_counter(
        m, "lectern_rtmp_extra_track_messages_total",
        "Messages of tracks beyond those that a publisher may have.", NULL);
    s->m_sniffed =
        metrics_counter(m, "lectern_rtmp_sniffed_tls_total",
                        "TLS connections on the plain RTMP port.", NULL);
}

static void on_abandoned(uv_handle_t *handle)
{
    struct rtmp_server *s = handle->data;

    free(s->io.out);
    free(s);
}

/* tcp_listen() is closing the listener, if it came to life at all, but cannot
 * say when it is gone: have libuv tell us. */
static void abandon(struct rtmp_server *s)
{
    uv_handle_t *handle = (uv_handle_t *)&s->listener;

    if (uv_is_closing(handle))
        handle->close_cb = on_abandoned;
    else
        on_abandoned(handle);
}

int rtmp_server_create(struct rtmp_server **out,
                       const struct rtmp_server_conf *conf)
{
    struct rtmp_server *s;
    int err;

    if (conf->limits.connections < 1 ||
        conf->limits.connections_per_address < 1 ||
        conf->limits.pending_per_address < 1)
        return ERR_RANGE;
    s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    s->loop = conf->loop;
    s->door = *conf->door;
    s->limits = conf->limits;
    s->tls = conf->tls;
    s->sniffed = conf->tls ? NULL : conf->sniffed;
    list_init(&s->connections);
    make_metrics(s, conf->metrics);
    if (s->tls || s->sniffed) {
        s->io.out_room = TLS_OUT_BYTES;
        s->io.out = malloc(TLS_OUT_BYTES);
        if (!s->io.out) {
            free(s);
            return ERR_NOMEM;
        }
    }
    err = tcp_listen(&s->listener, s->loop, conf->listen, true, on_connection);
    s->listener.data = s;
    if (err) {
        log_error("rtmp", "listen_failed", log_s("address", conf->listen),
                  log_s("reason", err_text(err)));
        abandon(s);
        return err;
    }
    log_info(s->tls ? "rtmps" : "rtmp", "listening",
             log_s("address", conf->listen),
             log_i("port", tcp_bound_port(&s->listener)));
    *out = s;
    return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct rtmp_server *s = handle->data;

    s->listener_gone = true;
    rtmp_server_maybe_done(s);
}

void rtmp_server_ask_away(struct rtmp_server *s)
{
    rtmp_connections_ask_away(s, shutting_down);
}

void rtmp_server_close(struct rtmp_server **out, void (*on_done)(void *arg),
                       void *arg)
{
    struct rtmp_server *s = *out;

    *out = NULL;
    if (!s) return;
    s->closing = true;
    s->on_done = on_done;
    s->done_arg = arg;
    rtmp_connections_close(s, shutting_down);
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}

int rtmp_server_port(const struct rtmp_server *s)
{
    return tcp_bound_port(&s->listener);
}

int rtmp_server_connections(const struct rtmp_server *s)
{
    return s->count;
}
