/* tests/bench/publishers.c — many encoders in one cheap process: each sends
 * one file, encoded before, at the pace of its own clock.
 *   build/tests/bench/publishers rtmp PORT KEY COUNT FILE.flv [SECONDS]
 *   build/tests/bench/publishers srt  PORT KEY COUNT FILE.ts  [SECONDS]
 * on loopback; "srt" sends a frame's packets at once, as FFmpeg, OBS and
 * GStreamer do, "srt-even" as boxes do whose rate is constant. In KEY each %
 * becomes the publisher's number, 0 ... Beginnings are spread over two seconds,
 * as keyframes of strangers are. Says
 *   begun N AT     when the N-th began to send; AT is the wall clock, ms
 *   sent BYTES, at most MS ms late, N gone
 * at the end of the file or after so many SECONDS. RTMP speaks as OBS does:
 * chunks of 4096 bytes, commands without waiting for their answers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <srt/srt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/clock.h"

enum {
    COUNT_MAX = 1000,
    SPREAD_US = 2000000,
    CHUNK = 4096,
    HANDSHAKE = 1536,
    SRT_PAYLOAD = 1316,
    TS_PACKET = 188,
    LATENCY_MS = 120,
    TURN_US = 5000,
};

/* A piece of the file and when it is due. */
struct piece {
    int64_t at_us;
    size_t from, len; /* in bytes */
};

static struct {
    bool srt, even;
    int port, count;
    uint8_t *bytes; /* as they go out: chunked, or packets */
    size_t len;
    struct piece *pieces;
    int piece_count;
    uint64_t sent;
    int64_t late_us;
    int gone;
} all;

struct sender {
    int fd; /* or SRTSOCKET; -1: gone */
    int next;
    size_t done; /* of the next piece */
    int64_t begin_at;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data;

    if (!f || fseek(f, 0, SEEK_END)) die(path);
    *len = (size_t)ftell(f);
    rewind(f);
    data = malloc(*len);
    if (!data || fread(data, 1, *len, f) != *len) die(path);
    fclose(f);
    return data;
}

static void add_piece(int64_t at_us, size_t from, size_t len)
{
    if (all.piece_count % 1024 == 0) {
        size_t room = (size_t)all.piece_count + 1024;
        all.pieces = realloc(all.pieces, room * sizeof *all.pieces);
        if (!all.pieces) die("pieces");
    }
    all.pieces[all.piece_count++] = (struct piece){at_us, from, len};
}

/* --- RTMP ----------------------------------------------------------------- */

static void put_message(struct builder *b, unsigned type, uint32_t stream,
                        uint32_t time, const void *body, size_t len)
{
    unsigned id = type == 8 ? 4 : type == 9 ? 6 : 3;
    const uint8_t *at = body;

    builder_u8(b, id);
    builder_u24(b, time);
    builder_u24(b, (uint32_t)len);
    builder_u8(b, type);
    for (int i = 0; i < 4; i++)
        builder_u8(b, stream >> 8 * i & 0xff);
    while (len) {
        size_t n = len < CHUNK ? len : CHUNK;
        builder_bytes(b, at, n);
        at += n;
        len -= n;
        if (len) builder_u8(b, 0xc0 | id);
    }
}

static void load_flv(const uint8_t *file, size_t len)
{
    struct builder b;

    builder_init(&b, 1 << 30);
    for (size_t at = 13; at + 15 <= len;) {
        const uint8_t *t = file + at;
        size_t n = (size_t)t[1] << 16 | (size_t)t[2] << 8 | t[3];
        uint32_t ms = (uint32_t)t[7] << 24 | (uint32_t)t[4] << 16 |
                      (uint32_t)t[5] << 8 | t[6];
        size_t from = b.len;
        if (at + 15 + n > len) break;
        if (t[0] == 8 || t[0] == 9) put_message(&b, t[0], 1, ms, t + 11, n);
        if (b.len > from) add_piece(ms * 1000LL, from, b.len - from);
        at += 15 + n;
    }
    if (b.err) die("flv");
    all.bytes = malloc(b.len);
    if (!all.bytes) die("flv");
    all.len = b.len;
    memcpy(all.bytes, builder_data(&b), b.len);
    builder_release(&b);
}

