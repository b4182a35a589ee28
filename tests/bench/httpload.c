/* tests/bench/httpload.c — asks an HTTP server as fast as it answers, or keeps
 * many requests blocked and releases them; measures the server's CPU time and
 * memory from /proc.
 * usage: httpload rate PROTOCOL PORT PATH CONNECTIONS REQUESTS PID
 *        httpload wait PROTOCOL PORT CONNECTIONS PID
 * PROTOCOL: h1, tls (HTTP/1.1 over TLS), h2 (over TLS). Each connection has
 * one request in flight. Prints one line: key=value… */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 19900, READ_BYTES = 256 * 1024, HEAD_MAX = 2048 };

struct load;
struct conn {
    struct load *load;
    int fd;
    SSL *ssl;
    nghttp2_session *h2;
    char head[HEAD_MAX];
    size_t head_len;
    long body_left; /* -1: the head is not complete */
    int status;
    bool is_busy, is_control;
    BIO *raw; /* records that came, to be opened later; wait mode */
    int64_t raw_at;
};

struct load {
    int port, epoll, count;
    bool is_tls, is_h2;
    char request[256];
    const char *path;
    SSL_CTX *ctx;
    nghttp2_session_callbacks *callbacks;
    struct conn *conns;
    long to_send, answered, bad, bytes;
    int64_t last_at;
};

static char read_buffer[READ_BYTES];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "httpload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- the server's process
 * ------------------------------------------------------ */

static double cpu_us(int pid)
{
    char path[64];
    long long ns = 0;

    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%lld", &ns) != 1) die(path);
    fclose(f);
    return (double)ns / 1000;
}

static long rss_bytes(int pid)
{
    char path[64];
    long size, rss = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%ld %ld", &size, &rss) != 2) die(path);
    fclose(f);
    return rss * sysconf(_SC_PAGESIZE);
}

/* --- one connection
 * ------------------------------------------------------------- */

static void put(struct conn *c, const void *data, size_t len)
{
    ssize_t n =
        c->ssl ? SSL_write(c->ssl, data, (int)len) : write(c->fd, data, len);

    if (n != (ssize_t)len) die("write");
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data,
                       size_t len, int flags, void *arg)
{
    (void)session, (void)flags;
    put(arg, data, len);
    return (ssize_t)len;
}

static void ask(struct conn *c)
{
    struct load *l = c->load;

    if (!c->is_control) {
        if (!l->to_send) return;
        l->to_send--;
    }
    c->is_busy = true;
    c->body_left = -1;
    c->head_len = 0;
    c->status = 0;
    if (!c->h2) {
        put(c, l->request, strlen(l->request));
        return;
    }
#define NV(n, v)                                                               \
    {                                                                          \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n),       \
            strlen(v), 0                                                       \
    }
    const nghttp2_nv fields[] = {
        NV(":method", "GET"),          NV(":scheme", "https"),
        NV(":authority", "localhost"), NV(":path", l->path),
        NV("user-agent", "httpload"),  NV("accept", "*/*")};
    if (nghttp2_submit_request(c->h2, NULL, fields, 6, NULL, NULL) < 0 ||
        nghttp2_session_send(c->h2))
        die("h2 request");
}

static void answered(struct conn *c)
{
    struct load *l = c->load;

    c->is_busy = false;
    if (c->status != 200) l->bad++;
    if (c->is_control) return;
    l->answered++;
    int64_t at = c->raw ? c->raw_at : now_us();
    if (at > l->last_at) l->last_at = at;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t len, uint8_t flags, void *arg)
{
    struct conn *c = arg;

    (void)session, (void)frame, (void)flags, (void)len;
    if (name_len == 7 && !memcmp(name, ":status", 7))
        c->status = atoi((const char *)value);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code,
                    void *arg)
{
    (void)session, (void)id;
    if (code) ((struct conn *)arg)->status = 0;
    answered(arg);
    return 0;
}

/* One request in flight: what comes is its answer and nothing else. */
static void take_http1(struct conn *c, const char *data, size_t len)
{
    while (len && c->body_left < 0) {
        if (c->head_len == HEAD_MAX - 1) die("long head");
        c->head[c->head_len++] = *data++;
        len--;
        if (c->head_len < 4 || memcmp(c->head + c->head_len - 4, "\r\n\r\n", 4))
            continue;
        c->head[c->head_len] = 0;
        c->status = atoi(c->head + 9);
        const char *length = strcasestr(c->head, "\r\ncontent-length:");
        if (!length) die("no length");
        c->body_left = atol(length + 17);
    }
    c->body_left -= (long)len;
    if (c->body_left == 0) answered(c);
}

