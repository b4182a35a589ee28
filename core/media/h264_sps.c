#include "core/media/h264_sps.h"

#include <string.h>

#include "core/base/bits.h"
#include "core/base/err.h"

enum {
    SPS_BYTES_MAX = 4096,    /* 12 scaling lists and a VUI fit in a tenth */
    MBS_PER_SIDE_MAX = 1024, /* 16384 samples; level 6.2 allows 1055 */
    POC_CYCLE_MAX = 255,     /* §7.4.2.1.1 */
    CPB_COUNT_MAX = 32,      /* annex E.2.2 */
    SAR_EXTENDED = 255,
};

static const uint8_t sar_table[][2] = {
    {1, 1},   {1, 1},    {12, 11}, {10, 11}, {16, 11}, {40, 33},
    {24, 11}, {20, 11},  {32, 11}, {80, 33}, {18, 11}, {15, 11},
    {64, 33}, {160, 99}, {4, 3},   {3, 2},   {2, 1},
};

/* Emulation prevention (§7.4.1): 00 00 03 xx stands for 00 00 xx. */
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

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool has_chroma_info(uint8_t profile)
{
    switch (profile) {
    case 100:
    case 110:
    case 122:
    case 244:
    case 44:
    case 83:
    case 86:
    case 118:
    case 128:
    case 138:
    case 139:
    case 134:
    case 135: return true;
    default: return false;
    }
}

static void skip_scaling_list(struct bits *b, int size)
{
    uint32_t last = 8, next = 8;

    for (int i = 0; i < size && !b->failed; i++) {
        if (next) next = (last + (uint32_t)bits_se(b)) & 0xff;
        if (next) last = next;
    }
}

static int parse_chroma(struct bits *b, struct h264_sps *s)
{
    s->chroma_format = bits_ue(b);
    if (s->chroma_format > 3) return ERR_RANGE;
    if (s->chroma_format == 3) bits_skip(b, 1);
    s->bit_depth = 8 + bits_ue(b);
    s->chroma_bit_depth = 8 + bits_ue(b);
    if (s->bit_depth > 14 || s->chroma_bit_depth > 14) return ERR_RANGE;
    bits_skip(b, 1);
    if (bits_get(b, 1)) {
        int lists = s->chroma_format == 3 ? 12 : 8;
        for (int i = 0; i < lists; i++)
            if (bits_get(b, 1)) skip_scaling_list(b, i < 6 ? 16 : 64);
    }
    return 0;
}

static int parse_poc(struct bits *b, struct h264_sps *s)
{
    s->poc_type = bits_ue(b);
    if (s->poc_type > 2) return ERR_RANGE;
    if (s->poc_type == 0) bits_ue(b);
    if (s->poc_type == 1) {
        bits_skip(b, 1);
        bits_se(b);
        bits_se(b);
        uint32_t cycle = bits_ue(b);
        if (cycle > POC_CYCLE_MAX) return ERR_RANGE;
        while (cycle-- && !b->failed)
            bits_se(b);
    }
    return 0;
}

static int parse_size(struct bits *b, struct h264_sps *s)
{
    uint32_t wide = bits_ue(b), high = bits_ue(b);
    uint32_t crop[4] = {0}, unit_x, unit_y;

    if (wide >= MBS_PER_SIDE_MAX || high >= MBS_PER_SIDE_MAX) return ERR_RANGE;
    s->interlaced = !bits_get(b, 1);
    if (s->interlaced) bits_skip(b, 1);
    bits_skip(b, 1); /* direct_8x8_inference_flag */
    if (bits_get(b, 1))
        for (int i = 0; i < 4; i++)
            crop[i] = bits_ue(b);
    unit_x = s->chroma_format == 1 || s->chroma_format == 2 ? 2 : 1;
    unit_y = (s->chroma_format == 1 ? 2 : 1) * (s->interlaced ? 2 : 1);
    uint64_t width = (wide + 1) * 16, height = (high + 1) * 16;
    if (s->interlaced) height *= 2;
    uint64_t cut_x = ((uint64_t)crop[0] + crop[1]) * unit_x;
    uint64_t cut_y = ((uint64_t)crop[2] + crop[3]) * unit_y;
    if (cut_x >= width || cut_y >= height) return ERR_RANGE;
    s->width = (uint32_t)(width - cut_x);
    s->height = (uint32_t)(height - cut_y);
    return 0;
}

static void skip_hrd(struct bits *b)
{
    uint32_t count = bits_ue(b) + 1;

    if (count > CPB_COUNT_MAX) b->failed = true;
    bits_skip(b, 8);
    for (uint32_t i = 0; i < count && !b->failed; i++) {
        bits_ue(b);
        bits_ue(b);
        bits_skip(b, 1);
    }
    bits_skip(b, 20);
}

