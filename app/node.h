/* app/node.h — everything one loop serves: HTTP and HTTPS, its edge, its RTMP
 * listener, its replica of the directory. Made before the loop runs. */
#ifndef APP_NODE_H
#define APP_NODE_H
#include <stddef.h>

struct channel;
struct directory;
struct edge;
struct loop;
struct metrics;
struct node;
struct pipeline;
struct realtime;
struct settings;
struct tls_server;

struct node_conf {
    struct loop *loop;
    const struct settings *settings; /* borrowed for the node's life */
    struct metrics *metrics;
    _Atomic int *http_connections; /* of all nodes */
    struct tls_server *tls;        /* shared; NULL: no HTTPS */
    struct tls_server *tls_plain;  /* without ALPN; NULL: no RTMPS */
    struct directory *directory;   /* the first one; shared */
    const struct channel *demo;    /* a second key for one channel, or NULL */
};

/* On error why names the listener or file. 0, ERR_NOMEM or ERR_IO. */
int node_create(struct node **out, const struct node_conf *conf, char why[256]);
/* Listens for publishers, who go to p (borrowed). After every edge exists. */
int node_open_ingest(struct node *n, struct pipeline *p, char why[256]);
/* After that: WHIP and WHEP; r NULL: none. Borrows r. */
int node_open_realtime(struct node *n, struct realtime *r, char why[256]);
struct edge *node_edge(struct node *n);
/* Any thread: a new directory; shares d. */
void node_set_directory(struct node *n, struct directory *d);
/* On the node's loop, before its publishers are sent away for node_drain():
 * those that know how to come again are asked to. */
void node_ask_away(struct node *n);
/* On the node's loop: no new connections; what runs may end within grace_us.
 * on_done is called on that loop. */
void node_drain(struct node *n, long grace_us, void (*on_done)(void *arg),
                void *arg);
/* The loop is stopped. Takes *n. */
void node_free(struct node **n);
/* The ports really bound; -1 where there is none. */
int node_http_port(const struct node *n);
int node_https_port(const struct node *n);
int node_rtmp_port(const struct node *n);
int node_rtmps_port(const struct node *n);

#endif
