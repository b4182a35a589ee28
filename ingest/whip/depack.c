#include "ingest/whip/depack.h"

#include <string.h>

#include "core/base/err.h"
#include "core/media/h264.h"

/* RFC 6184 §5.2, table 1. */
enum { STAP_A = 24, FU_A = 28 };
enum { FU_START = 0x80, FU_END = 0x40, TYPE = 0x1f, NOT_TYPE = 0xe0 };

void whip_depack_init(struct whip_depack *d, whip_unit_fn *on_unit, void *arg)
{
    *d = (struct whip_depack){.on_unit = on_unit, .arg = arg};
    builder_init(&d->b, DEPACK_UNIT_BYTES_MAX);
}

void whip_depack_release(struct whip_depack *d)
{
    builder_release(&d->b);
}

/* --- one unit --- */

static void begin(struct whip_depack *d, const struct whip_packet *p)
{
    d->open = true;
    d->broken = d->in_fu = false;
    d->nals = 0;
    d->timestamp = p->timestamp;
}

static int end(struct whip_depack *d)
{
    struct whip_unit u = {.timestamp = d->timestamp,
                          .arrived_at = d->arrived_at,
                          .lost = d->lost};
    struct buf *whole = NULL;
    int err = d->b.err;

    if (d->in_fu || err) d->broken = true;
    if (!d->broken && d->b.len) err = builder_seal(&d->b, &whole);
    builder_release(&d->b);
    builder_init(&d->b, DEPACK_UNIT_BYTES_MAX);
    d->open = d->in_fu = false;
    if (whole) {
        u.data = slice_take(&whole);
        d->lost = false;
        d->counts.units++;
        d->on_unit(&u, d->arg);
        slice_unref(&u.data);
    } else if (d->broken || err) {
        d->lost = true;
        d->counts.broken++;
    }
    return err == ERR_NOMEM ? err : 0;
}

static void spoil(struct whip_depack *d)
{
    d->counts.malformed++;
    d->broken = true;
}

/* Room for one more NAL and n bytes of it. */
static bool count_nal(struct whip_depack *d)
{
    if (++d->nals > DEPACK_NALS_MAX) d->broken = true;
    return !d->broken;
}

static void add_nal(struct whip_depack *d, const uint8_t *nal, size_t len)
{
    if (d->in_fu) spoil(d); /* its end never came, and no hole said so */
    if (!len || !count_nal(d)) return;
    builder_u32(&d->b, (uint32_t)len);
    builder_bytes(&d->b, nal, len);
}

static void add_stap(struct whip_depack *d, const uint8_t *data, size_t len)
{
    struct reader r = reader_of(data + 1, len - 1);

    while (reader_left(&r)) {
        size_t n = reader_u16(&r);
        const uint8_t *nal = reader_take(&r, n);
        if (r.failed || (n && (nal[0] & TYPE) >= STAP_A)) {
            spoil(d);
            return;
        }
        add_nal(d, nal, n);
    }
}

static void add_fu(struct whip_depack *d, const uint8_t *data, size_t len)
{
    uint8_t header;

    if (len < 3 || !(data[1] & TYPE) || (data[1] & TYPE) >= STAP_A) {
        spoil(d);
        return;
    }
    header = (uint8_t)((data[0] & NOT_TYPE) | (data[1] & TYPE));
    if (data[1] & FU_START) {
        if (d->in_fu) spoil(d);
        if (!count_nal(d)) return;
        d->fu_at = d->b.len;
        builder_u32(&d->b, 0);
        builder_u8(&d->b, header);
        d->in_fu = true;
    } else if (!d->in_fu) {
        d->broken = true; /* its start is missing */
    }
    if (d->broken) return;
    builder_bytes(&d->b, data + 2, len - 2);
    if (!(data[1] & FU_END)) return;
    d->in_fu = false;
    if (!d->b.err)
        builder_patch_u32(&d->b, d->fu_at, (uint32_t)(d->b.len - d->fu_at - 4));
}

/* Does a unit begin with this payload? Then a hole before it took none of it.
 * first_mb_in_slice, ue(v), is 0 where the first bit is set (§7.3.3). */
static bool is_head(const uint8_t *data, size_t len)
{
    uint8_t type = data[0] & TYPE;

    if (type == STAP_A && len > 3) {
        data += 3;
        len -= 3;
        type = data[0] & TYPE;
    } else if (type == FU_A && len > 2) {
        if (!(data[1] & FU_START)) return false;
        type = data[1] & TYPE;
        data++;
        len--;
    }
    if (type >= H264_SEI && type <= H264_AUD) return true;
    return (type == H264_SLICE || type == H264_IDR) && len > 1 &&
           (data[1] & 0x80);
}

static void add(struct whip_depack *d, const uint8_t *data, size_t len)
{
    uint8_t type = data[0] & TYPE;

    if (type == STAP_A)
        add_stap(d, data, len);
    else if (type == FU_A)
        add_fu(d, data, len);
    else if (type > 0 && type < STAP_A)
        add_nal(d, data, len);
    else
        spoil(d); /* STAP-B, MTAP, FU-B: not of packetization mode 1 */
}

int whip_depack_feed(struct whip_depack *d, const struct whip_packet *p)
{
    int err = 0;

    if (p->lost) {
        d->lost = true;
        if (d->open) d->broken = true;
    }
    if (!p->len) return 0;
    if (d->open && p->timestamp != d->timestamp) err = end(d);
    if (!d->open) {
        begin(d, p);
        if (d->lost && !is_head(p->payload, p->len)) d->broken = true;
    }
    d->arrived_at = p->arrived_at;
    add(d, p->payload, p->len);
    if (p->marker) {
        int last = end(d);
        if (!err) err = last;
    }
    return err;
}

/* --- Opus --- */

static size_t frame_length(struct reader *r)
{
    size_t n = reader_u8(r);

    return n < 252 ? n : n + 4u * reader_u8(r);
}

/* Code 3: a count, padding, and lengths of all but the last if they vary. */
static bool is_sound_code3(struct reader *r)
{
    uint8_t head = reader_u8(r), more;
    size_t padding = 0, sum = 0, count = head & 63;

    if (!count || count > 48) return false;
    if (head & 0x40) {
        do {
            more = reader_u8(r);
            padding += more == 255 ? 254 : more;
        } while (more == 255);
    }
    for (size_t i = 1; i < count && (head & 0x80); i++)
        sum += frame_length(r);
    if (r->failed || padding + sum > reader_left(r)) return false;
    return (head & 0x80) || (reader_left(r) - padding) % count == 0;
}

bool whip_opus_is_sound(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(data, len);

    if (!len || len > 1275 * 48) return false;
    switch (reader_u8(&r) & 3) {
    case 0: return len <= 1276;
    case 1: return (len - 1) % 2 == 0;
    case 2: {
        size_t n = frame_length(&r);
        return !r.failed && n <= reader_left(&r);
    }
    default: return is_sound_code3(&r);
    }
}
