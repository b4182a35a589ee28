#include "edge/pacer.h"

static int64_t clamped(int64_t bps)
{
    if (bps < PACER_RATE_MIN_BPS) return PACER_RATE_MIN_BPS;
    return bps > PACER_RATE_MAX_BPS ? PACER_RATE_MAX_BPS : bps;
}

/* Of 1/1,000,000 bit, so that short spans add up. */
static int64_t scaled(int64_t bytes)
{
    return bytes * 8 * 1000000;
}

static int64_t burst(const struct pacer *p)
{
    int64_t span = p->careful ? PACER_CAREFUL_US : PACER_TICK_US;
    /* Who was made to wait keeps what a late tick owes him. */
    if (p->waits) span = PACER_OWED_US;
    int64_t least = scaled(p->careful ? PACER_BURST_LEAST : PACER_BURST_BYTES);

    return p->rate_bps * span > least ? p->rate_bps * span : least;
}

static void refill(struct pacer *p, int64_t now_at)
{
    int64_t span = now_at - p->at;

    if (span <= 0) return;
    if (span > 1000000) span = 1000000;
    p->budget += p->rate_bps * span;
    if (p->budget > burst(p)) p->budget = burst(p);
    p->at = now_at;
}

void pacer_init(struct pacer *p, int64_t rate_bps, int64_t now_at)
{
    *p = (struct pacer){.rate_bps = clamped(rate_bps), .at = now_at};
    p->budget = burst(p);
}

void pacer_set_rate(struct pacer *p, int64_t rate_bps, bool careful,
                    int64_t now_at)
{
    refill(p, now_at);
    p->careful = careful;
    p->rate_bps = clamped(rate_bps);
}

bool pacer_may_send(struct pacer *p, int64_t now_at)
{
    refill(p, now_at);
    p->waits = p->budget <= 0;
    return !p->waits;
}

void pacer_sent(struct pacer *p, size_t bytes)
{
    p->budget -= scaled((int64_t)bytes);
}

int64_t pacer_span_us(const struct pacer *p, uint64_t bytes)
{
    return (int64_t)(bytes * 8 * 1000000 / (uint64_t)p->rate_bps);
}
