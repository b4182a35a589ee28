#include "transcode/worker/scaler.h"

#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/err.h"

enum { ALIGN = 32 };

struct scaler {
    int width, height;
    struct SwsContext *sws;
    AVBufferPool *pool; /* pictures come and go at the frame rate */
};

int scaler_create(struct scaler **out, uint32_t width, uint32_t height)
{
    struct scaler *s = calloc(1, sizeof *s);
    int size;

    if (!s) return ERR_NOMEM;
    s->width = (int)width;
    s->height = (int)height;
    size = av_image_get_buffer_size(AV_PIX_FMT_YUV420P, s->width, s->height,
                                    ALIGN);
    /* swscale writes whole vectors past the last line's end. */
    if (size > 0) s->pool = av_buffer_pool_init((size_t)size + 64, NULL);
    if (!s->pool) {
        free(s);
        return size > 0 ? ERR_NOMEM : ERR_UNSUPPORTED;
    }
    *out = s;
    return 0;
}

void scaler_free(struct scaler **s)
{
    struct scaler *last = *s;

    *s = NULL;
    if (!last) return;
    sws_freeContext(last->sws);
    av_buffer_pool_uninit(&last->pool);
    free(last);
}

static bool fits(const struct scaler *s, const AVFrame *in)
{
    return in->width == s->width && in->height == s->height &&
           (in->format == AV_PIX_FMT_YUV420P || in->format == AV_PIX_FMT_NV12);
}

static AVFrame *new_picture(struct scaler *s)
{
    AVFrame *f = av_frame_alloc();

    if (!f) return NULL;
    f->format = AV_PIX_FMT_YUV420P;
    f->width = s->width;
    f->height = s->height;
    f->buf[0] = av_buffer_pool_get(s->pool);
    if (!f->buf[0] || av_image_fill_arrays(f->data, f->linesize,
                                           f->buf[0]->data, AV_PIX_FMT_YUV420P,
                                           s->width, s->height, ALIGN) < 0)
        av_frame_free(&f);
    return f;
}

int scaler_run(struct scaler *s, const AVFrame *in, AVFrame **out)
{
    AVFrame *f;

    if (fits(s, in)) {
        f = av_frame_clone(in);
        if (!f) return ERR_NOMEM;
        *out = f;
        return 0;
    }
    s->sws = sws_getCachedContext(s->sws, in->width, in->height, in->format,
                                  s->width, s->height, AV_PIX_FMT_YUV420P,
                                  SWS_BICUBIC, NULL, NULL, NULL);
    if (!s->sws) return ERR_UNSUPPORTED;
    f = new_picture(s);
    if (!f) return ERR_NOMEM;
    if (sws_scale(s->sws, (const uint8_t *const *)in->data, in->linesize, 0,
                  in->height, f->data, f->linesize) < 0) {
        av_frame_free(&f);
        return ERR_UNSUPPORTED;
    }
    f->pts = in->pts;
    f->colorspace = in->colorspace;
    f->color_primaries = in->color_primaries;
    f->color_trc = in->color_trc;
    f->color_range = in->color_range;
    f->chroma_location = in->chroma_location;
    *out = f;
    return 0;
}
