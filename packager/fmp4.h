/* packager/fmp4.h — CMAF boxes: init segments and the head of a chunk. Media
 * bytes stay where they are: a chunk is its head followed by the payloads.
 * Pure; any thread. One track per file, track id 1.
 * Spec: ISO/IEC 14496-12 §8 (moov, moof), §8.16.5 (prft); 14496-14 §5.6
 * (esds); 14496-15 §5.3.3 (avcC); "Encapsulation of Opus in ISO BMFF" §4.3;
 * ISO/IEC 23000-19 (brands); RFC 8216bis §3.1.2. */
#ifndef PACKAGER_FMP4_H
#define PACKAGER_FMP4_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/track.h"

enum {
    FMP4_SAMPLES_MAX = 4096, /* in one chunk */
    FMP4_CODEC_TEXT = 48,
};

/* Gives ftyp + moov for t. 0, ERR_SYNTAX (config too short for its codec),
 * ERR_UNSUPPORTED (codec) or ERR_NOMEM. */
int fmp4_init(struct buf **out, const struct track *t);

/* The CODECS value of t ("avc1.4d401f", "mp4a.40.2", "opus"); 0, ERR_SYNTAX
 * or ERR_UNSUPPORTED. */
int fmp4_codec(char out[FMP4_CODEC_TEXT], const struct track *t);

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

/* One access unit of silence for t, as static bytes; empty where none is
 * known (more than two channels, HE-AAC). */
struct slice fmp4_silence(const struct track *t);

#endif
