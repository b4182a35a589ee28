#include "tests/harness.h"

#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "transcode/worker/encoder.h"
#include "transcode/worker/job.h"

enum { FRAMES = 90, WIDTH = 320, HEIGHT = 180, TICK = 3000, GOT_MAX = 1000 };

/* A source made here, and what a job made of it. Static: a test that fails
 * leaves the job's threads behind. */
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

static AVFrame *picture(int i)
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
static void make_source(int gop)
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

static void give(struct wire_record r)
{
    int err = job_take(rig.job, &r);

    assert_true(err == 0 || (r.type == WIRE_END && err == ERR_CLOSED));
}

static void give_source_track(void)
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

static void ask(uint8_t id, uint32_t width, uint32_t height, uint32_t fps)
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

static void give_frame(int i, uint8_t flags)
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

static void give_mark(int i, bool discontinuity)
{
    give((struct wire_record){.type = WIRE_MARK,
                              .v.mark = {7, i * TICK, discontinuity}});
}

static void begin(int gop)
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
static void finish(void)
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

static void clean_up(void)
{
    for (int i = 0; i < rig.count; i++)
        wire_record_release(&rig.got[i]);
    for (int i = 0; i < rig.source_count; i++)
        slice_unref(&rig.source[i].payload);
    slice_unref(&rig.config);
}

/* The rung's n-th frame; NULL past the last. */
static const struct frame *frame_of(uint8_t id, int n)
{
    for (int i = 0; i < rig.count; i++)
        if (rig.got[i].type == WIRE_FRAME &&
            rig.got[i].v.frame.track_id == id && !n--)
            return &rig.got[i].v.frame;
    return NULL;
}

/* The same, where it must be there. */
static const struct frame *the_frame_of(uint8_t id, int n)
{
    const struct frame *f = frame_of(id, n);

    assert_non_null(f);
    return f;
}

static const struct wire_record *track_of(uint8_t id)
{
    for (int i = 0; i < rig.count; i++)
        if (rig.got[i].type == WIRE_TRACK && rig.got[i].v.track.id == id)
            return &rig.got[i];
    return NULL;
}

static void test_rungs_align_with_the_source(void **state)
{
    static const uint8_t ids[] = {64, 67, 68};

    (void)state;
    begin(30);
    give_source_track();
    ask(64, 320, 180, 30); /* the top made anew */
    ask(68, 160, 90, 30);
    ask(67, 240, 136, 30);
    for (int i = 0; i < FRAMES; i++) {
        if (i % 45 == 0) give_mark(i, i == 45); /* not where the source's are */
        give_frame(i, 0);
    }
    finish();
    for (size_t k = 0; k < sizeof ids; k++) {
        const struct wire_record *t = track_of(ids[k]);
        assert_non_null(t);
        assert_int_equal(t->payload.data[1], 77); /* avcC: Main */
        for (int i = 0; i < FRAMES; i++) {
            const struct frame *f = frame_of(ids[k], i);
            assert_non_null(f);
            assert_int_equal(f->pts, i * TICK);
            assert_int_equal(f->dts, f->pts); /* no B-frames */
            assert_int_equal(f->duration, TICK);
            assert_int_equal(f->captured_at, 1000 + i);
            assert_int_equal(!!(f->flags & FRAME_KEY), i % 45 == 0);
            assert_int_equal(!!(f->flags & FRAME_DISCONTINUITY), i == 45);
        }
        assert_null(frame_of(ids[k], FRAMES));
    }
    clean_up();
}

/* One of each second, whether a rung wants the picture or not. */
static void test_each_second_is_looked_at(void **state)
{
    int seen = 0;

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    for (int i = 0; i < FRAMES; i++)
        give_frame(i, 0); /* no mark: the rung has not begun */
    finish();
    for (int i = 0; i < rig.count; i++) {
        const struct impression *c = &rig.got[i].v.impression;
        if (rig.got[i].type != WIRE_IMPRESSION) continue;
        assert_int_equal(c->track, 1);
        assert_int_equal(c->kind, TRACK_VIDEO);
        assert_int_equal(c->span_ms, 1000);
        assert_true(c->changed);
        assert_true(!seen == !c->change);
        assert_in_range(c->luma, 60, 200);
        seen++;
    }
    assert_int_equal(seen, 3);
    clean_up();
}

