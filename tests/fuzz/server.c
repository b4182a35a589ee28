/* tests/fuzz/server.c — one connection's bytes against a whole server, over
 * loopback: HTTP/1.1, or HTTP/2 frames behind a preface that is put before.
 * First byte: 1 HTTP/2, 2 waiters are released at the end, the rest the
 * step. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/net/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct server *server;
static struct list waiters;

static void answer(struct exchange *x, void *arg)
{
    (void)arg;
    INVARIANT(exchange_path(x)[0] == '/' || exchange_path(x)[0] == '*');
    exchange_accepts_gzip(x);
    exchange_respond_text(x, 200, exchange_query(x));
}

static void on_gone(void *arg)
{
    list_unlink(exchange_node(arg));
}

static void keep(struct exchange *x, void *arg)
{
    (void)arg;
    list_append(&waiters, exchange_node(x));
    exchange_on_abort(x, on_gone, x);
}

static void release(void)
{
    while (!list_is_empty(&waiters)) {
        struct exchange *x = exchange_of_node(waiters.next);
        list_unlink(exchange_node(x));
        exchange_respond_text(x, 200, "late");
    }
}

static void set_up(void)
{
    static const struct server_route routes[] = {
        {HTTP_GET | HTTP_POST, "/*", 100, answer, NULL},
        {HTTP_GET, "/w", 0, keep, NULL},
    };
    struct server_conf conf = {.listen = "127.0.0.1:0"};

    log_setup(LOG_ERROR, 2);
    list_init(&waiters);
    INVARIANT(!loop_create(&loop, 0));
    conf.loop = loop;
    server_limits_default(&conf.limits);
    conf.limits.head_bytes = 2048;
    INVARIANT(!server_create(&server, &conf));
    for (size_t i = 0; i < 2; i++)
        INVARIANT(!server_route(server, &routes[i]));
}

static void drain(int fd)
{
    char sink[65536];

    loop_run_once(loop);
    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        loop_run_once(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                  "\0\0\0\x04\0\0\0\0\0";
    struct linger at_once = {1, 0};
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (!size) return 0;
    if (!loop) set_up();
    a.sin_port = htons((uint16_t)server_port(server));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) abort();
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd); /* the machine has run out of ports: not our subject */
        return 0;
    }
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    size_t step = data[0] >> 2 ? (data[0] >> 2) * 8u : size;
    if (data[0] & 1 && send(fd, preface, sizeof preface - 1, MSG_NOSIGNAL) < 0)
        abort();
    for (size_t i = 1; i < size; i += step) {
        size_t n = size - i < step ? size - i : step;
        if (send(fd, data + i, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
        drain(fd);
    }
    if (data[0] & 2) release();
    drain(fd);
    close(fd);
    loop_run_once(loop);
    INVARIANT(list_is_empty(&waiters));
    return 0;
}
