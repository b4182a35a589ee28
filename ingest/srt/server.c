#include "ingest/srt/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "ingest/srt/server_priv.h"

enum {
    EVENTS_MAX = 64,
    /* Between two looks: a look for each packet is a thread's waking, and a
     * loop's, for 1316 bytes. Small beside any latency of SRT. */
    REST_US = 10000,
    WAIT_MS = 20, /* how long a word of a loop may wait for the thread */
    BACKLOG = 128,
    STATS_US = 1000000,
    PEER_IDLE_MS = 8000, /* a mobile sender may be away for a while */
    REORDER_PACKETS = 40,
    UDP_BUFFER_BYTES = 8 << 20,
    WINDOW_PACKETS = 8192,  /* held at most: 4.3 s at 20 Mbit/s. Each caller
                               costs us some 50 bytes for each of them */
    VERSION_MIN = 0x010300, /* older ones have no stream id */
};

void srt_server_limits_default(struct srt_server_limits *out)
{
    *out = (struct srt_server_limits){256, 64};
}

void srt_server_count_refusal(struct srt_server *s, const char *reason)
{
    char labels[64] = "";

    metric_label(labels, sizeof labels, "reason", reason);
    metric_add(metrics_counter(s->metrics, "lectern_srt_refused_total",
                               "Callers refused, by rejection code, and "
                               "connections ended for what they sent.",
                               labels),
               1);
}

/* --- the end ----------------------------------------------------------------
 */

void srt_server_unref(struct srt_server *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        free(s);
}

static void on_all_gone(void *arg)
{
    struct srt_server *s = arg;

    s->on_done(s->done_arg);
    srt_server_unref(s);
}

void srt_server_leave(struct srt_server *s)
{
    if (atomic_fetch_sub(&s->alive, 1) != 1) return;
    atomic_fetch_add(&s->refs, 1);
    if (s->on_done && !loop_post(s->loops[0], on_all_gone, s)) return;
    srt_server_unref(s);
}

/* --- the thread --------------------------------------------------------------
 */

static struct link *find_link(struct srt_server *s, SRTSOCKET socket)
{
    LIST_FOREACH (it, &s->links) {
        struct link *l = LIST_ENTRY(it, struct link, node);
        if (l->socket == socket) return l;
    }
    return NULL;
}

/* False: there is more to read at once. */
static bool wait_and_read(struct srt_server *s)
{
    SRT_EPOLL_EVENT events[EVENTS_MAX];
    int n = srt_epoll_uwait(s->epoll, events, EVENTS_MAX, WAIT_MS);
    bool drained = n <= EVENTS_MAX;

    if (n > EVENTS_MAX) n = EVENTS_MAX;
    for (int i = 0; i < n; i++) {
        if (events[i].fd == s->listener) {
            srt_link_accept(s);
            continue;
        }
        struct link *l = find_link(s, events[i].fd);
        if (l && !l->ended && !srt_link_read(l)) drained = false;
    }
    return drained;
}

/* The handshake's question was answered with yes, and libsrt said no. */
static void tell_overdue(struct srt_server *s, int64_t now)
{
    for (struct handshake *it; (it = handshakes_overdue(&s->handshakes, now));
         handshakes_forget(it)) {
        log_warn("srt", "refused", log_s("peer", it->peer),
                 log_s("channel", it->channel),
                 log_s("reason", it->secret
                                     ? "wrong passphrase, or none"
                                     : "a passphrase where none belongs"));
        srt_server_count_refusal(s, "passphrase");
    }
}

static void count_drops(struct srt_server *s)
{
    uint32_t drops = srt_socket_drops(s->udp);

    metric_add(s->m_udp_dropped, drops - s->drops);
    s->drops = drops;
}

static void tend_links(struct srt_server *s)
{
    int64_t now = clock_mono_us();
    bool stats = now - s->stats_at >= STATS_US;

    if (stats) {
        s->stats_at = now;
        tell_overdue(s, now);
        count_drops(s);
    }
    LIST_FOREACH_SAFE (it, &s->links) {
        struct link *l = LIST_ENTRY(it, struct link, node);
        if (!l->ended && atomic_load(&l->wants_close))
            srt_link_end(l, "closed by us");
        if (stats && !l->ended) srt_stats_read(l);
        if (l->ended) srt_link_bury(l);
    }
}

