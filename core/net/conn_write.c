/* What leaves a connection: by reference where it can, through stage and out
 * where it is sealed, and as a tail what the socket does not take. */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/server_priv.h"

/* What the socket did not take at once. */
struct tail {
    uv_write_t req;
    struct conn *c;
    struct response *r;
    char date[DATE_LINE_BYTES];
    unsigned n;
    uv_buf_t bufs[];
};

static void on_written(uv_write_t *req, int status)
{
    struct tail *t = req->data;
    struct conn *c = t->c;

    response_unref(&t->r);
    free(t);
    c->tails--;
    if (c->state == CONN_CLOSING) return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    if (c->state == CONN_HTTP2)
        conn_mark_ready(c);
    else
        conn_http1_sent(c);
}

static int start_tail(struct conn *c, struct tail *t)
{
    t->c = c;
    t->req.data = t;
    if (uv_write(&t->req, (uv_stream_t *)&c->tcp, t->bufs, t->n, on_written)) {
        response_unref(&t->r);
        free(t);
        return ERR_IO;
    }
    c->tails++;
    c->unsent_seen = 0;
    return 0;
}

/* The rest of bufs behind `sent`, by reference. The date line changes under
 * our feet: it is copied. */
static int tail_of_refs(struct conn *c, const uv_buf_t *bufs, unsigned n,
                        size_t sent, struct response *r)
{
    struct tail *t = malloc(sizeof *t + n * sizeof *t->bufs);
    const char *date = c->server->date_line;

    if (!t) return ERR_NOMEM;
    t->n = 0;
    t->r = response_ref(r);
    for (unsigned i = 0; i < n; i++) {
        uv_buf_t b = bufs[i];
        if (sent >= b.len) {
            sent -= b.len;
            continue;
        }
        b.base += sent;
        b.len -= sent;
        sent = 0;
        if (b.base >= date && b.base < date + DATE_LINE_BYTES) {
            memcpy(t->date, b.base, b.len);
            b.base = t->date;
        }
        t->bufs[t->n++] = b;
    }
    return start_tail(c, t);
}

static int tail_of_copy(struct conn *c, const uint8_t *data, size_t len)
{
    struct tail *t = malloc(sizeof *t + sizeof *t->bufs + len);

    if (!t) return ERR_NOMEM;
    char *copy = (char *)&t->bufs[1];
    memcpy(copy, data, len);
    t->n = 1;
    t->r = NULL;
    t->bufs[0] = uv_buf_init(copy, (unsigned)len);
    return start_tail(c, t);
}

static int try_write(struct conn *c, const uv_buf_t *bufs, unsigned n,
                     size_t *sent)
{
    int wrote = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);

    if (wrote < 0 && wrote != UV_EAGAIN) {
        conn_close(c);
        return ERR_IO;
    }
    *sent = wrote > 0 ? (size_t)wrote : 0;
    metric_add(c->server->sent_bytes, (int64_t)*sent);
    return 0;
}

static int give_up_memory(struct conn *c)
{
    refuse(c->server, REFUSE_MEMORY, c->peer->host, "write");
    conn_close(c);
    return ERR_NOMEM;
}

static int try_write_response(struct conn *c, const uv_buf_t *bufs, unsigned n,
                              unsigned heads, struct response *r, size_t *sent)
{
    uv_os_fd_t fd;

    if (n == heads || c->tails || !hot_is(c->server, r) ||
        uv_fileno((uv_handle_t *)&c->tcp, &fd))
        return try_write(c, bufs, n, sent);
    if (hot_send(fd, bufs, heads, r, sent)) {
        conn_close(c);
        return ERR_IO;
    }
    metric_add(c->server->sent_bytes, (int64_t)*sent);
    return 0;
}

int conn_write(struct conn *c, const uv_buf_t *bufs, unsigned n, unsigned heads,
               struct response *r)
{
    size_t total = 0, sent;

    for (unsigned i = 0; i < n; i++)
        total += bufs[i].len;
    if (!r) {
        for (unsigned i = 0; i < n; i++)
            if (conn_stage(c, bufs[i].base, bufs[i].len)) {
                conn_close(c);
                return ERR_IO;
            }
        return conn_flush(c);
    }
    if (try_write_response(c, bufs, n, heads, r, &sent)) return ERR_IO;
    if (sent == total) return 0;
    metric_add(c->server->sent_bytes, (int64_t)(total - sent));
    return tail_of_refs(c, bufs, n, sent, r) ? give_up_memory(c) : 0;
}

static int seal(struct conn *c, const uint8_t *data, size_t len)
{
    struct tls_io *io = &c->server->io;

    if (c->tls) return tls_session_seal(c->tls, data, len);
    if (io->out_room - io->out_len < len) return ERR_IO;
    memcpy(io->out + io->out_len, data, len);
    io->out_len += len;
    return 0;
}

int conn_seal(struct conn *c)
{
    struct server *s = c->server;
    size_t len = s->stage_len;

    s->stage_len = 0;
    return len ? seal(c, s->stage, len) : 0;
}

int conn_stage(struct conn *c, const void *data, size_t len)
{
    struct server *s = c->server;
    const uint8_t *at = data;

    while (len) {
        size_t n = STAGE_BYTES - s->stage_len;
        if (n > len) n = len;
        if (n == STAGE_BYTES) {
            if (seal(c, at, n)) return ERR_IO;
        } else {
            memcpy(s->stage + s->stage_len, at, n);
            s->stage_len += n;
            if (s->stage_len == STAGE_BYTES && conn_seal(c)) return ERR_IO;
        }
        at += n, len -= n;
    }
    return 0;
}

int conn_flush(struct conn *c)
{
    struct tls_io *io = &c->server->io;
    size_t sent;

    if (conn_seal(c)) {
        io->out_len = 0;
        conn_close(c);
        return ERR_IO;
    }
    size_t len = io->out_len;
    uv_buf_t b = uv_buf_init((char *)io->out, (unsigned)len);
    io->out_len = 0;
    if (!len) return 0;
    if (try_write(c, &b, 1, &sent)) return ERR_IO;
    if (sent == len) return 0;
    c->is_slow = true;
    metric_add(c->server->sent_bytes, (int64_t)(len - sent));
    return tail_of_copy(c, io->out + sent, len - sent) ? give_up_memory(c) : 0;
}

bool conn_progressed(struct conn *c)
{
    size_t unsent = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    bool moved = unsent != c->unsent_seen;

    c->unsent_seen = unsent;
    return moved && c->tails;
}
