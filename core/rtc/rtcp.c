#include "core/rtc/rtcp.h"

#include <string.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

enum {
    PT_SR = 200,
    PT_RR = 201,
    PT_SDES = 202,
    PT_BYE = 203,
    PT_RTPFB = 205,
    PT_PSFB = 206,
    FMT_NACK = 1,
    FMT_TWCC = 15,
    FMT_PLI = 1,
    FMT_FIR = 4,
    FMT_APPLICATION = 15,
    REMB_NAME = 0x52454d42, /* "REMB" */
    SDES_CNAME = 1,
    NACK_ENTRIES_MAX = 256, /* of one packet that we write */
};

/* --- reading --- */

static void read_reports(struct rtcp_packet *p, struct reader *r, int count)
{
    for (int i = 0; i < count; i++) {
        struct rtcp_report *b = &p->v.reports[i];
        uint32_t lost;

        b->ssrc = reader_u32(r);
        b->fraction_lost = reader_u8(r);
        lost = reader_u24(r);
        b->cumulative_lost = (int32_t)lost - (lost & 0x800000 ? 0x1000000 : 0);
        b->highest_sequence = reader_u32(r);
        b->jitter = reader_u32(r);
        b->last_sr = reader_u32(r);
        b->delay_since_last_sr = reader_u32(r);
    }
    p->count = count;
}

static void read_sr(struct rtcp_packet *p, struct reader *r, int count)
{
    p->type = RTCP_SR;
    p->sender_ssrc = reader_u32(r);
    p->sender.ntp = reader_u64(r);
    p->sender.rtp_timestamp = reader_u32(r);
    p->sender.packets = reader_u32(r);
    p->sender.octets = reader_u32(r);
    read_reports(p, r, count);
}

static void read_rr(struct rtcp_packet *p, struct reader *r, int count)
{
    p->type = RTCP_RR;
    p->sender_ssrc = reader_u32(r);
    read_reports(p, r, count);
}

static void read_bye(struct rtcp_packet *p, struct reader *r, int count)
{
    p->type = RTCP_BYE;
    for (int i = 0; i < count; i++)
        p->v.ssrcs[i] = reader_u32(r);
    p->count = count;
    p->sender_ssrc = count ? p->v.ssrcs[0] : 0;
}

/* Past RTCP_NACKS_MAX they are ignored: the other side asks again. */
static void read_nack(struct rtcp_packet *p, struct reader *r)
{
    p->type = RTCP_NACK;
    while (reader_left(r) >= 4) {
        uint16_t first = reader_u16(r), mask = reader_u16(r);

        if (p->count < RTCP_NACKS_MAX) p->v.nacks[p->count++] = first;
        for (unsigned i = 0; i < 16; i++)
            if (mask >> i & 1 && p->count < RTCP_NACKS_MAX)
                p->v.nacks[p->count++] = (uint16_t)(first + i + 1);
    }
}

static void read_fir(struct rtcp_packet *p, struct reader *r)
{
    p->type = RTCP_FIR;
    while (reader_left(r) >= 8 && p->count < RTCP_REPORTS_MAX) {
        uint32_t ssrc = reader_u32(r);
        uint8_t sequence = reader_u32(r) >> 24;

        if (!p->count) p->fir_sequence = sequence;
        p->v.ssrcs[p->count++] = ssrc;
    }
}

static void read_application(struct rtcp_packet *p, struct reader *r)
{
    uint32_t rate;
    unsigned exponent;
    uint64_t mantissa;
    int count;

    if (reader_left(r) < 8 || reader_u32(r) != REMB_NAME) return;
    rate = reader_u32(r);
    count = (int)(rate >> 24);
    exponent = rate >> 18 & 63;
    mantissa = rate & 0x3ffff;
    p->type = RTCP_REMB;
    p->remb_bps = exponent > 45 && mantissa ? UINT64_MAX : mantissa << exponent;
    for (int i = 0; i < count; i++) {
        uint32_t ssrc = reader_u32(r);

        if (i < RTCP_REPORTS_MAX) p->v.ssrcs[p->count++] = ssrc;
    }
}

/* Two bits per status, three of a kind: not received, small delta, large.
 * run: how many statuses the chunk holds. */
static unsigned twcc_symbol(unsigned chunk, unsigned i)
{
    if (!(chunk & 0x8000)) return chunk >> 13 & 3;
    if (!(chunk & 0x4000)) return chunk >> (13 - i) & 1;
    return chunk >> (12 - 2 * i) & 3;
}

static unsigned twcc_run(unsigned chunk)
{
    if (!(chunk & 0x8000)) return chunk & 0x1fff;
    return chunk & 0x4000 ? 7 : 14;
}

/* Chunks for `total` statuses come first, then the deltas of those that were
 * received: so find where the deltas start, then walk both. */