/* Reads until nothing is there; false at the end of the connection. */
static bool take(struct conn *c)
{
    for (;;) {
        ssize_t n = c->ssl ? SSL_read(c->ssl, read_buffer, READ_BYTES)
                           : read(c->fd, read_buffer, READ_BYTES);
        if (n <= 0) {
            if (c->ssl)
                return SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ;
            return n < 0 && errno == EAGAIN;
        }
        c->load->bytes += n;
        if (c->h2) {
            if (nghttp2_session_mem_recv(c->h2, (uint8_t *)read_buffer,
                                         (size_t)n) < 0 ||
                nghttp2_session_send(c->h2))
                return false;
        } else {
            take_http1(c, read_buffer, (size_t)n);
        }
        /* The answer is whole, or a short read says the socket is empty:
         * asking once more costs as much as an answer. */
        if (c->ssl ? !c->is_busy && !SSL_has_pending(c->ssl) : n < READ_BYTES)
            return true;
    }
}

static void open_conn(struct load *l, struct conn *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)l->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                     1 << 20};
    int on = 1;

    c->load = l;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a))
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (l->is_tls) {
        c->ssl = SSL_new(l->ctx);
        SSL_set_fd(c->ssl, c->fd);
        if (SSL_connect(c->ssl) != 1) die("handshake");
    }
    if (l->is_h2) {
        nghttp2_session_client_new(&c->h2, l->callbacks, c);
        nghttp2_submit_settings(c->h2, 0, &window, 1);
        nghttp2_session_set_local_window_size(c->h2, 0, 0, 1 << 24);
        if (nghttp2_session_send(c->h2)) die("h2");
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e)) die("epoll");
}

static void turn(struct load *l, bool again)
{
    struct epoll_event events[256];
    int n = epoll_wait(l->epoll, events, 256, 30000);

    if (n == 0) die("nothing came for 30 s");
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (!take(c)) die("the server hung up");
        if (again && !c->is_busy) ask(c);
    }
}

/* --- modes
 * ------------------------------------------------------------------------- */

/* Ten thousand viewers open their records on as many devices, this program on
 * one core: so what came is first read from all sockets, with its time, and
 * opened when nothing else is there. */
static void keep_raw(struct conn *c)
{
    ssize_t n;

    while ((n = read(c->fd, read_buffer, READ_BYTES)) > 0)
        BIO_write(c->raw, read_buffer, (int)n);
    if (n == 0) die("the server hung up");
    c->raw_at = now_us();
}

static void turn_raw(struct load *l)
{
    struct epoll_event events[256];
    bool is_quiet = false;

    while (!is_quiet) {
        int n = epoll_wait(l->epoll, events, 256, 5);
        for (int i = 0; i < n; i++)
            keep_raw(events[i].data.ptr);
        is_quiet = n == 0;
    }
    for (int i = 0; i < l->count; i++)
        if (BIO_pending(l->conns[i].raw) && !take(&l->conns[i]))
            die("a broken record");
}

static void read_raw_from_now_on(struct load *l)
{
    for (int i = 0; i < l->count; i++) {
        struct conn *c = &l->conns[i];
        c->raw = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(c->raw, -1);
        SSL_set0_rbio(c->ssl, c->raw);
    }
}

static void set_path(struct load *l, const char *path)
{
    l->path = path;
    snprintf(l->request, sizeof l->request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: httpload\r\n"
             "Accept: */*\r\n\r\n",
             path);
}

static void run_requests(struct load *l, long n)
{
    l->to_send = n;
    l->answered = 0;
    for (int i = 0; i < l->count; i++)
        if (!l->conns[i].is_busy) ask(&l->conns[i]);
    while (l->answered < n)
        turn(l, true);
}

