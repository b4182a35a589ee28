#include "core/rtc/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/rtc/address.h"
#include "core/rtc/host_priv.h"
#include "core/rtc/rtp.h"

/* --- in --------------------------------------------------------------------
 */

static void on_stun(struct rtc_host *h, const struct net_path *from,
                    const uint8_t *data, size_t len, int64_t at)
{
    char ufrag[ICE_UFRAG_BYTES + 1];
    const char *name = NULL;
    size_t n = 0;
    struct rtc_peer *p = NULL;

    if (!stun_local_ufrag(data, len, &name, &n) && n == ICE_UFRAG_BYTES) {
        memcpy(ufrag, name, n);
        ufrag[n] = 0;
        if (!memchr(ufrag, 0, n)) p = map_get(&h->ufrags, ufrag);
    }
    if (p)
        peer_on_stun(p, from, data, len, at);
    else
        metric_add(h->count.unrouted, 1);
}

static void on_datagram(const struct net_path *from, uint8_t *data, size_t len,
                        int64_t at, void *arg)
{
    struct rtc_host *h = arg;
    enum rtp_kind kind = rtp_classify(data, len);
    struct rtc_peer *p;

    if (kind == RTP_STUN) {
        on_stun(h, from, data, len, at);
        return;
    }
    p = paths_get(&h->paths, from);
    if (!p || kind == RTP_UNKNOWN)
        metric_add(h->count.unrouted, 1);
    else if (kind == RTP_DTLS)
        peer_on_dtls(p, data, len);
    else
        peer_on_media(p, data, len, at, kind == RTP_CONTROL);
}

static void on_stream_ended(const struct net_path *path, void *arg)
{
    struct rtc_host *h = arg;
    struct rtc_peer *p = paths_get(&h->paths, path);

    if (p) peer_on_path_gone(p, path);
}

/* --- out -------------------------------------------------------------------
 */

void host_send(struct rtc_host *h, const struct net_path *to,
               const uint8_t *data, size_t len)
{
    struct udp_message m = {.to = to, .data = data, .len = len};

    if (to->transport == NET_TCP)
        streams_send(h->streams, to, data, len);
    else
        udp_send(h->udp, &m, 1);
}

void host_send_all(struct rtc_host *h, const struct net_path *to,
                   const struct dtls_out *out)
{
    const uint8_t *at = out->data;

    for (int i = 0; i < out->count; at += out->lens[i++])
        host_send(h, to, at, out->lens[i]);
}

static void send_frames(struct rtc_host *h, const struct line_run *r)
{
    const uint8_t *data = h->line.slab + r->offset;

    for (size_t at = 0; at < r->len; at += r->segment) {
        size_t left = r->len - at;
        streams_send(h->streams, &r->to, data + at,
                     left < r->segment ? left : r->segment);
    }
}

void rtc_host_flush(struct rtc_host *h)
{
    struct udp_message messages[LINE_RUNS];
    struct line *l = &h->line;
    int count = 0;

    for (int i = 0; i < l->run_count; i++) {
        const struct line_run *r = &l->runs[i];
        if (r->to.transport == NET_TCP)
            send_frames(h, r);
        else
            messages[count++] = (struct udp_message){
                &r->to, l->slab + r->offset, r->len, r->segment};
    }
    if (count) udp_send(h->udp, messages, count);
    line_clear(l);
}

uint8_t *host_room(struct rtc_host *h)
{
    uint8_t *room = line_room(&h->line);

    if (room) return room;
    rtc_host_flush(h);
    return line_room(&h->line);
}

/* --- life ------------------------------------------------------------------
 */

