#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/server_priv.h"

enum { LINGER_US = 1000000 };

/* --- reading -----------------------------------------------------------------
 */

int conn_stash(struct conn *c, const uint8_t *data, size_t len)
{
    size_t need = c->stash_len + len;

    if (need > STASH_MAX + c->server->limits.head_bytes) return ERR_LIMIT;
    if (need > c->stash_cap) {
        /* A head in pieces grows in steps, not with every byte. */
        size_t cap = c->stash_cap ? 2 * (size_t)c->stash_cap : len;
        if (cap < need) cap = need;
        uint8_t *more = realloc(c->stash, cap);
        if (!more) return ERR_NOMEM;
        c->stash = more;
        c->stash_cap = (uint32_t)cap;
    }
    memcpy(c->stash + c->stash_len, data, len);
    c->stash_len = (uint32_t)need;
    bool is_busy = c->state == CONN_WAITING || c->state == CONN_SENDING ||
                   c->state == CONN_HANDSHAKE;
    if (is_busy && need > STASH_PAUSE && !c->is_paused) {
        c->is_paused = true;
        uv_read_stop((uv_stream_t *)&c->tcp);
    }
    return 0;
}

static void input(struct conn *c, const uint8_t *data, size_t len)
{
    switch (c->state) {
    case CONN_CLOSING:
    case CONN_LINGER: break;
    case CONN_HTTP2: http2_input(c, data, len); break;
    default: conn_http1_input(c, data, len); break;
    }
}

static void end_half_open(struct conn *c)
{
    if (c->is_half_open) c->peer->half_open--;
    c->is_half_open = false;
}

static void finish_handshake(struct conn *c)
{
    end_half_open(c);
    c->state = CONN_IDLE;
    if (tls_session_is_http2(c->tls) && http2_begin(c)) conn_close(c);
}

static void on_eof(struct conn *c)
{
    c->has_eof = true;
    uv_read_stop((uv_stream_t *)&c->tcp);
    /* Answers under way are still wanted by who only closed their half; one
     * that is not there yet is not. */
    if (c->state == CONN_SENDING || (c->state == CONN_IDLE && c->stash_len))
        return;
    conn_close(c);
}

static void open_records(struct conn *c, const uint8_t *data, size_t len)
{
    struct server *s = c->server;
    size_t n;
    int err;

    s->io.in = data;
    s->io.in_len = len;
    while ((err = tls_session_open(c->tls, s->plain_buffer, READ_BYTES, &n)) ==
           0) {
        if (c->state == CONN_HANDSHAKE) finish_handshake(c);
        /* What a handler sends on other connections needs out empty. */
        if (s->io.out_len && conn_flush(c)) return;
        input(c, s->plain_buffer, n);
        if (c->state == CONN_CLOSING) return;
    }
    if (c->state == CONN_HANDSHAKE && tls_session_is_ready(c->tls))
        finish_handshake(c);
    if (err == ERR_SYNTAX) {
        refuse(s, REFUSE_HANDSHAKE, c->peer->host, tls_session_why(c->tls));
        conn_flush(c); /* the alert */
        conn_close(c);
    } else if (err == ERR_CLOSED) {
        on_eof(c);
    }
    if (c->state != CONN_CLOSING) conn_flush(c);
}

static void after_input(struct conn *c)
{
    c->in_input = false;
    if (c->state == CONN_CLOSING) return;
    if (c->state == CONN_HTTP2 || (c->state == CONN_IDLE && c->stash_len))
        conn_mark_ready(c);
    else
        conn_arm(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)c->server->read_buffer, READ_BYTES);
}

