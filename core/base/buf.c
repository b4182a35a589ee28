#include "core/base/buf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"

struct buf {
    atomic_uint refs;
    size_t len;
    size_t cap;
    uint8_t bytes[];
};

/* The one process-wide figure here: memory is the machine's, not a room's. */
static atomic_size_t total_bytes;
static atomic_size_t limit_bytes = (size_t)4 << 30;

static int charge(size_t n)
{
    size_t after =
        atomic_fetch_add_explicit(&total_bytes, n, memory_order_relaxed) + n;

    if (after <= atomic_load_explicit(&limit_bytes, memory_order_relaxed))
        return 0;
    atomic_fetch_sub_explicit(&total_bytes, n, memory_order_relaxed);
    return ERR_NOMEM;
}

static void discharge(size_t n)
{
    atomic_fetch_sub_explicit(&total_bytes, n, memory_order_relaxed);
}

static struct buf *alloc_buf(size_t cap)
{
    struct buf *b;

    if (cap > SIZE_MAX / 2 || charge(cap)) return NULL;
    b = malloc(sizeof *b + cap);
    if (!b) {
        discharge(cap);
        return NULL;
    }
    atomic_init(&b->refs, 1);
    b->len = 0;
    b->cap = cap;
    return b;
}

int buf_create(struct buf **out, const void *data, size_t len)
{
    struct buf *b = alloc_buf(len);

    if (!b) return ERR_NOMEM;
    if (len) memcpy(b->bytes, data, len);
    b->len = len;
    *out = b;
    return 0;
}

struct buf *buf_ref(const struct buf *b)
{
    struct buf *shared = (struct buf *)(uintptr_t)b;

    if (!shared) return NULL;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void buf_unref(struct buf **b)
{
    struct buf *last = *b;

    *b = NULL;
    if (!last) return;
    if (atomic_fetch_sub_explicit(&last->refs, 1, memory_order_acq_rel) != 1)
        return;
    discharge(last->cap);
    free(last);
}

const uint8_t *buf_data(const struct buf *b)
{
    return b->bytes;
}

size_t buf_len(const struct buf *b)
{
    return b->len;
}

size_t buf_total_bytes(void)
{
    return atomic_load_explicit(&total_bytes, memory_order_relaxed);
}

void buf_set_limit(size_t bytes)
{
    atomic_store_explicit(&limit_bytes, bytes, memory_order_relaxed);
}

struct slice slice_of(const struct buf *owner, size_t offset, size_t len)
{
    INVARIANT(offset <= owner->len && len <= owner->len - offset);
    return (struct slice){buf_ref(owner), owner->bytes + offset, len};
}

struct slice slice_take(struct buf **whole)
{
    struct slice s = {*whole, (*whole)->bytes, (*whole)->len};

    *whole = NULL;
    return s;
}

struct slice slice_ref(struct slice s)
{
    buf_ref(s.owner);
    return s;
}

void slice_unref(struct slice *s)
{
    buf_unref(&s->owner);
    s->data = NULL;
    s->len = 0;
}

void builder_init(struct builder *b, size_t limit)
{
    *b = (struct builder){.limit = limit};
}

void builder_release(struct builder *b)
{
    buf_unref(&b->buf);
    b->len = b->cap = 0;
}

int builder_seal(struct builder *b, struct buf **out)
{
    int err = b->err;

    if (!err && !b->buf) {
        b->buf = alloc_buf(0);
        if (!b->buf) err = ERR_NOMEM;
    }
    if (err) {
        builder_release(b);
        return err;
    }
    b->buf->len = b->len;
    *out = b->buf;
    b->buf = NULL;
    b->len = b->cap = 0;
    return 0;
}

static int grow(struct builder *b, size_t need)
{
    size_t cap = b->cap ? b->cap : 128;
    struct buf *bigger;

    if (need > b->limit) return ERR_LIMIT;
    while (cap < need)
        cap *= 2;
    if (cap > b->limit) cap = b->limit;
    if (charge(cap - b->cap)) return ERR_NOMEM;
    bigger = realloc(b->buf, sizeof *bigger + cap);
    if (!bigger) {
        discharge(cap - b->cap);
        return ERR_NOMEM;
    }
    if (!b->buf) atomic_init(&bigger->refs, 1);
    bigger->cap = cap;
    bigger->len = b->len;
    b->buf = bigger;
    b->cap = cap;
    return 0;
}

uint8_t *builder_extend(struct builder *b, size_t n)
{
    uint8_t *room;

    if (b->err) return NULL;
    if (n > SIZE_MAX / 4 - b->len) {
        b->err = ERR_LIMIT;
        return NULL;
    }
    if (b->len + n > b->cap || !b->buf) {
        b->err = grow(b, b->len + n);
        if (b->err) return NULL;
    }
    room = b->buf->bytes + b->len;
    b->len += n;
    return room;
}

uint8_t *builder_data(const struct builder *b)
{
    return b->buf ? b->buf->bytes : NULL;
}

void builder_bytes(struct builder *b, const void *data, size_t n)
{
    uint8_t *room = n ? builder_extend(b, n) : NULL;

    if (room) memcpy(room, data, n);
}

void builder_text(struct builder *b, const char *text)
{
    builder_bytes(b, text, strlen(text));
}

void builder_printf(struct builder *b, const char *format, ...)
{
    char small[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) return;
    if ((size_t)n < sizeof small) {
        builder_bytes(b, small, (size_t)n);
        return;
    }
    char *room = (char *)builder_extend(b, (size_t)n + 1);
    if (!room) return;
    va_start(args, format);
    vsnprintf(room, (size_t)n + 1, format, args);
    va_end(args);
    b->len--; /* the NUL */
}

static void put_be(struct builder *b, uint64_t v, int n)
{
    uint8_t *room = builder_extend(b, (size_t)n);

    if (!room) return;
    for (int i = 0; i < n; i++)
        room[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

void builder_u8(struct builder *b, unsigned v)
{
    put_be(b, v, 1);
}

void builder_u16(struct builder *b, unsigned v)
{
    put_be(b, v, 2);
}

void builder_u24(struct builder *b, uint32_t v)
{
    put_be(b, v, 3);
}

void builder_u32(struct builder *b, uint32_t v)
{
    put_be(b, v, 4);
}

void builder_u64(struct builder *b, uint64_t v)
{
    put_be(b, v, 8);
}

void builder_le32(struct builder *b, uint32_t v)
{
    uint8_t le[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
                     (uint8_t)(v >> 24)};

    builder_bytes(b, le, sizeof le);
}

void builder_patch_u32(struct builder *b, size_t offset, uint32_t v)
{
    if (b->err) return;
    INVARIANT(offset + 4 <= b->len);
    for (int i = 0; i < 4; i++)
        b->buf->bytes[offset + (size_t)i] = (uint8_t)(v >> (8 * (3 - i)));
}
