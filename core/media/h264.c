#include "core/media/h264.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bits.h"
#include "core/base/err.h"
#include "core/media/h264_sps.h"

enum { SEI_BYTES_SEEN = 256 };

static bool is_same(struct nal a, struct nal b)
{
    return a.len == b.len && !memcmp(a.data, b.data, a.len);
}

/* Parameter set ids lie in the first bytes, where emulation prevention cannot
 * have struck: an SPS id follows three bytes, a PPS id the header. */
static uint32_t set_id(struct nal n)
{
    size_t skip = h264_type(n) == H264_SPS ? 4 : 1;

    if (n.len <= skip) return 0;
    struct bits b = bits_of(n.data + skip, n.len - skip);
    return bits_ue(&b);
}

int h264_params_add(struct h264_params *p, struct nal n)
{
    bool sps = h264_type(n) == H264_SPS;
    struct nal *sets = sps ? p->sps : p->pps;
    int *count = sps ? &p->sps_count : &p->pps_count;
    int most = sps ? H264_SPS_COUNT_MAX : H264_PPS_COUNT_MAX;

    if (!sps && h264_type(n) != H264_PPS) return ERR_SYNTAX;
    if (sps && n.len < 5) return ERR_SYNTAX;
    for (int i = 0; i < *count; i++) {
        if (is_same(sets[i], n)) return 0;
        if (set_id(sets[i]) != set_id(n)) continue;
        sets[i] = n;
        return 0;
    }
    if (*count == most) return ERR_LIMIT;
    sets[(*count)++] = n;
    return 0;
}

static int read_sets(struct h264_params *p, struct reader *r, int count,
                     enum h264_nal_type type)
{
    for (int i = 0; i < count; i++) {
        uint16_t len = reader_u16(r);
        const uint8_t *data = reader_take(r, len);
        struct nal n = {data, len};
        if (r->failed) return ERR_SYNTAX;
        if (!len) continue;
        if (h264_type(n) != type) return ERR_SYNTAX;
        int err = h264_params_add(p, n);
        if (err) return err;
    }
    return 0;
}

int h264_avcc_parse(struct h264_params *out, const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct h264_params p = {0};
    int err;

    if (reader_u8(&r) != 1) return ERR_SYNTAX;
    reader_take(&r, 3);
    p.length_size = (reader_u8(&r) & 3) + 1;
    if (p.length_size == 3) return ERR_SYNTAX;
    err = read_sets(&p, &r, reader_u8(&r) & 0x1f, H264_SPS);
    if (!err) err = read_sets(&p, &r, reader_u8(&r), H264_PPS);
    if (err) return err;
    if (r.failed) return ERR_SYNTAX;
    if (!p.sps_count || !p.pps_count) return ERR_NOTFOUND;
    *out = p;
    return 0;
}

void h264_avcc_write(struct builder *b, const struct h264_params *p)
{
    struct h264_sps s;
    const uint8_t *first = p->sps_count ? p->sps[0].data : NULL;

    if (!first || p->sps[0].len < 4) {
        if (!b->err) b->err = ERR_RANGE;
        return;
    }
    builder_u8(b, 1);
    builder_bytes(b, first + 1, 3);
    builder_u8(b, 0xfc | 3); /* reserved bits are ones, here and below */
    builder_u8(b, 0xe0 | (unsigned)p->sps_count);
    for (int i = 0; i < p->sps_count; i++) {
        builder_u16(b, (unsigned)p->sps[i].len);
        builder_bytes(b, p->sps[i].data, p->sps[i].len);
    }
    builder_u8(b, (unsigned)p->pps_count);
    for (int i = 0; i < p->pps_count; i++) {
        builder_u16(b, (unsigned)p->pps[i].len);
        builder_bytes(b, p->pps[i].data, p->pps[i].len);
    }
    if (first[1] == 66 || first[1] == 77 || first[1] == 88) return;
    if (h264_sps_parse(&s, first, p->sps[0].len)) return;
    builder_u8(b, 0xfc | s.chroma_format);
    builder_u8(b, 0xf8 | (s.bit_depth - 8));
    builder_u8(b, 0xf8 | (s.chroma_bit_depth - 8));
    builder_u8(b, 0); /* no SPS extensions */
}

void h264_codec_text(char out[H264_CODEC_TEXT], struct nal sps)
{
    if (sps.len < 4)
        snprintf(out, H264_CODEC_TEXT, "avc1.42e01e");
    else
        snprintf(out, H264_CODEC_TEXT, "avc1.%02x%02x%02x", sps.data[1],
                 sps.data[2], sps.data[3]);
}

/* Payload type 6 with recovery_frame_cnt 0 (annex D.1.8) means: decoding may
 * start here, as at an IDR. */
static bool is_recovery_point(struct nal n)
{
    size_t len = n.len < SEI_BYTES_SEEN ? n.len : SEI_BYTES_SEEN;
    struct reader r = reader_of(n.data + 1, len - 1);

    while (reader_left(&r) > 2) {
        uint32_t type = 0, size = 0, more;
        do
            type += more = reader_u8(&r);
        while (more == 255);
        do
            size += more = reader_u8(&r);
        while (more == 255);
        if (r.failed) return false;
        if (type == 6) return reader_left(&r) && (r.at[0] & 0x80);
        if (!reader_take(&r, size)) return false;
    }
    return false;
}

bool h264_drops(struct nal n)
{
    switch (h264_type(n)) {
    case H264_AUD:
    case H264_FILLER:
    case H264_SPS:
    case H264_PPS:
    case H264_END_SEQUENCE:
    case H264_END_STREAM: return true;
    default: return false;
    }
}

static int scan_nal(struct nal n, void *arg)
{
    struct h264_unit *u = arg;
    enum h264_nal_type type = h264_type(n);

    if (type == H264_IDR) u->idr = true;
    if (type >= H264_SLICE && type <= H264_IDR) u->slices++;
    if (type == H264_SEI && is_recovery_point(n)) u->recovery = true;
    if (type == H264_SPS || type == H264_PPS)
        return h264_params_add(&u->params, n);
    return 0;
}

int h264_scan(struct h264_unit *out, unsigned framing, const void *data,
              size_t len)
{
    *out = (struct h264_unit){.params.length_size = 4};
    return nal_scan(&out->scan, framing, data, len, h264_drops, scan_nal, out);
}

void h264_to_annexb(struct builder *b, const struct h264_params *p,
                    const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct nal n;

    for (int i = 0; p && i < p->sps_count; i++)
        nal_put_annexb(b, p->sps[i]);
    for (int i = 0; p && i < p->pps_count; i++)
        nal_put_annexb(b, p->pps[i]);
    while (nal_next_sized(&r, 4, &n))
        nal_put_annexb(b, n);
}
