#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "ingest/srt/server_priv.h"

enum {
    UDP_HEADER = 8, /* the filter sees it, too */
    HEADER = 16,
    HANDSHAKE = 64,
    WINDOW_AT = 32,     /* "maximum flow window size", §3.2.1 */
    WINDOW_MAX = 65536, /* packets; encoders say 8192 to 60000 */
};

/* libsrt gives each caller who was let in a table as long as the window that
 * this caller names: half a gigabyte for 20 million packets. No option of the
 * library bounds it, so the kernel does: such a handshake does not arrive. */
static int add_filter(int fd)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, UDP_HEADER + HEADER, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, UDP_HEADER),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff0000), /* control, type */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x80000000, 0, 5), /* handshake */
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, UDP_HEADER + HANDSHAKE, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, UDP_HEADER + WINDOW_AT),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, WINDOW_MAX, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                      sizeof program);
}

static int error_of(int code)
{
    switch (code) {
    case EADDRINUSE: return ERR_BUSY;
    case EACCES: return ERR_DENIED;
    default: return ERR_IO;
    }
}

int srt_socket_open(int *out, const struct sockaddr *address, socklen_t len)
{
    int off = 0, err = 0;
    int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) return ERR_IO;
    if (address->sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off))
        err = ERR_IO;
    if (!err && add_filter(fd)) err = ERR_IO;
    if (!err && bind(fd, address, len)) err = error_of(errno);
    if (err)
        close(fd);
    else
        *out = fd;
    return err;
}

uint32_t srt_socket_drops(int fd)
{
    uint32_t values[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof values;

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &len)) return 0;
    return values[SK_MEMINFO_DROPS];
}
