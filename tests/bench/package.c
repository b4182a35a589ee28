/* tests/bench/package.c — what packaging costs, and files for ffprobe:
 *   package VIDEO.h264 AUDIO.aac OUTDIR [FPS]
 * reads an Annex B and an ADTS file, plays them over a bus as a passthrough
 * ladder would (a mark at each IDR), writes each rendition's init and parts
 * into OUTDIR/NAME.mp4, its playlist into OUTDIR/NAME.m3u8, and prints µs of
 * CPU per part.
 *   package VIDEO.h264 AUDIO.aac HOST:PORT [FPS [SECONDS]]
 * plays them again and again in real time and serves channel "bench", so that
 * viewers' cost can be measured without an encoder beside it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/media/aac.h"
#include "core/media/h264.h"
#include "core/net/server.h"
#include "edge/edge.h"
#include "packager/packager.h"
#include "packager/playlist.h"

enum { VIDEO = TRACK_RENDITION_FIRST, AUDIO, GOP_MAX = 1 << 22 };

struct bench {
    struct edge *edge; /* NULL: into files */
    struct store *store;
    FILE *out[2];
    int parts;
};

static void on_event(struct store_event *e, void *arg)
{
    struct bench *b = arg;
    struct store_change change;

    if (b->edge) {
        edge_apply(b->edge, "bench", 1, e);
        if (e->type == STORE_PART) b->parts++;
        return;
    }
    if (store_apply(b->store, e, &change)) fprintf(stderr, "apply failed\n");
    if (e->type == STORE_PART) b->parts++;
    for (int i = 0; i < e->slice_count; i++)
        fwrite(e->slices[i].data, 1, e->slices[i].len, b->out[e->rendition]);
}

static struct buf *read_file(const char *name)
{
    FILE *f = fopen(name, "rb");
    struct builder b;
    struct buf *out = NULL;
    char chunk[65536];
    size_t n;

    builder_init(&b, (size_t)1 << 30);
    while (f && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
        builder_bytes(&b, chunk, n);
    if (!f || builder_seal(&b, &out)) exit(2);
    fclose(f);
    return out;
}

static void add_track(struct bus *bus, struct track_info info,
                      struct slice config)
{
    struct track *t;

