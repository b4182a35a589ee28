/* transcode/worker/level.h — how loud the source's sound is: each second of it
 * gives a struct impression. Every sample counts, which costs less than 0.05 %
 * of a core. One thread. */
#ifndef TRANSCODE_WORKER_LEVEL_H
#define TRANSCODE_WORKER_LEVEL_H
#include <libavutil/frame.h>
#include <stdbool.h>

#include "core/media/impression.h"

enum { LEVEL_CHANNELS_MAX = 8 }; /* of more, these are heard */

/* Zeroed at first. */
struct level {
    double squares[LEVEL_CHANNELS_MAX];
    double peak;
    int64_t clipped, samples; /* of all channels; of each */
};

/* Decoded sound. True: a second is full, and *out is filled but for the track.
 * Formats other than float and 16 bit are not heard. */
bool level_feed(struct level *l, const AVFrame *f, struct impression *out);

#endif