static void run(void *arg)
{
    struct srt_server *s = arg;

    while (!atomic_load(&s->stopping)) {
        bool drained = wait_and_read(s);
        tend_links(s);
        if (drained) usleep(REST_US);
    }
    srt_close(s->listener);
    LIST_FOREACH_SAFE (it, &s->links) {
        struct link *l = LIST_ENTRY(it, struct link, node);
        srt_link_end(l, "the server is shutting down");
        srt_link_bury(l);
    }
    srt_epoll_release(s->epoll);
    srt_cleanup();
    srt_server_leave(s);
}

/* --- making ------------------------------------------------------------------
 */

static void make_metrics(struct srt_server *s, struct metrics *m)
{
    s->metrics = m;
    s->m_accepted = metrics_counter(m, "lectern_srt_connections_total",
                                    "SRT connections accepted.", NULL);
    s->m_closed = metrics_counter(m, "lectern_srt_connections_closed_total",
                                  "SRT connections that ended.", NULL);
    s->m_bytes = metrics_counter(m, "lectern_srt_received_bytes_total",
                                 "Bytes of media from SRT senders.", NULL);
    s->m_dropped_bytes =
        metrics_counter(m, "lectern_srt_queue_dropped_bytes_total",
                        "Bytes let go because a loop did not keep up.", NULL);
    s->m_udp_dropped = metrics_counter(
        m, "lectern_srt_udp_dropped_total",
        "Datagrams the kernel kept off: no sound handshake, or no room.", NULL);
    s->m_gaps = metrics_counter(m, "lectern_mpegts_gaps_total",
                                "Gaps in continuity counters.", NULL);
    s->m_lost_units = metrics_counter(m, "lectern_mpegts_lost_units_total",
                                      "Units cut short or malformed.", NULL);
    s->m_waiting =
        metrics_counter(m, "lectern_mpegts_dropped_frames_total",
                        "Pictures dropped until the next keyframe.", NULL);
    s->m_scrambled = metrics_counter(m, "lectern_mpegts_scrambled_total",
                                     "Packets that were scrambled.", NULL);
    s->m_metas = metrics_counter(m, "lectern_mpegts_metadata_total",
                                 "ID3 and SCTE-35 events noticed.", NULL);
}

static void set_int(SRTSOCKET socket, SRT_SOCKOPT option, int value)
{
    srt_setsockflag(socket, option, &value, sizeof value);
}

static void set_bool(SRTSOCKET socket, SRT_SOCKOPT option, bool value)
{
    srt_setsockflag(socket, option, &value, sizeof value);
}

/* Accepted sockets inherit all of it. The mode is the default: live, with
 * timestamp-based delivery, late packets dropped, encryption enforced. */
static void set_options(struct srt_server *s)
{
    set_bool(s->listener, SRTO_RCVSYN, false);
    set_bool(s->listener, SRTO_SNDSYN, false);
    set_int(s->listener, SRTO_RCVLATENCY, s->latency_ms);
    set_int(s->listener, SRTO_PEERIDLETIMEO, PEER_IDLE_MS);
    set_int(s->listener, SRTO_MINVERSION, VERSION_MIN);
    set_int(s->listener, SRTO_LOSSMAXTTL, REORDER_PACKETS);
    set_int(s->listener, SRTO_FC, WINDOW_PACKETS);
    set_int(s->listener, SRTO_UDP_RCVBUF, UDP_BUFFER_BYTES);
}

/* libsrt takes the UDP socket, whatever comes of it. */
static int bind_listener(struct srt_server *s, const struct sockaddr *a)
{
    int fd, err = srt_socket_open(&fd, a,
                                  a->sa_family == AF_INET6
                                      ? sizeof(struct sockaddr_in6)
                                      : sizeof(struct sockaddr_in));

    if (err) return err;
    if (srt_bind_acquire(s->listener, fd)) return ERR_IO;
    s->udp = fd;
    return 0;
}