/* A viewer's decoder that waited for reordering would add a frame or more. */
static void test_the_config_says_nothing_is_reordered(void **state)
{
    struct h264_params p;
    struct h264_sps sps;

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    give_frame(0, 0);
    finish();
    const struct wire_record *t = track_of(67);
    assert_non_null(t);
    assert_int_equal(h264_avcc_parse(&p, t->payload.data, t->payload.len), 0);
    assert_int_equal(h264_sps_parse(&sps, p.sps[0].data, p.sps[0].len), 0);
    assert_int_equal(sps.reorder_frames, 0);
    clean_up();
}

/* A wish: this rung alone, at its next picture, and once. One that has not
 * begun begins there. */
static void test_a_wished_keyframe_is_the_next_picture(void **state)
{
    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    ask(68, 80, 46, 15);
    ask(82, 320, 180, 30);
    for (int i = 0; i < FRAMES; i++) {
        if (i == 0 || i == 60) give_mark(i, false);
        if (i == 41) {
            give((struct wire_record){.type = WIRE_KEY, .v.key = 67});
            give((struct wire_record){.type = WIRE_KEY, .v.key = 68});
        }
        give_frame(i, 0);
    }
    finish();
    for (int i = 0; i < FRAMES; i++)
        assert_int_equal(!!(the_frame_of(67, i)->flags & FRAME_KEY),
                         i == 0 || i == 41 || i == 60);
    for (int i = 0; i < FRAMES / 2; i++) /* every other picture */
        assert_int_equal(!!(the_frame_of(68, i)->flags & FRAME_KEY),
                         i == 0 || i * 2 == 42 || i * 2 == 60);
    assert_int_equal(the_frame_of(82, FRAMES - 1)->pts, (FRAMES - 1) * TICK);
    clean_up();
}

static void test_on_demand_begins_at_once(void **state)
{
    (void)state;
    begin(30);
    give_source_track();
    for (int i = 0; i < FRAMES; i++) {
        if (i == 0 || i == 60) give_mark(i, false);
        if (i == 33) {
            ask(82, 320, 180, 30);
            give((struct wire_record){.type = WIRE_KEY, .v.key = 82});
        }
        give_frame(i, 0);
    }
    finish();
    for (int i = 33; i < FRAMES; i++) {
        assert_int_equal(the_frame_of(82, i - 33)->pts, i * TICK);
        assert_int_equal(!!(the_frame_of(82, i - 33)->flags & FRAME_KEY),
                         i == 33 || i == 60);
    }
    clean_up();
}

/* As make_source(), with two B-frames between others: kept in decoding order,
 * in Annex B with its parameter sets in band. */
static int64_t make_reordered(int64_t dts[FRAMES], int64_t pts[FRAMES])
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    AVCodecContext *c = avcodec_alloc_context3(codec);
    AVPacket *p = av_packet_alloc();
    int64_t reordered = 0;

    c->width = WIDTH;
    c->height = HEIGHT;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, VIDEO_TIMESCALE};
    c->framerate = (AVRational){30, 1};
    c->gop_size = 30;
    c->max_b_frames = 2;
    c->bit_rate = 600000;
    c->thread_count = 1;
    assert_int_equal(avcodec_open2(c, codec, NULL), 0);
    for (int i = 0; i <= FRAMES; i++) {
        AVFrame *f = i < FRAMES ? picture(i) : NULL;
        assert_int_equal(avcodec_send_frame(c, f), 0);
        av_frame_free(&f);
        while (avcodec_receive_packet(c, p) >= 0) {
            struct encoded *u = &rig.source[rig.source_count];
            struct builder b;
            struct buf *whole = NULL;
            builder_init(&b, 1 << 20);
            nal_repack(&b, NAL_ANNEXB, p->data, (size_t)p->size, h264_drops);
            assert_int_equal(builder_seal(&b, &whole), 0);
            u->payload = slice_take(&whole);
            u->key = p->flags & AV_PKT_FLAG_KEY;
            dts[rig.source_count] = p->dts;
            pts[rig.source_count++] = p->pts;
            reordered += p->pts != p->dts;
            if (rig.source_count > 1 || rig.config.len) continue;
            struct h264_params params = {.length_size = 4};
            struct reader in = reader_of(p->data, (size_t)p->size);
            struct nal n;
            while (nal_next_annexb(&in, &n))
                if (h264_type(n) == H264_SPS || h264_type(n) == H264_PPS)
                    h264_params_add(&params, n);
            builder_init(&b, 4096);
            h264_avcc_write(&b, &params);
            assert_int_equal(builder_seal(&b, &whole), 0);
            rig.config = slice_take(&whole);
        }
    }
    av_packet_free(&p);
    avcodec_free_context(&c);
    return reordered;
}

