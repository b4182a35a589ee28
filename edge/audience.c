#include "edge/audience.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

enum { WORDS = AUDIENCE_BITS / 64 };

uint64_t audience_hash(uint64_t seed, const char *text)
{
    uint64_t h = hash_text(seed ^ HASH_BEGIN, text);

    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

static void turn(struct audience *a, int64_t now_at)
{
    uint64_t *old = a->before;

    if (now_at - a->turned_at < AUDIENCE_SPAN_US) return;
    /* After a long silence the past span is empty too. */
    if (now_at - a->turned_at >= 2 * AUDIENCE_SPAN_US)
        memset(a->now, 0, WORDS * sizeof *a->now);
    a->before = a->now;
    a->now = old;
    memset(a->now, 0, WORDS * sizeof *a->now);
    a->turned_at = now_at;
}

void audience_note(struct audience *a, uint64_t hash, int64_t now_at)
{
    if (!a->now) {
        a->now = calloc(2 * (size_t)WORDS, sizeof *a->now);
        if (!a->now) return;
        a->before = a->now + WORDS;
        a->turned_at = now_at;
    }
    turn(a, now_at);
    a->now[hash / 64 % WORDS] |= (uint64_t)1 << hash % 64;
}

int audience_count(struct audience *a, int64_t now_at)
{
    int set = 0;

    if (!a->now) return 0;
    turn(a, now_at);
    for (int i = 0; i < WORDS; i++)
        set += __builtin_popcountll(a->now[i] | a->before[i]);
    if (set == AUDIENCE_BITS) set--;
    return (int)lround(-AUDIENCE_BITS * log(1.0 - (double)set / AUDIENCE_BITS));
}

void audience_release(struct audience *a)
{
    /* One block; whichever half lies first. */
    free(a->now < a->before ? a->now : a->before);
    memset(a, 0, sizeof *a);
}
