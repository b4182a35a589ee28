/* packager/drift.h — how far a publisher's clock has run away from ours. Media
 * time is the publisher's: 100 ppm are 8.6 s a day, and dates made of it alone
 * would be as wrong. What moves is the date of segments, not the media: sound
 * stays whole. Pure; one thread.
 *
 * The least distance of arrivals from media time, over DRIFT_SPAN_US at least,
 * may be DRIFT_SLACK_US off what the dates say; beyond that each boundary takes
 * a sixteenth of it back, at most DRIFT_STEP_US. So a date is true to the
 * arrival of its media within 0.1 s at 100 ppm, and 0.5 s at 1 %. */
#ifndef PACKAGER_DRIFT_H
#define PACKAGER_DRIFT_H
#include <stdbool.h>
#include <stdint.h>

#define DRIFT_SPAN_US  10000000LL
#define DRIFT_SLACK_US 100000LL
#define DRIFT_STEP_US  250000LL /* players take half a second for a mistake */

struct drift { /* {0} is new */
    bool known, measured;
    int64_t from_us;       /* media time at which this span began */
    int64_t least, before; /* arrival - media, of this span and the last */
    int64_t shift_us;      /* what is added to media time */
};

/* Media of media_us came at arrived_us; both since the stream's origin. */
void drift_note(struct drift *d, int64_t media_us, int64_t arrived_us);
/* At a boundary: what to add to the dates of what begins here. */
int64_t drift_shift(struct drift *d);
/* A publisher left: what comes next is measured anew. */
void drift_break(struct drift *d);

#endif
