/* ingest/whip/session.h — the media of one WebRTC publisher: RTP and RTCP in,
 * tracks and frames out, feedback to send. No socket, no clock, no log:
 * connection.c gives it a transport and a publisher. One thread.
 *
 *   rtp() ► by SSRC, or payload type and rid the first time
 *         ► receiver (RTX unwrapped; nack, jitter) ► depack ► avc ► on_frame
 *   rtcp() ► SR: clock; BYE
 *   tick() ► holes given up; RR, NACK, PLI, transport-cc or REMB ► on_rtcp
 *
 * Simulcast: all layers are received and put together, the one that layers.h
 * names goes on. After a loss that stayed, frames are left out up to the next
 * keyframe, which is asked for.
 * Source: RFC 3550 §6; RFC 4585; RFC 4588 §4; RFC 8853 §5; RFC 6184. */
#ifndef INGEST_WHIP_SESSION_H
#define INGEST_WHIP_SESSION_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/track.h"
#include "core/rtc/negotiate.h"
#include "ingest/publisher.h"

enum { WHIP_SLOT_VIDEO = 0, WHIP_SLOT_AUDIO = 1 };

enum {
    WHIP_MEDIA_WAIT_US = 10000000, /* from connected to the first packet */
    WHIP_SILENCE_US = 30000000,    /* without any packet: ended */
    WHIP_PLI_US = 500000,          /* between two of a layer */
    WHIP_KEY_AGAIN_US = 1000000,   /* a request, or its answer, may be lost */
    WHIP_KEY_FIRST_US = 300000,    /* senders begin with one unasked */
    WHIP_WISHED_BPS = 8000000,     /* what REMB allows */
};

struct whip_session;

struct whip_session_events {
    void (*on_track)(int slot, const struct track_info *info,
                     struct slice config, void *arg);
    void (*on_frame)(const struct publisher_frame *f, void *arg);
    void (*on_rtcp)(const uint8_t *data, size_t len, void *arg); /* to send */
    void *arg;
};

struct whip_session_conf {
    const struct rtc_negotiated *negotiated; /* copied */
    /* sprop-parameter-sets of the chosen format: base64, comma-separated; used
     * until sets come in band. May be empty. */
    struct sdp_text sprop;
    bool reduced_size; /* rtcp-rsize: feedback may go without a report */
    uint32_t ssrc;     /* ours, random */
    struct whip_session_events events;
};

/* What came of it so far; only grows. */
struct whip_session_counts {
    uint64_t packets, unknown; /* of no stream that was agreed on */
    uint64_t nacked, recovered, lost, plis;
    uint64_t frames, left_out; /* left out: no keyframe since a loss */
    uint64_t broken, malformed;
    uint64_t switches;   /* of layers */
    uint64_t deeper;     /* reordered frames that the SPS did not announce */
    uint64_t distrusted; /* sender reports */
};

/* 0 or ERR_NOMEM. */
int whip_session_create(struct whip_session **out,
                        const struct whip_session_conf *conf);
void whip_session_free(struct whip_session **s);

/* The transport is there: time-outs begin. */
void whip_session_start(struct whip_session *s, int64_t now);
/* data: decrypted, borrowed, RTX headers are rewritten in it. */
void whip_session_rtp(struct whip_session *s, uint8_t *data, size_t len,
                      int64_t at);
void whip_session_rtcp(struct whip_session *s, const uint8_t *data, size_t len,
                       int64_t at);
/* Does what is due. */
void whip_session_tick(struct whip_session *s, int64_t now);
/* When to tick, as far as is known; asked for after every other call. */
int64_t whip_session_due_at(const struct whip_session *s, int64_t now);
/* Somebody needs a keyframe. */
void whip_session_want_key(struct whip_session *s, int64_t now);

/* Why it is over: static text; NULL while it is not. */
const char *whip_session_end(const struct whip_session *s);
bool whip_session_has_media(const struct whip_session *s);
void whip_session_counts(const struct whip_session *s,
                         struct whip_session_counts *out);
/* Of the layer that goes on; 0 when unknown. */
void whip_session_line(const struct whip_session *s, double *jitter_s,
                       int64_t *rtt_us, int *layer);

#endif
