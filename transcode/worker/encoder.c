#include "transcode/worker/encoder.h"

#include <libavutil/cpu.h>
#include <libavutil/hwcontext.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/media/h264.h"

enum {
    CONFIG_MAX = 4096,
    UNIT_MAX = 16 << 20,
    VAAPI_SURFACES = 8,
    /* Rungs run side by side (lane.c); the large ones are cut in slices too,
     * so that the last of them is not what all wait for. */
    SLICED_LINES = 720,
    SLICES_MAX = 4,
};

struct encoder {
    AVCodecContext *ctx;
    AVPacket *packet;
    AVBufferRef *device; /* vaapi: pictures are uploaded */
};

const char *const encoder_names[] = {"h264_nvenc", "h264_qsv", "h264_vaapi",
                                     "libx264", NULL};

struct option {
    const char *codec, *key, *value;
};

/* Why each: low delay, no surprises, IDR where we say (transcode notes §1). */
static const struct option options[] = {
    {"libx264", "preset", "superfast"},
    {"libx264", "tune", "zerolatency"},
    {"libx264", "forced-idr", "1"},
    {"libx264", "sc_threshold", "0"},
    {"libx264", "x264-params",
     "sliced-threads=1:scenecut=0:open-gop=0:keyint=infinite:aud=0"},
    {"h264_nvenc", "preset", "p4"},
    {"h264_nvenc", "tune", "ull"},
    {"h264_nvenc", "rc", "cbr"},
    {"h264_nvenc", "zerolatency", "1"},
    {"h264_nvenc", "delay", "0"},
    {"h264_nvenc", "forced-idr", "1"},
    {"h264_nvenc", "no-scenecut", "1"},
    {"h264_nvenc", "strict_gop", "1"},
    {"h264_nvenc", "spatial_aq", "1"},
    {"h264_qsv", "preset", "faster"},
    {"h264_qsv", "async_depth", "1"},
    {"h264_qsv", "look_ahead", "0"},
    {"h264_qsv", "low_delay_brc", "1"},
    {"h264_qsv", "forced_idr", "1"},
    {"h264_vaapi", "async_depth", "1"},
    {"h264_vaapi", "rc_mode", "CBR"},
};

static int upload_frames(struct encoder *e)
{
    AVCodecContext *c = e->ctx;
    int err;

    if (av_hwdevice_ctx_create(&e->device, AV_HWDEVICE_TYPE_VAAPI, NULL, NULL,
                               0))
        return ERR_UNSUPPORTED;
    c->hw_frames_ctx = av_hwframe_ctx_alloc(e->device);
    if (!c->hw_frames_ctx) return ERR_NOMEM;
    AVHWFramesContext *f = (AVHWFramesContext *)(void *)c->hw_frames_ctx->data;
    f->format = AV_PIX_FMT_VAAPI;
    f->sw_format = c->pix_fmt;
    f->width = c->width;
    f->height = c->height;
    f->initial_pool_size = VAAPI_SURFACES;
    err = av_hwframe_ctx_init(c->hw_frames_ctx);
    if (err < 0) return ERR_UNSUPPORTED;
    c->pix_fmt = AV_PIX_FMT_VAAPI;
    return 0;
}

static int threads_for(const struct track_info *t)
{
    uint32_t lines = t->width < t->height ? t->width : t->height;
    int cores = av_cpu_count();

    if (lines < SLICED_LINES) return 1;
    return cores < SLICES_MAX ? cores : SLICES_MAX;
}

static void describe(AVCodecContext *c, const struct encoder_conf *conf)
{
    const struct track_info *t = &conf->info;

    c->width = (int)t->width;
    c->height = (int)t->height;
    c->time_base = (AVRational){1, VIDEO_TIMESCALE};
    c->framerate = t->fps_num && t->fps_den
                       ? (AVRational){(int)t->fps_num, (int)t->fps_den}
                       : (AVRational){30, 1};
    c->pix_fmt = conf->like->format == AV_PIX_FMT_NV12 ? AV_PIX_FMT_NV12
                                                       : AV_PIX_FMT_YUV420P;
    c->sample_aspect_ratio = (AVRational){1, 1};
    c->colorspace = conf->like->colorspace;
    c->color_primaries = conf->like->color_primaries;
    c->color_trc = conf->like->color_trc;
    c->color_range = conf->like->color_range;
    c->chroma_sample_location = conf->like->chroma_location;
    c->bit_rate = c->rc_max_rate = t->bitrate_bps;
    c->rc_buffer_size = (int)t->bitrate_bps; /* one second */
    c->max_b_frames = 0;
    c->gop_size = 20 * (c->framerate.num / c->framerate.den + 1);
    c->profile = FF_PROFILE_H264_MAIN;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP |
                AV_CODEC_FLAG_LOW_DELAY;
    c->thread_count = threads_for(t);
    c->thread_type = FF_THREAD_SLICE;
}

