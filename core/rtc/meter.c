#include "core/rtc/meter.h"

static int64_t floor_bucket(int64_t at)
{
    return at / METER_BUCKET_US - (at % METER_BUCKET_US < 0);
}

static int index_of(int64_t bucket)
{
    return (int)((bucket % METER_BUCKETS + METER_BUCKETS) % METER_BUCKETS);
}

void meter_add(struct meter *m, int64_t at, int64_t n)
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
        m->sums[index_of(++newest)] = 0;
    if (at > m->last_at) m->last_at = at;
    m->sums[index_of(bucket)] += n;
}

/* The newest bucket counts as far as it goes. */
int64_t meter_sum(const struct meter *m, int64_t span_us, int64_t *seen_us)
{
    int64_t last = floor_bucket(m->last_at), sum = 0;
    int buckets = (int)(span_us / METER_BUCKET_US);

    *seen_us = 0;
    if (!m->started) return 0;
    for (int64_t b = last - buckets + 1; b <= last; b++)
        sum += m->sums[index_of(b)];
    *seen_us = m->last_at - (last - buckets + 1) * METER_BUCKET_US;
    if (m->last_at - m->first_at < *seen_us)
        *seen_us = m->last_at - m->first_at;
    return sum;
}

int64_t meter_rate(const struct meter *m, int64_t span_us, int64_t least_us)
{
    int64_t seen, sum = meter_sum(m, span_us, &seen);

    return seen <= 0 || seen < least_us ? 0
                                        : (int64_t)((double)sum * 8e6 / seen);
}

void meter_idle(struct meter *m, int64_t now)
{
    if (m->started && now > m->last_at) meter_add(m, now, 0);
}
