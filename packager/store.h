/* packager/store.h — the live window of one stream as its viewers see it.
 *
 * The packager says what happens in store_events: immutable, counted, any
 * thread. Each loop has its own struct store to which it applies them in
 * order, so that viewers of any loop are served without a lock; media bytes
 * are shared slices. A store is a pure data structure of one thread.
 *
 *   |<-- kept: listed once, still to be had -->|<------ listed ------------>|
 *                                               segment … segment | parts …
 *                                                                 └ open
 * Bounds: plan.window_us listed (at least SEGMENTS_LISTED_MIN), as much again
 * kept (RFC 8216bis §6.2.2), SEGMENTS_MAX, PARTS_MAX per segment; policy: the
 * oldest go. */
#ifndef PACKAGER_STORE_H
#define PACKAGER_STORE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/track.h"

enum {
    STORE_RENDITIONS_MAX = 16,
    STORE_CHANNEL_MAX = 64,
    STORE_CODEC_MAX = 48,
    STORE_INITS_MAX = 32,
    SEGMENTS_LISTED_MIN = 6,
    SEGMENTS_MAX = 1024,
    PARTS_MAX = 512,
};

enum store_state {
    STORE_STARTING, /* nothing to play yet */
    STORE_LIVE,
    STORE_RECONNECTING, /* the publisher is gone and may come back */
    STORE_ENDED,
};
const char *store_state_name(enum store_state s);

/* Fixed for the life of the stream. */
struct store_plan {
    uint32_t target_duration_s;
    int64_t part_us;
    int64_t window_us;
    int64_t origin_wall_us;
};

struct store_description {
    char name[TRACK_NAME_MAX];
    bool video;
    char codec[STORE_CODEC_MAX];
    char language[TRACK_LANGUAGE_MAX];
    uint32_t width, height, fps_num, fps_den, channels;
    uint32_t nominal_bps; /* 0: unknown */
};

enum store_event_type {
    STORE_PLAN,      /* first event of a stream */
    STORE_RENDITION, /* one was added, or its description changed */
    STORE_INIT,      /* init-{number}: goes with what follows */
    STORE_PART,      /* part 0 opens its segment */
    STORE_CLOSE,     /* the open segment is complete, as came out now */
    STORE_GAP,       /* a whole segment is missing */
    STORE_PUBLISH,   /* which renditions the multivariant playlist lists */
    STORE_STATE,
};

/* What a segment is, said with its part 0 or its gap. */
struct store_head {
    int64_t pts_us;  /* first sample, on the stream's timeline */
    int64_t date_us; /* the same by our clock: see packager/drift.h */
    uint32_t init;
    uint32_t breaks; /* discontinuities of the stream up to and with it */
    bool discontinuity;
};

struct store_event {
    atomic_uint refs;
    enum store_event_type type;
    int rendition; /* 0 .. STORE_RENDITIONS_MAX - 1, where it has one */
    uint64_t msn;  /* PART, CLOSE, GAP */
    union {
        struct store_plan plan;
        struct store_description description;
        uint32_t init; /* its number */
        struct {
            int index;
            struct store_head head;
            int64_t duration_us;
            int64_t captured_at; /* of its last frame; monotonic µs */
            bool independent, missing;
            bool closes;    /* the last one: its segment is complete */
            bool ends_soon; /* the next part will begin a segment */
        } part;
        struct {
            struct store_head head;
            int64_t duration_us;
        } gap;
        uint32_t listed; /* PUBLISH: bit per rendition */
        enum store_state state;
    } v;
    size_t bytes; /* sum of the slices */
    int slice_count;
    struct slice slices[]; /* PART, INIT: the object */
};

/* Gives an event with room for slices (zeroed); fill it in, then share it.
 * 0 or ERR_NOMEM. */
int store_event_create(struct store_event **out, enum store_event_type type,
                       int rendition, int slices);
struct store_event *store_event_ref(struct store_event *e);
void store_event_unref(struct store_event **e);

/* `cached` is the reader's own word on each object; given to drop() when the
 * object goes. */
struct store_object {
    struct store_event *event; /* NULL: none */
    void *cached;
};

struct store_segment {
    uint64_t msn;
    struct store_head head;
    bool closed;
    bool missing;        /* EXT-X-GAP: no media, or some of it was lost here */
    int64_t duration_us; /* so far */
    size_t bytes;
    void *cached;
    int part_count, part_room;
    struct store_object *parts;
};

struct store_init {
    uint32_t number;
    struct store_object object;
};

struct store_rendition {
    bool used;
    struct store_description description;
    uint64_t version; /* grows with each change of its playlist */
    /* Oldest first; the last one may be open. */
    struct store_segment *segments;
    int count, room;
    int first_listed; /* index */
    bool ends_soon;
    struct store_init inits[STORE_INITS_MAX];
    int init_count;
    uint32_t peak_bps, average_bps; /* of whole segments; 0: none yet */
    void *cached;                   /* the reader's: rendered playlists */
};

struct store {
    char channel[STORE_CHANNEL_MAX + 1];
    uint64_t generation;
    struct store_plan plan;
    enum store_state state;
    uint32_t listed;  /* bit per rendition; 0: not published yet */
    uint64_t version; /* grows with each change of the multivariant */
    struct store_rendition renditions[STORE_RENDITIONS_MAX];
    void (*drop)(void *cached, void *arg); /* may be NULL */
    void *drop_arg;
};

/* Gives an empty window. 0, ERR_NOMEM or ERR_RANGE (name too long). */
int store_create(struct store **out, const char *channel, uint64_t generation,
                 void (*drop)(void *cached, void *arg), void *drop_arg);
/* Takes *s; NULL is fine. drop() is called for what is left. */
void store_free(struct store **s);

struct store_change {
    int rendition;     /* whose playlist changed; -1: none */
    bool multivariant; /* its text or its being there */
    bool state;
};
/* Shares e. Events that do not fit (out of order, over a bound) leave a gap,
 * not a wrong list. 0, ERR_NOMEM or ERR_ORDER; *out is written always. */
int store_apply(struct store *s, struct store_event *e,
                struct store_change *out);

/* Each NULL if not there; borrowed until the next store_apply(). */
struct store_rendition *store_find_rendition(struct store *s, const char *name,
                                             size_t len);
struct store_segment *store_find_segment(struct store_rendition *r,
                                         uint64_t msn);
struct store_object *store_find_init(struct store_rendition *r,
                                     uint32_t number);
/* The open segment, NULL between two. */
const struct store_segment *store_open(const struct store_rendition *r);
/* MSN the open segment has, or the next one will have; 0 before the first. */
uint64_t store_open_msn(const struct store_rendition *r);
/* First instant after the newest media, µs on the stream's timeline. */
int64_t store_end_us(const struct store_rendition *r);

#endif
