#include "core/media/h264.h"
#include "tests/job_rig.h"

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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_reordered_source_is_put_in_order),
    cmocka_unit_test(test_the_last_picture_again),
    cmocka_unit_test(test_damage_keeps_the_cadence),
};
HARNESS_MAIN(tests)
