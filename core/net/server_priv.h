/* core/net/server_priv.h — the bodies behind server.h, for the files that make
 * up the HTTP server:
 *   server.c      listening, limits, closing      routes.c    who answers what
 *   conn.c        one connection: input, deadlines  response.c  shared answers
 *   conn_write.c  what leaves it                  hot.c       bodies by
 * sendfile conn_http1.c  requests one after the other    exchange.c  one
 * request http2*.c      requests side by side           refuse.c    what was
 * refused
 *
 * A connection that only waits for its answer is one struct conn, one struct
 * exchange and nothing else: buffers to read and write into are the server's.
 *
 *   plain h1: head, date line and body go to writev by reference
 *   others:   bytes gather in stage (one TLS record), are sealed into out, and
 *             out is flushed once; what the socket does not take is copied to
 *             a tail and nothing more is made until that is gone. */
#ifndef CORE_NET_SERVER_PRIV_H
#define CORE_NET_SERVER_PRIV_H
#include <uv.h>

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/metric.h"
#include "core/loop/timer.h"
#include "core/net/http1.h"
#include "core/net/server.h"
#include "core/net/tcp.h"
#include "core/net/tls.h"

enum {
    READ_BYTES = 64 * 1024,
    STAGE_BYTES = 16 * 1024, /* one TLS record */
    OUT_SOFT_BYTES = 256 * 1024,
    OUT_SLOW_BYTES = 32 * 1024,
    OUT_BYTES = OUT_SOFT_BYTES + 128 * 1024,
    STASH_MAX = READ_BYTES + 32 * 1024, /* read but not yet processed */
    STASH_PAUSE = 16 * 1024,            /* stop reading above */
    DATE_LINE_BYTES = 37,               /* "date: …GMT\r\n" */
    SLICES_MAX = 1000,                  /* of one body; IOV_MAX is 1024 */
    STATUS_CLASSES = 6,
};

enum refusal {
    REFUSE_CONNECTIONS,
    REFUSE_ADDRESS,
    REFUSE_HALF_OPEN,
    REFUSE_ACCEPT,
    REFUSE_HANDSHAKE,
    REFUSE_HANDSHAKE_TIME,
    REFUSE_HEAD_TIME,
    REFUSE_BODY_TIME,
    REFUSE_WRITE_TIME,
    REFUSE_HEAD_SIZE,
    REFUSE_BODY_SIZE,
    REFUSE_SYNTAX,
    REFUSE_METHOD,
    REFUSE_BACKLOG,
    REFUSE_H2_FLOOD,
    REFUSE_H2_PROTOCOL,
    REFUSE_MEMORY,
    REFUSE_COUNT,
};

struct refused {
    struct metric *count;
    int64_t logged_at;
    int unlogged;
};

struct route {
    unsigned methods;
    char *path; /* without the '*' */
    size_t len;
    bool is_prefix;
    size_t body_limit;
    server_handler *handler;
    void *arg;
};

/* An address with connections; shared by them. */
struct peer {
    int connections, half_open;
    bool is_trusted; /* loopback, or a proxy of ours */
    char host[ADDRESS_TEXT_MAX];
};

struct server {
    struct loop *loop;
    struct server_limits limits;
    struct tls_server *tls;
    char *trusted_proxies;
    struct http1_limits http1_limits;
    uv_tcp_t listener;
    uv_check_t after_events;
    uv_prepare_t before_wait;
    struct timer grace;
    int open_handles; /* the last to go frees */
    bool is_closing;
    void (*on_done)(void *);
    void *on_done_arg;

    struct route *routes; /* longest path first */
    int route_count;
    struct list conns; /* struct conn.node */
    int conn_count;
    _Atomic int *open_connections; /* perhaps of other servers too */
    _Atomic int own_connections;
    struct list ready; /* struct conn.ready: to be looked at after events */
    /* TLS handshakes with input, by the same node. A few per turn of the loop:
     * each takes most of a millisecond, and media must not wait for a crowd
     * that joins. */
    struct list handshakes;
    uv_idle_t keep_turning; /* runs while handshakes is not empty */
    struct map peers;       /* host to struct peer */
    struct list hot;        /* struct response.in_hot, oldest first */
    int hot_count;
    uv_tcp_t spare; /* accepts and closes when there is no memory */
    bool spare_is_closing, spare_is_wanted;

