#include "core/media/wire.h"

#include <string.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

enum {
    PREFIX_BYTES = 5,
    /* What is set aside before any payload byte came in: covers nearly every
     * frame in one piece, and a lying size costs no more. */
    RESERVE_BYTES = 256 << 10,
    TRACK_BYTES = 4 + 8 * 4 + TRACK_NAME_MAX + TRACK_LANGUAGE_MAX,
    FRAME_FLAGS_KNOWN = FRAME_KEY | FRAME_DISCONTINUITY,
};

static const uint8_t magic[4] = {'L', 'C', 'T', 'N'};

/* Fixed part and most payload of each type. */
static const struct {
    size_t fixed, payload_max;
} layout[WIRE_TYPE_LAST + 1] = {
    [WIRE_HELLO] = {4 + 2 + 8 + 8 + 8, WIRE_NAME_MAX},
    [WIRE_TRACK] = {TRACK_BYTES, WIRE_CONFIG_MAX},
    [WIRE_FRAME] = {2 + 4 * 8, WIRE_PAYLOAD_MAX},
    [WIRE_MARK] = {8 + 8 + 1, 0},
    [WIRE_PLAN] = {4 + 8 + 8 + 1 + PLAN_RENDITIONS_MAX, 0},
    [WIRE_SIGNAL] = {1, 0},
    [WIRE_META] = {1 + 1 + 8, WIRE_META_MAX},
    [WIRE_STAT] = {8, WIRE_NAME_MAX},
    [WIRE_END] = {0, 0},
    [WIRE_KEY] = {1, 0},
    [WIRE_IMPRESSION] = {1 + 1 + 4 + 3 * 2 + 1 + 2 * 2 + 1, WIRE_MORE_MAX},
};

void wire_record_release(struct wire_record *r)
{
    slice_unref(&r->payload);
}

/* --- writing -------------------------------------------------------------- */

struct writer {
    uint8_t *at;
};

static void put(struct writer *w, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *w->at++ = (uint8_t)(v >> (8 * i));
}

static void put_bytes(struct writer *w, const void *data, size_t n)
{
    memcpy(w->at, data, n);
    w->at += n;
}

static void put_track(struct writer *w, const struct track_info *t)
{
    put(w, t->id, 1);
    put(w, t->kind, 1);
    put(w, t->codec, 1);
    put(w, t->passthrough, 1);
    put(w, t->timescale, 4);
    put(w, t->width, 4);
    put(w, t->height, 4);
    put(w, t->fps_num, 4);
    put(w, t->fps_den, 4);
    put(w, t->sample_rate, 4);
    put(w, t->channels, 4);
    put(w, t->bitrate_bps, 4);
    put_bytes(w, t->name, sizeof t->name);
    put_bytes(w, t->language, sizeof t->language);
}

static void put_frame(struct writer *w, const struct frame *f)
{
    put(w, f->track_id, 1);
    put(w, f->flags, 1);
    put(w, (uint64_t)f->dts, 8);
    put(w, (uint64_t)f->pts, 8);
    put(w, (uint64_t)f->duration, 8);
    put(w, (uint64_t)f->captured_at, 8);
}

static void put_plan(struct writer *w, const struct plan *p)
{
    put(w, p->target_duration_s, 4);
    put(w, (uint64_t)p->part_us, 8);
    put(w, (uint64_t)p->segment_us, 8);
    put(w, (uint64_t)p->rendition_count, 1);
    put_bytes(w, p->rendition_ids, sizeof p->rendition_ids);
}

static void put_impression(struct writer *w, const struct impression *c)
{
    put(w, c->track, 1);
    put(w, c->kind, 1);
    put(w, c->span_ms, 4);
    put(w, (uint16_t)c->rms_cdb, 2);
    put(w, (uint16_t)c->peak_cdb, 2);
    put(w, c->clipped, 2);
    put(w, c->luma, 1);
    put(w, c->lit, 2);
    put(w, c->change, 2);
    put(w, c->changed, 1);
}

