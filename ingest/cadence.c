#include "ingest/cadence.h"

#include <string.h>

#include "core/media/track.h"

enum {
    TOLERANCE = 108, /* 1.2 ms: a rounding to ms at either end */
    MISFITS_MAX = 3,
    DURATION_MAX = VIDEO_TIMESCALE,
};

static const struct {
    uint32_t num, den;
} known[] = {
    {30, 1}, {30000, 1001}, {25, 1},       {24, 1},  {24000, 1001},
    {60, 1}, {60000, 1001}, {50, 1},       {48, 1},  {15, 1},
    {20, 1}, {10, 1},       {12, 1},       {120, 1}, {100, 1},
    {5, 1},  {90, 1},       {15000, 1001},
};

static int64_t divide_round(int64_t a, int64_t b)
{
    return (a >= 0 ? a + b / 2 : a - b / 2) / b;
}

static int64_t span_of(uint32_t num, uint32_t den, int64_t frames)
{
    return divide_round(frames * VIDEO_TIMESCALE * den, num);
}

static int64_t tick_of(const struct cadence *c, int64_t index)
{
    return c->anchor + span_of(c->num, c->den, index);
}

static int64_t index_near(const struct cadence *c, int64_t raw)
{
    return divide_round((raw - c->anchor) * c->num,
                        (int64_t)VIDEO_TIMESCALE * c->den);
}

static bool is_near(int64_t a, int64_t b)
{
    return a - b <= TOLERANCE && b - a <= TOLERANCE;
}

void cadence_init(struct cadence *c, uint32_t num, uint32_t den)
{
    memset(c, 0, sizeof *c);
    /* 1 .. 240 fps, and small enough for the sums above */
    if (!num || !den || num / den > 240 || den > num || num > 1000000) return;
    c->num = num;
    c->den = den;
    c->locked = true;
}

void cadence_reset(struct cadence *c)
{
    c->anchored = false;
    c->raw_count = c->raw_at = 0;
    c->misfits = 0;
}

static void anchor_at(struct cadence *c, int64_t tick)
{
    c->anchor = tick;
    c->index = 0;
    c->anchored = true;
}

static void begin_lock(struct cadence *c, int64_t tick, int64_t raw)
{
    anchor_at(c, tick);
    c->locked = true;
    c->misfits = 0;
    c->first_raw = raw;
    c->first_index = 0;
}

static void remember(struct cadence *c, int64_t raw)
{
    c->raw[c->raw_at] = raw;
    c->raw_at = (c->raw_at + 1) % CADENCE_WINDOW;
    if (c->raw_count < CADENCE_WINDOW) c->raw_count++;
}

/* i: 0 is the oldest of a full window. */
static int64_t remembered(const struct cadence *c, int i)
{
    return c->raw[(c->raw_at + i) % CADENCE_WINDOW];
}

/* How far the window's frames stray from an even grid, and where its middle
 * lies against the newest frame. */
static int64_t stray(const struct cadence *c, uint32_t num, uint32_t den,
                     int64_t *middle)
{
    int64_t newest = remembered(c, CADENCE_WINDOW - 1), low = 0, high = 0;

    for (int i = 0; i < CADENCE_WINDOW; i++) {
        int64_t line = newest - span_of(num, den, CADENCE_WINDOW - 1 - i);
        int64_t off = remembered(c, i) - line;
        if (off < low) low = off;
        if (off > high) high = off;
    }
    *middle = (low + high) / 2;
    return high - low;
}

static bool find_lock(struct cadence *c)
{
    int64_t best = TOLERANCE, best_middle = 0, middle;
    int found = -1;

    if (c->raw_count < CADENCE_WINDOW) return false;
    for (int i = 0; i < (int)(sizeof known / sizeof *known); i++) {
        int64_t s = stray(c, known[i].num, known[i].den, &middle);
        if (s >= best) continue;
        best = s;
        best_middle = middle;
        found = i;
    }
    if (found < 0) return false;
    c->num = known[found].num;
    c->den = known[found].den;
    int64_t raw = remembered(c, CADENCE_WINDOW - 1);
    begin_lock(c, raw + best_middle, raw);
    return true;
}

/* 29.97 announced as 30 fits for a second and then drifts away: over the span
 * since the lock began, the true rate shows. */
static void correct_rate(struct cadence *c, int64_t raw, int64_t index)
{
    int64_t frames = index - c->first_index, best = TOLERANCE * 2;

    if (frames < 2 * CADENCE_WINDOW) return;
    for (int i = 0; i < (int)(sizeof known / sizeof *known); i++) {
        int64_t span = span_of(known[i].num, known[i].den, frames);
        int64_t off = raw - c->first_raw - span;
        if (off < 0) off = -off;
        if (off >= best) continue;
        best = off;
        c->num = known[i].num;
        c->den = known[i].den;
    }
}

static int64_t place_locked(struct cadence *c, int64_t raw)
{
    int64_t index = index_near(c, raw), tick = tick_of(c, index);

    c->misfits <<= 1;
    if (index > c->index && is_near(tick, raw)) {
        c->index = index;
        return tick;
    }
    c->misfits |= 1;
    if (__builtin_popcount(c->misfits) > MISFITS_MAX) {
        c->locked = false;
        return raw;
    }
    if (index <= c->index) return raw; /* stepped back: the grid stays */
    correct_rate(c, raw, index);
    c->first_index -= index;
    anchor_at(c, raw);
    return raw;
}

int64_t cadence_place(struct cadence *c, int64_t raw)
{
    int64_t tick = raw;

    remember(c, raw);
    if (c->locked && !c->anchored)
        begin_lock(c, raw, raw);
    else if (c->locked)
        tick = place_locked(c, raw);
    else if (find_lock(c))
        tick = c->anchor;
    c->last = tick;
    return tick;
}

int64_t cadence_snap(const struct cadence *c, int64_t raw)
{
    if (!c->locked || !c->anchored) return raw;
    int64_t tick = tick_of(c, index_near(c, raw));
    return is_near(tick, raw) ? tick : raw;
}

int64_t cadence_duration(const struct cadence *c)
{
    if (c->locked && c->anchored)
        return tick_of(c, c->index + 1) - tick_of(c, c->index);
    if (c->raw_count < 2) return 0;
    int64_t newest = c->raw[(c->raw_at + CADENCE_WINDOW - 1) % CADENCE_WINDOW];
    int64_t before = c->raw[(c->raw_at + CADENCE_WINDOW - 2) % CADENCE_WINDOW];
    int64_t step = newest - before;
    return step > 0 && step <= DURATION_MAX ? step : 0;
}
