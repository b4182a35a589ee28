#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/http2_priv.h"
#include "core/net/target.h"

enum {
    /* What only costs (pings, settings, resets, empty frames, tiny windows)
     * takes tokens; who has none left is cut off. CVE-2019-9511 ff.,
     * CVE-2023-44487, CVE-2025-8671. */
    TOKENS_PER_SECOND = 100,
    WINDOW_TINY = 1024,
};

/* --- costs
 * ------------------------------------------------------------------------ */

int http2_charge(struct http2 *h, int cost)
{
    int64_t now = http2_now(h), back;

    back = (now - h->tokens_at) * TOKENS_PER_SECOND / 1000000;
    if (back > 0) {
        h->tokens =
            h->tokens + back > TOKENS_MAX ? TOKENS_MAX : h->tokens + (int)back;
        h->tokens_at = now;
    }
    h->tokens -= cost;
    if (h->tokens >= 0) return 0;
    if (!h->is_ending)
        refuse(h->c->server, REFUSE_H2_FLOOD, h->c->peer->host, "");
    h->is_ending = true;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int http2_verdict(const struct http2 *h)
{
    return h->c->state == CONN_CLOSING ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* --- requests
 * ------------------------------------------------------------------- */

void http2_drop_gathered(struct http2 *h)
{
    if (h->path) nghttp2_rcbuf_decref(h->path);
    if (h->authority) nghttp2_rcbuf_decref(h->authority);
    h->path = h->authority = NULL;
    if (h->text_is_ours) free(h->text);
    h->text = NULL;
    h->text_is_ours = false;
    h->gathering = 0;
}

static int on_begin_headers(nghttp2_session *session,
                            const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s;

    if (frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s = calloc(1, sizeof *s);
    if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    s->id = frame->hd.stream_id;
    s->started_at = http2_now(h);
    list_append(&h->streams, &s->node);
    nghttp2_session_set_stream_user_data(session, s->id, s);
    http2_drop_gathered(h);
    h->gathering = s->id;
    h->gather_at = s->started_at;
    h->text = h->c->server->scratch;
    h->len = 0;
    h->fields = h->status = 0;
    h->wrote_path = false;
    h->request = (struct http1_request){.host = ""};
    return 0;
}

static void append_text(struct http2 *h, const void *data, size_t len)
{
    size_t limit = h->c->server->limits.head_bytes;

    if (h->status) return;
    if (h->len + len + 1 > limit) {
        h->status = 431;
        return;
    }
    memcpy(h->text + h->len, data, len);
    h->text[h->len + len] = 0;
    h->len += len + 1;
}

/* All pseudo fields came (they stand in front): path, query, host. */
static void write_path(struct http2 *h)
{
    nghttp2_vec v = {(uint8_t *)(uintptr_t) "", 0};
    size_t limit = h->c->server->limits.head_bytes;

    if (h->wrote_path || h->status) return;
    h->wrote_path = true;
    if (h->path) v = nghttp2_rcbuf_get_buf(h->path);
    if (v.len + 2 > limit) {
        h->status = 431;
        return;
    }
    if (target_parse((const char *)v.base, v.len, h->text, &h->request.query,
                     &h->len)) {
        h->status = 400;
        return;
    }
    h->request.headers = h->len;
    if (!h->authority) return;
    v = nghttp2_rcbuf_get_buf(h->authority);
    if (target_check_host((const char *)v.base, v.len)) {
        h->status = 400;
        return;
    }
    append_text(h, "host", 4);
    size_t host = h->len;
    append_text(h, v.base, v.len);
    if (!h->status) h->request.host = h->text + host;
}

static void take_method(struct http2 *h, nghttp2_vec v)
{
    if (target_method((const char *)v.base, v.len, &h->request.method,
                      &h->request.is_head))
        h->status = 501;
}

static void take_pseudo(struct http2 *h, nghttp2_vec name, nghttp2_rcbuf *value)
{
    nghttp2_rcbuf **keep = NULL;

    if (name.len == 7 && !memcmp(name.base, ":method", 7))
        take_method(h, nghttp2_rcbuf_get_buf(value));
    else if (name.len == 5 && !memcmp(name.base, ":path", 5))
        keep = &h->path;
    else if (name.len == 10 && !memcmp(name.base, ":authority", 10))
        keep = &h->authority;
    if (!keep || *keep) return;
    *keep = value;
    nghttp2_rcbuf_incref(value);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                     nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags,
                     void *arg)
{
    struct http2 *h = arg;
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name);

    (void)session, (void)flags;
    if (!h->gathering || frame->hd.stream_id != h->gathering) return 0;
    if (h->status) return 0;
    if (n.len && n.base[0] == ':') {
        take_pseudo(h, n, value);
        return 0;
    }
    write_path(h);
    if (++h->fields > h->c->server->limits.header_count) h->status = 431;
    nghttp2_vec v = nghttp2_rcbuf_get_buf(value);
    /* Host beside :authority would be two answers to one question. */
    if (n.len == 4 && !memcmp(n.base, "host", 4)) {
        if (h->authority) return 0;
        if (target_check_host((const char *)v.base, v.len)) h->status = 400;
        if (!h->status) h->request.host = h->text + h->len + 5;
    }
    append_text(h, n.base, n.len);
    append_text(h, v.base, v.len);
    return 0;
}

/* Our text outlives this input: the scratch does not. */
int http2_keep_gathered(struct http2 *h)
{
    size_t limit = h->c->server->limits.head_bytes;

    if (!h->gathering || h->text_is_ours) return 0;
    char *ours = malloc(limit + 2);
    if (!ours) return ERR_NOMEM;
    memcpy(ours, h->text, h->len);
    if (h->request.host[0]) {
        size_t at = (size_t)(h->request.host - h->text);
        h->request.host = ours + at;
    }
    h->text = ours;
    h->text_is_ours = true;
    return 0;
}

static enum refusal reason_of(int status)
{
    return status == 431   ? REFUSE_HEAD_SIZE
           : status == 501 ? REFUSE_METHOD
                           : REFUSE_SYNTAX;
}

static int begin_request(struct http2 *h, struct http2_stream *s, bool has_body)
{
    struct http1_request *r = &h->request;
    unsigned allow = 0;
    int status;

    write_path(h);
    status = h->status;
    if (status) {
        refuse(h->c->server, reason_of(status), h->c->peer->host, "h2");
        *r = (struct http1_request){
            .method = HTTP_GET, .text = "/\0", .text_len = 3, .host = ""};
        r->query = 2, r->headers = 3;
    } else {
        r->text = h->text;
        r->text_len = h->len;
    }
    s->x = exchange_create(h->c, r);
    http2_drop_gathered(h);
    if (!s->x) {
        refuse(h->c->server, REFUSE_MEMORY, h->c->peer->host, "request");
        return nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id,
                                         NGHTTP2_REFUSED_STREAM);
    }
    s->x->stream = s->id;
    s->x->in_http2 = s;
    s->is_receiving = has_body;
    if (!status) status = exchange_route(s->x, 0, &allow);
    if (!status && has_body && !s->x->route->body_limit) status = 413;
    if (status) exchange_refuse(s->x, status, allow);
    return http2_verdict(h);
}

static int end_request(struct http2 *h, struct http2_stream *s)
{
    s->is_receiving = false;
    if (s->x && !s->x->is_delivered) exchange_deliver(s->x);
    return http2_verdict(h);
}

static int cost_of(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM: return COST_RESET;
    case NGHTTP2_DATA:
        return !frame->hd.length && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
                   ? COST_FRAME
                   : 0;
    case NGHTTP2_WINDOW_UPDATE:
        return frame->window_update.window_size_increment < WINDOW_TINY
                   ? COST_FRAME
                   : 0;
    case NGHTTP2_HEADERS:
        return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? 0 : COST_FRAME;
    default: return COST_FRAME;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                    void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    int cost = cost_of(frame);

    if (cost && http2_charge(h, cost)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s) return 0;
    if (h->gathering == s->id) {
        int err = begin_request(h, s, !ends);
        if (err) return err;
    }
    return ends ? end_request(h, s) : 0;
}

static int on_invalid_frame(nghttp2_session *session,
                            const nghttp2_frame *frame, int code, void *arg)
{
    (void)session, (void)frame, (void)code;
    return http2_charge(arg, COST_INVALID);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
                   const uint8_t *data, size_t len, void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    if (!s || !s->x || s->x->is_delivered) return 0;
    int status = exchange_append_body(s->x, data, len);
    if (status) exchange_refuse(s->x, status, 0);
    return http2_verdict(h);
}

void http2_set_input_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
}
