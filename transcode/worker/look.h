/* transcode/worker/look.h — how the source's picture looks: one picture of
 * each second gives a struct impression. Seen are LOOK_LINES of its lines, as
 * means over cells, so that neither a camera's noise nor an encoder that
 * polishes a still picture is a change, but a mouse pointer is. Costs less
 * than 0.05 % of a core. One thread. */
#ifndef TRANSCODE_WORKER_LOOK_H
#define TRANSCODE_WORKER_LOOK_H
#include <libavutil/frame.h>
#include <stdbool.h>

#include "core/media/impression.h"

enum {
    LOOK_COLUMNS = 64,
    LOOK_ROWS = 36,
    LOOK_CELLS = LOOK_COLUMNS * LOOK_ROWS,
    LOOK_LINES = 2 * LOOK_ROWS,
};

/* Zeroed at first. */
struct look {
    bool begun;
    int64_t last_pts;
    uint16_t last[LOOK_CELLS];  /* 16 to a level of luma */
    uint16_t stood[LOOK_CELLS]; /* the first of those that look like it */
};

/* A decoded picture in system memory, its pts in VIDEO_TIMESCALE. True: it was
 * this second's, and *out is filled but for the track. Too small ones and those
 * without a luma plane are not seen. */
bool look_feed(struct look *l, const AVFrame *f, struct impression *out);

#endif