static int listen_on(struct srt_server *s, const char *address)
{
    struct sockaddr_storage a;
    int events = SRT_EPOLL_IN | SRT_EPOLL_ERR, len = sizeof a;
    int err = tcp_parse_address(address, &a);

    if (err) return ERR_USAGE;
    s->listener = srt_create_socket();
    if (s->listener == SRT_INVALID_SOCK) return ERR_IO;
    set_options(s);
    err = bind_listener(s, (struct sockaddr *)&a);
    if (err) return err;
    if (srt_listen_callback(s->listener, srt_access, s) ||
        srt_listen(s->listener, BACKLOG) ||
        srt_getsockname(s->listener, (struct sockaddr *)&a, &len) ||
        srt_epoll_add_usock(s->epoll, s->listener, &events))
        return ERR_IO;
    s->port = tcp_port((struct sockaddr *)&a);
    return 0;
}

/* What libsrt has to say is of use to its makers: what matters comes to us as
 * an error or a figure. */
static void no_log(void *arg, int level, const char *file, int line,
                   const char *area, const char *message)
{
    (void)arg, (void)level, (void)file, (void)line, (void)area, (void)message;
}

static int start(struct srt_server *s, const char *address)
{
    int err;

    if (srt_startup() < 0) return ERR_IO;
    srt_setloghandler(NULL, no_log);
    s->listener = SRT_INVALID_SOCK;
    s->epoll = srt_epoll_create();
    err = s->epoll < 0 ? ERR_IO : listen_on(s, address);
    if (!err && uv_thread_create(&s->thread, run, s)) err = ERR_IO;
    if (!err) return 0;
    if (s->listener != SRT_INVALID_SOCK) srt_close(s->listener);
    if (s->epoll >= 0) srt_epoll_release(s->epoll);
    srt_cleanup();
    return err;
}

static bool is_sound(const struct srt_server_conf *conf)
{
    return conf->loop_count >= 1 && conf->loop_count <= LOOPS_MAX &&
           conf->latency_ms >= 0 && conf->latency_ms <= SRT_LATENCY_MS_MAX &&
           conf->limits.connections >= 1 &&
           conf->limits.connections_per_address >= 1;
}

int srt_server_create(struct srt_server **out,
                      const struct srt_server_conf *conf)
{
    struct srt_server *s;
    int err;

    if (!is_sound(conf)) return ERR_RANGE;
    s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    atomic_init(&s->refs, 1);
    atomic_init(&s->alive, 1);
    atomic_init(&s->count, 0);
    atomic_init(&s->stopping, false);
    memcpy(s->loops, conf->loops,
           (size_t)conf->loop_count * sizeof *conf->loops);
    s->loop_count = conf->loop_count;
    s->door = *conf->door;
    s->limits = conf->limits;
    s->latency_ms = conf->latency_ms;
    list_init(&s->links);
    handshakes_init(&s->handshakes);
    make_metrics(s, conf->metrics);
    err = start(s, conf->listen);
    if (err) {
        log_error("srt", "listen_failed", log_s("address", conf->listen),
                  log_s("reason", err_text(err)));
        free(s);
        return err;
    }
    log_info("srt", "listening", log_s("address", conf->listen),
             log_i("port", s->port), log_i("latency_ms", s->latency_ms));
    *out = s;
    return 0;
}

void srt_server_stop(struct srt_server *s, void (*on_done)(void *arg),
                     void *arg)
{
    s->on_done = on_done;
    s->done_arg = arg;
    atomic_store(&s->stopping, true);
}

/* What the loops would have done at their end is done here; messages still in
 * their mailboxes find it done. */
void srt_server_free(struct srt_server **out)
{
    struct srt_server *s = *out;

    *out = NULL;
    if (!s) return;
    atomic_store(&s->stopping, true);
    uv_thread_join(&s->thread);
    s->on_done = NULL;
    LIST_FOREACH_SAFE (it, &s->links) {
        struct link *l = LIST_ENTRY(it, struct link, node);
        list_unlink(&l->node);
        srt_session_end(l, l->why);
        srt_link_unref(l);
    }
    srt_server_unref(s);
}

int srt_server_port(const struct srt_server *s)
{
    return s->port;
}

int srt_server_connections(const struct srt_server *s)
{
    return atomic_load(&s->count);
}
