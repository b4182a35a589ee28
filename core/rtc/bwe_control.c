#include <math.h>

#include "core/rtc/bwe_priv.h"

enum {
    PEAK_FADE_US = 4 * SECOND,
    LOSS_LEAST = 20, /* packets, before a share of them tells anything */
    CUT_GAP_US = 200000,
    FULL_US = 250000,
    RTT_UNKNOWN_US = 100000,
    QUEUE_OVER_US = 20000,  /* over-use is believed with such a queue */
    QUEUE_LONG_US = 150000, /* cut deeper, so that it drains */
    QUEUE_GROWN_US = 3000,  /* since over-use began: not a mere step */
    QUEUE_STUCK_US = 40000,
    STUCK_US = 700000,
    DRAIN_US = 3 * SECOND,
    CAPACITY_KEPT_US = 12 * SECOND,
    REMB_STALE_US = 5 * SECOND,
    LIMIT_EXTRA_BPS = 100000,
};

/* Per second. Near what the path was last seen to carry it rises slowly. */
static const double RISE_FREE = 0.40, RISE_BELOW = 0.25, RISE_NEAR = 0.08,
                    RISE_LOSSY = 0.05;
static const double LOSS_SOME = 0.08, LOSS_HIGH = 0.10, LOSS_FLOOD = 0.30;
static const double LIMIT_FACTOR = 1.75;

void bwe_set_target(struct bwe *b, double bps, int64_t now)
{
    if (b->remb_bps && now - b->remb_at < REMB_STALE_US)
        bps = fmin(bps, (double)b->remb_bps);
    bps = fmin(fmax(bps, (double)b->conf.min_bps), (double)b->conf.max_bps);
    b->estimate.target_bps = (int64_t)bps;
}

bool bwe_has_passed(int64_t since, int64_t now, int64_t span_us)
{
    return since == INT64_MIN || now - since >= span_us;
}

bool bwe_cut(struct bwe *b, double bps, int64_t now)
{
    struct bwe_estimate *e = &b->estimate;

    if (bps >= (double)e->target_bps) return false;
    bwe_set_target(b, bps, now);
    e->lowered_at = now;
    e->state = BWE_FALLING;
    b->recent = b->recent_lost = 0;
    return true;
}

int64_t bwe_rtt_or_guess(const struct bwe *b)
{
    return b->estimate.rtt_us ? b->estimate.rtt_us : RTT_UNKNOWN_US;
}

/* What the path carries when it is full: with a standing queue it has been so
 * for all of that time. */
static double full_rate(const struct bwe *b)
{
    int64_t bps = b->estimate.acked_bps;

    if (b->trend.standing_us > QUEUE_OVER_US)
        bps = meter_rate(&b->acked, FULL_US, FULL_US / 2);
    return bps ? (double)bps : (double)b->estimate.target_bps;
}

void bwe_note_capacity(struct bwe *b, double bps, int64_t now)
{
    b->capacity_bps = (int64_t)bps;
    b->capacity_at = now;
}

/* It must grow from one feedback to a later one: a way that only became longer
 * (another route, a radio) does not. */
static bool is_growing(struct bwe *b)
{
    int64_t queue = b->trend.queue_us;

    if (b->trend.state != TREND_OVER) {
        b->over_from_us = -1;
        return false;
    }
    if (b->over_from_us < 0 || queue < b->over_from_us) b->over_from_us = queue;
    return queue >= b->over_from_us + QUEUE_GROWN_US;
}

/* The last cut was for a queue, and that is still there: it was too small. */
static bool is_stuck(const struct bwe *b, int64_t now)
{
    int64_t cut_at = b->estimate.lowered_at;

    return b->capacity_bps && b->capacity_at == cut_at &&
           b->trend.state != TREND_UNDER &&
           bwe_has_passed(cut_at, now, STUCK_US) &&
           !bwe_has_passed(cut_at, now, DRAIN_US) &&
           b->trend.standing_us > QUEUE_STUCK_US;
}

/* The queue grows: go below what the path carries. True: it was cut. */
static bool cut_by_delay(struct bwe *b, int64_t now)
{
    double full = full_rate(b);
    int64_t queue = b->trend.standing_us;
    bool grows = is_growing(b) && queue >= QUEUE_OVER_US;

    if (b->probe.id || now - b->probed_at < PROBE_CALM_US) return false;
    if (!grows && !is_stuck(b, now)) return false;
    bwe_note_capacity(b, full, now);
    return bwe_cut(b, full * (queue > QUEUE_LONG_US ? 0.70 : 0.85), now);
}

/* With a queue, or a flood of losses, the path is full and says how much it
 * carries; else losses alone lower it by half their share. */
