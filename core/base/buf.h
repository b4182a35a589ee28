/* core/base/buf.h — shared immutable bytes, and the builder that makes them.
 * A buf is atomically counted and never changes once sealed: frames, parts and
 * cached objects are slices of it, and a viewer is a reference.
 * Any thread may ref and unref; a builder belongs to one thread.
 * Bound: all bufs together stay under buf_set_limit() bytes (default 4 GiB);
 * policy past it: ERR_NOMEM to whoever asks. */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf; /* opaque; body in buf.c */

/* Gives a buf holding a copy of data. 0 or ERR_NOMEM. */
int buf_create(struct buf **out, const void *data, size_t len);

/* Shares: returns b with one more reference; NULL stays NULL. */
struct buf *buf_ref(const struct buf *b);

/* Takes one reference and sets *b to NULL; NULL is fine. */
void buf_unref(struct buf **b);

const uint8_t *buf_data(const struct buf *b);
size_t buf_len(const struct buf *b);

/* Bytes held by all live bufs of the process (for metrics and the bound). */
size_t buf_total_bytes(void);
void buf_set_limit(size_t bytes);

/* A view into a buf, holding one reference. {0} is the empty slice.
 * owner NULL with data set borrows static bytes. */
struct slice {
    struct buf *owner;
    const uint8_t *data;
    size_t len;
};

/* Shares owner; [offset, offset+len) must lie inside it. */
struct slice slice_of(const struct buf *owner, size_t offset, size_t len);
/* Takes the caller's reference to *whole and sets it NULL. */
struct slice slice_take(struct buf **whole);
struct slice slice_ref(struct slice s);
void slice_unref(struct slice *s);

/* Growing bytes. After the first failure (memory or limit) every write is
 * ignored and builder_seal() reports it, so callers check once. */
struct builder {
    struct buf *buf;
    size_t len, cap, limit;
    int err;
};

/* limit: the most bytes this builder may ever hold. */
void builder_init(struct builder *b, size_t limit);
/* Frees what was not sealed; fine after seal and on {0}. */
void builder_release(struct builder *b);
/* Gives the bytes as a buf without copying and empties the builder.
 * 0, ERR_NOMEM or ERR_LIMIT (*out untouched, builder released). */
int builder_seal(struct builder *b, struct buf **out);

/* Room for n more bytes to fill in by hand, counted as written; NULL once
 * failed. */
uint8_t *builder_extend(struct builder *b, size_t n);
/* The written bytes; NULL before the first write. */
uint8_t *builder_data(const struct builder *b);
void builder_bytes(struct builder *b, const void *data, size_t n);
void builder_text(struct builder *b, const char *text);
void builder_printf(struct builder *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Big-endian integers; le32 is the odd one (RTMP's stream id). */
void builder_u8(struct builder *b, unsigned v);
void builder_u16(struct builder *b, unsigned v);
void builder_u24(struct builder *b, uint32_t v);
void builder_u32(struct builder *b, uint32_t v);
void builder_u64(struct builder *b, uint64_t v);
void builder_le32(struct builder *b, uint32_t v);
/* Writes v over the four bytes at offset (box sizes and the like). */
void builder_patch_u32(struct builder *b, size_t offset, uint32_t v);

#endif
