/* ingest/srt/handshakes.h — callers whom srt_access() let in and who never
 * came: libsrt itself refuses another passphrase, and tells nobody here.
 * Two threads without a lock: libsrt's notes, the server's does the rest; a
 * slot that is held belongs to the second. No I/O, no clock; times are
 * monotonic µs. */
#ifndef INGEST_SRT_HANDSHAKES_H
#define INGEST_SRT_HANDSHAKES_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/publisher.h"
#include "core/net/tcp.h"

enum {
    HANDSHAKES_MAX = 64,    /* at once; policy: others are not told of */
    HANDSHAKE_US = 1000000, /* libsrt has answered long before */
};

struct handshake {
    atomic_bool held;
    bool secret; /* the channel has a passphrase */
    int64_t at;
    char peer[ADDRESS_TEXT_MAX], channel[CHANNEL_NAME_MAX + 1];
};

struct handshakes {
    struct handshake slots[HANDSHAKES_MAX];
};

void handshakes_init(struct handshakes *h);
/* libsrt's thread: the question was answered with yes. Repeated ones of a peer
 * are one. */
void handshakes_note(struct handshakes *h, const char *peer,
                     const char *channel, bool secret, int64_t now);
/* The server's thread: this peer's connection is there. */
void handshakes_came(struct handshakes *h, const char *peer);
/* One that did not come in time, or NULL; give it back with
 * handshakes_forget(). */
struct handshake *handshakes_overdue(struct handshakes *h, int64_t now);
void handshakes_forget(struct handshake *it);

#endif
