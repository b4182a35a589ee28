/* tests/rtc_client.h — the other side of a peer, for tests and the load viewer:
 * ICE checks, DTLS in either role, SRTP both ways. No socket and no thread
 * inside: datagrams come by rtc_client_feed() and go by conf.send.
 *
 *   rtc_client_start ─► checks until one is answered ─► DTLS ─► connected */
#ifndef TESTS_RTC_CLIENT_H
#define TESTS_RTC_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rtc/crypt.h"
#include "core/rtc/dtls.h"
#include "core/rtc/peer.h"

struct rtc_client;

struct rtc_client_conf {
    struct rtc_identity *identity; /* borrowed */
    bool dtls_server;              /* our offer was passive */
    void (*send)(const uint8_t *data, size_t len, void *arg);
    void (*on_connected)(void *arg); /* may be NULL */
    /* Sealed; false: not worth opening. May be NULL. */
    bool (*on_sealed)(const uint8_t *data, size_t len, bool is_control,
                      void *arg);
    void (*on_media)(uint8_t *data, size_t len, bool is_control, void *arg);
    void *arg;
};

enum rtc_client_state {
    CLIENT_NEW,
    CLIENT_CHECKING,
    CLIENT_SHAKING,
    CLIENT_CONNECTED,
    CLIENT_ENDED,
};

int rtc_client_create(struct rtc_client **out,
                      const struct rtc_client_conf *conf);
void rtc_client_free(struct rtc_client **c); /* with close_notify */

/* For the offer. */
const struct rtc_credentials *rtc_client_credentials(
    const struct rtc_client *c);
void rtc_client_fingerprint(const struct rtc_client *c,
                            struct rtc_fingerprint *out);
/* "AB:CD:…" as 32 bytes of SHA-256; false if it is none. */
bool rtc_client_parse_fingerprint(struct rtc_fingerprint *out,
                                  const char *text);

/* The answer is there. A second call: new credentials (restart). */
void rtc_client_start(struct rtc_client *c,
                      const struct rtc_credentials *remote,
                      const struct rtc_fingerprint *fingerprint, int64_t now);
void rtc_client_feed(struct rtc_client *c, uint8_t *data, size_t len,
                     int64_t now);
/* Sends what is due again; returns the next instant worth a call. */
int64_t rtc_client_tick(struct rtc_client *c, int64_t now);
/* One check now: on a new path, or as a refresh. */
void rtc_client_check(struct rtc_client *c, bool nominate);

enum rtc_client_state rtc_client_state(const struct rtc_client *c);
const char *rtc_client_why(const struct rtc_client *c);
struct rtc_crypt *rtc_client_crypt(struct rtc_client *c); /* NULL: not yet */
int rtc_client_answered(const struct rtc_client *c);      /* checks */
int rtc_client_refused(const struct rtc_client *c); /* packets not opened */

/* Plain packets of at most 1,400 bytes; sealed and sent. */
void rtc_client_send_rtp(struct rtc_client *c, const uint8_t *data,
                         size_t header_len, size_t len);
void rtc_client_send_rtcp(struct rtc_client *c, const uint8_t *data,
                          size_t len);

#endif
