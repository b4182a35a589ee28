#include "ingest/mpegts/psi.h"

#include <string.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

enum {
    TABLE_PAT = 0,
    TABLE_PMT = 2,
    TABLE_FILLER = 0xff,
    SECTION_HEADER = 3,
    LONG_HEADER = 8,
    SECTION_NUMBER_AT = 6,
    CRC_BYTES = 4,
    TAG_REGISTRATION = 0x05,
    TAG_LANGUAGE = 0x0a,
    TAG_TELETEXT = 0x56,
    TAG_SUBTITLES = 0x59,
    TAG_AC3 = 0x6a,
    TAG_EAC3 = 0x7a,
    TAG_DTS = 0x7b,
    TAG_AAC = 0x7c,
    TAG_EXTENSION = 0x7f,
    EXTENSION_OPUS = 0x80,
    TYPE_PRIVATE = 0x06,
};

/* --- sections --------------------------------------------------------------
 */

void section_init(struct section *s, size_t limit)
{
    s->len = 0;
    s->open = false;
    s->limit = limit;
}

void section_break(struct section *s)
{
    s->open = false;
    s->len = 0;
}

/* Bytes the open section still lacks, as far as its header tells. */
static size_t lacking(const struct section *s)
{
    if (s->len < SECTION_HEADER) return SECTION_HEADER - s->len;
    size_t whole = SECTION_HEADER + ((s->data[1] & 0x0fu) << 8 | s->data[2]);
    return whole > s->limit ? SIZE_MAX : whole - s->len;
}

/* Takes from r what belongs to the open section. */
static void grow(struct section *s, struct reader *r, section_fn *fn, void *arg)
{
    while (s->open) {
        size_t n = lacking(s);
        if (n == SIZE_MAX) {
            section_break(s);
            return;
        }
        if (!n) {
            s->open = false;
            fn(s->data, s->len, arg);
            return;
        }
        if (n > reader_left(r)) n = reader_left(r);
        if (!n) return;
        memcpy(s->data + s->len, reader_take(r, n), n);
        s->len += n;
    }
}

void section_feed(struct section *s, const struct ts_packet *p, section_fn *fn,
                  void *arg)
{
    struct reader r = reader_of(p->payload, p->len);

    if (p->start) {
        uint8_t pointer = reader_u8(&r);
        const uint8_t *tail = reader_take(&r, pointer);
        if (!tail) {
            section_break(s);
            return;
        }
        struct reader before = reader_of(tail, pointer);
        grow(s, &before, fn, arg);
        section_break(s);
        while (reader_left(&r) && r.at[0] != TABLE_FILLER) {
            s->open = true;
            s->len = 0;
            grow(s, &r, fn, arg);
            if (s->open || !s->len) return;
        }
        return;
    }
    grow(s, &r, fn, arg);
}

uint32_t psi_crc(const uint8_t *data, size_t len)
{
    uint32_t crc = 0xffffffff;

    INVARIANT(data);
    while (len--) {
        crc ^= (uint32_t)*data++ << 24;
        for (int i = 0; i < 8; i++)
            crc = crc << 1 ^ (crc & 0x80000000 ? 0x04c11db7 : 0);
    }
    return crc;
}

/* The part between header and checksum of a section that is in force. */
static int open_table(struct reader *out, uint8_t table, uint16_t *extension,
                      const uint8_t *data, size_t len)
{
    struct reader r = reader_of(data, len);

    if (len < LONG_HEADER + CRC_BYTES || reader_u8(&r) != table ||
        !(reader_u16(&r) & 0x8000) || psi_crc(data, len))
        return ERR_SYNTAX;
    *extension = reader_u16(&r);
    if (!(reader_u8(&r) & 1)) return ERR_AGAIN; /* current_next_indicator */
    reader_u16(&r);                             /* section numbers */
    *out = reader_of(r.at, reader_left(&r) - CRC_BYTES);
    return 0;
}

int pat_parse(struct pat *out, const uint8_t *data, size_t len)
{
    struct pat pat = {0};
    struct reader r;
    uint16_t stream;
    int err = open_table(&r, TABLE_PAT, &stream, data, len);

    if (err) return err;
    while (reader_left(&r) >= 4) {
        uint16_t program = reader_u16(&r), pid = reader_u16(&r) & 0x1fff;
        if (!program) continue; /* the network's own table */
        if (pat.count == PAT_PROGRAMS_MAX) break;
        pat.programs[pat.count++] = (struct pat_program){program, pid};
    }
    if (!pat.count || data[SECTION_NUMBER_AT]) return ERR_NOTFOUND;
    *out = pat;
    return 0;
}

/* --- the map table ----------------------------------------------------------
 */

static enum content by_type(uint8_t type)
{
    switch (type) {
    case 0x01:
    case 0x02:
    case 0x10: return CONTENT_MPEG_VIDEO;
    case 0x03:
    case 0x04: return CONTENT_MPEG_AUDIO;
    case 0x0f: return CONTENT_ADTS;
    case 0x11: return CONTENT_LATM;
    case 0x15: return CONTENT_ID3;
    case 0x1b: return CONTENT_H264;
    case 0x24: return CONTENT_HEVC;
    case 0x33: return CONTENT_VVC;
    case 0x81: return CONTENT_AC3;
    case 0x82:
    case 0x85:
    case 0x8a: return CONTENT_DTS;
    case 0x86: return CONTENT_SCTE35;
    case 0x87: return CONTENT_EAC3;
    default: return CONTENT_UNKNOWN;
    }
}

