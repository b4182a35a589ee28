#include "transcode/worker/decoder.h"

#include <libavutil/cpu.h>
#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

struct decoder {
    AVCodecContext *ctx;
    AVPacket *packet;
    AVFrame *frame, *plain; /* plain: brought back from a device */
    AVFrame *good;          /* the last sound picture */
    enum AVPixelFormat device_format;
    const char *device;
    bool damaged; /* until the next keyframe */
    int64_t last_pts;
    int64_t errors;
    decoder_picture *on_picture;
    void *arg;
};

static const enum AVHWDeviceType devices[] = {
    AV_HWDEVICE_TYPE_CUDA, AV_HWDEVICE_TYPE_VAAPI, AV_HWDEVICE_TYPE_QSV};

static enum AVCodecID codec_id(enum codec c)
{
    switch (c) {
    case CODEC_H264: return AV_CODEC_ID_H264;
    case CODEC_HEVC: return AV_CODEC_ID_HEVC;
    case CODEC_AV1: return AV_CODEC_ID_AV1;
    default: return AV_CODEC_ID_NONE;
    }
}

static enum AVPixelFormat pick_format(AVCodecContext *c,
                                      const enum AVPixelFormat *offered)
{
    const struct decoder *d = c->opaque;

    for (int i = 0; offered[i] != AV_PIX_FMT_NONE; i++)
        if (offered[i] == d->device_format) return offered[i];
    for (int i = 0; offered[i] != AV_PIX_FMT_NONE; i++) {
        const AVPixFmtDescriptor *p = av_pix_fmt_desc_get(offered[i]);
        if (p && !(p->flags & AV_PIX_FMT_FLAG_HWACCEL)) return offered[i];
    }
    return AV_PIX_FMT_NONE;
}

static bool attach_device(struct decoder *d, const AVCodec *codec,
                          enum AVHWDeviceType type)
{
    for (int i = 0;; i++) {
        const AVCodecHWConfig *h = avcodec_get_hw_config(codec, i);
        if (!h) return false;
        if (h->device_type != type ||
            !(h->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX))
            continue;
        if (av_hwdevice_ctx_create(&d->ctx->hw_device_ctx, type, NULL, NULL,
                                   0) < 0)
            return false;
        d->device_format = h->pix_fmt;
        d->device = av_hwdevice_get_type_name(type);
        return true;
    }
}

static int set_up(struct decoder *d, const struct track *source, bool hardware)
{
    struct slice config = track_config(source);
    const AVCodec *codec =
        avcodec_find_decoder(codec_id(track_info(source)->codec));

    if (!codec) return ERR_UNSUPPORTED;
    d->ctx = avcodec_alloc_context3(codec);
    if (!d->ctx) return ERR_NOMEM;
    d->ctx->opaque = d;
    d->ctx->pkt_timebase = (AVRational){1, VIDEO_TIMESCALE};
    d->ctx->flags |= AV_CODEC_FLAG_LOW_DELAY;
    /* Frame threads would hold frames back; slices are there where the source
     * was encoded for low delay. */
    d->ctx->thread_count = av_cpu_count() < 4 ? av_cpu_count() : 4;
    d->ctx->thread_type = FF_THREAD_SLICE;
    d->ctx->get_format = pick_format;
    if (config.len) {
        d->ctx->extradata =
            av_mallocz(config.len + AV_INPUT_BUFFER_PADDING_SIZE);
        if (!d->ctx->extradata) return ERR_NOMEM;
        memcpy(d->ctx->extradata, config.data, config.len);
        d->ctx->extradata_size = (int)config.len;
    }
    for (size_t i = 0; hardware && i < sizeof devices / sizeof *devices; i++)
        if (attach_device(d, codec, devices[i])) break;
    return avcodec_open2(d->ctx, codec, NULL) < 0 ? ERR_UNSUPPORTED : 0;
}

