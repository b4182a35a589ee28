/* edge/feed.h — one live stream as the WebRTC viewers of a loop see it: its
 * renditions with their history, and which of them may be sent in real time.
 *
 * A rendition that passes through is fit only while its pictures come in the
 * order they are shown; browsers show them in the order of their timestamps
 * and would stutter. What is encoded here always is.
 * On its loop. */
#ifndef EDGE_FEED_H
#define EDGE_FEED_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/media/bus.h"
#include "edge/fresh.h"
#include "edge/history.h"
#include "edge/selector.h"
#include "edge/tap.h"

enum {
    FEED_RENDITIONS_MAX = 16,
    FEED_STALE_US = 1500000, /* without a frame: not to be chosen */
    FEED_ASK_US = 200000,    /* wishes closer than that are one */
    /* The ladder's source-size rung for sources with B-frames: its track is
     * there from the beginning (a bitrate of 0: cannot be had), its pictures
     * while wishes under the second id come in (LADDER_REALTIME_KEEP). */
    FEED_REALTIME_ID = TRACK_RENDITION_FIRST + 18,
    FEED_KEEP_ID = TRACK_RENDITION_FIRST + 19,
    FEED_WISH_US = 5000000,
};

struct feed_rendition {
    struct track_info info;
    struct packet_sets sets;
    struct history history;
    bool reorders;   /* B-frames were seen */
    bool awaits_key; /* frames are missing: nothing until the next IDR */
    int64_t fed_at;  /* 0: never */
    int64_t asked_at;
};

struct feed_events {
    /* A frame came in: the newest of renditions[index]. */
    void (*on_unit)(int index, struct unit *u, void *arg);
    void (*on_batch_end)(void *arg);
    void (*on_end)(void *arg); /* the stream is over */
    void *arg;
};

struct feed {
    struct loop *loop;
    struct bus *bus;
    struct tap *tap;
    struct feed_events events;
    struct feed_rendition renditions[FEED_RENDITIONS_MAX];
    int count;
    int64_t wished_at; /* for FEED_KEEP_ID */
    struct fresh fresh;
};

/* Shares bus. 0, ERR_NOMEM or ERR_LIMIT. */
int feed_create(struct feed **out, struct loop *loop, struct bus *bus,
                const struct feed_events *events);
/* Takes *f; NULL is fine; allowed inside events. */
void feed_free(struct feed **f);
/* What the tap tells; for tests. */
void feed_apply(struct feed *f, const struct bus_event *e);

const char *feed_channel(const struct feed *f);
/* Index, or -1. */
int feed_find(const struct feed *f, uint8_t id);
/* The video rendition of that name which can be sent now; of two with one
 * name the one that is fit. -1. */
int feed_find_name(const struct feed *f, const char *name, int64_t now_at);
bool feed_is_fit(const struct feed_rendition *r, int64_t now_at);
/* The source-size rung that would be made if it were wished for; NULL: it is
 * there, or cannot be had. */
const struct feed_rendition *feed_dormant(const struct feed *f, int64_t now_at);
/* What it needs of a path, audio not counted. */
uint32_t feed_need_bps(const struct feed_rendition *r);
/* Those that are fit, best first. */
int feed_ladder(const struct feed *f, int64_t now_at,
                struct selector_rung out[SELECTOR_RUNGS_MAX]);
/* Why there is no video to send in real time; NULL: there is some, or the
 * stream has none at all. */
const char *feed_refusal(const struct feed *f);
bool feed_has_video(const struct feed *f);
bool feed_has_audio(const struct feed *f); /* Opus, fed or to be fed */

/* A keyframe of renditions[index] is wanted. */
void feed_ask(struct feed *f, int index, int64_t now_at);
/* Somebody could be sent target_bps and sees the best rung there is: the
 * source's size is to be made, or kept up. */
void feed_wish_top(struct feed *f, uint32_t target_bps, int64_t now_at);

#endif
