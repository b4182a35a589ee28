/* core/media/aac.h — AAC's framings: AudioSpecificConfig and ADTS headers.
 * Parsing only, no codec. Pure; any thread.
 * Spec: ISO/IEC 14496-3 §1.6.2.1 (config), §1.A.2 (ADTS). */
#ifndef CORE_MEDIA_AAC_H
#define CORE_MEDIA_AAC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bits; /* core/base/bits.h */

enum {
    AAC_LC = 2,
    AAC_SBR = 5,
    AAC_PS = 29,
    AAC_CONFIG_MAX = 10, /* what aac_config_write() may need */
    AAC_CODEC_TEXT = 16,
    ADTS_HEADER_MIN = 7,
};

struct aac_config {
    uint32_t object_type;       /* of the core: 2 is LC */
    uint32_t sample_rate;       /* of the core: what frames are counted in */
    uint32_t channels;          /* 1 .. 8 */
    uint32_t samples_per_frame; /* 1024, 960; at sample_rate */
    bool sbr, ps;               /* HE-AAC, HE-AAC v2, said explicitly */
    uint32_t output_rate;       /* sample_rate, or SBR's */
};

/* 0, ERR_SYNTAX (cut short), ERR_UNSUPPORTED (object type) or ERR_RANGE (rate
 * outside 7350 .. 96000, no channels). */
int aac_config_parse(struct aac_config *out, const void *data, size_t len);
/* The same in the midst of other bits (LATM); b is left behind it. Extensions
 * that hide behind the core's config are not looked for. */
int aac_config_read(struct aac_config *out, struct bits *b);
/* Returns how many bytes were written; 0 if c does not fit the format. SBR is
 * signalled explicitly. */
size_t aac_config_write(uint8_t out[AAC_CONFIG_MAX],
                        const struct aac_config *c);
/* "mp4a.40.2" */
void aac_codec_text(char out[AAC_CODEC_TEXT], const struct aac_config *c);

struct adts_header {
    struct aac_config config;
    size_t header_len; /* 7, or 9 with a checksum */
    size_t frame_len;  /* header and payload */
};
/* Reads one header of at least ADTS_HEADER_MIN bytes. 0, ERR_AGAIN (too few
 * bytes), ERR_SYNTAX, ERR_RANGE or ERR_UNSUPPORTED (several raw blocks). */
int adts_parse(struct adts_header *out, const void *data, size_t len);

#endif
