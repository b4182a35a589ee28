/* edge/viewer.h — one WebRTC viewer: a peer, what it is sent, and the choice
 * of its rendition. On its loop.
 *
 *   NEW ──connected──► JOINING ──first picture──► WATCHING
 *    │                            │  ▲                │
 *    │        nothing heard of it ▼  │ heard of it    │
 *    │                            AWAY ◄──────────────┤
 *    └──────── closed, deleted, stream over ──────────┴──► ended
 *
 * Memory: about 20 KB, beside the peer's and the estimator's. */
#ifndef EDGE_VIEWER_H
#define EDGE_VIEWER_H
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/metric.h"
#include "core/rtc/negotiate.h"
#include "edge/feed.h"

struct rtc_host;
struct rtcp_packet;
struct twcc_sample;
struct viewer;

enum {
    VIEWER_TICK_US = 100000,
    VIEWER_REPORT_US = 1000000,
    /* Who vanished without a word is sent nothing after so long, until it is
     * heard again; its consent ends later (core/rtc/ice.h). Browsers say
     * something each 3 s; a receiver that only reports, each 7.5 s at most
     * (RFC 3550 §6.3.1: 5 s, times 0.5 to 1.5). */
    VIEWER_AWAY_US = 10000000,
    VIEWER_REPLAY_US = 500000, /* a lost picture whose encoder cannot be
                                  asked is mended from the cache */
};

/* What the viewers of one loop share. */
struct viewer_room {
    struct loop *loop;
    struct rtc_host *host;
    struct list pacing; /* viewers with more to send */
    struct rtcp_packet *rtcp;
    struct twcc_sample *samples; /* RTCP_TWCC_MAX */
    struct metric *viewers, *packets, *bytes, *resent, *plis, *switches,
        *dropped, *away, *join_seconds;
};
/* metrics: may be NULL. 0 or ERR_NOMEM. */
int viewer_room_init(struct viewer_room *r, struct rtc_host *host,
                     struct metrics *metrics);
void viewer_room_release(struct viewer_room *r);
/* The next tick of the pacer: every PACER_TICK_US while any is pacing. */
void viewer_room_pace(struct viewer_room *r, int64_t now_at);

struct viewer_events {
    void (*on_connected)(struct viewer *v, void *arg);
    /* Its peer closed; end it with viewer_free(), now or later. */
    void (*on_closed)(struct viewer *v, const char *reason, void *arg);
    void *arg;
};

struct viewer_conf {
    struct viewer_room *room;
    struct feed *feed; /* borrowed */
    const struct rtc_negotiated *negotiated;
    const char *rendition; /* a pin; "" or "auto": none */
    const char *address;   /* for the log */
    int64_t asked_at;
    struct viewer_events events;
};

/* 0, ERR_LIMIT or ERR_NOMEM. */
int viewer_create(struct viewer **out, const struct viewer_conf *conf);
/* Logs why. Takes *v; NULL is fine; allowed inside its events. */
void viewer_free(struct viewer **v, const char *reason);

struct rtc_peer *viewer_peer(struct viewer *v);
/* Fills in what the answer says of it: SSRCs, cname, credentials. */
void viewer_answer(const struct viewer *v, struct rtc_answer *out);
const char *viewer_channel(const struct viewer *v);
struct list *viewer_node(struct viewer *v); /* for the owner's list */
struct viewer *viewer_of_node(struct list *node);

/* A frame came in; rtc_host_flush() follows when all viewers were told. */
void viewer_unit(struct viewer *v, int index, struct unit *u, int64_t now_at);
/* Every VIEWER_TICK_US; rungs: feed_ladder()'s of now. */
void viewer_tick(struct viewer *v, const struct selector_rung *rungs, int count,
                 int64_t now_at);

/* "auto", or a rendition's name. 0 or ERR_NOTFOUND. */
int viewer_pin(struct viewer *v, const char *name, int64_t now_at);
/* {"rendition":"720p","auto":true,"renditions":[…],"estimate_bps":…} */
void viewer_describe(const struct viewer *v, int64_t now_at,
                     struct builder *out);

#endif
