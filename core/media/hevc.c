#include "core/media/hevc.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bits.h"
#include "core/base/err.h"

enum {
    HVCC_FIXED_BYTES = 22, /* before the arrays */
    SET_BYTES_MAX = 65535,
    NO_ID = 0xffffffff,
};

/* --- parameter sets --- */

static uint32_t set_id(struct nal n)
{
    struct hevc_sps s;
    struct bits b = bits_of(n.data + 2, n.len - 2);

    switch (hevc_type(n)) {
    case HEVC_VPS: return n.data[2] >> 4;
    case HEVC_SPS: return hevc_sps_parse(&s, n.data, n.len) ? NO_ID : s.id;
    default: return bits_ue(&b);
    }
}

int hevc_params_add(struct hevc_params *p, struct nal n)
{
    unsigned kind;
    uint32_t id;

    if (n.len < 3 || n.len > SET_BYTES_MAX) return ERR_SYNTAX;
    kind = hevc_type(n) - HEVC_VPS;
    if (kind >= HEVC_SET_KINDS) return ERR_SYNTAX;
    id = set_id(n);
    if (id == NO_ID) return ERR_SYNTAX;
    struct nal *sets = p->sets[kind];
    for (int i = 0; i < p->count[kind]; i++) {
        if (set_id(sets[i]) != id) continue;
        sets[i] = n;
        return 0;
    }
    if (p->count[kind] == HEVC_SETS_MAX) return ERR_LIMIT;
    sets[p->count[kind]++] = n;
    return 0;
}

/* Arrays of SEI messages may be there, too. */
static int read_array(struct hevc_params *p, struct reader *r)
{
    unsigned type = reader_u8(r) & 0x3f, count = reader_u16(r);
    bool ours = type >= HEVC_VPS && type <= HEVC_PPS;

    for (unsigned i = 0; i < count; i++) {
        uint16_t len = reader_u16(r);
        struct nal n = {reader_take(r, len), len};
        if (r->failed) return ERR_SYNTAX;
        if (!ours || !len) continue;
        if (hevc_type(n) != type) return ERR_SYNTAX;
        int err = hevc_params_add(p, n);
        if (err) return err;
    }
    return 0;
}

static bool is_whole(const struct hevc_params *p)
{
    return p->count[0] && p->count[1] && p->count[2];
}

int hevc_hvcc_parse(struct hevc_params *out, const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct hevc_params p = {0};
    int err = 0;

    if (reader_u8(&r) != 1) return ERR_SYNTAX;
    reader_take(&r, HVCC_FIXED_BYTES - 2);
    p.length_size = (reader_u8(&r) & 3) + 1;
    if (p.length_size == 3) return ERR_SYNTAX;
    unsigned arrays = reader_u8(&r);
    for (unsigned i = 0; i < arrays && !err && !r.failed; i++)
        err = read_array(&p, &r);
    if (err) return err;
    if (r.failed) return ERR_SYNTAX;
    if (!is_whole(&p)) return ERR_NOTFOUND;
    *out = p;
    return 0;
}

void hevc_hvcc_write(struct builder *b, const struct hevc_params *p)
{
    struct hevc_sps s;

    if (!p->count[1] ||
        hevc_sps_parse(&s, p->sets[1][0].data, p->sets[1][0].len)) {
        if (!b->err) b->err = ERR_RANGE;
        return;
    }
    builder_u8(b, 1);
    builder_bytes(b, s.ptl, sizeof s.ptl);
    builder_u16(b, 0xf000); /* reserved bits are ones; segmentation unknown */
    builder_u8(b, 0xfc);    /* parallelism unknown */
    builder_u8(b, 0xfc | s.chroma_format);
    builder_u8(b, 0xf8 | (s.bit_depth - 8));
    builder_u8(b, 0xf8 | (s.chroma_bit_depth - 8));
    builder_u16(b, 0); /* average frame rate unknown */
    builder_u8(b, s.layers << 3 | (unsigned)s.nested << 2 | 3);
    builder_u8(b, HEVC_SET_KINDS);
    for (unsigned k = 0; k < HEVC_SET_KINDS; k++) {
        builder_u8(b, 0x80 | (HEVC_VPS + k)); /* all of them are here */
        builder_u16(b, (unsigned)p->count[k]);
        for (int i = 0; i < p->count[k]; i++) {
            builder_u16(b, (unsigned)p->sets[k][i].len);
            builder_bytes(b, p->sets[k][i].data, p->sets[k][i].len);
        }
    }
}

/* Compatibility flags in reverse bit order; trailing constraint bytes that are
 * zero are left out. */
int hevc_codec_text(char out[HEVC_CODEC_TEXT], const void *hvcc, size_t len)
{
    static const char spaces[4][2] = {"", "A", "B", "C"};
    const uint8_t *d = hvcc;
    uint32_t compat = 0;
    int n, last = 5;

    if (len < HVCC_FIXED_BYTES + 1) return ERR_SYNTAX;
    for (int i = 0; i < 32; i++)
        compat |= (uint32_t)(d[2 + i / 8] >> (7 - i % 8) & 1) << i;
    n = snprintf(out, HEVC_CODEC_TEXT, "hvc1.%s%u.%X.%c%u", spaces[d[1] >> 6],
                 d[1] & 0x1fU, (unsigned)compat, d[1] & 0x20 ? 'H' : 'L',
                 d[12]);
    while (last >= 0 && !d[6 + last])
        last--;
    for (int i = 0; i <= last; i++)
        n += snprintf(out + n, HEVC_CODEC_TEXT - (size_t)n, ".%X", d[6 + i]);
    return 0;
}

/* --- access units --- */

static bool is_set(struct nal n)
{
    return hevc_type(n) >= HEVC_VPS && hevc_type(n) <= HEVC_PPS;
}

static bool is_base_layer(struct nal n)
{
    return !(n.data[0] & 1) && n.data[1] < 8;
}

bool hevc_drops(struct nal n)
{
    if (n.len < 3 || !is_base_layer(n)) return true;
    return hevc_type(n) >= HEVC_VPS && hevc_type(n) <= HEVC_FILLER;
}

static int scan_nal(struct nal n, void *arg)
{
    struct hevc_unit *u = arg;
    unsigned type = hevc_type(n);

    if (n.len < 3 || !is_base_layer(n)) return 0;
    if (is_set(n)) return hevc_params_add(&u->params, n);
    if (type <= HEVC_VCL_LAST) u->slices++;
    if (type >= HEVC_IRAP_FIRST && type <= HEVC_IRAP_LAST) u->irap = true;
    if (type == HEVC_RASL_N || type == HEVC_RASL_R) u->leading = true;
    return 0;
}

int hevc_scan(struct hevc_unit *out, unsigned framing, const void *data,
              size_t len)
{
    *out = (struct hevc_unit){.params.length_size = 4};
    return nal_scan(&out->scan, framing, data, len, hevc_drops, scan_nal, out);
}
