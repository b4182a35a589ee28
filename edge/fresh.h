/* edge/fresh.h — tells sound of now from sound that comes late in a heap: what
 * an encoder or the ladder held back while it began, or a publisher's network
 * for a while. A browser would keep such a heap as delay for minutes, and hold
 * the picture back to match; left out it is a gap that was there anyway.
 *
 * The measure is lag: arrival less its place on the stream's timeline, against
 * the least lag of the last FRESH_SPAN_US. Sound that just began has no past:
 * the picture's is taken, with more patience.
 * Pure; time in µs. */
#ifndef EDGE_FRESH_H
#define EDGE_FRESH_H
#include <stdbool.h>
#include <stdint.h>

enum {
    FRESH_SPAN_US = 8000000,
    FRESH_PAST_US = 1000000, /* so long it must have come to have a past */
    FRESH_SLACK_US = 250000,
};

struct fresh_lag {             /* {0} is new */
    int64_t first_at, turn_at; /* 0: nothing came yet */
    int64_t least, before;     /* of this half span and of the one before */
    bool has_before;
};
struct fresh {
    struct fresh_lag picture, sound;
};

/* A picture came. */
void fresh_picture(struct fresh *f, int64_t lag_us, int64_t now_at);
/* A sound came: is it of now? */
bool fresh_sound(struct fresh *f, int64_t lag_us, int64_t now_at);

#endif
