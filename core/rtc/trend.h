/* core/rtc/trend.h — does a queue grow on the way? From send and arrival times
 * of packets: the trend of the delay, and how long the queue is. Pure; one
 * thread; part of bwe. Source: draft-ietf-rmcat-gcc-02 §5.1–§5.4 (groups,
 * arrival filter, over-use detector with adaptive threshold). */
#ifndef CORE_RTC_TREND_H
#define CORE_RTC_TREND_H
#include <stdbool.h>
#include <stdint.h>

#include "core/rtc/twcc.h"

enum { TREND_POINTS = 20, TREND_LOWS = 8 };
enum trend_state { TREND_NORMAL, TREND_OVER, TREND_UNDER };

struct trend_group { /* packets that left within 5 ms */
    int64_t first_sent_at, last_sent_at;
    int64_t last_arrived_at;
    int64_t least_delay_us;
    int64_t bytes; /* 0: none */
};

struct trend {
    enum trend_state state;
    /* Delay above the least of 10 to 20 s: of the last group, and the least of
     * the last 200 ms. A stall passes at once and leaves no standing queue; a
     * path that is full keeps one. */
    int64_t queue_us, standing_us;
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
    struct {
        int64_t at, queue_us;
    } lows[TREND_LOWS]; /* least queue of each 25 ms with arrivals */
};

void trend_init(struct trend *t);
/* A packet that arrived, in the order they were sent. */
void trend_feed(struct trend *t, const struct twcc_sample *s);

#endif
