/* HTTP/2 (RFC 9113) on nghttp2: framing, HPACK and flow control are its; what
 * a request is, and what a stranger may cost us, is decided here. */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/http2_priv.h"

enum {
    PUMP_ROUNDS = 4, /* of conn_out_soft(), before others have their turn */
    /* nghttp2's own bounds, behind ours. */
    ACKS_MAX = 200,
    SETTINGS_MAX = 32,
    RESETS_BURST = 1000,
    RESETS_PER_SECOND = 100,
};

/* --- streams
 * ----------------------------------------------------------------------- */

static void free_stream(struct http2 *h, struct http2_stream *s)
{
    h->queued_bytes -= s->left;
    list_unlink(&s->node);
    response_unref(&s->r);
    free(s);
    if (list_is_empty(&h->streams)) h->quiet_at = http2_now(h);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code,
                           void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)code;
    if (!s) return 0;
    if (h->gathering == id) http2_drop_gathered(h);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    exchange_abort(&s->x);
    free_stream(h, s);
    return http2_verdict(h);
}

void http2_forget(struct exchange *x)
{
    if (x->in_http2) x->in_http2->x = NULL;
    x->in_http2 = NULL;
}

void http2_abort(struct conn *c)
{
    /* An abort callback may end other exchanges, but frees no stream. */
    LIST_FOREACH (node, &c->http2->streams)
        exchange_abort(&LIST_ENTRY(node, struct http2_stream, node)->x);
}

/* --- connection
 * --------------------------------------------------------------------- */

int http2_shared_create(struct http2_shared **out)
{
    struct http2_shared *h = calloc(1, sizeof *h);

    if (!h) return ERR_NOMEM;
    if (nghttp2_session_callbacks_new(&h->callbacks) ||
        nghttp2_option_new(&h->option)) {
        http2_shared_free(&h);
        return ERR_NOMEM;
    }
    http2_set_input_callbacks(h->callbacks);
    http2_set_answer_callbacks(h->callbacks);
    nghttp2_session_callbacks_set_on_stream_close_callback(h->callbacks,
                                                           on_stream_close);
    nghttp2_option_set_no_closed_streams(h->option, 1);
    nghttp2_option_set_max_outbound_ack(h->option, ACKS_MAX);
    nghttp2_option_set_max_settings(h->option, SETTINGS_MAX);
    nghttp2_option_set_stream_reset_rate_limit(h->option, RESETS_BURST,
                                               RESETS_PER_SECOND);
    *out = h;
    return 0;
}

void http2_shared_free(struct http2_shared **h)
{
    struct http2_shared *last = *h;

    *h = NULL;
    if (!last) return;
    nghttp2_session_callbacks_del(last->callbacks);
    nghttp2_option_del(last->option);
    free(last);
}

int http2_begin(struct conn *c)
{
    const struct server_limits *l = &c->server->limits;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)l->streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)l->head_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    struct http2 *h = calloc(1, sizeof *h);

    if (!h) return ERR_NOMEM;
    h->c = c;
    list_init(&h->streams);
    h->tokens = TOKENS_MAX;
    h->tokens_at = h->quiet_at = http2_now(h);
    if (nghttp2_session_server_new2(&h->session, c->server->http2->callbacks, h,
                                    c->server->http2->option)) {
        free(h);
        return ERR_NOMEM;
    }
    c->http2 = h;
    c->state = CONN_HTTP2;
    return nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof *settings)
               ? ERR_NOMEM
               : 0;
}

void http2_free(struct http2 **h)
{
    struct http2 *last = *h;

    *h = NULL;
    if (!last) return;
    http2_drop_gathered(last);
    LIST_FOREACH_SAFE (node, &last->streams)
        free_stream(last, LIST_ENTRY(node, struct http2_stream, node));
    nghttp2_session_del(last->session);
    free(last);
}

/* The last words, then the end. */
static void say_goodbye(struct http2 *h, uint32_t code)
{
    nghttp2_session_terminate_session(h->session, code);
    conn_mark_ready(h->c);
}