static enum content by_registration(uint32_t id)
{
    switch (id) {
    case 0x4f707573: return CONTENT_OPUS; /* "Opus" */
    case 0x48455643: return CONTENT_HEVC; /* "HEVC" */
    case 0x41563031: return CONTENT_AV1;  /* "AV01" */
    case 0x41432d33: return CONTENT_AC3;  /* "AC-3" */
    case 0x45414333: return CONTENT_EAC3; /* "EAC3" */
    case 0x4b4c5641: return CONTENT_KLV;  /* "KLVA" */
    case 0x49443320: return CONTENT_ID3;  /* "ID3 " */
    default: return CONTENT_UNKNOWN;
    }
}

/* Opus in MPEG-TS, channel_config_code: 1 .. 8 channels; 0 dual mono. */
static uint8_t opus_channels(uint8_t code)
{
    if (code == 0) return 2;
    return code <= 8 ? code : 0;
}

static enum content by_descriptor(struct pmt_stream *s, uint8_t tag,
                                  struct reader d)
{
    switch (tag) {
    case TAG_REGISTRATION: return by_registration(reader_u32(&d));
    case TAG_TELETEXT: return CONTENT_TELETEXT;
    case TAG_SUBTITLES: return CONTENT_SUBTITLES;
    case TAG_AC3: return CONTENT_AC3;
    case TAG_EAC3: return CONTENT_EAC3;
    case TAG_DTS: return CONTENT_DTS;
    case TAG_AAC: return CONTENT_ADTS;
    case TAG_EXTENSION:
        if (reader_u8(&d) == EXTENSION_OPUS)
            s->channels = opus_channels(reader_u8(&d));
        return CONTENT_UNKNOWN;
    case TAG_LANGUAGE:
        if (reader_left(&d) >= 3) memcpy(s->language, d.at, 3);
        return CONTENT_UNKNOWN;
    default: return CONTENT_UNKNOWN;
    }
}

static void read_descriptors(struct pmt_stream *s, uint8_t type,
                             struct reader d)
{
    while (reader_left(&d) >= 2) {
        uint8_t tag = reader_u8(&d), len = reader_u8(&d);
        const uint8_t *body = reader_take(&d, len);
        if (!body) return;
        enum content c = by_descriptor(s, tag, reader_of(body, len));
        /* a registered number says itself what it is */
        if (c && type == TYPE_PRIVATE && !s->content) s->content = c;
    }
}

static bool has_pid(const struct pmt *p, uint16_t pid)
{
    for (int i = 0; i < p->count; i++)
        if (p->streams[i].pid == pid) return true;
    return false;
}

int pmt_parse(struct pmt *out, uint16_t program, const uint8_t *data,
              size_t len)
{
    struct pmt p = {0};
    struct reader r;
    int err = open_table(&r, TABLE_PMT, &p.program, data, len);

    if (err) return err;
    if (p.program != program) return ERR_NOTFOUND;
    p.pcr_pid = reader_u16(&r) & 0x1fff;
    reader_take(&r, reader_u16(&r) & 0x0fff);
    while (reader_left(&r) >= 5) {
        struct pmt_stream s = {0};
        uint8_t type = reader_u8(&r);
        s.pid = reader_u16(&r) & 0x1fff;
        uint16_t n = reader_u16(&r) & 0x0fff;
        const uint8_t *body = reader_take(&r, n);
        if (!body) return ERR_SYNTAX;
        if (has_pid(&p, s.pid)) continue;
        s.content = by_type(type);
        read_descriptors(&s, type, reader_of(body, n));
        if (p.count == PMT_STREAMS_MAX)
            p.left_out++;
        else
            p.streams[p.count++] = s;
    }
    if (r.failed) return ERR_SYNTAX;
    *out = p;
    return 0;
}

/* --- names ------------------------------------------------------------------
 */

const char *content_name(enum content c)
{
    static const char *const names[] = {
        [CONTENT_UNKNOWN] = "private data",
        [CONTENT_H264] = "H.264",
        [CONTENT_ADTS] = "AAC",
        [CONTENT_LATM] = "AAC (LATM)",
        [CONTENT_OPUS] = "Opus",
        [CONTENT_HEVC] = "HEVC",
        [CONTENT_VVC] = "VVC",
        [CONTENT_AV1] = "AV1",
        [CONTENT_MPEG_VIDEO] = "MPEG-1/2/4 video",
        [CONTENT_MPEG_AUDIO] = "MPEG-1/2 audio",
        [CONTENT_AC3] = "AC-3",
        [CONTENT_EAC3] = "E-AC-3",
        [CONTENT_DTS] = "DTS",
        [CONTENT_KLV] = "KLV",
        [CONTENT_TELETEXT] = "teletext",
        [CONTENT_SUBTITLES] = "subtitles",
        [CONTENT_ID3] = "ID3",
        [CONTENT_SCTE35] = "SCTE-35",
    };

    return c >= 0 && c < sizeof names / sizeof *names ? names[c] : names[0];
}

bool content_is_media(enum content c)
{
    return c >= CONTENT_H264 && c <= CONTENT_DTS;
}

bool content_is_picture(enum content c)
{
    return c == CONTENT_H264 || c == CONTENT_HEVC;
}