static int read_twcc(struct rtcp_packet *p, struct reader *r)
{
    uint16_t base = reader_u16(r);
    unsigned total = reader_u16(r), seen = 0;
    uint32_t reference = reader_u24(r);
    struct reader chunks;
    int64_t at;

    p->type = RTCP_TWCC;
    p->twcc_count = reader_u8(r);
    at = ((int64_t)reference - (reference & 0x800000 ? 0x1000000 : 0)) * 64000;
    chunks = *r;
    while (seen < total && !r->failed)
        seen += twcc_run(reader_u16(r));
    seen = 0;
    while (seen < total && !r->failed && p->count < RTCP_TWCC_MAX) {
        unsigned chunk = reader_u16(&chunks), run = twcc_run(chunk);

        for (unsigned i = 0; i < run && seen < total; i++, seen++) {
            unsigned symbol = twcc_symbol(chunk, i);

            if (symbol == 3) return ERR_SYNTAX;
            if (symbol == 1) at += (int64_t)reader_u8(r) * 250;
            if (symbol == 2) at += (int64_t)(int16_t)reader_u16(r) * 250;
            if (p->count == RTCP_TWCC_MAX) break;
            p->v.twcc[p->count++] = (struct rtcp_twcc_status){
                (uint16_t)(base + seen), symbol != 0, symbol ? at : 0};
        }
    }
    return 0;
}

static int read_feedback(struct rtcp_packet *p, struct reader *r, unsigned pt,
                         int format)
{
    p->sender_ssrc = reader_u32(r);
    p->media_ssrc = reader_u32(r);
    if (pt == PT_RTPFB && format == FMT_NACK)
        read_nack(p, r);
    else if (pt == PT_RTPFB && format == FMT_TWCC)
        return read_twcc(p, r);
    else if (pt == PT_PSFB && format == FMT_PLI)
        p->type = RTCP_PLI;
    else if (pt == PT_PSFB && format == FMT_FIR)
        read_fir(p, r);
    else if (pt == PT_PSFB && format == FMT_APPLICATION)
        read_application(p, r);
    return 0;
}

/* Everything but the union, which is large. */
static void clear(struct rtcp_packet *p)
{
    p->type = RTCP_OTHER;
    p->sender_ssrc = p->media_ssrc = 0;
    p->sender = (struct rtcp_sender_info){0};
    p->count = 0;
    p->remb_bps = 0;
    p->fir_sequence = p->twcc_count = 0;
}

/* How many packets lie before offset; the compound was walked up to there. */
static int packets_before(const uint8_t *data, size_t len, size_t offset)
{
    size_t at = 0;
    int n = 0;

    while (at < offset && at + 4 <= len && n <= RTCP_PACKETS_MAX) {
        at += 4 + 4 * (size_t)(data[at + 2] << 8 | data[at + 3]);
        n++;
    }
    return n;
}

static int read_body(struct rtcp_packet *out, unsigned pt, int count,
                     struct reader *r)
{
    switch (pt) {
    case PT_SR: read_sr(out, r, count); break;
    case PT_RR: read_rr(out, r, count); break;
    case PT_BYE: read_bye(out, r, count); break;
    case PT_RTPFB:
    case PT_PSFB: return read_feedback(out, r, pt, count);
    case PT_SDES:
        out->type = RTCP_SDES;
        out->count = count;
        if (count) out->sender_ssrc = reader_u32(r);
        break;
    default: break;
    }
    return 0;
}

int rtcp_next(const uint8_t *data, size_t len, size_t *offset,
              struct rtcp_packet *out)
{
    struct reader r;
    size_t body, padding = 0;
    const uint8_t *p;

    if (*offset >= len) return ERR_AGAIN;
    if (packets_before(data, len, *offset) >= RTCP_PACKETS_MAX)
        return ERR_SYNTAX;
    p = data + *offset;
    if (len - *offset < 4 || p[0] >> 6 != 2) return ERR_SYNTAX;
    body = 4 * (size_t)(p[2] << 8 | p[3]);
    if (body > len - *offset - 4) return ERR_SYNTAX;
    if (p[0] & 0x20) { /* the last byte says how much */
        padding = body ? p[4 + body - 1] : 0;
        if (!padding || padding > body) return ERR_SYNTAX;
    }
    r = reader_of(p + 4, body - padding);
    clear(out);
    if (read_body(out, p[1], p[0] & 31, &r) || r.failed) return ERR_SYNTAX;
    *offset += 4 + body;
    return 0;
}

/* --- writing --- */

/* words: 32-bit words after the first. */
static void put_head(struct builder *b, int count, unsigned pt, size_t words)
{
    builder_u8(b, 0x80u | (unsigned)count);
    builder_u8(b, pt);
    builder_u16(b, (unsigned)words);
}

