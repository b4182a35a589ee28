#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/server_priv.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_BYTES = sizeof preface - 1 };

static bool takes_input(const struct conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEAD ||
           c->state == CONN_BODY;
}

/* --- requests ----------------------------------------------------------------
 */

static enum refusal reason_of(int status)
{
    switch (status) {
    case 431: return REFUSE_HEAD_SIZE;
    case 413: return REFUSE_BODY_SIZE;
    case 501: return REFUSE_METHOD;
    case 503: return REFUSE_MEMORY;
    default: return REFUSE_SYNTAX;
    }
}

void conn_http1_fail(struct conn *c, int status)
{
    struct response *r;
    char text[64];

    exchange_free(&c->x);
    c->linger_when_sent = true;
    snprintf(text, sizeof text, "%s\n", response_reason(status));
    r = response_text(status, text, 0);
    if (r) {
        const struct buf *head = response_http1_head(r);
        static char end[] = "connection: close\r\n\r\n";
        if (head) {
            uv_buf_t bufs[] = {
                uv_buf_init((char *)(uintptr_t)buf_data(head),
                            (unsigned)buf_len(head)),
                uv_buf_init(end, sizeof end - 1),
                uv_buf_init((char *)(uintptr_t)r->slices[0].data,
                            (unsigned)r->slices[0].len),
            };
            metric_add(c->server->requests[0][status / 100], 1);
            conn_write(c, bufs, 3, 3, NULL);
        }
        response_unref(&r);
    }
    if (c->state == CONN_CLOSING) return;
    c->state = CONN_SENDING;
    if (!c->tails) conn_http1_sent(c);
}

/* A request with a body that nobody wants: the body would be read as the next
 * request, so the connection ends with the answer. */
static void turn_away(struct conn *c, int status, unsigned allow)
{
    if (c->state == CONN_BODY) {
        c->x->keeps_alive = false;
        c->linger_when_sent = true;
    }
    exchange_refuse(c->x, status, allow);
}

static void begin_request(struct conn *c, const struct http1_request *r)
{
    unsigned allow;

    c->has_served = true;
    c->x = exchange_create(c, r);
    if (!c->x) {
        refuse(c->server, REFUSE_MEMORY, c->peer->host, "request");
        conn_http1_fail(c, 503);
        return;
    }
    c->state = r->has_body ? CONN_BODY : CONN_HEAD;
    int status = exchange_route(c->x, r->length, &allow);
    if (status) {
        turn_away(c, status, allow);
        /* Whatever the parser thinks comes next is not wanted any more. */
        return;
    }
}

static void send_continue(struct conn *c)
{
    static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t b = uv_buf_init(line, sizeof line - 1);

    c->x->wants_continue = false;
    conn_write(c, &b, 1, 1, NULL);
}

static void take_body(struct conn *c, const struct http1_step *step)
{
    int status = exchange_append_body(c->x, step->body, step->body_len);

    if (status) turn_away(c, status, 0);
}

static void fail_syntax(struct conn *c, const struct http1_step *step)
{
    refuse(c->server, reason_of(c->parser.status), c->peer->host, step->why);
    conn_http1_fail(c, c->parser.status);
}

static void end_request(struct conn *c)
{
    struct exchange *x = c->x;

    if (!x) return; /* it was turned away without a body */
    c->state = CONN_WAITING;
    exchange_deliver(x);
}

/* Returns how much of data was used. */
static size_t process(struct conn *c, const uint8_t *data, size_t len)
{
    struct server *s = c->server;
    struct http1_request r;
    struct http1_step step;
    size_t used = 0;

    while (takes_input(c)) {
        int event = http1_next(&c->parser, &s->http1_limits, data + used,
                               len - used, s->scratch, &r, &step);
        used += step.used;
        if (event < 0) {
            fail_syntax(c, &step);
            break;
        }
        if (event == HTTP1_MORE) {
            if (c->state == CONN_IDLE && used < len) c->state = CONN_HEAD;
            if (c->state == CONN_BODY && c->x->wants_continue) send_continue(c);
            break;
        }
        if (event == HTTP1_REQUEST) begin_request(c, &r);
        if (event == HTTP1_BODY) take_body(c, &step);
        if (event == HTTP1_END) end_request(c);
    }
    return used;
}

/* HTTP/2 by prior knowledge: 1 it is, 0 it is not, -1 too early to say. */
static int is_http2(const struct conn *c, const uint8_t *data, size_t len)
{
    size_t n = len < PREFACE_BYTES ? len : PREFACE_BYTES;

    if (c->has_served || c->state == CONN_BODY || memcmp(data, preface, n))
        return 0;
    return n == PREFACE_BYTES ? 1 : -1;
}

static void process_or_keep(struct conn *c, const uint8_t *data, size_t len)
{
    int http2 = is_http2(c, data, len);

    if (http2 > 0) {
        if (http2_begin(c))
            conn_close(c);
        else
            http2_input(c, data, len);
        return;
    }
    size_t used = http2 < 0 ? 0 : process(c, data, len);
    if (http2 < 0) c->state = CONN_HEAD;
    if (used < len && c->state < CONN_LINGER) {
        int err = conn_stash(c, data + used, len - used);
        if (err) {
            refuse(c->server, err == ERR_NOMEM ? REFUSE_MEMORY : REFUSE_BACKLOG,
                   c->peer->host, "pipelined");
            conn_close(c);
        }
    }
}

