#include "ingest/mpegts/ts.h"

#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum {
    SYNC_SPAN = 2 * TS_PACKET_BYTES + 1, /* from the first to the third sync */
    AF_DISCONTINUITY = 0x80,
    AF_RANDOM_ACCESS = 0x40,
    AF_PCR = 0x10,
    AF_OPCR = 0x08,
    AF_SPLICE = 0x04,
    AF_PRIVATE = 0x02,
    AF_EXTENSION = 0x01,
};

static bool is_sync(const uint8_t *p)
{
    return p[0] == TS_SYNC && p[TS_PACKET_BYTES] == TS_SYNC &&
           p[2 * TS_PACKET_BYTES] == TS_SYNC;
}

/* Gives what is whole in kept; returns how far it got. */
static size_t give_packets(struct ts_framer *f, ts_packet_fn *fn, void *arg)
{
    size_t at = 0;

    for (;;) {
        size_t left = f->len - at;
        if (left < (size_t)(f->locked ? TS_PACKET_BYTES : SYNC_SPAN)) return at;
        if (f->locked && f->kept[at] != TS_SYNC) f->locked = false;
        if (!f->locked && left < SYNC_SPAN) return at;
        if (!f->locked && !is_sync(f->kept + at)) {
            at++;
            f->skipped++;
            continue;
        }
        f->locked = true;
        fn(f->kept + at, arg);
        at += TS_PACKET_BYTES;
    }
}

void ts_framer_feed(struct ts_framer *f, const void *data, size_t len,
                    ts_packet_fn *fn, void *arg)
{
    const uint8_t *from = data;

    while (len) {
        size_t n = sizeof f->kept - f->len;
        if (n > len) n = len;
        memcpy(f->kept + f->len, from, n);
        f->len += n;
        from += n;
        len -= n;
        size_t done = give_packets(f, fn, arg);
        f->len -= done;
        memmove(f->kept, f->kept + done, f->len);
    }
}

/* program_clock_reference: 33 bits at 90 kHz, 6 reserved, 9 at 27 MHz. */
static int64_t read_pcr(struct reader *r)
{
    uint32_t high = reader_u32(r);
    uint16_t low = reader_u16(r);
    int64_t base = (int64_t)high << 1 | low >> 15;

    return base * 300 + (low & 0x1ff);
}

/* §2.4.3.4. r: the field behind its length. */
static int parse_adaptation(struct ts_packet *p, struct reader r)
{
    size_t len = reader_left(&r);
    uint8_t flags = reader_u8(&r);

    p->discontinuity = flags & AF_DISCONTINUITY;
    p->random_access = flags & AF_RANDOM_ACCESS;
    p->has_pcr = flags & AF_PCR;
    if (flags & AF_PCR) p->pcr = read_pcr(&r);
    if (flags & AF_OPCR) reader_take(&r, 6);
    if (flags & AF_SPLICE) reader_u8(&r);
    if (flags & AF_PRIVATE) reader_take(&r, reader_u8(&r));
    if (flags & AF_EXTENSION) reader_take(&r, reader_u8(&r));
    if (r.failed) return ERR_SYNTAX;
    p->stuffed = reader_left(&r) || (len == 1 && !flags);
    return 0;
}

int ts_packet_parse(struct ts_packet *out, const uint8_t bytes[TS_PACKET_BYTES])
{
    struct reader r = reader_of(bytes, TS_PACKET_BYTES);
    struct ts_packet p = {0};
    uint8_t sync = reader_u8(&r);
    uint16_t id = reader_u16(&r);
    uint8_t control = reader_u8(&r);

    if (sync != TS_SYNC || id & 0x8000) return ERR_SYNTAX;
    p.start = id & 0x4000;
    p.pid = id & 0x1fff;
    p.scrambled = control & 0xc0;
    p.counter = control & 0x0f;
    if (control & 0x20) {
        uint8_t len = reader_u8(&r);
        const uint8_t *field = reader_take(&r, len);
        if (!field) return ERR_SYNTAX;
        p.stuffed = !len;
        if (len && parse_adaptation(&p, reader_of(field, len)))
            return ERR_SYNTAX;
    }
    if (control & 0x10 && reader_left(&r)) {
        p.payload = r.at;
        p.len = reader_left(&r);
    }
    *out = p;
    return 0;
}

enum ts_step ts_counter_step(struct ts_counter *c, const struct ts_packet *p)
{
    uint8_t want = (c->last + 1) & 0x0f;
    bool known = c->known;

    if (!p->payload) { /* the counter stands still */
        if (p->discontinuity) c->known = false;
        return TS_NEXT;
    }
    if (known && p->counter == c->last && !c->repeated && !p->discontinuity) {
        c->repeated = true;
        return TS_DUPLICATE;
    }
    c->known = true;
    c->repeated = false;
    c->last = p->counter;
    if (!known || p->counter == want) return TS_NEXT;
    return p->discontinuity ? TS_JUMP : TS_GAP;
}
