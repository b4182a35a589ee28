/* packager/fmp4.h — the head of a CMAF chunk. Media bytes stay where they are:
 * a chunk is its head followed by the payloads. Pure; any thread. One track
 * per file, track id 1.
 * Spec: ISO/IEC 14496-12 §8.8 (moof), §8.16.5 (prft); ISO/IEC 23000-19
 * (brands); RFC 8216bis §3.1.2. */
#ifndef PACKAGER_FMP4_H
#define PACKAGER_FMP4_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

enum { FMP4_SAMPLES_MAX = 4096 }; /* in one chunk */

struct fmp4_sample {
    uint32_t duration; /* ticks */
    uint32_t size;     /* bytes */
    int32_t cts;       /* pts - dts, ticks; may be negative */
    bool key;
};

struct fmp4_chunk {
    uint32_t sequence; /* grows by one per chunk of the track */
    uint64_t dts;      /* of the first sample, ticks */
    bool begins_segment;
    bool video;
    int64_t captured_wall_us; /* of the first sample; 0: no prft */
    const struct fmp4_sample *samples;
    int count; /* 1 .. FMP4_SAMPLES_MAX */
};

/* Appends [styp][prft] moof and the mdat header; the samples' payloads are to
 * follow at once. Failures show in b. */
void fmp4_chunk_head(struct builder *b, const struct fmp4_chunk *c);

/* Cuts what has no place in avc1 samples (delimiters, filler, parameter sets,
 * end codes, empty NALs) out of a payload with 4-byte lengths, as ranges of
 * it. Gives up to max slices (each holding a reference) and their number; a
 * clean payload is one slice. 0, ERR_SYNTAX (cut short; what was sound is
 * given) or ERR_LIMIT. On error the slices are given nonetheless. */
int fmp4_clean_avc(struct slice *out, int max, int *count,
                   const struct slice *payload);

#endif
