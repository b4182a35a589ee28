/* HTTP/2 (RFC 9113) on nghttp2: framing, HPACK and flow control are its; what
 * a request is, and what a stranger may cost us, is decided here. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/server_priv.h"
#include "core/net/target.h"

enum {
    FIELDS_MAX = 64, /* of one response */
    FRAME_HEAD_BYTES = 9,
    PUMP_ROUNDS = 4, /* of OUT_SOFT_BYTES, before others have their turn */
    /* What only costs (pings, settings, resets, empty frames, tiny windows)
     * takes tokens; who has none left is cut off. CVE-2019-9511 ff.,
     * CVE-2023-44487, CVE-2025-8671. */
    TOKENS_MAX = 400,
    TOKENS_PER_SECOND = 100,
    COST_FRAME = 1,
    COST_RESET = 4,
    COST_INVALID = 10,
    WINDOW_TINY = 1024,
    /* nghttp2's own bounds, behind ours. */
    ACKS_MAX = 200,
    SETTINGS_MAX = 32,
    RESETS_BURST = 1000,
    RESETS_PER_SECOND = 100,
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

/* --- costs
 * ------------------------------------------------------------------------ */

static int64_t now_of(const struct http2 *h)
{
    return loop_now(h->c->server->loop);
}

static int charge(struct http2 *h, int cost)
{
    int64_t now = now_of(h), back;

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

static int verdict(const struct http2 *h)
{
    return h->c->state == CONN_CLOSING ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* --- requests
 * ------------------------------------------------------------------- */

static void drop_gathered(struct http2 *h)
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
    s->started_at = now_of(h);
    list_append(&h->streams, &s->node);
    nghttp2_session_set_stream_user_data(session, s->id, s);
    drop_gathered(h);
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
    static const struct {
        const char *name;
        enum http_method method;
    } known[] = {{"GET", HTTP_GET},       {"HEAD", HTTP_GET},
                 {"POST", HTTP_POST},     {"PATCH", HTTP_PATCH},
                 {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
                 {"PUT", HTTP_PUT}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (v.len != strlen(known[i].name) ||
            memcmp(v.base, known[i].name, v.len))
            continue;
        h->request.method = known[i].method;
        h->request.is_head = v.base[0] == 'H';
        return;
    }
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
static int keep_gathered(struct http2 *h)
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
    drop_gathered(h);
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
    return verdict(h);
}

static int end_request(struct http2 *h, struct http2_stream *s)
{
    s->is_receiving = false;
    if (s->x && !s->x->is_delivered) exchange_deliver(s->x);
    return verdict(h);
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

    if (cost && charge(h, cost)) return NGHTTP2_ERR_CALLBACK_FAILURE;
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
    return charge(arg, COST_INVALID);
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
    return verdict(h);
}

/* --- answers
 * --------------------------------------------------------------------- */

static void set_field(nghttp2_nv *nv, const char *name, size_t name_len,
                      const char *value, size_t value_len)
{
    *nv = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value,
                       name_len, value_len,
                       NGHTTP2_NV_FLAG_NO_COPY_NAME |
                           NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static struct http2_head *make_head(struct response *r)
{
    const char *at = (const char *)builder_data(&r->fields);
    const char *end = at + r->fields.len;
    struct http2_head *head;
    int n;

    if (r->http2_head) return r->http2_head;
    if (r->fields.err) return NULL;
    head = calloc(1, sizeof *head);
    if (!head) return NULL;
    snprintf(head->status, sizeof head->status, "%d", r->status);
    set_field(&head->fields[head->count++], ":status", 7, head->status, 3);
    n = snprintf(head->length, sizeof head->length, "%zu", r->body_bytes);
    if (r->status != 204 && r->status != 304)
        set_field(&head->fields[head->count++], "content-length", 14,
                  head->length, (size_t)n);
    /* "name: value\r\n"…, as response_header() wrote it; one is left for the
     * date. */
    while (r->fields.len && at < end && head->count < FIELDS_MAX - 1) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *cr = memchr(colon, '\r', (size_t)(end - colon));
        set_field(&head->fields[head->count++], at, (size_t)(colon - at),
                  colon + 2, (size_t)(cr - colon - 2));
        at = cr + 2;
    }
    r->http2_head = head;
    return head;
}

void http2_head_free(struct http2_head **h)
{
    free(*h);
    *h = NULL;
}

static ssize_t frame_length(nghttp2_session *session, uint8_t type, int32_t id,
                            int32_t session_window, int32_t stream_window,
                            uint32_t frame_max, void *arg)
{
    struct http2 *h = arg;
    size_t room = conn_stage_room(h->c);

    (void)session, (void)type, (void)id, (void)session_window;
    (void)stream_window, (void)frame_max;
    /* Fill the record that is open, unless only a sliver is left of it. */
    if (room < STAGE_BYTES / 4) room = STAGE_BYTES;
    return (ssize_t)(room - FRAME_HEAD_BYTES);
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf,
                         size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct http2_stream *s = source->ptr;

    (void)session, (void)id, (void)buf, (void)arg;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (length >= s->left) {
        length = s->left;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)length;
}

static int stage_body(struct http2 *h, struct http2_stream *s, size_t len)
{
    while (len) {
        const struct slice *piece = &s->r->slices[s->slice];
        size_t n = piece->len - s->slice_at;
        if (n > len) n = len;
        if (conn_stage(h->c, piece->data + s->slice_at, n)) return ERR_IO;
        s->slice_at += n;
        s->left -= n;
        h->queued_bytes -= n;
        len -= n;
        if (s->slice_at == piece->len) s->slice++, s->slice_at = 0;
    }
    return 0;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame,
                     const uint8_t *frame_head, size_t length,
                     nghttp2_data_source *source, void *arg)
{
    struct http2 *h = arg;
    struct server *server = h->c->server;

    (void)session, (void)frame;
    if (server->io.out_len >= OUT_SOFT_BYTES) return NGHTTP2_ERR_WOULDBLOCK;
    if (FRAME_HEAD_BYTES + length > conn_stage_room(h->c) && conn_seal(h->c))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (conn_stage(h->c, frame_head, FRAME_HEAD_BYTES) ||
        stage_body(h, source->ptr, length))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    h->progress_at = now_of(h);
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame,
                   void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s;

    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
            return charge(h, COST_RESET);
        break;
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && !h->is_ending)
            refuse(h->c->server, REFUSE_H2_PROTOCOL, h->c->peer->host,
                   nghttp2_http2_strerror(frame->goaway.error_code));
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) break;
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        /* Answered before the body was there: the rest is not wanted
         * (RFC 9113 §8.1). */
        if (s && s->is_receiving)
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id,
                                      NGHTTP2_NO_ERROR);
        break;
    default: break;
    }
    return 0;
}

