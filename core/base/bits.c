#include "core/base/bits.h"

size_t bits_left(const struct bits *b)
{
    return b->len_bits - b->at;
}

uint32_t bits_get(struct bits *b, unsigned n)
{
    uint32_t v = 0;

    if (b->failed || n > 32 || n > bits_left(b)) {
        b->failed = true;
        return 0;
    }
    for (unsigned i = 0; i < n; i++, b->at++)
        v = v << 1 | (b->data[b->at >> 3] >> (7 - (b->at & 7)) & 1);
    return v;
}

void bits_skip(struct bits *b, size_t n)
{
    if (b->failed || n > bits_left(b))
        b->failed = true;
    else
        b->at += n;
}

uint32_t bits_ue(struct bits *b)
{
    unsigned zeros = 0;

    while (!b->failed && bits_get(b, 1) == 0) {
        if (++zeros > 31) b->failed = true;
    }
    if (b->failed) return 0;
    return (uint32_t)((1u << zeros) - 1 + bits_get(b, zeros));
}

int32_t bits_se(struct bits *b)
{
    uint32_t k = bits_ue(b);

    return k & 1 ? (int32_t)(k / 2 + 1) : -(int32_t)(k / 2);
}
