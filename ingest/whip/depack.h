/* ingest/whip/depack.h — RTP payloads, in order, to H.264 access units with
 * 4-byte lengths: single NAL units, STAP-A and FU-A. A unit ends at its
 * marker, or where the timestamp changes if the marker never came. What has a
 * hole is dropped; the next unit then says `lost`.
 * Pure: no clock, no log. One thread.
 * Bound: DEPACK_UNIT_BYTES_MAX, DEPACK_NALS_MAX per unit; policy: that unit is
 * dropped. Source: RFC 6184 §5.1 (timestamp, marker), §5.6, §5.7.1, §5.8. */
#ifndef INGEST_WHIP_DEPACK_H
#define INGEST_WHIP_DEPACK_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "ingest/whip/jitter.h"

enum { DEPACK_UNIT_BYTES_MAX = 4 << 20, DEPACK_NALS_MAX = 1024 };

struct whip_unit {
    struct slice data; /* borrowed: ref it to keep it */
    uint32_t timestamp;
    int64_t arrived_at; /* of its last packet */
    bool lost;          /* units before it are missing or were dropped */
};
typedef void whip_unit_fn(const struct whip_unit *u, void *arg);

struct whip_depack_counts {
    uint64_t units, broken, malformed;
};

struct whip_depack {
    whip_unit_fn *on_unit;
    void *arg;
    struct builder b;
    bool open;    /* a unit is being built */
    bool broken;  /* … and lacks something */
    bool lost;    /* to be said with the next whole unit */
    bool in_fu;   /* between S and E of a FU-A */
    size_t fu_at; /* where its length stands */
    int nals;
    uint32_t timestamp;
    int64_t arrived_at;
    struct whip_depack_counts counts;
};

void whip_depack_init(struct whip_depack *d, whip_unit_fn *on_unit, void *arg);
void whip_depack_release(struct whip_depack *d);
/* Borrows p. 0 or ERR_NOMEM (the unit is lost). */
int whip_depack_feed(struct whip_depack *d, const struct whip_packet *p);

/* Is it one Opus packet that a decoder takes? RFC 6716 §3.2, §3.4. */
bool whip_opus_is_sound(const uint8_t *data, size_t len);

#endif