static int try_open(struct encoder *e, const char *name,
                    const struct encoder_conf *conf)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(name);
    int err;

    if (!codec) return ERR_UNSUPPORTED;
    e->ctx = avcodec_alloc_context3(codec);
    if (!e->ctx) return ERR_NOMEM;
    describe(e->ctx, conf);
    if (strcmp(name, "libx264")) e->ctx->pix_fmt = AV_PIX_FMT_NV12;
    if (!strcmp(name, "h264_vaapi")) {
        err = upload_frames(e);
        if (err) goto fail;
    }
    av_opt_set(e->ctx->priv_data, "profile", "main", 0);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (!strcmp(options[i].codec, name))
            av_opt_set(e->ctx, options[i].key, options[i].value,
                       AV_OPT_SEARCH_CHILDREN);
    err = avcodec_open2(e->ctx, codec, NULL) < 0 ? ERR_UNSUPPORTED : 0;
    if (!err) return 0;
fail:
    avcodec_free_context(&e->ctx);
    av_buffer_unref(&e->device);
    return err;
}

int encoder_open(struct encoder **out, const struct encoder_conf *conf)
{
    struct encoder *e = calloc(1, sizeof *e);
    int err = ERR_UNSUPPORTED;

    if (!e) return ERR_NOMEM;
    e->packet = av_packet_alloc();
    if (!e->packet) {
        free(e);
        return ERR_NOMEM;
    }
    for (int i = 0; err && encoder_names[i]; i++) {
        bool software = !strcmp(encoder_names[i], "libx264");
        if (conf->only ? strcmp(conf->only, encoder_names[i]) != 0
                       : !software && !conf->hardware)
            continue;
        err = try_open(e, encoder_names[i], conf);
    }
    if (err) {
        encoder_free(&e);
        return err;
    }
    *out = e;
    return 0;
}

void encoder_free(struct encoder **e)
{
    struct encoder *last = *e;

    *e = NULL;
    if (!last) return;
    av_packet_free(&last->packet);
    avcodec_free_context(&last->ctx);
    av_buffer_unref(&last->device);
    free(last);
}

const char *encoder_name(const struct encoder *e)
{
    return e->ctx->codec->name;
}

int encoder_config(const struct encoder *e, struct slice *out)
{
    struct h264_params p = {.length_size = 4};
    struct reader in =
        reader_of(e->ctx->extradata, (size_t)e->ctx->extradata_size);
    struct builder b;
    struct buf *whole = NULL;
    struct nal n;
    int err;

    while (nal_next_annexb(&in, &n))
        if (h264_type(n) == H264_SPS || h264_type(n) == H264_PPS)
            h264_params_add(&p, n);
    if (!p.sps_count || !p.pps_count || p.sps[0].len < 4) return ERR_SYNTAX;
    builder_init(&b, CONFIG_MAX);
    h264_avcc_write(&b, &p);
    err = builder_seal(&b, &whole);
    if (!err) *out = slice_take(&whole);
    return err;
}

static AVFrame *on_device(struct encoder *e, const AVFrame *picture)
{
    AVFrame *up = av_frame_alloc();

    if (!up) return NULL;
    if (av_hwframe_get_buffer(e->ctx->hw_frames_ctx, up, 0) < 0 ||
        av_hwframe_transfer_data(up, picture, 0) < 0)
        av_frame_free(&up);
    else
        up->pts = picture->pts;
    return up;
}

int encoder_send(struct encoder *e, AVFrame *picture, bool idr)
{
    AVFrame *up = NULL;
    int err;

    if (picture && e->device) {
        up = on_device(e, picture);
        if (!up) return ERR_IO;
        picture = up;
    }
    /* What the decoder left there would force types of its own. */
    if (picture)
        picture->pict_type = idr ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    if (picture) picture->key_frame = idr;
    err = avcodec_send_frame(e->ctx, picture);
    av_frame_free(&up);
    return err < 0 && err != AVERROR_EOF ? ERR_IO : 0;
}

int encoder_receive(struct encoder *e, struct encoded *out)
{
    struct builder b;
    struct buf *whole = NULL;
    AVPacket *p = e->packet;
    int err = avcodec_receive_packet(e->ctx, p);

    if (err == AVERROR(EAGAIN)) return ERR_AGAIN;
    if (err == AVERROR_EOF) return ERR_CLOSED;
    if (err < 0) return ERR_IO;
    builder_init(&b, UNIT_MAX);
    nal_repack(&b, NAL_ANNEXB, p->data, (size_t)p->size, h264_drops);
    err = builder_seal(&b, &whole);
    if (!err) {
        out->payload = slice_take(&whole);
        out->pts = p->pts;
        out->dts = p->dts;
        out->key = p->flags & AV_PKT_FLAG_KEY;
    }
    av_packet_unref(p);
    return err;
}