void conn_http1_input(struct conn *c, const uint8_t *data, size_t len)
{
    if (!c->stash_len) {
        process_or_keep(c, data, len);
        return;
    }
    if (conn_stash(c, data, len)) {
        refuse(c->server, REFUSE_BACKLOG, c->peer->host, "pipelined");
        conn_close(c);
        return;
    }
    conn_http1_continue(c);
}

void conn_http1_continue(struct conn *c)
{
    uint8_t *data = c->stash;
    size_t len = c->stash_len;

    if (!len || !takes_input(c)) return;
    c->stash = NULL;
    c->stash_len = c->stash_cap = 0;
    process_or_keep(c, data, len);
    free(data);
    if (c->has_eof && takes_input(c)) conn_close(c);
}

/* --- answers -----------------------------------------------------------------
 */

/* TLS: seals the body piece by piece, never more than conn_out_soft() ahead of
 * the socket. */
static int seal_body(struct conn *c)
{
    struct response *r = c->sending;
    size_t at = c->sending_at, skip = at;

    for (int i = 0; i < r->count; i++) {
        struct slice *s = &r->slices[i];
        if (skip >= s->len) {
            skip -= s->len;
            continue;
        }
        while (skip < s->len) {
            if (c->server->io.out_len >= conn_out_soft(c)) goto pause;
            size_t n = s->len - skip, room = conn_stage_room(c);
            if (n > room) n = room;
            if (conn_stage(c, s->data + skip, n)) return ERR_IO;
            skip += n;
            at += n;
        }
        skip = 0;
    }
pause:
    c->sending_at = at;
    return 0;
}

static void pump_sealed(struct conn *c)
{
    while (c->sending && !c->tails) {
        if (seal_body(c)) {
            conn_close(c);
            return;
        }
        if (c->sending_at == c->sending->body_bytes)
            response_unref(&c->sending);
        if (conn_flush(c)) return;
    }
}

static int send_sealed(struct conn *c, const uv_buf_t *head, unsigned n,
                       struct response *r, bool has_body)
{
    for (unsigned i = 0; i < n; i++)
        if (conn_stage(c, head[i].base, head[i].len)) return ERR_IO;
    if (has_body) {
        c->sending = response_ref(r);
        c->sending_at = 0;
        pump_sealed(c);
        return 0;
    }
    conn_flush(c);
    return 0;
}

static void send_response(struct conn *c, struct response *r, bool is_head,
                          bool keeps_alive)
{
    const struct buf *head = response_http1_head(r);
    bool has_body = response_has_body(r, is_head);
    uv_buf_t bufs[SLICES_MAX + 3];
    unsigned n = 0;

    if (!head) {
        refuse(c->server, REFUSE_MEMORY, c->peer->host, "head");
        conn_close(c);
        return;
    }
    bufs[n++] =
        uv_buf_init((char *)(uintptr_t)buf_data(head), (unsigned)buf_len(head));
    bufs[n++] = uv_buf_init((char *)(uintptr_t)server_date_line(c->server),
                            DATE_LINE_BYTES);
    bufs[n++] = keeps_alive
                    ? uv_buf_init((char *)(uintptr_t) "\r\n", 2)
                    : uv_buf_init((char *)(uintptr_t) "connection: close"
                                                      "\r\n\r\n",
                                  21);
    if (c->tls) {
        if (send_sealed(c, bufs, n, r, has_body)) conn_close(c);
        return;
    }
    for (int i = 0; has_body && i < r->count; i++)
        bufs[n++] = uv_buf_init((char *)(uintptr_t)r->slices[i].data,
                                (unsigned)r->slices[i].len);
    conn_write(c, bufs, n, 3, r);
}

void conn_http1_respond(struct exchange *x, struct response *r)
{
    struct conn *c = x->conn;
    bool is_head = x->is_head;
    bool keeps_alive = x->keeps_alive && !c->server->is_closing;

    exchange_free(&c->x);
    if (c->state == CONN_CLOSING) return;
    c->state = CONN_SENDING;
    /* Closing at once could reset the connection, and with it the answer, if
     * the client has sent more (RFC 9112 §9.6). */
    if (!keeps_alive) c->linger_when_sent = true;
    send_response(c, r, is_head, keeps_alive);
    if (c->state == CONN_SENDING && !c->tails && !c->sending)
        conn_http1_sent(c);
    else if (c->state == CONN_SENDING && !c->in_input)
        conn_arm(c);
}

void conn_http1_sent(struct conn *c)
{
    if (c->state != CONN_SENDING || c->tails) return;
    if (c->sending) {
        pump_sealed(c);
        if (c->state != CONN_SENDING) return;
        if (c->sending || c->tails) {
            c->armed_state = CONN_CLOSING; /* some of it went: a new span */
            if (!c->in_input) conn_arm(c);
            return;
        }
    }
    if (c->linger_when_sent) {
        conn_linger(c);
        return;
    }
    if (c->has_eof && !c->stash_len) {
        conn_close(c);
        return;
    }
    c->state = CONN_IDLE;
    c->is_slow = false;
    c->armed_state = CONN_CLOSING; /* a next head has its own deadline */
    /* The next request must not begin inside whoever answered this one. */
    if (c->in_input) return;
    if (c->stash_len || c->is_paused)
        conn_mark_ready(c);
    else
        conn_arm(c);
}
