/* app/pages.h — what every node serves beside media: the pages (carried in
 * the program), /healthz, /readyz and /metrics. One per loop. */
#ifndef APP_PAGES_H
#define APP_PAGES_H

struct metrics;
struct pages;
struct server;

struct pages_conf {
    struct metrics *metrics;
    /* What is broken, as one line; NULL when this node accepts load.
     * Called on the server's loop. */
    const char *(*broken)(void *arg);
    void *arg;
};

/* Gives pages whose responses are built now and shared by every viewer.
 * 0 or ERR_NOMEM. */
int pages_create(struct pages **out, const struct pages_conf *conf);
/* Adds the routes to one server of this loop. 0 or ERR_NOMEM. */
int pages_route(struct pages *p, struct server *s);
void pages_free(struct pages **p);

#endif