static void put_reports(struct builder *b, const struct rtcp_report *reports,
                        int count)
{
    for (int i = 0; i < count; i++) {
        const struct rtcp_report *r = &reports[i];
        int32_t lost = r->cumulative_lost;

        lost = lost > 0x7fffff ? 0x7fffff : lost < -0x800000 ? -0x800000 : lost;
        builder_u32(b, r->ssrc);
        builder_u8(b, r->fraction_lost);
        builder_u24(b, (uint32_t)lost & 0xffffff);
        builder_u32(b, r->highest_sequence);
        builder_u32(b, r->jitter);
        builder_u32(b, r->last_sr);
        builder_u32(b, r->delay_since_last_sr);
    }
}

void rtcp_write_sr(struct builder *b, uint32_t ssrc,
                   const struct rtcp_sender_info *info,
                   const struct rtcp_report *reports, int count)
{
    INVARIANT(count >= 0 && count <= RTCP_REPORTS_MAX);
    put_head(b, count, PT_SR, 6 + 6 * (size_t)count);
    builder_u32(b, ssrc);
    builder_u64(b, info->ntp);
    builder_u32(b, info->rtp_timestamp);
    builder_u32(b, info->packets);
    builder_u32(b, info->octets);
    put_reports(b, reports, count);
}

void rtcp_write_rr(struct builder *b, uint32_t ssrc,
                   const struct rtcp_report *reports, int count)
{
    INVARIANT(count >= 0 && count <= RTCP_REPORTS_MAX);
    put_head(b, count, PT_RR, 1 + 6 * (size_t)count);
    builder_u32(b, ssrc);
    put_reports(b, reports, count);
}

/* One chunk with one item; at least one zero ends the items (RFC 3550 §6.5). */
void rtcp_write_sdes(struct builder *b, uint32_t ssrc, const char *cname)
{
    size_t n = strnlen(cname, 255), zeros = 4 - (2 + n) % 4;

    put_head(b, 1, PT_SDES, 1 + (2 + n + zeros) / 4);
    builder_u32(b, ssrc);
    builder_u8(b, SDES_CNAME);
    builder_u8(b, (unsigned)n);
    builder_bytes(b, cname, n);
    while (zeros--)
        builder_u8(b, 0);
}

void rtcp_write_bye(struct builder *b, uint32_t ssrc)
{
    put_head(b, 1, PT_BYE, 1);
    builder_u32(b, ssrc);
}

static void put_feedback(struct builder *b, unsigned pt, int format,
                         size_t words, uint32_t ssrc, uint32_t media)
{
    put_head(b, format, pt, 2 + words);
    builder_u32(b, ssrc);
    builder_u32(b, media);
}

void rtcp_write_nack(struct builder *b, uint32_t ssrc, uint32_t media,
                     const uint16_t *sequences, int count)
{
    uint32_t entries[NACK_ENTRIES_MAX];
    size_t n = 0;

    for (int i = 0; i < count && n < NACK_ENTRIES_MAX;) {
        uint16_t first = sequences[i++];
        unsigned mask = 0, ahead;

        while (i < count && (ahead = (uint16_t)(sequences[i] - first)) <= 16 &&
               ahead) {
            mask |= 1u << (ahead - 1);
            i++;
        }
        entries[n++] = (uint32_t)first << 16 | mask;
    }
    if (!n) return;
    put_feedback(b, PT_RTPFB, FMT_NACK, n, ssrc, media);
    for (size_t i = 0; i < n; i++)
        builder_u32(b, entries[i]);
}

void rtcp_write_pli(struct builder *b, uint32_t ssrc, uint32_t media)
{
    put_feedback(b, PT_PSFB, FMT_PLI, 0, ssrc, media);
}

void rtcp_write_fir(struct builder *b, uint32_t ssrc, uint32_t media,
                    uint8_t sequence)
{
    put_feedback(b, PT_PSFB, FMT_FIR, 2, ssrc, 0);
    builder_u32(b, media);
    builder_u32(b, (uint32_t)sequence << 24);
}

void rtcp_write_remb(struct builder *b, uint32_t ssrc, uint64_t bps,
                     const uint32_t *media, int count)
{
    unsigned exponent = 0;

    INVARIANT(count >= 0 && count <= RTCP_REPORTS_MAX);
    while (bps > 0x3ffff) {
        bps >>= 1;
        exponent++;
    }
    put_feedback(b, PT_PSFB, FMT_APPLICATION, 2 + (size_t)count, ssrc, 0);
    builder_u32(b, REMB_NAME);
    builder_u32(b, (uint32_t)count << 24 | exponent << 18 | (uint32_t)bps);
    for (int i = 0; i < count; i++)
        builder_u32(b, media[i]);
}