    uint8_t *read_buffer;  /* READ_BYTES, what sockets are read into */
    uint8_t *plain_buffer; /* READ_BYTES, what TLS opened; NULL without */
    char *scratch;         /* head of a request while it is parsed */
    uint8_t *stage;        /* STAGE_BYTES */
    size_t stage_len;
    struct tls_io io;           /* out: OUT_BYTES */
    struct http2_shared *http2; /* callbacks and options */

    int64_t date_at; /* second of date_line */
    char date_line[DATE_LINE_BYTES + 1];

    struct metrics *metrics;
    struct metric *requests[2][STATUS_CLASSES]; /* h1, h2 */
    struct metric *connections;
    struct metric *sent_bytes;
    struct refused refused[REFUSE_COUNT];
};

/*             on_connection
 *                  │  plain                        TLS
 *                  ├───────────► IDLE ◄── done ── HANDSHAKE
 *                                 │ first byte
 *      ┌───────────────────────► HEAD ── complete ──► BODY
 *      │ next request             │ no body            │ complete
 *      │                          ▼                    ▼
 *      └─ IDLE ◄── SENDING ◄── WAITING (the handler has the exchange)
 *
 * LINGER: the last answer is out, what still comes in is thrown away.
 * HTTP2: nghttp2 keeps the states of its streams. */
enum conn_state {
    CONN_HANDSHAKE,
    CONN_IDLE,
    CONN_HEAD,
    CONN_BODY,
    CONN_WAITING,
    CONN_SENDING,
    CONN_LINGER,
    CONN_HTTP2,
    CONN_CLOSING,
};

struct conn {
    uv_tcp_t tcp;
    struct server *server;
    struct list node, ready;
    struct timer timer;
    struct peer *peer;
    struct tls_session *tls;
    struct http2 *http2;
    struct http1 parser;
    struct exchange *x; /* HTTP/1.1: the one under way */
    uint8_t *stash;
    uint32_t stash_len, stash_cap;
    struct response *sending; /* TLS h1: not all of it is sealed yet */
    size_t sending_at;        /* bytes of its body that are */
    size_t unsent_seen;       /* write progress at the last look */
    uint8_t state, armed_state;
    uint8_t tails; /* uv_writes under way */
    bool in_input, is_paused, has_eof, sending_body, linger_when_sent,
        has_served, is_half_open, is_slow;
};

/* A body that is still coming in. */
struct upload {
    struct builder body;
    size_t limit;
};

struct exchange {
    struct list node; /* the handler's */
    void *user;
    void (*abort_fn)(void *arg);
    void *abort_arg;
    struct conn *conn;
    const struct route *route;
    struct upload *upload;
    struct buf *body;
    int64_t started_at;
    uint32_t text_len, query, headers, host; /* offsets in text */
    int32_t stream;                          /* 0: HTTP/1.1 */
    uint8_t method;
    bool is_head, keeps_alive, wants_continue, is_delivered, is_answered;
    struct http2_stream *in_http2;
    char text[];
};

struct response {
    unsigned refs;
    int status;
    struct builder fields; /* "name: value\r\n"… */
    struct buf *head;      /* HTTP/1.1 status line + fields, once asked for */
    struct http2_head *http2_head;
    struct slice *slices;
    int count, room;
    size_t body_bytes;
    struct server *hot; /* whose memory file it has; see hot.c */
    struct list in_hot;
    int hot_fd;
    int plain_sends;
};

/* --- server.c */
const char *server_date_line(struct server *s);
void server_peer_unref(struct server *s, struct peer **p);
void server_conn_closed(struct server *s);

/* --- refuse.c */
void refuse_init(struct server *s);
/* Counts, and says so at most once a second per reason. */
void refuse(struct server *s, enum refusal why, const char *peer,
            const char *detail);

/* --- routes.c */
/* 0 and *out, or the status to answer: 404, 405 with *allow (of methods), 204
 * for an OPTIONS that no route takes. */
int routes_find(const struct server *s, const char *path, unsigned method,
                const struct route **out, unsigned *allow);
void routes_release(struct server *s);