static void resume(struct conn *c)
{
    c->is_paused = false;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

/* Its turn comes with the server's other handshakes. */
static void keep_for_handshake(struct conn *c, const uint8_t *data, size_t len)
{
    if (conn_stash(c, data, len)) {
        refuse(c->server, REFUSE_HANDSHAKE, c->peer->host, "size");
        conn_close(c);
        return;
    }
    list_unlink(&c->ready);
    list_append(&c->server->handshakes, &c->ready);
}

void conn_run_handshake(struct conn *c)
{
    uint8_t *data = c->stash;
    size_t len = c->stash_len;

    list_unlink(&c->ready);
    c->stash = NULL;
    c->stash_len = c->stash_cap = 0;
    c->in_input = true;
    open_records(c, data, len);
    free(data);
    if (c->is_paused && c->state != CONN_CLOSING) resume(c);
    after_input(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    if (n == 0 || c->state == CONN_CLOSING) return;
    if (n < 0) {
        if (n == UV_EOF)
            on_eof(c);
        else
            conn_close(c);
        return;
    }
    if (c->state == CONN_HANDSHAKE) {
        keep_for_handshake(c, (const uint8_t *)buf->base, (size_t)n);
        return;
    }
    c->in_input = true;
    if (c->tls)
        open_records(c, (const uint8_t *)buf->base, (size_t)n);
    else
        input(c, (const uint8_t *)buf->base, (size_t)n);
    after_input(c);
}

/* --- deadlines
 * ---------------------------------------------------------------- */

static void time_out(struct conn *c, enum refusal why)
{
    refuse(c->server, why, c->peer->host, "");
    conn_close(c);
}

static void on_deadline(void *arg)
{
    struct conn *c = arg;

    c->armed_state = CONN_CLOSING; /* none */
    switch ((enum conn_state)c->state) {
    case CONN_HANDSHAKE: time_out(c, REFUSE_HANDSHAKE_TIME); break;
    case CONN_HEAD:
        refuse(c->server, REFUSE_HEAD_TIME, c->peer->host, "");
        conn_http1_fail(c, 408);
        break;
    case CONN_BODY:
        refuse(c->server, REFUSE_BODY_TIME, c->peer->host, c->x->text);
        conn_http1_fail(c, 408);
        break;
    case CONN_SENDING:
        if (conn_progressed(c))
            conn_arm(c);
        else
            time_out(c, REFUSE_WRITE_TIME);
        break;
    case CONN_HTTP2: http2_on_deadline(c); break;
    case CONN_IDLE:
    case CONN_WAITING:
    case CONN_LINGER:
    case CONN_CLOSING: conn_close(c); break;
    }
    if (c->state == CONN_SENDING || c->state == CONN_LINGER) conn_arm(c);
}

void conn_arm(struct conn *c)
{
    const struct server_limits *l = &c->server->limits;
    int64_t now = loop_now(c->server->loop);
    uint8_t before = c->armed_state;

    c->armed_state = c->state;
    switch ((enum conn_state)c->state) {
    case CONN_HANDSHAKE:
        if (before != c->state) timer_set(&c->timer, now + l->handshake_us);
        break;
    case CONN_IDLE: timer_set(&c->timer, now + l->idle_us); break;
    case CONN_HEAD: /* drops of bytes do not move these two */
        if (before != c->state) timer_set(&c->timer, now + l->head_us);
        break;
    case CONN_BODY:
        if (before != c->state) timer_set(&c->timer, now + l->body_us);
        break;
    case CONN_WAITING:
        if (timer_is_set(&c->timer)) timer_cancel(&c->timer);
        break;
    case CONN_SENDING: /* neither does what a slow reader says meanwhile */
        if (before != c->state) timer_set(&c->timer, now + l->write_us);
        break;
    case CONN_LINGER:
        if (before != c->state) timer_set(&c->timer, now + LINGER_US);
        break;
    case CONN_HTTP2: http2_arm(c); break;
    case CONN_CLOSING: break;
    }
}

/* --- life
 * --------------------------------------------------------------------- */

struct conn *conn_create(struct server *s)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c) return NULL;
    c->server = s;
    c->tcp.data = c;
    c->armed_state = CONN_CLOSING;
    list_init(&c->node);
    list_init(&c->ready);
    timer_init(&c->timer, s->loop, on_deadline, c);
    http1_init(&c->parser);
    uv_tcp_init(loop_uv(s->loop), &c->tcp);
    return c;
}

void conn_begin(struct conn *c, struct peer *peer)
{
    struct server *s = c->server;

    c->peer = peer;
    list_append(&s->conns, &c->node);
    uv_tcp_nodelay(&c->tcp, 1);
    c->state = CONN_IDLE;
    if (s->tls) {
        c->state = CONN_HANDSHAKE;
        c->is_half_open = true;
        peer->half_open++;
        if (tls_session_create(&c->tls, s->tls, &s->io)) {
            refuse(s, REFUSE_MEMORY, peer->host, "tls");
            conn_close(c);
            return;
        }
    }
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read)) {
        conn_close(c);
        return;
    }
    conn_arm(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct server *s = c->server;

    INVARIANT(!c->x && !c->tails);
    http2_free(&c->http2);
    tls_session_free(&c->tls);
    response_unref(&c->sending);
    free(c->stash);
    if (c->peer) server_peer_unref(s, &c->peer);
    free(c);
    server_conn_closed(s);
}

void conn_close(struct conn *c)
{
    struct exchange *x = c->x;

    if (c->state == CONN_CLOSING) return;
    bool is_http2 = c->state == CONN_HTTP2;
    c->state = CONN_CLOSING;
    end_half_open(c);
    timer_cancel(&c->timer);
    list_unlink(&c->ready);
    list_unlink(&c->node);
    c->server->stage_len = c->server->io.out_len = 0;
    c->x = NULL;
    exchange_abort(&x);
    if (is_http2) http2_abort(c);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    free(req);
}

void conn_linger(struct conn *c)
{
    uv_shutdown_t *req;

    if (c->has_eof) {
        conn_close(c);
        return;
    }
    if (c->tls) {
        tls_session_close(c->tls);
        if (conn_flush(c)) return;
    }
    req = malloc(sizeof *req);
    if (!req || uv_shutdown(req, (uv_stream_t *)&c->tcp, on_shutdown)) {
        free(req);
        conn_close(c);
        return;
    }
    free(c->stash);
    c->stash = NULL;
    c->stash_len = c->stash_cap = 0;
    c->state = CONN_LINGER;
    if (!c->in_input) conn_arm(c);
}

void conn_drain(struct conn *c)
{
    switch ((enum conn_state)c->state) {
    case CONN_IDLE:
    case CONN_HANDSHAKE: conn_close(c); break;
    case CONN_HTTP2: http2_drain(c); break;
    default: break; /* its answer will say "connection: close" */
    }
}

void conn_mark_ready(struct conn *c)
{
    if (c->state == CONN_CLOSING) return;
    list_unlink(&c->ready);
    list_append(&c->server->ready, &c->ready);
}

void conn_run_ready(struct conn *c)
{
    list_unlink(&c->ready);
    c->in_input = true;
    if (c->state == CONN_HTTP2) {
        http2_pump(c);
    } else {
        if (c->is_paused && c->stash_len <= STASH_PAUSE) resume(c);
        conn_http1_continue(c);
    }
    c->in_input = false;
    if (c->state == CONN_CLOSING) return;
    if (c->state == CONN_IDLE && (c->stash_len || c->is_paused))
        conn_mark_ready(c);
    else
        conn_arm(c);
}
