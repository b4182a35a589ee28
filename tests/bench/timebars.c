/* tests/bench/timebars.c — a camera that films a clock: raw yuv420p frames in
 * real time, each carrying the wall clock of its making as blocks of black
 * and white, over a moving picture with detail.
 *
 *   y 0..31    20 blocks of 32 px: (milliseconds since 1970) mod 2^20
 *   y 32..63   20 blocks: the same bits inverted, so that a reader knows
 *
 * A block is read at its middle, so scaling and quantising do no harm. Frames
 * are paced by the monotonic clock; a reader that blocks us moves the schedule
 * (frames are never made late with an old stamp).
 * usage: timebars WIDTH HEIGHT FPS [SECONDS] > raw.yuv */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BITS = 20, BLOCK = 32, WHITE = 235, BLACK = 16, NS = 1000000000 };

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static void sleep_until(int64_t at)
{
    struct timespec t = {at / NS, at % NS};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

/* Blocks narrow with the picture, so that twenty always fit. */
static void draw_bars(uint8_t *luma, int width, uint32_t stamp)
{
    int block = width / BITS < BLOCK ? width / BITS : BLOCK;

    for (int y = 0; y < 2 * block; y++) {
        uint32_t bits = y < block ? stamp : ~stamp;
        uint8_t *row = luma + (size_t)y * (size_t)width;
        for (int bit = 0; bit < BITS; bit++) {
            int on = (int)(bits >> (BITS - 1 - bit)) & 1;
            memset(row + bit * block, on ? WHITE : BLACK, (size_t)block);
        }
    }
}

/* A texture twice as large as the picture, seen through a window that moves:
 * soft hills with grain, as costly to encode as a plain room. */
static void draw_texture(uint8_t *map, int side)
{
    uint32_t seed = 1;

    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            seed = seed * 1664525u + 1013904223u;
            int hill = ((x * y / 96) & 63) + (((x ^ y) >> 4) & 31);
            int v = 64 + hill + (int)(seed >> 28);
            map[(size_t)y * (size_t)side + (size_t)x] = (uint8_t)v;
        }
}

static int write_all(const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static void draw_window(uint8_t *luma, int width, int height,
                        const uint8_t *map, int side, long n)
{
    int dx = (int)(n * 2 % (side - width));
    int dy = (int)(n % (side - height));

    for (int y = 0; y < height; y++)
        memcpy(luma + (size_t)y * (size_t)width,
               map + (size_t)(y + dy) * (size_t)side + dx, (size_t)width);
}

static int film(int width, int height, int fps, long frames, uint8_t *frame,
                const uint8_t *map, int side)
{
    size_t luma = (size_t)width * (size_t)height;
    size_t size = luma + 2 * (luma / 4);
    int64_t next = now_ns(CLOCK_MONOTONIC);

    memset(frame + luma, 112, luma / 4);
    memset(frame + luma + luma / 4, 140, luma / 4);
    for (long n = 0; frames < 0 || n < frames; n++) {
        int64_t now = now_ns(CLOCK_MONOTONIC);
        if (next < now - NS / fps) next = now;
        sleep_until(next);
        next += NS / fps;
        draw_window(frame, width, height, map, side, n);
        uint32_t ms = (uint32_t)(now_ns(CLOCK_REALTIME) / 1000000);
        draw_bars(frame, width, ms & ((1u << BITS) - 1));
        if (write_all(frame, size)) return errno == EPIPE ? 0 : 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int width = argc > 3 ? atoi(argv[1]) : 0;
    int height = argc > 3 ? atoi(argv[2]) : 0;
    int fps = argc > 3 ? atoi(argv[3]) : 0;
    long seconds = argc > 4 ? atol(argv[4]) : -1;

    if (width < 160 || width > 4096 || width % 2 || height < 90 ||
        height > 4096 || height % 2 || fps < 1 || fps > 120) {
        fprintf(stderr, "usage: timebars WIDTH HEIGHT FPS [SECONDS]\n");
        return 2;
    }
    int side = 2 * (width > height ? width : height);
    uint8_t *map = malloc((size_t)side * (size_t)side);
    uint8_t *frame = malloc((size_t)width * (size_t)height * 2);
    int code = 1;
    if (map && frame) {
        draw_texture(map, side);
        code = film(width, height, fps, seconds < 0 ? -1 : seconds * fps, frame,
                    map, side);
    }
    free(frame);
    free(map);
    return code;
}
