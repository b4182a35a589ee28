/* tests/bench/hlsload.c — N viewers of one LL-HLS rendition pair, as hls.js
 * asks: one connection with blocking reloads (gzip), one that fetches each
 * part, for video and for audio. Plain HTTP/1.1, keep-alive.
 * usage: hlsload PORT CHANNEL VIEWERS SECONDS [--leave-open]
 * Prints one JSON line: requests, bytes, statuses, parts, slowest reload. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zlib.h>

enum { PATH_SIZE = 256, HEAD_MAX = 4096, BODY_MAX = 4 << 20, TEXT_MAX = 65536 };

struct follower;

/* One keep-alive connection with one request in flight. */
struct client {
    uv_tcp_t tcp;
    uv_connect_t connecting;
    struct follower *owner;
    void (*on_done)(struct client *c);
    char request[PATH_SIZE + 256];
    bool ready, busy, gzip;
    char head[HEAD_MAX];
    size_t head_len;
    int status;
    long body_left;
    unsigned char *body; /* kept for playlists only */
    size_t body_len, body_room;
    uint64_t asked_at;
};

enum { QUEUE_MAX = 32 };
struct follower {
    char base[PATH_SIZE]; /* "/live/demo/GEN/720p/" */
    struct client playlist, media;
    char queue[QUEUE_MAX][32];
    int queued;
    long msn, part;
};

static struct {
    int port;
    uv_loop_t *loop;
    long requests, bytes, parts, ok, not_found, unavailable, other, broken,
        dropped;
    uint64_t slowest_us;
    bool stopping;
} all;

static void send_request(struct client *c, const char *path, bool gzip);

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    static char room[65536];

    (void)h;
    (void)hint;
    *buf = uv_buf_init(room, sizeof room);
}

static void flush(struct client *c)
{
    uv_buf_t out = uv_buf_init(c->request, (unsigned)strlen(c->request));

    if (uv_try_write((uv_stream_t *)&c->tcp, &out, 1) != (int)out.len)
        all.broken++;
}

static void on_connect(uv_connect_t *r, int status)
{
    struct client *c = r->data;

    if (status) {
        all.broken++;
        return;
    }
    c->ready = true;
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (c->busy) flush(c);
}

static void open_client(struct client *c, struct follower *owner,
                        void (*on_done)(struct client *c))
{
    struct sockaddr_in to;

    c->owner = owner;
    c->on_done = on_done;
    uv_tcp_init(all.loop, &c->tcp);
    c->tcp.data = c;
    c->connecting.data = c;
    uv_ip4_addr("127.0.0.1", all.port, &to);
    uv_tcp_connect(&c->connecting, &c->tcp, (struct sockaddr *)&to, on_connect);
}

static void send_request(struct client *c, const char *path, bool gzip)
{
    snprintf(c->request, sizeof c->request,
             "GET %s HTTP/1.1\r\nHost: localhost:%d\r\n"
             "User-Agent: hlsload\r\nAccept: */*\r\n%s\r\n",
             path, all.port,
             gzip ? "Accept-Encoding: gzip, deflate, br\r\n" : "");
    c->head_len = c->body_len = 0;
    c->body_left = -1;
    c->busy = true;
    c->asked_at = uv_hrtime();
    all.requests++;
    if (c->ready) flush(c);
}

static void take_body(struct client *c, const char *data, size_t n)
{
    all.bytes += (long)n;
    c->body_left -= (long)n;
    if (c != &c->owner->playlist) return;
    if (c->body_len + n + 1 > c->body_room) {
        c->body_room = (c->body_len + n + 1) * 2;
        c->body = realloc(c->body, c->body_room);
    }
    memcpy(c->body + c->body_len, data, n);
    c->body_len += n;
}

static void count_status(int status)
{
    if (status == 200)
        all.ok++;
    else if (status == 404)
        all.not_found++;
    else if (status >= 500)
        all.unavailable++;
    else
        all.other++;
}

static bool take_head(struct client *c)
{
    char *end, *length;

    c->head[c->head_len] = 0;
    end = strstr(c->head, "\r\n\r\n");
    if (!end) return false;
    c->status = atoi(c->head + 9);
    length = strcasestr(c->head, "content-length:");
    c->gzip = strcasestr(c->head, "content-encoding: gzip") != NULL;
    c->body_left = length ? atol(length + 15) : 0;
    count_status(c->status);
    return true;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = s->data;
    const char *p = buf->base, *stop;

    if (n < 0) {
        if (!all.stopping) all.dropped++;
        uv_read_stop(s);
        return;
    }
    stop = p + n;
    while (p < stop && c->body_left < 0) { /* head, byte by byte to its end */
        if (c->head_len == HEAD_MAX - 1) {
            all.broken++;
            uv_read_stop(s);
            return;
        }
        c->head[c->head_len++] = *p++;
        if (c->head_len > 3 && p[-1] == '\n') take_head(c);
    }
    if (p < stop) take_body(c, p, (size_t)(stop - p));
    if (c->body_left == 0 && c->busy) {
        c->busy = false;
        c->on_done(c);
    }
}

/* --- a follower of one rendition -------------------------------------------
 */

static char *unpack(struct client *c)
{
    static char text[TEXT_MAX];
    z_stream z = {.next_in = c->body, .avail_in = (uInt)c->body_len};

    if (!c->gzip) {
        size_t n = c->body_len < TEXT_MAX - 1 ? c->body_len : TEXT_MAX - 1;
        memcpy(text, c->body, n);
        text[n] = 0;
        return text;
    }
    inflateInit2(&z, 15 + 16);
    z.next_out = (unsigned char *)text;
    z.avail_out = TEXT_MAX - 1;
    inflate(&z, Z_FINISH);
    text[z.total_out] = 0;
    inflateEnd(&z);
    return text;
}

