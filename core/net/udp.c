#include "core/net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/tcp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
    READ_BATCH = 32,
    READ_ROUNDS = 8,   /* batches in a row before other handles get a turn */
    READ_MAX = 2048,   /* longer datagrams are none of ours */
    SEND_BATCH = 64,   /* messages of one system call */
    RUN_MAX = 64,      /* datagrams of one message: UDP_MAX_SEGMENTS */
    RUN_BYTES = 65000, /* and what an IP packet may hold */
    SOCKET_BYTES = 4 << 20,
    CONTROL_BYTES =
        CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)),
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

union control { /* aligned as cmsg(3) wants it */
    struct cmsghdr align;
    uint8_t bytes[CONTROL_BYTES];
};

struct inbox {
    struct mmsghdr heads[READ_BATCH];
    struct iovec parts[READ_BATCH];
    struct sockaddr_storage from[READ_BATCH];
    union control control[READ_BATCH];
    uint8_t data[READ_BATCH][READ_MAX];
};

struct outbox {
    struct mmsghdr heads[SEND_BATCH];
    struct iovec parts[SEND_BATCH];
    struct sockaddr_storage to[SEND_BATCH];
    union control control[SEND_BATCH];
    uint16_t segment[SEND_BATCH]; /* of a run; 0: one datagram */
    int count;
};

struct udp {
    uv_poll_t poll;
    int fd;
    struct udp_conf conf;
    int port;
    bool is_v6, closed;
    bool segments; /* UDP_SEGMENT works here */
    struct metric *in, *in_bytes, *out, *out_bytes, *dropped, *calls;
    struct inbox inbox;
    struct outbox outbox;
};

void net_path_text(char out[64], const struct net_path *p)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (!memcmp(p->ip, mapped, sizeof mapped)) {
        inet_ntop(AF_INET, p->ip + 12, host, sizeof host);
        snprintf(out, 64, "%s:%u", host, p->port);
    } else {
        inet_ntop(AF_INET6, p->ip, host, sizeof host);
        snprintf(out, 64, "[%s]:%u", host, p->port);
    }
}

/* --- reading ---------------------------------------------------------------
 */

static void path_of(struct net_path *out, struct msghdr *h)
{
    const struct sockaddr_in *in4 = h->msg_name;
    const struct sockaddr_in6 *in6 = h->msg_name;

    memset(out, 0, sizeof *out);
    out->transport = NET_UDP;
    if (in4->sin_family == AF_INET) {
        memcpy(out->ip, mapped, sizeof mapped);
        memcpy(out->ip + 12, &in4->sin_addr, 4);
        out->port = ntohs(in4->sin_port);
    } else {
        memcpy(out->ip, &in6->sin6_addr, 16);
        out->port = ntohs(in6->sin6_port);
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(out->local, mapped, sizeof mapped);
            memcpy(out->local + 12, &info.ipi_spec_dst, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 &&
                   c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(out->local, &info.ipi6_addr, 16);
        }
    }
}

static void inbox_prepare(struct inbox *b)
{
    for (int i = 0; i < READ_BATCH; i++) {
        b->parts[i] = (struct iovec){b->data[i], READ_MAX};
        b->heads[i].msg_hdr = (struct msghdr){
            .msg_name = &b->from[i],
            .msg_namelen = sizeof b->from[i],
            .msg_iov = &b->parts[i],
            .msg_iovlen = 1,
            .msg_control = b->control[i].bytes,
            .msg_controllen = CONTROL_BYTES,
        };
    }
}

/* Returns how many were there. */
static int read_batch(struct udp *u)
{
    struct inbox *b = &u->inbox;
    struct net_path from;
    int64_t bytes = 0;

    inbox_prepare(b);
    int n = recvmmsg(u->fd, b->heads, READ_BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) return 0;
    int64_t at = clock_mono_us();
    for (int i = 0; i < n && !u->closed; i++) {
        struct msghdr *h = &b->heads[i].msg_hdr;
        bytes += b->heads[i].msg_len;
        if (h->msg_flags & MSG_TRUNC) continue;
        path_of(&from, h);
        u->conf.on_datagram(&from, b->data[i], b->heads[i].msg_len, at,
                            u->conf.arg);
    }
    metric_add(u->in, n);
    metric_add(u->in_bytes, bytes);
    return n;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct udp *u = poll->data;

    (void)status, (void)events;
    for (int i = 0; i < READ_ROUNDS && !u->closed; i++)
        if (read_batch(u) < READ_BATCH) break;
}

