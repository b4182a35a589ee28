/* core/media/hevc.h — H.265: the hvcC record, parameter sets, and the same
 * cleaning of access units that H.264 gets; NAL units are framed alike
 * (core/media/nal.h). Parsing only, no codec. Pure; any thread.
 * Spec: ITU-T H.265 §7.3.1, §7.3.2, annex E; ISO/IEC 14496-15 §8.3.3, E.3. */
#ifndef CORE_MEDIA_HEVC_H
#define CORE_MEDIA_HEVC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/media/nal.h"

enum hevc_nal_type {
    HEVC_RASL_N = 8, /* refer to pictures before their CRA */
    HEVC_RASL_R = 9,
    HEVC_IRAP_FIRST = 16, /* BLA, IDR, CRA: decoding may start there */
    HEVC_IDR_W_RADL = 19,
    HEVC_IDR_N_LP = 20,
    HEVC_CRA = 21,
    HEVC_IRAP_LAST = 23,
    HEVC_VCL_LAST = 31,
    HEVC_VPS = 32,
    HEVC_SPS = 33,
    HEVC_PPS = 34,
    HEVC_AUD = 35,
    HEVC_END_SEQUENCE = 36,
    HEVC_END_STREAM = 37,
    HEVC_FILLER = 38,
};

enum {
    HEVC_SET_KINDS = 3, /* VPS, SPS, PPS: the first is HEVC_VPS */
    HEVC_SETS_MAX = 16, /* of each */
    HEVC_PTL_BYTES = 12,
    HEVC_CODEC_TEXT = 48,
};

static inline unsigned hevc_type(struct nal n)
{
    return n.data[0] >> 1 & 0x3f;
}

struct hevc_sps {
    uint8_t ptl[HEVC_PTL_BYTES]; /* profile, tier, constraints, level */
    uint32_t id, layers;         /* layers: temporal, 1 .. 7 */
    bool nested;
    uint32_t chroma_format, bit_depth, chroma_bit_depth;
    uint32_t width, height;    /* luma samples, cropped */
    uint32_t fps_num, fps_den; /* reduced; 0/0 when unsaid */
    int reorder_frames;
};

/* nal: with its header, without start code or length. Written only on success.
 * 0, ERR_SYNTAX, ERR_RANGE (values no decoder takes) or ERR_LIMIT (longer than
 * 4096 bytes). */
int hevc_sps_parse(struct hevc_sps *out, const void *nal, size_t len);

/* The parameter sets of a stream; borrowed bytes. */
struct hevc_params {
    unsigned length_size; /* of the payloads this goes with; 1, 2 or 4 */
    int count[HEVC_SET_KINDS];
    struct nal sets[HEVC_SET_KINDS][HEVC_SETS_MAX];
};

/* Borrows data. Written only on success. 0, ERR_SYNTAX, ERR_LIMIT (too many
 * sets) or ERR_NOTFOUND (a kind of set is missing). */
int hevc_hvcc_parse(struct hevc_params *out, const void *data, size_t len);
/* Appends an hvcC for payloads with 4-byte lengths. Failures show in b; needs
 * an SPS that parses. */
void hevc_hvcc_write(struct builder *b, const struct hevc_params *p);
/* Adds a set; one of the same id is replaced. 0, ERR_SYNTAX or ERR_LIMIT. */
int hevc_params_add(struct hevc_params *p, struct nal n);
/* "hvc1.1.6.L93.B0" and a NUL, from an hvcC. 0 or ERR_SYNTAX. */
int hevc_codec_text(char out[HEVC_CODEC_TEXT], const void *hvcc, size_t len);

/* What one access unit holds. */
struct hevc_unit {
    bool irap;
    bool leading; /* cannot be decoded where decoding starts at its CRA */
    int slices;
    struct nal_scan scan;
    struct hevc_params params; /* sets sent in band; borrowed */
};

/* As h264_scan() and h264_drops(); NALs of further layers are dropped. */
int hevc_scan(struct hevc_unit *out, unsigned framing, const void *data,
              size_t len);
bool hevc_drops(struct nal n);

#endif
