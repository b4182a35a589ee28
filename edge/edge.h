/* edge/edge.h — room door: what viewers are served by HTTP on one loop. One
 * edge per loop; it holds its own window of every stream (packager/store.h)
 * and answers without locks.
 *
 *   store_event ──loop_post──► edge_apply ──► store ──► waiters of that loop
 *
 * Bounds: EDGE_CHANNELS_MAX with streams or waiters, GENERATIONS_MAX streams
 * of a channel (ended ones stay for EDGE_ENDED_US), waiters by the server's
 * connections. */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H
#include <stdbool.h>
#include <stdint.h>

#include "edge/upstream.h"
#include "packager/store.h"

struct edge;
struct loop;
struct metrics;
struct server;
struct upstream_local;

enum { EDGE_CHANNELS_MAX = 4096, EDGE_GENERATIONS_MAX = 3 };
#define EDGE_ENDED_US 120000000LL

struct edge_conf {
    struct loop *loop;
    struct metrics *metrics; /* may be NULL */
    struct upstream upstream;
};

/* 0 or ERR_NOMEM. */
int edge_create(struct edge **out, const struct edge_conf *conf);
/* Its servers must be closed. Takes *e; NULL is fine. */
void edge_free(struct edge **e);

/* Adds the routes of /live/ and /api/live to a server of the same loop; once
 * per server (plain, TLS). 0 or ERR_NOMEM. */
int edge_serve(struct edge *e, struct server *s);

/* On the edge's loop, in the packager's order. Shares event. */
void edge_apply(struct edge *e, const char *channel, uint64_t generation,
                struct store_event *event);
/* Who is told how many viewers this edge counts; borrowed. */
void edge_set_peers(struct edge *e, struct upstream_local *peers);
/* How many viewers another loop's edge counts (for /api/live). */
void edge_note_viewers(struct edge *e, int loop_index, const char *channel,
                       int viewers);
/* Is the channel's publisher connected, but silent (for /api/live)? */
void edge_note_starving(struct edge *e, const char *channel, bool starving);

/* Viewers of a channel, all loops, over about the last ten seconds. */
int edge_viewers(struct edge *e, const char *channel);

#endif
