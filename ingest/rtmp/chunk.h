/* ingest/rtmp/chunk.h — RTMP chunks to messages and back.
 * Pure: no I/O, no clock. One thread. Spec: RTMP 1.0 §5.3.
 *
 *   basic header   fmt(2) csid(6)        csid 0: one more byte, 1: two more
 *   message header fmt 0: ts24 len24 type8 stream32le   1: delta len type
 *                  2: delta   3: nothing
 *   extended timestamp, 4 bytes, when ts24 is ffffff
 *
 * Memory grows with the bytes received, never with what a header announces. */
#ifndef INGEST_RTMP_CHUNK_H
#define INGEST_RTMP_CHUNK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

enum rtmp_type {
    RTMP_SET_CHUNK_SIZE = 1,
    RTMP_ABORT = 2,
    RTMP_ACK = 3,
    RTMP_USER_CONTROL = 4,
    RTMP_WINDOW_ACK = 5,
    RTMP_PEER_BANDWIDTH = 6,
    RTMP_AUDIO = 8,
    RTMP_VIDEO = 9,
    RTMP_DATA_AMF3 = 15,
    RTMP_COMMAND_AMF3 = 17,
    RTMP_DATA_AMF0 = 18,
    RTMP_COMMAND_AMF0 = 20,
    RTMP_AGGREGATE = 22,
};

struct rtmp_message {
    uint8_t type;
    uint32_t timestamp; /* ms, wraps */
    uint32_t stream_id;
    struct slice body;
};

enum {
    RTMP_CHUNK_SIZE_DEFAULT = 128,
    RTMP_CHUNK_SIZE_MAX = 0xffffff,
    RTMP_CHUNK_STREAMS_MAX = 64, /* live at once; any id is legal */
    RTMP_MESSAGE_MAX = 8 << 20,
    RTMP_MESSAGE_MAX_DATA = 256 << 10, /* commands, metadata and control */
    RTMP_PARTIAL_MAX = 24 << 20,       /* of all unfinished messages together */
    RTMP_CHUNK_HEADER_MAX = 18,
};

struct rtmp_chunk_stream;

struct rtmp_dechunker {
    struct rtmp_chunk_stream *streams; /* unordered */
    int count, cap;
    uint32_t chunk_size;
    size_t partial_bytes;
    uint64_t chunks;   /* seen so far; for the caller's work budget */
    uint64_t restarts; /* messages cut off by a new header */
    uint8_t header[RTMP_CHUNK_HEADER_MAX];
    size_t header_have;
    int current;   /* index of the stream in `streams`; -1 in a header */
    uint32_t left; /* body bytes to come of this chunk */
};

void rtmp_dechunker_init(struct rtmp_dechunker *d);
void rtmp_dechunker_release(struct rtmp_dechunker *d);

/* Takes bytes from *data until a message is whole: 0, and *out (give it back
 * with slice_unref(&out->body)). ERR_AGAIN: all bytes taken, none whole.
 * ERR_SYNTAX, ERR_LIMIT or ERR_NOMEM end the connection. */
int rtmp_dechunk(struct rtmp_dechunker *d, const uint8_t **data,
                 const uint8_t *end, struct rtmp_message *out);

/* Set Chunk Size: applies from the next chunk on. Above RTMP_CHUNK_SIZE_MAX
 * is taken as that. 0 or ERR_RANGE (0, or the top bit). */
int rtmp_dechunker_set_size(struct rtmp_dechunker *d, uint32_t size);
/* Abort Message: forgets what came of csid's unfinished message. */
void rtmp_dechunker_abort(struct rtmp_dechunker *d, uint32_t csid);
/* Is a message partly here? (For the read-stall deadline.) */
bool rtmp_dechunker_is_partial(const struct rtmp_dechunker *d);

/* Appends m to out in chunks of chunk_size; csid 2 .. 63. */
void rtmp_chunk_write(struct builder *out, uint32_t chunk_size, uint32_t csid,
                      const struct rtmp_message *m);

#endif
