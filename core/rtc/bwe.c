#include "core/rtc/bwe.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/rtc/trend.h"

enum {
    SECOND = 1000000,
    METER_BUCKETS = 20,
    BUCKET_US = 50000,
    RATE_US = 500000,
    RATE_LEAST_US = 150000, /* seen for so long before a rate is said */
    PEAK_FADE_US = 4 * SECOND,

    LOSS_LEAST = 20, /* packets, before a share of them tells anything */
    CUT_GAP_US = 200000,
    RTT_UNKNOWN_US = 100000,
    RTT_MOST_US = 2 * SECOND,
    QUEUE_OVER_US = 20000,  /* over-use is believed with such a queue */
    QUEUE_LONG_US = 150000, /* cut deeper, so that it drains */
    QUEUE_CALM_US = 15000,
    QUEUE_GROWN_US = 3000, /* since it was first over-used: not a mere step */
    DRAIN_US = 3 * SECOND,
    CAPACITY_KEPT_US = 12 * SECOND,

    SAMPLES_STALE_US = 2 * SECOND, /* then reports count again */
    REMB_STALE_US = 5 * SECOND,
    SILENT_SAMPLES_US = 600000,
    SILENT_REPORTS_US = 6 * SECOND,
    RTT_JUMP_US = 80000,

    PROBE_LEAST = 5, /* arrived packets, to tell anything */
    PROBE_SURE = 8,  /* to lower the target */
    PROBE_CALM_US = 300000,
    PROBE_AFTER_CUT_US = 5 * SECOND,
    PROBE_GAP_LEAST_US = 5 * SECOND,
    PROBE_GAP_MOST_US = 40 * SECOND,
    PROBE_OVER_US = 2 * SECOND, /* what has not been heard of by then is lost */
};

/* Per second. Near what the path was last seen to carry it rises slowly. */
static const double RISE_FREE = 0.40, RISE_BELOW = 0.25, RISE_NEAR = 0.08,
                    RISE_LOSSY = 0.05;
static const double LOSS_HIGH = 0.10, LOSS_SOME = 0.08, LOSS_LOW = 0.02,
                    LOSS_FLOOD = 0.30;
static const double LIMIT_FACTOR = 1.75;
static const int64_t LIMIT_EXTRA_BPS = 100000;

struct meter { /* sums of the last second, in buckets */
    bool started;
    int64_t first_at, last_at;
    int64_t sums[METER_BUCKETS];
};

struct probe {
    uint8_t id; /* 0: none */
    int64_t bps, wanted_bps;
    int packets, arrived, lost;
    int64_t sent_at, first_sent_at, last_sent_at, first_arrived_at,
        last_arrived_at;
    int64_t bytes; /* of all but the first */
};

struct bwe {
    struct bwe_conf conf;
    struct bwe_estimate estimate;
    struct trend trend;
    struct meter sent, acked, counted, lost;
    int64_t peak_bps, peak_at; /* of what was delivered, fading */
    int recent, recent_lost;   /* of packets sent after the last cut */
    int64_t controlled_at;
    int64_t over_from_us; /* the queue when over-use began; -1: there is none */
    int64_t capacity_bps, capacity_at; /* when it was last over-used; 0 */
    int64_t samples_at, heard_at, silenced_at;
    int64_t resumed_at; /* after silence; what was lost in it is known */
    int64_t remb_bps, remb_at;
    int64_t rtt_least_us;
    int rtt_jumps;
    struct probe probe;
    uint8_t probe_ids;
    int64_t probed_at, probe_gap_us;
};

/* --- meters --- */

static int64_t floor_bucket(int64_t at)
{
    return at / BUCKET_US - (at % BUCKET_US < 0);
}

static int64_t *bucket_of(struct meter *m, int64_t bucket)
{
    return &m->sums[(bucket % METER_BUCKETS + METER_BUCKETS) % METER_BUCKETS];
}

