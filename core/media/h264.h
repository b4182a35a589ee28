/* core/media/h264.h — H.264: the avcC record, parameter sets, and the cleaning
 * every ingest does (NAL units are core/media/nal.h). Parsing only, no codec.
 * Pure; any thread. Spec: ITU-T H.264 §7.3.1, annex B; ISO/IEC 14496-15 §5.3.3.
 */
#ifndef CORE_MEDIA_H264_H
#define CORE_MEDIA_H264_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/media/nal.h"

enum h264_nal_type {
    H264_SLICE = 1,
    H264_IDR = 5,
    H264_SEI = 6,
    H264_SPS = 7,
    H264_PPS = 8,
    H264_AUD = 9,
    H264_END_SEQUENCE = 10,
    H264_END_STREAM = 11,
    H264_FILLER = 12,
};

enum { H264_SPS_COUNT_MAX = 8, H264_PPS_COUNT_MAX = 32, H264_CODEC_TEXT = 12 };

static inline enum h264_nal_type h264_type(struct nal n)
{
    return (enum h264_nal_type)(n.data[0] & 0x1f);
}

/* The parameter sets of a stream; borrowed bytes. */
struct h264_params {
    unsigned length_size; /* of the payloads this goes with; 1, 2 or 4 */
    int sps_count, pps_count;
    struct nal sps[H264_SPS_COUNT_MAX], pps[H264_PPS_COUNT_MAX];
};

/* Borrows data. Written only on success. 0, ERR_SYNTAX, ERR_LIMIT (too many
 * sets) or ERR_NOTFOUND (no SPS or no PPS in it). */
int h264_avcc_parse(struct h264_params *out, const void *data, size_t len);
/* Appends an avcC for payloads with 4-byte lengths; extension fields for High
 * profiles are taken from the SPS. Failures show in b; needs one SPS of at
 * least 4 bytes. */
void h264_avcc_write(struct builder *b, const struct h264_params *p);

/* Adds a set; one of the same id is replaced. 0, ERR_SYNTAX (neither SPS nor
 * PPS) or ERR_LIMIT (full). */
int h264_params_add(struct h264_params *p, struct nal n);

/* "avc1.42c01e" and a NUL, from the first bytes of an SPS. */
void h264_codec_text(char out[H264_CODEC_TEXT], struct nal sps);

/* What one access unit holds. */
struct h264_unit {
    bool idr;      /* an IDR slice */
    bool recovery; /* SEI recovery point with recovery_frame_cnt 0 */
    int slices;    /* coded slices of any kind */
    struct nal_scan scan;
    struct h264_params params; /* sets sent in band; borrowed */
};

/* Looks through an access unit. framing: NAL_ANNEXB or the length size.
 * 0, ERR_SYNTAX (cut short, forbidden bit) or ERR_LIMIT (over 4096 NALs, too
 * many sets). */
int h264_scan(struct h264_unit *out, unsigned framing, const void *data,
              size_t len);
/* Delimiters, filler, end codes, and parameter sets, which live in the track's
 * config. */
bool h264_drops(struct nal n);
/* Appends a 4-byte-length payload as Annex B, the sets of p (may be NULL)
 * first. */
void h264_to_annexb(struct builder *b, const struct h264_params *p,
                    const void *data, size_t len);

#endif
