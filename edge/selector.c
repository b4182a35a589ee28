#include "edge/selector.h"

#include <stddef.h>
#include <string.h>

void selector_init(struct selector *s, int64_t now_at)
{
    *s = (struct selector){
        .clean_since = now_at,
        .up_wait_us = SELECTOR_UP_US,
    };
}

void selector_set_rungs(struct selector *s, const struct selector_rung *rungs,
                        int count)
{
    s->count = count < SELECTOR_RUNGS_MAX ? count : SELECTOR_RUNGS_MAX;
    if (s->count) memcpy(s->rungs, rungs, (size_t)s->count * sizeof *rungs);
}

void selector_pin(struct selector *s, uint8_t id)
{
    s->pinned = id;
}

static const struct selector_rung *find(const struct selector *s, uint8_t id)
{
    for (int i = 0; i < s->count; i++)
        if (s->rungs[i].id == id) return &s->rungs[i];
    return NULL;
}

static bool is_better(const struct selector *s, uint8_t id, uint8_t than)
{
    for (int i = 0; i < s->count; i++) {
        if (s->rungs[i].id == than) return false;
        if (s->rungs[i].id == id) return true;
    }
    return false;
}

/* percent: of what a rung needs, so much must be there. */
static uint8_t best_at(const struct selector *s, uint32_t target_bps,
                       uint32_t percent)
{
    for (int i = 0; i < s->count; i++)
        if ((uint64_t)s->rungs[i].bps * percent <= (uint64_t)target_bps * 100)
            return s->rungs[i].id;
    return s->count ? s->rungs[s->count - 1].id : 0;
}

uint8_t selector_best(const struct selector *s, uint32_t target_bps)
{
    return best_at(s, target_bps ? target_bps : SELECTOR_START_BPS, 100);
}

void selector_shows(struct selector *s, uint8_t id, int64_t now_at)
{
    if (!s->began_at) s->began_at = now_at;
    if (s->current && is_better(s, id, s->current) &&
        now_at - s->began_at > SELECTOR_SETTLE_US)
        s->went_up_at = now_at;
    s->current = id;
    s->low_since = 0;
    s->clean_since = now_at;
}

/* Less is there than what is shown needs. */
static void go_down(struct selector *s, uint32_t target_bps, int64_t now_at)
{
    s->wanted = best_at(s, target_bps, 110);
    s->clean_since = 0;
    if (!s->went_up_at || now_at - s->went_up_at > SELECTOR_RELAPSE_US) return;
    s->went_up_at = 0;
    s->up_wait_us *= 2;
    if (s->up_wait_us > SELECTOR_UP_MAX_US) s->up_wait_us = SELECTOR_UP_MAX_US;
}

static void watch_low(struct selector *s, const struct selector_rung *current,
                      uint32_t target_bps, int64_t now_at)
{
    if (target_bps >= current->bps) {
        s->low_since = 0;
        if (!s->clean_since) s->clean_since = now_at;
        return;
    }
    if (!s->low_since) s->low_since = now_at;
    s->clean_since = 0;
    bool far = (uint64_t)target_bps * 10 < (uint64_t)current->bps * 6;
    if (far || now_at - s->low_since >= SELECTOR_DOWN_US)
        go_down(s, target_bps, now_at);
}

/* What the next rung above id needs, with some room; 0: there is none. */
static uint32_t beyond(const struct selector *s, uint8_t id)
{
    const struct selector_rung *next = NULL;

    for (int i = 0; i < s->count && s->rungs[i].id != id; i++)
        next = &s->rungs[i];
    return next ? next->bps + next->bps / 4 : 0;
}

static uint32_t watch_clean(struct selector *s, uint32_t target_bps,
                            int64_t now_at)
{
    uint8_t best = best_at(s, target_bps, 110);
    bool has_room = best_at(s, target_bps, 150) == best;
    int64_t clean_us = s->clean_since ? now_at - s->clean_since : 0;

    if (s->went_up_at && now_at - s->went_up_at > 3 * SELECTOR_RELAPSE_US) {
        s->went_up_at = 0;
        s->up_wait_us = SELECTOR_UP_US;
    }
    /* A better one on its way that no longer fits is let go. */
    if (is_better(s, s->wanted, s->current) && !is_better(s, best, s->current))
        s->wanted = s->current;
    if (!is_better(s, best, s->current))
        best = s->current;
    else if (now_at - s->began_at < SELECTOR_SETTLE_US ||
             clean_us >= (has_room ? SELECTOR_UP_US : s->up_wait_us))
        s->wanted = best;
    return clean_us < SELECTOR_CALM_US ? 0 : beyond(s, best);
}

struct selector_advice selector_tick(struct selector *s, uint32_t target_bps,
                                     int64_t now_at)
{
    const struct selector_rung *current = find(s, s->current);
    uint32_t want_bps = 0;

    if (!target_bps) target_bps = SELECTOR_START_BPS;
    if (s->pinned && find(s, s->pinned)) {
        s->wanted = s->pinned;
        return (struct selector_advice){s->pinned, s->pinned != s->current, 0};
    }
    if (!current) {
        s->wanted = selector_best(s, target_bps);
        return (struct selector_advice){s->wanted, true, 0};
    }
    if (!find(s, s->wanted)) s->wanted = s->current;
    watch_low(s, current, target_bps, now_at);
    if (!s->low_since) want_bps = watch_clean(s, target_bps, now_at);
    return (struct selector_advice){
        .id = s->wanted,
        .hurry = is_better(s, s->current, s->wanted),
        .want_bps = want_bps,
    };
}
