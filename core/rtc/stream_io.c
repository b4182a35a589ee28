/* Frames of one connection, in and out (RFC 4571 §2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base/clock.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/rtc/stream_priv.h"

/* --- in --------------------------------------------------------------------
 */

static size_t frame_len(const uint8_t *data)
{
    return (size_t)data[0] << 8 | data[1];
}

/* A whole frame at data, `rest` bytes from there on. False: stop here. */
static bool give_frame(struct stream *s, uint8_t *data, size_t rest)
{
    struct streams *all = s->all;

    if (!s->settled && !stream_settle(s, data, rest)) return false;
    s->settled = true;
    if (frame_len(data))
        all->conf.on_frame(&s->path, data + STREAM_HEAD, frame_len(data),
                           clock_mono_us(), all->conf.arg);
    return !s->closed;
}

/* Completes the frame that began earlier; returns how much of data it took. */
static size_t fill_partial(struct stream *s, const uint8_t *data, size_t len)
{
    size_t need = STREAM_HEAD, n = 0;

    while (n < len) {
        if (s->in_len >= STREAM_HEAD) need = STREAM_HEAD + frame_len(s->in);
        if (s->in_len == need || need > sizeof s->in) break;
        size_t step = need - s->in_len < len - n ? need - s->in_len : len - n;
        memcpy(s->in + s->in_len, data + n, step);
        s->in_len += step;
        n += step;
    }
    return n;
}

static bool partial_is_whole(const struct stream *s)
{
    return s->in_len >= STREAM_HEAD &&
           s->in_len == STREAM_HEAD + frame_len(s->in);
}

/* For handing over, a first frame in parts and what follows lie in a row. */
static bool give_first(struct stream *s, const uint8_t *data, size_t len)
{
    size_t n = s->in_len;
    uint8_t *row = malloc(n + len);
    bool go_on = false;

    if (!row) {
        stream_end(s, true);
        return false;
    }
    memcpy(row, s->in, n);
    if (len) memcpy(row + n, data, len);
    s->in_len = 0;
    go_on = give_frame(s, row, n + len);
    free(row);
    return go_on;
}

void stream_feed(struct stream *s, uint8_t *data, size_t len)
{
    if (s->in_len) {
        size_t n = fill_partial(s, data, len);
        data += n, len -= n;
        if (s->in_len >= STREAM_HEAD && frame_len(s->in) > STREAM_FRAME_MAX) {
            stream_end(s, true);
            return;
        }
        if (!partial_is_whole(s)) return;
        bool go_on;
        if (s->settled) {
            s->in_len = 0;
            go_on = give_frame(s, s->in, STREAM_HEAD + frame_len(s->in));
        } else {
            go_on = give_first(s, data, len);
        }
        if (!go_on) return;
    }
    while (len >= STREAM_HEAD) {
        size_t whole = STREAM_HEAD + frame_len(data);
        if (whole > sizeof s->in) {
            stream_end(s, true);
            return;
        }
        if (whole > len) break;
        if (!give_frame(s, data, len)) return;
        data += whole, len -= whole;
    }
    if (len) memcpy(s->in, data, len);
    s->in_len = len;
}

static void read_some(struct stream *s)
{
    struct streams *all = s->all;
    ssize_t n = recv(s->fd, all->scratch, sizeof all->scratch, MSG_DONTWAIT);

    if (n > 0)
        stream_feed(s, all->scratch, (size_t)n);
    else if (!n || (errno != EAGAIN && errno != EINTR))
        stream_end(s, true);
}

/* --- out -------------------------------------------------------------------
 */

static void watch(struct stream *s)
{
    int events = UV_READABLE | (s->queue ? UV_WRITABLE : 0);

    if (!s->closed) uv_poll_start(&s->poll, events, stream_on_ready);
}

/* The owner may be in the middle of something: tell it from the loop. */
static void break_off(struct stream *s)
{
    s->broken = true;
    free(s->queue);
    s->queue = NULL;
    timer_set(&s->timer, loop_now(s->all->conf.loop));
}

static void queue_bytes(struct stream_queue *q, const uint8_t *data, size_t len)
{
    size_t at = (q->from + q->len) % sizeof q->data;
    size_t first = sizeof q->data - at < len ? sizeof q->data - at : len;

    memcpy(q->data + at, data, first);
    memcpy(q->data, data + first, len - first);
    q->len += len;
}

static bool queue_has_room(const struct stream_queue *q, size_t len,
                           int64_t now)
{
    return q->count < STREAM_MARKS && sizeof q->data - q->len >= len &&
           now - q->marks[q->first].at <= STREAM_QUEUE_US;
}

static void queue_mark(struct stream_queue *q, int64_t now)
{
    unsigned i = (q->first + q->count++) % STREAM_MARKS;

    q->marks[i].end = q->written + q->len;
    q->marks[i].at = now;
}

static void flush(struct stream *s)
{
    struct stream_queue *q = s->queue;

    while (q->len) {
        size_t first = sizeof q->data - q->from;
        ssize_t n = send(s->fd, q->data + q->from,
                         first < q->len ? first : q->len, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) break_off(s);
        if (n < 0) return;
        q->from = (q->from + (size_t)n) % sizeof q->data;
        q->len -= (size_t)n;
        q->written += (size_t)n;
        while (q->count && q->marks[q->first].end <= q->written)
            q->first = (q->first + 1) % STREAM_MARKS, q->count--;
    }
    free(s->queue);
    s->queue = NULL;
    watch(s);
}

bool stream_write(struct stream *s, const uint8_t *data, size_t len)
{
    uint8_t head[STREAM_HEAD] = {(uint8_t)(len >> 8), (uint8_t)len};
    struct iovec parts[2] = {{head, sizeof head},
                             {(void *)(uintptr_t)data, len}};
    struct msghdr h = {.msg_iov = parts, .msg_iovlen = 2};
    size_t whole = sizeof head + len, n = 0;
    int64_t now = loop_now(s->all->conf.loop);

    if (s->broken || len > UINT16_MAX) return false;
    if (s->queue) {
        if (!queue_has_room(s->queue, whole, now)) return false;
    } else {
        ssize_t sent = sendmsg(s->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            break_off(s);
            return false;
        }
        n = sent < 0 ? 0 : (size_t)sent;
        if (n == whole) return true;
        s->queue = calloc(1, sizeof *s->queue);
        if (!s->queue) { /* the framing is lost if a part went */
            if (n) break_off(s);
            return false;
        }
        watch(s);
    }
    if (n < sizeof head) queue_bytes(s->queue, head + n, sizeof head - n);
    n = n > sizeof head ? n - sizeof head : 0;
    queue_bytes(s->queue, data + n, len - n);
    queue_mark(s->queue, now);
    return true;
}

void stream_on_ready(uv_poll_t *poll, int status, int events)
{
    struct stream *s = poll->data;

    if (s->broken) return;
    if (status < 0) {
        stream_end(s, true);
        return;
    }
    if ((events & UV_WRITABLE) && s->queue) flush(s);
    if ((events & UV_READABLE) && !s->broken) read_some(s);
}