static void meter_add(struct meter *m, int64_t at, int64_t n)
{
    int64_t bucket = floor_bucket(at), newest = floor_bucket(m->last_at);

    if (!m->started || bucket - newest >= METER_BUCKETS) {
        if (!m->started) m->first_at = at;
        m->started = true;
        m->last_at = at;
        newest = bucket - METER_BUCKETS;
    }
    if (newest - bucket >= METER_BUCKETS) return; /* older than all we keep */
    while (newest < bucket)
        *bucket_of(m, ++newest) = 0;
    if (at > m->last_at) m->last_at = at;
    *bucket_of(m, bucket) += n;
}

/* Of the last span_us, the newest bucket as far as it goes; *seen_us: how
 * long that is. */
static int64_t meter_sum(struct meter *m, int64_t span_us, int64_t *seen_us)
{
    int64_t last = floor_bucket(m->last_at), sum = 0;
    int buckets = (int)(span_us / BUCKET_US);

    *seen_us = 0;
    if (!m->started) return 0;
    for (int64_t b = last - buckets + 1; b <= last; b++)
        sum += *bucket_of(m, b);
    *seen_us = m->last_at - (last - buckets + 1) * BUCKET_US;
    if (m->last_at - m->first_at < *seen_us)
        *seen_us = m->last_at - m->first_at;
    return sum;
}

static int64_t meter_rate(struct meter *m, int64_t span_us, int64_t least_us)
{
    int64_t seen, sum = meter_sum(m, span_us, &seen);

    return seen < least_us ? 0 : (int64_t)((double)sum * 8e6 / seen);
}

/* Brings a meter to now although nothing was to be added. */
static void meter_idle(struct meter *m, int64_t now)
{
    if (m->started && now > m->last_at) meter_add(m, now, 0);
}

/* --- create --- */

int bwe_create(struct bwe **out, const struct bwe_conf *conf)
{
    struct bwe *b;

    if (conf->min_bps <= 0 || conf->min_bps > conf->start_bps ||
        conf->start_bps > conf->max_bps)
        return ERR_RANGE;
    b = calloc(1, sizeof *b);
    if (!b) return ERR_NOMEM;
    b->conf = *conf;
    b->estimate.target_bps = conf->start_bps;
    b->estimate.lowered_at = INT64_MIN;
    b->probe_gap_us = PROBE_GAP_LEAST_US;
    b->over_from_us = -1;
    trend_init(&b->trend);
    *out = b;
    return 0;
}

void bwe_free(struct bwe **b)
{
    free(*b);
    *b = NULL;
}

const struct bwe_estimate *bwe_estimate(const struct bwe *b)
{
    return &b->estimate;
}

/* --- control --- */

static void set_target(struct bwe *b, double bps, int64_t now)
{
    if (b->remb_bps && now - b->remb_at < REMB_STALE_US)
        bps = fmin(bps, (double)b->remb_bps);
    bps = fmin(fmax(bps, (double)b->conf.min_bps), (double)b->conf.max_bps);
    b->estimate.target_bps = (int64_t)bps;
}

static bool passed(int64_t since, int64_t now, int64_t span_us)
{
    return since == INT64_MIN || now - since >= span_us;
}

/* True: that is lower than before. */
static bool cut(struct bwe *b, double bps, int64_t now)
{
    struct bwe_estimate *e = &b->estimate;

    if (bps >= (double)e->target_bps) return false;
    set_target(b, bps, now);
    e->lowered_at = now;
    e->state = BWE_FALLING;
    b->recent = b->recent_lost = 0;
    return true;
}

static int64_t rtt_or_guess(const struct bwe *b)
{
    return b->estimate.rtt_us ? b->estimate.rtt_us : RTT_UNKNOWN_US;
}

/* What the path carries when it is full. */
static double full_rate(const struct bwe *b)
{
    int64_t busy = trend_capacity(&b->trend);

    if (!b->estimate.acked_bps) return (double)b->estimate.target_bps;
    return busy ? (double)busy : (double)b->estimate.acked_bps;
}

static void note_capacity(struct bwe *b, double bps, int64_t now)
{
    b->capacity_bps = (int64_t)bps;
    b->capacity_at = now;
}

/* It must grow from one feedback to a later one: a way that only became longer
 * (another route, a radio) does not. */