static int run_rate(struct load *l, long requests, int pid)
{
    run_requests(l, requests / 10 + l->count); /* warm */
    l->bytes = 0;
    double cpu = cpu_us(pid);
    int64_t at = now_us();
    run_requests(l, requests);
    double us = (double)(now_us() - at);
    printf("requests=%ld bad=%ld cpu_us_per_request=%.2f rate=%.0f\n", requests,
           l->bad, (cpu_us(pid) - cpu) / (double)requests,
           (double)requests * 1e6 / us);
    return l->bad ? 1 : 0;
}

static long ask_count(struct load *l, struct conn *control)
{
    set_path(l, "/count");
    ask(control);
    /* Its head is small and its body a number: the raw text is enough. */
    while (control->is_busy)
        turn(l, false);
    return atol(read_buffer + control->head_len);
}

static int run_wait(struct load *l, int pid, bool is_tls)
{
    struct load side = *l;
    struct conn control = {.is_control = true};
    long n = l->count;

    /* The control connection is plain, on the port before. */
    side.is_tls = side.is_h2 = false;
    if (is_tls) side.port = l->port - 1;
    side.epoll = epoll_create1(EPOLL_CLOEXEC);
    open_conn(&side, &control);
    /* Who waits has asked before: a viewer reloads five times a second. */
    set_path(l, "/count");
    run_requests(l, n);
    l->answered = l->last_at = 0;
    set_path(l, "/wait");
    l->to_send = n;
    for (int i = 0; i < l->count; i++)
        ask(&l->conns[i]);
    while (ask_count(&side, &control) < n)
        usleep(20000);
    long rss = rss_bytes(pid);
    if (is_tls) read_raw_from_now_on(l);
    usleep(200000);
    set_path(&side, "/release");
    int64_t at = now_us();
    double cpu = cpu_us(pid);
    ask(&control);
    while (l->answered < n)
        if (is_tls)
            turn_raw(l);
        else
            turn(l, false);
    printf("waiters=%ld bad=%ld last_reply_s=%.3f server_cpu_s=%.3f rss=%ld\n",
           n, l->bad, (double)(l->last_at - at) / 1e6,
           (cpu_us(pid) - cpu) / 1e6, rss);
    return l->bad ? 1 : 0;
}

static void set_up(struct load *l, const char *protocol, int port, int count)
{
    static const unsigned char h1[] = "\x08http/1.1", h2[] = "\x02h2";
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    if (count < 1 || count > CONNECTIONS_MAX) die("connections");
    l->is_h2 = !strcmp(protocol, "h2");
    l->is_tls = l->is_h2 || !strcmp(protocol, "tls");
    l->port = port;
    l->count = count;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->conns = calloc((size_t)count, sizeof *l->conns);
    l->ctx = SSL_CTX_new(TLS_client_method());
    if (!l->conns || !l->ctx) die("memory");
    SSL_CTX_set_mode(l->ctx, SSL_MODE_RELEASE_BUFFERS);
    if (l->is_h2)
        SSL_CTX_set_alpn_protos(l->ctx, h2, sizeof h2 - 1);
    else
        SSL_CTX_set_alpn_protos(l->ctx, h1, sizeof h1 - 1);
    nghttp2_session_callbacks_new(&l->callbacks);
    nghttp2_session_callbacks_set_send_callback(l->callbacks, on_send);
    nghttp2_session_callbacks_set_on_header_callback(l->callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(l->callbacks,
                                                           on_close);
}

int main(int argc, char **argv)
{
    static struct load l;
    bool is_rate = argc == 8 && !strcmp(argv[1], "rate");
    bool is_wait = argc == 6 && !strcmp(argv[1], "wait");

    if (!is_rate && !is_wait) {
        fprintf(stderr, "usage: httpload rate PROTOCOL PORT PATH CONNECTIONS "
                        "REQUESTS PID\n"
                        "       httpload wait PROTOCOL PORT CONNECTIONS PID\n");
        return 2;
    }
    int pid = atoi(argv[argc - 1]);
    set_up(&l, argv[2], atoi(argv[3]), atoi(argv[is_rate ? 5 : 4]));
    long before = rss_bytes(pid);
    for (int i = 0; i < l.count; i++)
        open_conn(&l, &l.conns[i]);
    if (is_rate) {
        set_path(&l, argv[4]);
        return run_rate(&l, atol(argv[6]), pid);
    }
    printf("rss_before=%ld ", before);
    return run_wait(&l, pid, l.is_tls);
}
