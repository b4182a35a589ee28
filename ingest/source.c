#include "ingest/source.h"

#include "core/base/err.h"
#include "core/media/aac.h"
#include "core/media/av1.h"
#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "core/media/hevc.h"

enum { OPUS_RATE = 48000, FPS_MIN = 1, FPS_MAX = 240 };

/* The encoder's own word goes before metadata's, if it can be true. */
static void set_cadence(struct source *s, uint32_t num, uint32_t den)
{
    if (!den || num / den < FPS_MIN || num / den > FPS_MAX) return;
    s->info.fps_num = num;
    s->info.fps_den = den;
}

static int init_h264(struct source *s, struct slice config)
{
    struct h264_params p;
    struct h264_sps sps;
    int err = h264_avcc_parse(&p, config.data, config.len);

    if (!err) err = h264_sps_parse(&sps, p.sps[0].data, p.sps[0].len);
    if (err) return err;
    s->info.timescale = VIDEO_TIMESCALE;
    h264_sps_display(&sps, &s->info.width, &s->info.height);
    set_cadence(s, sps.fps_num, sps.fps_den);
    return 0;
}

static int init_hevc(struct source *s, struct slice config)
{
    struct hevc_params p;
    struct hevc_sps sps;
    int err = hevc_hvcc_parse(&p, config.data, config.len);

    if (!err) err = hevc_sps_parse(&sps, p.sets[1][0].data, p.sets[1][0].len);
    if (err) return err;
    s->info.timescale = VIDEO_TIMESCALE;
    s->info.width = sps.width;
    s->info.height = sps.height;
    set_cadence(s, sps.fps_num, sps.fps_den);
    return 0;
}

static int init_av1(struct source *s, struct slice config)
{
    struct av1_sequence seq;
    struct av1_obu o;
    int err = av1_record_parse(&o, config.data, config.len);

    if (!err) err = av1_sequence_parse(&seq, o.data, o.len);
    if (err) return err;
    s->info.timescale = VIDEO_TIMESCALE;
    s->info.width = seq.width;
    s->info.height = seq.height;
    set_cadence(s, seq.fps_num, seq.fps_den);
    return 0;
}

static int init_aac(struct source *s, struct slice config)
{
    struct aac_config aac;
    int err = aac_config_parse(&aac, config.data, config.len);

    if (err) return err;
    s->info.timescale = s->info.sample_rate = aac.sample_rate;
    s->info.channels = aac.channels;
    s->samples = aac.samples_per_frame;
    return 0;
}

int source_init(struct source *out, const struct track_info *info,
                struct slice config)
{
    struct source s = {.info = *info};
    int err = 0;

    switch (info->codec) {
    case CODEC_H264: err = init_h264(&s, config); break;
    case CODEC_HEVC: err = init_hevc(&s, config); break;
    case CODEC_AV1: err = init_av1(&s, config); break;
    case CODEC_AAC: err = init_aac(&s, config); break;
    case CODEC_OPUS:
        s.info.timescale = s.info.sample_rate = OPUS_RATE;
        if (!s.info.channels) s.info.channels = 2;
        break;
    default: return ERR_UNSUPPORTED;
    }
    if (err) return err;
    *out = s;
    return 0;
}

/* RFC 6716 §3.1: configuration, frame count code. */
static int64_t opus_samples(struct slice packet)
{
    static const uint16_t silk[] = {480, 960, 1920, 2880};
    unsigned toc, frames, size;

    if (!packet.len) return 0;
    toc = packet.data[0] >> 3;
    if (toc < 12)
        size = silk[toc & 3];
    else if (toc < 16)
        size = toc & 1 ? 960 : 480;
    else
        size = 120u << (toc & 3);
    switch (packet.data[0] & 3) {
    case 0: frames = 1; break;
    case 3:
        if (packet.len < 2) return 0;
        frames = packet.data[1] & 63;
        break;
    default: frames = 2; break;
    }
    return frames * size <= 5760 ? frames * size : 0;
}

int64_t source_samples(const struct source *s, struct slice packet)
{
    if (s->info.codec == CODEC_OPUS) return opus_samples(packet);
    return s->samples;
}
