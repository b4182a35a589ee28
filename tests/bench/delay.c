/* tests/bench/delay.c — what the child adds: feeds a capture (tests/bench/
 * capture) to lectern-transcode at the pace of its frames, one at a time, and
 * says for each rung how long a picture took from the last byte in to the last
 * byte out: p50, p95 and the most, in ms.
 * usage: delay LECTERN-TRANSCODE CAPTURE.wire [KEY-EACH-N-FRAMES] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/media/wire.h"

enum { SAMPLES_MAX = 100000, RUNGS = TRACK_ID_LAST + 1, SKIPPED = 30 };

static struct {
    int64_t us[SAMPLES_MAX];
    int count;
    int64_t bytes, keys;
} rungs[RUNGS];

static int from_child[2], to_child[2];

static void *read_all(void *arg)
{
    static uint8_t bytes[256 << 10];
    struct wire_decoder d;
    struct wire_record r;
    ssize_t n;

    (void)arg;
    wire_decoder_init(&d);
    while ((n = read(from_child[0], bytes, sizeof bytes)) > 0) {
        const uint8_t *p = bytes;
        size_t left = (size_t)n;
        while (!wire_feed(&d, &p, &left, &r)) {
            int id = r.v.frame.track_id;
            if (r.type == WIRE_FRAME && rungs[id].count < SAMPLES_MAX) {
                rungs[id].us[rungs[id].count++] =
                    clock_mono_us() - r.v.frame.captured_at;
                rungs[id].bytes += (int64_t)r.payload.len;
                rungs[id].keys += r.v.frame.flags & FRAME_KEY;
            }
            wire_record_release(&r);
        }
    }
    wire_decoder_release(&d);
    return NULL;
}

static void put(const struct wire_record *r)
{
    uint8_t head[WIRE_HEAD_MAX];
    size_t n = wire_head(head, r);

    if (write(to_child[1], head, n) != (ssize_t)n) exit(1);
    for (size_t at = 0; at < r->payload.len;) {
        ssize_t w =
            write(to_child[1], r->payload.data + at, r->payload.len - at);
        if (w <= 0) exit(1);
        at += (size_t)w;
    }
}

static void wait_until(int64_t at)
{
    int64_t now = clock_mono_us();

    if (at > now)
        nanosleep(&(struct timespec){(at - now) / 1000000,
                                     (at - now) % 1000000 * 1000},
                  NULL);
}

static void feed(FILE *in, int key_each)
{
    static uint8_t bytes[256 << 10];
    struct wire_decoder d;
    struct wire_record r;
    int64_t began = clock_mono_us(), first = INT64_MIN;
    uint8_t asked[RUNGS];
    int asked_count = 0, frames = 0;
    size_t n;

    wire_decoder_init(&d);
    while ((n = fread(bytes, 1, sizeof bytes, in))) {
        const uint8_t *p = bytes;
        while (!wire_feed(&d, &p, &n, &r)) {
            if (r.type == WIRE_TRACK && r.v.track.id >= TRACK_RENDITION_FIRST)
                asked[asked_count++] = r.v.track.id;
            if (r.type == WIRE_FRAME) {
                int64_t at = r.v.frame.dts * 100 / 9;
                if (first == INT64_MIN) first = at;
                wait_until(began + at - first);
                frames++;
                for (int i = 0; i < asked_count; i++)
                    if (key_each && frames % key_each == 0)
                        put(&(struct wire_record){.type = WIRE_KEY,
                                                  .v.key = asked[i]});
                r.v.frame.captured_at = clock_mono_us();
            }
            put(&r);
            wire_record_release(&r);
        }
    }
    wire_decoder_release(&d);
    close(to_child[1]);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    FILE *in = argc >= 3 ? fopen(argv[2], "rb") : NULL;
    pthread_t reader;

    if (!in || pipe(from_child) || pipe(to_child)) {
        fputs("usage: delay LECTERN-TRANSCODE CAPTURE.wire [N]\n", stderr);
        return 2;
    }
    pid_t child = fork();
    if (!child) {
        dup2(to_child[0], 0);
        dup2(from_child[1], 1);
        close(to_child[1]);
        close(from_child[0]);
        execl(argv[1], argv[1], (char *)NULL);
        _exit(127);
    }
    close(to_child[0]);
    close(from_child[1]);
    pthread_create(&reader, NULL, read_all, NULL);
    feed(in, argc > 3 ? atoi(argv[3]) : 0);
    pthread_join(reader, NULL);
    waitpid(child, NULL, 0);
    fclose(in);
    for (int id = 0; id < RUNGS; id++) {
        int n = rungs[id].count - SKIPPED; /* codecs open at the beginning */
        if (n <= 0) continue;
        int64_t *us = rungs[id].us + SKIPPED;
        qsort(us, (size_t)n, sizeof *us, by_value);
        printf("rung %d: p50 %.1f p95 %.1f most %.1f ms, %d pictures, %ld IDR, "
               "%ld kB\n",
               id, (double)us[n / 2] / 1000, (double)us[n * 95 / 100] / 1000,
               (double)us[n - 1] / 1000, n, (long)rungs[id].keys,
               (long)rungs[id].bytes / 1000);
    }
    return 0;
}
