/* core/media/av1.h — AV1: the av1C record, the sequence header, and what a
 * temporal unit holds. Parsing only, no codec. Pure; any thread.
 * Spec: AV1 bitstream §5.3, §5.5, §5.9.2; AV1 in ISOBMFF §2.3, §2.4. */
#ifndef CORE_MEDIA_AV1_H
#define CORE_MEDIA_AV1_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"

enum av1_obu_type {
    AV1_SEQUENCE = 1,
    AV1_DELIMITER = 2,
    AV1_FRAME_HEADER = 3,
    AV1_FRAME = 6,
    AV1_TILE_LIST = 8,
    AV1_PADDING = 15,
};

enum { AV1_RECORD_BYTES = 4 }; /* of av1C, before its OBUs */

/* Borrowed. */
struct av1_obu {
    unsigned type;
    const uint8_t *whole, *data; /* with its header; its payload */
    size_t whole_len, len;
};

/* The next one; one without a size takes the rest. False at the end;
 * r->failed if it was cut short or malformed. */
bool av1_next(struct reader *r, struct av1_obu *out);

struct av1_sequence {
    uint8_t profile, level, tier;
    bool still;                /* reduced_still_picture_header */
    uint32_t width, height;    /* the most there is */
    uint32_t fps_num, fps_den; /* 0/0 when unsaid */
};
/* data: an OBU's payload. Written only on success. 0 or ERR_SYNTAX. */
int av1_sequence_parse(struct av1_sequence *out, const void *data, size_t len);

/* Borrows the sequence header in an av1C. Written only on success. 0,
 * ERR_SYNTAX or ERR_NOTFOUND (a record without one). */
int av1_record_parse(struct av1_obu *out, const void *data, size_t len);

struct av1_unit {
    bool key;   /* decoding may start here */
    int frames; /* frames and frame headers */
    bool clean; /* nothing to drop: usable as it is */
    bool has_sequence;
    struct av1_obu sequence; /* borrowed */
};
/* 0, ERR_SYNTAX or ERR_LIMIT (OBUs). */
int av1_scan(struct av1_unit *out, const void *data, size_t len);
/* Appends data without delimiters, padding and tile lists. */
void av1_repack(struct builder *b, const void *data, size_t len);

#endif
