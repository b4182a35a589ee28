/* ingest/avc.h — an H.264 source as any protocol delivers it, made uniform:
 * 4-byte lengths, no delimiters or filler, parameter sets in the track's
 * config only. A set that changes in band gives a new config.
 * Pure; one thread. */
#ifndef INGEST_AVC_H
#define INGEST_AVC_H
#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/media/h264.h"

/* {.framing = 4} is a source of which nothing is known yet. */
struct avc_source {
    struct buf *config; /* avcC for what comes out; NULL while unknown */
    unsigned framing;   /* of what comes in: NAL_ANNEXB or the length size */
};
void avc_source_release(struct avc_source *a);

/* A configuration record came. *changed: config is another one now. 0 or what
 * h264_avcc_parse() and builder_seal() say; the old config then stays. */
int avc_source_config(struct avc_source *a, const void *avcc, size_t len,
                      bool *changed);

struct avc_unit {
    struct slice payload; /* one reference given; empty: nothing to decode */
    bool key;
    bool leading; /* HEVC: of no use where its keyframe is the first picture */
    bool changed; /* config is another one from this unit on */
};
/* Borrows in (an access unit). Without need to change a byte, the payload is
 * a reference to it. says_key: the sender calls it a keyframe; believed for an
 * IDR or a recovery point. 0, ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM or ERR_ORDER (a
 * picture before any parameter set). */
int avc_source_unit(struct avc_source *a, struct slice in, bool says_key,
                    struct avc_unit *out);

#endif
