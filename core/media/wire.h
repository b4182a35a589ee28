/* core/media/wire.h — a live stream as bytes: between lectern and its
 * transcoding child, from an origin to an edge, and in captures that tests
 * replay. Pure: no I/O, no clock, no log. A decoder belongs to one thread.
 *
 *   u32 size of the rest | u8 type | fixed part of that type | payload
 *
 * All integers are big-endian. The first record is HELLO; END is the last.
 * A record of an unknown type is stepped over, so that a newer peer may say
 * more. Instants (captured_at, origin_at) are the sender's monotonic clock:
 * over HTTP the reader shifts them by the origin, which HELLO gives on both
 * clocks. */
#ifndef CORE_MEDIA_WIRE_H
#define CORE_MEDIA_WIRE_H
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/bus.h"
#include "core/media/frame.h"
#include "core/media/impression.h"
#include "core/media/track.h"

enum {
    WIRE_VERSION = 1,
    WIRE_PAYLOAD_MAX = 16 << 20, /* a frame; 8K intra stays far below */
    WIRE_CONFIG_MAX = 64 << 10,  /* a codec config */
    WIRE_NAME_MAX = 128,         /* channel in HELLO, counter in STAT */
    WIRE_META_MAX = 256 << 10,
    WIRE_MORE_MAX = 64, /* of an IMPRESSION: what later versions add; ignored */
    WIRE_SKIP_MAX = 1 << 20, /* a record of a type we do not know */
    WIRE_HEAD_MAX = 128,
};

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_TRACK,
    WIRE_FRAME,
    WIRE_MARK,
    WIRE_PLAN,
    WIRE_SIGNAL, /* BUS_GONE, BUS_BACK */
    WIRE_META,
    WIRE_STAT,
    WIRE_END,
    WIRE_KEY, /* to a child: a keyframe of this rendition at its next picture */
    WIRE_IMPRESSION, /* from a child: how a source track looks or sounds */
    WIRE_TYPE_LAST = WIRE_IMPRESSION,
};

struct wire_hello {
    uint16_t version;
    uint64_t generation;
    int64_t origin_at, origin_wall_us; /* as in struct bus_conf */
};

struct wire_meta {
    uint8_t track_id;
    uint8_t kind; /* 1: ID3, 2: CEA-608/708, 3: JSON */
    int64_t pts;  /* VIDEO_TIMESCALE ticks */
};

struct wire_record {
    enum wire_type type;
    union {
        struct wire_hello hello; /* payload: channel name */
        struct track_info track; /* payload: codec config */
        struct frame frame;      /* its payload member is unused */
        struct mark mark;
        struct plan plan;
        enum bus_event_type signal;
        struct wire_meta meta;
        int64_t stat; /* payload: the counter's name */
        uint8_t key;  /* track id */
        struct impression impression;
    } v;
    struct slice payload;
};

/* Drops the payload's reference. */
void wire_record_release(struct wire_record *r);

/* The bytes before the payload. With r->payload after them (writev) they are
 * the record. Returns their count, <= WIRE_HEAD_MAX. */
size_t wire_head(uint8_t out[WIRE_HEAD_MAX], const struct wire_record *r);

/* Borrowed views; the record's payload shares nothing until it is ref'd. */
struct wire_record wire_of_frame(const struct frame *f);
struct wire_record wire_of_track(const struct track *t);
/* Give what the record holds, sharing its payload. 0, ERR_NOMEM; ERR_RANGE
 * where a track's info breaks the rules of track.h. */
int wire_to_frame(const struct wire_record *r, struct frame **out);
int wire_to_track(const struct wire_record *r, struct track **out);

struct wire_decoder {
    uint8_t head[WIRE_HEAD_MAX];
    size_t head_len;
    size_t head_need; /* fixed part included, once the type is known */
    size_t left;      /* of the payload */
    bool in_payload, skipping, greeted, ended;
    int err;
    struct builder payload;
    struct wire_record record;
};

void wire_decoder_init(struct wire_decoder *d);
void wire_decoder_release(struct wire_decoder *d);

/* Eats bytes from *data, at most up to the end of one record; moves *data and
 * *len on. The payload is copied once, here.
 * 0: *out holds a record, release it. ERR_AGAIN: all was eaten, no record yet.
 * ERR_SYNTAX, ERR_LIMIT, ERR_UNSUPPORTED (version), ERR_NOMEM, ERR_CLOSED
 * (bytes after END): the stream is over, and every later call says so. */
int wire_feed(struct wire_decoder *d, const uint8_t **data, size_t *len,
              struct wire_record *out);

#endif
