/* core/base/bytes.h — bounded reader over borrowed bytes. Reading past the
 * end yields zeros and sets `failed`, so a parser checks once at its end.
 * Pure; one thread. */
#ifndef CORE_BASE_BYTES_H
#define CORE_BASE_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct reader reader_of(const void *data, size_t len)
{
    const uint8_t *p = data;

    return (struct reader){p, p ? p + len : p, false};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Borrows the next n bytes and steps over them; NULL and failed if short. */
const uint8_t *reader_take(struct reader *r, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
uint32_t reader_le32(struct reader *r);

#endif
