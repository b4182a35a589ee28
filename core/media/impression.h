/* core/media/impression.h — what is in the sound or the pictures of a source,
 * measured where they are decoded, once for each second of the stream: plain
 * figures, for others to judge (ingest/health.h). Any thread. */
#ifndef CORE_MEDIA_IMPRESSION_H
#define CORE_MEDIA_IMPRESSION_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/track.h"

enum {
    IMPRESSION_SPAN_MAX_MS = 10000,
    IMPRESSION_FLOOR_CDB = -12000, /* no sound at all; what is fainter, too */
    IMPRESSION_PEAK_CDB = 2400,    /* a decoder may overshoot full scale */
    IMPRESSION_WHOLE = 10000,      /* of shares */
    IMPRESSION_CHANGE_MAX = 25500,
};

struct impression {
    uint8_t track;        /* the source's */
    enum track_kind kind; /* TRACK_VIDEO or TRACK_AUDIO */
    uint32_t span_ms; /* of the stream's time; 1 .. IMPRESSION_SPAN_MAX_MS */
    /* Sound: of the loudest channel, in hundredths of a dBFS. */
    int16_t rms_cdb, peak_cdb;
    uint16_t clipped; /* samples at full scale */
    /* Picture: luma 0 (black) .. 255 (white). */
    uint8_t luma;    /* mean */
    uint16_t lit;    /* points that are not black */
    uint16_t change; /* mean difference from the last one that was looked at,
                        hundredths of a level */
    bool changed;    /* it is another than the one that has stood so far */
};

#endif
