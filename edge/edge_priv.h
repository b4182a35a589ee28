/* edge/edge_priv.h — the bodies behind edge.h, for the files of this room:
 *   edge.c    channels and streams, applying events
 *   hls.c     requests for playlists and media
 *   render.c  shared responses, made once per change
 *   live.c    /api/live                                audience.c  viewers */
#ifndef EDGE_EDGE_PRIV_H
#define EDGE_EDGE_PRIV_H
#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/metric.h"
#include "core/loop/timer.h"
#include "core/net/server.h"
#include "edge/audience.h"
#include "edge/coalesce.h"
#include "edge/edge.h"
#include "packager/playlist.h"
#include "packager/store.h"

enum { EDGE_LOOPS_MAX = 64 };
enum wait_kind { WAIT_PLAYLIST, WAIT_PART, WAIT_MULTIVARIANT };

/* One stream: a channel's generation, as this loop's viewers see it. */
struct edge_stream {
    struct list node; /* of its channel, newest first */
    struct edge_channel *channel;
    struct store *store;
    int64_t since_wall_us;
    struct timer expiry; /* set when ended */
    struct coalesce waits[STORE_RENDITIONS_MAX];
    struct lane {
        struct edge_stream *stream; /* back, for the callbacks */
        int index;
        int answered, most_answered; /* by one part; most since the census */
    } lanes[STORE_RENDITIONS_MAX];
    struct rendered *multivariant;
};

struct edge_channel {
    struct edge *edge;
    char name[STORE_CHANNEL_MAX + 1];
    struct list streams;
    int stream_count;
    struct coalesce starting; /* wait for the multivariant playlist */
    struct list asking;       /* /api/live/NAME?wait=, exchange_node() */
    struct timer ask_deadline;
    struct audience audience;
    bool starving;              /* its publisher gives nothing */
    int others[EDGE_LOOPS_MAX]; /* viewers of other loops, by index */
    int viewers;                /* of this loop, as last told */
    int blocked; /* who waited for video at once, at the last census */
    struct metric *viewers_gauge;
};

enum request_kind {
    REQUEST_MULTIVARIANT,
    REQUEST_PLAYLIST,
    REQUEST_BLOCKING,
    REQUEST_DELTA,
    REQUEST_PART,
    REQUEST_SEGMENT,
    REQUEST_INIT,
    REQUEST_API,
    REQUEST_KINDS,
};

struct edge {
    struct edge_conf conf;
    struct map channels; /* name to struct edge_channel */
    struct timer census;
    z_stream deflate;
    bool has_deflate;
    struct response *unavailable; /* 503, shared */
    struct response *preflight;   /* 204, shared */
    struct upstream_local *peers; /* may be NULL */
    struct metric *requests[REQUEST_KINDS];
    struct metric *blocked, *timeouts, *listed_seconds;
};

/* --- edge.c --- */
struct edge_channel *edge_find_channel(struct edge *e, const char *name,
                                       size_t len);
/* Finds or adds; NULL without memory or over the bound. */
struct edge_channel *edge_channel_for(struct edge *e, const char *name);
/* The newest stream, NULL if none. */
struct edge_stream *edge_newest(const struct edge_channel *c);
struct edge_stream *edge_find_stream(const struct edge_channel *c,
                                     uint64_t generation);
void edge_unavailable(struct edge *e, struct exchange *x);

/* --- hls.c --- */
void hls_handle(struct exchange *x, void *edge);
void hls_wake_rendition(struct edge_stream *s, int index);
void hls_wake_channel(struct edge_channel *c);
void hls_timed_out(struct exchange *x, const struct coalesce_key *key,
                   void *lane);
void hls_start_timed_out(struct exchange *x, const struct coalesce_key *key,
                         void *channel);
/* The stream goes away: whoever still waits gets 404. */
void hls_gone(struct exchange *x, const struct coalesce_key *key, void *arg);

/* --- render.c --- */
/* Each borrowed, alive until the next event of the stream; NULL without
 * memory. */
struct response *render_media(struct edge_stream *s, int index, bool delta,
                              bool gzip, bool blocking);
struct response *render_multivariant(struct edge_stream *s, bool gzip);
struct response *render_object(struct store_object *o, bool video);
struct response *render_segment(struct store_segment *g, bool video);
/* store's drop(): objects and segments hold a response, renditions a
 * struct rendered. */
void render_drop(void *cached, void *arg);
void rendered_free(struct rendered **r);

/* --- live.c --- */
void live_handle(struct exchange *x, void *edge);
void live_changed(struct edge_channel *c);
void live_on_deadline(void *channel);

#endif