static void put_fixed(struct writer *w, const struct wire_record *r)
{
    switch (r->type) {
    case WIRE_HELLO:
        put_bytes(w, magic, sizeof magic);
        put(w, r->v.hello.version, 2);
        put(w, r->v.hello.generation, 8);
        put(w, (uint64_t)r->v.hello.origin_at, 8);
        put(w, (uint64_t)r->v.hello.origin_wall_us, 8);
        break;
    case WIRE_TRACK: put_track(w, &r->v.track); break;
    case WIRE_FRAME: put_frame(w, &r->v.frame); break;
    case WIRE_MARK:
        put(w, r->v.mark.msn, 8);
        put(w, (uint64_t)r->v.mark.pts, 8);
        put(w, r->v.mark.discontinuity, 1);
        break;
    case WIRE_PLAN: put_plan(w, &r->v.plan); break;
    case WIRE_SIGNAL: put(w, r->v.signal == BUS_BACK, 1); break;
    case WIRE_META:
        put(w, r->v.meta.track_id, 1);
        put(w, r->v.meta.kind, 1);
        put(w, (uint64_t)r->v.meta.pts, 8);
        break;
    case WIRE_STAT: put(w, (uint64_t)r->v.stat, 8); break;
    case WIRE_END: break;
    case WIRE_KEY: put(w, r->v.key, 1); break;
    case WIRE_IMPRESSION: put_impression(w, &r->v.impression); break;
    }
}

size_t wire_head(uint8_t out[WIRE_HEAD_MAX], const struct wire_record *r)
{
    struct writer w = {out};
    size_t fixed = layout[r->type].fixed;

    INVARIANT(r->payload.len <= layout[r->type].payload_max);
    put(&w, 1 + fixed + r->payload.len, 4);
    put(&w, r->type, 1);
    put_fixed(&w, r);
    INVARIANT(w.at == out + PREFIX_BYTES + fixed);
    return PREFIX_BYTES + fixed;
}

struct wire_record wire_of_frame(const struct frame *f)
{
    return (struct wire_record){
        .type = WIRE_FRAME, .v.frame = *f, .payload = f->payload};
}

struct wire_record wire_of_track(const struct track *t)
{
    return (struct wire_record){.type = WIRE_TRACK,
                                .v.track = *track_info(t),
                                .payload = track_config(t)};
}

int wire_to_frame(const struct wire_record *r, struct frame **out)
{
    struct frame f = r->v.frame;

    f.payload = slice_ref(r->payload);
    return frame_create(out, &f);
}

int wire_to_track(const struct wire_record *r, struct track **out)
{
    return track_create(out, &r->v.track, r->payload);
}

/* --- reading -------------------------------------------------------------- */

static int get_track(struct reader *in, struct track_info *t)
{
    const uint8_t *name, *language;

    t->id = reader_u8(in);
    t->kind = reader_u8(in);
    t->codec = reader_u8(in);
    t->passthrough = reader_u8(in) != 0;
    t->timescale = reader_u32(in);
    t->width = reader_u32(in);
    t->height = reader_u32(in);
    t->fps_num = reader_u32(in);
    t->fps_den = reader_u32(in);
    t->sample_rate = reader_u32(in);
    t->channels = reader_u32(in);
    t->bitrate_bps = reader_u32(in);
    name = reader_take(in, TRACK_NAME_MAX);
    language = reader_take(in, TRACK_LANGUAGE_MAX);
    memcpy(t->name, name, TRACK_NAME_MAX);
    memcpy(t->language, language, TRACK_LANGUAGE_MAX);
    if (t->kind > TRACK_DATA || t->codec > CODEC_OPUS || !t->timescale)
        return ERR_SYNTAX;
    if (t->name[TRACK_NAME_MAX - 1] || t->language[TRACK_LANGUAGE_MAX - 1])
        return ERR_SYNTAX;
    return 0;
}