static void put_string(struct builder *b, const char *text, bool named)
{
    if (!named) builder_u8(b, 2);
    builder_u16(b, (unsigned)strlen(text));
    builder_bytes(b, text, strlen(text));
}

static void put_number(struct builder *b, unsigned n)
{
    static const uint8_t numbers[][8] = {
        {0}, {0x3f, 0xf0}, {0x40, 0}, {0x40, 8}};

    builder_u8(b, 0);
    builder_bytes(b, numbers[n], 8);
}

static void put_command(struct builder *b, uint32_t stream, const char *name,
                        unsigned number, const char *argument)
{
    struct builder body;

    builder_init(&body, 4096);
    put_string(&body, name, false);
    put_number(&body, number);
    if (!strcmp(name, "connect")) {
        builder_u8(&body, 3);
        put_string(&body, "app", true);
        put_string(&body, argument, false);
        builder_u24(&body, 9);
    } else {
        builder_u8(&body, 5);
        if (argument) put_string(&body, argument, false);
        if (argument) put_string(&body, "live", false);
    }
    put_message(b, 20, stream, 0, builder_data(&body), body.len);
    builder_release(&body);
}

static void send_all(int fd, const void *data, size_t len)
{
    if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len) die("send");
}

static int open_rtmp(const char *key)
{
    static const uint8_t chunk[16] = {2, 0, 0, 0, 0, 0, 4,           1,
                                      0, 0, 0, 0, 0, 0, CHUNK / 256, 0};
    static uint8_t hello[1 + HANDSHAKE] = {3}, answer[1 + 2 * HANDSHAKE];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)all.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct builder b;

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    send_all(fd, hello, sizeof hello);
    if (recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer)
        die("handshake");
    send_all(fd, answer + 1, HANDSHAKE);
    builder_init(&b, 8192);
    builder_bytes(&b, chunk, sizeof chunk);
    put_command(&b, 0, "connect", 1, "live");
    put_command(&b, 0, "createStream", 2, NULL);
    put_command(&b, 1, "publish", 3, key);
    send_all(fd, builder_data(&b), b.len);
    builder_release(&b);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* --- SRT ------------------------------------------------------------------ */

static int64_t pcr_us(const uint8_t *p)
{
    if (!(p[3] & 0x20) || p[4] < 7 || !(p[5] & 0x10)) return -1;
    int64_t base = (int64_t)p[6] << 25 | (int64_t)p[7] << 17 |
                   (int64_t)p[8] << 9 | (int64_t)p[9] << 1 | p[10] >> 7;
    return base * 100 / 9;
}

/* What is between two clock references comes with the first one, or evenly. */
static void load_ts(uint8_t *file, size_t len)
{
    int64_t first = -1, was = 0;
    size_t from = 0;

    all.bytes = file;
    all.len = len - len % SRT_PAYLOAD;
    for (size_t at = 0; at + TS_PACKET <= all.len; at += TS_PACKET) {
        int64_t now = pcr_us(file + at);
        if (now < 0) continue;
        if (first < 0) first = now;
        now -= first;
        int64_t span = all.even ? now - was : 0;
        for (size_t k = from; k < at; k += SRT_PAYLOAD)
            add_piece(was + span * (int64_t)(k - from) / (int64_t)(at - from),
                      k, SRT_PAYLOAD);
        if (at > from)
            from += (at - from + SRT_PAYLOAD - 1) / SRT_PAYLOAD * SRT_PAYLOAD;
        was = now;
    }
}

static int open_srt(const char *key)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)all.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static int port; /* one UDP socket for all: one pair of threads */
    int latency = LATENCY_MS, off = 0, len = sizeof here;
    SRTSOCKET s = srt_create_socket();

    here.sin_port = htons((uint16_t)port);
    srt_setsockflag(s, SRTO_STREAMID, key, (int)strlen(key));
    srt_setsockflag(s, SRTO_LATENCY, &latency, sizeof latency);
    srt_setsockflag(s, SRTO_SNDSYN, &off, sizeof off);
    if (srt_bind(s, (struct sockaddr *)&here, sizeof here) ||
        srt_connect(s, (struct sockaddr *)&to, sizeof to)) {
        fprintf(stderr, "%s: %s\n", key, srt_getlasterror_str());
        exit(1);
    }
    srt_getsockname(s, (struct sockaddr *)&here, &len);
    port = ntohs(here.sin_port);
    return s;
}

