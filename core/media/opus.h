/* core/media/opus.h — the two forms of what a decoder must know of Opus:
 * OpusHead (RFC 7845 §5.1, little-endian) and dOps ("Encapsulation of Opus in
 * ISOBMFF" §4.3.2, big-endian; what tracks carry). One stream of one or two
 * channels. Pure; any thread. */
#ifndef CORE_MEDIA_OPUS_H
#define CORE_MEDIA_OPUS_H
#include <stddef.h>
#include <stdint.h>

enum {
    OPUS_RATE = 48000, /* of all times, whatever went into the encoder */
    OPUS_DOPS_BYTES = 11,
    OPUS_HEAD_BYTES = 19,
};

/* 0, ERR_SYNTAX, or ERR_UNSUPPORTED (more than two channels). */
int opus_dops_from_head(uint8_t out[OPUS_DOPS_BYTES], const void *head,
                        size_t len);
/* Stereo, nothing to skip. */
void opus_dops_default(uint8_t out[OPUS_DOPS_BYTES]);

#endif
