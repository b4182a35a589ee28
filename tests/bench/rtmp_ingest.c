/* tests/bench/rtmp_ingest.c — an RTMP server whose every frame is looked at:
 *   build/tests/bench/rtmp_ingest PORT SECONDS [KEY]
 * takes one publisher with KEY (demo-key) into a bus and prints, at its end,
 * how even its cadence was. Exit 0 if frames came. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/media/bus.h"
#include "ingest/rtmp/server.h"

enum { STEPS_MAX = 64 };

struct tally {
    int64_t frames, keys, discontinuities, bytes, tracks;
    int64_t last_dts, last_end, first_dts;
    int64_t gaps; /* audio: not contiguous */
    struct {
        int64_t step, count;
    } steps[STEPS_MAX];
};

struct world {
    struct loop *loop;
    struct bus *bus;
    struct bus_subscriber *reader;
    struct rtmp_server *server;
    struct publisher *live;
    const char *key;
    struct tally video, audio;
    struct timer end;
};

static int authorise(const char *key, struct ingest_grant *out, void *arg)
{
    struct world *w = arg;

    if (strcmp(key, w->key)) return ERR_DENIED;
    snprintf(out->channel, sizeof out->channel, "demo");
    return 0;
}

static void attach(struct publisher *p, void *arg)
{
    struct world *w = arg;

    if (w->live) publisher_kick(w->live, "taken over");
    w->live = p;
    publisher_attached(p, w->bus, bus_end_us(w->bus));
}

static void detach(struct publisher *p, void *arg)
{
    struct world *w = arg;

    if (w->live == p) w->live = NULL;
}

static void count_step(struct tally *t, int64_t step)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        if (t->steps[i].count && t->steps[i].step != step) continue;
        t->steps[i].step = step;
        t->steps[i].count++;
        return;
    }
}

static void on_frame(struct tally *t, const struct frame *f)
{
    if (t->frames && !(f->flags & FRAME_DISCONTINUITY)) {
        count_step(t, f->dts - t->last_dts);
        t->gaps += f->dts != t->last_end;
    }
    if (!t->frames) t->first_dts = f->dts;
    t->frames++;
    t->keys += (f->flags & FRAME_KEY) != 0;
    t->discontinuities += (f->flags & FRAME_DISCONTINUITY) != 0;
    t->bytes += (int64_t)f->payload.len;
    t->last_dts = f->dts;
    t->last_end = f->dts + f->duration;
}

static void on_wake(void *arg)
{
    struct world *w = arg;
    struct bus_event e;

    while (!bus_next(w->reader, &e)) {
        if (e.type == BUS_FRAME)
            on_frame(e.v.frame->track_id == TRACK_SOURCE_FIRST ? &w->video
                                                               : &w->audio,
                     e.v.frame);
        if (e.type != BUS_TRACK) continue;
        const struct track_info *i = track_info(e.v.track);
        printf("track %d %s %ux%u %u/%u fps, %u Hz, %u channels\n", i->id,
               codec_name(i->codec), i->width, i->height, i->fps_num,
               i->fps_den, i->sample_rate, i->channels);
        (i->kind == TRACK_VIDEO ? &w->video : &w->audio)->tracks++;
    }
}

static void print_tally(const char *name, const struct tally *t)
{
    printf("%s: %lld frames, %lld keys, %lld discontinuities, %lld bytes, "
           "first dts %lld, %lld not contiguous\n",
           name, (long long)t->frames, (long long)t->keys,
           (long long)t->discontinuities, (long long)t->bytes,
           (long long)t->first_dts, (long long)t->gaps);
    for (int i = 0; i < STEPS_MAX && t->steps[i].count; i++)
        printf("  step %lld: %lld times\n", (long long)t->steps[i].step,
               (long long)t->steps[i].count);
}

static void on_end(void *arg)
{
    struct world *w = arg;

    loop_stop(w->loop);
}

int main(int argc, char **argv)
{
    struct world w = {.key = argc > 3 ? argv[3] : "demo-key"};
    struct ingest_door door = {
        .authorise = authorise, .attach = attach, .detach = detach, .arg = &w};
    struct rtmp_server_conf conf = {.door = &door};
    struct bus_conf bus = {.channel = "demo",
                           .window_us = 12000000,
                           .max_entries = 16384,
                           .max_bytes = 64 << 20};
    char listen[40];

    if (argc < 3 || loop_create(&w.loop, 0)) return 2;
    bus.loop = conf.loop = w.loop;
    bus.origin_at = clock_mono_us();
    bus.origin_wall_us = clock_wall_us();
    snprintf(listen, sizeof listen, "127.0.0.1:%s", argv[1]);
    conf.listen = listen;
    rtmp_server_limits_default(&conf.limits);
    if (bus_create(&w.bus, &bus) || rtmp_server_create(&w.server, &conf))
        return 2;
    bus_subscribe(w.bus, &w.reader, BUS_FROM_NOW, on_wake, &w);
    timer_init(&w.end, w.loop, on_end, &w);
    timer_set(&w.end, clock_mono_us() + atoll(argv[2]) * 1000000);
    loop_run(w.loop);
    rtmp_server_close(&w.server, on_end, &w);
    loop_run(w.loop);
    print_tally("video", &w.video);
    print_tally("audio", &w.audio);
    bus_unsubscribe(&w.reader);
    bus_unref(&w.bus);
    loop_free(&w.loop);
    return w.video.frames || w.audio.frames ? 0 : 1;
}
