#include <string.h>

#include "core/base/bits.h"
#include "core/base/err.h"
#include "core/media/hevc.h"

enum {
    SPS_BYTES_MAX = 4096,
    SIDE_MAX = 16384,         /* level 6.2 allows 8444 squared */
    SHORT_TERM_SETS_MAX = 64, /* §7.4.3.2.1 */
    LONG_TERM_MAX = 32,
    DELTAS_MAX = 16,
    REORDER_MAX = 16,
    SAR_EXTENDED = 255,
};

/* Emulation prevention (§7.4.2): 00 00 03 xx stands for 00 00 xx. */
static size_t unescape(uint8_t *out, const uint8_t *in, size_t len)
{
    size_t n = 0, zeros = 0;

    for (size_t i = 0; i < len; i++) {
        if (zeros >= 2 && in[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = in[i] ? 0 : zeros + 1;
        out[n++] = in[i];
    }
    return n;
}

static void skip_ues(struct bits *b, int n)
{
    while (n-- && !b->failed)
        bits_ue(b);
}

/* §7.3.3; the general part is kept as it is. */
static void parse_ptl(struct bits *b, struct hevc_sps *s)
{
    unsigned subs = s->layers - 1, present[8] = {0};

    for (int i = 0; i < HEVC_PTL_BYTES; i++)
        s->ptl[i] = (uint8_t)bits_get(b, 8);
    for (unsigned i = 0; i < subs; i++)
        present[i] = bits_get(b, 2);
    if (subs) bits_skip(b, (8 - subs) * 2);
    for (unsigned i = 0; i < subs; i++) {
        if (present[i] & 2) bits_skip(b, 88);
        if (present[i] & 1) bits_skip(b, 8);
    }
}

/* §6.2: chroma samples are the unit of the cropping window. */
static int parse_size(struct bits *b, struct hevc_sps *s)
{
    uint32_t crop[4] = {0}, x, y;

    s->chroma_format = bits_ue(b);
    if (s->chroma_format > 3) return ERR_RANGE;
    if (s->chroma_format == 3) bits_skip(b, 1);
    s->width = bits_ue(b);
    s->height = bits_ue(b);
    if (!s->width || !s->height || s->width > SIDE_MAX || s->height > SIDE_MAX)
        return ERR_RANGE;
    if (bits_get(b, 1))
        for (int i = 0; i < 4; i++)
            crop[i] = bits_ue(b);
    for (int i = 0; i < 4; i++)
        if (crop[i] > SIDE_MAX) return ERR_RANGE;
    x = s->chroma_format == 1 || s->chroma_format == 2 ? 2 : 1;
    y = s->chroma_format == 1 ? 2 : 1;
    if ((crop[0] + crop[1]) * x >= s->width ||
        (crop[2] + crop[3]) * y >= s->height)
        return ERR_RANGE;
    s->width -= (crop[0] + crop[1]) * x;
    s->height -= (crop[2] + crop[3]) * y;
    return 0;
}

static int parse_ordering(struct bits *b, struct hevc_sps *s)
{
    uint32_t first = bits_get(b, 1) ? 0 : s->layers - 1, reorder = 0;

    for (uint32_t i = first; i < s->layers; i++) {
        bits_ue(b);
        reorder = bits_ue(b);
        bits_ue(b);
    }
    if (reorder > REORDER_MAX) return ERR_RANGE;
    s->reorder_frames = (int)reorder;
    return 0;
}

static void skip_scaling_lists(struct bits *b)
{
    for (int size = 0; size < 4; size++)
        for (int matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {
            int n = size ? 64 : 16;
            if (b->failed) return;
            if (!bits_get(b, 1)) {
                bits_ue(b);
                continue;
            }
            skip_ues(b, n + (size > 1)); /* signed ones are as long */
        }
}

/* used_by_curr_pic_flag, or else use_delta_flag. */
static bool has_delta(struct bits *b)
{
    if (bits_get(b, 1)) return true;
    return bits_get(b, 1);
}

/* §7.3.7; *deltas: of the set before this one, then of this one. */
static int skip_short_term(struct bits *b, int index, uint32_t *deltas)
{
    if (index && bits_get(b, 1)) {
        uint32_t n = 0;
        bits_skip(b, 1);
        bits_ue(b);
        for (uint32_t i = 0; i <= *deltas && !b->failed; i++)
            if (has_delta(b)) n++;
        if (n > 2 * DELTAS_MAX) return ERR_RANGE;
        *deltas = n;
        return 0;
    }
    uint32_t before = bits_ue(b), after = bits_ue(b);
    if (before > DELTAS_MAX || after > DELTAS_MAX) return ERR_RANGE;
    *deltas = before + after;
    for (uint32_t i = 0; i < *deltas && !b->failed; i++) {
        bits_ue(b);
        bits_skip(b, 1);
    }
    return 0;
}

static int skip_references(struct bits *b, uint32_t poc_bits)
{
    uint32_t sets = bits_ue(b), deltas = 0, n;
    int err = 0;

    if (sets > SHORT_TERM_SETS_MAX) return ERR_RANGE;
    for (uint32_t i = 0; i < sets && !err && !b->failed; i++)
        err = skip_short_term(b, (int)i, &deltas);
    if (err) return err;
    if (!bits_get(b, 1)) return 0;
    n = bits_ue(b);
    if (n > LONG_TERM_MAX) return ERR_RANGE;
    bits_skip(b, (size_t)n * (poc_bits + 1));
    return 0;
}

/* What lies between the picture's form and the VUI: only its length counts. */
static int skip_tools(struct bits *b, uint32_t poc_bits)
{
    bool has_lists = false;
    int err;

    skip_ues(b, 6);
    if (bits_get(b, 1)) has_lists = bits_get(b, 1);
    if (has_lists) skip_scaling_lists(b);
    bits_skip(b, 2);
    if (bits_get(b, 1)) {
        bits_skip(b, 8);
        skip_ues(b, 2);
        bits_skip(b, 1);
    }
    err = skip_references(b, poc_bits);
    bits_skip(b, 2);
    return err;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Annex E.2.1, as far as the cadence. */
static void parse_vui(struct bits *b, struct hevc_sps *s)
{
    uint32_t tick, scale;

    if (bits_get(b, 1) && bits_get(b, 8) == SAR_EXTENDED) bits_skip(b, 32);
    if (bits_get(b, 1)) bits_skip(b, 1);
    if (bits_get(b, 1)) {
        bits_skip(b, 4);
        if (bits_get(b, 1)) bits_skip(b, 24);
    }
    if (bits_get(b, 1)) skip_ues(b, 2);
    bits_skip(b, 3);
    if (bits_get(b, 1)) skip_ues(b, 4);
    if (!bits_get(b, 1)) return;
    tick = bits_get(b, 32);
    scale = bits_get(b, 32);
    if (b->failed || !tick || !scale) return;
    s->fps_num = scale / gcd(scale, tick);
    s->fps_den = tick / gcd(scale, tick);
}

static int parse_body(struct bits *b, struct hevc_sps *s)
{
    uint32_t poc_bits;
    int err;

    bits_skip(b, 16 + 4); /* NAL header, VPS */
    s->layers = bits_get(b, 3) + 1;
    s->nested = bits_get(b, 1);
    if (s->layers > 7) return ERR_RANGE;
    parse_ptl(b, s);
    s->id = bits_ue(b);
    if (s->id > 15) return ERR_RANGE;
    err = parse_size(b, s);
    if (err) return err;
    s->bit_depth = 8 + bits_ue(b);
    s->chroma_bit_depth = 8 + bits_ue(b);
    poc_bits = 4 + bits_ue(b);
    if (s->bit_depth > 15 || s->chroma_bit_depth > 15 || poc_bits > 16)
        return ERR_RANGE;
    err = parse_ordering(b, s);
    if (!err) err = skip_tools(b, poc_bits);
    if (err) return err;
    bool vui = bits_get(b, 1);
    if (b->failed) return ERR_SYNTAX;
    if (vui) parse_vui(b, s);
    return 0;
}

int hevc_sps_parse(struct hevc_sps *out, const void *nal, size_t len)
{
    uint8_t plain[SPS_BYTES_MAX];
    struct hevc_sps s = {0};
    struct bits b;
    int err;

    if (len > sizeof plain) return ERR_LIMIT;
    if (len < 2 || hevc_type((struct nal){nal, len}) != HEVC_SPS)
        return ERR_SYNTAX;
    b = bits_of(plain, unescape(plain, nal, len));
    err = parse_body(&b, &s);
    if (err) return b.failed ? ERR_SYNTAX : err;
    *out = s;
    return 0;
}