/* --- response.c */
/* A small text answer; NULL out of memory. allow: of methods, 0 for none. */
struct response *response_text(int status, const char *text, unsigned allow);
/* Status line and fields, without the empty line; NULL out of memory. */
const struct buf *response_http1_head(struct response *r);
bool response_has_body(const struct response *r, bool is_head);
const char *response_reason(int status);

/* --- hot.c */
/* May r's body go out of a memory file? */
bool hot_is(struct server *s, struct response *r);
/* Sends head and body of r as far as the socket takes them. 0 or -1. */
int hot_send(int fd, const uv_buf_t *head, unsigned n, struct response *r,
             size_t *sent);
void hot_forget(struct response *r);
void hot_release(struct server *s);

/* --- exchange.c */
struct exchange *exchange_create(struct conn *c, const struct http1_request *r);
/* Tells the handler if it has it and did not answer. Takes *x. */
void exchange_abort(struct exchange **x);
void exchange_free(struct exchange **x);
/* Finds the route and checks the length; 0, or the status to answer with
 * (*allow for 405 and 204). */
int exchange_route(struct exchange *x, int64_t length, unsigned *allow);
/* 0, 413, or 503 out of memory. */
int exchange_append_body(struct exchange *x, const uint8_t *data, size_t len);
/* The request is complete. May answer, and so end x, before it returns. */
void exchange_deliver(struct exchange *x);
/* Answers a request that no handler will see. */
void exchange_refuse(struct exchange *x, int status, unsigned allow);

/* --- conn.c */
struct conn *conn_create(struct server *s);
void conn_begin(struct conn *c, struct peer *peer);
void conn_close(struct conn *c);
void conn_drain(struct conn *c); /* the server is closing */
/* Has something to do once the current events are over. */
void conn_mark_ready(struct conn *c);
void conn_run_ready(struct conn *c);
/* Goes on with a TLS handshake whose input was kept. */
void conn_run_handshake(struct conn *c);
/* A tail is shorter than at the last look. */
bool conn_progressed(struct conn *c);
/* Sets the deadline that goes with the state. */
void conn_arm(struct conn *c);
/* After the last byte: shut down, read on for a second, close. */
void conn_linger(struct conn *c);
/* Keeps input for later. 0, ERR_NOMEM or ERR_LIMIT. */
int conn_stash(struct conn *c, const uint8_t *data, size_t len);
/* Sends by reference: n bufs of `r` (shared), the first `heads` of them before
 * its body; r NULL: copied. */
int conn_write(struct conn *c, const uv_buf_t *bufs, unsigned n, unsigned heads,
               struct response *r);
/* Appends to the stage, sealing full records into out. 0 or ERR_IO. */
int conn_stage(struct conn *c, const void *data, size_t len);
int conn_seal(struct conn *c);
/* How much may lie sealed before it is sent: less for who left some of
 * this answer behind, since that must be copied. */
static inline size_t conn_out_soft(const struct conn *c)
{
    return c->is_slow ? OUT_SLOW_BYTES : OUT_SOFT_BYTES;
}
static inline size_t conn_stage_room(const struct conn *c)
{
    return STAGE_BYTES - c->server->stage_len;
}
/* Sends stage and out; the rest goes to a tail. 0, or c is closing. */
int conn_flush(struct conn *c);

/* --- conn_http1.c */
void conn_http1_input(struct conn *c, const uint8_t *data, size_t len);
void conn_http1_respond(struct exchange *x, struct response *r);
/* Everything written so far has left. */
void conn_http1_sent(struct conn *c);
/* Goes on with stashed input. */
void conn_http1_continue(struct conn *c);
/* Answers without an exchange and hangs up. */
void conn_http1_fail(struct conn *c, int status);

/* --- http2.c */
int http2_shared_create(struct http2_shared **out);
void http2_shared_free(struct http2_shared **h);
int http2_begin(struct conn *c);
void http2_input(struct conn *c, const uint8_t *data, size_t len);
void http2_respond(struct exchange *x, struct response *r);
void http2_forget(struct exchange *x); /* x is being freed */
void http2_pump(struct conn *c);
void http2_drain(struct conn *c);
void http2_abort(struct conn *c); /* tells the handlers of what runs */
void http2_free(struct http2 **h);
void http2_arm(struct conn *c);
void http2_on_deadline(struct conn *c);
void http2_head_free(struct http2_head **h);

#endif