/* --- writing transport-wide feedback --- */

struct twcc_draft { /* of one packet */
    uint8_t symbols[RTCP_TWCC_MAX];
    int16_t deltas[RTCP_TWCC_MAX]; /* ticks of 250 µs */
    int count;
    int64_t reference; /* units of 64 ms */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Up to the first delta that 16 bits cannot hold. */
static void draft_statuses(struct twcc_draft *d,
                           const struct rtcp_twcc_status *s, int count)
{
    int64_t last = 0;
    bool started = false;

    d->reference = 0;
    if (count > RTCP_TWCC_MAX) count = RTCP_TWCC_MAX;
    for (d->count = 0; d->count < count; d->count++) {
        int64_t tick = floor_div(s[d->count].arrival_us, 250), delta;

        d->symbols[d->count] = 0;
        if (!s[d->count].received) continue;
        if (!started) {
            d->reference = floor_div(s[d->count].arrival_us, 64000);
            last = d->reference * 256;
            started = true;
        }
        delta = tick - last;
        if (delta < INT16_MIN || delta > INT16_MAX) return;
        d->deltas[d->count] = (int16_t)delta;
        d->symbols[d->count] = delta >= 0 && delta <= 255 ? 1 : 2;
        last = tick;
    }
}

/* The chunk for the statuses from i on; *run: how many it holds. */
static unsigned draft_chunk(const struct twcc_draft *d, int i, int *run)
{
    int left = d->count - i, same = 1, flat = 0;
    unsigned chunk;

    while (same < left && same < 0x1fff &&
           d->symbols[i + same] == d->symbols[i])
        same++;
    while (flat < left && flat < 14 && d->symbols[i + flat] < 2)
        flat++;
    if (same == left || same >= 14 || (same >= 7 && flat < 14)) {
        *run = same;
        return (unsigned)d->symbols[i] << 13 | (unsigned)same;
    }
    if (flat == 14 || flat == left) {
        *run = flat;
        for (chunk = 0x8000, same = 0; same < flat; same++)
            chunk |= (unsigned)d->symbols[i + same] << (13 - same);
        return chunk;
    }
    *run = left < 7 ? left : 7;
    for (chunk = 0xc000, same = 0; same < *run; same++)
        chunk |= (unsigned)d->symbols[i + same] << (12 - 2 * same);
    return chunk;
}

/* Chunks while they and their deltas fit in `room`; a run may be cut. */
static int fit_chunks(const struct twcc_draft *d, uint16_t *chunks, int *n,
                      size_t room, size_t *delta_bytes)
{
    size_t used = 20 + 3; /* head, base, count, reference, number; zeros */
    int done = 0;

    *delta_bytes = 0;
    for (*n = 0; done < d->count; (*n)++) {
        int run;
        unsigned chunk = draft_chunk(d, done, &run), symbol = chunk >> 13;
        size_t more = 0, left;

        if (used + 2 > room) break;
        left = room - used - 2;
        if (symbol && symbol < 4 && (size_t)run * symbol > left) {
            run = (int)(left / symbol);
            chunk = symbol << 13 | (unsigned)run;
        }
        for (int i = 0; i < run; i++)
            more += d->symbols[done + i];
        if (!run || more > left) break;
        chunks[*n] = (uint16_t)chunk;
        used += 2 + more;
        *delta_bytes += more;
        done += run;
    }
    return done;
}

int rtcp_write_twcc(struct builder *b, uint32_t ssrc, uint32_t media,
                    uint8_t number, const struct rtcp_twcc_status *statuses,
                    int count)
{
    struct twcc_draft d;
    uint16_t chunks[RTCP_MAX / 2];
    size_t room = b->limit - b->len, delta_bytes, bytes;
    int n, done;

    draft_statuses(&d, statuses, count);
    if (room > RTCP_MAX) room = RTCP_MAX;
    done = fit_chunks(&d, chunks, &n, room, &delta_bytes);
    if (!done) return 0;
    bytes = 8 + 2 * (size_t)n + delta_bytes;
    put_feedback(b, PT_RTPFB, FMT_TWCC, (bytes + 3) / 4, ssrc, media);
    builder_u16(b, statuses[0].sequence);
    builder_u16(b, (unsigned)done);
    builder_u24(b, (uint32_t)d.reference & 0xffffff);
    builder_u8(b, number);
    for (int i = 0; i < n; i++)
        builder_u16(b, chunks[i]);
    for (int i = 0; i < done; i++) {
        if (d.symbols[i] == 1) builder_u8(b, (unsigned)d.deltas[i]);
        if (d.symbols[i] == 2) builder_u16(b, (uint16_t)d.deltas[i]);
    }
    while (bytes++ % 4)
        builder_u8(b, 0);
    return done;
}
