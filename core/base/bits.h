/* core/base/bits.h — bit reader over borrowed bytes, most significant bit
 * first. Past the end it yields zeros and sets `failed`. Pure; one thread.
 * Exp-Golomb: ITU-T H.264 §9.1. */
#ifndef CORE_BASE_BITS_H
#define CORE_BASE_BITS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bits {
    const uint8_t *data;
    size_t len_bits, at;
    bool failed;
};

static inline struct bits bits_of(const void *data, size_t len)
{
    return (struct bits){data, len * 8, 0, false};
}

/* n: 0 .. 32. */
uint32_t bits_get(struct bits *b, unsigned n);
void bits_skip(struct bits *b, size_t n);
uint32_t bits_ue(struct bits *b);
int32_t bits_se(struct bits *b);
size_t bits_left(const struct bits *b);

#endif
