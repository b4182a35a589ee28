#include "edge/burst.h"

struct train {
    const struct twcc_sample *first, *last; /* that arrived */
    int64_t bytes;                          /* behind the first */
    int lost;
};

static int64_t rate(int64_t bytes, int64_t span_us)
{
    return bytes * 8 * 1000000 / (span_us > 1000 ? span_us : 1000);
}

static void learn(struct burst *b, const struct train *t)
{
    if (t->bytes < BURST_BYTES) return;
    int64_t sent = t->last->sent_at - t->first->sent_at;
    int64_t took = t->last->arrived_at - t->first->arrived_at;

    if (t->lost || took > sent + sent / 4 + BURST_NOISE_US)
        b->bps = rate(t->bytes, took);
    else if (b->bps < 2 * rate(t->bytes, sent + BURST_NOISE_US))
        b->bps = 2 * rate(t->bytes, sent + BURST_NOISE_US);
    if (b->bps > BURST_MAX_BPS) b->bps = BURST_MAX_BPS;
}

void burst_samples(struct burst *b, const struct twcc_sample *s, int count)
{
    struct train t = {0};

    for (int i = 0; i < count; i++) {
        if (i && s[i].sent_at - s[i - 1].sent_at > BURST_APART_US) {
            learn(b, &t);
            t = (struct train){0};
        }
        if (s[i].lost) {
            t.lost++;
            continue;
        }
        if (t.first)
            t.bytes += s[i].bytes;
        else
            t.first = &s[i];
        t.last = &s[i];
    }
    learn(b, &t);
}
