#include "core/rtc/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/tcp.h"
#include "core/rtc/ice.h"
#include "core/rtc/rtp.h"
#include "core/rtc/stream_priv.h"

enum {
    BACKLOG = 512,
    ACCEPT_BATCH = 32,
    ACCEPT_PAUSE_US = 100 * 1000, /* when there are no descriptors left */
    UNSENT_BYTES = 64 << 10,      /* the kernel's share of the queue */
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct stream_listener {
    uv_poll_t poll;
    int fd, port;
    struct streams *all;
    struct timer pause;
};

/* A connection on its way to the loop it belongs to. */
struct handover {
    struct stream_door *to;
    int fd;
    int64_t accepted_at;
    struct net_path path;
    size_t len;
    uint8_t data[]; /* from the first frame on */
};

/* --- doors -----------------------------------------------------------------
 */

static struct stream_door *door_ref(struct stream_door *d)
{
    atomic_fetch_add(&d->refs, 1);
    return d;
}

static void door_unref(struct stream_door *d)
{
    if (atomic_fetch_sub(&d->refs, 1) == 1) free(d);
}

/* --- one connection --------------------------------------------------------
 */

static void on_stream_closed(uv_handle_t *h)
{
    free(h->data);
}

void stream_end(struct stream *s, bool tell)
{
    struct streams *all = s->all;
    struct net_path path = s->path;

    if (s->closed) return;
    s->closed = true;
    timer_cancel(&s->timer);
    list_unlink(&s->node);
    all->count--;
    if (!s->proved) all->unproved_count--;
    all->slots[(path.connection - 1) % STREAMS_MAX] = NULL;
    uv_close((uv_handle_t *)&s->poll, on_stream_closed);
    if (s->fd >= 0) close(s->fd);
    free(s->queue);
    s->queue = NULL;
    if (tell && s->settled) all->conf.on_ended(&path, all->conf.arg);
}

/* No proof came in time, or the socket failed while its owner was sending. */
static void on_timer(void *arg)
{
    stream_end(arg, true);
}

static uint32_t free_number(struct streams *all)
{
    for (int i = 0; i < STREAMS_MAX; i++) {
        uint32_t n = all->generation++ % (UINT32_MAX - STREAMS_MAX);
        if (!all->slots[n % STREAMS_MAX]) return n + 1;
    }
    return 0;
}

/* Takes fd. data: what was read from it before. */
static int adopt(struct streams *all, int fd, const struct net_path *path,
                 int64_t accepted_at, uint8_t *data, size_t len)
{
    uint32_t number =
        all->count < STREAMS_MAX && all->unproved_count < STREAMS_UNPROVED_MAX
            ? free_number(all)
            : 0;
    struct stream *s = number ? calloc(1, sizeof *s) : NULL;

    if (!s || uv_poll_init(loop_uv(all->conf.loop), &s->poll, fd)) {
        metric_add(all->refused, 1);
        free(s);
        close(fd);
        return number ? ERR_NOMEM : ERR_LIMIT;
    }
    s->fd = fd;
    s->path = *path;
    s->path.connection = number;
    s->all = all;
    s->poll.data = s;
    s->accepted_at = accepted_at;
    timer_init(&s->timer, all->conf.loop, on_timer, s);
    timer_set(&s->timer, accepted_at + STREAM_PROOF_US);
    list_append(&all->unproved, &s->node);
    all->slots[(number - 1) % STREAMS_MAX] = s;
    all->count++;
    all->unproved_count++;
    uv_poll_start(&s->poll, UV_READABLE, stream_on_ready);
    if (len) stream_feed(s, data, len);
    return 0;
}

static struct stream *find(const struct streams *all,
                           const struct net_path *path)
{
    struct stream *s;

    if (path->transport != NET_TCP || !path->connection) return NULL;
    s = all->slots[(path->connection - 1) % STREAMS_MAX];
    return s && s->path.connection == path->connection ? s : NULL;
}

/* --- handing over ----------------------------------------------------------
 */

static void on_handover(void *arg)
{
    struct handover *h = arg;
    struct streams *all = h->to->streams;

    if (all)
        adopt(all, h->fd, &h->path, h->accepted_at, h->data, h->len);
    else
        close(h->fd);
    door_unref(h->to);
    free(h);
}

static void hand_over(struct stream *s, struct stream_door *to,
                      const uint8_t *data, size_t len)
{
    struct handover *h = malloc(sizeof *h + len);
    int fd = s->fd;

    if (!h) {
        stream_end(s, false);
        return;
    }
    *h = (struct handover){door_ref(to), fd, s->accepted_at, s->path, len};
    memcpy(h->data, data, len);
    s->fd = -1; /* libuv forgets it at once, it stays open */
    metric_add(s->all->handed_over, 1);
    stream_end(s, false);
    if (loop_post(to->loop, on_handover, h)) {
        close(fd);
        door_unref(to);
        free(h);
    }
}

bool stream_settle(struct stream *s, const uint8_t *data, size_t len)
{
    struct streams *all = s->all;
    const uint8_t *frame = data + STREAM_HEAD;
    size_t frame_len = (size_t)data[0] << 8 | data[1], ufrag_len = 0;
    const char *ufrag = NULL;
    int loop = -1;

    if (rtp_classify(frame, frame_len) == RTP_STUN &&
        !stun_local_ufrag(frame, frame_len, &ufrag, &ufrag_len))
        loop = ice_loop_of_ufrag(ufrag, ufrag_len);
    if (loop == loop_index(all->conf.loop)) return true;
    if (loop >= 0 && loop < all->door_count)
        hand_over(s, all->doors[loop], data, len);
    else
        stream_end(s, false);
    return false;
}

/* --- listening -------------------------------------------------------------
 */

static void set_ip(uint8_t out[16], const struct sockaddr *a)
{
    if (a->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
    } else {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
    }
}

static bool has_too_many(const struct streams *all, const struct net_path *path,
                         const struct sockaddr *from)
{
    int n = 0;

    if (tcp_is_loopback(from)) return false;
    LIST_FOREACH (it, &all->unproved) {
        const struct stream *s = LIST_ENTRY(it, struct stream, node);
        n += !memcmp(s->path.ip, path->ip, sizeof path->ip);
    }
    return n >= STREAMS_UNPROVED_PER_ADDRESS;
}

static void welcome(struct streams *all, int fd, const struct sockaddr *from)
{
    struct sockaddr_storage local = {0};
    socklen_t len = sizeof local;
    struct net_path path;
    int on = 1, most = UNSENT_BYTES;

    memset(&path, 0, sizeof path);
    path.transport = NET_TCP;
    path.port = (uint16_t)tcp_port(from);
    set_ip(path.ip, from);
    if (!getsockname(fd, (struct sockaddr *)&local, &len))
        set_ip(path.local, (struct sockaddr *)&local);
    metric_add(all->accepted, 1);
    if (has_too_many(all, &path, from)) {
        metric_add(all->refused, 1);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
    adopt(all, fd, &path, loop_now(all->conf.loop), NULL, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct stream_listener *l = poll->data;

    (void)status, (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd = accept4(l->fd, (struct sockaddr *)&from, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(l->all, fd, (struct sockaddr *)&from);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
            errno == ENOBUFS) {
            uv_poll_stop(poll);
            timer_set(&l->pause, loop_now(l->all->conf.loop) + ACCEPT_PAUSE_US);
        }
        if (errno != ECONNABORTED && errno != EINTR) return;
    }
}

static void on_pause_over(void *arg)
{
    struct stream_listener *l = arg;

    uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

static int open_listener(struct stream_listener *l,
                         const struct sockaddr_storage *a)
{
    struct sockaddr_storage bound;
    socklen_t len = a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                             : sizeof(struct sockaddr_in);
    int on = 1, off = 0;

    l->fd = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) return ERR_IO;
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ss_family == AF_INET6)
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(l->fd, (const struct sockaddr *)a, len) || listen(l->fd, BACKLOG))
        return errno == EADDRINUSE ? ERR_BUSY : ERR_IO;
    len = sizeof bound;
    if (getsockname(l->fd, (struct sockaddr *)&bound, &len)) return ERR_IO;
    l->port = tcp_port((struct sockaddr *)&bound);
    return 0;
}

int streams_listen(struct streams *s, const char *address)
{
    struct sockaddr_storage a;
    struct stream_listener *l;
    int err;

    if (tcp_parse_address(address, &a)) return ERR_SYNTAX;
    l = calloc(1, sizeof *l);
    if (!l) return ERR_NOMEM;
    l->all = s;
    l->fd = -1;
    err = open_listener(l, &a);
    if (!err && uv_poll_init(loop_uv(s->conf.loop), &l->poll, l->fd))
        err = ERR_IO;
    if (err) {
        if (l->fd >= 0) close(l->fd);
        free(l);
        return err;
    }
    l->poll.data = l;
    timer_init(&l->pause, s->conf.loop, on_pause_over, l);
    uv_poll_start(&l->poll, UV_READABLE, on_connection);
    s->listener = l;
    return 0;
}

int streams_port(const struct streams *s)
{
    return s->listener ? s->listener->port : -1;
}

/* --- all of a loop ---------------------------------------------------------
 */

int streams_create(struct streams **out, const struct streams_conf *conf)
{
    struct streams *s = calloc(1, sizeof *s);
    struct metrics *m = conf->metrics;

    if (!s) return ERR_NOMEM;
    s->door = calloc(1, sizeof *s->door);
    if (!s->door) {
        free(s);
        return ERR_NOMEM;
    }
    atomic_init(&s->door->refs, 1);
    s->door->loop = conf->loop;
    s->door->streams = s;
    s->conf = *conf;
    list_init(&s->unproved);
    list_init(&s->proved);
    s->accepted = metrics_counter(m, "lectern_rtc_tcp_accepted_total",
                                  "ICE-TCP connections", NULL);
    s->refused = metrics_counter(m, "lectern_rtc_tcp_refused_total",
                                 "ICE-TCP connections beyond a bound", NULL);
    s->handed_over =
        metrics_counter(m, "lectern_rtc_tcp_handed_over_total",
                        "ICE-TCP connections given to another loop", NULL);
    s->dropped = metrics_counter(m, "lectern_rtc_tcp_dropped_total",
                                 "packets that a full queue refused", NULL);
    *out = s;
    return 0;
}

static void forget_doors(struct streams *s)
{
    for (int i = 0; i < s->door_count; i++)
        door_unref(s->doors[i]);
    free(s->doors);
    s->doors = NULL;
    s->door_count = 0;
}

void streams_free(struct streams **s)
{
    struct streams *last = *s;

    *s = NULL;
    if (!last) return;
    LIST_FOREACH_SAFE (it, &last->unproved)
        stream_end(LIST_ENTRY(it, struct stream, node), false);
    LIST_FOREACH_SAFE (it, &last->proved)
        stream_end(LIST_ENTRY(it, struct stream, node), false);
    if (last->listener) {
        timer_cancel(&last->listener->pause);
        uv_close((uv_handle_t *)&last->listener->poll, on_stream_closed);
        close(last->listener->fd);
    }
    forget_doors(last);
    last->door->streams = NULL;
    door_unref(last->door);
    free(last);
}

int streams_set_peers(struct streams *s, struct streams *const *all, int count)
{
    struct stream_door **doors = calloc((size_t)count, sizeof(void *));

    if (!doors) return ERR_NOMEM;
    for (int i = 0; i < count; i++)
        doors[i] = door_ref(all[i]->door);
    forget_doors(s);
    s->doors = doors;
    s->door_count = count;
    return 0;
}

void streams_send(struct streams *s, const struct net_path *to,
                  const uint8_t *data, size_t len)
{
    struct stream *x = find(s, to);

    if (!x || !stream_write(x, data, len)) metric_add(s->dropped, 1);
}

void streams_proved(struct streams *s, const struct net_path *path)
{
    struct stream *x = find(s, path);

    if (!x || x->proved) return;
    x->proved = true;
    s->unproved_count--;
    list_unlink(&x->node);
    list_append(&s->proved, &x->node);
    if (!x->broken) timer_cancel(&x->timer);
}

void streams_close(struct streams *s, const struct net_path *path)
{
    struct stream *x = find(s, path);

    if (x) stream_end(x, false);
}
