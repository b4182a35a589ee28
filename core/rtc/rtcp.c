#include "core/rtc/rtcp.h"

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/rtc/rtcp_priv.h"

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
