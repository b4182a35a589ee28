/* ingest/rtmp/handshake.h — the server's half of the RTMP handshake, simple
 * and digest form. Pure: no I/O, no clock. One thread.
 * Spec: RTMP 1.0 §5.2. The digest form is what Flash-era clients check; we
 * answer it when C1 carries a valid digest, else the simple one. */
#ifndef INGEST_RTMP_HANDSHAKE_H
#define INGEST_RTMP_HANDSHAKE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

enum { RTMP_HANDSHAKE_BYTES = 1536 };

/*   WAIT_C0 ──feed──► WAIT_C1 ──feed: S0 S1 S2 go out──► WAIT_C2 ──► DONE
 *      └── first byte is not 3: error, reason set                          */
enum rtmp_handshake_state {
    HANDSHAKE_C0,
    HANDSHAKE_C1,
    HANDSHAKE_C2,
    HANDSHAKE_DONE,
};

struct rtmp_handshake {
    enum rtmp_handshake_state state;
    uint64_t seed;      /* of the filler in S1 and S2; no secret */
    size_t have;        /* bytes of C1 or C2 so far */
    bool digest;        /* C1 carried a valid digest */
    const char *reason; /* of the last error; static */
    uint8_t c1[RTMP_HANDSHAKE_BYTES];
};

void rtmp_handshake_init(struct rtmp_handshake *h, uint64_t seed);
/* Takes bytes from *data up to end, never beyond the handshake; appends what
 * is to be sent to out. 0, or ERR_UNSUPPORTED (TLS, RTMPE, HTTP or another
 * version; see reason). C2's content is not compared: clients differ. */
int rtmp_handshake_feed(struct rtmp_handshake *h, const uint8_t **data,
                        const uint8_t *end, struct builder *out);

#endif
