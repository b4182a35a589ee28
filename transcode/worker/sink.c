#include "transcode/worker/sink.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/err.h"

void sink_init(struct sink *s, int fd)
{
    s->fd = fd;
    pthread_mutex_init(&s->lock, NULL);
}

void sink_release(struct sink *s)
{
    pthread_mutex_destroy(&s->lock);
}

/* The descriptor may be non-blocking: a socket that libuv made is. */
static int wait_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    while (poll(&p, 1, -1) < 0)
        if (errno != EINTR) return ERR_CLOSED;
    return 0;
}

static int write_whole(int fd, struct iovec *v, int count)
{
    while (count > 0) {
        ssize_t n = writev(fd, v, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            if (wait_writable(fd)) return ERR_CLOSED;
            continue;
        }
        if (n < 0) return ERR_CLOSED;
        for (; count > 0 && (size_t)n >= v->iov_len; v++, count--)
            n -= (ssize_t)v->iov_len;
        if (count <= 0) break;
        v->iov_base = (char *)v->iov_base + n;
        v->iov_len -= (size_t)n;
    }
    return 0;
}

int sink_put(struct sink *s, const struct wire_record *r)
{
    uint8_t head[WIRE_HEAD_MAX];
    struct iovec v[2] = {
        {head, wire_head(head, r)},
        {(void *)(uintptr_t)r->payload.data, r->payload.len},
    };

    pthread_mutex_lock(&s->lock);
    int err = write_whole(s->fd, v, r->payload.len ? 2 : 1);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int sink_stat(struct sink *s, const char *name, int64_t value)
{
    struct wire_record r = {.type = WIRE_STAT, .v.stat = value};

    r.payload = (struct slice){NULL, (const uint8_t *)name, strlen(name)};
    return sink_put(s, &r);
}
