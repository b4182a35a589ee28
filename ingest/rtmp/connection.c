#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/net/tcp.h"
#include "ingest/priority.h"
#include "ingest/rtmp/server_priv.h"
#include "ingest/rtmp/session.h"

enum {
    UNSENT_BYTES_MAX = 256 << 10, /* policy past it: close the connection */
    KEEPALIVE_IDLE_S = 10,
    KEEPALIVE_STEP_S = 5,
    KEEPALIVE_COUNT = 3,
    USER_TIMEOUT_MS = 15000,
    TLS_HANDSHAKE = 0x16, /* RFC 8446 §5.1 */
};

/* Lives from accept to its socket's close callback. While `busy`, the session
 * is in the middle of a feed: what it wants done waits for settle(). */
struct connection {
    struct list node;
    struct rtmp_server *server;
    uv_tcp_t tcp;
    struct timer timer;
    struct tls_session *tls; /* NULL: plain */
    struct rtmp_session *session;
    struct publisher *publisher;
    char peer[ADDRESS_TEXT_MAX], host[ADDRESS_TEXT_MAX];
    bool loopback, heard, reading, closing, busy;
    size_t unsent;
    struct rtmp_session_counts seen;
};

struct write {
    uv_write_t req;
    struct connection *c;
    struct slice bytes;
};

/* --- the end of a connection --- */

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct rtmp_server *s = c->server;

    list_unlink(&c->node);
    s->count--;
    rtmp_session_free(&c->session);
    tls_session_free(&c->tls);
    free(c);
    rtmp_server_maybe_done(s);
}

/* One line for each sort of thing, however much of it comes. */
static void log_strangers(const struct connection *c,
                          const struct rtmp_session_counts *now)
{
    if ((now->unsupported || now->skipped) && !c->seen.unsupported &&
        !c->seen.skipped)
        log_warn("rtmp", "skipped", log_s("peer", c->peer),
                 log_s("what", rtmp_session_stranger(c->session)),
                 log_s("reason", "not a codec or form we take"));
    if (now->extra_tracks && !c->seen.extra_tracks)
        log_warn("rtmp", "skipped", log_s("peer", c->peer),
                 log_s("what", "track"), log_s("reason", "too many tracks"));
}

static void count_media(struct connection *c)
{
    const struct rtmp_session_counts *now = rtmp_session_counts(c->session);
    struct rtmp_server *s = c->server;

    metric_add(s->m_dropped, (int64_t)(now->dropped - c->seen.dropped));
    metric_add(s->m_unsupported,
               (int64_t)(now->unsupported - c->seen.unsupported));
    metric_add(s->m_enhanced, (int64_t)(now->enhanced - c->seen.enhanced));
    metric_add(s->m_skipped, (int64_t)(now->skipped - c->seen.skipped));
    metric_add(s->m_extra, (int64_t)(now->extra_tracks - c->seen.extra_tracks));
    log_strangers(c, now);
    c->seen = *now;
}

/* close_notify, if the socket takes it now. */
static void say_goodbye(struct connection *c)
{
    struct tls_io *io = &c->server->io;
    uv_buf_t all;

    io->out_len = 0;
    if (c->unsent || !tls_session_is_ready(c->tls)) return;
    tls_session_close(c->tls);
    all = uv_buf_init((char *)io->out, (unsigned)io->out_len);
    if (io->out_len) uv_try_write((uv_stream_t *)&c->tcp, &all, 1);
    io->out_len = 0;
}

