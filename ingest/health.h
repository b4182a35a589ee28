/* ingest/health.h — what a lecturer should know about the source: figures, and
 * warnings that say the fix. Fed with frames as they come and ticked once a
 * second; a warning begins when it held for HEALTH_BEGINS ticks and ends when
 * it did not for HEALTH_ENDS. Pure; embedded in a publisher; one thread.
 *
 *   |← HEALTH_SECONDS buckets, each from tick to tick →| the running one |
 *   └── figures are of these ───────────────────────────┘
 *
 * Where somebody decodes the source, its content is known, too:
 * - silent: under -60 dBFS RMS for 10 s. Not by peaks: a preamplifier's noise
 *   has some, with the microphone muted or not.
 * - clipping: 5 of 16 seconds had 1 of 1000 samples at full scale. A slammed
 *   door is one second; mastered music touches the top more rarely.
 * - black: not 1 of 2000 points lit for 10 s. A word on a black slide is more.
 * - frozen: a lecture's slide stands for minutes, so that a picture which does
 *   not change is a figure (still_s) and no fault. Abnormal is one that moved
 *   all the time, as only cameras and films do, then stood still for 30 s with
 *   no cut before: who changes over to a slide, cuts.
 * And a bitrate that is low while the picture stands still is no fault.     */
#ifndef INGEST_HEALTH_H
#define INGEST_HEALTH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/media/impression.h"
#include "core/media/track.h"

enum { HEALTH_SECONDS = 8, HEALTH_BEGINS = 3, HEALTH_ENDS = 5 };
enum { HEALTH_TICK_US = 1000000, HEALTH_TEXT_SIZE = 192 };

enum health_warning {
    HEALTH_KEYFRAMES,
    HEALTH_B_FRAMES,
    HEALTH_FRAME_RATE,
    HEALTH_MISSING_FRAMES,
    HEALTH_UNEVEN,
    HEALTH_BITRATE_LOW,
    HEALTH_BITRATE_HIGH,
    HEALTH_NO_AUDIO,
    HEALTH_NO_VIDEO,
    HEALTH_LATE_PACKETS, /* these of a line that repairs itself (SRT) */
    HEALTH_LATENCY,
    HEALTH_LOSS,
    HEALTH_SILENT,
    HEALTH_CLIPPING,
    HEALTH_BLACK,
    HEALTH_FROZEN,
    HEALTH_WARNINGS,
};

/* The line, where the protocol tells of it. Counts since it was there. */
struct health_line {
    bool known;
    double rtt_s, latency_s; /* latency: within which losses are repaired */
    double buffer_s;         /* media held back until its time has come */
    double bps;
    uint64_t packets; /* each once */
    uint64_t lost, resent;
    uint64_t late; /* given up: visible damage */
    uint64_t undecrypted;
    double lost_share, late_share; /* 0 .. 1, of HEALTH_SECONDS */
};

struct health_figures {
    int64_t uptime_us;
    double video_bps, audio_bps;
    double fps, announced_fps; /* 0: unknown */
    double keyframe_s;         /* between the last two, or since the last */
    double jitter_s;           /* how much later than the quickest frame the
                                  slowest of each second comes */
    uint64_t missing; /* frames, by gaps in the timestamps; since it began */
    uint64_t late;    /* frames over 0.5 s later than the quickest */
    bool b_frames;
    enum codec video, audio;
    uint32_t width, height, sample_rate, channels;
    struct health_line line;
    /* Is the content known? Else what follows is 0. */
    bool heard, seen;
    double rms_dbfs, peak_dbfs; /* of the last second; IMPRESSION_FLOOR_CDB */
    double silent_s;            /* since there was sound */
    double brightness;          /* 0 .. 1 */
    double black_s, still_s;    /* since it was not */
    unsigned warnings;          /* 1 << enum health_warning */
};

struct health_frame {
    enum track_kind kind;
    int slot;
    bool key;
    size_t bytes;
    int64_t dts_us, pts_us; /* the source's clock */
    int64_t arrived_at;     /* monotonic µs */
};

struct health_bucket {
    int64_t us, video_bytes, audio_bytes;
    int frames, missing, reordered;
    int64_t quickest_us, slowest_us; /* lag, while frames > 0 */
    uint64_t packets, lost, late;
};

/* Shift registers have a bit for each second, the last one lowest. */
struct health_content {
    int64_t told_at[TRACK_AUDIO + 1]; /* by kind; 0: not known */
    int64_t silent_us, black_us, still_us;
    uint32_t clipped, moved, cut;
    bool moved_on; /* all the time, until it stood still */
};

struct health {
    struct health_figures figures;
    struct health_content content;
    struct health_bucket buckets[HEALTH_SECONDS], now;
    int bucket_count, bucket_at;
    int64_t began_at, ticked_at;
    int video_slot;                     /* the first; -1: none */
    int64_t last_at[TRACK_AUDIO + 1];   /* arrivals, by kind */
    int64_t dts_us, pts_us, key_dts_us; /* video; INT64_MIN: none yet */
    int64_t keyframe_us, typical_us;    /* 0: unknown */
    int64_t quickest_us; /* least arrival - dts, with the clocks' drift */
    int8_t held[HEALTH_WARNINGS]; /* ticks towards the other state */
};

void health_init(struct health *h, int64_t now);
void health_track(struct health *h, int slot, const struct track_info *info);
void health_track_gone(struct health *h, int slot, enum track_kind kind);
void health_frame(struct health *h, const struct health_frame *f);
/* The line as it is now; the shares are ours to find. */
void health_line(struct health *h, const struct health_line *l);
/* What was measured of the last second or so of it. */
void health_impression(struct health *h, const struct impression *c,
                       int64_t now);
/* Each HEALTH_TICK_US or so: figures and warnings anew. Gives those that began
 * and ended, as bits. */
void health_tick(struct health *h, int64_t now, unsigned *began,
                 unsigned *ended);

/* "keyframes", …: for labels and programs. */
const char *health_name(enum health_warning w);
/* What is the matter and what helps, with today's figures. */
void health_text(const struct health_figures *f, enum health_warning w,
                 char out[HEALTH_TEXT_SIZE]);

#endif
