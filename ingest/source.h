/* ingest/source.h — what a source track's config says about it: size, rate,
 * cadence, and how long a packet lasts. Pure; one thread. */
#ifndef INGEST_SOURCE_H
#define INGEST_SOURCE_H
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/track.h"

struct source {
    struct track_info info; /* corrected from config */
    uint32_t samples;       /* per packet; 0: see the packet (Opus), or video */
};

/* Reads config (borrowed; framing as core/media/track.h says). Written only on
 * success. 0, ERR_UNSUPPORTED (codec), or what its parser says. */
int source_init(struct source *out, const struct track_info *info,
                struct slice config);
/* Samples in one packet at info.timescale; 0 unknown. */
int64_t source_samples(const struct source *s, struct slice packet);

#endif
