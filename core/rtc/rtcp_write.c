#include <string.h>

#include "core/base/assert.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtcp_priv.h"

enum { NACK_ENTRIES_MAX = 256 }; /* of one packet that we write */

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
    memset(d->symbols, 0, sizeof d->symbols);
    if (count > RTCP_TWCC_MAX) count = RTCP_TWCC_MAX;
    for (d->count = 0; d->count < count; d->count++) {
        int64_t tick = floor_div(s[d->count].arrival_us, 250), delta;

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
