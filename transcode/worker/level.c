#include "transcode/worker/level.h"

#include <libavutil/samplefmt.h>
#include <math.h>

/* What was at full scale when it was coded comes back a little off it. */
static const float full_scale = 0.99F;

static void hear_floats(struct level *l, int channel, const float *s, int n,
                        int step)
{
    double squares = 0;
    float peak = 0;
    int clipped = 0;

    for (int i = 0; i < n; i++) {
        float x = fabsf(s[(ptrdiff_t)i * step]);
        squares += (double)(x * x);
        peak = x > peak ? x : peak;
        clipped += x >= full_scale;
    }
    l->squares[channel] += squares;
    if (peak > l->peak) l->peak = (double)peak;
    l->clipped += clipped;
}

static void hear_words(struct level *l, int channel, const int16_t *s, int n,
                       int step)
{
    enum { RUN = 256 };
    float x[RUN];

    for (int from = 0; from < n; from += RUN) {
        int run = n - from < RUN ? n - from : RUN;
        for (int i = 0; i < run; i++)
            x[i] = (float)s[(ptrdiff_t)(from + i) * step] / 32768;
        hear_floats(l, channel, x, run, 1);
    }
}

static void hear(struct level *l, const AVFrame *f, int channel)
{
    bool planar = av_sample_fmt_is_planar(f->format);
    int step = planar ? 1 : f->ch_layout.nb_channels;
    const uint8_t *data = f->extended_data[planar ? channel : 0];
    int from = planar ? 0 : channel;

    if (av_get_packed_sample_fmt(f->format) == AV_SAMPLE_FMT_FLT)
        hear_floats(l, channel, (const float *)(const void *)data + from,
                    f->nb_samples, step);
    else
        hear_words(l, channel, (const int16_t *)(const void *)data + from,
                   f->nb_samples, step);
}

static int16_t decibels(double power)
{
    double cdb = power > 0 ? 1000 * log10(power) : IMPRESSION_FLOOR_CDB;

    if (!(cdb > IMPRESSION_FLOOR_CDB))
        return IMPRESSION_FLOOR_CDB; /* and NaN */
    return cdb < IMPRESSION_PEAK_CDB ? (int16_t)lrint(cdb)
                                     : IMPRESSION_PEAK_CDB;
}

bool level_feed(struct level *l, const AVFrame *f, struct impression *out)
{
    enum AVSampleFormat packed = av_get_packed_sample_fmt(f->format);
    int channels = f->ch_layout.nb_channels;
    double loudest = 0;

    if (packed != AV_SAMPLE_FMT_FLT && packed != AV_SAMPLE_FMT_S16)
        return false;
    if (channels > LEVEL_CHANNELS_MAX) channels = LEVEL_CHANNELS_MAX;
    for (int i = 0; i < channels; i++)
        hear(l, f, i);
    l->samples += f->nb_samples;
    if (channels < 1 || f->sample_rate < 1 || l->samples < f->sample_rate)
        return false;
    for (int i = 0; i < LEVEL_CHANNELS_MAX; i++)
        if (l->squares[i] > loudest) loudest = l->squares[i];
    int64_t ms = l->samples * 1000 / f->sample_rate;
    int64_t clipped = l->clipped * IMPRESSION_WHOLE / (l->samples * channels);
    *out = (struct impression){
        .kind = TRACK_AUDIO,
        .span_ms =
            ms < IMPRESSION_SPAN_MAX_MS ? (uint32_t)ms : IMPRESSION_SPAN_MAX_MS,
        .rms_cdb = decibels(loudest / (double)l->samples),
        .peak_cdb = decibels(l->peak * l->peak),
        .clipped =
            clipped < IMPRESSION_WHOLE ? (uint16_t)clipped : IMPRESSION_WHOLE};
    *l = (struct level){0};
    return true;
}