/* err: 0 for an ordinary end. */
static void close_connection(struct connection *c, int err, const char *reason)
{
    struct rtmp_server *s = c->server;

    if (c->closing) return;
    c->closing = true;
    LOG_AT(err ? LOG_WARN : LOG_INFO, "rtmp", "closed", log_s("peer", c->peer),
           log_s("reason", reason), log_s("app", rtmp_session_app(c->session)),
           log_s("client", rtmp_session_client(c->session)));
    if (err) rtmp_server_count_refusal(s, err);
    count_media(c);
    metric_add(s->m_closed, 1);
    timer_cancel(&c->timer);
    publisher_close(&c->publisher, reason);
    if (c->tls) say_goodbye(c);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void close_ended(struct connection *c)
{
    close_connection(c, rtmp_session_error(c->session),
                     rtmp_session_reason(c->session));
}

/* --- bytes out --- */

static void on_written(uv_write_t *req, int status)
{
    struct write *w = req->data;
    struct connection *c = w->c;

    c->unsent -= w->bytes.len;
    slice_unref(&w->bytes);
    free(w);
    if (status < 0 && status != UV_ECANCELED)
        close_connection(c, ERR_IO, "write failed");
    else if (!c->unsent && rtmp_session_state(c->session) == RTMP_CLOSING)
        close_ended(c);
}

/* Takes bytes' reference. */
static int queue_tail(struct connection *c, struct slice bytes, size_t sent)
{
    struct write *w;
    uv_buf_t tail;

    if (c->unsent + bytes.len > UNSENT_BYTES_MAX) return ERR_LIMIT;
    w = malloc(sizeof *w);
    if (!w) return ERR_NOMEM;
    *w = (struct write){.c = c, .bytes = bytes};
    w->req.data = w;
    tail = uv_buf_init((char *)(uintptr_t)(bytes.data + sent),
                       (unsigned)(bytes.len - sent));
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &tail, 1, on_written)) {
        free(w);
        return ERR_IO;
    }
    c->unsent += bytes.len;
    return 0;
}

/* Takes bytes' reference. */
static int send_slice(struct connection *c, struct slice bytes)
{
    uv_buf_t all =
        uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.len);
    int n = 0, err;

    metric_add(c->server->m_bytes_out, (int64_t)bytes.len);
    if (!c->unsent) n = uv_try_write((uv_stream_t *)&c->tcp, &all, 1);
    if (n == UV_EAGAIN) n = 0;
    err = n < 0 ? ERR_IO : 0;
    if (!err && (size_t)n < bytes.len) {
        err = queue_tail(c, bytes, (size_t)n);
        if (!err) return 0;
    }
    slice_unref(&bytes);
    return err;
}

/* Sends what TLS has gathered. */
static int send_records(struct connection *c)
{
    struct tls_io *io = &c->server->io;
    struct buf *records;
    int err;

    if (!io->out_len) return 0;
    err = buf_create(&records, io->out, io->out_len);
    io->out_len = 0;
    return err ? err : send_slice(c, slice_take(&records));
}

/* Takes bytes' reference. */
static int seal_slice(struct connection *c, struct slice bytes)
{
    int err = 0;

    for (size_t at = 0; at < bytes.len && !err; at += TLS_RECORD_PLAIN_MAX) {
        size_t n = bytes.len - at;
        if (n > TLS_RECORD_PLAIN_MAX) n = TLS_RECORD_PLAIN_MAX;
        err = tls_session_seal(c->tls, bytes.data + at, n);
    }
    slice_unref(&bytes);
    return err ? err : send_records(c);
}

static void flush(struct connection *c)
{
    struct slice bytes;

    while (!c->closing && !rtmp_session_pull(c->session, &bytes))
        if (c->tls ? seal_slice(c, bytes) : send_slice(c, bytes))
            close_connection(c, ERR_IO, "write failed");
}

/* --- after each turn of the session --- */

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)c->server->read_buffer, READ_BYTES);
}

