/* ingest/whip/dts.h — decoding times for frames of which RTP says only when
 * they are shown. With a reordering depth of n frames, a frame is decoded at
 * the time at which the smallest of the last n + 1 is shown: ascending, never
 * after its own, and without waiting for later frames.
 *
 *   depth 1, shown 0 3 1 2 6 4 5 ─► decoded -1 0 1 2 3 4 5
 *
 * The depth is the SPS's word (max_num_reorder_frames); without it none, until
 * a frame goes back. Pure. Source: ITU-T H.264 §C.4.5.3, §E.2.1. */
#ifndef INGEST_WHIP_DTS_H
#define INGEST_WHIP_DTS_H
#include <stdbool.h>
#include <stdint.h>

enum { DTS_DEPTH_MAX = 16 };

struct whip_dts {
    int depth, count;
    int64_t waiting[DTS_DEPTH_MAX + 1]; /* ascending */
    int64_t last, step, taken;
    bool started, taken_any;
};

void whip_dts_init(struct whip_dts *d);
/* Another sequence begins, of that depth (-1: not known); times go on. */
void whip_dts_depth(struct whip_dts *d, int depth);
/* The decoding time of the next frame in decoding order. *deeper: it went
 * back farther than the depth allowed, which grew. */
int64_t whip_dts_next(struct whip_dts *d, int64_t pts_us, bool *deeper);

#endif
