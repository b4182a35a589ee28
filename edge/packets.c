#include "edge/packets.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/media/h264.h"

enum { NAL_STAP_A = 24, NAL_FU_A = 28, FU_START = 0x80, FU_END = 0x40 };

/* --- parameter sets ------------------------------------------------------- */

static void add_set(struct builder *b, unsigned length_size, struct nal n)
{
    if (length_size == 2)
        builder_u16(b, (unsigned)n.len);
    else
        builder_u32(b, (uint32_t)n.len);
    builder_bytes(b, n.data, n.len);
}

static void add_sets(struct builder *b, unsigned length_size,
                     const struct h264_params *p)
{
    for (int i = 0; i < p->sps_count; i++)
        add_set(b, length_size, p->sps[i]);
    for (int i = 0; i < p->pps_count; i++)
        add_set(b, length_size, p->pps[i]);
}

static int seal(struct builder *b, struct slice *out)
{
    struct buf *whole;
    int err = builder_seal(b, &whole);

    if (!err) *out = slice_take(&whole);
    return err;
}

int packet_sets_create(struct packet_sets *out, struct slice avcc)
{
    struct packet_sets s = {0};
    struct h264_params params;
    struct builder b;
    int err = h264_avcc_parse(&params, avcc.data, avcc.len);

    if (err) return err;
    if (params.sps[0].len > 1) s.profile_idc = params.sps[0].data[1];
    builder_init(&b, avcc.len + 4 * (H264_SPS_COUNT_MAX + H264_PPS_COUNT_MAX));
    add_sets(&b, 4, &params);
    err = seal(&b, &s.units);
    if (err) return err;

    builder_init(&b, PACKETS_PAYLOAD_MAX);
    /* NRI as the sets have it: the greatest of all, which is 3. */
    builder_u8(&b, (params.sps[0].data[0] & 0x60) | NAL_STAP_A);
    add_sets(&b, 2, &params);
    err = seal(&b, &s.stap);
    if (err && err != ERR_LIMIT) {
        slice_unref(&s.units);
        return err;
    }
    *out = s;
    return 0;
}

struct packet_sets packet_sets_ref(const struct packet_sets *s)
{
    return (struct packet_sets){slice_ref(s->stap), slice_ref(s->units),
                                s->profile_idc};
}

void packet_sets_unref(struct packet_sets *s)
{
    slice_unref(&s->stap);
    slice_unref(&s->units);
}

/* --- cutting -------------------------------------------------------------- */

/* Where packets go; without a list they are only counted. */
struct cutter {
    struct packets *out;
    int count;
};

static void emit(struct cutter *c, struct packet p)
{
    if (c->out && c->count < PACKETS_MAX) {
        c->out->list[c->count] = p;
        c->out->bytes += (uint32_t)packet_size(&p);
    }
    c->count++;
}

static void cut_nal(struct cutter *c, struct nal n)
{
    if (n.len <= PACKETS_PAYLOAD_MAX) {
        emit(c, (struct packet){.data = n.data, .len = (uint16_t)n.len});
        return;
    }
    const size_t most = PACKETS_PAYLOAD_MAX - 2;
    size_t left = n.len - 1; /* the NAL's header travels in the FU's */
    size_t pieces = (left + most - 1) / most;
    size_t size = (left + pieces - 1) / pieces;
    const uint8_t *at = n.data + 1;
    uint8_t flags = FU_START;

    while (left) {
        size_t len = left < size ? left : size;
        if (len == left) flags |= FU_END;
        emit(c, (struct packet){
                    .data = at,
                    .len = (uint16_t)len,
                    .prefix_len = 2,
                    .prefix = {(uint8_t)((n.data[0] & 0xe0) | NAL_FU_A),
                               (uint8_t)(flags | (n.data[0] & 0x1f))},
                });
        at += len;
        left -= len;
        flags = 0;
    }
}

static bool is_wanted(struct nal n)
{
    switch (h264_type(n)) {
    case H264_SEI:
    case H264_AUD:
    case H264_END_SEQUENCE:
    case H264_END_STREAM:
    case H264_FILLER: return false;
    default: return true;
    }
}

static int cut_all(struct cutter *c, struct slice units)
{
    struct reader r = reader_of(units.data, units.len);
    struct nal n;

    while (nal_next_sized(&r, 4, &n)) {
        if (is_wanted(n)) cut_nal(c, n);
        if (c->count > PACKETS_MAX) return ERR_LIMIT;
    }
    return r.failed ? ERR_SYNTAX : 0;
}

static int cut_unit(struct cutter *c, struct slice payload,
                    const struct packet_sets *sets)
{
    int err = 0;

    if (sets && sets->stap.len)
        emit(c, (struct packet){.data = sets->stap.data,
                                .len = (uint16_t)sets->stap.len});
    else if (sets)
        err = cut_all(c, sets->units);
    return err ? err : cut_all(c, payload);
}

static struct packets *packets_new(int count)
{
    struct packets *p =
        malloc(sizeof *p + (size_t)count * sizeof(struct packet));

    if (p) *p = (struct packets){.count = count};
    return p;
}

int packets_of_h264(struct packets **out, struct slice payload,
                    const struct packet_sets *sets)
{
    struct cutter c = {0};
    int err = cut_unit(&c, payload, sets);

    if (err) return err;
    struct packets *p = packets_new(c.count);
    if (!p) return ERR_NOMEM;
    c = (struct cutter){.out = p};
    cut_unit(&c, payload, sets);
    if (p->count) p->list[p->count - 1].marker = true;
    *out = p;
    return 0;
}

int packets_of_opus(struct packets **out, struct slice payload)
{
    if (payload.len > PACKETS_PAYLOAD_MAX) return ERR_LIMIT;
    struct packets *p = packets_new(payload.len ? 1 : 0);
    if (!p) return ERR_NOMEM;
    if (payload.len)
        p->list[0] =
            (struct packet){.data = payload.data, .len = (uint16_t)payload.len};
    p->bytes = (uint32_t)payload.len;
    *out = p;
    return 0;
}
