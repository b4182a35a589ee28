/* core/media/h264_sps.h — what an H.264 sequence parameter set says about the
 * pictures: size, cadence, reordering. Parsing only, no codec.
 * Pure; any thread. Spec: ITU-T H.264 §7.3.2.1.1, §7.4.2.1.1, annex E. */
#ifndef CORE_MEDIA_H264_SPS_H
#define CORE_MEDIA_H264_SPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h264_sps {
    uint8_t profile, compat, level; /* the three bytes after the NAL header */
    uint32_t id;                    /* 0 .. 31 */
    uint32_t chroma_format;         /* 0 mono, 1 4:2:0, 2 4:2:2, 3 4:4:4 */
    uint32_t bit_depth, chroma_bit_depth;
    uint32_t poc_type;         /* 2: output order is decoding order */
    uint32_t ref_frames;       /* max_num_ref_frames */
    bool interlaced;           /* frame_mbs_only_flag is 0 */
    uint32_t width, height;    /* luma samples, cropped */
    uint32_t sar_num, sar_den; /* 1:1 when unsaid */
    uint32_t fps_num, fps_den; /* reduced; 0/0 when unsaid */
    bool fixed_rate;           /* fixed_frame_rate_flag */
    int reorder_frames;        /* -1 when unsaid and not derivable */
};

/* nal: with its header byte, without start code or length. Written only on
 * success. 0, ERR_SYNTAX, ERR_RANGE (values no decoder takes) or ERR_LIMIT
 * (longer than 4096 bytes). */
int h264_sps_parse(struct h264_sps *out, const void *nal, size_t len);

/* Size as displayed: the sample aspect ratio applied to the width. */
void h264_sps_display(const struct h264_sps *s, uint32_t *width,
                      uint32_t *height);

#endif
