/* ingest/srt/server.h — publishers over SRT: an adapter over libsrt. One thread
 * of its own waits for all SRT sockets and hands what came, in blocks, to the
 * loop of the stream; there it is taken apart and published (README.md).
 * One server to a process: libsrt's log and clean-up are the process's.
 *
 * Who may publish is decided in the handshake, from memory: door->authorise is
 * called on a thread of libsrt, too, and must not wait for anything. */
#ifndef INGEST_SRT_SERVER_H
#define INGEST_SRT_SERVER_H
#include "ingest/publisher.h"

struct loop;
struct metrics;
struct srt_server;

struct srt_server_limits {
    int connections;             /* default 256 */
    int connections_per_address; /* default 64; loopback is not counted */
};
void srt_server_limits_default(struct srt_server_limits *out);

enum { SRT_LATENCY_MS_DEFAULT = 120, SRT_LATENCY_MS_MAX = 8000 };

struct srt_server_conf {
    struct loop *const *loops; /* one channel's publishers share one; copied */
    int loop_count;            /* 1 .. 64; loops[0] is the server's home */
    const char *listen;        /* "host:port" */
    const struct ingest_door *door; /* copied */
    int latency_ms; /* at least: a caller may ask for more. 0 .. MAX */
    struct srt_server_limits limits;
    struct metrics *metrics; /* may be NULL */
};

/* Gives a listening server. 0, ERR_NOMEM, ERR_RANGE (limits, latency),
 * ERR_USAGE (address text), ERR_BUSY (in use) or ERR_IO. */
int srt_server_create(struct srt_server **out,
                      const struct srt_server_conf *conf);
/* Any thread, once: stops listening and closes every publisher; on_done
 * follows on the home loop when all is gone, within about a second. */
void srt_server_stop(struct srt_server *s, void (*on_done)(void *arg),
                     void *arg);
/* The loops are stopped, whether or not they saw the end; they still exist.
 * Waits for the thread. Takes *s and sets it NULL; NULL is fine. */
void srt_server_free(struct srt_server **s);
int srt_server_port(const struct srt_server *s);
/* Any thread. */
int srt_server_connections(const struct srt_server *s);

#endif
