#include "core/base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/err.h"
#include "core/base/hash.h"

struct map_entry {
    uint64_t hash;
    void *value;
    char key[];
};

/* Open addressing; a removed entry leaves this mark so that probing goes on. */
static struct map_entry gone;

void map_init(struct map *m)
{
    *m = (struct map){0};
    if (getrandom(&m->seed, sizeof m->seed, GRND_NONBLOCK) < 0)
        m->seed = (uintptr_t)m;
}

void map_release(struct map *m)
{
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i] != &gone) free(m->slots[i]);
    free(m->slots);
    m->slots = NULL;
    m->slot_count = m->count = m->gone_count = 0;
}

/* FNV-1a from a secret seed, then mixed (the finaliser of splitmix64). */
static uint64_t hash_of(const struct map *m, const char *key)
{
    uint64_t h = hash_text(m->seed ^ HASH_BEGIN, key);

    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static struct map_entry **find(const struct map *m, const char *key,
                               uint64_t hash)
{
    if (!m->slot_count) return NULL;
    for (size_t i = hash & (m->slot_count - 1);;
         i = (i + 1) & (m->slot_count - 1)) {
        struct map_entry *e = m->slots[i];
        if (!e) return NULL;
        if (e != &gone && e->hash == hash && !strcmp(e->key, key))
            return &m->slots[i];
    }
}

void *map_get(const struct map *m, const char *key)
{
    struct map_entry **at = find(m, key, hash_of(m, key));

    return at ? (*at)->value : NULL;
}

static void place(struct map *m, struct map_entry *e)
{
    size_t i = e->hash & (m->slot_count - 1);

    while (m->slots[i])
        i = (i + 1) & (m->slot_count - 1);
    m->slots[i] = e;
}

/* Rebuilt without the removed ones; at most half full afterwards. */
static int rebuild(struct map *m)
{
    struct map_entry **old = m->slots;
    size_t old_count = m->slot_count, want = 16;

    while (want < (m->count + 1) * 4)
        want *= 2;
    struct map_entry **slots = calloc(want, sizeof *slots);
    if (!slots) return ERR_NOMEM;
    m->slots = slots;
    m->slot_count = want;
    m->gone_count = 0;
    for (size_t i = 0; i < old_count; i++)
        if (old[i] && old[i] != &gone) place(m, old[i]);
    free(old);
    return 0;
}

int map_set(struct map *m, const char *key, void *value)
{
    uint64_t hash = hash_of(m, key);
    struct map_entry **at = find(m, key, hash);
    size_t len = strlen(key);
    struct map_entry *e;

    if (at) {
        (*at)->value = value;
        return 0;
    }
    if ((m->count + m->gone_count + 1) * 2 > m->slot_count) {
        int err = rebuild(m);
        if (err) return err;
    }
    e = malloc(sizeof *e + len + 1);
    if (!e) return ERR_NOMEM;
    e->hash = hash;
    e->value = value;
    memcpy(e->key, key, len + 1);
    place(m, e);
    m->count++;
    return 0;
}

void *map_remove(struct map *m, const char *key)
{
    struct map_entry **at = find(m, key, hash_of(m, key));
    void *value;

    if (!at) return NULL;
    value = (*at)->value;
    free(*at);
    *at = &gone;
    m->count--;
    m->gone_count++;
    return value;
}

void *map_next(const struct map *m, size_t *at, const char **key)
{
    while (*at < m->slot_count) {
        struct map_entry *e = m->slots[(*at)++];
        if (!e || e == &gone) continue;
        if (key) *key = e->key;
        return e->value;
    }
    return NULL;
}
