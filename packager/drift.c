#include "packager/drift.h"

enum { SHARE = 16 };

void drift_note(struct drift *d, int64_t media_us, int64_t arrived_us)
{
    int64_t lag = arrived_us - media_us;
    int64_t span = media_us - d->from_us;

    if (!d->known) {
        d->known = true;
        d->from_us = media_us;
        d->least = lag;
    } else if (span >= DRIFT_SPAN_US || span < -DRIFT_SPAN_US) {
        d->before = d->least;
        d->measured = true;
        d->from_us = media_us;
        d->least = lag;
    }
    if (lag < d->least) d->least = lag;
}

int64_t drift_shift(struct drift *d)
{
    int64_t off, most;

    if (!d->measured) return d->shift_us;
    off = (d->before < d->least ? d->before : d->least) - d->shift_us;
    if (off > -DRIFT_SLACK_US && off < DRIFT_SLACK_US) return d->shift_us;
    off -= off > 0 ? DRIFT_SLACK_US : -DRIFT_SLACK_US;
    most = off / SHARE;
    if (most > DRIFT_STEP_US) most = DRIFT_STEP_US;
    if (most < -DRIFT_STEP_US) most = -DRIFT_STEP_US;
    d->shift_us += most;
    return d->shift_us;
}

void drift_break(struct drift *d)
{
    d->known = d->measured = false;
}
