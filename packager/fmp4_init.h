/* packager/fmp4_init.h — what a player reads first of a track: its CMAF init
 * segment, and its CODECS. Pure; any thread. One track per file, track id 1.
 * Spec: ISO/IEC 14496-12 §8 (moov); 14496-14 §5.6 (esds); 14496-15 §5.3.3
 * (avcC); "Encapsulation of Opus in ISO BMFF" §4.3; ISO/IEC 23000-19 (brands).
 */
#ifndef PACKAGER_FMP4_INIT_H
#define PACKAGER_FMP4_INIT_H
#include "core/base/buf.h"
#include "core/media/track.h"

enum { FMP4_CODEC_TEXT = 48 };

/* Gives ftyp + moov for t. 0, ERR_SYNTAX (config too short for its codec),
 * ERR_UNSUPPORTED (codec) or ERR_NOMEM. */
int fmp4_init(struct buf **out, const struct track *t);

/* The CODECS value of t ("avc1.4d401f", "mp4a.40.2", "opus"); 0, ERR_SYNTAX
 * or ERR_UNSUPPORTED. */
int fmp4_codec(char out[FMP4_CODEC_TEXT], const struct track *t);

#endif
