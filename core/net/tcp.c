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

/* The address as 16 bytes, IPv4 as IPv6 maps it. */
static void to_bytes(uint8_t out[16], const struct sockaddr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    memset(out, 0, 16);
    if (a->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
    } else if (a->sa_family == AF_INET) {
        memcpy(out, mapped, 12);
        memcpy(out + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
    }
}

static int parse_prefix(const char *text, size_t len, uint8_t out[16],
                        int *bits)
{
    char host[ADDRESS_TEXT_MAX];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const char *slash = memchr(text, '/', len);
    size_t n = slash ? (size_t)(slash - text) : len;
    int most = 32, given = -1;

    if (n >= sizeof host) return ERR_SYNTAX;
    memcpy(host, text, n);
    host[n] = 0;
    if (inet_pton(AF_INET, host, out + 12) == 1) {
        memcpy(out, mapped, sizeof mapped);
    } else if (inet_pton(AF_INET6, host, out) == 1) {
        most = 128;
    } else {
        return ERR_SYNTAX;
    }
    for (size_t i = n + 1; slash && i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || given > most) return ERR_SYNTAX;
        given = (given < 0 ? 0 : given) * 10 + (text[i] - '0');
    }
    if (slash && (given < 0 || given > most)) return ERR_SYNTAX;
    *bits = 128 - most + (slash ? given : most);
    return 0;
}

bool tcp_is_listed(const char *list, const struct sockaddr *a)
{
    uint8_t have[16], want[16];
    int bits;

    to_bytes(have, a);
    while (*list) {
        list += strspn(list, " ,");
        size_t len = strcspn(list, " ,");
        if (len && !parse_prefix(list, len, want, &bits)) {
            size_t whole = (size_t)bits / 8;
            unsigned rest = 8 - (unsigned)bits % 8;
            if (!memcmp(have, want, whole) &&
                (rest == 8 || have[whole] >> rest == want[whole] >> rest))
                return true;
        }
        list += len;
    }
    return false;
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