static bool is_growing(struct bwe *b)
{
    int64_t queue = b->trend.previous.queue_us;

    if (b->trend.state != TREND_OVER) {
        b->over_from_us = -1;
        return false;
    }
    if (b->over_from_us < 0 || queue < b->over_from_us) b->over_from_us = queue;
    return queue >= b->over_from_us + QUEUE_GROWN_US;
}

/* The queue grows: go below what the path carries. True: it was cut. */
static bool cut_by_delay(struct bwe *b, int64_t now)
{
    double full = full_rate(b);
    int64_t queue = b->trend.queue_us;

    if (!is_growing(b) || queue < QUEUE_OVER_US) return false;
    if (b->probe.id || now - b->probed_at < PROBE_CALM_US) return false;
    note_capacity(b, full, now);
    return cut(b, full * (queue > QUEUE_LONG_US ? 0.70 : 0.85), now);
}

/* With a queue, or a flood of losses, the path is full and says how much it
 * carries; else losses alone lower it by half their share. */
static bool cut_by_loss(struct bwe *b, int64_t now)
{
    double loss, full = full_rate(b);

    if (b->recent < LOSS_LEAST) return false;
    loss = (double)b->recent_lost / b->recent;
    if (loss > LOSS_FLOOD ||
        (loss > LOSS_HIGH && b->trend.queue_us > QUEUE_OVER_US)) {
        note_capacity(b, full, now);
        return cut(b, full * 0.85, now);
    }
    if (loss > LOSS_HIGH)
        return cut(b, (double)b->estimate.target_bps * (1 - loss / 2), now);
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
    double most = LIMIT_FACTOR * (double)b->peak_bps + (double)LIMIT_EXTRA_BPS;
    double more =
        target * (1 + rise_per_second(b, now) * (double)span_us / 1e6);

    b->estimate.state = BWE_RISING;
    if (more > most) more = fmax(target, most);
    set_target(b, more, now);
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
    return b->trend.queue_us > QUEUE_CALM_US &&
           !passed(b->estimate.lowered_at, now, DRAIN_US);
}

static void control_by_samples(struct bwe *b, int64_t now)
{
    struct bwe_estimate *e = &b->estimate;
    int64_t span = control_span(b, now, SECOND / 2);
    int64_t gap = CUT_GAP_US +
                  (rtt_or_guess(b) < SECOND / 2 ? rtt_or_guess(b) : SECOND / 2);

    note_peak(b, meter_rate(&b->acked, SECOND, SECOND / 2), now);
    if (passed(e->lowered_at, now, gap) &&
        (cut_by_delay(b, now) || cut_by_loss(b, now)))
        return;
    if (is_draining(b, now) || e->loss > LOSS_HIGH ||
        (e->loss > LOSS_LOW &&
         (e->loss > LOSS_SOME || b->trend.queue_us > QUEUE_CALM_US)))
        e->state = BWE_HOLDING;
    else
        rise(b, span, now);
}

/* --- input --- */

static void note_limited(struct bwe *b, int64_t now)
{
    meter_idle(&b->sent, now);
    b->estimate.limited = (double)meter_rate(&b->sent, RATE_US, RATE_LEAST_US) <
                          0.8 * (double)b->estimate.target_bps;
}

void bwe_sent(struct bwe *b, int64_t bytes, int64_t now)
{
    meter_add(&b->sent, now, bytes);
}

static void finish_probe(struct bwe *b, int64_t now)
{
    struct probe p = b->probe;
    double sent, arrived, learned;

    b->probe.id = 0;
    b->probed_at = now;
    b->probe_gap_us *= 2;
    if (b->probe_gap_us > PROBE_GAP_MOST_US)
        b->probe_gap_us = PROBE_GAP_MOST_US;
    if (p.arrived < PROBE_LEAST || p.last_arrived_at <= p.first_arrived_at ||
        p.last_sent_at <= p.first_sent_at)
        return;
    arrived = (double)p.bytes * 8e6 /
              (double)(p.last_arrived_at - p.first_arrived_at);
    sent = (double)p.bytes * 8e6 / (double)(p.last_sent_at - p.first_sent_at);
    learned = fmin(fmin(sent, arrived), (double)p.bps);
    if (arrived < 0.9 * sent || p.lost * 10 > p.packets) {
        note_capacity(b, fmin(arrived, learned), now);
        /* A target that was never tried may lie above it. */
        learned = fmax(0.85 * (double)b->capacity_bps, (double)b->peak_bps);
        if (p.arrived >= PROBE_SURE) cut(b, learned, now);
    } else {
        b->capacity_bps = 0;
        b->probe_gap_us = PROBE_GAP_LEAST_US;
    }
    if (learned > (double)b->estimate.target_bps) set_target(b, learned, now);
}

