#include "core/media/opus.h"

#include <string.h>

#include "core/base/err.h"

int opus_dops_from_head(uint8_t out[OPUS_DOPS_BYTES], const void *head,
                        size_t len)
{
    const uint8_t *h = head;

    if (len < OPUS_HEAD_BYTES || memcmp(h, "OpusHead", 8) != 0)
        return ERR_SYNTAX;
    if (h[8] >> 4) return ERR_UNSUPPORTED; /* of a later version */
    if (!h[9]) return ERR_SYNTAX;
    /* One or two channels lie alike in families 0 and 1. */
    if (h[9] > 2 || h[18] > 1) return ERR_UNSUPPORTED;
    const uint8_t dops[OPUS_DOPS_BYTES] = {
        0, h[9], h[11], h[10], h[15], h[14], h[13], h[12], h[17], h[16], 0};
    memcpy(out, dops, sizeof dops);
    return 0;
}

void opus_dops_default(uint8_t out[OPUS_DOPS_BYTES])
{
    static const uint8_t stereo[OPUS_DOPS_BYTES] = {0,    2,    0, 0, 0, 0,
                                                    0xbb, 0x80, 0, 0, 0};
    memcpy(out, stereo, sizeof stereo);
}
