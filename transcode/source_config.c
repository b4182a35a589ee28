#include <string.h>

#include "core/media/aac.h"
#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "core/media/hevc.h"
#include "transcode/transcode_priv.h"

bool source_is_plain(const struct track *t)
{
    struct slice config = track_config(t);
    struct aac_config c;

    return track_info(t)->codec == CODEC_AAC &&
           !aac_config_parse(&c, config.data, config.len) &&
           c.object_type == AAC_LC && !c.sbr && !c.ps && c.channels <= 2;
}

static bool hevc_may_reorder(struct slice config)
{
    struct hevc_params p;
    struct hevc_sps sps;

    return !hevc_hvcc_parse(&p, config.data, config.len) &&
           !hevc_sps_parse(&sps, p.sets[1][0].data, p.sets[1][0].len) &&
           sps.reorder_frames > 0;
}

bool source_may_reorder(const struct track *t)
{
    struct slice config = track_config(t);
    struct h264_params p;
    struct h264_sps sps;

    if (track_info(t)->codec == CODEC_HEVC) return hevc_may_reorder(config);
    return track_info(t)->codec == CODEC_H264 &&
           !h264_avcc_parse(&p, config.data, config.len) && p.sps_count &&
           !h264_sps_parse(&sps, p.sps[0].data, p.sps[0].len) &&
           sps.reorder_frames > 0;
}

bool source_is_same(const struct track *a, const struct track *b)
{
    const struct track_info *was, *is = track_info(b);
    struct slice old, new = track_config(b);

    if (!a) return false;
    was = track_info(a);
    old = track_config(a);
    return was->id == is->id && was->codec == is->codec &&
           was->askable == is->askable && was->channels == is->channels &&
           (old.len || is->codec == CODEC_OPUS) && old.len == new.len &&
           (!old.len || !memcmp(old.data, new.data, old.len));
}

bool source_is_rare(const struct track *t)
{
    struct slice config = track_config(t);
    struct h264_params p;
    struct h264_sps sps;

    return track_info(t)->codec == CODEC_H264 &&
           !h264_avcc_parse(&p, config.data, config.len) && p.sps_count &&
           !h264_sps_parse(&sps, p.sps[0].data, p.sps[0].len) &&
           (sps.chroma_format != 1 || sps.bit_depth != 8 ||
            sps.chroma_bit_depth != 8);
}

bool source_may_pass(const struct track *t)
{
    const struct track_info *info = track_info(t);
    uint32_t side = info->width < info->height ? info->width : info->height;

    if (info->codec == CODEC_HEVC || info->codec == CODEC_AV1)
        return side >= LADDER_LINES_MIN;
    return info->codec == CODEC_H264 && !source_is_rare(t);
}