/* --- sending -------------------------------------------------------------- */

/* How much of it went out; -1: the connection is gone. */
static ssize_t send_some(int fd, const uint8_t *data, size_t len)
{
    static uint8_t answers[65536];
    ssize_t n;

    if (all.srt) {
        n = srt_sendmsg2(fd, (const char *)data, (int)len, NULL);
        if (n < 0 && srt_getlasterror(NULL) == SRT_EASYNCSND) return 0;
        return n;
    }
    while (recv(fd, answers, sizeof answers, 0) > 0)
        ;
    n = send(fd, data, len, MSG_NOSIGNAL);
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

/* Pieces that lie together and are due go out together, as RTMP allows. */
static void send_due(struct sender *s, int64_t now)
{
    while (s->fd >= 0 && s->next < all.piece_count) {
        const struct piece *p = &all.pieces[s->next];
        int64_t late = now - s->begin_at - p->at_us;
        if (late < 0) return;
        ssize_t n =
            send_some(s->fd, all.bytes + p->from + s->done, p->len - s->done);
        if (n < 0) {
            s->fd = -1;
            all.gone++;
            return;
        }
        all.sent += (uint64_t)n;
        s->done += (size_t)n;
        if (late > all.late_us) all.late_us = late;
        if (s->done < p->len) return;
        s->done = 0;
        s->next++;
    }
}

static void begin(struct sender *s, int number, const char *pattern)
{
    char key[256];
    size_t n = 0;
    struct timespec t;

    for (; *pattern && n < sizeof key - 16; pattern++)
        if (*pattern == '%')
            n += (size_t)sprintf(key + n, "%d", number);
        else
            key[n++] = *pattern;
    key[n] = 0;
    s->fd = all.srt ? open_srt(key) : open_rtmp(key);
    s->begin_at = clock_mono_us();
    clock_gettime(CLOCK_REALTIME, &t);
    printf("begun %d %lld\n", number,
           (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
    fflush(stdout);
}

static bool is_over(const struct sender *s)
{
    for (int i = 0; i < all.count; i++)
        if (s[i].fd >= 0 && s[i].next < all.piece_count) return false;
    return true;
}

static void send_everything(struct sender *senders, const char *key,
                            int64_t seconds)
{
    int64_t start = clock_mono_us(), end = start + seconds * 1000000;
    int begun = 0;

    while (begun < all.count || !is_over(senders)) {
        int64_t now = clock_mono_us();
        if (now >= end) return;
        if (begun < all.count &&
            now - start >= (int64_t)begun * SPREAD_US / all.count) {
            begin(&senders[begun], begun, key);
            begun++;
            continue;
        }
        for (int i = 0; i < begun; i++)
            send_due(&senders[i], now);
        int64_t spent = clock_mono_us() - now;
        if (spent < TURN_US) usleep((useconds_t)(TURN_US - spent));
    }
}

int main(int argc, char **argv)
{
    static struct sender senders[COUNT_MAX];
    uint8_t *file;
    size_t len;

    if (argc < 6) {
        fputs("usage: publishers rtmp|srt|srt-even PORT KEY COUNT FILE "
              "[SECONDS]\n",
              stderr);
        return 2;
    }
    all.srt = !strncmp(argv[1], "srt", 3);
    all.even = !strcmp(argv[1], "srt-even");
    all.port = atoi(argv[2]);
    all.count = atoi(argv[4]);
    if (all.count < 1 || all.count > COUNT_MAX) return 2;
    file = read_file(argv[5], &len);
    if (all.srt) {
        srt_startup();
        load_ts(file, len);
    } else {
        load_flv(file, len);
    }
    send_everything(senders, argv[3], argc > 6 ? atoi(argv[6]) : 3600);
    printf("sent %llu, at most %lld ms late, %d gone\n",
           (unsigned long long)all.sent, (long long)(all.late_us / 1000),
           all.gone);
    return all.gone ? 1 : 0;
}
