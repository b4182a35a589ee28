#include "control/directory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

struct directory {
    atomic_uint refs;
    size_t count;
    struct channel channels[];
};

int directory_create(struct directory **out, const struct channel *channels,
                     size_t count)
{
    struct directory *d;

    if (count > DIRECTORY_CHANNELS_MAX) return ERR_LIMIT;
    d = malloc(sizeof *d + count * sizeof *channels);
    if (!d) return ERR_NOMEM;
    atomic_init(&d->refs, 1);
    d->count = 0;
    for (size_t i = 0; i < count; i++)
        if (!directory_find(d, channels[i].name))
            d->channels[d->count++] = channels[i];
    *out = d;
    return 0;
}

struct directory *directory_ref(const struct directory *d)
{
    struct directory *shared = (struct directory *)(uintptr_t)d;

    if (shared)
        atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void directory_unref(struct directory **d)
{
    struct directory *last = *d;

    *d = NULL;
    if (last &&
        atomic_fetch_sub_explicit(&last->refs, 1, memory_order_acq_rel) == 1)
        free(last);
}

const struct channel *directory_find(const struct directory *d,
                                     const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (!strcmp(d->channels[i].name, name)) return &d->channels[i];
    return NULL;
}

const struct channel *directory_by_key(const struct directory *d,
                                       const char *key)
{
    uint8_t hash[KEY_HASH_BYTES];
    const struct channel *found = NULL;

    key_hash(hash, key);
    for (size_t i = 0; i < d->count; i++)
        if (key_hash_equal(d->channels[i].key_hash, hash))
            found = &d->channels[i];
    return found;
}

size_t directory_count(const struct directory *d)
{
    return d->count;
}

const struct channel *directory_at(const struct directory *d, size_t i)
{
    return &d->channels[i];
}
