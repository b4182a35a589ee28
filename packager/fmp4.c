#include "packager/fmp4.h"

#include "core/base/err.h"
#include "core/media/h264.h"
#include "packager/fmp4_priv.h"

enum {
    SAMPLE_SYNC = 0x02000000,     /* depends on no other */
    SAMPLE_NON_SYNC = 0x01010000, /* depends on others; is not sync */
};

/* --- chunks --------------------------------------------------------------- */

static void write_styp(struct builder *b)
{
    size_t at = fmp4_box_begin(b, "styp");

    builder_bytes(b, "cmfs", 4);
    builder_u32(b, 0);
    builder_bytes(b, "cmfscmffmsdh", 12);
    fmp4_box_end(b, at);
}

/* NTP time: seconds since 1900 in 32.32. */
static uint64_t ntp_of(int64_t wall_us)
{
    uint64_t us = (uint64_t)wall_us;
    uint64_t fraction = ((us % 1000000) << 32) / 1000000;

    return ((us / 1000000 + 2208988800u) << 32) + fraction;
}

static void write_prft(struct builder *b, const struct fmp4_chunk *c)
{
    size_t at = fmp4_full_box_begin(b, "prft", 1, 24); /* 24: time of capture */

    builder_u32(b, 1);
    builder_u64(b, ntp_of(c->captured_wall_us));
    builder_u64(b, c->dts + (uint64_t)(int64_t)c->samples[0].cts);
    fmp4_box_end(b, at);
}

static bool any_cts(const struct fmp4_chunk *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->samples[i].cts) return true;
    return false;
}

/* Flags per sample are needed only where one after the first is a key. */
static bool keys_inside(const struct fmp4_chunk *c)
{
    for (int i = 1; i < c->count; i++)
        if (c->samples[i].key) return true;
    return false;
}

static bool same_durations(const struct fmp4_chunk *c)
{
    for (int i = 1; i < c->count; i++)
        if (c->samples[i].duration != c->samples[0].duration) return false;
    return true;
}

enum {
    TFHD_DURATION = 0x08,
    TFHD_FLAGS = 0x20,
    TFHD_BASE_IS_MOOF = 0x020000,
    TRUN_OFFSET = 0x01,
    TRUN_FIRST_FLAGS = 0x04,
    TRUN_DURATION = 0x100,
    TRUN_SIZE = 0x200,
    TRUN_FLAGS = 0x400,
    TRUN_CTS = 0x800,
};

static void write_samples(struct builder *b, const struct fmp4_chunk *c,
                          uint32_t flags)
{
    for (int i = 0; i < c->count; i++) {
        const struct fmp4_sample *s = &c->samples[i];

        if (flags & TRUN_DURATION) builder_u32(b, s->duration);
        builder_u32(b, s->size);
        if (flags & TRUN_FLAGS)
            builder_u32(b, s->key ? SAMPLE_SYNC : SAMPLE_NON_SYNC);
        if (flags & TRUN_CTS) builder_u32(b, (uint32_t)s->cts);
    }
}

static void write_traf(struct builder *b, const struct fmp4_chunk *c,
                       size_t moof)
{
    size_t traf = fmp4_box_begin(b, "traf");
    bool even = same_durations(c), mixed = c->video && keys_inside(c);
    uint32_t flags = TRUN_OFFSET | TRUN_SIZE;

    if (!even) flags |= TRUN_DURATION;
    if (any_cts(c)) flags |= TRUN_CTS;
    if (mixed)
        flags |= TRUN_FLAGS;
    else if (c->video && c->samples[0].key)
        flags |= TRUN_FIRST_FLAGS;

    size_t tfhd = fmp4_full_box_begin(b, "tfhd", 0,
                                      TFHD_BASE_IS_MOOF | TFHD_FLAGS |
                                          (even ? TFHD_DURATION : 0u));
    builder_u32(b, 1);
    if (even) builder_u32(b, c->samples[0].duration);
    builder_u32(b, c->video ? SAMPLE_NON_SYNC : SAMPLE_SYNC);
    fmp4_box_end(b, tfhd);

    size_t tfdt = fmp4_full_box_begin(b, "tfdt", 1, 0);
    builder_u64(b, c->dts);
    fmp4_box_end(b, tfdt);

    size_t trun = fmp4_full_box_begin(b, "trun", 1, flags);
    builder_u32(b, (uint32_t)c->count);
    size_t offset = b->len;
    builder_u32(b, 0);
    if (flags & TRUN_FIRST_FLAGS) builder_u32(b, SAMPLE_SYNC);
    write_samples(b, c, flags);
    fmp4_box_end(b, trun);
    fmp4_box_end(b, traf);
    builder_patch_u32(b, offset, (uint32_t)(b->len - moof) + 8);
}

void fmp4_chunk_head(struct builder *b, const struct fmp4_chunk *c)
{
    uint32_t bytes = 8;

    if (c->begins_segment) write_styp(b);
    if (c->captured_wall_us > 0) write_prft(b, c);
    size_t moof = fmp4_box_begin(b, "moof");
    size_t mfhd = fmp4_full_box_begin(b, "mfhd", 0, 0);
    builder_u32(b, c->sequence);
    fmp4_box_end(b, mfhd);
    write_traf(b, c, moof);
    fmp4_box_end(b, moof);
    for (int i = 0; i < c->count; i++)
        bytes += c->samples[i].size;
    builder_u32(b, bytes);
    builder_bytes(b, "mdat", 4);
}

/* --- AVC payloads --------------------------------------------------------- */

static bool is_wanted(unsigned header)
{
    switch (header & 0x1F) {
    case H264_SPS:
    case H264_PPS:
    case H264_AUD:
    case H264_END_SEQUENCE:
    case H264_END_STREAM:
    case H264_FILLER: return false;
    default: return true;
    }
}

static int add_range(struct slice *out, int max, int *count,
                     const struct slice *payload, size_t from, size_t to)
{
    if (from == to) return 0;
    if (*count == max) return ERR_LIMIT;
    out[*count] = (struct slice){buf_ref(payload->owner), payload->data + from,
                                 to - from};
    ++*count;
    return 0;
}

int fmp4_clean_avc(struct slice *out, int max, int *count,
                   const struct slice *payload)
{
    size_t at = 0, kept_from = 0, end = payload->len;
    int err = 0;

    *count = 0;
    while (!err && end - at >= 4) {
        const uint8_t *p = payload->data + at;
        size_t n =
            (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

        if (n > end - at - 4) break;
        if (n == 0 || !is_wanted(p[4])) {
            err = add_range(out, max, count, payload, kept_from, at);
            kept_from = at + 4 + n;
        }
        at += 4 + n;
    }
    if (!err) err = add_range(out, max, count, payload, kept_from, at);
    return !err && at != end ? ERR_SYNTAX : err;
}
