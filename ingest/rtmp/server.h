/* ingest/rtmp/server.h — sockets for RTMP sessions: one listener per loop with
 * SO_REUSEPORT, caps, deadlines, and each session tied to a publisher.
 * Lives on one loop. */
#ifndef INGEST_RTMP_SERVER_H
#define INGEST_RTMP_SERVER_H
#include <stdint.h>

#include "ingest/publisher.h"

struct loop;
struct metrics;
struct rtmp_server;
struct tls_server; /* core/net/tls.h */

struct rtmp_server_limits {
    int connections;             /* of this server; default 1000 */
    int connections_per_address; /* default 64; loopback is not counted */
    int pending_per_address;     /* of those, not publishing yet; default 32 */
};
void rtmp_server_limits_default(struct rtmp_server_limits *out);

struct rtmp_server_conf {
    struct loop *loop;
    const char *listen;             /* "host:port" */
    const struct ingest_door *door; /* copied */
    struct rtmp_server_limits limits;
    struct tls_server *tls; /* shared: RTMPS; NULL: plain RTMP */
    /* shared: for clients that speak TLS on the plain port, told by their
     * first byte; NULL: they are turned away */
    struct tls_server *sniffed;
    struct metrics *metrics; /* may be NULL */
};

/* Gives a listening server. 0, ERR_NOMEM, ERR_RANGE (limits) or tcp_listen()'s
 * errors. */
int rtmp_server_create(struct rtmp_server **out,
                       const struct rtmp_server_conf *conf);
/* The server goes down soon: clients that know how are asked to come again.
 * Before their publishers are sent away, which ends their connections. */
void rtmp_server_ask_away(struct rtmp_server *s);
/* Stops listening at once, says goodbye to each publisher and closes; on_done
 * (may be NULL) follows when all is gone. Takes *s and sets it NULL. */
void rtmp_server_close(struct rtmp_server **s, void (*on_done)(void *arg),
                       void *arg);
int rtmp_server_port(const struct rtmp_server *s);
int rtmp_server_connections(const struct rtmp_server *s);

#endif
