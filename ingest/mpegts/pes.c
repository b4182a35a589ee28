#include "ingest/mpegts/pes.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum {
    PREFIX_BYTES = 6, /* start code, stream id, length */
    TRUST = 8,
    ROOM_FIRST = 16 << 10,
    FLAG_PTS = 0x80,
    FLAG_DTS = 0x40,
};

/* Stream ids without the optional header (table 2-21). */
static bool is_plain(uint8_t id)
{
    switch (id) {
    case 0xbc: /* program stream map */
    case 0xbe: /* padding */
    case 0xbf: /* private stream 2 */
    case 0xf0:
    case 0xf1:
    case 0xf2:
    case 0xf8:
    case 0xff: return true;
    default: return false;
    }
}

/* 33 bits in 5 bytes, a marker bit behind each piece. */
static int64_t read_time(struct reader *r)
{
    uint8_t high = reader_u8(r);
    uint16_t middle = reader_u16(r), low = reader_u16(r);

    if (r->failed || !(high & middle & low & 1)) return PES_NO_TIME;
    return (int64_t)(high >> 1 & 7) << 30 | (int64_t)(middle >> 1) << 15 |
           low >> 1;
}

int pes_parse(struct pes_unit *out, const void *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct pes_unit u = {.pts = PES_NO_TIME, .dts = PES_NO_TIME};

    if (len < PREFIX_BYTES) return ERR_AGAIN;
    if (reader_u24(&r) != 1) return ERR_SYNTAX;
    uint8_t id = reader_u8(&r);
    uint16_t said = reader_u16(&r);
    if (said && said < reader_left(&r)) r.end = r.at + said;
    if (!is_plain(id)) {
        uint8_t marks = reader_u8(&r), flags = reader_u8(&r);
        uint8_t header_len = reader_u8(&r);
        const uint8_t *header = reader_take(&r, header_len);
        if (r.failed) return ERR_AGAIN;
        if ((marks & 0xc0) != 0x80) return ERR_SYNTAX;
        struct reader h = reader_of(header, header_len);
        if (flags & FLAG_PTS) u.dts = u.pts = read_time(&h);
        if (flags & FLAG_PTS && flags & FLAG_DTS) u.dts = read_time(&h);
        if (u.dts == PES_NO_TIME) u.dts = u.pts;
    }
    u.data = r.at;
    u.len = reader_left(&r);
    *out = u;
    return 0;
}

void pes_init(struct pes *p, size_t limit)
{
    memset(p, 0, sizeof *p);
    p->limit = limit;
}

void pes_release(struct pes *p)
{
    free(p->data);
    pes_init(p, p->limit);
}

bool pes_break(struct pes *p)
{
    bool was = p->open;

    p->open = p->early = false;
    p->len = 0;
    return was;
}

static int append(struct pes *p, const struct ts_packet *k)
{
    size_t need = p->len + k->len, room = p->room ? p->room : ROOM_FIRST;

    if (need > p->limit) return ERR_LIMIT;
    if (need > p->room) {
        while (room < need)
            room *= 2;
        uint8_t *more = realloc(p->data, room);
        if (!more) return ERR_NOMEM;
        p->data = more;
        p->room = room;
    }
    memcpy(p->data + p->len, k->payload, k->len);
    p->len = need;
    return 0;
}

static int give(struct pes *p, pes_fn *fn, void *arg)
{
    struct pes_unit u;
    int err = pes_parse(&u, p->data, p->len);

    u.random_access = p->random_access;
    p->open = false;
    if (err) return ERR_SYNTAX;
    if (u.len) fn(&u, arg);
    return 0;
}

static void judge_filler(struct pes *p)
{
    if (p->fillers > p->filler_last)
        p->distrust = true;
    else if (p->filler_last && p->proofs < TRUST)
        p->proofs++;
}

static void begin(struct pes *p, const struct ts_packet *k)
{
    p->open = true;
    p->early = false;
    p->len = 0;
    p->fillers = 0;
    p->random_access = k->random_access;
}

/* A packet came for a unit that is not open: the tail of one that is over, or
 * of one that was given up. */
static int stray(struct pes *p)
{
    if (!p->early) return 0;
    p->early = false;
    p->distrust = true;
    return ERR_ORDER;
}

int pes_feed(struct pes *p, const struct ts_packet *k, pes_fn *fn, void *arg)
{
    int err = 0, last = 0;

    if (k->start) {
        if (p->open) {
            judge_filler(p);
            last = give(p, fn, arg);
        }
        begin(p, k);
    } else if (!p->open) {
        return stray(p);
    }
    err = append(p, k);
    if (err) {
        pes_break(p);
        return err;
    }
    p->filler_last = k->stuffed;
    p->fillers += k->stuffed;
    if (p->len < PREFIX_BYTES) return last;
    size_t said = (size_t)p->data[4] << 8 | p->data[5];
    if (said && p->len >= said + PREFIX_BYTES) return give(p, fn, arg);
    if (said || !k->stuffed || p->distrust || p->proofs < TRUST) return last;
    p->early = true;
    return give(p, fn, arg);
}
