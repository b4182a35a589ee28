/* ingest/whip/clock.h — RTP timestamps of a publisher's streams as µs on one
 * timeline. At first a stream lies where its first packet arrived; once
 * sender reports have named the sender's own clock for two streams, the others
 * glide to where that clock puts them beside the reference
 * (audio, if it reports), by a twentieth of their own speed at most: no jump,
 * no step back.
 *
 *   arrival ─► anchor ─► ts·1e6/rate + offset ─► µs
 *   SR (NTP ↔ ts) ──────► offset's target
 *
 * Pure. One thread. Source: RFC 3550 §5.1, §6.4.1. */
#ifndef INGEST_WHIP_CLOCK_H
#define INGEST_WHIP_CLOCK_H
#include <stdbool.h>
#include <stdint.h>

#include "core/rtc/rtp.h"

enum {
    CLOCK_STREAMS_MAX = 16,
    CLOCK_TRUST_US = 2000000, /* reports farther from arrival are nonsense */
    CLOCK_JUMP_US = 3000000,  /* a sender's timestamps began anew */
};

struct whip_clock_stream {
    uint32_t rate; /* 0: not in use */
    bool started, reported;
    struct rtp_unwrap32 unwrap;
    int64_t offset_us, target_us; /* added to the timestamp in µs */
    int64_t last_us, last_at;     /* newest timestamp given out, its arrival */
    int64_t report_ts, report_us; /* of the last report: ours, sender's clock */
    uint32_t report_raw;
};

struct whip_clock {
    struct whip_clock_stream streams[CLOCK_STREAMS_MAX];
    int reference; /* the stream that others glide to; -1: none yet */
    uint64_t distrusted, jumps;
};

void whip_clock_init(struct whip_clock *c);
/* A stream begins, or another one takes its number. */
void whip_clock_begin(struct whip_clock *c, int stream, uint32_t rate);
/* A sender report: ntp and timestamp are one instant. */
void whip_clock_report(struct whip_clock *c, int stream, uint64_t ntp,
                       uint32_t timestamp);
/* The place of a timestamp. In any order; those of B-frames go back. */
int64_t whip_clock_us(struct whip_clock *c, int stream, uint32_t timestamp,
                      int64_t arrived_at);

#endif