void http2_input(struct conn *c, const uint8_t *data, size_t len)
{
    struct http2 *h = c->http2;
    bool was_ending = h->is_ending;
    ssize_t n;

    if (was_ending) return;
    n = nghttp2_session_mem_recv(h->session, data, len);
    if (c->state == CONN_CLOSING) return;
    if (h->is_ending) {
        say_goodbye(h, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    if (n < 0) {
        refuse(c->server,
               n == NGHTTP2_ERR_FLOODED ? REFUSE_H2_FLOOD : REFUSE_H2_PROTOCOL,
               c->peer->host, nghttp2_strerror((int)n));
        conn_close(c);
        return;
    }
    if (http2_keep_gathered(h)) {
        refuse(c->server, REFUSE_MEMORY, c->peer->host, "fields");
        conn_close(c);
    }
}

/* Frames until nothing is left to say, the viewer's windows are full, or
 * conn_out_soft() bytes lie ready. 0, or c is closing. */
static int gather_frames(struct http2 *h)
{
    struct conn *c = h->c;
    const uint8_t *data;
    ssize_t n;

    while (c->server->io.out_len < conn_out_soft(c) &&
           (n = nghttp2_session_mem_send(h->session, &data)) != 0) {
        if (c->state == CONN_CLOSING) return ERR_CLOSED;
        if (n < 0 || conn_stage(c, data, (size_t)n)) {
            conn_close(c);
            return ERR_IO;
        }
    }
    return c->state == CONN_CLOSING ? ERR_CLOSED : 0;
}

void http2_pump(struct conn *c)
{
    struct http2 *h = c->http2;

    for (int i = 0; i < PUMP_ROUNDS && !c->tails; i++) {
        if (gather_frames(h)) return;
        bool is_all = c->server->io.out_len < conn_out_soft(c);
        if (conn_flush(c)) return;
        if (c->tails) h->progress_at = http2_now(h);
        if (is_all) break;
        if (i == PUMP_ROUNDS - 1) conn_mark_ready(c);
    }
    if (!c->tails && !h->queued_bytes) c->is_slow = false;
    if (!c->tails && !nghttp2_session_want_read(h->session) &&
        !nghttp2_session_want_write(h->session)) {
        if (c->tls) {
            tls_session_close(c->tls);
            if (conn_flush(c)) return;
        }
        conn_close(c);
    }
}

void http2_drain(struct conn *c)
{
    nghttp2_session *session = c->http2->session;

    nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    conn_mark_ready(c);
}

/* --- deadlines
 * ---------------------------------------------------------------------- */

enum wait { WAIT_WRITE, WAIT_HEAD, WAIT_BODY, WAIT_IDLE, WAIT_US };

static struct http2_stream *oldest_upload(const struct http2 *h)
{
    LIST_FOREACH (node, &h->streams) {
        struct http2_stream *s = LIST_ENTRY(node, struct http2_stream, node);
        if (s->is_receiving && s->x) return s;
    }
    return NULL;
}

/* What c is waiting for, and until when; none of it moves because the other
 * side says something else. */
static enum wait what_next(const struct conn *c, int64_t *at)
{
    const struct server_limits *l = &c->server->limits;
    const struct http2 *h = c->http2;
    const struct http2_stream *upload;

    if (c->tails || h->queued_bytes) {
        *at = h->progress_at + l->write_us;
        return WAIT_WRITE;
    }
    if (h->gathering) {
        *at = h->gather_at + l->head_us;
        return WAIT_HEAD;
    }
    upload = oldest_upload(h);
    if (upload) {
        *at = upload->started_at + l->body_us;
        return WAIT_BODY;
    }
    if (!list_is_empty(&h->streams)) return WAIT_US;
    *at = h->quiet_at + l->idle_us;
    return WAIT_IDLE;
}

void http2_arm(struct conn *c)
{
    int64_t at;

    if (what_next(c, &at) == WAIT_US)
        timer_cancel(&c->timer);
    else
        timer_set(&c->timer, at);
}

void http2_on_deadline(struct conn *c)
{
    struct http2 *h = c->http2;
    int64_t at, now = http2_now(h);
    enum wait what = what_next(c, &at);

    if (what == WAIT_WRITE && conn_progressed(c)) h->progress_at = now;
    if (what == WAIT_US || (what_next(c, &at) == what && at > now)) {
        http2_arm(c);
        return;
    }
    switch (what) {
    case WAIT_WRITE:
        refuse(c->server, REFUSE_WRITE_TIME, c->peer->host, "h2");
        conn_close(c);
        return;
    case WAIT_HEAD:
        refuse(c->server, REFUSE_HEAD_TIME, c->peer->host, "h2");
        conn_close(c);
        return;
    case WAIT_BODY:
        refuse(c->server, REFUSE_BODY_TIME, c->peer->host, "h2");
        exchange_refuse(oldest_upload(h)->x, 408, 0);
        break;
    case WAIT_IDLE: say_goodbye(h, NGHTTP2_NO_ERROR); break;
    case WAIT_US: break;
    }
    conn_mark_ready(c);
}
