/* core/net/http2_priv.h — the state of one HTTP/2 connection, for
 *   http2.c         its life, its deadlines, what leaves
 *   http2_input.c   what comes: field blocks, bodies, and what they may cost
 *   http2_answer.c  responses and their bodies */
#ifndef CORE_NET_HTTP2_PRIV_H
#define CORE_NET_HTTP2_PRIV_H
#include <nghttp2/nghttp2.h>

#include "core/loop/loop.h"
#include "core/net/server_priv.h"

enum {
    FIELDS_MAX = 64, /* of one response */
    /* What a frame that only costs takes from its sender's tokens. */
    COST_FRAME = 1,
    COST_RESET = 4,
    COST_INVALID = 10,
    TOKENS_MAX = 400,
};

struct http2_shared {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
};

/* The same for every viewer: pseudo field, the response's own, and its
 * length. Text is the response's; only :status and the length live here. */
struct http2_head {
    nghttp2_nv fields[FIELDS_MAX];
    size_t count;
    char status[4], length[24];
};

struct http2_stream {
    struct list node; /* of struct http2, oldest first */
    int32_t id;
    struct exchange *x; /* until it is answered */
    struct response *r; /* from then on */
    int slice;          /* where its body goes on */
    size_t slice_at, left;
    int64_t started_at;
    bool is_receiving;
};

struct http2 {
    struct conn *c;
    nghttp2_session *session;
    struct list streams;
    size_t queued_bytes; /* of bodies, not yet framed */
    int64_t progress_at; /* bytes moved out, or an answer came in */
    int64_t quiet_at;    /* the last stream ended */
    int64_t tokens_at;
    int tokens;
    bool is_ending;
    /* The field block that is coming in; there is one at a time. */
    int32_t gathering; /* stream, 0 for none */
    int64_t gather_at;
    nghttp2_rcbuf *path, *authority;
    char *text; /* the server's scratch, or ours between two inputs */
    size_t len;
    int fields, status; /* status: refuse the request with it */
    bool text_is_ours, wrote_path;
    struct http1_request request;
};

static inline int64_t http2_now(const struct http2 *h)
{
    return loop_now(h->c->server->loop);
}

/* --- http2_input.c */
void http2_set_input_callbacks(nghttp2_session_callbacks *cb);
/* 0, or NGHTTP2_ERR_CALLBACK_FAILURE: h->is_ending. */
int http2_charge(struct http2 *h, int cost);
/* What a callback returns that may have closed the connection. */
int http2_verdict(const struct http2 *h);
void http2_drop_gathered(struct http2 *h);
/* A field block that goes on with the next input is kept. 0 or ERR_NOMEM. */
int http2_keep_gathered(struct http2 *h);

/* --- http2_answer.c */
void http2_set_answer_callbacks(nghttp2_session_callbacks *cb);

#endif
