#include "packager/boxes.h"

#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum { NON_SYNC = 0x00010000, SAMPLES_MAX = 1 << 20 };
#define DTS_MAX ((int64_t)1 << 60)

struct box {
    char type[5];
    struct reader body;
};

/* The next box; false at the end or where it does not fit. */
static bool next_box(struct reader *r, struct box *out)
{
    uint64_t size;
    const uint8_t *type, *body;

    if (reader_left(r) < 8) return false;
    size = reader_u32(r);
    type = reader_take(r, 4);
    size_t head = 8;
    if (size == 1) {
        size = reader_u64(r);
        head = 16;
    }
    if (r->failed || size < head || size - head > reader_left(r)) {
        r->failed = true;
        return false;
    }
    memcpy(out->type, type, 4);
    out->type[4] = '\0';
    body = reader_take(r, (size_t)size - head);
    out->body = reader_of(body, (size_t)size - head);
    return true;
}

static bool is(const struct box *b, const char *type)
{
    return !strcmp(b->type, type);
}

static bool find(struct reader in, const char *type, struct reader *out)
{
    struct box b;

    while (next_box(&in, &b)) {
        if (!is(&b, type)) continue;
        *out = b.body;
        return true;
    }
    return false;
}

/* --- init ----------------------------------------------------------------- */

static void read_trak(struct boxes_init *out, struct reader trak)
{
    struct reader tkhd, mdia, mdhd, hdlr;
    int n = out->track_count;

    if (n == BOXES_TRACKS_MAX || !find(trak, "tkhd", &tkhd) ||
        !find(trak, "mdia", &mdia) || !find(mdia, "mdhd", &mdhd) ||
        !find(mdia, "hdlr", &hdlr))
        return;
    reader_take(&tkhd, reader_u8(&tkhd) == 1 ? 3 + 16 : 3 + 8);
    reader_take(&mdhd, reader_u8(&mdhd) == 1 ? 3 + 16 : 3 + 8);
    reader_take(&hdlr, 8);
    const uint8_t *handler = reader_take(&hdlr, 4);
    memset(&out->tracks[n], 0, sizeof out->tracks[n]);
    out->tracks[n].id = reader_u32(&tkhd);
    out->tracks[n].timescale = reader_u32(&mdhd);
    out->tracks[n].video = handler && !memcmp(handler, "vide", 4);
    if (out->tracks[n].timescale) out->track_count++;
}

static void read_trex(struct boxes_init *out, struct reader trex)
{
    reader_u32(&trex);
    uint32_t id = reader_u32(&trex);

    reader_u32(&trex);
    for (int i = 0; i < out->track_count; i++) {
        if (out->tracks[i].id != id) continue;
        out->tracks[i].default_duration = reader_u32(&trex);
        out->tracks[i].default_size = reader_u32(&trex);
        out->tracks[i].default_flags = reader_u32(&trex);
    }
}

int boxes_read_init(struct boxes_init *out, const void *data, size_t len)
{
    struct reader moov, mvex;
    struct box b;

    out->track_count = 0;
    if (!find(reader_of(data, len), "moov", &moov)) return ERR_SYNTAX;
    for (struct reader r = moov; next_box(&r, &b);)
        if (is(&b, "trak")) read_trak(out, b.body);
    if (!find(moov, "mvex", &mvex)) return ERR_SYNTAX;
    for (struct reader r = mvex; next_box(&r, &b);)
        if (is(&b, "trex")) read_trex(out, b.body);
    return out->track_count ? 0 : ERR_SYNTAX;
}

/* --- fragments ------------------------------------------------------------ */

struct defaults {
    uint32_t duration, size, flags;
};

static bool read_tfhd(struct boxes_fragment *out, struct reader r, uint32_t id,
                      struct defaults *d)
{
    uint32_t flags = reader_u32(&r) & 0xFFFFFF;

