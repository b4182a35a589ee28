/* core/rtc/stream.h — ICE over TCP, the passive side: one listener for the
 * process, connections with framed datagrams, and the handing over of a
 * connection to the loop that its first STUN message names.
 *
 *   accept ─► first frame: STUN, ufrag ─► this loop's, or handed over
 *          ─► frames both ways until either side closes
 *
 * Each on its loop. Bounds: connections and unproved connections by the enum
 * below (more are closed at once); a frame is FRAME_MAX bytes at most; what is
 * queued is 200 ms old at most, and QUEUED_MAX bytes, then packets are dropped.
 * Source: RFC 4571 §2 (u16 length, datagram); RFC 6544 §3, §5.2. */
#ifndef CORE_RTC_STREAM_H
#define CORE_RTC_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/net/udp.h"

struct loop;
struct metrics;
struct streams;

enum {
    STREAM_FRAME_MAX = 2048,
    STREAMS_MAX = 4096,
    STREAMS_UNPROVED_MAX = 512,
    STREAMS_UNPROVED_PER_ADDRESS = 32, /* loopback is not counted */
    STREAM_PROOF_US = 5 * 1000000,
    STREAM_QUEUE_US = 200 * 1000,
    STREAM_QUEUED_MAX = 256 << 10,
};

struct streams_conf {
    struct loop *loop;
    /* A frame came; data may be changed until it returns. */
    void (*on_frame)(const struct net_path *from, uint8_t *data, size_t len,
                     int64_t at, void *arg);
    /* The connection is gone; not from inside streams_send(). */
    void (*on_ended)(const struct net_path *path, void *arg);
    void *arg;
    struct metrics *metrics; /* may be NULL */
};

/* 0 or ERR_NOMEM. */
int streams_create(struct streams **out, const struct streams_conf *conf);
/* Takes *s; no callback follows. NULL is fine. */
void streams_free(struct streams **s);
/* "host:port". 0, ERR_SYNTAX, ERR_BUSY, ERR_IO. */
int streams_listen(struct streams *s, const char *address);
int streams_port(const struct streams *s); /* -1: does not listen */
/* All loops', by index; before the loops run. 0 or ERR_NOMEM. */
int streams_set_peers(struct streams *s, struct streams *const *all, int count);

/* One datagram as a frame; dropped and counted if the queue is full or the
 * connection is gone. */
void streams_send(struct streams *s, const struct net_path *to,
                  const uint8_t *data, size_t len);
/* A valid check came over it: it may stay. */
void streams_proved(struct streams *s, const struct net_path *path);
/* Its peer is gone. on_ended does not follow. */
void streams_close(struct streams *s, const struct net_path *path);

#endif