static int get_frame(struct reader *in, struct frame *f)
{
    *f = (struct frame){0};
    f->track_id = reader_u8(in);
    f->flags = reader_u8(in) & FRAME_FLAGS_KNOWN;
    f->dts = (int64_t)reader_u64(in);
    f->pts = (int64_t)reader_u64(in);
    f->duration = (int64_t)reader_u64(in);
    f->captured_at = (int64_t)reader_u64(in);
    /* Sums and rescaling of times must not overflow further on. */
    if (f->dts > INT64_MAX / 1000000 || f->dts < INT64_MIN / 1000000 ||
        f->pts > INT64_MAX / 1000000 || f->pts < INT64_MIN / 1000000 ||
        f->duration < 0 || f->duration > UINT32_MAX)
        return ERR_SYNTAX;
    return 0;
}

static int get_plan(struct reader *in, struct plan *p)
{
    p->target_duration_s = reader_u32(in);
    p->part_us = (int64_t)reader_u64(in);
    p->segment_us = (int64_t)reader_u64(in);
    p->rendition_count = reader_u8(in);
    memcpy(p->rendition_ids, reader_take(in, PLAN_RENDITIONS_MAX),
           PLAN_RENDITIONS_MAX);
    if (p->rendition_count > PLAN_RENDITIONS_MAX) return ERR_SYNTAX;
    if (!p->target_duration_s || p->target_duration_s > 3600) return ERR_SYNTAX;
    if (p->part_us < 1000 || p->part_us > 60000000) return ERR_SYNTAX;
    if (p->segment_us < p->part_us || p->segment_us > 3600000000)
        return ERR_SYNTAX;
    return 0;
}

static int get_impression(struct reader *in, struct impression *c)
{
    c->track = reader_u8(in);
    c->kind = reader_u8(in);
    c->span_ms = reader_u32(in);
    c->rms_cdb = (int16_t)reader_u16(in);
    c->peak_cdb = (int16_t)reader_u16(in);
    c->clipped = reader_u16(in);
    c->luma = reader_u8(in);
    c->lit = reader_u16(in);
    c->change = reader_u16(in);
    c->changed = reader_u8(in) != 0;
    if (c->kind != TRACK_VIDEO && c->kind != TRACK_AUDIO) return ERR_SYNTAX;
    if (!c->span_ms || c->span_ms > IMPRESSION_SPAN_MAX_MS) return ERR_SYNTAX;
    if (c->rms_cdb < IMPRESSION_FLOOR_CDB || c->rms_cdb > IMPRESSION_PEAK_CDB ||
        c->peak_cdb < IMPRESSION_FLOOR_CDB || c->peak_cdb > IMPRESSION_PEAK_CDB)
        return ERR_SYNTAX;
    if (c->clipped > IMPRESSION_WHOLE || c->lit > IMPRESSION_WHOLE ||
        c->change > IMPRESSION_CHANGE_MAX)
        return ERR_SYNTAX;
    return 0;
}

static int get_hello(struct reader *in, struct wire_hello *h)
{
    if (memcmp(reader_take(in, sizeof magic), magic, sizeof magic))
        return ERR_SYNTAX;
    h->version = reader_u16(in);
    h->generation = reader_u64(in);
    h->origin_at = (int64_t)reader_u64(in);
    h->origin_wall_us = (int64_t)reader_u64(in);
    return h->version == WIRE_VERSION ? 0 : ERR_UNSUPPORTED;
}

static int get_fixed(struct reader *in, struct wire_record *r)
{
    switch (r->type) {
    case WIRE_HELLO: return get_hello(in, &r->v.hello);
    case WIRE_TRACK: return get_track(in, &r->v.track);
    case WIRE_FRAME: return get_frame(in, &r->v.frame);
    case WIRE_MARK:
        r->v.mark.msn = reader_u64(in);
        r->v.mark.pts = (int64_t)reader_u64(in);
        r->v.mark.discontinuity = reader_u8(in) != 0;
        return 0;
    case WIRE_PLAN: return get_plan(in, &r->v.plan);
    case WIRE_SIGNAL:
        r->v.signal = reader_u8(in) ? BUS_BACK : BUS_GONE;
        return 0;
    case WIRE_META:
        r->v.meta.track_id = reader_u8(in);
        r->v.meta.kind = reader_u8(in);
        r->v.meta.pts = (int64_t)reader_u64(in);
        return 0;
    case WIRE_STAT: r->v.stat = (int64_t)reader_u64(in); return 0;
    case WIRE_END: return 0;
    case WIRE_KEY: r->v.key = reader_u8(in); return 0;
    case WIRE_IMPRESSION: return get_impression(in, &r->v.impression);
    }
    return ERR_SYNTAX;
}

