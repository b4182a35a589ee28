#include "transcode/worker/audio.h"

#include <libavcodec/avcodec.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "transcode/worker/level.h"

enum {
    RESYNC_US = 40000,
    GAP_MAX_US = 2000000, /* shorter ones are filled with silence */
    SAMPLES_MAX = 1 << 16,
    DOPS_BYTES = 11,
    OPUS_HEAD_BYTES = 19,
};

struct audio_encoder {
    struct track_info info;
    AVCodecContext *ctx;
    SwrContext *swr; /* made for the shape of the first decoded frame */
    int in_rate, in_format, in_channels;
    AVAudioFifo *fifo;
    AVFrame *frame;
    int64_t next_pts; /* of the fifo's end, in samples */
    bool placed;
};

struct audio {
    struct sink *sink;
    AVCodecContext *decoder;
    uint32_t timescale;
    AVPacket *packet;
    AVFrame *frame;
    struct audio_encoder rungs[AUDIO_RUNGS_MAX];
    int count;
    int64_t captured_at, errors;
    uint8_t source_id;
    struct level level;
};

int audio_create(struct audio **out, struct sink *sink)
{
    struct audio *a = calloc(1, sizeof *a);

    if (!a) return ERR_NOMEM;
    a->sink = sink;
    a->packet = av_packet_alloc();
    a->frame = av_frame_alloc();
    if (!a->packet || !a->frame) {
        audio_free(&a);
        return ERR_NOMEM;
    }
    *out = a;
    return 0;
}

static void rung_release(struct audio_encoder *e)
{
    avcodec_free_context(&e->ctx);
    swr_free(&e->swr);
    av_audio_fifo_free(e->fifo);
    av_frame_free(&e->frame);
    *e = (struct audio_encoder){0};
}

void audio_free(struct audio **a)
{
    struct audio *last = *a;

    *a = NULL;
    if (!last) return;
    for (int i = 0; i < last->count; i++)
        rung_release(&last->rungs[i]);
    avcodec_free_context(&last->decoder);
    av_packet_free(&last->packet);
    av_frame_free(&last->frame);
    free(last);
}

int64_t audio_errors(const struct audio *a)
{
    return a->errors;
}

/* RFC 7845 §5.1 wants little-endian, ISO-BMFF's dOps big-endian. */
static size_t dops_of_head(uint8_t out[DOPS_BYTES], const uint8_t *h,
                           size_t len)
{
    if (len < OPUS_HEAD_BYTES || memcmp(h, "OpusHead", 8)) return 0;
    const uint8_t dops[DOPS_BYTES] = {0,     h[9],  h[11], h[10], h[15], h[14],
                                      h[13], h[12], h[17], h[16], 0};
    memcpy(out, dops, DOPS_BYTES);
    return DOPS_BYTES;
}

static void head_of_dops(uint8_t out[OPUS_HEAD_BYTES], const uint8_t *d)
{
    const uint8_t head[OPUS_HEAD_BYTES] = {
        'O',  'p',  'u',  's',  'H',  'e',  'a',  'd',  1, d[1],
        d[3], d[2], d[7], d[6], d[5], d[4], d[9], d[8], 0};
    memcpy(out, head, OPUS_HEAD_BYTES);
}

static int set_extradata(AVCodecContext *c, const struct track *source)
{
    struct slice config = track_config(source);
    uint8_t head[OPUS_HEAD_BYTES];

    if (track_info(source)->codec == CODEC_OPUS) {
        if (config.len < DOPS_BYTES) return 0;
        head_of_dops(head, config.data);
        config = (struct slice){NULL, head, sizeof head};
    }
    if (!config.len) return 0;
    c->extradata = av_mallocz(config.len + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!c->extradata) return ERR_NOMEM;
    memcpy(c->extradata, config.data, config.len);
    c->extradata_size = (int)config.len;
    return 0;
}

int audio_source(struct audio *a, const struct track *source)
{
    const struct track_info *t = track_info(source);
    const AVCodec *codec = avcodec_find_decoder(
        t->codec == CODEC_AAC ? AV_CODEC_ID_AAC : AV_CODEC_ID_OPUS);

    avcodec_free_context(&a->decoder);
    a->source_id = t->id;
    a->level = (struct level){0};
    if (!codec || (t->codec != CODEC_AAC && t->codec != CODEC_OPUS))
        return ERR_UNSUPPORTED;
    a->decoder = avcodec_alloc_context3(codec);
    if (!a->decoder) return ERR_NOMEM;
    a->timescale = t->timescale;
    a->decoder->pkt_timebase = (AVRational){1, (int)t->timescale};
    a->decoder->sample_rate = (int)t->sample_rate;
    av_channel_layout_default(&a->decoder->ch_layout,
                              t->channels ? (int)t->channels : 2);
    if (set_extradata(a->decoder, source) ||
        avcodec_open2(a->decoder, codec, NULL) < 0) {
        avcodec_free_context(&a->decoder);
        return ERR_UNSUPPORTED;
    }
    return 0;
}