    if (reader_u32(&r) != id) return false;
    if (!(flags & 0x020000)) out->base_is_moof = false;
    if (flags & 0x01) reader_u64(&r);
    if (flags & 0x02) reader_u32(&r);
    if (flags & 0x08) d->duration = reader_u32(&r);
    if (flags & 0x10) d->size = reader_u32(&r);
    if (flags & 0x20) d->flags = reader_u32(&r);
    return !r.failed;
}

static void read_tfdt(struct boxes_fragment *out, struct reader r)
{
    bool wide = reader_u32(&r) >> 24 == 1;
    int64_t dts = wide ? (int64_t)reader_u64(&r) : reader_u32(&r);

    if (r.failed || dts < 0 || dts > DTS_MAX) return;
    if (!out->has_tfdt)
        out->dts = dts;
    else if (dts != out->dts + out->duration)
        out->contiguous = false;
    out->has_tfdt = true;
}

static void read_trun(struct boxes_fragment *out, struct reader r,
                      const struct defaults *d)
{
    uint32_t flags = reader_u32(&r), count = reader_u32(&r);
    uint32_t first_flags = d->flags;

    if (flags & 0x01) reader_u32(&r);
    if (flags & 0x04) first_flags = reader_u32(&r);
    /* Untrusted: without a field per sample the count says nothing. */
    if (count > SAMPLES_MAX - (uint32_t)out->samples) return;
    for (uint32_t i = 0; i < count && !r.failed; i++) {
        uint32_t duration = flags & 0x100 ? reader_u32(&r) : d->duration;
        uint32_t size = flags & 0x200 ? reader_u32(&r) : d->size;
        uint32_t f = flags & 0x400 ? reader_u32(&r)
                     : i == 0      ? first_flags
                                   : d->flags;
        int32_t cts = flags & 0x800 ? (int32_t)reader_u32(&r) : 0;

        if (out->samples == 0) {
            out->first_is_sync = !(f & NON_SYNC);
            out->first_pts = out->dts + cts;
        }
        out->samples++;
        out->duration += duration;
        out->sample_bytes += size;
    }
}

static void read_traf(struct boxes_fragment *out, const struct boxes_init *init,
                      struct reader traf)
{
    struct defaults d = {init->tracks[0].default_duration,
                         init->tracks[0].default_size,
                         init->tracks[0].default_flags};
    struct reader r;
    struct box b;

    if (!find(traf, "tfhd", &r) || !read_tfhd(out, r, init->tracks[0].id, &d))
        return;
    if (find(traf, "tfdt", &r)) read_tfdt(out, r);
    while (next_box(&traf, &b))
        if (is(&b, "trun")) read_trun(out, b.body, &d);
}

static void read_moof(struct boxes_fragment *out, const struct boxes_init *init,
                      struct reader moof)
{
    struct reader mfhd;
    struct box b;

    if (out->moofs++ == 0 && find(moof, "mfhd", &mfhd)) {
        reader_u32(&mfhd);
        out->first_sequence = reader_u32(&mfhd);
    }
    while (next_box(&moof, &b))
        if (is(&b, "traf")) read_traf(out, init, b.body);
}

int boxes_read_fragment(struct boxes_fragment *out,
                        const struct boxes_init *init, const void *data,
                        size_t len)
{
    struct reader r = reader_of(data, len);
    struct box b;

    *out = (struct boxes_fragment){.base_is_moof = true, .contiguous = true};
    if (!init->track_count) return ERR_SYNTAX;
    while (next_box(&r, &b)) {
        if (is(&b, "styp")) out->has_styp = true;
        if (is(&b, "prft")) out->has_prft = true;
        if (is(&b, "mdat")) out->mdat_bytes += reader_left(&b.body);
        if (is(&b, "moof")) read_moof(out, init, b.body);
    }
    return r.failed || reader_left(&r) || !out->moofs ? ERR_SYNTAX : 0;
}