static void set_reading(struct connection *c, bool on)
{
    if (on == c->reading) return;
    c->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

/* Sends what is to be sent, then acts on the state the session is in now. */
static void settle(struct connection *c)
{
    int64_t next = 0;

    if (c->closing || c->busy) return;
    rtmp_session_tick(c->session, loop_now(c->server->loop), &next);
    flush(c);
    if (c->closing) return;
    switch (rtmp_session_state(c->session)) {
    case RTMP_FAILED: close_ended(c); return;
    case RTMP_CLOSING:
        publisher_close(&c->publisher, rtmp_session_reason(c->session));
        if (!c->unsent) {
            close_ended(c);
            return;
        }
        break;
    default: break;
    }
    set_reading(c, rtmp_session_wants_read(c->session));
    timer_set(&c->timer, next);
}

static void on_timer(void *arg)
{
    settle(arg);
}

static void feed(struct connection *c, const void *data, size_t len)
{
    c->busy = true;
    rtmp_session_feed(c->session, data, len, loop_now(c->server->loop));
    c->busy = false;
}

static void feed_records(struct connection *c, const void *data, size_t len)
{
    struct rtmp_server *s = c->server;
    bool ready = tls_session_is_ready(c->tls);
    size_t n;
    int err;

    s->io.in = data;
    s->io.in_len = len;
    for (;;) {
        err = tls_session_open(c->tls, s->plain_buffer, sizeof s->plain_buffer,
                               &n);
        /* handshake answers, or the alert; before anyone else needs out */
        if (send_records(c)) err = ERR_IO;
        if (err) break;
        feed(c, s->plain_buffer, n);
    }
    if (err == ERR_CLOSED)
        close_connection(c, 0, "connection closed");
    else if (err == ERR_IO)
        close_connection(c, err, "write failed");
    else if (err == ERR_SYNTAX && !ready && *(const uint8_t *)data == 3)
        close_connection(c, err, "plain RTMP on the RTMPS port");
    else if (err != ERR_AGAIN)
        close_connection(c, err, tls_session_why(c->tls));
}

/* RTMP begins with its version, 3, a TLS record with its type. False: closed.
 */
static bool sniff(struct connection *c, const uint8_t *data)
{
    struct rtmp_server *s = c->server;

    if (c->heard) return true;
    c->heard = true;
    if (c->tls || *data != TLS_HANDSHAKE || !s->sniffed) return true;
    if (tls_session_create(&c->tls, s->sniffed, &s->io)) {
        close_connection(c, ERR_NOMEM, err_text(ERR_NOMEM));
        return false;
    }
    metric_add(s->m_sniffed, 1);
    log_info("rtmp", "tls", log_s("peer", c->peer),
             log_s("reason", "TLS on the plain RTMP port"));
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;

    if (n == 0 || c->closing) return;
    if (n < 0) {
        close_connection(
            c, 0, n == UV_EOF ? "connection closed" : uv_strerror((int)n));
        return;
    }
    metric_add(c->server->m_bytes_in, n);
    if (!sniff(c, (const uint8_t *)buf->base)) return;
    if (c->tls)
        feed_records(c, buf->base, (size_t)n);
    else
        feed(c, buf->base, (size_t)n);
    if (c->closing) return;
    count_media(c);
    settle(c);
}

/* --- session to publisher and back --- */

static void on_ready(void *arg)
{
    struct connection *c = arg;
    bool nested = c->busy;

    c->busy = true;
    rtmp_session_accept(c->session, loop_now(c->server->loop));
    c->busy = nested;
    settle(c);
}

static const char *refusal_text(int err)
{
    switch (err) {
    case ERR_DENIED: return "wrong stream key";
    case ERR_BUSY: return "another publisher has this stream";
    case ERR_EXISTS: return priority_too_low;
    case ERR_LIMIT: return "the server is full";
    default: return err_text(err);
    }
}

static void on_refused(int err, void *arg)
{
    struct connection *c = arg;

    publisher_close(&c->publisher, "refused");
    rtmp_session_refuse(c->session, err, refusal_text(err));
    settle(c);
}

static void on_kicked(const char *reason, void *arg)
{
    struct connection *c = arg;

    rtmp_session_close(c->session, reason);
    settle(c);
}

static void on_publish(const char *app, const char *key, void *arg)
{
    struct connection *c = arg;
    struct rtmp_server *s = c->server;
    struct publisher_events events = {on_ready, on_refused, on_kicked, c, NULL};

    log_info("rtmp", "asked", log_s("peer", c->peer), log_s("app", app),
             log_secret("key", key));
    publisher_close(&c->publisher, "published anew");
    if (publisher_create(&c->publisher, &s->door, s->loop,
                         c->tls ? "rtmps" : "rtmp", c->peer, &events)) {
        rtmp_session_refuse(c->session, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    publisher_set_priority(c->publisher, rtmp_session_priority(c->session));
    publisher_open(c->publisher, key);
}

static void on_track(int slot, const struct track_info *info,
                     struct slice config, void *arg)
{
    struct connection *c = arg;
    int err = publisher_track(c->publisher, slot, info, config);

    if (err)
        log_warn("rtmp", "bad_track", log_s("peer", c->peer),
                 log_s("codec", codec_name(info->codec)),
                 log_s("reason", err_text(err)));
}

static void on_frame(const struct publisher_frame *f, void *arg)
{
    struct connection *c = arg;

    publisher_frame(c->publisher, f); /* counts what it cannot hand on */
}

static void on_unpublish(void *arg)
{
    struct connection *c = arg;

    publisher_close(&c->publisher, "unpublish");
}

/* --- new connections --- */

static void set_options(struct connection *c)
{
    int fd, v;

    uv_tcp_nodelay(&c->tcp, 1);
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd)) return;
    v = 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof v);
    v = KEEPALIVE_IDLE_S;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof v);
    v = KEEPALIVE_STEP_S;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &v, sizeof v);
    v = KEEPALIVE_COUNT;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &v, sizeof v);
    v = USER_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &v, sizeof v);
}

