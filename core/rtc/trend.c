#include "core/rtc/trend.h"

#include <math.h>
#include <string.h>

enum {
    GROUP_US = 5000,
    GAP_US = 3 * 1000000,   /* of arrivals: what was before tells nothing */
    SPAN_US = 10 * 1000000, /* least delays are kept for two of them */
    LOW_US = 25000,
    STANDING_US = 200000,
    STANDING_LEAST = 4, /* of lows */
    DELTAS_MAX = 60,
    OVER_LEAST_MS = 10,
    THRESHOLD_LEAST_MS = 6,
    THRESHOLD_MOST_MS = 600,
    THRESHOLD_JUMP_MS = 15, /* beyond it a trend is no reason to adapt */
};

static const double SMOOTHING = 0.9, GAIN = 4.0;
static const double ADAPT_UP = 0.0087, ADAPT_DOWN = 0.039;

void trend_init(struct trend *t)
{
    memset(t, 0, sizeof *t);
    t->threshold_ms = 12.5;
    t->least_us[0] = t->least_us[1] = INT64_MAX;
}

/* --- the queue --- */

static int64_t least_delay(const struct trend *t)
{
    return t->least_us[0] < t->least_us[1] ? t->least_us[0] : t->least_us[1];
}

static void note_delay(struct trend *t, const struct twcc_sample *s)
{
    int64_t delay = s->arrived_at - s->sent_at;

    if (s->sent_at - t->span_started_at > SPAN_US) {
        t->least_us[1] = t->least_us[0];
        t->least_us[0] = INT64_MAX;
        t->span_started_at = s->sent_at;
    }
    if (delay < t->least_us[0]) t->least_us[0] = delay;
}

/* The least queue of the last 200 ms, and of four lows at least: where packets
 * come in bursts, a burst must have begun in them. */
static void note_standing(struct trend *t, int64_t queue_us, int64_t at)
{
    int last = TREND_LOWS - 1;

    if (at / LOW_US != t->lows[last].at / LOW_US) {
        memmove(t->lows, t->lows + 1, (size_t)last * sizeof t->lows[0]);
        t->lows[last].at = at;
        t->lows[last].queue_us = queue_us;
    }
    if (queue_us < t->lows[last].queue_us) t->lows[last].queue_us = queue_us;
    t->standing_us = queue_us;
    for (int i = last; i >= 0; i--) {
        if (last - i >= STANDING_LEAST && at - t->lows[i].at > STANDING_US)
            break;
        if (t->lows[i].queue_us < t->standing_us)
            t->standing_us = t->lows[i].queue_us;
    }
}

/* --- the trend --- */

/* Least squares: ms of delay per ms of time. */
static double fit_slope(const struct trend *t)
{
    double mean_at = 0, mean_delay = 0, top = 0, bottom = 0;

    for (int i = 0; i < t->point_count; i++) {
        mean_at += t->points[i].at_ms / t->point_count;
        mean_delay += t->points[i].delay_ms / t->point_count;
    }
    for (int i = 0; i < t->point_count; i++) {
        double at = t->points[i].at_ms - mean_at;

        top += at * (t->points[i].delay_ms - mean_delay);
        bottom += at * at;
    }
    return bottom > 0 ? top / bottom : 0;
}

static void adapt(struct trend *t, double trend_ms, int64_t at)
{
    double size = fabs(trend_ms), span_ms = (double)(at - t->adapted_at) / 1e3;
    double rate = size < t->threshold_ms ? ADAPT_DOWN : ADAPT_UP;

    t->adapted_at = at;
    if (size > t->threshold_ms + THRESHOLD_JUMP_MS) return;
    t->threshold_ms +=
        rate * (size - t->threshold_ms) * fmin(fmax(span_ms, 0), 100);
    t->threshold_ms =
        fmin(fmax(t->threshold_ms, THRESHOLD_LEAST_MS), THRESHOLD_MOST_MS);
}

static void judge(struct trend *t, double slope, double send_ms, int64_t at)
{
    double trend_ms = t->groups * slope * GAIN;

    if (trend_ms > t->threshold_ms) {
        t->over_ms += t->over_count ? send_ms : send_ms / 2;
        t->over_count++;
        if (t->over_ms > OVER_LEAST_MS && t->over_count > 1 &&
            slope >= t->slope)
            t->state = TREND_OVER;
    } else {
        t->over_ms = 0;
        t->over_count = 0;
        t->state = trend_ms < -t->threshold_ms ? TREND_UNDER : TREND_NORMAL;
    }
    t->slope = slope;
    adapt(t, trend_ms, at);
}

static void add_point(struct trend *t, double delta_ms, int64_t arrived_at)
{
    int last = t->point_count;

    t->accumulated_ms += delta_ms;
    t->smoothed_ms =
        SMOOTHING * t->smoothed_ms + (1 - SMOOTHING) * t->accumulated_ms;
    if (last == TREND_POINTS) {
        memmove(t->points, t->points + 1,
                (TREND_POINTS - 1) * sizeof t->points[0]);
        last--;
    }
    t->points[last].at_ms = (double)(arrived_at - t->origin_at) / 1e3;
    t->points[last].delay_ms = t->smoothed_ms;
    t->point_count = last + 1;
}

static void restart(struct trend *t)
{
    t->point_count = t->groups = t->over_count = 0;
    t->accumulated_ms = t->smoothed_ms = t->slope = t->over_ms = 0;
    t->state = TREND_NORMAL;
    t->previous.bytes = 0;
}

/* The current group is complete: compare it with the one before. */
static void close_group(struct trend *t)
{
    struct trend_group *g = &t->current, *p = &t->previous;
    int64_t sent_us = g->last_sent_at - p->last_sent_at;
    int64_t arrived_us = g->last_arrived_at - p->last_arrived_at;

    if (p->bytes && (arrived_us < 0 || arrived_us > GAP_US)) restart(t);
    t->queue_us = g->least_delay_us - least_delay(t);
    note_standing(t, t->queue_us, g->last_arrived_at);
    if (p->bytes) {
        if (!t->groups) t->origin_at = g->last_arrived_at;
        if (t->groups < DELTAS_MAX) t->groups++;
        add_point(t, (double)(arrived_us - sent_us) / 1e3, g->last_arrived_at);
        judge(t, t->point_count == TREND_POINTS ? fit_slope(t) : t->slope,
              (double)sent_us / 1e3, g->last_arrived_at);
    }
    *p = *g;
}

void trend_feed(struct trend *t, const struct twcc_sample *s)
{
    struct trend_group *g = &t->current;
    int64_t delay = s->arrived_at - s->sent_at;

    note_delay(t, s);
    if (g->bytes && s->sent_at < g->first_sent_at) return; /* reordered */
    if (g->bytes && s->sent_at - g->first_sent_at > GROUP_US) {
        close_group(t);
        g->bytes = 0;
    }
    if (!g->bytes) {
        g->first_sent_at = s->sent_at;
        g->last_arrived_at = s->arrived_at;
        g->least_delay_us = delay;
    }
    g->bytes += s->bytes;
    g->last_sent_at = s->sent_at;
    if (s->arrived_at > g->last_arrived_at) g->last_arrived_at = s->arrived_at;
    if (delay < g->least_delay_us) g->least_delay_us = delay;
}
