/* ingest/rtmp/server_priv.h — the server and its connections among themselves:
 * server.c (listener, counters), connection.c (a socket, its session and its
 * publisher). */
#ifndef INGEST_RTMP_SERVER_PRIV_H
#define INGEST_RTMP_SERVER_PRIV_H
#include <stdbool.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/net/tls.h"
#include "ingest/publisher.h"
#include "ingest/rtmp/server.h"

enum { READ_BYTES = 64 << 10 };

struct rtmp_server {
    struct loop *loop;
    struct ingest_door door;
    struct rtmp_server_limits limits;
    uv_tcp_t listener;
    bool closing, listener_gone;
    void (*on_done)(void *arg);
    void *done_arg;
    struct list connections;
    int count;
    uint64_t seed;
    struct tls_server *tls, *sniffed;
    struct tls_io io; /* of whichever connection is being served */
    struct metrics *metrics;
    struct metric *m_accepted, *m_closed, *m_bytes_in, *m_bytes_out;
    struct metric *m_dropped, *m_unsupported, *m_enhanced, *m_skipped;
    struct metric *m_extra, *m_sniffed;
    uint8_t read_buffer[READ_BYTES];            /* what a socket gave */
    uint8_t plain_buffer[TLS_RECORD_PLAIN_MAX]; /* and what was in it */
};

/* server.c */
void rtmp_server_count_refusal(struct rtmp_server *s, int err);
void rtmp_server_maybe_done(struct rtmp_server *s);

/* connection.c */
void rtmp_connection_accept(struct rtmp_server *s);
/* Says goodbye to each; they go when that was sent. */
void rtmp_connections_close(struct rtmp_server *s, const char *why);
void rtmp_connections_ask_away(struct rtmp_server *s, const char *why);

#endif
