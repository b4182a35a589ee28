/* edge/viewer_priv.h — the body of a viewer, for its files: viewer.c (life,
 * what it says), viewer_send.c (what leaves), viewer_choice.c (which
 * rendition). */
#ifndef EDGE_VIEWER_PRIV_H
#define EDGE_VIEWER_PRIV_H
#include "core/rtc/bwe.h"
#include "core/rtc/twcc.h"
#include "edge/burst.h"
#include "edge/sender.h"
#include "edge/viewer.h"

enum { VIEWER_ADDRESS_MAX = 64 };

struct viewer {
    struct list node, pacing;
    struct viewer_room *room;
    struct feed *feed;
    struct viewer_events events;
    struct rtc_peer *peer;
    struct bwe *bwe;
    struct twcc_sender *twcc; /* NULL: not negotiated */
    struct burst burst;
    struct selector selector;
    char pin[TRACK_NAME_MAX], address[VIEWER_ADDRESS_MAX];
    char cname[17];
    bool has_video, has_audio, connected, away;
    int64_t asked_at, connected_at, joined_at, next_report_at;
    /* A picture is missing since then, while this was the newest keyframe. */
    int64_t missing_at;
    uint64_t missing_key, mended_key;
    int shown; /* index, as last told to the selector */
    int paced; /* index the pacer's rate is for */
    int64_t lowered_at, careful_until, careful_us; /* see viewer_pace() */
    int64_t shown_at;
    int64_t floor_bps; /* the least that is of use */
    uint32_t plis;
    struct sender_counts told; /* to the metrics */
    struct sender sender;
};

/* --- viewer_send.c */
struct sender_sink viewer_sink(struct viewer *v);
/* Sends what may leave now. */
void viewer_pump(struct viewer *v, int64_t now_at);
/* Nothing more, or again from a keyframe on. */
void viewer_pause(struct viewer *v);
void viewer_resume(struct viewer *v, int64_t now_at);
void viewer_report(struct viewer *v, int64_t now_at);
void viewer_tell_metrics(struct viewer *v);

/* --- viewer_choice.c */
/* NULL: index is none. */
const struct feed_rendition *viewer_rendition(const struct viewer *v,
                                              int index);
/* What it should be sent, and from when on; asks for keyframes, probes. */
void viewer_steer(struct viewer *v, const struct selector_rung *rungs,
                  int count, int64_t now_at);
/* The pacer's rate for what is shown now. */
void viewer_pace(struct viewer *v, int64_t now_at);
/* The encoder did not answer a lost picture: its keyframe once more. */
void viewer_mend(struct viewer *v, int64_t now_at);
/* What is no rendition's name pins nothing. */
void viewer_set_pin(struct viewer *v, const char *name);

#endif