static bool cut_by_loss(struct bwe *b, int64_t now)
{
    double loss, full = full_rate(b);

    if (b->recent < LOSS_LEAST) return false;
    loss = (double)b->recent_lost / b->recent;
    if (loss > LOSS_FLOOD ||
        (loss > LOSS_HIGH && b->trend.standing_us > QUEUE_OVER_US)) {
        bwe_note_capacity(b, full, now);
        return bwe_cut(b, full * 0.85, now);
    }
    if (loss > LOSS_HIGH)
        return bwe_cut(b, (double)b->estimate.target_bps * (1 - loss / 2), now);
    if (b->recent > 5 * LOSS_LEAST) { /* the old ones fade */
        b->recent /= 2;
        b->recent_lost /= 2;
    }
    return false;
}

static double rise_per_second(struct bwe *b, int64_t now)
{
    double target = (double)b->estimate.target_bps;
    double capacity = (double)b->capacity_bps;

    if (b->estimate.loss > LOSS_LOW) return RISE_LOSSY;
    if (!b->capacity_bps || now - b->capacity_at > CAPACITY_KEPT_US ||
        target > 1.15 * capacity) {
        b->capacity_bps = 0;
        return RISE_FREE;
    }
    return target < 0.90 * capacity ? RISE_BELOW : RISE_NEAR;
}

/* A path that is not filled proves no more than it delivered. */
static void rise(struct bwe *b, int64_t span_us, int64_t now)
{
    double target = (double)b->estimate.target_bps;
    double most = LIMIT_FACTOR * (double)b->peak_bps + LIMIT_EXTRA_BPS;
    double more =
        target * (1 + rise_per_second(b, now) * (double)span_us / 1e6);

    b->estimate.state = BWE_RISING;
    if (more > most) more = fmax(target, most);
    bwe_set_target(b, more, now);
}

/* bps: over a second, so that single large frames do not count as the rate. */
static void note_peak(struct bwe *b, int64_t bps, int64_t now)
{
    double fade = 1 - fmin(1, (double)(now - b->peak_at) / PEAK_FADE_US);

    b->peak_bps = (int64_t)((double)b->peak_bps * fade);
    if (bps > b->peak_bps) b->peak_bps = bps;
    b->peak_at = now;
}

/* Time since the last control, as far as one feedback may speak for it. */
static int64_t control_span(struct bwe *b, int64_t now, int64_t most)
{
    int64_t span = b->controlled_at ? now - b->controlled_at : 0;

    b->controlled_at = now;
    return span < 0 ? 0 : span > most ? most : span;
}

static bool is_draining(const struct bwe *b, int64_t now)
{
    if (b->trend.state != TREND_NORMAL) return true;
    return b->trend.standing_us > QUEUE_CALM_US &&
           !bwe_has_passed(b->estimate.lowered_at, now, DRAIN_US);
}

void bwe_control_samples(struct bwe *b, int64_t now)
{
    struct bwe_estimate *e = &b->estimate;
    int64_t span = control_span(b, now, SECOND / 2);
    int64_t gap =
        CUT_GAP_US +
        (bwe_rtt_or_guess(b) < SECOND / 2 ? bwe_rtt_or_guess(b) : SECOND / 2);

    note_peak(b, meter_rate(&b->acked, SECOND, SECOND / 2), now);
    if (bwe_has_passed(e->lowered_at, now, gap) &&
        (cut_by_delay(b, now) || cut_by_loss(b, now)))
        return;
    if (is_draining(b, now) || e->loss > LOSS_HIGH ||
        (e->loss > LOSS_LOW &&
         (e->loss > LOSS_SOME || b->trend.standing_us > QUEUE_CALM_US)))
        e->state = BWE_HOLDING;
    else
        rise(b, span, now);
}

void bwe_control_report(struct bwe *b, double loss, int64_t rtt_us, int64_t now)
{
    struct bwe_estimate *e = &b->estimate;
    int64_t span = control_span(b, now, 2 * SECOND);

    meter_idle(&b->sent, now);
    e->loss = loss;
    e->acked_bps =
        (int64_t)((double)meter_rate(&b->sent, RATE_US, RATE_LEAST_US) *
                  (1 - loss));
    note_peak(b, e->acked_bps, now);
    if (loss > LOSS_FLOOD || b->rtt_jumps >= 2 ||
        (loss > LOSS_HIGH && rtt_us > b->rtt_least_us + QUEUE_OVER_US)) {
        if (e->acked_bps) bwe_note_capacity(b, (double)e->acked_bps, now);
        bwe_cut(b, 0.85 * full_rate(b), now);
        b->rtt_jumps = 0;
    } else if (loss > LOSS_HIGH) {
        bwe_cut(b, (double)e->target_bps * (1 - loss / 2), now);
    } else if (loss > LOSS_LOW || b->rtt_jumps) {
        e->state = BWE_HOLDING;
    } else {
        rise(b, span, now);
    }
}
