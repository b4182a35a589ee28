/* edge/upstream.h — where an edge's streams come from: from this process, or
 * over the relay from the next tier. Media reaches every edge the same way, as
 * store_events through edge_apply(); an upstream only says what a channel that
 * has no stream here is. */
#ifndef EDGE_UPSTREAM_H
#define EDGE_UPSTREAM_H

enum upstream_answer {
    UPSTREAM_UNKNOWN, /* no such channel: 404 */
    UPSTREAM_OFFLINE, /* known, nobody publishes: 404 "not live" */
    UPSTREAM_COMING,  /* being fetched or starting: viewers are held */
};

struct upstream {
    /* Called on the edge's loop, once per request for a channel without a
     * stream here; must not block. A remote upstream starts to fetch. */
    enum upstream_answer (*find)(const char *channel, void *arg);
    void *arg;
};

#endif
