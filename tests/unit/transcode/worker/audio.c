#include "tests/harness.h"

#include <libavcodec/avcodec.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/media/aac.h"
#include "transcode/worker/audio.h"

enum { RATE = 44100, PACKETS = 90, GOT_MAX = 400 };

/* Mono AAC at 44.1 kHz, made here; what the rungs made of it. */
static struct rig {
    AVPacket *source[PACKETS];
    struct track *track;
    struct sink sink;
    int fd;
    struct audio *audio;
    struct wire_record got[GOT_MAX];
    int count;
} rig;

static void make_source(void)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
    AVCodecContext *c = avcodec_alloc_context3(codec);
    AVFrame *f = av_frame_alloc();
    struct track_info info = {.id = 2,
                              .kind = TRACK_AUDIO,
                              .codec = CODEC_AAC,
                              .timescale = RATE,
                              .sample_rate = RATE,
                              .channels = 1};
    int n = 0;

    av_log_set_level(AV_LOG_QUIET);
    memset(&rig, 0, sizeof rig);
    c->sample_rate = RATE;
    c->sample_fmt = AV_SAMPLE_FMT_FLTP;
    c->bit_rate = 64000;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_channel_layout_default(&c->ch_layout, 1);
    assert_int_equal(avcodec_open2(c, codec, NULL), 0);
    for (int i = 0; n < PACKETS; i++) {
        f->nb_samples = 1024;
        f->format = c->sample_fmt;
        f->sample_rate = RATE;
        av_channel_layout_copy(&f->ch_layout, &c->ch_layout);
        assert_int_equal(av_frame_get_buffer(f, 0), 0);
        for (int k = 0; k < 1024; k++)
            ((float *)(void *)f->data[0])[k] =
                0.5f * sinf((float)(i * 1024 + k) * 0.06f);
        f->pts = i * 1024;
        assert_int_equal(avcodec_send_frame(c, f), 0);
        av_frame_unref(f);
        AVPacket *p = av_packet_alloc();
        if (avcodec_receive_packet(c, p) >= 0)
            rig.source[n++] = p;
        else
            av_packet_free(&p);
    }
    struct slice config = {NULL, c->extradata, (size_t)c->extradata_size};
    struct buf *kept = NULL;
    int err = buf_create(&kept, config.data, config.len);
    if (!err) {
        config = slice_take(&kept);
        err = track_create(&rig.track, &info, config);
        slice_unref(&config);
    }
    av_frame_free(&f);
    avcodec_free_context(&c);
    assert_int_equal(err, 0);
}

static void begin(void)
{
    struct wire_record hello = {.type = WIRE_HELLO,
                                .v.hello.version = WIRE_VERSION};

    make_source();
    rig.fd = memfd_create("out", MFD_CLOEXEC);
    sink_init(&rig.sink, rig.fd);
    assert_int_equal(sink_put(&rig.sink, &hello), 0);
    assert_int_equal(audio_create(&rig.audio, &rig.sink), 0);
    assert_int_equal(audio_source(rig.audio, rig.track), 0);
}

static void ask(uint8_t id, enum codec codec, uint32_t channels)
{
    struct track_info t = {.id = id,
                           .kind = TRACK_AUDIO,
                           .codec = codec,
                           .timescale = 48000,
                           .sample_rate = 48000,
                           .channels = channels,
                           .bitrate_bps = 96000};

    assert_int_equal(audio_rung(rig.audio, &t), 0);
}

static void feed(int i, int64_t pts)
{
    struct frame f = {.track_id = 2,
                      .flags = FRAME_KEY,
                      .pts = pts,
                      .dts = pts,
                      .duration = 1024,
                      .captured_at = 5000 + i};
    struct slice payload = {NULL, rig.source[i]->data,
                            (size_t)rig.source[i]->size};

    audio_feed(rig.audio, &f, &payload);
}

static void finish(void)
{
    struct wire_decoder d;
    uint8_t bytes[4096];
    ssize_t n;

    audio_free(&rig.audio);
    lseek(rig.fd, 0, SEEK_SET);
    wire_decoder_init(&d);
    while ((n = read(rig.fd, bytes, sizeof bytes)) > 0) {
        const uint8_t *p = bytes;
        size_t left = (size_t)n;
        while (!wire_feed(&d, &p, &left, &rig.got[rig.count]))
            assert_true(++rig.count < GOT_MAX);
    }
    wire_decoder_release(&d);
    close(rig.fd);
}

static void clean_up(void)
{
    for (int i = 0; i < rig.count; i++)
        wire_record_release(&rig.got[i]);
    for (int i = 0; i < PACKETS; i++)
        av_packet_free(&rig.source[i]);
    track_unref(&rig.track);
}

