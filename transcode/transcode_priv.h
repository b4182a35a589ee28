/* transcode/transcode_priv.h — what the room's door (transcode.c), its hearing
 * (source.c, further.c, languages.c, wanted.c) and its voice (publish.c)
 * share. */
#ifndef TRANSCODE_TRANSCODE_PRIV_H
#define TRANSCODE_TRANSCODE_PRIV_H
#include "core/loop/timer.h"
#include "transcode/boundary.h"
#include "transcode/languages.h"
#include "transcode/lineup.h"
#include "transcode/pending.h"
#include "transcode/rungs.h"
#include "transcode/still.h"
#include "transcode/tracks.h"
#include "transcode/transcode.h"

enum {
    TRANSCODE_SEGMENT_US = 2000000,
    STOOD_US = 450000, /* sound that is so much later has a hole before it */
};

struct transcode {
    struct transcode_conf conf;
    char *worker_path;
    struct bus *bus;
    struct bus_subscriber *subscriber;
    bool pulling;
    struct rungs *rungs; /* pictures */
    struct rungs *sound; /* a child of its own: what is too late with pictures
                            shall not cost those who watch the source sound */
    struct boundary boundary;
    struct track *video, *audio; /* the source */
    struct tracks tracks;        /* its further pictures */
    bool audio_plain;
    struct languages languages;              /* the other sounds */
    bool passed_over[TRACK_RENDITION_FIRST]; /* said of a source track */
    bool audio_alone;
    int64_t alone_pts;   /* then: of the first sound's newest */
    int64_t audio_first; /* pts of the first sound while there is no video */
    bool audio_seen;
    struct still still; /* what is shown when there are no pictures */

    struct lineup lineup;
    bool top_due, audio_due; /* passthrough tracks to be told before use */

    bool planned;
    struct plan plan; /* as last told */
    int64_t from_pts; /* nothing before it is published */
    /* After a break, or with another config, sound waits for the mark that
     * says so to players. */
    bool audio_waits;
    bool stood;   /* it waits because of a hole, for any picture */
    bool returns; /* somebody came; languages wait for that mark, too */
    bool unheard; /* and gave no sound yet */
    int waiting;  /* frames of the first one that do */
    bool renews;  /* another config: what is made of it waits, too */
    int64_t audio_from_pts;
    int64_t audio_pts;           /* the source's newest */
    int64_t disc_pts;            /* of the last such mark */
    struct pending source, made; /* while measuring */

    bool reorders;       /* the source has B-frames, or may have */
    uint32_t most_lines; /* of a source whose size varies: the most so far */
    struct {             /* LADDER_REALTIME */
        bool on;         /* wished for, and being made */
        bool told, idle; /* its track is on the bus, without a config */
        struct track_info info; /* as told */
        int64_t asked_at, key_at;
        struct timer end;
    } realtime;
};

static inline const char *transcode_channel(const struct transcode *t)
{
    return bus_conf(t->bus)->channel;
}

static inline int64_t transcode_video_ticks(int64_t ticks, uint32_t timescale)
{
    return ticks / timescale * VIDEO_TIMESCALE +
           ticks % timescale * VIDEO_TIMESCALE / timescale;
}

/* --- source.c: what the publisher sends ----------------------------------- */
void source_track(struct transcode *t, struct track *track);
void source_frame(struct transcode *t, struct frame *f);
/* What follows does not continue what came before. */
void source_break(struct transcode *t);
/* A sound goes on with another config. */
void source_renew_sound(struct transcode *t, uint8_t id);
/* A publisher is there again. */
void source_back(struct transcode *t);

/* --- source_config.c: what a track's config says ---------------------------
 */
/* H.264 of a kind that browsers do not show: not 4:2:0, or not of 8 bits. */
bool source_is_rare(const struct track *t);
/* Can its bytes be a rendition, with others beside it for players that do not
 * have its codec? */
bool source_may_pass(const struct track *t);
/* AAC-LC of one or two channels: any player has it. */
bool source_is_plain(const struct track *t);
/* May its pictures come in another order than they are shown? */
bool source_may_reorder(const struct track *t);
/* Only what is said beside the codec's own words changed: the cadence that was
 * measured, most likely. a may be NULL. */
bool source_is_same(const struct track *a, const struct track *b);

/* --- languages.c: the source's sounds beside its first one ---------------- */
/* Copies both. */
void languages_begin(struct transcode *t, const struct rungs_conf *conf,
                     const struct rungs_events *events);
void languages_end(struct transcode *t); /* fine where it did not begin */
/* False: there is no room for it. */
bool languages_track(struct transcode *t, struct track *track);
/* That id is a picture now. */
void languages_forget(struct transcode *t, uint8_t id);
/* This one is about to be the first video or the first sound: the first sound
 * until now, if it goes on, gets a place. */
void languages_yield(struct transcode *t, struct track *first);
void languages_frame(struct transcode *t, struct frame *f);
/* Whose source has this id; NULL if none. */
struct language *languages_find(struct transcode *t, uint8_t id);
void languages_gone(struct transcode *t);
void languages_back(struct transcode *t);
/* What there is, for the ladder; and of the ladder what they make. */
void languages_list(const struct transcode *t, struct ladder_source *s);
void languages_want(struct transcode *t, const struct ladder *all);

/* --- further.c: what else it shows ---------------------------------------- */
void further_begin(struct transcode *t);
/* False: it cannot be used. */
bool further_track(struct transcode *t, struct track *track);
void further_frame(struct transcode *t, struct frame *f);
/* The first picture's: marks, where they are keyframes, and how far it is. */
void further_mark(struct transcode *t, const struct mark *m);
void further_passed(struct transcode *t, int64_t pts);
/* Into s, which has the first one. */
void further_offered(struct transcode *t, struct ladder_source *s);

/* --- wanted.c: what viewers wish for -------------------------------------- */
void wanted_begin(struct transcode *t);
void wanted_end(struct transcode *t);
/* LADDER_REALTIME: nobody watches any more, or it cannot be had. */
void wanted_realtime_ended(struct transcode *t);

/* --- publish.c: what goes onto the bus ------------------------------------ */
/* The ladder for the source as it is; tells the rungs, not the bus. */
void publish_choose(struct transcode *t);
/* The track of LADDER_REALTIME, where what there is to say of it changed. */
void publish_realtime(struct transcode *t);
/* The ladder, into the log. */
void publish_say(const struct transcode *t);
/* The plan, where it differs from the one told last. */
void publish_plan(struct transcode *t);
/* Both, once there is a ladder. */
void publish_change(struct transcode *t);
void publish_mark(struct transcode *t, const struct mark *m);
/* The source's frames under a rendition's id, where they pass through. */
void publish_video(struct transcode *t, const struct frame *f,
                   const struct boundary_step *step);
void publish_audio(struct transcode *t, const struct frame *f);
/* Does this rendition's sound wait for a mark? */
bool publish_waits(const struct transcode *t, uint8_t id);
/* Sound that waited for a mark. */
void publish_waiting(struct transcode *t);
/* Those of its further pictures: under a rendition's id, where that is in the
 * ladder as the source's own bytes. */
bool publish_track(struct transcode *t, uint8_t id, struct track *source);
void publish_frame(struct transcode *t, const struct frame *f, uint8_t id,
                   bool discontinuity);
/* What a child made: now, or kept while measuring. */
void publish_made(struct transcode *t, struct frame *f);
void publish_held(struct transcode *t);

#endif