static void fetch_next(struct follower *f)
{
    char path[PATH_SIZE + 64];

    if (f->media.busy || !f->queued) return;
    snprintf(path, sizeof path, "%s%s", f->base, f->queue[0]);
    memmove(f->queue[0], f->queue[1], sizeof f->queue[0] * (QUEUE_MAX - 1));
    f->queued--;
    send_request(&f->media, path, false);
}

static void on_media(struct client *c)
{
    if (c->status == 200) all.parts++;
    fetch_next(c->owner);
}

static void reload(struct follower *f)
{
    char path[PATH_SIZE + 64];

    if (f->msn)
        snprintf(path, sizeof path,
                 "%sindex.m3u8?_HLS_msn=%ld&_HLS_part=%ld&_HLS_skip=YES",
                 f->base, f->msn, f->part);
    else
        snprintf(path, sizeof path, "%sindex.m3u8", f->base);
    send_request(&f->playlist, path, true);
}

/* Queues what is new up to the hint, then waits for the hinted part. */
static void on_playlist(struct client *c)
{
    struct follower *f = c->owner;
    uint64_t took = (uv_hrtime() - c->asked_at) / 1000;
    long msn, part;
    char *hint;

    if (all.stopping) return;
    if (f->msn && took > all.slowest_us) all.slowest_us = took;
    if (c->status != 200) {
        f->msn = 0;
        reload(f);
        return;
    }
    hint = strstr(unpack(c), "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"");
    if (!hint || sscanf(strchr(hint, '"') + 1, "%ld.%ld", &msn, &part) != 2) {
        if (!hint) f->msn = 0;
        reload(f);
        return;
    }
    if (f->msn && f->queued < QUEUE_MAX)
        snprintf(f->queue[f->queued++], 32, "%ld.%ld.m4s", f->msn, f->part);
    f->msn = msn;
    f->part = part;
    fetch_next(f);
    reload(f);
}

static void start_follower(struct follower *f, const char *base)
{
    memset(f, 0, sizeof *f);
    snprintf(f->base, sizeof f->base, "%s", base);
    open_client(&f->playlist, f, on_playlist);
    open_client(&f->media, f, on_media);
    reload(f);
}

/* --- finding the renditions --------------------------------------------------
 */

static char *get_blocking(const char *path)
{
    static char text[TEXT_MAX];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)all.port)};
    char request[512];
    size_t n = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) ||
        write(fd, request, strlen(request)) < 0) {
        perror("hlsload");
        exit(1);
    }
    while (n < TEXT_MAX - 1 && (got = read(fd, text + n, TEXT_MAX - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(fd);
    return text;
}

static void find_renditions(const char *channel, char *video, char *audio)
{
    char path[PATH_SIZE], uri[PATH_SIZE] = "";
    char *text, *line;

    snprintf(path, sizeof path, "/live/%s/index.m3u8", channel);
    text = get_blocking(path);
    video[0] = audio[0] = 0;
    for (line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n")) {
        char *quoted = strstr(line, "URI=\"");
        if (!strncmp(line, "#EXT-X-MEDIA:", 13) && quoted)
            snprintf(uri, sizeof uri, "%.*s", (int)strcspn(quoted + 5, "\""),
                     quoted + 5);
        else if (line[0] != '#' && strstr(line, ".m3u8") && !video[0])
            snprintf(video, PATH_SIZE, "/live/%s/%s", channel, line);
    }
    if (uri[0]) snprintf(audio, PATH_SIZE, "/live/%s/%s", channel, uri);
    if (!video[0]) {
        fprintf(stderr, "hlsload: no rendition in %s\n", path);
        exit(1);
    }
    *(strrchr(video, '/') + 1) = 0;
    if (audio[0]) *(strrchr(audio, '/') + 1) = 0;
}

static void on_time_up(uv_timer_t *t)
{
    (void)t;
    all.stopping = true;
    uv_stop(all.loop);
}

int main(int argc, char **argv)
{
    char video[PATH_SIZE], audio[PATH_SIZE];
    uv_timer_t timer;

    if (argc < 5) {
        fprintf(stderr, "usage: hlsload PORT CHANNEL VIEWERS SECONDS\n");
        return 2;
    }
    all.port = atoi(argv[1]);
    all.loop = uv_default_loop();
    int viewers = atoi(argv[3]);
    find_renditions(argv[2], video, audio);
    struct follower *f = calloc((size_t)viewers * 2, sizeof *f);
    for (int i = 0; i < viewers; i++) {
        start_follower(&f[2 * i], video);
        if (audio[0]) start_follower(&f[2 * i + 1], audio);
    }
    uv_timer_init(all.loop, &timer);
    uv_timer_start(&timer, on_time_up, strtoull(argv[4], NULL, 10) * 1000, 0);
    uv_run(all.loop, UV_RUN_DEFAULT);
    printf("{\"viewers\":%d,\"requests\":%ld,\"bytes\":%ld,\"parts\":%ld,"
           "\"ok\":%ld,\"not_found\":%ld,\"server_errors\":%ld,\"other\":%ld,"
           "\"broken\":%ld,\"dropped\":%ld,\"slowest_reload_ms\":%.1f}\n",
           viewers, all.requests, all.bytes, all.parts, all.ok, all.not_found,
           all.unavailable, all.other, all.broken, all.dropped,
           (double)all.slowest_us / 1000);
    free(f);
    return 0;
}