/* --- writing ---------------------------------------------------------------
 */

static void put_control(struct msghdr *h, int level, int type, const void *data,
                        size_t len)
{
    struct cmsghdr *c =
        (struct cmsghdr *)((uint8_t *)h->msg_control + h->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    h->msg_controllen += CMSG_SPACE(len);
}

static void set_destination(const struct udp *u, struct msghdr *h,
                            const struct net_path *to)
{
    struct sockaddr_in *in4 = h->msg_name;
    struct sockaddr_in6 *in6 = h->msg_name;
    static const uint8_t any[16];

    if (u->is_v6) {
        struct in6_pktinfo info = {0};
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                     .sin6_port = htons(to->port)};
        memcpy(&in6->sin6_addr, to->ip, 16);
        h->msg_namelen = sizeof *in6;
        memcpy(&info.ipi6_addr, to->local, 16);
        if (memcmp(to->local, any, 16) != 0)
            put_control(h, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else {
        struct in_pktinfo info = {0};
        *in4 = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_port = htons(to->port)};
        memcpy(&in4->sin_addr, to->ip + 12, 4);
        h->msg_namelen = sizeof *in4;
        memcpy(&info.ipi_spec_dst, to->local + 12, 4);
        if (memcmp(to->local, any, 16) != 0)
            put_control(h, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
}

static void outbox_add(struct udp *u, const struct udp_message *m,
                       size_t offset, size_t len)
{
    struct outbox *b = &u->outbox;
    int i = b->count++;
    struct msghdr *h = &b->heads[i].msg_hdr;
    uint16_t segment = (uint16_t)m->segment;

    b->segment[i] = 0;
    b->parts[i] = (struct iovec){(void *)(uintptr_t)(m->data + offset), len};
    memset(b->control[i].bytes, 0, CONTROL_BYTES);
    *h = (struct msghdr){.msg_name = &b->to[i],
                         .msg_iov = &b->parts[i],
                         .msg_iovlen = 1,
                         .msg_control = b->control[i].bytes};
    set_destination(u, h, m->to);
    if (segment && segment < len) {
        put_control(h, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
        b->segment[i] = segment;
    }
    if (!h->msg_controllen) h->msg_control = NULL;
}

/* The datagrams of a run one by one, for a way without segmentation. */
static bool send_singly(struct udp *u, int i)
{
    struct outbox *b = &u->outbox;
    struct msghdr h = b->heads[i].msg_hdr;
    struct iovec all = b->parts[i], part;
    size_t segment = b->segment[i];

    /* UDP_SEGMENT is the last of the control messages. */
    h.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
    if (!h.msg_controllen) h.msg_control = NULL;
    h.msg_iov = &part;
    for (size_t at = 0; at < all.iov_len; at += segment) {
        part.iov_base = (uint8_t *)all.iov_base + at;
        part.iov_len = all.iov_len - at < segment ? all.iov_len - at : segment;
        if (sendmsg(u->fd, &h, MSG_DONTWAIT) < 0) return false;
    }
    return true;
}

/* What to do about the first message that the kernel did not take. */
static bool rescue(struct udp *u, int i)
{
    bool is_run = u->outbox.segment[i] != 0;

    /* EIO: the device cannot do it, for anyone. EINVAL, EMSGSIZE: this way's
     * MTU is smaller than the datagrams. */
    if (is_run && errno == EIO) u->segments = false;
    if (is_run && (errno == EIO || errno == EINVAL || errno == EMSGSIZE))
        return send_singly(u, i);
    return false;
}

/* Returns how many of the entries went out. */
static int outbox_flush(struct udp *u)
{
    struct outbox *b = &u->outbox;
    int at = 0, sent = 0, lost = 0;

    while (at < b->count) {
        int n = sendmmsg(u->fd, b->heads + at, (unsigned)(b->count - at),
                         MSG_DONTWAIT);
        metric_add(u->calls, 1);
        if (n > 0) {
            at += n, sent += n;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == ENOBUFS) break;
        if (rescue(u, at))
            sent++;
        else
            lost++;
        at++;
    }
    lost += b->count - at;
    if (lost) metric_add(u->dropped, lost);
    b->count = 0;
    return sent;
}

/* One message becomes as many entries as the kernel's bounds ask for. */
static int send_message(struct udp *u, const struct udp_message *m)
{
    bool is_run = m->segment && m->segment < m->len;
    size_t most = is_run ? RUN_BYTES / m->segment : 1;
    size_t step = m->len;
    int sent = 0;

    if (most > RUN_MAX) most = RUN_MAX;
    if (!u->segments || !most) most = 1;
    if (is_run) step = m->segment * most;
    for (size_t at = 0; at < m->len; at += step) {
        size_t left = m->len - at;
        if (u->outbox.count == SEND_BATCH) sent += outbox_flush(u);
        outbox_add(u, m, at, left < step ? left : step);
    }
    return sent;
}

int udp_send(struct udp *u, const struct udp_message *m, int count)
{
    int64_t datagrams = 0, bytes = 0;
    int sent = 0;

    for (int i = 0; i < count; i++) {
        size_t each = m[i].segment ? m[i].segment : m[i].len;
        datagrams += each ? (int64_t)((m[i].len + each - 1) / each) : 0;
        bytes += (int64_t)m[i].len;
        sent += send_message(u, &m[i]);
    }
    sent += outbox_flush(u);
    metric_add(u->out, datagrams);
    metric_add(u->out_bytes, bytes);
    return sent;
}

/* --- life ------------------------------------------------------------------
 */

static void set_buffers(int fd)
{
    int size = SOCKET_BYTES;

    /* FORCE passes the system's bound, where we may. */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

static int set_options(struct udp *u)
{
    int on = 1, off = 0, err = 0;
    socklen_t len = sizeof off;

    if (u->is_v6) {
        err |= setsockopt(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        err |=
            setsockopt(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    } else {
        err |= setsockopt(u->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    }
    set_buffers(u->fd);
    u->segments = !getsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &off, &len);
    return err ? ERR_IO : 0;
}

static int open_socket(struct udp *u, const struct sockaddr_storage *a)
{
    struct sockaddr_storage bound;
    socklen_t len = a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                             : sizeof(struct sockaddr_in);
    int err;

    u->is_v6 = a->ss_family == AF_INET6;
    u->fd = socket(a->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->fd < 0) return ERR_IO;
    err = set_options(u);
    if (err) return err;
    if (bind(u->fd, (const struct sockaddr *)a, len))
        return errno == EADDRINUSE ? ERR_BUSY : ERR_IO;
    len = sizeof bound;
    if (getsockname(u->fd, (struct sockaddr *)&bound, &len)) return ERR_IO;
    u->port = tcp_port((struct sockaddr *)&bound);
    return 0;
}

static void set_metrics(struct udp *u, struct metrics *m)
{
    u->in = metrics_counter(m, "lectern_udp_in_datagrams_total",
                            "datagrams received", NULL);
    u->in_bytes = metrics_counter(m, "lectern_udp_in_bytes_total",
                                  "bytes received", NULL);
    u->out = metrics_counter(m, "lectern_udp_out_datagrams_total",
                             "datagrams given to the kernel or dropped", NULL);
    u->out_bytes = metrics_counter(m, "lectern_udp_out_bytes_total",
                                   "bytes of those datagrams", NULL);
    u->calls = metrics_counter(m, "lectern_udp_out_calls_total",
                               "system calls that sent", NULL);
    u->dropped = metrics_counter(m, "lectern_udp_out_dropped_total",
                                 "messages that the kernel did not take", NULL);
}

int udp_create(struct udp **out, const struct udp_conf *conf)
{
    struct sockaddr_storage a;
    struct udp *u;
    int err = tcp_parse_address(conf->listen, &a);

    if (err) return ERR_SYNTAX;
    u = calloc(1, sizeof *u);
    if (!u) return ERR_NOMEM;
    u->conf = *conf;
    u->fd = -1;
    set_metrics(u, conf->metrics);
    err = open_socket(u, &a);
    if (!err && uv_poll_init(loop_uv(conf->loop), &u->poll, u->fd))
        err = ERR_IO;
    if (err) {
        if (u->fd >= 0) close(u->fd);
        free(u);
        return err;
    }
    u->conf.listen = NULL;
    u->poll.data = u;
    uv_poll_start(&u->poll, UV_READABLE, on_readable);
    *out = u;
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void udp_close(struct udp **u)
{
    struct udp *last = *u;

    *u = NULL;
    if (!last) return;
    last->closed = true;
    uv_close((uv_handle_t *)&last->poll, on_closed);
    close(last->fd);
}

int udp_port(const struct udp *u)
{
    return u->port;
}
