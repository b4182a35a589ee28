#include "core/media/av1.h"

#include "core/base/bits.h"
#include "core/base/err.h"

enum { OBUS_PER_UNIT_MAX = 4096, LEVEL_TIERED = 7 };

/* §4.10.5: seven bits a byte, least first; we take sizes of 32 bits. */
static uint32_t take_leb128(struct reader *r)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++) {
        uint8_t byte = reader_u8(r);
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (v > UINT32_MAX) break;
        return (uint32_t)v;
    }
    r->failed = true;
    return 0;
}

bool av1_next(struct reader *r, struct av1_obu *out)
{
    const uint8_t *start = r->at;
    uint8_t header;

    if (!reader_left(r) || r->failed) return false;
    header = reader_u8(r);
    if (header & 0x80) r->failed = true; /* obu_forbidden_bit */
    if (header & 4) reader_u8(r);
    size_t len = header & 2 ? take_leb128(r) : reader_left(r);
    if (r->failed) return false;
    const uint8_t *data = reader_take(r, len);
    if (r->failed) return false;
    *out = (struct av1_obu){.type = header >> 3 & 15,
                            .whole = start,
                            .data = data,
                            .whole_len = (size_t)(r->at - start),
                            .len = len};
    return true;
}

/* --- the sequence header, §5.5 --- */

struct model {
    bool present;
    unsigned delay_bits;
};

static void parse_timing(struct bits *b, struct av1_sequence *s,
                         struct model *model)
{
    if (!bits_get(b, 1)) return;
    uint32_t tick = bits_get(b, 32), scale = bits_get(b, 32), ticks = 0;
    if (bits_get(b, 1)) ticks = bits_ue(b) + 1;
    if (ticks && tick && scale && (uint64_t)tick * ticks <= UINT32_MAX) {
        s->fps_num = scale;
        s->fps_den = tick * ticks;
    }
    model->present = bits_get(b, 1);
    if (!model->present) return;
    model->delay_bits = bits_get(b, 5) + 1;
    bits_skip(b, 32 + 5 + 5);
}

static void parse_points(struct bits *b, struct av1_sequence *s,
                         const struct model *model)
{
    bool delays = bits_get(b, 1);
    uint32_t count = bits_get(b, 5) + 1;

    for (uint32_t i = 0; i < count && !b->failed; i++) {
        bits_skip(b, 12);
        uint8_t level = (uint8_t)bits_get(b, 5);
        uint8_t tier = level > LEVEL_TIERED ? (uint8_t)bits_get(b, 1) : 0;
        if (i == 0) {
            s->level = level;
            s->tier = tier;
        }
        if (model->present && bits_get(b, 1))
            bits_skip(b, 2 * (size_t)model->delay_bits + 1);
        if (delays && bits_get(b, 1)) bits_skip(b, 4);
    }
}

int av1_sequence_parse(struct av1_sequence *out, const void *data, size_t len)
{
    struct bits b = bits_of(data, len);
    struct av1_sequence s = {0};
    struct model model = {0};

    s.profile = (uint8_t)bits_get(&b, 3);
    bits_skip(&b, 1);
    s.still = bits_get(&b, 1);
    if (s.still) {
        s.level = (uint8_t)bits_get(&b, 5);
    } else {
        parse_timing(&b, &s, &model);
        parse_points(&b, &s, &model);
    }
    unsigned wide = bits_get(&b, 4) + 1, high = bits_get(&b, 4) + 1;
    s.width = bits_get(&b, wide) + 1;
    s.height = bits_get(&b, high) + 1;
    if (b.failed || s.profile > 2) return ERR_SYNTAX;
    *out = s;
    return 0;
}

int av1_record_parse(struct av1_obu *out, const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct av1_sequence s;
    struct av1_obu o;

    if (reader_u8(&r) != 0x81) return ERR_SYNTAX; /* marker, version 1 */
    reader_take(&r, AV1_RECORD_BYTES - 1);
    if (r.failed) return ERR_SYNTAX;
    while (av1_next(&r, &o)) {
        if (o.type != AV1_SEQUENCE) continue;
        if (av1_sequence_parse(&s, o.data, o.len)) return ERR_SYNTAX;
        *out = o;
        return 0;
    }
    return r.failed ? ERR_SYNTAX : ERR_NOTFOUND;
}

/* --- temporal units --- */

static bool is_dropped(const struct av1_obu *o)
{
    return o->type == AV1_DELIMITER || o->type == AV1_PADDING ||
           o->type == AV1_TILE_LIST;
}

/* §5.9.2: show_existing_frame 0, frame_type KEY_FRAME, show_frame 1. */
static bool is_key(const struct av1_obu *o, bool still)
{
    return still || (o->len && o->data[0] >> 4 == 1);
}

static int scan_obu(struct av1_unit *u, const struct av1_obu *o, bool *still)
{
    struct av1_sequence s;

    if (is_dropped(o)) u->clean = false;
    if (o->type == AV1_SEQUENCE) {
        if (av1_sequence_parse(&s, o->data, o->len)) return ERR_SYNTAX;
        if (!u->has_sequence) u->sequence = *o;
        u->has_sequence = true;
        *still = s.still;
    }
    if (o->type != AV1_FRAME && o->type != AV1_FRAME_HEADER) return 0;
    /* Without its header before it, no decoder could begin (ISOBMFF §2.4). */
    if (!u->frames++) u->key = u->has_sequence && is_key(o, *still);
    return 0;
}

int av1_scan(struct av1_unit *out, const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct av1_unit u = {.clean = true};
    struct av1_obu o;
    bool still = false;
    int n = 0;

    while (av1_next(&r, &o)) {
        if (++n > OBUS_PER_UNIT_MAX) return ERR_LIMIT;
        int err = scan_obu(&u, &o, &still);
        if (err) return err;
    }
    if (r.failed) return ERR_SYNTAX;
    *out = u;
    return 0;
}

void av1_repack(struct builder *b, const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct av1_obu o;

    while (av1_next(&r, &o))
        if (!is_dropped(&o)) builder_bytes(b, o.whole, o.whole_len);
}
