#include "ingest/life.h"

void life_init(struct life *l, int64_t now)
{
    *l = (struct life){.fed_at = now, .window_at = now};
}

bool life_feed(struct life *l, int64_t now, size_t bytes)
{
    bool starved = l->starving;

    l->fed_at = now;
    l->starving = false;
    if (now - l->window_at >= LIFE_RATE_WINDOW_US) {
        l->window_at = now;
        l->window_bytes = 0;
    }
    l->window_bytes += (int64_t)bytes;
    return starved;
}

enum life_event life_tick(struct life *l, int64_t now, int64_t *next)
{
    int64_t silent = now - l->fed_at;

    *next = l->fed_at +
            (silent < LIFE_STARVING_US ? LIFE_STARVING_US : LIFE_OVER_US);
    if (silent >= LIFE_OVER_US) return LIFE_IS_OVER;
    if (silent < LIFE_STARVING_US || l->starving) return LIFE_GOES_ON;
    l->starving = true;
    return LIFE_STARVES;
}

bool life_is_over_rate(const struct life *l, const struct life_limits *limits)
{
    int64_t most = limits->bitrate_bps / 8 * (LIFE_RATE_WINDOW_US / 1000000);

    return most && l->window_bytes > most;
}