/* Times of a rung are its frames, end to end; returns how many there are. */
static int check_line(uint8_t id, int64_t step, int64_t first_least,
                      int64_t first_most)
{
    int64_t next = 0;
    int n = 0;

    for (int i = 0; i < rig.count; i++) {
        const struct frame *f = &rig.got[i].v.frame;
        if (rig.got[i].type != WIRE_FRAME || f->track_id != id) continue;
        if (!n) {
            assert_true(f->pts >= first_least && f->pts <= first_most);
            next = f->pts;
        }
        assert_int_equal(f->pts, next);
        assert_int_equal(f->duration, step);
        assert_true(f->captured_at >= 5000);
        next += step;
        n++;
    }
    return n;
}

/* A sine at half of full scale, of 2.09 s. */
static void test_each_second_is_listened_to(void **state)
{
    int heard = 0;

    (void)state;
    begin();
    ask(81, CODEC_OPUS, 2);
    for (int i = 0; i < PACKETS; i++)
        feed(i, i * 1024);
    finish();
    for (int i = 0; i < rig.count; i++) {
        const struct impression *c = &rig.got[i].v.impression;
        if (rig.got[i].type != WIRE_IMPRESSION) continue;
        assert_int_equal(c->track, 2);
        assert_int_equal(c->kind, TRACK_AUDIO);
        assert_in_range(c->rms_cdb + 2000, 1050, 1150);  /* -9.0 dBFS */
        assert_in_range(c->peak_cdb + 2000, 1350, 1700); /* it rings */
        assert_int_equal(c->clipped, 0);
        heard++;
    }
    assert_int_equal(heard, 2);
    clean_up();
}

static void test_aac_and_opus_at_48_khz(void **state)
{
    struct aac_config c;

    (void)state;
    begin();
    ask(80, CODEC_AAC, 2);
    ask(81, CODEC_OPUS, 2);
    for (int i = 0; i < PACKETS; i++)
        feed(i, 441000 + i * 1024); /* 10 s into the stream */
    finish();
    assert_int_equal(rig.got[1].type, WIRE_TRACK);
    assert_int_equal(
        aac_config_parse(&c, rig.got[1].payload.data, rig.got[1].payload.len),
        0);
    assert_int_equal(c.object_type, AAC_LC);
    assert_int_equal(c.sample_rate, 48000);
    assert_int_equal(c.channels, 2);
    assert_int_equal(rig.got[2].payload.len, 11); /* dOps */
    assert_int_equal(rig.got[2].payload.data[1], 2);
    /* Encoder delay lies before the first sample (priming). */
    assert_true(check_line(80, 1024, 480000 - 1100, 480000) >= 90);
    assert_true(check_line(81, 960, 480000 - 1100, 480000) >= 95);
    clean_up();
}

/* WebRTC's Opus becomes AAC for HLS: fed with what the last job made. */
static void test_opus_to_aac(void **state)
{
    static struct wire_record opus[GOT_MAX];
    struct track *t = NULL;
    int n = 0, err = ERR_NOTFOUND;

    (void)state;
    begin();
    ask(81, CODEC_OPUS, 2);
    for (int i = 0; i < PACKETS; i++)
        feed(i, i * 1024);
    finish();
    n = rig.count;
    memcpy(opus, rig.got, (size_t)n * sizeof *opus);
    rig.count = 0;
    clean_up();
    begin();
    for (int i = 0; i < n; i++) {
        if (opus[i].type != WIRE_TRACK) continue;
        opus[i].v.track.id = 2;
        err = wire_to_track(&opus[i], &t);
        if (!err) err = audio_source(rig.audio, t);
        track_unref(&t);
    }
    assert_int_equal(err, 0);
    ask(80, CODEC_AAC, 2);
    for (int i = 0; i < n; i++) {
        struct frame *f = &opus[i].v.frame;
        if (opus[i].type != WIRE_FRAME) continue;
        f->captured_at = 5000;
        audio_feed(rig.audio, f, &opus[i].payload);
    }
    finish();
    assert_in_range(check_line(80, 1024, -2000, 0), 90, 100);
    clean_up();
    for (int i = 0; i < n; i++)
        wire_record_release(&opus[i]);
}

/* Times that wobble by ms are smoothed; a hole is filled with silence. */
static void test_wobble_and_holes(void **state)
{
    (void)state;
    begin();
    ask(80, CODEC_AAC, 1);
    for (int i = 0; i < PACKETS; i++) {
        int64_t hole = i >= 40 ? RATE / 2 : 0;
        feed(i, 1024 * i + hole + (i % 3 - 1) * 300);
    }
    finish();
    int n = check_line(80, 1024, -1100 - 400, 400);
    /* 90 packets of 23.2 ms and half a second */
    assert_in_range(n, 117, 122);
    clean_up();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_each_second_is_listened_to),
    cmocka_unit_test(test_aac_and_opus_at_48_khz),
    cmocka_unit_test(test_opus_to_aac),
    cmocka_unit_test(test_wobble_and_holes),
};
HARNESS_MAIN(tests)
