#include "core/base/bytes.h"

const uint8_t *reader_take(struct reader *r, size_t n)
{
    const uint8_t *p = r->at;

    if (r->failed || n > reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    r->at += n;
    return p;
}

static uint64_t take_be(struct reader *r, size_t n)
{
    const uint8_t *p = reader_take(r, n);
    uint64_t v = 0;

    for (size_t i = 0; p && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)take_be(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
    return (uint16_t)take_be(r, 2);
}

uint32_t reader_u24(struct reader *r)
{
    return (uint32_t)take_be(r, 3);
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)take_be(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
    return take_be(r, 8);
}

uint32_t reader_le32(struct reader *r)
{
    uint32_t v = (uint32_t)take_be(r, 4);

    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}
