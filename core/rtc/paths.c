#include "core/rtc/paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/err.h"

enum { SLOTS_FIRST = 64 };

void paths_init(struct paths *p)
{
    *p = (struct paths){0};
    if (getrandom(&p->seed, sizeof p->seed, GRND_NONBLOCK) < 0)
        p->seed = (uintptr_t)p;
}

void paths_release(struct paths *p)
{
    free(p->slots);
    p->slots = NULL;
    p->slot_count = p->count = 0;
}

/* The finaliser of splitmix64, over each word in turn. */
static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static size_t home_of(const struct paths *p, const struct net_path *path)
{
    _Static_assert(sizeof *path == 40, "five words");
    uint64_t words[5], h = p->seed;

    memcpy(words, path, sizeof words);
    for (int i = 0; i < 5; i++)
        h = mix(h ^ words[i]);
    return (size_t)h & (p->slot_count - 1);
}

/* Its slot, or the free one where it would go. */
static struct paths_slot *find(const struct paths *p,
                               const struct net_path *path)
{
    size_t i = home_of(p, path);

    while (p->slots[i].value &&
           memcmp(&p->slots[i].path, path, sizeof *path) != 0)
        i = (i + 1) & (p->slot_count - 1);
    return &p->slots[i];
}

void *paths_get(const struct paths *p, const struct net_path *path)
{
    return p->count ? find(p, path)->value : NULL;
}

static int grow(struct paths *p)
{
    struct paths bigger = *p;

    bigger.slot_count = p->slot_count ? p->slot_count * 2 : SLOTS_FIRST;
    bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
    if (!bigger.slots) return ERR_NOMEM;
    for (size_t i = 0; i < p->slot_count; i++)
        if (p->slots[i].value) *find(&bigger, &p->slots[i].path) = p->slots[i];
    free(p->slots);
    *p = bigger;
    return 0;
}

int paths_set(struct paths *p, const struct net_path *path, void *value)
{
    struct paths_slot *slot = p->slot_count ? find(p, path) : NULL;

    if (!slot || (!slot->value && (p->count + 1) * 2 > p->slot_count)) {
        int err = grow(p);
        if (err) return err;
        slot = find(p, path);
    }
    if (!slot->value) p->count++;
    *slot = (struct paths_slot){*path, value};
    return 0;
}

/* What comes after moves up, so that probing never meets a hole. */
void paths_remove(struct paths *p, const struct net_path *path, void *value)
{
    struct paths_slot *slot = p->count ? find(p, path) : NULL;
    size_t mask = p->slot_count - 1, hole, i;

    if (!slot || slot->value != value) return;
    hole = i = (size_t)(slot - p->slots);
    for (;;) {
        i = (i + 1) & mask;
        if (!p->slots[i].value) break;
        size_t home = home_of(p, &p->slots[i].path);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            p->slots[hole] = p->slots[i];
            hole = i;
        }
    }
    p->slots[hole].value = NULL;
    p->count--;
}
