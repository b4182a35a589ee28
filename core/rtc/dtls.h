/* core/rtc/dtls.h — a DTLS 1.2 association that yields SRTP keys. Three doors:
 * datagrams in (dtls_feed), datagrams out (gathered in struct dtls_out), time
 * (dtls_tick). No socket or thread inside; a handshake's steps cost up to 1 ms
 * and belong on a worker, what comes after them may run on the loop. One
 * caller at a time.
 *
 *   SHAKING ──dtls_feed──► READY (keys in *ready) ──close_notify──► ENDED
 *      └── wrong certificate, no SRTP profile, alert, 12 time-outs ──► ENDED
 *
 * One write of OpenSSL's is one datagram of at most 1,200 bytes.
 * Source: RFC 6347; RFC 5764 §4; RFC 8122 §5; RFC 8842. */
#ifndef CORE_RTC_DTLS_H
#define CORE_RTC_DTLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rtc/crypt.h"
#include "core/rtc/host.h"
#include "core/rtc/peer.h"

enum {
    DTLS_MTU = 1200,
    DTLS_OUT_BYTES = 8192, /* of one step; a flight is about 1 KB */
    DTLS_OUT_COUNT = 16,
    DTLS_FIRST_WAIT_US = 200 * 1000, /* doubled up to DTLS_WAIT_MAX_US */
    DTLS_WAIT_MAX_US = 3200 * 1000,
};

/* What a step wants sent, datagram after datagram; beyond the bound it is
 * dropped, as if lost on the way. */
struct dtls_out {
    uint8_t data[DTLS_OUT_BYTES];
    uint16_t lens[DTLS_OUT_COUNT];
    int count;
    size_t len;
};

enum dtls_state { DTLS_SHAKING, DTLS_READY, DTLS_ENDED };

struct dtls;

/* Shares i. client: we start. fingerprint: of the certificate that the other
 * side must show; copied.
 * 0, ERR_NOMEM. */
int dtls_create(struct dtls **out, struct rtc_identity *i, bool client,
                const struct rtc_fingerprint *fingerprint);
/* Takes *d; NULL is fine. */
void dtls_free(struct dtls **d);

/* Borrows one datagram; data NULL: a client's first step. */
enum dtls_state dtls_feed(struct dtls *d, const uint8_t *data, size_t len,
                          struct dtls_out *out);
/* Time may have passed: sends a flight again if it is due. */
enum dtls_state dtls_tick(struct dtls *d, struct dtls_out *out);
/* µs until dtls_tick() is worth a call; -1: none is due. */
int64_t dtls_wait_us(struct dtls *d);
/* Appends close_notify, if READY. */
void dtls_close(struct dtls *d, struct dtls_out *out);

/* Once READY: the profile and both directions' keys. 0 or ERR_IO. */
int dtls_export(struct dtls *d, enum crypt_profile *profile,
                struct crypt_key *ours, struct crypt_key *theirs);
/* Lets go of record buffers (35 KB) until the next datagram; 38 KB stay. */
void dtls_shrink(struct dtls *d);
/* The other side has finished too (it sent media): lets go of OpenSSL's part
 * but for what alerts need (tail.h), where the suite allows it. Flights are not
 * sent again afterwards. */
void dtls_settle(struct dtls *d);
/* Why it ended; static text. */
const char *dtls_why(const struct dtls *d);

#endif