static void read_peer(struct connection *c)
{
    struct sockaddr_storage a;
    int len = sizeof a;

    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &len)) {
        snprintf(c->peer, sizeof c->peer, "unknown");
        return;
    }
    tcp_format_address(c->peer, (struct sockaddr *)&a);
    tcp_format_host(c->host, (struct sockaddr *)&a);
    c->loopback = tcp_is_loopback((struct sockaddr *)&a);
}

static const char *over_a_cap(const struct connection *c)
{
    const struct rtmp_server *s = c->server;
    int same = 0, pending = 0;

    if (s->count > s->limits.connections) return "too many connections";
    if (c->loopback) return NULL;
    LIST_FOREACH (it, &s->connections) {
        struct connection *other = LIST_ENTRY(it, struct connection, node);
        if (strcmp(other->host, c->host) != 0) continue;
        same++;
        pending += rtmp_session_state(other->session) != RTMP_LIVE;
    }
    if (same > s->limits.connections_per_address)
        return "too many connections from this address";
    if (pending > s->limits.pending_per_address)
        return "too many unfinished connections from this address";
    return NULL;
}

static struct connection *make_connection(struct rtmp_server *s)
{
    struct rtmp_session_events events = {on_publish, on_track, on_frame,
                                         on_unpublish, NULL};
    struct connection *c = calloc(1, sizeof *c);

    if (!c) return NULL;
    events.arg = c;
    c->server = s;
    s->seed = s->seed * 6364136223846793005u + (uint64_t)loop_now(s->loop);
    if (rtmp_session_create(&c->session, &events, s->seed, loop_now(s->loop)))
        goto fail;
    if (s->tls && tls_session_create(&c->tls, s->tls, &s->io)) goto fail;
    if (uv_tcp_init(loop_uv(s->loop), &c->tcp)) goto fail;
    c->tcp.data = c;
    timer_init(&c->timer, s->loop, on_timer, c);
    list_append(&s->connections, &c->node);
    s->count++;
    return c;
fail:
    rtmp_session_free(&c->session);
    tls_session_free(&c->tls);
    free(c);
    return NULL;
}

void rtmp_connection_accept(struct rtmp_server *s)
{
    struct connection *c = make_connection(s);
    const char *why;

    if (!c) {
        log_error("rtmp", "accept_failed", log_s("reason", "out of memory"));
        return;
    }
    metric_add(s->m_accepted, 1);
    if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp)) {
        snprintf(c->peer, sizeof c->peer, "unknown");
        close_connection(c, ERR_IO, "accept failed");
        return;
    }
    read_peer(c);
    why = over_a_cap(c);
    if (why) {
        close_connection(c, ERR_LIMIT, why);
        return;
    }
    set_options(c);
    settle(c);
}

void rtmp_connections_close(struct rtmp_server *s, const char *why)
{
    LIST_FOREACH_SAFE (it, &s->connections) {
        struct connection *c = LIST_ENTRY(it, struct connection, node);
        rtmp_session_close(c->session, why);
        settle(c);
    }
}

void rtmp_connections_ask_away(struct rtmp_server *s, const char *why)
{
    LIST_FOREACH_SAFE (it, &s->connections) {
        struct connection *c = LIST_ENTRY(it, struct connection, node);
        rtmp_session_ask_away(c->session, why);
        settle(c);
    }
}
