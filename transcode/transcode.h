/* transcode/transcode.h — room door: one source becomes a ladder.
 * Reads the source tracks of a bus, decides the ladder and the segment
 * boundaries, appends PLAN, MARKs, the passthrough rendition (the source's own
 * payloads under a rendition id) and what supervised lectern-transcode children
 * (one for pictures, one for sound) make of the rest. Lives on the bus's loop.
 * The child never holds ingest up: what it is too slow for is dropped to the
 * next keyframe. Listens to bus_ask_key(): a rung that is made gets an IDR at
 * its next picture, outside the marks; a wish for one that passes through goes
 * on to the source's track. */
#ifndef TRANSCODE_TRANSCODE_H
#define TRANSCODE_TRANSCODE_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/bus.h"
#include "core/media/impression.h"

struct metrics;
struct transcode;

enum {
    /* See LADDER_REALTIME in transcode/ladder.h. */
    TRANSCODE_REALTIME_US = 30000000,
    TRANSCODE_FRESH_US = 300000,
};

enum channel_type { CHANNEL_STANDARD, CHANNEL_BASIC };
enum latency_mode { LATENCY_LOW, LATENCY_NORMAL };

struct transcode_conf {
    enum channel_type type;    /* BASIC: video passes through only */
    enum latency_mode latency; /* LOW: 0.2 s parts, NORMAL: 0.5 s; 2 s segments
                                  both */
    uint64_t first_msn;        /* of the first mark */
    const char *worker_path;   /* lectern-transcode; copied */
    bool opus;           /* also an Opus rendition for WebRTC, outside the plan;
                            BASIC has a child for it, where the source's sound is
                            not Opus */
    bool realtime;       /* STANDARD: offer LADDER_REALTIME where the source has
                            B-frames */
    bool hardware;       /* let the child use what really opens (probe) */
    int64_t spare_us;    /* in time for so long, a shed rung may come back;
                            0: a minute */
    int64_t realtime_us; /* see LADDER_REALTIME; 0: TRANSCODE_REALTIME_US */
    int64_t hint_gop_us; /* transcode_gop_us() of last time; 0: unknown.
                            STANDARD begins at once all the same, expects what
                            encoders should send, and encodes the top rung once
                            that proves wrong */
    struct metrics *metrics; /* may be NULL */
    /* May be NULL. How the source looks and sounds, about once a second each,
     * where a child decodes it. */
    void (*on_impression)(const struct impression *c, void *arg);
    void *arg;
};

/* Gives a ladder working on bus until freed or BUS_END. 0 or ERR_NOMEM. */
int transcode_create(struct transcode **out, struct bus *bus,
                     const struct transcode_conf *conf);
/* Ends the child (SIGKILL after 1 s). Takes *t; NULL is fine. */
void transcode_free(struct transcode **t);

/* The longest span between the source's keyframes so far; 0: unknown. Handed
 * to the next stream of the same channel it lets that one begin at once. */
int64_t transcode_gop_us(const struct transcode *t);
/* 0: none is up. For logs and tests. */
int transcode_child_pid(const struct transcode *t);

#endif
