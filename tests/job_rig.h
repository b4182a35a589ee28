/* tests/job_rig.h — a source made here, and what a job made of it. */
#ifndef TESTS_JOB_RIG_H
#define TESTS_JOB_RIG_H
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "tests/harness.h"
#include "transcode/worker/encoder.h"
#include "transcode/worker/job.h"

enum { FRAMES = 90, WIDTH = 320, HEIGHT = 180, TICK = 3000, GOT_MAX = 1000 };

/* Static: a test that fails leaves the job's threads behind. */
static struct rig {
    struct slice config;
    struct encoded source[FRAMES];
    int source_count;
    struct sink sink;
    struct job *job;
    int fd;
    struct wire_record got[GOT_MAX];
    int count;
} rig;

static inline AVFrame *picture(int i)
{
    AVFrame *f = av_frame_alloc();

    f->format = AV_PIX_FMT_YUV420P;
    f->width = WIDTH;
    f->height = HEIGHT;
    assert_int_equal(av_frame_get_buffer(f, 0), 0);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            f->data[0][y * f->linesize[0] + x] =
                (uint8_t)(x + y + 3 * i + ((x ^ y) & 8));
    for (int p = 1; p < 3; p++)
        for (int y = 0; y < HEIGHT / 2; y++)
            memset(f->data[p] + y * f->linesize[p], 100 + i % 50, WIDTH / 2);
    f->pts = i * TICK;
    return f;
}

/* 3 s at 30 frames a second, a keyframe each `gop` frames. */
static inline void make_source(int gop)
{
    struct encoder_conf conf = {.only = "libx264"};
    struct encoder *e = NULL;

    conf.info = (struct track_info){.width = WIDTH,
                                    .height = HEIGHT,
                                    .fps_num = 30,
                                    .fps_den = 1,
                                    .bitrate_bps = 600000};
    av_log_set_level(AV_LOG_QUIET);
    memset(&rig, 0, sizeof rig);
    for (int i = 0; i < FRAMES; i++) {
        AVFrame *f = picture(i);
        conf.like = f;
        if (!e) assert_int_equal(encoder_open(&e, &conf), 0);
        assert_int_equal(encoder_send(e, f, i % gop == 0), 0);
        av_frame_free(&f);
        assert_int_equal(encoder_receive(e, &rig.source[i]), 0);
        assert_int_equal(rig.source[i].pts, i * TICK);
        assert_int_equal(rig.source[i].key, i % gop == 0);
        rig.source_count++;
    }
    assert_int_equal(encoder_config(e, &rig.config), 0);
    encoder_free(&e);
}

static inline void give(struct wire_record r)
{
    int err = job_take(rig.job, &r);

    assert_true(err == 0 || (r.type == WIRE_END && err == ERR_CLOSED));
}

static inline void give_source_track(void)
{
    struct wire_record r = {.type = WIRE_TRACK, .payload = rig.config};

    r.v.track = (struct track_info){.id = 1,
                                    .kind = TRACK_VIDEO,
                                    .codec = CODEC_H264,
                                    .timescale = 90000,
                                    .width = WIDTH,
                                    .height = HEIGHT};
    give(r);
}

static inline void ask(uint8_t id, uint32_t width, uint32_t height,
                       uint32_t fps)
{
    struct wire_record r = {.type = WIRE_TRACK};

    r.v.track = (struct track_info){.id = id,
                                    .kind = TRACK_VIDEO,
                                    .codec = CODEC_H264,
                                    .timescale = 90000,
                                    .width = width,
                                    .height = height,
                                    .fps_num = fps,
                                    .fps_den = 1,
                                    .bitrate_bps = 300000};
    give(r);
}

static inline void give_frame(int i, uint8_t flags)
{
    struct wire_record r = {.type = WIRE_FRAME,
                            .payload = rig.source[i].payload};

    r.v.frame = (struct frame){.track_id = 1,
                               .flags = flags,
                               .dts = i * TICK,
                               .pts = i * TICK,
                               .duration = TICK,
                               .captured_at = 1000 + i};
    if (rig.source[i].key) r.v.frame.flags |= FRAME_KEY;
    give(r);
}

static inline void give_mark(int i, bool discontinuity)
{
    give((struct wire_record){.type = WIRE_MARK,
                              .v.mark = {7, i * TICK, discontinuity}});
}

static inline void begin(int gop)
{
    make_source(gop);
    rig.fd = memfd_create("out", MFD_CLOEXEC);
    sink_init(&rig.sink, rig.fd);
    struct wire_record hello = {.type = WIRE_HELLO,
                                .v.hello.version = WIRE_VERSION};
    assert_int_equal(sink_put(&rig.sink, &hello), 0);
    assert_int_equal(job_create(&rig.job, false, &rig.sink), 0);
}

/* Ends the job and reads all it wrote. */
static inline void finish(void)
{
    struct wire_decoder d;
    uint8_t bytes[4096];
    ssize_t n;

    give((struct wire_record){.type = WIRE_END});
    job_free(&rig.job);
    lseek(rig.fd, 0, SEEK_SET);
    wire_decoder_init(&d);
    while ((n = read(rig.fd, bytes, sizeof bytes)) > 0) {
        const uint8_t *p = bytes;
        size_t left = (size_t)n;
        int err;
        while (!(err = wire_feed(&d, &p, &left, &rig.got[rig.count])))
            assert_true(++rig.count < GOT_MAX);
        assert_int_equal(err, ERR_AGAIN);
    }
    wire_decoder_release(&d);
    close(rig.fd);
}

static inline void clean_up(void)
{
    for (int i = 0; i < rig.count; i++)
        wire_record_release(&rig.got[i]);
    for (int i = 0; i < rig.source_count; i++)
        slice_unref(&rig.source[i].payload);
    slice_unref(&rig.config);
}

/* The rung's n-th frame; NULL past the last. */
static inline const struct frame *frame_of(uint8_t id, int n)
{
    for (int i = 0; i < rig.count; i++)
        if (rig.got[i].type == WIRE_FRAME &&
            rig.got[i].v.frame.track_id == id && !n--)
            return &rig.got[i].v.frame;
    return NULL;
}

/* The same, where it must be there. */
static inline const struct frame *the_frame_of(uint8_t id, int n)
{
    const struct frame *f = frame_of(id, n);

    assert_non_null(f);
    return f;
}

static inline const struct wire_record *track_of(uint8_t id)
{
    for (int i = 0; i < rig.count; i++)
        if (rig.got[i].type == WIRE_TRACK && rig.got[i].v.track.id == id)
            return &rig.got[i];
    return NULL;
}

#endif
