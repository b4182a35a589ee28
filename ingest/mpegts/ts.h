/* ingest/mpegts/ts.h — transport stream packets: found in a run of bytes, read,
 * and their continuity counters followed. Pure; embedded; one thread.
 * Spec: ISO/IEC 13818-1 §2.4.3. */
#ifndef INGEST_MPEGTS_TS_H
#define INGEST_MPEGTS_TS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TS_PACKET_BYTES = 188,
    TS_SYNC = 0x47,
    TS_PID_PAT = 0,
    TS_PID_NULL = 0x1fff,
};

/* Cuts bytes into packets. In sync it believes a single 0x47; without it, it
 * wants three of them 188 bytes apart.
 *   SEEKING ──3 sync bytes──► LOCKED ──another byte there──► SEEKING        */
struct ts_framer {
    uint8_t kept[4 * TS_PACKET_BYTES];
    size_t len;
    bool locked;
    uint64_t skipped; /* bytes that were no packet's */
};
typedef void ts_packet_fn(const uint8_t packet[TS_PACKET_BYTES], void *arg);
void ts_framer_feed(struct ts_framer *f, const void *data, size_t len,
                    ts_packet_fn *fn, void *arg);

struct ts_packet {
    uint16_t pid;
    uint8_t counter;
    bool start; /* payload_unit_start_indicator */
    bool scrambled;
    bool discontinuity, random_access; /* adaptation field */
    bool stuffed;                      /* the adaptation field holds filler */
    bool has_pcr;
    int64_t pcr;            /* 27 MHz ticks, below 2^33 * 300 */
    const uint8_t *payload; /* borrowed; NULL: none */
    size_t len;
};
/* 0 or ERR_SYNTAX (sync byte, transport error, fields that do not fit). */
int ts_packet_parse(struct ts_packet *out,
                    const uint8_t bytes[TS_PACKET_BYTES]);

/* One PID's continuity counter (§2.4.3.3). */
struct ts_counter {
    bool known, repeated;
    uint8_t last;
};
enum ts_step {
    TS_NEXT,
    TS_DUPLICATE, /* sent twice, which is allowed once: leave it out */
    TS_GAP,       /* packets are missing before this one */
    TS_JUMP,      /* likewise, but the sender says that it is a new beginning */
};
enum ts_step ts_counter_step(struct ts_counter *c, const struct ts_packet *p);

#endif