static int open_encoder(struct audio_encoder *e)
{
    bool opus = e->info.codec == CODEC_OPUS;
    const AVCodec *codec = opus ? avcodec_find_encoder_by_name("libopus")
                                : avcodec_find_encoder(AV_CODEC_ID_AAC);

    if (!codec) return ERR_UNSUPPORTED;
    e->ctx = avcodec_alloc_context3(codec);
    e->frame = av_frame_alloc();
    if (!e->ctx || !e->frame) return ERR_NOMEM;
    e->ctx->sample_rate = (int)e->info.timescale;
    e->ctx->sample_fmt = opus ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP;
    e->ctx->bit_rate = e->info.bitrate_bps;
    e->ctx->time_base = (AVRational){1, e->ctx->sample_rate};
    e->ctx->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_channel_layout_default(&e->ctx->ch_layout, (int)e->info.channels);
    if (opus) {
        av_opt_set(e->ctx->priv_data, "application", "audio", 0);
        av_opt_set(e->ctx->priv_data, "frame_duration", "20", 0);
        av_opt_set(e->ctx->priv_data, "fec", "1", 0);
        av_opt_set(e->ctx->priv_data, "packet_loss", "5", 0);
    }
    if (avcodec_open2(e->ctx, codec, NULL) < 0) return ERR_UNSUPPORTED;
    e->fifo = av_audio_fifo_alloc(e->ctx->sample_fmt,
                                  e->ctx->ch_layout.nb_channels, SAMPLES_MAX);
    return e->fifo ? 0 : ERR_NOMEM;
}

static int announce(struct audio *a, const struct audio_encoder *e)
{
    struct wire_record r = {.type = WIRE_TRACK, .v.track = e->info};
    uint8_t dops[DOPS_BYTES];

    r.payload =
        (struct slice){NULL, e->ctx->extradata, (size_t)e->ctx->extradata_size};
    if (e->info.codec == CODEC_OPUS)
        r.payload = (struct slice){
            NULL, dops, dops_of_head(dops, r.payload.data, r.payload.len)};
    return sink_put(a->sink, &r);
}

static void drop_rung(struct audio *a, int i)
{
    rung_release(&a->rungs[i]);
    a->rungs[i] = a->rungs[--a->count];
}

void audio_keep(struct audio *a, const uint8_t *ids, int count)
{
    for (int i = a->count - 1; i >= 0; i--)
        if (!count || !memchr(ids, a->rungs[i].info.id, (size_t)count))
            drop_rung(a, i);
}

int audio_rung(struct audio *a, const struct track_info *info)
{
    struct audio_encoder *e;
    int err;

    for (int i = 0; i < a->count; i++) {
        if (a->rungs[i].info.id != info->id) continue;
        drop_rung(a, i);
        break;
    }
    if (a->count == AUDIO_RUNGS_MAX) return ERR_LIMIT;
    e = &a->rungs[a->count];
    *e = (struct audio_encoder){0};
    if (info->channels < 1 || info->channels > 2) return ERR_UNSUPPORTED;
    e->info = *info;
    err = open_encoder(e);
    if (!err) err = announce(a, e);
    if (err)
        rung_release(e);
    else
        a->count++;
    return err;
}

/* --- samples -------------------------------------------------------------- */

static void put_packets(struct audio *a, struct audio_encoder *e)
{
    while (avcodec_receive_packet(e->ctx, a->packet) >= 0) {
        AVPacket *p = a->packet;
        struct wire_record r = {.type = WIRE_FRAME};
        r.v.frame = (struct frame){.track_id = e->info.id,
                                   .flags = FRAME_KEY,
                                   .dts = p->pts,
                                   .pts = p->pts,
                                   .duration = e->ctx->frame_size,
                                   .captured_at = a->captured_at};
        r.payload = (struct slice){NULL, p->data, (size_t)p->size};
        sink_put(a->sink, &r);
        av_packet_unref(p);
    }
}

static void encode_whole_frames(struct audio *a, struct audio_encoder *e)
{
    int n = e->ctx->frame_size;
    AVFrame *f = e->frame;

    while (av_audio_fifo_size(e->fifo) >= n) {
        f->nb_samples = n;
        f->format = e->ctx->sample_fmt;
        f->sample_rate = e->ctx->sample_rate;
        if (av_channel_layout_copy(&f->ch_layout, &e->ctx->ch_layout) < 0 ||
            av_frame_get_buffer(f, 0) < 0)
            return;
        f->pts = e->next_pts - av_audio_fifo_size(e->fifo);
        av_audio_fifo_read(e->fifo, (void **)f->data, n);
        if (avcodec_send_frame(e->ctx, f) < 0) a->errors++;
        av_frame_unref(f);
        put_packets(a, e);
    }
}

