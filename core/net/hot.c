/* Large answers that many viewers ask for over plain HTTP/1.1 go out of a
 * memory file by sendfile(2): the kernel then shares their pages with every
 * socket instead of copying the body for each (50 KB: 7 us of 14). A copy is
 * made only once an answer is seen to be asked for often.
 * Bound: HOT_MAX files per server; policy: the oldest goes back to writev. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/net/server_priv.h"

enum {
    HOT_MAX = 64,
    HOT_SENDS = 8, /* before the copy pays */
    HOT_BYTES_MIN = 16 * 1024,
    HOT_BYTES_MAX = 4 << 20,
};

void hot_forget(struct response *r)
{
    if (!r->hot) return;
    close(r->hot_fd);
    r->hot->hot_count--;
    list_unlink(&r->in_hot);
    r->hot = NULL;
}

void hot_release(struct server *s)
{
    while (!list_is_empty(&s->hot))
        hot_forget(LIST_ENTRY(s->hot.next, struct response, in_hot));
}

static int make_file(const struct response *r)
{
    int fd = memfd_create("response", MFD_CLOEXEC);

    for (int i = 0; fd >= 0 && i < r->count; i++) {
        const struct slice *s = &r->slices[i];
        if (write(fd, s->data, s->len) == (ssize_t)s->len) continue;
        close(fd);
        fd = -1;
    }
    return fd;
}

bool hot_is(struct server *s, struct response *r)
{
    if (r->hot) return r->hot == s;
    if (r->body_bytes < HOT_BYTES_MIN || r->body_bytes > HOT_BYTES_MAX ||
        ++r->plain_sends < HOT_SENDS)
        return false;
    r->plain_sends = 0; /* if it fails now, not again with every send */
    int fd = make_file(r);
    if (fd < 0) return false;
    if (s->hot_count == HOT_MAX)
        hot_forget(LIST_ENTRY(s->hot.next, struct response, in_hot));
    r->hot = s;
    r->hot_fd = fd;
    list_init(&r->in_hot);
    list_append(&s->hot, &r->in_hot);
    s->hot_count++;
    return true;
}

int hot_send(int fd, const uv_buf_t *head, unsigned n, struct response *r,
             size_t *sent)
{
    /* uv_buf_t is an iovec on every Unix (uv/unix.h). */
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)head,
                       .msg_iovlen = n};
    size_t head_bytes = 0;
    off_t at = 0;

    for (unsigned i = 0; i < n; i++)
        head_bytes += head[i].len;
    *sent = 0;
    ssize_t wrote = sendmsg(fd, &m, MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL);
    if (wrote < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    *sent = (size_t)wrote;
    if (*sent < head_bytes) return 0;
    wrote = sendfile(fd, r->hot_fd, &at, r->body_bytes);
    if (wrote < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    *sent += (size_t)wrote;
    return 0;
}