static void note_probe(struct bwe *b, const struct twcc_sample *s, int64_t now)
{
    struct probe *p = &b->probe;

    if (s->lost) {
        p->lost++;
    } else {
        if (p->arrived++) {
            p->bytes += s->bytes;
        } else {
            p->first_sent_at = s->sent_at;
            p->first_arrived_at = s->arrived_at;
        }
        p->last_sent_at = s->sent_at;
        if (s->arrived_at > p->last_arrived_at || p->arrived == 1)
            p->last_arrived_at = s->arrived_at;
    }
    if (p->arrived + p->lost >= p->packets) finish_probe(b, now);
}

static void note_sample(struct bwe *b, const struct twcc_sample *s, int64_t now)
{
    bool probing = s->probe != 0;

    if (probing && s->probe == b->probe.id) note_probe(b, s, now);
    if (!s->lost) meter_add(&b->acked, s->arrived_at, s->bytes);
    if (probing) return; /* its queue and its losses are our own doing */
    if (s->lost && s->sent_at < b->resumed_at) return;
    meter_add(&b->counted, now, 1);
    meter_add(&b->lost, now, s->lost);
    if (s->sent_at > b->estimate.lowered_at) {
        b->recent++;
        b->recent_lost += s->lost;
    }
    if (!s->lost) trend_feed(&b->trend, s);
}

void bwe_samples(struct bwe *b, const struct twcc_sample *s, int count,
                 int64_t now)
{
    struct bwe_estimate *e = &b->estimate;
    int64_t seen, all, lost;

    if (count <= 0) return;
    if (e->state == BWE_SILENT) b->resumed_at = now;
    for (int i = 0; i < count; i++)
        note_sample(b, &s[i], now);
    if (b->probe.id && now - b->probe.sent_at > PROBE_OVER_US)
        finish_probe(b, now);
    b->samples_at = b->heard_at = now;
    all = meter_sum(&b->counted, SECOND, &seen);
    lost = meter_sum(&b->lost, SECOND, &seen);
    e->loss = all ? (double)lost / (double)all : 0;
    e->acked_bps = meter_rate(&b->acked, RATE_US, RATE_LEAST_US);
    e->queue_us = b->trend.queue_us;
    control_by_samples(b, now);
    note_limited(b, now);
}

static void note_rtt(struct bwe *b, int64_t rtt_us)
{
    struct bwe_estimate *e = &b->estimate;
    int64_t least = b->rtt_least_us;

    if (rtt_us <= 0) return;
    if (rtt_us > RTT_MOST_US) rtt_us = RTT_MOST_US;
    e->rtt_us = e->rtt_us ? (7 * e->rtt_us + rtt_us) / 8 : rtt_us;
    b->rtt_jumps = least && rtt_us > 2 * least && rtt_us > least + RTT_JUMP_US
                       ? b->rtt_jumps + 1
                       : 0;
    /* It may have become longer for good: follow, slowly. */
    b->rtt_least_us = !least || rtt_us < least ? rtt_us : least + least / 64;
}

