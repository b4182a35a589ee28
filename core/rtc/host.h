/* core/rtc/host.h — one loop's WebRTC sockets and the peers behind them: a UDP
 * socket of its own, and ICE-TCP connections. Routes STUN by ufrag, the rest
 * by path. On its loop only, unless said otherwise.
 *
 *   first byte (RFC 7983) ─ STUN → ICE of the peer its ufrag names
 *                         ─ DTLS, RTP, RTCP → peer whose path ICE has proved
 *
 * ICE-TCP (RFC 6544 passive, RFC 4571 frames): one port for the process; its
 * listener lives on one host, which hands a connection to the loop that its
 * first STUN message names (the loop's number is in the ufrag).
 *
 * Bounds: HOST_PEERS_MAX peers; datagrams of unknown paths are dropped and
 * counted; a TCP connection shows a valid STUN message within 5 s or ends; its
 * send queue holds 200 ms of media at most, then packets are dropped. */
#ifndef CORE_RTC_HOST_H
#define CORE_RTC_HOST_H
#include <stdbool.h>
#include <stdint.h>

#include "core/net/udp.h"

struct loop;
struct metrics;
struct rtc_host;
struct rtc_identity;
struct workers;

enum { HOST_PEERS_MAX = 16384, HOST_ADDRESSES_MAX = 8 };

/* The certificate of all peers: self-signed ECDSA P-256, made anew by each
 * process. Shared by all hosts and their peers; any thread. 0, ERR_NOMEM or
 * ERR_IO. */
int rtc_identity_create(struct rtc_identity **out);
/* Takes *i; peers that still use it keep it. */
void rtc_identity_free(struct rtc_identity **i);
/* "AB:CD:…" of SHA-256. */
const char *rtc_identity_fingerprint(const struct rtc_identity *i);

struct rtc_host_conf {
    struct loop *loop;
    const char *listen;     /* UDP "host:port" of this loop */
    const char *listen_tcp; /* "host:port" on one host, NULL on the others */
    struct rtc_identity *identity; /* borrowed */
    struct workers *workers;       /* handshakes; borrowed */
    /* What answers name. Empty: the addresses of this machine's interfaces
     * that are up (global ones first; loopback only if nothing else, or if
     * listen is a loopback address; listen's own address if it names one). */
    const char *const *public_addresses; /* NULL-terminated; copied; may be
                                            NULL */
    struct metrics *metrics;             /* may be NULL */
};

/* On error why says what. 0, ERR_SYNTAX, ERR_BUSY, ERR_IO, ERR_NOMEM. */
int rtc_host_create(struct rtc_host **out, const struct rtc_host_conf *conf,
                    char why[256]);
/* All hosts of the process, by loop index, so that TCP connections find their
 * loop; before the loops run. 0 or ERR_NOMEM (nothing changed). */
int rtc_host_set_peers(struct rtc_host *h, struct rtc_host *const *hosts,
                       int count, int tcp_port);
/* Its peers must be freed. Takes *h; NULL is fine. */
void rtc_host_free(struct rtc_host **h);

struct loop *rtc_host_loop(const struct rtc_host *h);
struct metrics *rtc_host_metrics(const struct rtc_host *h);
const char *rtc_host_fingerprint(const struct rtc_host *h);
int rtc_host_udp_port(const struct rtc_host *h);
int rtc_host_tcp_port(const struct rtc_host *h); /* process-wide; -1: none */

/* IPv4 before IPv6; UDP before TCP is the answer's business. */
int rtc_host_address_count(const struct rtc_host *h);
const char *rtc_host_address(const struct rtc_host *h, int i);

/* Sends what peers have put in line since the last flush: at the end of each
 * burst of rtc_peer_seal() calls. */
void rtc_host_flush(struct rtc_host *h);

#endif