    if (track_create(&t, &info, config) || bus_track(bus, t)) exit(2);
    track_unref(&t);
}

static void add_frame(struct bus *bus, struct frame f)
{
    struct frame *made;

    f.captured_at = clock_mono_us();
    if (frame_create(&made, &f) || bus_append(bus, made)) exit(2);
    frame_unref(&made);
}

struct source {
    struct bus *bus;
    struct reader video, audio, video_start, audio_start;
    struct timer tick;
    struct loop *loop;
    int64_t started_at, until_at;
    struct nal nal;
    bool more;
    int fps;
    int64_t frames, audio_frames;
    uint32_t rate;
    uint64_t msn;
};

static void write_track(struct source *s)
{
    struct reader r = s->video;
    struct h264_params params = {.length_size = 4};
    struct nal n;
    struct builder b;
    struct buf *config;
    struct adts_header adts;
    uint8_t asc[AAC_CONFIG_MAX];

    while (params.pps_count == 0 && nal_next_annexb(&r, &n))
        h264_params_add(&params, n);
    builder_init(&b, 65536);
    h264_avcc_write(&b, &params);
    if (builder_seal(&b, &config)) exit(2);
    struct slice c = slice_take(&config);
    add_track(s->bus,
              (struct track_info){VIDEO, TRACK_VIDEO, CODEC_H264, 90000,
                                  "source", "und", 640, 360, (uint32_t)s->fps,
                                  1, 0, 0, 0, true},
              c);
    slice_unref(&c);
    if (adts_parse(&adts, s->audio.at, reader_left(&s->audio))) exit(2);
    s->rate = adts.config.sample_rate;
    size_t len = aac_config_write(asc, &adts.config);
    add_track(s->bus,
              (struct track_info){AUDIO, TRACK_AUDIO, CODEC_AAC, s->rate,
                                  "audio", "und", 0, 0, 0, 0, s->rate,
                                  adts.config.channels, 128000, true},
              (struct slice){NULL, asc, len});
}

static void mark_and_append(struct source *s, struct builder *b, bool idr)
{
    int64_t d = 90000 / s->fps, pts = s->frames++ * d;
    struct buf *bytes;

    if (builder_seal(b, &bytes)) exit(2);
    if (idr) bus_mark(s->bus, &(struct mark){.msn = s->msn++, .pts = pts});
    add_frame(s->bus, (struct frame){.track_id = VIDEO,
                                     .flags = idr ? FRAME_KEY : 0,
                                     .dts = pts,
                                     .pts = pts,
                                     .duration = d,
                                     .payload = slice_take(&bytes)});
}

/* One access unit: all NALs up to and with its (single) slice. */
static bool next_video(struct source *s)
{
    struct builder b;
    struct nal n;

    builder_init(&b, GOP_MAX);
    while (nal_next_annexb(&s->video, &n)) {
        enum h264_nal_type type = h264_type(n);

        builder_u32(&b, (uint32_t)n.len);
        builder_bytes(&b, n.data, n.len);
        if (type != H264_SLICE && type != H264_IDR) continue;
        mark_and_append(s, &b, type == H264_IDR);
        return true;
    }
    builder_release(&b);
    return false;
}

static bool next_audio(struct source *s)
{
    struct adts_header h;
    struct buf *bytes;
    const uint8_t *p;

    if (adts_parse(&h, s->audio.at, reader_left(&s->audio))) return false;
    p = reader_take(&s->audio, h.frame_len);
    if (!p || buf_create(&bytes, p + h.header_len, h.frame_len - h.header_len))
        return false;
    add_frame(s->bus, (struct frame){.track_id = AUDIO,
                                     .flags = FRAME_KEY,
                                     .dts = s->audio_frames * 1024,
                                     .pts = s->audio_frames * 1024,
                                     .duration = 1024,
                                     .payload = slice_take(&bytes)});
    s->audio_frames++;
    return true;
}

static void play(struct source *s)
{
    while (next_video(s))
        while (s->audio_frames * 1024 * s->fps <
                   (s->frames - 1) * (int64_t)s->rate &&
               next_audio(s))
            ;
}

/* Everything that is due, at the pace of the clock. */
static void on_tick(void *arg)
{
    struct source *s = arg;
    int64_t now = loop_now(s->loop), due = now - s->started_at;

    while (s->frames * 1000000 / s->fps <= due) {
        if (!next_video(s)) s->video = s->video_start;
        while (s->audio_frames * 1024 * 1000000 / s->rate <= due)
            if (!next_audio(s)) s->audio = s->audio_start;
    }
    if (s->until_at && now > s->until_at)
        loop_stop(s->loop);
    else
        timer_set(&s->tick, now + 5000);
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void finish(struct bench *b, const char *dir)
{
    static const char *const names[] = {"source", "audio"};

    for (int i = 0; i < 2; i++) {
        char path[512];
        struct builder text;

        snprintf(path, sizeof path, "%s/%s.m3u8", dir, names[i]);
        builder_init(&text, PLAYLIST_BYTES_MAX);
        playlist_media(&text, b->store, &b->store->renditions[i], false);
        FILE *f = fopen(path, "wb");
        if (f) fwrite(builder_data(&text), 1, text.len, f);
        if (f) fclose(f);
        builder_release(&text);
        fclose(b->out[i]);
    }
}

static void serve(struct source *s, struct bench *b, const char *listen,
                  int seconds)
{
    struct server *server;
    struct metrics *metrics;
    struct server_conf conf = {.loop = s->loop, .listen = listen};
    double before;

    if (metrics_create(&metrics)) exit(1);
    struct edge_conf edge = {.loop = s->loop, .metrics = metrics};
    server_limits_default(&conf.limits);
    if (edge_create(&b->edge, &edge) || server_create(&server, &conf) ||
        edge_serve(b->edge, server))
        exit(1);
    struct packager *p;
    if (packager_create(
            &p, s->bus,
            &(struct packager_conf){.on_event = on_event, .arg = b}))
        exit(1);
    s->started_at = clock_mono_us();
    s->until_at = seconds ? s->started_at + seconds * 1000000LL : 0;
    timer_init(&s->tick, s->loop, on_tick, s);
    timer_set(&s->tick, s->started_at);
    before = cpu_s();
    loop_run(s->loop);
    printf("%.2f %% of a core over %d s, %d parts\n",
           (cpu_s() - before) * 100 / seconds, seconds, b->parts);
    struct builder text;
    builder_init(&text, 1 << 20);
    metrics_render(metrics, &text);
    fwrite(builder_data(&text), 1, text.len, stdout);
    exit(0);
}

static void into_files(struct source *s, struct bench *b, const char *dir)
{
    char path[2][512];

    snprintf(path[0], sizeof path[0], "%s/source.mp4", dir);
    snprintf(path[1], sizeof path[1], "%s/audio.mp4", dir);
    for (int i = 0; i < 2; i++)
        if (!(b->out[i] = fopen(path[i], "wb"))) exit(1);
    double before = cpu_s();
    play(s);
    double spent = cpu_s() - before;
    printf("%d parts, %lld frames: %.1f us of CPU per part, all included\n",
           b->parts, (long long)(s->frames + s->audio_frames),
           spent * 1e6 / b->parts);
    finish(b, dir);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct source s = {.msn = 1, .fps = argc > 4 ? atoi(argv[4]) : 30};
    struct packager *p;

    if (argc < 4 || s.fps < 1) return 2;
    struct buf *video = read_file(argv[1]), *audio = read_file(argv[2]);
    s.video = s.video_start = reader_of(buf_data(video), buf_len(video));
    s.audio = s.audio_start = reader_of(buf_data(audio), buf_len(audio));
    if (loop_create(&s.loop, 0) ||
        store_create(&b.store, "bench", 1, NULL, NULL))
        return 1;
    struct bus_conf conf = {.loop = s.loop,
                            .channel = "bench",
                            .generation = 1,
                            .origin_at = clock_mono_us(),
                            .origin_wall_us = clock_wall_us()};
    struct packager_conf packager = {.on_event = on_event, .arg = &b};
    bool listen = strchr(argv[3], ':') != NULL;
    if (bus_create(&s.bus, &conf)) return 1;
    bus_plan(s.bus, &(struct plan){2, 200000, 2000000, {VIDEO, AUDIO}, 2});
    write_track(&s);
    if (!listen && packager_create(&p, s.bus, &packager)) return 1;
    if (listen) serve(&s, &b, argv[3], argc > 5 ? atoi(argv[5]) : 0);
    into_files(&s, &b, argv[3]);
    packager_free(&p);
    bus_unref(&s.bus);
    store_free(&b.store);
    loop_run_once(s.loop);
    loop_free(&s.loop);
    buf_unref(&video);
    buf_unref(&audio);
    return 0;
}
