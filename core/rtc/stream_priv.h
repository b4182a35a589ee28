/* core/rtc/stream_priv.h — one connection, for stream.c (their table, listener
 * and handing over) and stream_io.c (frames in and out). */
#ifndef CORE_RTC_STREAM_PRIV_H
#define CORE_RTC_STREAM_PRIV_H
#include <stdatomic.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/loop/timer.h"
#include "core/rtc/stream.h"

enum {
    STREAM_HEAD = 2, /* RFC 4571 §2 */
    STREAM_MARKS = 256,
    STREAM_READ = 64 << 10,
};

/* What the socket did not take. Frames begin where the last one's mark ends. */
struct stream_queue {
    uint8_t data[STREAM_QUEUED_MAX];
    size_t from, len; /* bytes from .. from + len wait, in a ring */
    struct {
        uint64_t end; /* in bytes since the queue began */
        int64_t at;
    } marks[STREAM_MARKS];
    unsigned first, count;
    uint64_t written;
};

struct stream {
    uv_poll_t poll;
    int fd;
    struct net_path path;
    struct streams *all;
    struct list node; /* in unproved or proved */
    struct timer timer;
    bool settled; /* its loop is this one */
    bool proved;
    bool broken; /* the socket failed: ends at the timer */
    bool closed;
    int64_t accepted_at;
    struct stream_queue *queue; /* NULL: nothing waits */
    size_t in_len;
    uint8_t in[STREAM_HEAD + STREAM_FRAME_MAX]; /* a frame that is not whole */
};

/* Outlives its streams: others' messages hold it. */
struct stream_door {
    atomic_int refs;
    struct loop *loop;
    struct streams *streams; /* NULL: gone; on the loop only */
};

struct streams {
    struct streams_conf conf;
    struct stream_listener *listener; /* NULL: none */
    struct stream_door *door;
    struct stream_door **doors; /* of all loops, by index */
    int door_count;
    struct list unproved, proved;
    int count, unproved_count;
    uint32_t generation;
    struct metric *accepted, *refused, *dropped, *handed_over;
    struct stream *slots[STREAMS_MAX];
    uint8_t scratch[STREAM_READ];
};

/* stream.c */
/* The first frame of a connection, at the start of data[len]: true if it is
 * this loop's. Else it was handed over with all of data, or closed. */
bool stream_settle(struct stream *s, const uint8_t *data, size_t len);
void stream_end(struct stream *s, bool tell);

/* stream_io.c */
void stream_on_ready(uv_poll_t *poll, int status, int events);
void stream_feed(struct stream *s, uint8_t *data, size_t len);
/* False: dropped. */
bool stream_write(struct stream *s, const uint8_t *data, size_t len);

#endif
