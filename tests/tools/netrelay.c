/* tests/tools/netrelay.c — a wire with faults between two interfaces of one
 * network namespace: every Ethernet frame that comes in at one leaves at the
 * other, later, or not at all. (The kernels that tests run on may lack netem.)
 *
 * usage: netrelay INTERFACE_A INTERFACE_B
 * Says "ready", then obeys lines on its standard input:
 *   delay MS       each way (0)
 *   jitter MS      up to so much more, order kept (0)
 *   loss PERCENT   of UDP datagrams, each way (0)
 *   tcploss PERCENT  of TCP segments, likewise
 *   drop WHAT      none, udp or all
 *   rebind N       a NAT that forgot: UDP of A's side is seen N ports higher,
 *                  and only what is sent there finds its way back
 * Ends with its standard input. Queue: 16384 frames, then the tail is lost. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE = 16384, FRAME_MAX = 65600 };

struct held {
    int64_t due_us;
    uint8_t *data;
    size_t len;
};
struct way { /* frames on their way out of one interface */
    int in, out;
    bool from_a;
    struct held *queue;
    size_t first, count;
    int64_t last_due_us;
};

static struct {
    int64_t delay_us, jitter_us;
    double loss, tcp_loss;
    bool drop_udp, drop_all;
    int rebind;
} fault;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int open_interface(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), room = 8 << 20;

    if (fd < 0 || !at.sll_ifindex ||
        bind(fd, (struct sockaddr *)&at, sizeof at)) {
        perror(name);
        exit(1);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    return fd;
}

/* 14 bytes of Ethernet put what follows on odd addresses. */
typedef struct iphdr __attribute__((aligned(1))) any_iphdr;
typedef struct udphdr __attribute__((aligned(1))) any_udphdr;

static any_udphdr *udp_of(uint8_t *frame, size_t len)
{
    any_iphdr *ip = (any_iphdr *)(frame + ETHER_HDR_LEN);

    if (len < ETHER_HDR_LEN + sizeof *ip + sizeof(struct udphdr) ||
        frame[12] != 0x08 || frame[13] != 0x00 || ip->protocol != IPPROTO_UDP)
        return NULL;
    return (any_udphdr *)((uint8_t *)ip + ip->ihl * 4u);
}

static bool is_tcp(const uint8_t *frame, size_t len)
{
    return len > ETHER_HDR_LEN + 9 && frame[12] == 0x08 && frame[13] == 0x00 &&
           frame[ETHER_HDR_LEN + 9] == IPPROTO_TCP;
}

/* False: it gets lost. */
static bool alter(uint8_t *frame, size_t len, bool from_a)
{
    any_udphdr *udp = udp_of(frame, len);

    if (fault.drop_all) return false;
    if (is_tcp(frame, len)) return drand48() * 100 >= fault.tcp_loss;
    if (!udp) return true;
    if (fault.drop_udp || drand48() * 100 < fault.loss) return false;
    if (!fault.rebind) return true;
    if (from_a)
        udp->source = htons((uint16_t)(ntohs(udp->source) + fault.rebind));
    else
        udp->dest = htons((uint16_t)(ntohs(udp->dest) - fault.rebind));
    udp->check = 0; /* IPv4: not used */
    return true;
}

static void take(struct way *w)
{
    static uint8_t frame[FRAME_MAX];
    struct sockaddr_ll from;
    socklen_t size = sizeof from;

    for (;;) {
        ssize_t n = recvfrom(w->in, frame, sizeof frame, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &size);
        if (n < 0) return;
        if (from.sll_pkttype == PACKET_OUTGOING || w->count == QUEUE ||
            !alter(frame, (size_t)n, w->from_a))
            continue;
        struct held *h = &w->queue[(w->first + w->count++) % QUEUE];
        h->due_us = now_us() + fault.delay_us +
                    (int64_t)(drand48() * (double)fault.jitter_us);
        if (h->due_us < w->last_due_us) h->due_us = w->last_due_us;
        w->last_due_us = h->due_us;
        h->data = malloc((size_t)n);
        h->len = (size_t)n;
        if (!h->data) exit(1);
        memcpy(h->data, frame, (size_t)n);
    }
}

/* Sends what is due; when the next one is, or -1. */
static int64_t give(struct way *w)
{
    while (w->count) {
        struct held *h = &w->queue[w->first];
        int64_t wait_us = h->due_us - now_us();
        if (wait_us > 0) return wait_us;
        if (send(w->out, h->data, h->len, 0) < 0 && errno != ENOBUFS &&
            errno != ENETDOWN && errno != EMSGSIZE)
            perror("send");
        free(h->data);
        w->first = (w->first + 1) % QUEUE;
        w->count--;
    }
    return -1;
}

static void obey(const char *line)
{
    char word[32] = "", what[32] = "";

    if (sscanf(line, "%31s %31s", word, what) != 2) return;
    if (!strcmp(word, "delay")) fault.delay_us = (int64_t)(atof(what) * 1000);
    if (!strcmp(word, "jitter")) fault.jitter_us = (int64_t)(atof(what) * 1000);
    if (!strcmp(word, "loss")) fault.loss = atof(what);
    if (!strcmp(word, "tcploss")) fault.tcp_loss = atof(what);
    if (!strcmp(word, "rebind")) fault.rebind = atoi(what);
    if (!strcmp(word, "drop")) {
        fault.drop_udp = !strcmp(what, "udp");
        fault.drop_all = !strcmp(what, "all");
    }
    printf("%s %s\n", word, what);
    fflush(stdout);
}

/* False at its end. */
static bool read_orders(void)
{
    static char text[256];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, text + len, sizeof text - 1 - len);
    char *end;

    if (n <= 0) return false;
    len += (size_t)n;
    text[len] = 0;
    while ((end = strchr(text, '\n')) != NULL) {
        *end = 0;
        obey(text);
        len -= (size_t)(end + 1 - text);
        memmove(text, end + 1, len + 1);
    }
    return len < sizeof text - 1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: netrelay INTERFACE_A INTERFACE_B\n", stderr);
        return 2;
    }
    int a = open_interface(argv[1]), b = open_interface(argv[2]);
    struct way ways[2] = {{.in = a, .out = b, .from_a = true},
                          {.in = b, .out = a}};

    srand48(1); /* the same faults each time */
    for (int i = 0; i < 2; i++) {
        ways[i].queue = calloc(QUEUE, sizeof *ways[i].queue);
        if (!ways[i].queue) return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t ab = give(&ways[0]), ba = give(&ways[1]);
        int64_t wait = ab < 0 ? ba : ba < 0 || ab < ba ? ab : ba;
        struct timespec t = {wait / 1000000, wait % 1000000 * 1000};
        struct pollfd fds[] = {
            {a, POLLIN, 0}, {b, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        ppoll(fds, 3, wait < 0 ? NULL : &t, NULL);
        take(&ways[0]);
        take(&ways[1]);
        if (fds[2].revents && !read_orders()) return 0;
    }
}
