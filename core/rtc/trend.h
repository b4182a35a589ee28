/* core/rtc/trend.h — does a queue grow on the way? From send and arrival times
 * of packets: the trend of the delay, how long the queue is, and what the path
 * delivered while there was one. Pure; one thread; part of bwe.
 * Source: draft-ietf-rmcat-gcc-02 §5.1–§5.4 (groups, arrival filter, over-use
 * detector with adaptive threshold). */
#ifndef CORE_RTC_TREND_H
#define CORE_RTC_TREND_H
#include <stdbool.h>
#include <stdint.h>

#include "core/rtc/twcc.h"

enum { TREND_POINTS = 20 };
enum trend_state { TREND_NORMAL, TREND_OVER, TREND_UNDER };

struct trend_group { /* packets that left within 5 ms */
    int64_t first_sent_at, last_sent_at;
    int64_t last_arrived_at;
    int64_t least_delay_us;
    int64_t bytes;
    int64_t queue_us; /* once it is complete */
};

struct trend {
    enum trend_state state;
    int64_t queue_us; /* smoothed: delay above the least of 10 to 20 s */
    /* All below belongs to trend.c. */
    struct trend_group current, previous;
    int groups; /* deltas seen, 60 at most */
    int64_t origin_at;
    double accumulated_ms, smoothed_ms;
    struct {
        double at_ms, delay_ms;
    } points[TREND_POINTS];
    int point_count;
    double slope, threshold_ms, over_ms;
    int over_count;
    int64_t adapted_at;
    int64_t least_us[2]; /* of delay: this span's and the last one's */
    int64_t span_started_at;
    double busy_bytes, busy_us; /* fading */
};

void trend_init(struct trend *t);
/* A packet that arrived, in the order they were sent. */
void trend_feed(struct trend *t, const struct twcc_sample *s);
/* What the path delivers when it is full, bit/s; 0: it was not, lately. */
int64_t trend_capacity(const struct trend *t);

#endif
