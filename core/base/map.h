/* core/base/map.h — hash map from text to a pointer. The map copies keys and
 * owns no values. Keyed hash (seeded per map), so that names chosen by
 * strangers cannot be made to collide. One thread at a time. */
#ifndef CORE_BASE_MAP_H
#define CORE_BASE_MAP_H
#include <stddef.h>
#include <stdint.h>

struct map_entry;
struct map {
    struct map_entry **slots;
    size_t slot_count, count, gone_count;
    uint64_t seed;
};

/* An empty map allocates nothing until its first key. */
void map_init(struct map *m);
/* Forgets every key; values stay the caller's. */
void map_release(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, const char *key);
/* Sets or replaces. 0 or ERR_NOMEM. value must not be NULL. */
int map_set(struct map *m, const char *key, void *value);
/* Gives the value back, NULL when absent. */
void *map_remove(struct map *m, const char *key);

/* Walks in no special order; the current key may be removed meanwhile, none
 * may be added. Start with *at = 0; NULL at the end. */
void *map_next(const struct map *m, size_t *at, const char **key);

#endif
