/* ingest/whip/receiver.h — one RTP stream (SSRC) coming in: its order, what it
 * lacks, and what a report says about it. Pure; one thread.
 *
 *   packet ─► nack (asked for again) ─► jitter ─► next()
 *
 * The round trip is measured where it matters: from asking for a packet to
 * having it. Source: RFC 3550 §6.4.1, A.3, A.8; RFC 4585 §6.2.1. */
#ifndef INGEST_WHIP_RECEIVER_H
#define INGEST_WHIP_RECEIVER_H
#include <stdbool.h>
#include <stdint.h>

#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "ingest/whip/jitter.h"

struct nack;

struct whip_receiver_counts {
    uint64_t packets, nacked, recovered, lost;
};

struct whip_receiver {
    bool used, bye;
    bool repairs; /* NACK was agreed on */
    uint32_t ssrc, rtx_ssrc, rate;
    struct whip_jitter *jitter;
    struct nack *nack;
    int64_t packet_at; /* of the newest packet */

    /* reports */
    int64_t first; /* number of the first packet */
    uint32_t received;
    uint32_t expected_prior, received_prior;
    uint32_t transit; /* arrival less timestamp, ticks */
    double jitter_ticks;
    bool transit_set;
    uint32_t last_sr; /* middle of its NTP; 0: none */
    int64_t last_sr_at;

    /* the round trip, by one request at a time */
    int64_t asked_to; /* all below were asked for before */
    int64_t probe, probe_at, rtt_us, rtt_spread_us;
    uint64_t skipped, restarts; /* as last seen in jitter's counts */
    struct whip_receiver_counts counts;
};

/* 0 or ERR_NOMEM. */
int whip_receiver_init(struct whip_receiver *r, uint32_t ssrc, uint32_t rate,
                       bool repairs);
void whip_receiver_release(struct whip_receiver *r);

/* A packet of its own SSRC, or unwrapped from RTX (then repaired). */
void whip_receiver_put(struct whip_receiver *r, const struct rtp_packet *p,
                       int64_t at, bool repaired);
bool whip_receiver_next(struct whip_receiver *r, int64_t now,
                        struct whip_packet *out);
/* Numbers to ask for now, at most max. */
int whip_receiver_nacks(struct whip_receiver *r, int64_t now, uint16_t *out,
                        int max);
/* INT64_MAX: nothing to do. */
int64_t whip_receiver_deadline(const struct whip_receiver *r);

void whip_receiver_sr(struct whip_receiver *r, uint64_t ntp, int64_t at);
/* Fills a report block and begins the next interval. */
void whip_receiver_report(struct whip_receiver *r, int64_t now,
                          struct rtcp_report *out);
double whip_receiver_jitter_s(const struct whip_receiver *r);

#endif
