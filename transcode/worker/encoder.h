/* transcode/worker/encoder.h — one H.264 encoder: pictures in, access units
 * with 4-byte lengths out. Main profile, no B-frames, an IDR exactly where one
 * is asked for and nowhere else, times untouched. One thread at a time.
 * Order of trial with hardware: nvenc, qsv, vaapi, then libx264; one counts as
 * opened when it really opened for this size. */
#ifndef TRANSCODE_WORKER_ENCODER_H
#define TRANSCODE_WORKER_ENCODER_H
#include <libavcodec/avcodec.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/media/track.h"

struct encoder;

struct encoder_conf {
    struct track_info info; /* size, cadence, bitrate_bps */
    const AVFrame *like;    /* colours and pixel format; borrowed */
    bool hardware;
    const char *only; /* this codec or none; NULL: in order */
};

struct encoded {
    struct slice payload; /* the caller's to unref */
    int64_t pts, dts;     /* VIDEO_TIMESCALE ticks */
    bool key;
};

/* Names in order of trial, NULL-terminated. */
extern const char *const encoder_names[];

/* 0, ERR_UNSUPPORTED (nothing opened) or ERR_NOMEM. */
int encoder_open(struct encoder **out, const struct encoder_conf *conf);
void encoder_free(struct encoder **e);
const char *encoder_name(const struct encoder *e);
/* Gives the avcC; empty until the encoder knows it. 0 or an error. */
int encoder_config(const struct encoder *e, struct slice *out);

/* Borrows the picture (NULL: no more come). 0 or ERR_IO. */
int encoder_send(struct encoder *e, AVFrame *picture, bool idr);
/* 0, ERR_AGAIN, ERR_CLOSED (drained), ERR_IO, ERR_NOMEM. */
int encoder_receive(struct encoder *e, struct encoded *out);

#endif