void bwe_report(struct bwe *b, uint8_t fraction_lost, int64_t rtt_us,
                int64_t now)
{
    struct bwe_estimate *e = &b->estimate;
    double loss = fraction_lost / 256.0;
    int64_t span;

    note_rtt(b, rtt_us);
    if (b->samples_at && now - b->samples_at < SAMPLES_STALE_US) return;
    b->heard_at = now;
    span = control_span(b, now, 2 * SECOND);
    meter_idle(&b->sent, now);
    e->loss = loss;
    e->acked_bps =
        (int64_t)((double)meter_rate(&b->sent, RATE_US, RATE_LEAST_US) *
                  (1 - loss));
    note_peak(b, e->acked_bps, now);
    if (loss > LOSS_FLOOD || b->rtt_jumps >= 2 ||
        (loss > LOSS_HIGH && rtt_us > b->rtt_least_us + QUEUE_OVER_US)) {
        if (e->acked_bps) note_capacity(b, (double)e->acked_bps, now);
        cut(b, 0.85 * full_rate(b), now);
        b->rtt_jumps = 0;
    } else if (loss > LOSS_HIGH) {
        cut(b, (double)e->target_bps * (1 - loss / 2), now);
    } else if (loss > LOSS_LOW || b->rtt_jumps) {
        e->state = BWE_HOLDING;
    } else {
        rise(b, span, now);
    }
    note_limited(b, now);
}

void bwe_remb(struct bwe *b, uint64_t bps, int64_t now)
{
    if (b->samples_at && now - b->samples_at < SAMPLES_STALE_US) return;
    b->heard_at = now;
    b->remb_bps = bps > INT64_MAX ? INT64_MAX : bps ? (int64_t)bps : 1;
    b->remb_at = now;
    if (b->remb_bps < b->estimate.target_bps) {
        set_target(b, (double)b->remb_bps, now);
        b->estimate.lowered_at = now;
        b->estimate.state = BWE_FALLING;
    } else if (b->estimate.state == BWE_STARTING) {
        b->estimate.state = BWE_HOLDING;
    }
}

/* Media leaves and nothing comes back: the path may be gone. */
void bwe_tick(struct bwe *b, int64_t now)
{
    struct bwe_estimate *e = &b->estimate;
    bool sampled = b->samples_at != 0;
    int64_t silent = sampled ? SILENT_SAMPLES_US : SILENT_REPORTS_US;
    int64_t since = b->heard_at, seen;

    if (sampled && 3 * rtt_or_guess(b) > silent) silent = 3 * rtt_or_guess(b);
    if (!b->heard_at) return;
    if (b->silenced_at > since) since = b->silenced_at;
    meter_idle(&b->sent, now);
    note_limited(b, now);
    if (now - since < silent || !meter_sum(&b->sent, RATE_US, &seen)) return;
    b->silenced_at = now;
    cut(b, 0.7 * (double)e->target_bps, now);
    e->state = BWE_SILENT;
}

/* --- probes --- */

int64_t bwe_probe_wanted(const struct bwe *b, int64_t want_bps, int64_t now)
{
    const struct bwe_estimate *e = &b->estimate;
    double bps = 1.2 * (double)want_bps, most = 4.0 * (double)e->target_bps;

    if (want_bps <= e->target_bps || e->target_bps >= b->conf.max_bps ||
        e->state != BWE_RISING || !e->limited || e->loss > LOSS_LOW ||
        !e->acked_bps || b->trend.queue_us > QUEUE_CALM_US)
        return 0;
    if (b->probe.id || now - b->samples_at > SECOND ||
        !passed(e->lowered_at, now, PROBE_AFTER_CUT_US) ||
        (b->probed_at && now - b->probed_at < b->probe_gap_us))
        return 0;
    return (int64_t)fmin(fmin(bps, most), (double)b->conf.max_bps);
}

uint8_t bwe_probe_sent(struct bwe *b, int64_t bps, int packets, int64_t now)
{
    b->probe_ids = b->probe_ids == UINT8_MAX ? 1 : b->probe_ids + 1;
    b->probe = (struct probe){
        .id = b->probe_ids, .bps = bps, .packets = packets, .sent_at = now};
    b->probed_at = now;
    return b->probe.id;
}

int64_t bwe_rtt_of_report(const struct rtcp_report *r, uint64_t ntp)
{
    /* 16.16 seconds, which wrap every 18 hours. */
    int32_t rtt =
        (int32_t)((uint32_t)(ntp >> 16) - r->last_sr - r->delay_since_last_sr);

    if (!r->last_sr) return 0;
    return rtt <= 0 ? 1000 : (int64_t)rtt * 1000000 >> 16;
}