static void set_counters(struct rtc_host *h)
{
    struct rtc_host_counters *c = &h->count;
    struct metrics *m = h->metrics;

    c->peers = metrics_counter(m, "lectern_rtc_peers_total",
                               "WebRTC peers made", NULL);
    c->connected = metrics_counter(m, "lectern_rtc_connected_total",
                                   "peers whose handshake succeeded", NULL);
    c->ended = metrics_counter(m, "lectern_rtc_ended_total",
                               "peers that ended by themselves", NULL);
    c->unrouted = metrics_counter(m, "lectern_rtc_unrouted_total",
                                  "datagrams that belong to no peer", NULL);
    c->undecrypted =
        metrics_counter(m, "lectern_rtc_undecrypted_total",
                        "SRTP and SRTCP packets forged or broken", NULL);
    c->replayed = metrics_counter(m, "lectern_rtc_replayed_total",
                                  "SRTP and SRTCP packets seen before", NULL);
    c->queue_dropped =
        metrics_counter(m, "lectern_rtc_dtls_dropped_total",
                        "DTLS datagrams beyond a peer's queue", NULL);
    c->early_dropped =
        metrics_counter(m, "lectern_rtc_early_dropped_total",
                        "media beyond what is kept before the keys", NULL);
    c->workers_full =
        metrics_counter(m, "lectern_rtc_workers_full_total",
                        "handshake steps that no worker could take", NULL);
}

static int open_sockets(struct rtc_host *h, const struct rtc_host_conf *conf,
                        char why[256])
{
    const char *at = conf->listen;
    int err = udp_create(&h->udp, &(struct udp_conf){.loop = h->loop,
                                                     .listen = conf->listen,
                                                     .on_datagram = on_datagram,
                                                     .arg = h,
                                                     .metrics = h->metrics});

    if (!err)
        err = streams_create(&h->streams,
                             &(struct streams_conf){.loop = h->loop,
                                                    .on_frame = on_datagram,
                                                    .on_ended = on_stream_ended,
                                                    .arg = h,
                                                    .metrics = h->metrics});
    if (!err && conf->listen_tcp) {
        at = conf->listen_tcp;
        err = streams_listen(h->streams, at);
    }
    if (err) snprintf(why, 256, "WebRTC on %s: %s", at, err_text(err));
    return err;
}

int rtc_host_create(struct rtc_host **out, const struct rtc_host_conf *conf,
                    char why[256])
{
    struct rtc_host *h = calloc(1, sizeof *h);
    int err;

    if (!h) {
        snprintf(why, 256, "out of memory");
        return ERR_NOMEM;
    }
    h->loop = conf->loop;
    h->identity = conf->identity;
    h->workers = conf->workers;
    h->metrics = conf->metrics;
    map_init(&h->ufrags);
    paths_init(&h->paths);
    list_init(&h->peers);
    set_counters(h);
    err = line_init(&h->line);
    if (err) snprintf(why, 256, "out of memory");
    if (!err)
        err = address_find(h->addresses, &h->address_count, conf->listen,
                           conf->public_addresses, why);
    if (!err) err = open_sockets(h, conf, why);
    if (err) {
        rtc_host_free(&h);
        return err;
    }
    h->tcp_port = streams_port(h->streams);
    *out = h;
    return 0;
}

int rtc_host_set_peers(struct rtc_host *h, struct rtc_host *const *hosts,
                       int count, int tcp_port)
{
    struct streams **all = calloc((size_t)count, sizeof(void *));
    int err;

    if (!all) return ERR_NOMEM;
    for (int i = 0; i < count; i++)
        all[i] = hosts[i]->streams;
    err = streams_set_peers(h->streams, all, count);
    free(all);
    if (!err) h->tcp_port = tcp_port;
    return err;
}

void rtc_host_free(struct rtc_host **h)
{
    struct rtc_host *last = *h;

    *h = NULL;
    if (!last) return;
    INVARIANT(list_is_empty(&last->peers));
    udp_close(&last->udp);
    streams_free(&last->streams);
    line_release(&last->line);
    map_release(&last->ufrags);
    paths_release(&last->paths);
    free(last);
}

struct loop *rtc_host_loop(const struct rtc_host *h)
{
    return h->loop;
}

struct metrics *rtc_host_metrics(const struct rtc_host *h)
{
    return h->metrics;
}

const char *rtc_host_fingerprint(const struct rtc_host *h)
{
    return rtc_identity_fingerprint(h->identity);
}

int rtc_host_udp_port(const struct rtc_host *h)
{
    return udp_port(h->udp);
}

int rtc_host_tcp_port(const struct rtc_host *h)
{
    return h->tcp_port;
}

int rtc_host_address_count(const struct rtc_host *h)
{
    return h->address_count;
}

const char *rtc_host_address(const struct rtc_host *h, int i)
{
    return h->addresses[i];
}
