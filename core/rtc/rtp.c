#include "core/rtc/rtp.h"

#include <string.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

enum {
    ONE_BYTE_PROFILE = 0xbede, /* RFC 8285 §4.2 */
    TWO_BYTE_PROFILE = 0x1000, /* §4.3; the low four bits are the app's */
    PROFILE_BYTES = 4,
    ID_STOP = 15, /* of one-byte elements: the rest is to be ignored */
};

static const uint64_t NTP_OF_1970 = UINT64_C(2208988800);

enum rtp_kind rtp_classify(const uint8_t *data, size_t len)
{
    if (!len) return RTP_UNKNOWN;
    if (data[0] <= 3) return RTP_STUN;
    if (data[0] >= 20 && data[0] <= 63) return RTP_DTLS;
    if (data[0] < 128 || data[0] > 191 || len < 2) return RTP_UNKNOWN;
    return data[1] >= 192 && data[1] <= 223 ? RTP_CONTROL : RTP_MEDIA;
}

/* An element that runs past the block ends it: what came before is good. */
static void read_extensions(struct rtp_packet *p, unsigned profile,
                            struct reader r)
{
    bool one_byte = profile == ONE_BYTE_PROFILE;

    if (!one_byte && (profile & 0xfff0) != TWO_BYTE_PROFILE) return;
    while (reader_left(&r)) {
        uint8_t first = reader_u8(&r), id = one_byte ? first >> 4 : first;
        uint8_t len;
        const uint8_t *data;

        if (!id) continue; /* padding */
        if (one_byte && id == ID_STOP) return;
        len = one_byte ? (first & 15) + 1 : reader_u8(&r);
        data = reader_take(&r, len);
        if (r.failed) return;
        if (id <= RTP_EXTENSION_IDS)
            p->extensions[id] = (struct rtp_extension){data, len};
    }
}

int rtp_parse(struct rtp_packet *out, const uint8_t *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct rtp_packet p = {0};
    uint8_t first = reader_u8(&r), second = reader_u8(&r);

    p.marker = second >> 7;
    p.payload_type = second & 127;
    p.sequence = reader_u16(&r);
    p.timestamp = reader_u32(&r);
    p.ssrc = reader_u32(&r);
    reader_take(&r, (size_t)(first & 15) * 4);
    if (first & 0x10) {
        unsigned profile = reader_u16(&r);
        size_t bytes = (size_t)reader_u16(&r) * 4;
        const uint8_t *block = reader_take(&r, bytes);

        if (block) read_extensions(&p, profile, reader_of(block, bytes));
    }
    if (r.failed || first >> 6 != 2) return ERR_SYNTAX;
    p.header_len = (size_t)(r.at - data);
    p.payload = r.at;
    p.payload_len = reader_left(&r);
    if (first & 0x20) {
        size_t padding = p.payload_len ? data[len - 1] : 0;

        if (!padding || padding > p.payload_len) return ERR_SYNTAX;
        p.payload_len -= padding;
    }
    *out = p;
    return 0;
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

void rtp_write_begin(struct rtp_writer *w, uint8_t *out, uint8_t payload_type,
                     bool marker, uint16_t sequence, uint32_t timestamp,
                     uint32_t ssrc)
{
    *w = (struct rtp_writer){out, RTP_HEADER_BYTES, false};
    out[0] = 0x80;
    out[1] = (uint8_t)((marker ? 0x80 : 0) | (payload_type & 127));
    put16(out + 2, sequence);
    put32(out + 4, timestamp);
    put32(out + 8, ssrc);
}

void rtp_write_extension(struct rtp_writer *w, uint8_t id, const void *data,
                         uint8_t len)
{
    INVARIANT(id >= 1 && id < ID_STOP && len >= 1 && len <= 16);
    if (!w->extended) {
        w->extended = true;
        w->data[0] |= 0x10;
        put16(w->data + w->len, ONE_BYTE_PROFILE);
        w->len += PROFILE_BYTES;
    }
    INVARIANT(w->len + 1 + len + 3 <= RTP_HEADER_MAX);
    w->data[w->len++] = (uint8_t)(id << 4 | (len - 1));
    memcpy(w->data + w->len, data, len);
    w->len += len;
}

size_t rtp_write_end(struct rtp_writer *w)
{
    if (w->extended) {
        while (w->len % 4)
            w->data[w->len++] = 0;
        put16(w->data + RTP_HEADER_BYTES + 2,
              (unsigned)(w->len - RTP_HEADER_BYTES - PROFILE_BYTES) / 4);
    }
    return w->len;
}

int64_t rtp_unwrap16(struct rtp_unwrap16 *u, uint16_t n)
{
    if (!u->started)
        u->last = (int64_t)n + (1 << 16);
    else
        u->last += (int16_t)(uint16_t)(n - (uint16_t)u->last);
    u->started = true;
    return u->last;
}

int64_t rtp_unwrap32(struct rtp_unwrap32 *u, uint32_t n)
{
    if (!u->started)
        u->last = (int64_t)n + (INT64_C(1) << 32);
    else
        u->last += (int32_t)(n - (uint32_t)u->last);
    u->started = true;
    return u->last;
}

uint64_t rtp_ntp_of_wall(int64_t wall_us)
{
    int64_t seconds = wall_us / 1000000, rest = wall_us % 1000000;

    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    return ((uint64_t)seconds + NTP_OF_1970) << 32 |
           (((uint64_t)rest << 32) + 500000) / 1000000;
}

/* Seconds with the top bit clear are those after February 2036 (RFC 4330 §3):
 * the count starts anew there. */
int64_t rtp_wall_of_ntp(uint64_t ntp)
{
    uint64_t seconds = ntp >> 32, fraction = ntp & 0xffffffff;

    if (!(ntp >> 63)) seconds += UINT64_C(1) << 32;
    return (int64_t)(seconds - NTP_OF_1970) * 1000000 +
           (int64_t)((fraction * 1000000 + (UINT64_C(1) << 31)) >> 32);
}
