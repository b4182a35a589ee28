/* ingest/mpegts/pes.h — packetised elementary streams: what the packets of one
 * PID carry, put together again. Pure; one thread.
 * Spec: ISO/IEC 13818-1 §2.4.3.6.
 *
 * A unit is handed out as early as its end is known: by its length, if it says
 * one; by the filler that muxers put into a unit's last packet, once this
 * sender was seen to do so TRUST times and never otherwise; else when the next
 * one begins. */
#ifndef INGEST_MPEGTS_PES_H
#define INGEST_MPEGTS_PES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/mpegts/ts.h"

enum {
    PES_VIDEO_MAX = 8 << 20,
    PES_OTHER_MAX = 128 << 10, /* a length field reaches 64 KiB */
};

#define PES_NO_TIME INT64_MIN

struct pes_unit {
    int64_t pts, dts; /* 90 kHz, below 2^33; PES_NO_TIME */
    const uint8_t *data;
    size_t len;
    bool random_access;
};
/* Borrows bytes of a whole packet. 0, ERR_SYNTAX or ERR_AGAIN (too few). Of
 * one cut short, data is what is there. */
int pes_parse(struct pes_unit *out, const void *data, size_t len);

struct pes {
    uint8_t *data;
    size_t len, room, limit;
    bool open, random_access;
    bool early;       /* the last unit was handed out on filler alone */
    int fillers;      /* packets with filler in the open unit */
    bool filler_last; /* and whether its newest has some */
    int proofs;
    bool distrust;
};

typedef void pes_fn(const struct pes_unit *u, void *arg);

void pes_init(struct pes *p, size_t limit);
void pes_release(struct pes *p);
/* Takes one packet with payload. fn is called for what became whole, before
 * this returns. 0; ERR_LIMIT (the unit is too long), ERR_SYNTAX (no packet
 * header), ERR_NOMEM: the unit is lost; ERR_ORDER: the last unit went out too
 * early and lacks its end. */
int pes_feed(struct pes *p, const struct ts_packet *k, pes_fn *fn, void *arg);
/* Packets are missing: forgets the open unit. True if there was one. */
bool pes_break(struct pes *p);

#endif