void wire_decoder_init(struct wire_decoder *d)
{
    *d = (struct wire_decoder){.head_need = PREFIX_BYTES};
}

void wire_decoder_release(struct wire_decoder *d)
{
    builder_release(&d->payload);
    d->err = ERR_CLOSED;
}

/* The prefix is there: how long is the rest, and may it be? */
static int begin(struct wire_decoder *d)
{
    struct reader in = reader_of(d->head, PREFIX_BYTES);
    size_t size = reader_u32(&in);
    unsigned type = reader_u8(&in);

    if (!size) return ERR_SYNTAX;
    size--;
    if (!d->greeted && type != WIRE_HELLO) return ERR_SYNTAX;
    d->skipping = type < WIRE_HELLO || type > WIRE_TYPE_LAST;
    if (d->skipping) {
        if (size > WIRE_SKIP_MAX) return ERR_LIMIT;
        d->left = size;
        d->in_payload = true;
        return 0;
    }
    if (size < layout[type].fixed) return ERR_SYNTAX;
    d->left = size - layout[type].fixed;
    if (d->left > layout[type].payload_max) return ERR_LIMIT;
    d->record = (struct wire_record){.type = (enum wire_type)type};
    d->head_need = PREFIX_BYTES + layout[type].fixed;
    return 0;
}

/* The fixed part is there. */
static int middle(struct wire_decoder *d)
{
    struct reader in =
        reader_of(d->head + PREFIX_BYTES, d->head_need - PREFIX_BYTES);
    int err = get_fixed(&in, &d->record);

    if (err) return err;
    INVARIANT(!in.failed);
    d->greeted = true;
    d->in_payload = true;
    builder_init(&d->payload, d->left);
    if (d->left &&
        builder_extend(&d->payload,
                       d->left < RESERVE_BYTES ? d->left : RESERVE_BYTES))
        d->payload.len = 0;
    return d->payload.err;
}

static int finish(struct wire_decoder *d, struct wire_record *out)
{
    bool skipped = d->skipping;
    struct buf *whole = NULL;

    d->head_len = 0;
    d->head_need = PREFIX_BYTES;
    d->in_payload = d->skipping = false;
    if (skipped) return ERR_AGAIN;
    if (d->payload.buf) {
        int err = builder_seal(&d->payload, &whole);
        if (err) return err;
        d->record.payload = slice_take(&whole);
    }
    d->ended = d->record.type == WIRE_END;
    *out = d->record;
    return 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int eat(struct wire_decoder *d, const uint8_t **data, size_t *len)
{
    size_t n;

    if (!d->in_payload) {
        n = least(*len, d->head_need - d->head_len);
        memcpy(d->head + d->head_len, *data, n);
        d->head_len += n;
    } else {
        n = least(*len, d->left);
        if (!d->skipping) builder_bytes(&d->payload, *data, n);
        d->left -= n;
    }
    *data += n;
    *len -= n;
    if (!d->in_payload && d->head_len == PREFIX_BYTES &&
        d->head_need == PREFIX_BYTES) {
        int err = begin(d);
        if (err) return err;
    }
    if (!d->in_payload && d->head_len > 0 && d->head_len == d->head_need)
        return middle(d);
    return d->payload.err;
}

int wire_feed(struct wire_decoder *d, const uint8_t **data, size_t *len,
              struct wire_record *out)
{
    while (!d->err && *len) {
        if (d->ended)
            d->err = ERR_CLOSED;
        else
            d->err = eat(d, data, len);
        if (d->err || !d->in_payload || d->left) continue;
        int err = finish(d, out);
        if (!err) return 0;
        if (err != ERR_AGAIN) d->err = err;
    }
    return d->err ? d->err : ERR_AGAIN;
}
