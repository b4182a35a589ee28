/* What one packet to one viewer costs at least: copied, sealed with GCM, and
 * sent in runs that the kernel cuts apart; nothing else. The figure to hold
 * the real fan-out against: frames, and 50 packets of sound to 30 of them.
 * Sinks are sockets on loopback that a thread of its own reads, since what a
 * full socket refuses costs next to nothing.
 * usage: whep_floor [VIEWERS [PACKETS-PER-FRAME [SECONDS [gcm|sha1]]]] */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/net/udp.h"
#include "core/rtc/crypt.h"
#include "core/rtc/line.h"

enum {
    PACKET = 1200,
    SOUND = 280,
    HEADER = 20,
    VIEWERS_MAX = 8000,
    READ_AT_ONCE = 64,
};

struct viewer {
    struct rtc_crypt *crypt;
    struct net_path to;
    uint16_t sequence;
};

static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int open_sink(struct net_path *to)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        return -1;
    memset(to, 0, sizeof *to);
    to->ip[10] = to->ip[11] = 0xff;
    memcpy(to->ip + 12, &a.sin_addr, 4);
    to->port = ntohs(a.sin_port);
    return fd;
}

static void *read_sinks(void *arg)
{
    static uint8_t room[READ_AT_ONCE][2048];
    struct iovec iov[READ_AT_ONCE];
    struct mmsghdr m[READ_AT_ONCE] = {0};
    struct epoll_event ready[READ_AT_ONCE];
    int poll = *(int *)arg;

    for (int i = 0; i < READ_AT_ONCE; i++) {
        iov[i] = (struct iovec){room[i], sizeof room[i]};
        m[i].msg_hdr.msg_iov = &iov[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    for (;;) {
        int n = epoll_wait(poll, ready, READ_AT_ONCE, -1);
        for (int i = 0; i < n; i++)
            recvmmsg(ready[i].data.fd, m, READ_AT_ONCE, MSG_DONTWAIT, NULL);
    }
    return NULL;
}

static void flush(struct udp *u, struct line *l)
{
    struct udp_message m[LINE_RUNS];

    for (int i = 0; i < l->run_count; i++)
        m[i] = (struct udp_message){&l->runs[i].to, l->slab + l->runs[i].offset,
                                    l->runs[i].len, l->runs[i].segment};
    if (u) udp_send(u, m, l->run_count);
    line_clear(l);
}

/* So many packets to each viewer; sealed and sent as asked. */
static int64_t send_all(struct viewer *v, int viewers, int packets, size_t size,
                        struct udp *u, struct line *l, bool seal)
{
    static uint8_t frame[PACKET];

    for (int i = 0; i < viewers; i++) {
        for (int j = 0; j < packets; j++) {
            uint8_t *room = line_room(l);
            size_t len = size + 16;
            if (!room) {
                flush(u, l);
                room = line_room(l);
            }
            memcpy(room, frame, size);
            room[0] = 0x80, room[1] = 96;
            room[2] = (uint8_t)(v[i].sequence >> 8);
            room[3] = (uint8_t)v[i].sequence++;
            if (seal) len = rtc_crypt_protect(v[i].crypt, room, HEADER, size);
            line_put(l, &v[i].to, len);
        }
    }
    flush(u, l);
    return (int64_t)viewers * packets;
}

/* Three frames and five packets of sound. Returns packets. */
static int64_t round_trip(struct viewer *v, int viewers, int packets,
                          struct udp *u, struct line *l, bool seal)
{
    int64_t n = 0;

    for (int i = 0; i < 5; i++) {
        if (i < 3) n += send_all(v, viewers, packets, PACKET, u, l, seal);
        n += send_all(v, viewers, 1, SOUND, u, l, seal);
    }
    return n;
}

static double measure(struct viewer *v, int viewers, int packets, struct udp *u,
                      struct line *l, bool seal, int64_t us)
{
    int64_t from = cpu_us(), until = clock_mono_us() + us, n = 0;

    while (clock_mono_us() < until)
        n += round_trip(v, viewers, packets, u, l, seal);
    return (double)(cpu_us() - from) / (double)n;
}

static void nothing(const struct net_path *from, uint8_t *data, size_t len,
                    int64_t at, void *arg)
{
    (void)from, (void)data, (void)len, (void)at, (void)arg;
}

int main(int argc, char **argv)
{
    static struct viewer v[VIEWERS_MAX];
    static struct line line;
    int viewers = argc > 1 ? atoi(argv[1]) : 500;
    int packets = argc > 2 ? atoi(argv[2]) : 10;
    int64_t us = (argc > 3 ? atoi(argv[3]) : 3) * INT64_C(1000000);
    enum crypt_profile profile =
        argc > 4 && !strcmp(argv[4], "sha1") ? CRYPT_SHA1_80 : CRYPT_GCM;
    struct crypt_key key = {{1}, {2}};
    struct udp_conf conf = {.listen = "127.0.0.1:0", .on_datagram = nothing};
    struct loop *loop;
    struct udp *udp;
    int poll = epoll_create1(0);
    pthread_t reader;

    if (viewers < 1 || viewers > VIEWERS_MAX || packets < 1) return 2;
    if (loop_create(&loop, 0) || rtc_crypt_start() || line_init(&line))
        return 1;
    conf.loop = loop;
    if (udp_create(&udp, &conf)) return 1;
    for (int i = 0; i < viewers; i++) {
        key.key[0] = (uint8_t)i, key.key[1] = (uint8_t)(i >> 8);
        struct epoll_event e = {.events = EPOLLIN};
        e.data.fd = open_sink(&v[i].to);
        if (e.data.fd < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, e.data.fd, &e) ||
            rtc_crypt_create(&v[i].crypt, profile, &key, &key))
            return 1;
    }
    if (pthread_create(&reader, NULL, read_sinks, &poll)) return 1;
    round_trip(v, viewers, packets, udp, &line, true);
    double copy = measure(v, viewers, packets, NULL, &line, false, us);
    double seal = measure(v, viewers, packets, NULL, &line, true, us) - copy;
    double all = measure(v, viewers, packets, udp, &line, true, us);
    printf("{\"viewers\":%d,\"packets_per_frame\":%d,\"profile\":\"%s\","
           "\"us_per_packet\":%.3f,\"copy_us\":%.3f,\"seal_us\":%.3f,"
           "\"send_us\":%.3f}\n",
           viewers, packets, profile == CRYPT_GCM ? "gcm" : "sha1", all, copy,
           seal, all - seal - copy);
    for (int i = 0; i < viewers; i++)
        rtc_crypt_free(&v[i].crypt);
    udp_close(&udp);
    line_release(&line);
    loop_free(&loop);
    return 0;
}
