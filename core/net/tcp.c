#include "core/net/tcp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/err.h"
#include "core/loop/loop.h"

enum { BACKLOG = 4096, PORT_MAX = 65535 };

static int parse_port(const char *text, uint16_t *out)
{
    long port = 0;

    if (!*text) return ERR_SYNTAX;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return ERR_SYNTAX;
        port = port * 10 + (*text - '0');
        if (port > PORT_MAX) return ERR_RANGE;
    }
    *out = htons((uint16_t)port);
    return 0;
}

int tcp_parse_address(const char *text, struct sockaddr_storage *out)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in *in4 = (struct sockaddr_in *)&a;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a;
    char host[ADDRESS_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    bool is_v6 = text[0] == '[';
    uint16_t port = 0;
    size_t n;

    if (!colon) return ERR_SYNTAX;
    n = (size_t)(colon - text);
    if (is_v6) {
        if (n < 2 || text[n - 1] != ']') return ERR_SYNTAX;
        text++, n -= 2;
    }
    if (n >= sizeof host) return ERR_SYNTAX;
    memcpy(host, text, n);
    host[n] = 0;
    int err = parse_port(colon + 1, &port);
    if (err) return err;
    if (is_v6) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1) return ERR_SYNTAX;
    } else {
        in4->sin_family = AF_INET;
        in4->sin_port = port;
        if (n && inet_pton(AF_INET, host, &in4->sin_addr) != 1)
            return ERR_SYNTAX;
    }
    *out = a;
    return 0;
}

void tcp_format_host(char out[ADDRESS_TEXT_MAX], const struct sockaddr *a)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

    out[0] = 0;
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, out,
                  ADDRESS_TEXT_MAX);
    else if (a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out, ADDRESS_TEXT_MAX);
    else if (a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &in6->sin6_addr, out, ADDRESS_TEXT_MAX);
}

void tcp_format_address(char out[ADDRESS_TEXT_MAX], const struct sockaddr *a)
{
    char host[ADDRESS_TEXT_MAX];
    int n;

    tcp_format_host(host, a);
    n = snprintf(out, ADDRESS_TEXT_MAX,
                 strchr(host, ':') ? "[%.47s]:%d" : "%.47s:%d", host,
                 tcp_port(a));
    (void)n;
}

bool tcp_is_loopback(const struct sockaddr *a)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)a;
        return ntohl(in4->sin_addr.s_addr) >> 24 == 127;
    }
    if (a->sa_family != AF_INET6) return false;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return in6->sin6_addr.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

int tcp_port(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)a)->sin_port);
    if (a->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
    return -1;
}

static int error_of(int uv)
{
    switch (uv) {
    case 0: return 0;
    case UV_EADDRINUSE: return ERR_BUSY;
    case UV_EACCES: return ERR_DENIED;
    case UV_ENOMEM: return ERR_NOMEM;
    default: return ERR_IO;
    }
}

static int share_port(const uv_tcp_t *handle)
{
    int on = 1;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)handle, &fd)) return ERR_IO;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) ? ERR_IO
                                                                    : 0;
}

int tcp_listen(uv_tcp_t *handle, struct loop *l, const char *address,
               bool shared, uv_connection_cb on_connection)
{
    struct sockaddr_storage a;
    int err = tcp_parse_address(address, &a);

    if (err) {
        /* The caller may close it whatever happened. */
        if (!uv_tcp_init(loop_uv(l), handle))
            uv_close((uv_handle_t *)handle, NULL);
        return ERR_USAGE;
    }
    err = uv_tcp_init_ex(loop_uv(l), handle, a.ss_family);
    if (err) return error_of(err);
    if (shared) err = share_port(handle);
    if (!err) err = error_of(uv_tcp_bind(handle, (struct sockaddr *)&a, 0));
    if (!err)
        err =
            error_of(uv_listen((uv_stream_t *)handle, BACKLOG, on_connection));
    if (err) uv_close((uv_handle_t *)handle, NULL);
    return err;
}

int tcp_bound_port(const uv_tcp_t *handle)
{
    struct sockaddr_storage a;
    int len = sizeof a;

    if (uv_tcp_getsockname(handle, (struct sockaddr *)&a, &len)) return -1;
    return tcp_port((struct sockaddr *)&a);
}
