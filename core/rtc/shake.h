/* core/rtc/shake.h — one step of a handshake on a worker: datagrams in, a
 * flight out, and keys at the end. Between the steps its association is the
 * peer's again.
 *
 *   loop: shake_create, shake_add… ─► shake_submit ─► worker ─► loop: done
 *
 * Bound: SHAKE_DATAGRAMS and SHAKE_BYTES wait for a step; more are dropped, as
 * if lost on the way. */
#ifndef CORE_RTC_SHAKE_H
#define CORE_RTC_SHAKE_H
#include "core/loop/worker.h"
#include "core/rtc/dtls.h"

enum { SHAKE_DATAGRAMS = 8, SHAKE_BYTES = 12 << 10 };

struct shake {
    struct rtc_peer *peer; /* NULL: gone meanwhile; on the loop only */
    struct rtc_identity *identity;
    bool client;
    struct rtc_fingerprint fingerprint;
    struct dtls *dtls;       /* in and out; made by the first step */
    struct rtc_crypt *crypt; /* out, with DTLS_READY */
    /* What came in. */
    uint8_t in[SHAKE_BYTES];
    uint16_t in_lens[SHAKE_DATAGRAMS];
    int in_count;
    size_t in_len;
    /* What it led to. */
    enum dtls_state state;
    const char *why;
    struct dtls_out out;
    int64_t wait_us; /* until the next step without a datagram; -1: never */
};

/* Shares i. 0 or ERR_NOMEM. */
int shake_create(struct shake **out, struct rtc_peer *p,
                 struct rtc_identity *i);
/* With its association and keys. Takes *s; NULL is fine. */
void shake_free(struct shake **s);
/* False: no room. */
bool shake_add(struct shake *s, const uint8_t *data, size_t len);
/* done(s) on the loop afterwards. 0, or ERR_LIMIT, ERR_NOMEM (nothing was
 * done). */
int shake_submit(struct shake *s, struct workers *w, loop_fn *done,
                 struct loop *back);

#endif
