/* ingest/srt/server_priv.h — the server's parts among themselves: server.c
 * (life, thread), socket.c (what the kernel keeps off), access.c (the
 * handshake's question), link.c (one connection, on the thread), session.c
 * (its publisher, on a loop), stats.c. */
#ifndef INGEST_SRT_SERVER_PRIV_H
#define INGEST_SRT_SERVER_PRIV_H
#include <srt/srt.h>
#include <srt/access_control.h>
/* srt.h brings syslog.h, whose macros are names of core/base/log.h. */
#undef LOG_INFO
#undef LOG_DEBUG
#undef LOG_MASK
#undef LOG_UPTO

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/base/metric.h"
#include "core/loop/timer.h"
#include "core/net/tcp.h"
#include "ingest/mpegts/demux.h"
#include "ingest/srt/handshakes.h"
#include "ingest/srt/server.h"
#include "ingest/srt/streamid.h"

enum {
    LOOPS_MAX = 64,
    MESSAGE_MAX = 1456,        /* live mode's largest payload */
    BLOCK_BYTES = 64 << 10,    /* what one message to a loop carries at most */
    QUEUE_BYTES_MAX = 4 << 20, /* on the way to a loop; policy: drop, and say
                                  so to the demux */
    KEPT_BYTES_MAX = 1 << 20,  /* until the door answered; policy: likewise */
    SEATS = 1024,
};

struct link;

struct srt_server {
    atomic_uint refs;  /* its owner, and each link */
    atomic_uint alive; /* the thread, and each link whose loop has work left */
    struct loop *loops[LOOPS_MAX];
    int loop_count;
    struct ingest_door door;
    struct srt_server_limits limits;
    int latency_ms, port;
    SRTSOCKET listener;
    int udp; /* libsrt's from then on; it closes it */
    uint32_t drops;
    int epoll;
    uv_thread_t thread;
    atomic_bool stopping;
    void (*on_done)(void *arg);
    void *done_arg;
    struct list links; /* the thread's; after its end the owner's */
    atomic_int count;
    /* Connections by a hash of their address: for the handshake, which cannot
     * see the list. Two addresses in one seat share its count. */
    atomic_int seats[SEATS];
    int64_t stats_at;
    atomic_int_least64_t refusals_second; /* log at most so many a second */
    atomic_int refusals_logged;
    struct handshakes handshakes;
    struct metrics *metrics;
    struct metric *m_accepted, *m_closed, *m_bytes, *m_dropped_bytes;
    struct metric *m_udp_dropped;
    struct metric *m_gaps, *m_lost_units, *m_waiting, *m_metas;
    struct metric *m_scrambled;
    uint8_t block[BLOCK_BYTES]; /* what is being read */
};

/* Per channel, made and removed on the thread only. */
struct link_metrics {
    struct metric *rtt, *buffer, *latency, *rate;
    struct metric *packets, *lost, *retransmitted, *dropped, *undecrypted;
};

/* One connection. Counted: by the thread, and by each message to its loop. */
struct link {
    atomic_uint refs;
    struct srt_server *server;
    struct loop *loop;
    char peer[ADDRESS_TEXT_MAX], host[ADDRESS_TEXT_MAX];
    bool loopback;
    unsigned seat;
    char channel[CHANNEL_NAME_MAX + 1];
    struct srt_streamid id;
    atomic_bool wants_close; /* said by its loop */
    atomic_size_t queued;
    atomic_bool done; /* its loop knows of its end */

    /* the thread's */
    struct list node;
    SRTSOCKET socket;
    bool ended, told; /* told: its loop */
    bool cut;         /* bytes were dropped before the next block */
    const char *why;  /* it ended */
    struct link_metrics metrics;
    struct health_line line;

    /* the loop's */
    bool over, ready, has_data, said_missing;
    struct publisher *publisher;
    struct demux *demux;
    struct list kept; /* blocks, while the door is asked */
    size_t kept_bytes;
    struct timer timer;
    int64_t began_at, data_at;
    int unsupported;
    struct demux_counts seen;
};

/* What came in one turn of the thread. */
struct block {
    struct list node;
    struct link *link;
    bool cut; /* bytes are missing before it */
    size_t len;
    uint8_t data[];
};

/* server.c */
void srt_server_unref(struct srt_server *s);
/* One of `alive` has done its work. */
void srt_server_leave(struct srt_server *s);
void srt_server_count_refusal(struct srt_server *s, const char *reason);

/* socket.c — gives a bound UDP socket that lets in what may be SRT and bounds
 * what a handshake may ask for. 0, ERR_BUSY, ERR_DENIED or ERR_IO. */
int srt_socket_open(int *out, const struct sockaddr *address, socklen_t len);
/* Datagrams that it did not let in, or had no room for. */
uint32_t srt_socket_drops(int fd);

/* access.c — libsrt calls it, on a thread of its own. */
int srt_access(void *server, SRTSOCKET socket, int version,
               const struct sockaddr *peer, const char *streamid);
/* Where connections from there are counted. */
uint32_t srt_hash(const char *text);
unsigned srt_access_seat(const struct sockaddr *peer);
/* Refusals in the log, so many a second. */
bool srt_access_may_log(struct srt_server *s);
/* The same question without an answer to the caller: who is it? 0, or the
 * rejection code. */
int srt_access_check(struct srt_server *s, const char *streamid, size_t len,
                     struct ingest_grant *grant, struct srt_streamid *out);

/* link.c — on the thread. */
void srt_link_accept(struct srt_server *s);
/* True: all that there is was read. */
bool srt_link_read(struct link *l);
/* Closes the socket; l stays until its loop was told. */
void srt_link_end(struct link *l, const char *why);
/* Tells the loop of an ended link, and once it knows lets go of l. */
void srt_link_bury(struct link *l);
struct link *srt_link_ref(struct link *l);
void srt_link_unref(struct link *l);
/* A message's reference, when it could not be posted: never the last, since
 * the thread has one. */
void srt_link_give_back(struct link *l);

/* stats.c — on the thread. */
void srt_stats_open(struct link *l);
void srt_stats_read(struct link *l);
void srt_stats_close(struct link *l);

/* The line's figures on their way to the loop, once a second. */
struct line_news {
    struct link *link;
    struct health_line line;
};

/* session.c — on the link's loop. */
void srt_session_begin(void *link);
void srt_session_block(void *block);
void srt_session_line(void *line_news);
void srt_session_end(struct link *l, const char *why);

#endif
