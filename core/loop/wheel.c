#include "core/loop/wheel.h"

#include "core/loop/timer.h"

void wheel_init(struct wheel *w, uint64_t tick)
{
    w->tick = tick;
    for (int l = 0; l < WHEEL_LEVELS; l++) {
        w->filled[l] = 0;
        for (int s = 0; s < WHEEL_SLOTS; s++)
            list_init(&w->slots[l][s]);
    }
}

uint64_t wheel_add(struct wheel *w, struct timer *t)
{
    /* Round up: never before its instant. */
    uint64_t tick = ((uint64_t)t->at + 999) / 1000;

    if (t->at < 0 || tick <= w->tick) tick = w->tick + 1;
    if (tick > WHEEL_TICK_MAX) tick = WHEEL_TICK_MAX;
    int level = (63 - __builtin_clzll(tick ^ w->tick)) / WHEEL_BITS;
    unsigned shift = (unsigned)level * WHEEL_BITS;
    unsigned slot = tick >> shift & (WHEEL_SLOTS - 1);
    w->filled[level] |= (uint64_t)1 << slot;
    list_append(&w->slots[level][slot], &t->node);
    return tick >> shift << shift;
}

uint64_t wheel_next(const struct wheel *w)
{
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        if (!w->filled[l]) continue;
        uint64_t slot = (uint64_t)__builtin_ctzll(w->filled[l]);
        unsigned above = (l + 1) * WHEEL_BITS;
        return (w->tick >> above << above) | slot << (l * WHEEL_BITS);
    }
    return UINT64_MAX;
}

static void fire(struct list *due)
{
    while (!list_is_empty(due)) {
        struct timer *t = LIST_ENTRY(due->next, struct timer, node);
        list_unlink(&t->node);
        t->at = 0;
        t->fn(t->arg);
    }
}

/* The slots that begin at w->tick, from the highest level down: those above
 * the lowest move nearer, and what is due now fires. */
static void open_slots(struct wheel *w)
{
    struct list due, moved;

    list_init(&due);
    for (int l = WHEEL_LEVELS - 1; l >= 0; l--) {
        unsigned shift = (unsigned)l * WHEEL_BITS;
        unsigned slot = w->tick >> shift & (WHEEL_SLOTS - 1);
        uint64_t bit = (uint64_t)1 << slot;
        if (!(w->filled[l] & bit) || w->tick >> shift << shift != w->tick)
            continue;
        w->filled[l] &= ~bit;
        list_init(&moved);
        list_splice(&moved, &w->slots[l][slot]);
        LIST_FOREACH_SAFE (node, &moved) {
            struct timer *t = LIST_ENTRY(node, struct timer, node);
            list_unlink(node);
            if ((uint64_t)t->at <= w->tick * 1000)
                list_append(&due, node);
            else
                wheel_add(w, t);
        }
    }
    fire(&due);
}

void wheel_turn(struct wheel *w, uint64_t to)
{
    uint64_t next;

    while ((next = wheel_next(w)) <= to) {
        w->tick = next;
        open_slots(w);
    }
    if (to > w->tick) w->tick = to;
}
