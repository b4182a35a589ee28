/* packager/segmenter.h — decides where the parts and segments of one rendition
 * begin, and on which decode timeline its samples lie in the file. Pure: no
 * I/O, no clock, no log. One thread.
 *
 * Segments are cut where the marks say: video at the IDR with the mark's pts,
 * audio at its first frame with pts at or after it. Parts follow by time
 * inside a segment:
 *
 *   mark k                                             mark k+1
 *   |--part 0--|--part 1--|--part 2--| … |--part n--|--| 0 …
 *                                                    └ last: may be short
 *
 * The file's decode times are the frames' own, made even: each sample lasts as
 * predicted, and the difference to the true dts goes into composition offsets
 * while it is under a quarter of a frame, else into the last sample that is
 * not yet published. So pts stay exact, durations add up without a gap, and a
 * part can close at its last frame without waiting for the next.
 *
 * Over a hole in the frames (lost ones, a source of uneven cadence) decode
 * times stay without a hole too, or browsers drop everything up to the next
 * keyframe: the frames behind it last up to a part each until their decode
 * times are true again, while their pts say when they are shown. What is left
 * of that at the next boundary, and holes past SEGMENTER_HOLE_US, become
 * missing parts. (Holes in audio are filled before: see segmenter_hole().)
 * Spec: RFC 8216bis §4.4.4.9 (a part lasts 0.85 .. 1 PART-TARGET). */
#ifndef PACKAGER_SEGMENTER_H
#define PACKAGER_SEGMENTER_H
#include <stdbool.h>
#include <stdint.h>

#include "core/media/bus.h"

/* The newest boundaries of a stream, shared by the segmenters of all its
 * renditions. */
enum { MARK_LOG_MAX = 128, SEGMENTER_GAPS_MAX = 64 };
#define SEGMENTER_HOLE_US 3000000LL
struct mark_log {
    struct mark marks[MARK_LOG_MAX];
    uint32_t breaks[MARK_LOG_MAX]; /* discontinuities up to and with it */
    int64_t shifts[MARK_LOG_MAX];  /* of dates against pts, µs */
    uint64_t count;                /* ever added */
};

/* msn must grow; 0 or ERR_ORDER. The first mark is no discontinuity. */
int mark_log_add(struct mark_log *l, const struct mark *m);
/* Of the newest one, which is there; and what was said of msn, 0 if that is
 * forgotten. */
void mark_log_shift(struct mark_log *l, int64_t shift_us);
int64_t mark_log_shift_of(const struct mark_log *l, uint64_t msn);
/* Borrowed; NULL if unknown or forgotten. breaks may be NULL. */
const struct mark *mark_log_find(const struct mark_log *l, uint64_t msn,
                                 uint32_t *breaks);
/* The newest one; NULL before the first. */
const struct mark *mark_log_newest(const struct mark_log *l);

struct segmenter_conf {
    bool video;
    uint32_t timescale;
    int64_t part_us;    /* PART-TARGET */
    int64_t segment_us; /* nominal, for guessing the next boundary */
};

struct segmenter {
    struct segmenter_conf conf;
    const struct mark_log *marks; /* borrowed */
    int64_t part_ticks, part_min_ticks;
    bool started;          /* inside a segment */
    uint64_t msn;          /* of the open segment; while not started: of the
                              last one, or 0 */
    uint64_t skip_to;      /* marks before this msn are not for us */
    int64_t mark_pts;      /* of the open segment, VIDEO_TIMESCALE */
    int64_t segment_start; /* file dts */
    int64_t part_start;    /* file dts */
    int64_t next_dts;      /* file dts: end of the last sample */
    int open_samples;      /* in the open part */
    int64_t last_duration; /* of the newest sample */
    int64_t last_dts;      /* true dts of the newest frame */
    int64_t segment_90k;   /* length of the last whole segment; guess */
};

struct segmenter_frame {
    int64_t dts, pts, duration; /* ticks; duration 0: unknown */
    bool key;
};

/* What to do, in this order. */
struct segmenter_step {
    int64_t stretch;    /* add to the newest unpublished sample's duration */
    bool close_part;    /* the open part ends here */
    int gaps;           /* then this many missing parts … */
    int64_t gap_ticks;  /* … of this length */
    bool close_segment; /* then the open segment ends */
    bool tear;          /* instead: it ended before its time, for the next one
                           cannot be begun; what it lacks is missing */
    bool open_segment;  /* and mark.msn begins with this frame */
    struct mark mark;
    bool drop;             /* the frame is not for us: done */
    int64_t dts, duration; /* of the frame in the file */
    int64_t stretch_after; /* add to this frame's duration */
    bool close_after;      /* the open part ends with this frame */
};

void segmenter_init(struct segmenter *s, const struct segmenter_conf *conf,
                    const struct mark_log *marks);
void segmenter_feed(struct segmenter *s, const struct segmenter_frame *f,
                    struct segmenter_step *out);
/* Ticks between the end of the open segment's media and f; 0 when nothing is
 * open or a discontinuity lies there. */
int64_t segmenter_hole(const struct segmenter *s,
                       const struct segmenter_frame *f);
/* The newest boundary that sound at pts (ticks) has reached and that is not
 * begun yet; borrowed, NULL if there is none. */
const struct mark *segmenter_due(const struct segmenter *s, int64_t pts);
/* Ends the open segment (the caller closes part and segment): what follows
 * waits for a mark of skip_to or later. */
void segmenter_stop(struct segmenter *s, uint64_t skip_to);
/* After the open part was closed: will the next part begin a new segment, as
 * far as can be told? */
bool segmenter_ends_soon(const struct segmenter *s);

#endif
