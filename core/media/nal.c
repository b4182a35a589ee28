#include "core/media/nal.h"

#include <string.h>

#include "core/base/err.h"

enum { NALS_PER_UNIT_MAX = 4096 };

bool nal_next_sized(struct reader *r, unsigned length_size, struct nal *out)
{
    while (reader_left(r) && !r->failed) {
        uint32_t len = 0;
        for (unsigned i = 0; i < length_size; i++)
            len = len << 8 | reader_u8(r);
        if (r->failed) return false;
        if (!len) continue;
        const uint8_t *data = reader_take(r, len);
        if (!data) return false;
        *out = (struct nal){data, len};
        return true;
    }
    return false;
}

/* The next 00 00 01 at or after p; end if there is none. */
static const uint8_t *find_start(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 3) {
        p = memchr(p, 0, (size_t)(end - p - 2));
        if (!p) return end;
        if (p[1] == 0 && p[2] == 1) return p;
        p++;
    }
    return end;
}

bool nal_next_annexb(struct reader *r, struct nal *out)
{
    while (reader_left(r)) {
        const uint8_t *start = find_start(r->at, r->end);
        if (start == r->end) {
            r->at = r->end;
            return false;
        }
        start += 3;
        const uint8_t *next = find_start(start, r->end), *end = next;
        while (end > start && !end[-1])
            end--;
        r->at = next;
        if (end == start) continue;
        *out = (struct nal){start, (size_t)(end - start)};
        return true;
    }
    return false;
}

bool nal_next(struct reader *r, unsigned framing, struct nal *out)
{
    return framing == NAL_ANNEXB ? nal_next_annexb(r, out)
                                 : nal_next_sized(r, framing, out);
}

int nal_scan(struct nal_scan *out, unsigned framing, const void *data,
             size_t len, nal_drop_fn *drops,
             int (*each)(struct nal n, void *arg), void *arg)
{
    struct reader r = reader_of(data, len);
    struct nal n;
    size_t kept = 0;
    int nals = 0;

    *out = (struct nal_scan){0};
    while (nal_next(&r, framing, &n)) {
        if (++nals > NALS_PER_UNIT_MAX) return ERR_LIMIT;
        if (n.data[0] & 0x80) return ERR_SYNTAX; /* forbidden_zero_bit */
        int err = each(n, arg);
        if (err) return err;
        out->dropped += drops(n);
        kept += 4 + n.len;
    }
    if (r.failed) return ERR_SYNTAX;
    out->clean = framing == 4 && !out->dropped && kept == len;
    return 0;
}

void nal_repack(struct builder *b, unsigned framing, const void *data,
                size_t len, nal_drop_fn *drops)
{
    struct reader r = reader_of(data, len);
    struct nal n;

    while (nal_next(&r, framing, &n)) {
        if (drops(n)) continue;
        builder_u32(b, (uint32_t)n.len);
        builder_bytes(b, n.data, n.len);
    }
}

int nal_payload(struct slice *out, unsigned framing, struct slice in,
                nal_drop_fn *drops)
{
    struct builder b;
    struct buf *packed;

    /* a NAL's length field may grow by 3, and an empty body holds no NAL */
    builder_init(&b, in.len * 4 + 16);
    nal_repack(&b, framing, in.data, in.len, drops);
    int err = builder_seal(&b, &packed);
    if (!err) *out = slice_take(&packed);
    return err;
}

void nal_put_annexb(struct builder *b, struct nal n)
{
    builder_u32(b, 1);
    builder_bytes(b, n.data, n.len);
}
