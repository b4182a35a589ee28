/* packager/fmp4_priv.h — boxes in a builder: what fmp4.c and fmp4_init.c
 * share. A box begun at an offset takes its size when it ends. */
#ifndef PACKAGER_FMP4_PRIV_H
#define PACKAGER_FMP4_PRIV_H
#include <string.h>

#include "core/base/buf.h"

static inline size_t fmp4_box_begin(struct builder *b, const char *type)
{
    size_t at = b->len;

    builder_u32(b, 0);
    builder_bytes(b, type, 4);
    return at;
}

static inline size_t fmp4_full_box_begin(struct builder *b, const char *type,
                                         unsigned version, uint32_t flags)
{
    size_t at = fmp4_box_begin(b, type);

    builder_u8(b, version);
    builder_u24(b, flags);
    return at;
}

static inline void fmp4_box_end(struct builder *b, size_t at)
{
    builder_patch_u32(b, at, (uint32_t)(b->len - at));
}

static inline void fmp4_zeros(struct builder *b, size_t n)
{
    uint8_t *room = builder_extend(b, n);

    if (room) memset(room, 0, n);
}

#endif