int decoder_open(struct decoder **out, const struct track *source,
                 bool hardware, decoder_picture *on_picture, void *arg)
{
    struct decoder *d = calloc(1, sizeof *d);
    int err = ERR_NOMEM;

    if (!d) return ERR_NOMEM;
    d->device_format = AV_PIX_FMT_NONE;
    d->last_pts = INT64_MIN;
    d->on_picture = on_picture;
    d->arg = arg;
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    d->plain = av_frame_alloc();
    d->good = av_frame_alloc();
    if (d->packet && d->frame && d->plain && d->good)
        err = set_up(d, source, hardware);
    if (err) {
        decoder_free(&d);
        return err;
    }
    *out = d;
    return 0;
}

void decoder_free(struct decoder **d)
{
    struct decoder *last = *d;

    *d = NULL;
    if (!last) return;
    av_packet_free(&last->packet);
    av_frame_free(&last->frame);
    av_frame_free(&last->plain);
    av_frame_free(&last->good);
    avcodec_free_context(&last->ctx);
    free(last);
}

const char *decoder_device(const struct decoder *d)
{
    return d->device ? d->device : "software";
}

int64_t decoder_errors(const struct decoder *d)
{
    return d->errors;
}

static void give(struct decoder *d, AVFrame *picture)
{
    if (picture->pts == AV_NOPTS_VALUE || picture->pts <= d->last_pts) return;
    d->last_pts = picture->pts;
    d->on_picture(picture, d->arg);
}

/* The last good picture at another time. */
static void give_stand_in(struct decoder *d, int64_t pts)
{
    if (!d->good->buf[0]) return;
    d->good->pts = pts;
    give(d, d->good);
}

static void take_picture(struct decoder *d)
{
    AVFrame *f = d->frame;
    bool corrupt = f->decode_error_flags || f->flags & AV_FRAME_FLAG_CORRUPT;

    f->pts = f->best_effort_timestamp;
    if (f->key_frame && !corrupt) d->damaged = false;
    if (corrupt) {
        d->errors++;
        d->damaged = true;
    }
    if (d->damaged) {
        give_stand_in(d, f->pts);
        return;
    }
    if (f->hw_frames_ctx) {
        int64_t pts = f->pts;
        av_frame_unref(d->plain);
        if (av_hwframe_transfer_data(d->plain, f, 0) < 0) {
            d->errors++;
            give_stand_in(d, pts);
            return;
        }
        av_frame_copy_props(d->plain, f);
        f = d->plain;
    }
    av_frame_unref(d->good);
    if (av_frame_ref(d->good, f)) return;
    give(d, f);
}

static void receive(struct decoder *d)
{
    while (avcodec_receive_frame(d->ctx, d->frame) >= 0) {
        take_picture(d);
        av_frame_unref(d->frame);
    }
}

void decoder_feed(struct decoder *d, const struct frame *f,
                  const struct slice *payload)
{
    int err;

    if (f->flags & FRAME_DISCONTINUITY) decoder_drain(d);
    if (payload->len > INT_MAX - AV_INPUT_BUFFER_PADDING_SIZE) return;
    /* libavcodec reads past the end: a padded copy. */
    if (av_new_packet(d->packet, (int)payload->len)) {
        d->errors++;
        return;
    }
    if (payload->len) memcpy(d->packet->data, payload->data, payload->len);
    d->packet->pts = f->pts;
    d->packet->dts = f->dts;
    if (f->flags & FRAME_KEY) d->packet->flags |= AV_PKT_FLAG_KEY;
    err = avcodec_send_packet(d->ctx, d->packet);
    av_packet_unref(d->packet);
    receive(d);
    if (err >= 0) return;
    d->errors++;
    d->damaged = true;
    give_stand_in(d, f->pts);
}

void decoder_drain(struct decoder *d)
{
    if (avcodec_send_packet(d->ctx, NULL) >= 0) receive(d);
    avcodec_flush_buffers(d->ctx);
}
