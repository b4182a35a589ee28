/* ingest/av1.h — an AV1 source made uniform: an av1C that holds the sequence
 * header, temporal units without delimiters. A header that changes in band
 * gives a new config, and stays when the record before it is only repeated.
 * Pure; one thread. */
#ifndef INGEST_AV1_H
#define INGEST_AV1_H
#include <stdbool.h>
#include <stddef.h>

#include "core/media/av1.h"
#include "ingest/avc.h"

/* {0} is a source of which nothing is known yet. */
struct av1_source {
    struct buf *config; /* av1C; NULL while unknown */
    /* of the record: what the bytes before its OBUs say */
    uint8_t record[AV1_RECORD_BYTES];
    bool recorded;
    struct buf *heard; /* the newest record, as it came */
};
void av1_source_release(struct av1_source *a);

/* As avc_source_config() and avc_source_unit(). */
int av1_source_config(struct av1_source *a, const void *av1c, size_t len,
                      bool *changed);
int av1_source_unit(struct av1_source *a, struct slice in,
                    struct avc_unit *out);

#endif
