/* ingest/hevc.h — an H.265 source made uniform, as ingest/avc.h does for
 * H.264: 4-byte lengths, parameter sets in the track's config only.
 * Pure; one thread. */
#ifndef INGEST_HEVC_H
#define INGEST_HEVC_H
#include <stdbool.h>
#include <stddef.h>

#include "core/media/hevc.h"
#include "ingest/avc.h"

/* {.framing = 4} is a source of which nothing is known yet. */
struct hevc_source {
    struct buf *config; /* hvcC for what comes out; NULL while unknown */
    unsigned framing;   /* of what comes in */
};
void hevc_source_release(struct hevc_source *h);

/* As avc_source_config() and avc_source_unit(); a keyframe is a picture where
 * decoding may start (IDR, CRA, BLA), whatever the sender calls it. */
int hevc_source_config(struct hevc_source *h, const void *hvcc, size_t len,
                       bool *changed);
int hevc_source_unit(struct hevc_source *h, struct slice in,
                     struct avc_unit *out);

#endif
