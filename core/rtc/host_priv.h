/* core/rtc/host_priv.h — what a host and its peers know of each other. */
#ifndef CORE_RTC_HOST_PRIV_H
#define CORE_RTC_HOST_PRIV_H
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/tcp.h"
#include "core/rtc/dtls.h"
#include "core/rtc/host.h"
#include "core/rtc/ice.h"
#include "core/rtc/line.h"
#include "core/rtc/paths.h"
#include "core/rtc/peer.h"
#include "core/rtc/stream.h"

struct rtc_host_counters {
    struct metric *peers, *connected, *ended;
    struct metric *unrouted;    /* datagrams of no peer of ours */
    struct metric *undecrypted; /* forged or broken SRTP, SRTCP */
    struct metric *replayed;
    struct metric *queue_dropped; /* DTLS datagrams beyond the bound */
    struct metric *early_dropped; /* media beyond the bound of early.h */
    struct metric *workers_full;
};

struct rtc_host {
    struct loop *loop;
    struct udp *udp;
    struct streams *streams;
    struct rtc_identity *identity;
    struct workers *workers;
    struct metrics *metrics;
    struct rtc_host_counters count;
    struct map ufrags;  /* → struct rtc_peer */
    struct paths paths; /* → struct rtc_peer */
    struct list peers;
    int peer_count;
    int tcp_port;
    struct line line;
    char addresses[HOST_ADDRESSES_MAX][ADDRESS_TEXT_MAX];
    int address_count;
};

/* One datagram now, past the line: STUN and DTLS. */
void host_send(struct rtc_host *h, const struct net_path *to,
               const uint8_t *data, size_t len);
void host_send_all(struct rtc_host *h, const struct net_path *to,
                   const struct dtls_out *out);
/* Room in the line for a sealed packet; never NULL. */
uint8_t *host_room(struct rtc_host *h);

/* In peer.c: what the host found out to be a peer's. */
void peer_on_stun(struct rtc_peer *p, const struct net_path *from,
                  const uint8_t *data, size_t len, int64_t at);
void peer_on_dtls(struct rtc_peer *p, const uint8_t *data, size_t len);
void peer_on_media(struct rtc_peer *p, uint8_t *data, size_t len, int64_t at,
                   bool is_control);
void peer_on_path_gone(struct rtc_peer *p, const struct net_path *path);

#endif
