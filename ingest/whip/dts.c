#include "ingest/whip/dts.h"

#include <string.h>

enum {
    STEP_US = 1000,
    STEP_FIRST_US = 33333,
    STEP_MAX_US = 1000000,
    LEARNED_MAX = 4, /* a clock that stutters is no deep reordering */
};

void whip_dts_init(struct whip_dts *d)
{
    *d = (struct whip_dts){.step = STEP_FIRST_US};
}

void whip_dts_depth(struct whip_dts *d, int depth)
{
    d->depth = depth > 0 ? depth < DTS_DEPTH_MAX ? depth : DTS_DEPTH_MAX : 0;
    d->count = 0;
    d->taken_any = false;
}

static void insert(struct whip_dts *d, int64_t pts_us)
{
    int i = d->count++;

    for (; i > 0 && d->waiting[i - 1] > pts_us; i--)
        d->waiting[i] = d->waiting[i - 1];
    d->waiting[i] = pts_us;
}

static int64_t take_first(struct whip_dts *d)
{
    int64_t first = d->waiting[0];

    d->count--;
    memmove(d->waiting, d->waiting + 1,
            (size_t)d->count * sizeof d->waiting[0]);
    return first;
}

/* Is the smallest of all that wait before one that was taken already? */
static bool is_too_shallow(const struct whip_dts *d)
{
    return d->count > d->depth && d->taken_any && d->waiting[0] < d->taken &&
           d->depth < LEARNED_MAX;
}

int64_t whip_dts_next(struct whip_dts *d, int64_t pts_us, bool *deeper)
{
    int64_t dts;

    insert(d, pts_us);
    *deeper = is_too_shallow(d);
    if (*deeper) {
        d->depth++;
        d->taken_any = false;
    }
    if (d->count > d->depth) {
        dts = d->taken = take_first(d);
        d->taken_any = true;
    } else if (!d->started) {
        dts = pts_us - d->depth * d->step;
    } else {
        dts = d->last + d->step;
    }
    /* the first frames of a depth known only now, or a frame twice */
    if (d->started && (*deeper || dts <= d->last)) dts = d->last + STEP_US;
    if (d->started && dts - d->last > STEP_US && dts - d->last < STEP_MAX_US)
        d->step = dts - d->last;
    d->started = true;
    d->last = dts;
    return dts;
}
