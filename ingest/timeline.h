/* ingest/timeline.h — puts a publisher's frames on the bus's timeline and
 * repairs their times: one offset for all tracks, backward jitter clamped,
 * jumps taken back (a track goes on where it was, by what passed between
 * arrivals), audio counted in samples, video put on its cadence. Pure;
 * embedded in a publisher; one thread. */
#ifndef INGEST_TIMELINE_H
#define INGEST_TIMELINE_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/track.h"
#include "ingest/cadence.h"

enum { TIMELINE_SLOTS = 16 };

struct timeline_counts {
    uint64_t clamped;  /* stepped back, or shown before decoded */
    uint64_t rebased;  /* the source's clock jumped */
    uint64_t resynced; /* audio's sample count against its timestamps */
    uint64_t early;    /* before the publisher's first frame: dropped */
};

struct timeline_track {
    enum track_kind kind;
    bool started, broken; /* broken: next frame says discontinuity */
    int64_t offset_us, last_raw_us, last_us; /* last_us: as placed */
    int64_t last_at, step_us;                /* arrival; usual step */
    int64_t last_dts;                        /* ticks of the track */
    struct cadence cadence;                  /* video */
    uint32_t rate;                           /* audio */
    int64_t next;                            /* audio: the next frame's dts */
    int behind_run; /* audio: frames whose count ran ahead of their time */
    bool skips;     /* audio: its clock stepped back; until it caught up */
};

struct timeline {
    int64_t base_us, offset_us, newest_us;
    int64_t newest_at; /* when the frame at newest_us came */
    bool started;
    struct timeline_counts counts;
    struct timeline_track tracks[TIMELINE_SLOTS];
};

/* base_us: where the first frame shall lie. broken: every track's first frame
 * says discontinuity (a publisher came back). */
void timeline_init(struct timeline *t, int64_t base_us, bool broken);
/* A track began or changed its rate; fps 0/0 if unknown. */
void timeline_video(struct timeline *t, int slot, uint32_t fps_num,
                    uint32_t fps_den);
void timeline_audio(struct timeline *t, int slot, uint32_t rate);

struct timeline_in {
    int slot;
    int64_t dts_us, pts_us; /* the source's clock */
    int64_t samples;        /* audio: in this frame, 0 unknown */
    int64_t arrived_at;     /* monotonic µs */
};
struct timeline_out {
    int64_t dts, pts, duration; /* ticks of the track */
    bool discontinuity;
};
/* 0, or ERR_AGAIN: drop this frame (it lies before the beginning, or audio is
 * a frame ahead of its clock). */
int timeline_place(struct timeline *t, const struct timeline_in *in,
                   struct timeline_out *out);

#endif
