/* core/base/hash.h — FNV-1a of 64 bits: quick, short, and of no use against
 * somebody who wants two texts to meet (see core/base/map for that). Pure.
 * Source: draft-eastlake-fnv §2. */
#ifndef CORE_BASE_HASH_H
#define CORE_BASE_HASH_H
#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

/* h: HASH_BEGIN, or what came of the bytes before. */
static inline uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static inline uint64_t hash_text(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = hash_bytes(h, text, 1);
    return h;
}

#endif
