/* transcode/ladder.h — which renditions a source becomes, and why.
 * Pure: no I/O, no clock, no log. Any thread.
 *
 * Rules: never upscaled; even sizes that keep the aspect; a rung is named by
 * its short side, so that portrait has the same names; the top rung is the
 * source itself where it can be; rungs of 480 lines and less show at most
 * 30 frames a second, every n-th of the source's. Where the lecturer sends a
 * ladder (transcode/tracks.h), that is it: no picture is made but for real
 * time. */
#ifndef TRANSCODE_LADDER_H
#define TRANSCODE_LADDER_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/bus.h"
#include "core/media/track.h"
#include "transcode/transcode.h"

enum {
    LADDER_RUNGS_MAX = 16,
    LADDER_LANGUAGES_MAX = 4, /* sounds beside the first one */
    LADDER_TRACKS_MAX = 6,    /* and pictures */
    LADDER_LINES_MIN = 160,   /* of a source that has an encoded rung at all */
};

/* A rung keeps its id and name for the life of the stream. */
enum ladder_id {
    LADDER_TOP = TRACK_RENDITION_FIRST, /* the source's size */
    LADDER_1080P,
    LADDER_720P,
    LADDER_480P,
    LADDER_360P,
    LADDER_160P,
    /* And those behind it: pictures of the source that have other sizes. */
    LADDER_TRACK,
    LADDER_AUDIO = TRACK_RENDITION_FIRST + 16, /* AAC-LC */
    /* For WebRTC; no part of the plan. */
    LADDER_OPUS, /* 20 ms packets, 96 kbit/s, FEC in band */
    /* The source's size without B-frames, under LADDER_TOP's name: where this
     * track is on the bus, LADDER_TOP passes through with pictures out of
     * order and is not for real time. It is made on demand only: its track is
     * there from the beginning, with an empty config while nobody watches.
     * The first wish (bus_ask_key) begins it with an IDR at the next picture,
     * after a track with its config; it ends TRANSCODE_REALTIME_US after the
     * last. Wishes within TRANSCODE_FRESH_US of a keyframe of it force no
     * other. A bitrate_bps of 0 says that it cannot be had now (too dear, or
     * not needed). */
    LADDER_REALTIME,
    /* No track: a wish for it begins LADDER_REALTIME, or keeps it going and
     * forces no keyframe. For those who watch, each 10 s or oftener. */
    LADDER_REALTIME_KEEP,
    /* AAC-LC of the source's other sounds: LADDER_LANGUAGES_MAX ids. */
    LADDER_LANGUAGE = TRACK_RENDITION_FIRST + 24,
};

struct ladder_sound {
    bool there, plain; /* as audio_plain */
    struct track_info info;
};

struct ladder_source {
    bool has_video, has_audio;
    struct track_info video, audio;
    bool audio_plain; /* AAC-LC with one or two channels: usable as it is */
    /* Not 0: its size varies, and this is the greatest short side so far. Its
     * rungs are of a source of that size, its top rung is called "source". */
    uint32_t lines;
    struct ladder_sound languages[LADDER_LANGUAGES_MAX];
    /* Further pictures that are rungs as they are, under a rung's id and
     * name. */
    struct track_info tracks[LADDER_TRACKS_MAX];
    int track_count;
};

struct ladder_conf {
    enum channel_type type;
    bool encode_top; /* the source's keyframes are of no use */
    bool no_top;     /* only what is made of it, up to its size */
    bool opus;       /* WebRTC is served too */
    bool realtime;   /* and the source has B-frames */
    bool no_child;   /* nothing can be made */
};

struct ladder_rung {
    struct track_info info;
    uint32_t frame_step; /* every n-th frame of the source */
};

struct ladder {
    struct ladder_rung rungs[LADDER_RUNGS_MAX]; /* best video first, then
                                                   audio, then languages,
                                                   then Opus */
    int count;
};

void ladder_choose(struct ladder *out, const struct ladder_conf *conf,
                   const struct ladder_source *source);

/* Of a rung with so many lines; 0: it has none of its own. */
uint8_t ladder_id_of(uint32_t lines);

/* NULL if it is not there. */
const struct ladder_rung *ladder_find(const struct ladder *l, uint8_t id);
/* Forgets a rung; fine if it is not there. */
void ladder_remove(struct ladder *l, uint8_t id);
/* The transcoded video rung that costs most and may go: something to watch
 * stays. What is made for real time alone is the dearest. NULL if there is
 * none. */
const struct ladder_rung *ladder_dearest(const struct ladder *l);
/* Is there a rung that is not the source's own bytes? */
bool ladder_needs_child(const struct ladder *l);
/* The part of a plan that the ladder knows. */
void ladder_list(const struct ladder *l, struct plan *out);

#endif
