/* tests/fuzz/ice_tcp.c — bytes of a stranger on a real connection to a host:
 * the first byte is the size of the pieces they come in. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/loop/loop.h"
#include "core/rtc/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct loop *loop;
    struct streams *streams;
};

static void on_frame(const struct net_path *from, uint8_t *data, size_t len,
                     int64_t at, void *arg)
{
    struct fuzz *f = arg;

    (void)at;
    INVARIANT(len > 0 && len <= STREAM_FRAME_MAX);
    streams_send(f->streams, from, data, len);
    if (data[0] == 1) streams_proved(f->streams, from);
    if (data[0] == 2) streams_close(f->streams, from);
}

static void on_ended(const struct net_path *path, void *arg)
{
    (void)path, (void)arg;
}

static void prepare(struct fuzz *f)
{
    struct streams_conf conf = {
        .on_frame = on_frame, .on_ended = on_ended, .arg = f};

    if (f->loop) return;
    INVARIANT(!loop_create(&f->loop, 0));
    conf.loop = f->loop;
    INVARIANT(!streams_create(&f->streams, &conf));
    INVARIANT(!streams_listen(f->streams, "127.0.0.1:0"));
    INVARIANT(!streams_set_peers(f->streams, &f->streams, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz f;
    struct sockaddr_in to = {.sin_family = AF_INET};
    size_t piece;

    if (!size) return 0;
    prepare(&f);
    piece = data[0] ? data[0] : size;
    data++, size--;
    to.sin_port = htons((uint16_t)streams_port(f.streams));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) {
        close(fd);
        return 0;
    }
    for (size_t at = 0; at < size && at < 20 * piece; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        if (send(fd, data + at, n, MSG_NOSIGNAL) < 0) break;
        loop_run_once(f.loop);
    }
    /* No ports are left in TIME_WAIT. */
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    loop_run_once(f.loop);
    return 0;
}
