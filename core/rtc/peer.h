/* core/rtc/peer.h — one WebRTC transport, shared by WHIP and WHEP: ICE-lite,
 * DTLS, SRTP. Lives on its host's loop; handshakes run on workers.
 *
 *   NEW ──valid check──► CHECKED ──DTLS done──► CONNECTED ──► CLOSED
 *    └─ no check in 10 s, no DTLS in 10 s more, no consent for 30 s, a closed
 *       connection, close_notify, wrong certificate ────────────┘
 *
 * Media that comes between the first check and CONNECTED is kept and told
 * after on_connected() (see core/rtc/early.h). */
#ifndef CORE_RTC_PEER_H
#define CORE_RTC_PEER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtc_host;
struct rtc_peer;

enum {
    RTC_UFRAG_MAX = 256, /* RFC 8839 §5.4 */
    RTC_PWD_MAX = 256,
    RTC_FINGERPRINT_MAX = 64,
    RTC_TAG_MAX = 32, /* room after a packet for its SRTP or SRTCP trailer */
};

struct rtc_credentials {
    char ufrag[RTC_UFRAG_MAX + 1], pwd[RTC_PWD_MAX + 1];
};

enum rtc_hash { RTC_SHA1, RTC_SHA224, RTC_SHA256, RTC_SHA384, RTC_SHA512 };
struct rtc_fingerprint { /* a=fingerprint, decoded (RFC 8122 §5) */
    enum rtc_hash hash;
    uint8_t bytes[RTC_FINGERPRINT_MAX];
    size_t len;
};

struct rtc_peer_events {
    void (*on_connected)(void *arg); /* keys are there: media may flow */
    /* Decrypted; borrowed until it returns. */
    void (*on_rtp)(uint8_t *data, size_t len, int64_t at, void *arg);
    void (*on_rtcp)(uint8_t *data, size_t len, int64_t at, void *arg);
    /* Once, never from inside a call of the owner's; the peer is silent
     * afterwards: free it now or later. reason: for logs, static text. */
    void (*on_closed)(const char *reason, void *arg);
    void *arg;
};

struct rtc_peer_conf {
    struct rtc_host *host;
    bool dtls_client; /* the offer was setup:passive */
    struct rtc_credentials remote;
    struct rtc_fingerprint fingerprint; /* the certificate the offer names */
    struct rtc_peer_events events;
};

/* 0, ERR_LIMIT (host is full) or ERR_NOMEM. */
int rtc_peer_create(struct rtc_peer **out, const struct rtc_peer_conf *conf);
/* Sends close_notify if connected. Takes *p; NULL is fine; no event follows;
 * allowed inside events. */
void rtc_peer_free(struct rtc_peer **p);

/* For the answer. Borrowed. */
const struct rtc_credentials *rtc_peer_credentials(const struct rtc_peer *p);
/* ICE restart: new credentials of ours; the old ones count until the first
 * check with the new ones. 0 or ERR_NOMEM (nothing changed). */
int rtc_peer_restart(struct rtc_peer *p, const struct rtc_credentials *remote);

/* Inside on_connected(): media is kept on until rtc_peer_go_on(), for an owner
 * that has to ask somebody first. What was kept then comes by itself, in
 * order, never from inside that call. */
void rtc_peer_hold(struct rtc_peer *p);
void rtc_peer_go_on(struct rtc_peer *p);

bool rtc_peer_is_connected(const struct rtc_peer *p);
bool rtc_peer_is_tcp(const struct rtc_peer *p); /* of the selected path */
/* When the last check or packet of the other side's came, provably its own. */
int64_t rtc_peer_heard_at(const struct rtc_peer *p);
/* "1.2.3.4:5/udp": the selected path, for logs. */
void rtc_peer_path_text(const struct rtc_peer *p, char out[72]);

/* Sending media: room for a packet of at most `size` bytes in the host's line,
 * filled by the caller (header, extensions, payload), then sealed in place and
 * put in line; packets of one size in a row leave as one system call. NULL
 * when not connected (nothing to seal). */
uint8_t *rtc_peer_packet(struct rtc_peer *p, size_t size);
/* header_len as rtp_write_end() said; size <= what was asked for. */
void rtc_peer_seal(struct rtc_peer *p, size_t header_len, size_t size);
/* A compound; sealed, put in line. */
void rtc_peer_send_rtcp(struct rtc_peer *p, const uint8_t *data, size_t len);

#endif
