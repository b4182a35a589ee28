/* edge/upstream_local.h — the upstream that is this process: hands what a
 * packager says to the edge of every loop, and what edges count to each other.
 * Set up before the loops run; after that any thread, without locks. */
#ifndef EDGE_UPSTREAM_LOCAL_H
#define EDGE_UPSTREAM_LOCAL_H
#include <stdbool.h>
#include <stdint.h>

#include "edge/edge.h"

struct upstream_local;

enum { UPSTREAM_LOOPS_MAX = 256 };

/* 0 or ERR_NOMEM. */
int upstream_local_create(struct upstream_local **out);
/* Every loop stopped. Takes *u; NULL is fine. */
void upstream_local_free(struct upstream_local **u);
/* Borrows both. 0 or ERR_LIMIT. */
int upstream_local_add(struct upstream_local *u, struct loop *l,
                       struct edge *e);

/* Any thread; the order of one caller's events is kept on every loop. Shares
 * event. A full mailbox loses it for that loop: its list then has a gap. */
void upstream_local_event(struct upstream_local *u, const char *channel,
                          uint64_t generation, struct store_event *event);
/* Any thread: the edge of loop `from` counts so many viewers. */
void upstream_local_viewers(struct upstream_local *u, int from,
                            const char *channel, int viewers);
/* Any thread: the channel's publisher is connected, but gives nothing. */
void upstream_local_starving(struct upstream_local *u, const char *channel,
                             bool starving);

#endif