/* B-frames come out in the order they are shown, none twice, none lost. */
static void test_a_reordered_source_is_put_in_order(void **state)
{
    static int64_t dts[FRAMES], pts[FRAMES];
    int64_t first;

    (void)state;
    begin(30);
    for (int i = 0; i < rig.source_count; i++)
        slice_unref(&rig.source[i].payload);
    slice_unref(&rig.config);
    rig.source_count = 0;
    assert_true(make_reordered(dts, pts) > FRAMES / 2);
    assert_int_equal(rig.source_count, FRAMES);
    give_source_track();
    for (int i = 0; i < FRAMES; i++) {
        struct wire_record r = {.type = WIRE_FRAME,
                                .payload = rig.source[i].payload};
        if (i == 20) {
            ask(82, WIDTH, HEIGHT, 30);
            give((struct wire_record){.type = WIRE_KEY, .v.key = 82});
        }
        r.v.frame = (struct frame){.track_id = 1,
                                   .flags = rig.source[i].key ? FRAME_KEY : 0,
                                   .dts = dts[i],
                                   .pts = pts[i],
                                   .duration = TICK,
                                   .captured_at = 1000 + i};
        give(r);
    }
    finish();
    assert_non_null(frame_of(82, 0));
    first = the_frame_of(82, 0)->pts / TICK;
    assert_in_range(first, 16, 20);
    assert_true(the_frame_of(82, 0)->flags & FRAME_KEY);
    for (int i = 0; i < FRAMES - (int)first; i++) {
        const struct frame *f = frame_of(82, i);
        assert_non_null(f);
        assert_int_equal(f->pts, (first + i) * TICK);
        assert_int_equal(f->dts, f->pts);
        assert_true(f->captured_at >= 1000);
    }
    assert_null(frame_of(82, FRAMES - (int)first));
    clean_up();
}

static void test_payloads_are_length_prefixed_idrs(void **state)
{
    struct h264_unit u;

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    for (int i = 0; i < 40; i++)
        give_frame(i, 0);
    finish();
    int frames = 0;
    for (int i = 0; i < rig.count; i++) {
        const struct wire_record *r = &rig.got[i];
        if (r->type != WIRE_FRAME) continue;
        assert_int_equal(h264_scan(&u, 4, r->payload.data, r->payload.len), 0);
        assert_int_equal(u.idr, frames == 0);
        assert_int_equal(u.slices, 1);
        assert_int_equal(u.params.sps_count, 0);
        frames++;
    }
    assert_int_equal(frames, 40);
    clean_up();
}

/* The source's pictures stop: the newest one again, an IDR at the mark, and no
 * keyframe of the source is needed to go on. */
static void test_the_last_picture_again(void **state)
{
    static const int at[] = {36, 42, 48};
    int64_t last = -1;
    int frames = 0, keys = 0;

    (void)state;
    begin(FRAMES);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    for (int i = 0; i < 30; i++)
        give_frame(i, 0);
    for (int i = 0; i < 3; i++) {
        struct wire_record r = {.type = WIRE_FRAME};
        r.v.frame = (struct frame){.track_id = 1,
                                   .dts = at[i] * TICK,
                                   .pts = at[i] * TICK,
                                   .duration = 6 * TICK,
                                   .captured_at = 1000 + at[i]};
        if (i == 1) give_mark(at[i], false);
        give(r);
    }
    for (int i = 30; i < 60; i++) {
        struct wire_record r = {.type = WIRE_FRAME,
                                .payload = rig.source[i].payload};
        r.v.frame = (struct frame){.track_id = 1,
                                   .dts = (i + 30) * TICK,
                                   .pts = (i + 30) * TICK,
                                   .duration = TICK,
                                   .captured_at = 1030 + i};
        give(r);
    }
    finish();
    for (int i = 0; i < rig.count; i++) {
        const struct wire_record *r = &rig.got[i];
        assert_int_not_equal(r->type, WIRE_STAT); /* no decode error */
        if (r->type != WIRE_FRAME) continue;
        assert_true(r->v.frame.pts > last);
        last = r->v.frame.pts;
        if (r->v.frame.flags & FRAME_KEY) {
            assert_true(last == 0 || last == 42 * TICK);
            keys++;
        }
        frames++;
    }
    assert_int_equal(keys, 2);
    assert_int_equal(frames, 30 + 3 + 30);
    clean_up();
}

