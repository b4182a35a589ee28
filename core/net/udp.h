/* core/net/udp.h — a UDP socket on one loop: reads in batches (recvmmsg),
 * writes in batches (sendmmsg) of runs of equal datagrams (UDP_SEGMENT).
 * Replies leave from the address that was written to. On its loop only.
 *
 * Policy: what the kernel does not take at once is dropped and counted: media
 * that waits is worth less than media that is asked for again.
 * Source: udp(7), UDP_SEGMENT; sendmmsg(2). */
#ifndef CORE_NET_UDP_H
#define CORE_NET_UDP_H
#include <stddef.h>
#include <stdint.h>

struct loop;
struct metrics;
struct udp;

enum net_transport { NET_UDP, NET_TCP };

/* The other end and the way there. Compared and hashed as bytes: start from
 * {0} (memset). IPv4 is written ::ffff:a.b.c.d. */
struct net_path {
    uint8_t ip[16];
    uint8_t local[16];   /* our address that was used */
    uint32_t connection; /* TCP: its number on this loop; UDP: 0 */
    uint16_t port;       /* host order */
    uint8_t transport;   /* enum net_transport */
    uint8_t reserved;
};
/* "1.2.3.4:5", "[::1]:5" */
void net_path_text(char out[64], const struct net_path *p);

/* data is borrowed until it returns, and may be changed (decrypted) in place.
 * at: monotonic µs. */
typedef void udp_receive(const struct net_path *from, uint8_t *data, size_t len,
                         int64_t at, void *arg);

struct udp_conf {
    struct loop *loop;
    const char *listen; /* "host:port"; see tcp_parse_address */
    udp_receive *on_datagram;
    void *arg;
    struct metrics *metrics; /* may be NULL */
};

/* 0, ERR_SYNTAX, ERR_BUSY (address in use), ERR_IO, ERR_NOMEM. */
int udp_create(struct udp **out, const struct udp_conf *conf);
/* Takes *u; NULL is fine; nothing is received afterwards. */
void udp_close(struct udp **u);
int udp_port(const struct udp *u);

struct udp_message {
    const struct net_path *to;
    const uint8_t *data;
    size_t len;
    size_t segment; /* the run's datagrams are of this size, the last may be
                       shorter; 0 or >= len: one datagram */
};
/* How many were given to the kernel (a run beyond 64 datagrams or 65,000 bytes
 * counts as several); the rest is dropped. Falls back to one datagram per
 * message where the way there has no segmentation. */
int udp_send(struct udp *u, const struct udp_message *m, int count);

#endif