static void parse_aspect(struct bits *b, struct h264_sps *s)
{
    uint32_t idc = bits_get(b, 8), num = 1, den = 1;

    if (idc == SAR_EXTENDED) {
        num = bits_get(b, 16);
        den = bits_get(b, 16);
    } else if (idc < sizeof sar_table / sizeof *sar_table) {
        num = sar_table[idc][0];
        den = sar_table[idc][1];
    }
    if (!num || !den) return; /* unspecified */
    s->sar_num = num;
    s->sar_den = den;
}

/* A tick is a field: two make a frame (annex E.2.1, num_units_in_tick). */
static void parse_timing(struct bits *b, struct h264_sps *s)
{
    uint64_t units = bits_get(b, 32), scale = bits_get(b, 32);

    s->fixed_rate = bits_get(b, 1);
    if (b->failed || !units || !scale || units > UINT32_MAX / 2) return;
    uint32_t shared = gcd((uint32_t)scale, (uint32_t)units * 2);
    s->fps_num = (uint32_t)scale / shared;
    s->fps_den = (uint32_t)units * 2 / shared;
}

static void parse_vui(struct bits *b, struct h264_sps *s)
{
    bool hrd = false;

    if (bits_get(b, 1)) parse_aspect(b, s);
    if (bits_get(b, 1)) bits_skip(b, 1); /* overscan */
    if (bits_get(b, 1)) {
        bits_skip(b, 4); /* video format, range */
        if (bits_get(b, 1)) bits_skip(b, 24);
    }
    if (bits_get(b, 1)) {
        bits_ue(b);
        bits_ue(b);
    }
    if (bits_get(b, 1)) parse_timing(b, s);
    for (int i = 0; i < 2; i++) {
        if (!bits_get(b, 1)) continue;
        skip_hrd(b);
        hrd = true;
    }
    if (hrd) bits_skip(b, 1);
    bits_skip(b, 1); /* pic_struct_present_flag */
    if (!bits_get(b, 1)) return;
    bits_skip(b, 1);
    for (int i = 0; i < 4; i++)
        bits_ue(b);
    uint32_t reorder = bits_ue(b);
    if (!b->failed && reorder <= 16) s->reorder_frames = (int)reorder;
}

/* Annex E.2.1: what holds when bitstream_restriction_flag is absent. */
static void derive_reorder(struct h264_sps *s)
{
    bool intra_only =
        (s->compat & 0x10) &&
        (s->profile == 44 || s->profile == 86 || s->profile == 100 ||
         s->profile == 110 || s->profile == 122 || s->profile == 244);

    if (s->reorder_frames >= 0) return;
    if (s->poc_type == 2 || s->profile == 66 || s->ref_frames == 0 ||
        intra_only)
        s->reorder_frames = 0;
}

static int parse(struct bits *b, struct h264_sps *s)
{
    int err = 0;

    s->profile = (uint8_t)bits_get(b, 8);
    s->compat = (uint8_t)bits_get(b, 8);
    s->level = (uint8_t)bits_get(b, 8);
    s->id = bits_ue(b);
    if (s->id > 31) return ERR_RANGE;
    if (has_chroma_info(s->profile)) err = parse_chroma(b, s);
    if (err) return err;
    if (bits_ue(b) > 12) return ERR_RANGE; /* log2_max_frame_num */
    err = parse_poc(b, s);
    if (err) return err;
    s->ref_frames = bits_ue(b);
    bits_skip(b, 1);
    err = parse_size(b, s);
    if (err) return err;
    if (b->failed) return ERR_SYNTAX;
    /* A VUI cut short is common in the field and no reason to refuse: what
     * was read before the cut holds. */
    if (bits_get(b, 1)) parse_vui(b, s);
    derive_reorder(s);
    return 0;
}

int h264_sps_parse(struct h264_sps *out, const void *nal, size_t len)
{
    uint8_t rbsp[SPS_BYTES_MAX];
    const uint8_t *bytes = nal;
    struct h264_sps s = {.chroma_format = 1,
                         .bit_depth = 8,
                         .chroma_bit_depth = 8,
                         .sar_num = 1,
                         .sar_den = 1,
                         .reorder_frames = -1};
    int err;

    if (len > sizeof rbsp) return ERR_LIMIT;
    if (len < 5 || (bytes[0] & 0x9f) != 7) return ERR_SYNTAX;
    size_t n = unescape(rbsp, bytes + 1, len - 1);
    struct bits b = bits_of(rbsp, n);
    err = parse(&b, &s);
    if (err) return err;
    *out = s;
    return 0;
}

void h264_sps_display(const struct h264_sps *s, uint32_t *width,
                      uint32_t *height)
{
    uint64_t w =
        ((uint64_t)s->width * s->sar_num + s->sar_den / 2) / s->sar_den;

    *width = w ? (uint32_t)(w > UINT16_MAX ? UINT16_MAX : w) : 1;
    *height = s->height;
}
