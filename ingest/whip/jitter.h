/* ingest/whip/jitter.h — puts the packets of one RTP stream (SSRC) back in
 * order. A hole holds back what is behind it until it is filled or its time is
 * over; then it is skipped and the next packet says so. Packets without
 * payload (padding) are counted like all others.
 * Pure: no clock, no log. One thread.
 * Bound: JITTER_PACKETS_MAX packets of at most JITTER_BYTES_MAX; policy: the
 * oldest holes are given up first.
 * Source: RFC 3550 §6.4.1, appendix A.1, A.3, A.8 (numbers of a report). */
#ifndef INGEST_WHIP_JITTER_H
#define INGEST_WHIP_JITTER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JITTER_PACKETS_MAX = 1024,
    JITTER_BYTES_MAX = 4 << 20, /* of payloads held */
    JITTER_HOLD_MIN_US = 20000,
    JITTER_HOLD_MAX_US = 200000,
};

struct whip_jitter;

struct whip_packet {
    uint16_t sequence;
    uint32_t timestamp;
    bool marker;
    int64_t arrived_at;     /* monotonic µs */
    const uint8_t *payload; /* borrowed */
    size_t len;             /* 0: padding only */
    int64_t number;         /* extended sequence number: cycles above 16 bits */
    bool lost;              /* by next(): packets before this one never came */
};

struct whip_jitter_counts {
    uint64_t received, late, duplicate, reordered, skipped, restarts;
};

/* 0 or ERR_NOMEM. */
int whip_jitter_create(struct whip_jitter **out);
void whip_jitter_free(struct whip_jitter **j);

/* How long a hole may last: 2 round trips and 20 ms, at most 200 ms. */
void whip_jitter_set_rtt(struct whip_jitter *j, int64_t rtt_us);

/* Sets p->number. The payload is borrowed until next() has said false, which
 * the caller asks for right after; what stays is copied. 0; ERR_EXISTS (came
 * before), ERR_RANGE (too late: its place was passed), ERR_NOMEM (lost). */
int whip_jitter_put(struct whip_jitter *j, struct whip_packet *p);
/* The next packet whose turn it is; *out borrowed until the next call. */
bool whip_jitter_next(struct whip_jitter *j, int64_t now,
                      struct whip_packet *out);
/* When next() has something to say without a new packet; 0: never. */
int64_t whip_jitter_due_at(const struct whip_jitter *j);
/* Is this number waited for? */
bool whip_jitter_is_missing(const struct whip_jitter *j, uint16_t sequence);
int64_t whip_jitter_highest(const struct whip_jitter *j); /* 0: none yet */
/* All before this were given out or skipped. */
int64_t whip_jitter_turn(const struct whip_jitter *j);

const struct whip_jitter_counts *whip_jitter_counts(
    const struct whip_jitter *j);

#endif