static void reset(struct http2 *h, int32_t id, uint32_t code)
{
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, code);
}

void http2_respond(struct exchange *x, struct response *r)
{
    struct http2_stream *s = x->in_http2;
    struct conn *c = x->conn;
    struct http2 *h = c->http2;
    bool has_body = response_has_body(r, x->is_head);
    nghttp2_data_provider source = {.source.ptr = s,
                                    .read_callback = read_body};
    nghttp2_nv fields[FIELDS_MAX];
    struct http2_head *head = make_head(r);

    exchange_free(&x);
    if (c->state == CONN_CLOSING) return;
    conn_mark_ready(c);
    if (!head) {
        refuse(c->server, REFUSE_MEMORY, c->peer->host, "head");
        reset(h, s->id, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    if (has_body && h->queued_bytes &&
        h->queued_bytes + r->body_bytes > c->server->limits.unsent_bytes) {
        refuse(c->server, REFUSE_BACKLOG, c->peer->host, "h2");
        reset(h, s->id, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    if (!h->queued_bytes) h->progress_at = now_of(h);
    memcpy(fields, head->fields, head->count * sizeof *fields);
    /* nghttp2 reads the fields when it sends them: the text of the date
     * changes in place, its length does not. */
    set_field(&fields[head->count], "date", 4, server_date_line(c->server) + 6,
              DATE_LINE_BYTES - 8);
    s->r = response_ref(r);
    if (has_body) {
        s->left = r->body_bytes;
        h->queued_bytes += s->left;
    }
    if (nghttp2_submit_response(h->session, s->id, fields, head->count + 1,
                                has_body ? &source : NULL))
        reset(h, s->id, NGHTTP2_INTERNAL_ERROR);
}

/* --- streams
 * ----------------------------------------------------------------------- */

static void free_stream(struct http2 *h, struct http2_stream *s)
{
    h->queued_bytes -= s->left;
    list_unlink(&s->node);
    response_unref(&s->r);
    free(s);
    if (list_is_empty(&h->streams)) h->quiet_at = now_of(h);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code,
                           void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)code;
    if (!s) return 0;
    if (h->gathering == id) drop_gathered(h);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    exchange_abort(&s->x);
    free_stream(h, s);
    return verdict(h);
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
    nghttp2_session_callbacks *cb = h->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_send_data_callback(cb, send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(
        cb, frame_length);
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
    h->tokens_at = h->quiet_at = now_of(h);
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
    drop_gathered(last);
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
    if (keep_gathered(h)) {
        refuse(c->server, REFUSE_MEMORY, c->peer->host, "fields");
        conn_close(c);
    }
}

/* Frames until nothing is left to say, the viewer's windows are full, or
 * OUT_SOFT_BYTES lie ready. 0, or c is closing. */
static int gather_frames(struct http2 *h)
{
    struct conn *c = h->c;
    const uint8_t *data;
    ssize_t n;

    while (c->server->io.out_len < OUT_SOFT_BYTES &&
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
        bool is_all = c->server->io.out_len < OUT_SOFT_BYTES;
        if (conn_flush(c)) return;
        if (c->tails) h->progress_at = now_of(h);
        if (is_all) break;
        if (i == PUMP_ROUNDS - 1) conn_mark_ready(c);
    }
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
    int64_t at, now = now_of(h);
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