/* Half the cadence: the frame at the mark is always there. */
static void test_lower_cadence_keeps_marked_frames(void **state)
{
    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 15);
    for (int i = 0; i < FRAMES; i++) {
        if (i % 45 == 0) give_mark(i, false); /* 45 is odd: parity turns */
        give_frame(i, 0);
    }
    finish();
    int n = 0;
    for (int i = 0; i < FRAMES; i++) {
        if (i % 45 % 2) continue;
        const struct frame *f = frame_of(67, n++);
        assert_non_null(f);
        assert_int_equal(f->pts, i * TICK);
        assert_int_equal(!!(f->flags & FRAME_KEY), i % 45 == 0);
    }
    assert_null(frame_of(67, n));
    clean_up();
}

static void test_a_rung_begins_and_ends_when_told(void **state)
{
    struct wire_record plan = {.type = WIRE_PLAN};

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    for (int i = 0; i < 20; i++)
        give_frame(i, 0);
    ask(66, 240, 136, 30); /* waits for its first mark */
    for (int i = 20; i < 40; i++) {
        if (i == 30) give_mark(i, false);
        give_frame(i, 0);
    }
    plan.v.plan.rendition_count = 1;
    plan.v.plan.rendition_ids[0] = 66;
    give(plan);
    for (int i = 40; i < 60; i++)
        give_frame(i, 0);
    finish();
    assert_int_equal(the_frame_of(66, 0)->pts, 30 * TICK);
    assert_true(the_frame_of(66, 0)->flags & FRAME_KEY);
    assert_int_equal(the_frame_of(66, 29)->pts, 59 * TICK);
    assert_int_equal(the_frame_of(67, 39)->pts, 39 * TICK);
    assert_null(frame_of(67, 40));
    clean_up();
}

/* Garbage in the middle: the last good picture stands in, nothing is lost. */
static void test_damage_keeps_the_cadence(void **state)
{
    static const uint8_t junk[] = {0, 0, 0, 3, 0x65, 0xff, 0xff, 0, 0, 0, 9, 1};

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    for (int i = 0; i < FRAMES; i++) {
        if (i == 10 || i == 11) {
            slice_unref(&rig.source[i].payload);
            rig.source[i].payload = (struct slice){NULL, junk, sizeof junk};
        }
        give_frame(i, 0);
    }
    finish();
    for (int i = 0; i < FRAMES; i++) {
        assert_non_null(frame_of(67, i));
        assert_int_equal(the_frame_of(67, i)->pts, i * TICK);
    }
    clean_up();
}

static void test_absurd_requests_are_answered(void **state)
{
    (void)state;
    begin(30);
    ask(67, 0, 90, 30);
    ask(68, 161, 91, 30);
    ask(69, 100000, 100000, 30);
    give_source_track();
    give_frame(0, 0);
    finish();
    int failed = 0;
    for (int i = 0; i < rig.count; i++)
        if (rig.got[i].type == WIRE_STAT) failed++;
    assert_int_equal(failed, 3);
    clean_up();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_each_second_is_looked_at),
    cmocka_unit_test(test_rungs_align_with_the_source),
    cmocka_unit_test(test_the_config_says_nothing_is_reordered),
    cmocka_unit_test(test_a_wished_keyframe_is_the_next_picture),
    cmocka_unit_test(test_on_demand_begins_at_once),
    cmocka_unit_test(test_a_reordered_source_is_put_in_order),
    cmocka_unit_test(test_payloads_are_length_prefixed_idrs),
    cmocka_unit_test(test_the_last_picture_again),
    cmocka_unit_test(test_lower_cadence_keeps_marked_frames),
    cmocka_unit_test(test_a_rung_begins_and_ends_when_told),
    cmocka_unit_test(test_damage_keeps_the_cadence),
    cmocka_unit_test(test_absurd_requests_are_answered),
};
HARNESS_MAIN(tests)