static int shape(struct audio_encoder *e, AVFrame *in)
{
    if (e->swr && e->in_rate == in->sample_rate && e->in_format == in->format &&
        e->in_channels == in->ch_layout.nb_channels)
        return 0;
    swr_free(&e->swr);
    if (swr_alloc_set_opts2(&e->swr, &e->ctx->ch_layout, e->ctx->sample_fmt,
                            e->ctx->sample_rate, &in->ch_layout, in->format,
                            in->sample_rate, 0, NULL) < 0 ||
        swr_init(e->swr) < 0) {
        swr_free(&e->swr);
        return ERR_UNSUPPORTED;
    }
    e->in_rate = in->sample_rate;
    e->in_format = in->format;
    e->in_channels = in->ch_layout.nb_channels;
    return 0;
}

/* Into the fifo; in NULL: silence of n samples. */
static int convert(struct audio_encoder *e, const AVFrame *in, int n)
{
    uint8_t *out[AV_NUM_DATA_POINTERS] = {0};
    int got = n;

    if (in) n = swr_get_out_samples(e->swr, in->nb_samples);
    if (n <= 0 || n > SAMPLES_MAX) return ERR_LIMIT;
    if (av_samples_alloc(out, NULL, e->ctx->ch_layout.nb_channels, n,
                         e->ctx->sample_fmt, 0) < 0)
        return ERR_NOMEM;
    if (in)
        got = swr_convert(e->swr, out, n, (const uint8_t **)in->extended_data,
                          in->nb_samples);
    else
        av_samples_set_silence(out, 0, n, e->ctx->ch_layout.nb_channels,
                               e->ctx->sample_fmt);
    if (got > 0) got = av_audio_fifo_write(e->fifo, (void **)out, got);
    if (got > 0) e->next_pts += got;
    av_freep(&out[0]);
    return got < 0 ? ERR_IO : 0;
}

/* Puts the fifo's end where in begins. True: in lies in the past, skip it. */
static bool place(struct audio_encoder *e, int64_t pts)
{
    int64_t rate = e->ctx->sample_rate;
    int64_t held = e->swr ? swr_get_delay(e->swr, rate) : 0;
    int64_t off = pts - (e->next_pts + held);

    if (e->placed && llabs(off) * 1000000 <= RESYNC_US * rate) return false;
    if (e->placed && off < 0) return true;
    if (e->placed && off * 1000000 < GAP_MAX_US * rate) {
        while (off > 0) {
            int n = off < 4096 ? (int)off : 4096;
            if (convert(e, NULL, n)) break;
            off -= n;
        }
        return false;
    }
    av_audio_fifo_reset(e->fifo);
    e->next_pts = pts - held;
    e->placed = true;
    return false;
}

static void listen(struct audio *a)
{
    struct wire_record r = {.type = WIRE_IMPRESSION};

    if (!level_feed(&a->level, a->frame, &r.v.impression)) return;
    r.v.impression.track = a->source_id;
    sink_put(a->sink, &r);
}

static void take_samples(struct audio *a)
{
    AVFrame *f = a->frame;

    if (f->pts == AV_NOPTS_VALUE || !f->sample_rate) return;
    for (int i = 0; i < a->count; i++) {
        struct audio_encoder *e = &a->rungs[i];
        int64_t pts =
            av_rescale(f->pts, e->ctx->sample_rate, (int64_t)a->timescale);
        if (shape(e, f) || place(e, pts)) {
            a->errors++;
            continue;
        }
        if (convert(e, f, 0)) a->errors++;
        encode_whole_frames(a, e);
    }
}

void audio_feed(struct audio *a, const struct frame *f,
                const struct slice *payload)
{
    if (!a->decoder || payload->len > INT_MAX / 2) return;
    if (f->flags & FRAME_DISCONTINUITY) avcodec_flush_buffers(a->decoder);
    if (av_new_packet(a->packet, (int)payload->len)) return;
    if (payload->len) memcpy(a->packet->data, payload->data, payload->len);
    a->packet->pts = a->packet->dts = f->pts;
    a->captured_at = f->captured_at;
    if (avcodec_send_packet(a->decoder, a->packet) < 0) a->errors++;
    av_packet_unref(a->packet);
    while (avcodec_receive_frame(a->decoder, a->frame) >= 0) {
        take_samples(a);
        listen(a);
        av_frame_unref(a->frame);
    }
}
