#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/rtc/bwe_priv.h"

enum {
    RTT_MOST_US = 2 * SECOND,
    RTT_JUMP_US = 80000,
    SAMPLES_STALE_US = 2 * SECOND, /* then reports count again */
    SILENT_SAMPLES_US = SECOND,
    SILENT_REPORTS_US = 6 * SECOND,

    PROBE_LEAST = 5, /* arrived packets, to tell anything */
    PROBE_SURE = 8,  /* to lower the target */
    PROBE_AFTER_CUT_US = 5 * SECOND,
    PROBE_GAP_LEAST_US = 5 * SECOND,
    PROBE_GAP_MOST_US = 40 * SECOND,
    PROBE_OVER_US = 2 * SECOND, /* what has not been heard of by then is lost */
};

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
    struct bwe_probe p = b->probe;
    double sent, arrived, learned;

    b->probe.id = 0;
    b->probed_at = now;
    if (p.arrived < PROBE_LEAST || p.last_arrived_at <= p.first_arrived_at ||
        p.last_sent_at <= p.first_sent_at)
        return;
    arrived = (double)p.bytes * 8e6 /
              (double)(p.last_arrived_at - p.first_arrived_at);
    sent = (double)p.bytes * 8e6 / (double)(p.last_sent_at - p.first_sent_at);
    learned = fmin(fmin(sent, arrived), (double)p.bps);
    if (p.lost * 10 > p.packets) {
        /* It did not fit. A target that was never tried may lie above it. */
        bwe_note_capacity(b, learned, now);
        learned = fmax(0.85 * learned, (double)b->peak_bps);
        if (p.arrived >= PROBE_SURE) bwe_cut(b, learned, now);
        b->probe_gap_us *= 2;
        if (b->probe_gap_us > PROBE_GAP_MOST_US)
            b->probe_gap_us = PROBE_GAP_MOST_US;
    } else if (arrived < 0.9 * sent) {
        /* A queue, or a stall on the way: believe what came through. */
        learned *= 0.85;
    } else {
        b->capacity_bps = 0;
        b->probe_gap_us = PROBE_GAP_LEAST_US;
    }
    if (learned > (double)b->estimate.target_bps)
        bwe_set_target(b, learned, now);
}

static void note_probe(struct bwe *b, const struct twcc_sample *s, int64_t now)
{
    struct bwe_probe *p = &b->probe;

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

/* If hardly anything was lost, only the feedback was late: go on as before. */
static void resume(struct bwe *b, const struct twcc_sample *s, int count,
                   int64_t now)
{
    int lost = 0;

    for (int i = 0; i < count; i++)
        lost += s[i].lost;
    b->resumed_at = now;
    if (lost * 10 <= count)
        bwe_set_target(b, (double)b->before_silence_bps, now);
}

void bwe_samples(struct bwe *b, const struct twcc_sample *s, int count,
                 int64_t now)
{
    struct bwe_estimate *e = &b->estimate;
    int64_t seen, all, lost;

    if (count <= 0) return;
    if (e->state == BWE_SILENT) resume(b, s, count, now);
    for (int i = 0; i < count; i++)
        note_sample(b, &s[i], now);
    if (b->probe.id && now - b->probe.sent_at > PROBE_OVER_US)
        finish_probe(b, now);
    b->samples_at = b->heard_at = now;
    all = meter_sum(&b->counted, SECOND, &seen);
    lost = meter_sum(&b->lost, SECOND, &seen);
    e->loss = all ? (double)lost / (double)all : 0;
    e->acked_bps = meter_rate(&b->acked, RATE_US, RATE_LEAST_US);
    e->queue_us = b->trend.standing_us;
    bwe_control_samples(b, now);
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
    note_rtt(b, rtt_us);
    if (b->samples_at && now - b->samples_at < SAMPLES_STALE_US) return;
    b->heard_at = now;
    bwe_control_report(b, fraction_lost / 256.0, rtt_us, now);
    note_limited(b, now);
}

void bwe_remb(struct bwe *b, uint64_t bps, int64_t now)
{
    if (b->samples_at && now - b->samples_at < SAMPLES_STALE_US) return;
    b->heard_at = now;
    b->remb_bps = bps > INT64_MAX ? INT64_MAX : bps ? (int64_t)bps : 1;
    b->remb_at = now;
    if (b->remb_bps < b->estimate.target_bps) {
        bwe_set_target(b, (double)b->remb_bps, now);
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

    if (sampled && 3 * bwe_rtt_or_guess(b) > silent)
        silent = 3 * bwe_rtt_or_guess(b);
    if (!b->heard_at) return;
    if (b->silenced_at > since) since = b->silenced_at;
    meter_idle(&b->sent, now);
    note_limited(b, now);
    if (now - since < silent || !meter_sum(&b->sent, RATE_US, &seen)) return;
    b->silenced_at = now;
    if (e->state != BWE_SILENT) b->before_silence_bps = e->target_bps;
    bwe_cut(b, 0.7 * (double)e->target_bps, now);
    e->state = BWE_SILENT;
}

/* --- probes --- */

int64_t bwe_probe_wanted(const struct bwe *b, int64_t want_bps, int64_t now)
{
    const struct bwe_estimate *e = &b->estimate;
    double bps = 1.2 * (double)want_bps, most = 4.0 * (double)e->target_bps;

    if (want_bps <= e->target_bps || e->target_bps >= b->conf.max_bps ||
        e->state != BWE_RISING || !e->limited || e->loss > LOSS_LOW ||
        !e->acked_bps || b->trend.standing_us > QUEUE_CALM_US)
        return 0;
    if (b->probe.id || now - b->samples_at > SECOND ||
        !bwe_has_passed(e->lowered_at, now, PROBE_AFTER_CUT_US) ||
        (b->probed_at && now - b->probed_at < b->probe_gap_us))
        return 0;
    return (int64_t)fmin(fmin(bps, most), (double)b->conf.max_bps);
}

uint8_t bwe_probe_sent(struct bwe *b, int64_t bps, int packets, int64_t now)
{
    b->probe_ids = b->probe_ids == UINT8_MAX ? 1 : b->probe_ids + 1;
    b->probe = (struct bwe_probe){
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
