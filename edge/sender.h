/* edge/sender.h — what one viewer is sent: numbers and timestamps that go on
 * whatever rendition they carry, the line of what has not left yet, and what
 * may be asked for again. Pure: packets leave through a sink, time comes in.
 *
 * The line is a place in a rendition's history, not a queue: live frames cost
 * a viewer nothing until they are sent.
 *
 *   AWAITING ── keyframe of target or stopgap, or sender_begin() ──► SENDING
 *   SENDING  ── target's keyframe, once what is shown has come to its pts ──►
 *               SENDING the target
 *   SENDING  ── sender_pause() ──► AWAITING
 *   SENDING  ── more than PACER_LATE_US behind: to a newer keyframe, else ──►
 *               AWAITING
 *
 * Timestamps are the pictures' own (base + pts) but where they would not grow:
 * a cached GOP is squeezed to 1 ms a picture so that its last one is in time,
 * and a keyframe older than what was shown comes 1 ms after that.
 * Source: RFC 3550 §5.1, §6.4.1; RFC 4588 §4 (RTX); RFC 8285. */
#ifndef EDGE_SENDER_H
#define EDGE_SENDER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "edge/feed.h"
#include "edge/pacer.h"

enum {
    SENDER_RING = 1024, /* packets that may be asked for again */
    /* Header with our extensions: 12 + 4 + (2+1) + (3+1) + (8+1), padded. */
    SENDER_HEADER_MAX = 32,
    SENDER_SWITCH_US = 200000, /* at most so long for the old to catch up */
    SENDER_CACHE_US = 500000,  /* a GOP so young is worth sending whole */
    SENDER_CACHE_BYTES = 120000,
    SENDER_CACHE_MOST = 600000, /* where there is no other way to begin */
    SENDER_CACHE_BPS = 10000000,
    SENDER_CATCH_UP_US = 2000000,
    /* A start is eager; afterwards so many frames say that it is over. */
    SENDER_EAGER_US = 1500000,
    SENDER_STEADY_FRAMES = 30,
    SENDER_RTT_DEFAULT_US = 100000,
};

struct sender_sink {
    /* Room for a packet; NULL: it cannot be sent now. */
    uint8_t *(*room)(size_t size, void *arg);
    void (*seal)(size_t header_len, size_t size, void *arg);
    /* Before a packet's header is written: its transport-wide number. */
    uint16_t (*count)(size_t size, uint8_t probe, int64_t now_at, void *arg);
    void *arg;
};

struct sender_conf {
    const struct feed *feed; /* borrowed */
    struct sender_sink sink;
    uint32_t video_ssrc, rtx_ssrc, audio_ssrc;
    uint32_t video_base, audio_base; /* timestamps of pts 0 */
    uint16_t video_sequence, rtx_sequence, audio_sequence;
    uint8_t video_payload_type, audio_payload_type; /* 0: none */
    uint8_t rtx_payload_type;                       /* 0: no RTX */
    bool video_nack;
    /* Extensions' ids; 0: not negotiated. */
    uint8_t video_transport_cc, audio_transport_cc;
    uint8_t abs_capture_time, playout_delay;
};

struct sender_stream {
    uint32_t ssrc, base;
    uint16_t sequence; /* of the next packet */
    uint32_t packets, octets;
    uint32_t timestamp; /* of the last */
};

struct sent_packet { /* enough to write it again, byte for byte */
    uint32_t unit;   /* 0: none */
    uint32_t timestamp;
    uint16_t packet, number, again_ms;
    uint8_t rendition, extras;
};

struct sender_counts {
    uint64_t packets, bytes, resent, resent_bytes, not_found, dropped_frames,
        frames, probes;
    uint32_t switches;
};

struct sender {
    struct sender_conf conf;
    struct sender_stream video, rtx, audio;
    struct sender_counts counts;
    struct pacer pacer, again; /* again: what was sent before */

    int current;               /* index of the rendition; -1: AWAITING */
    int last_shown;            /* of the frame sent last */
    uint64_t unit;             /* next to be sent */
    int packet;                /* of that unit */
    int64_t frame_ts, last_ts; /* 90 kHz; of the frame being sent, the last */
    int64_t last_pts, step;    /* of the frame sent last; to the next */
    uint64_t cached_until;     /* a cached GOP, squeezed */
    int64_t cached_pts;
    int64_t catch_up_by; /* a start: faster, and not late before that; 0 */
    bool started;        /* a frame was sent */
    int64_t rate_bps;
    bool careful;
    uint32_t fresh_from; /* packets before it are of no use any more */

    int target, stopgap; /* -1: none */
    bool hurry;
    uint64_t target_unit; /* its keyframe; 0: not there yet */
    int64_t target_pts, switch_by;

    int64_t capture_time_at; /* last said */
    int64_t eager_until;     /* 0: not yet begun */
    int steady_frames;

    int64_t probe_at, probe_bps;
    int probe_left, probe_bytes;
    uint8_t probe_id;
    uint16_t probe_from; /* sequence that is sent again next */

    struct sent_packet ring[SENDER_RING];
};

void sender_init(struct sender *s, const struct sender_conf *conf,
                 int64_t now_at);

/* From a keyframe that is in the history on; what was in line is dropped. */
void sender_begin(struct sender *s, int index, uint64_t unit, int64_t now_at);
/* To be shown from its next keyframe on; -1: what is shown now. hurry: what
 * still is in line is not worth sending. */
void sender_aim(struct sender *s, int index, bool hurry);
/* The target's keyframe need not be waited for: this one, of late, will do. */
void sender_aim_at(struct sender *s, uint64_t unit, int64_t now_at);
/* While AWAITING, a keyframe of this one will do, too. */
void sender_accept(struct sender *s, int index);
/* Is a GOP in the rendition's history with which a viewer could begin? Its
 * keyframe's number or 0. any_age: the next keyframe cannot be asked for. */
uint64_t sender_cached(const struct feed_rendition *r, bool any_age);

/* AWAITING, with no aim: what was in line is dropped. */
void sender_pause(struct sender *s);

/* A frame came in. */
void sender_unit(struct sender *s, int index, struct unit *u, int64_t now_at);
/* Sends what may leave; true: more waits for a later tick. */
bool sender_drain(struct sender *s, int64_t now_at);
bool sender_is_awaiting(const struct sender *s);
/* A new keyframe of what is shown is needed: something is missing. */
bool sender_is_stuck(const struct sender *s);

/* careful: the path has shown its limits. */
void sender_set_rate(struct sender *s, int64_t bps, bool careful,
                     int64_t now_at);
/* The viewer misses a packet. */
void sender_nack(struct sender *s, uint16_t sequence, int64_t rtt_us,
                 int64_t now_at);
/* Sends `packets` packets of late again, at bps; needs RTX. False: nothing to
 * send. */
bool sender_probe(struct sender *s, uint8_t id, int64_t bps, int packets,
                  int64_t now_at);

/* Appends an SR with SDES: media's time on the bus's own wall clock, one
 * mapping for both kinds. */
void sender_report(const struct sender *s, bool video, const char *cname,
                   int64_t now_at, struct builder *out);

#endif
