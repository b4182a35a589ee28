/* ingest/mpegts/latm.h — AAC in LATM: what one AudioMuxElement says and holds.
 * One program, one layer, frames of any length; other shapes are refused.
 * Parsing only. Pure. Spec: ISO/IEC 14496-3 §1.7.3. */
#ifndef INGEST_MPEGTS_LATM_H
#define INGEST_MPEGTS_LATM_H
#include "core/base/bits.h"
#include "ingest/mpegts/audio.h"

enum { LOAS_HEADER_BYTES = 3, LATM_FRAME_MAX = 8192 };

/* The head of an element: its configuration, if it brings one. aac is written
 * then. 0, ERR_AGAIN (none came yet), ERR_SYNTAX or ERR_UNSUPPORTED. */
int latm_open(struct latm *l, struct aac_config *aac, struct bits *b);
/* The next frame, its bits moved to whole bytes. 0 or ERR_SYNTAX. */
int latm_frame(struct bits *b, uint8_t out[LATM_FRAME_MAX], size_t *len);

#endif
