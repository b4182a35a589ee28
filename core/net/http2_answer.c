#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/http2_priv.h"

enum { FRAME_HEAD_BYTES = 9 };

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
    if (server->io.out_len >= conn_out_soft(h->c))
        return NGHTTP2_ERR_WOULDBLOCK;
    if (FRAME_HEAD_BYTES + length > conn_stage_room(h->c) && conn_seal(h->c))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (conn_stage(h->c, frame_head, FRAME_HEAD_BYTES) ||
        stage_body(h, source->ptr, length))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    h->progress_at = http2_now(h);
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
            return http2_charge(h, COST_RESET);
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
    if (!h->queued_bytes) h->progress_at = http2_now(h);
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

void http2_set_answer_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_send_data_callback(cb, send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(
        cb, frame_length);
}
