/* ingest/rtmp/flv.h — the bodies of RTMP audio and video messages.
 * A message is opened and then gives its tags one after the other: the legacy
 * form has one, the enhanced form (E-RTMP v2) may carry several tracks.
 * Enhanced headers are read whole (modifiers, multitrack), whatever connect
 * spoke of; of their codecs avc1, hvc1, av01, mp4a and Opus are taken,
 * others come
 * out as FLV_UNSUPPORTED with their FourCC. A packet type that nobody knows is
 * FLV_SKIPPED: what stands behind it cannot be read.
 * Pure; any thread. Spec: FLV 10.1 annex E.4; E-RTMP v2 "Enhanced Audio",
 * "Enhanced Video". */
#ifndef INGEST_RTMP_FLV_H
#define INGEST_RTMP_FLV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/media/track.h"

enum flv_kind {
    FLV_IGNORED,     /* silence marker, command frame, end of sequence */
    FLV_CONFIG,      /* the decoder's configuration record */
    FLV_FRAME,       /* one access unit */
    FLV_UNSUPPORTED, /* a codec we do not take; name says which */
    FLV_SKIPPED,     /* a form we do not know; name says which */
};

struct flv_tag {
    enum flv_kind kind;
    enum codec codec;
    uint8_t track; /* 0 but for multitrack messages */
    bool key;      /* as the sender says */
    bool enhanced;
    int32_t cts_ms;      /* pts - dts */
    uint32_t offset_ns;  /* to be added to the message's time; < 1 000 000 */
    const uint8_t *data; /* borrowed: config or payload */
    size_t len;
    char name[16]; /* as sent, for logs: "avc", "hvc1", "video type 9" */
};

enum { FLV_TRACKS_MAX = 16 }; /* in one message */

struct flv_reader {
    struct reader bytes;
    enum track_kind kind;
    bool opened, done;
    /* enhanced messages: what all their tracks share */
    bool multitrack, sized, many_codecs;
    uint8_t packet;
    int tracks;
    uint32_t fourcc;
    struct flv_tag shared;
};

/* kind: TRACK_VIDEO or TRACK_AUDIO, by the message's type. */
void flv_open(struct flv_reader *r, enum track_kind kind, const void *data,
              size_t len);
/* 0; ERR_AGAIN when there are no more; ERR_SYNTAX (cut short) or ERR_LIMIT
 * (tracks). */
int flv_next(struct flv_reader *r, struct flv_tag *out);

/* What onMetaData's videocodecid says will come: H.264 (7), or another by its
 * FourCC (E-RTMP); CODEC_NONE where only sound will. Any other number is taken
 * for H.264: the picture's own config knows better. */
enum codec flv_promised_codec(double id);

#endif
