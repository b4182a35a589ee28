/* tests/ts_bytes.h — a transport stream, piece by piece, and a recorder of what
 * the demux makes of it. For unit and protocol tests. */
#ifndef TESTS_TS_BYTES_H
#define TESTS_TS_BYTES_H
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "ingest/mpegts/demux.h"

enum {
    PID_PMT = 0x1000,
    PID_VIDEO = 0x100,
    PID_AUDIO = 0x101,
    PID_MORE = 0x102
};
enum { TYPE_ADTS = 0x0f, TYPE_H264 = 0x1b, TYPE_HEVC = 0x24, TYPE_VVC = 0x33 };

/* An encoder's pictures in Annex B: delimiter, sets, IDR; delimiter, slice. */
static const uint8_t test_key[] = {
    0,    0,    0,    1,    0x09, 0xf0, 0,    0, 0, 1, 0x67, 0x42, 0xc0, 0x1e,
    0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0, 0, 3, 0,    1,    0,    0,
    3,    0,    0x3c, 0x0f, 0x16, 0x2e, 0x48, 0, 0, 0, 1,    0x68, 0xcb, 0x83,
    0xcb, 0x20, 0,    0,    1,    0x65, 0x88, 1, 2, 3};
static const uint8_t test_delta[] = {0, 0, 0,    1,    0x09, 0xf0, 0,
                                     0, 1, 0x41, 0x9a, 4,    5};
/* AAC-LC, 48 kHz, two channels, 3 bytes of payload. */
static const uint8_t test_adts[] = {0xff, 0xf1, 0x4c, 0x80, 0x01,
                                    0x5f, 0xfc, 0x21, 0x10, 0x04};

struct ts_writer {
    struct builder out;
    uint8_t counters[0x2000];
};

static inline void writer_init(struct ts_writer *w)
{
    memset(w, 0, sizeof *w);
    builder_init(&w->out, 64 << 20);
}

enum put_flags {
    PUT_START = 1,
    PUT_DISCONTINUITY = 2,
    PUT_RANDOM_ACCESS = 4,
    PUT_FILLED = 8, /* filler although there is more */
};

/* One packet with as much of data as fits; returns how much that was. */
static inline size_t put_packet(struct ts_writer *w, uint16_t pid, int flags,
                                const uint8_t *data, size_t len)
{
    uint8_t p[TS_PACKET_BYTES];
    size_t room = TS_PACKET_BYTES - 4, field = 0;
    uint8_t marks = (flags & PUT_DISCONTINUITY ? 0x80 : 0) |
                    (flags & PUT_RANDOM_ACCESS ? 0x40 : 0);

    if (flags & PUT_FILLED) room -= 10;
    if (marks) field = 2;
    if (len < room - field || flags & PUT_FILLED)
        field = TS_PACKET_BYTES - 4 - (len < room - field ? len : room - field);
    memset(p, 0xff, sizeof p);
    p[0] = TS_SYNC;
    p[1] = (uint8_t)(pid >> 8 | (flags & PUT_START ? 0x40 : 0));
    p[2] = (uint8_t)pid;
    p[3] = (uint8_t)((field ? 0x30 : 0x10) | (w->counters[pid]++ & 0x0f));
    if (field) p[4] = (uint8_t)(field - 1);
    if (field > 1) p[5] = marks;
    size_t n = TS_PACKET_BYTES - 4 - field;
    memcpy(p + 4 + field, data, n);
    builder_bytes(&w->out, p, sizeof p);
    return n;
}

static inline void put_unit(struct ts_writer *w, uint16_t pid, int flags,
                            const uint8_t *data, size_t len)
{
    flags |= PUT_START;
    while (len) {
        size_t n = put_packet(w, pid, flags, data, len);
        data += n;
        len -= n;
        flags = 0;
    }
}

/* A section with its header and checksum around body. */
static inline void put_table(struct ts_writer *w, uint16_t pid, uint8_t table,
                             uint16_t extension, uint8_t version,
                             struct builder *body)
{
    struct builder b;

    builder_init(&b, 4096);
    builder_u8(&b, 0); /* pointer */
    builder_u8(&b, table);
    builder_u16(&b, 0xb000u | (unsigned)(body->len + 9));
    builder_u16(&b, extension);
    builder_u8(&b, 0xc1u | (unsigned)(version << 1));
    builder_u16(&b, 0);
    if (builder_data(body)) builder_bytes(&b, builder_data(body), body->len);
    builder_release(body);
    if (builder_data(&b) && !b.err) {
        builder_u32(&b, psi_crc(builder_data(&b) + 1, b.len - 1));
        if (!b.err) put_unit(w, pid, 0, builder_data(&b), b.len);
    }
    builder_release(&b);
}

static inline void put_program(struct builder *b, unsigned number,
                               unsigned pmt_pid)
{
    builder_u16(b, number);
    builder_u16(b, 0xe000u | pmt_pid);
}

static inline void put_pat(struct ts_writer *w)
{
    struct builder b;

    builder_init(&b, 4096);
    put_program(&b, 1, PID_PMT);
    put_table(w, 0, 0, 1, 0, &b);
}

static inline void begin_pmt(struct builder *b)
{
    builder_init(b, 4096);
    builder_u16(b, 0xe000u | PID_VIDEO);
    builder_u16(b, 0xf000);
}

static inline void put_stream(struct builder *b, uint8_t type, uint16_t pid,
                              const char *descriptors, size_t len)
{
    builder_u8(b, type);
    builder_u16(b, 0xe000u | pid);
    builder_u16(b, 0xf000u | (unsigned)len);
    builder_bytes(b, descriptors, len);
}

static inline void end_pmt(struct ts_writer *w, struct builder *b,
                           uint8_t version)
{
    put_table(w, PID_PMT, 2, 1, version, b);
}

/* Both tables: H.264 and one AAC stream. */
static inline void put_tables(struct ts_writer *w)
{
    struct builder b;

    put_pat(w);
    begin_pmt(&b);
    put_stream(&b, TYPE_H264, PID_VIDEO, "", 0);
    put_stream(&b, TYPE_ADTS, PID_AUDIO,
               "\x0a\x04"
               "ger",
               6);
    end_pmt(w, &b, 0);
}

static inline void put_time(struct builder *b, unsigned mark, int64_t t)
{
    builder_u8(b, mark << 4 | (unsigned)(t >> 29 & 0x0e) | 1);
    builder_u16(b, (unsigned)(t >> 14 & 0xfffe) | 1);
    builder_u16(b, (unsigned)(t << 1 & 0xfffe) | 1);
}

/* length: say it in the header. */
static inline void put_pes(struct ts_writer *w, uint16_t pid, int flags,
                           int64_t pts, int64_t dts, bool length,
                           const uint8_t *data, size_t len)
{
    struct builder b;

    builder_init(&b, 16 << 20);
    builder_u24(&b, 1);
    builder_u8(&b, pid == PID_VIDEO ? 0xe0 : 0xc0);
    builder_u16(&b, length ? (unsigned)len + 13 : 0);
    builder_u8(&b, 0x80);
    builder_u8(&b, 0xc0);
    builder_u8(&b, 10);
    put_time(&b, 3, pts);
    put_time(&b, 1, dts);
    builder_bytes(&b, data, len);
    if (!b.err) put_unit(w, pid, flags, builder_data(&b), b.len);
    builder_release(&b);
}

/* What came out. */
struct ts_recorder {
    struct demux *demux;
    int tracks[DEMUX_SLOTS], frames[DEMUX_SLOTS], keys, metas, unsupported;
    int gone[DEMUX_SLOTS];
    enum content refused[8];
    struct track_info info[DEMUX_SLOTS];
    int64_t first_us[DEMUX_SLOTS], last_us[DEMUX_SLOTS], last_pts_us;
    bool backwards; /* a dts that does not grow */
    size_t last_len;
    uint64_t hash;
};

static inline void record_hash(struct ts_recorder *r, const void *data,
                               size_t len)
{
    const uint8_t *p = data;

    while (len--)
        r->hash = (r->hash ^ *p++) * 0x100000001b3;
}

static inline void record_track(int slot, const struct track_info *info,
                                struct slice config, void *arg)
{
    struct ts_recorder *r = arg;

    r->tracks[slot]++;
    r->info[slot] = *info;
    record_hash(r, &slot, sizeof slot);
    record_hash(r, config.data, config.len);
}

static inline void record_frame(const struct publisher_frame *f, void *arg)
{
    struct ts_recorder *r = arg;

    if (!r->frames[f->slot]++)
        r->first_us[f->slot] = f->dts_us;
    else if (f->dts_us <= r->last_us[f->slot])
        r->backwards = true;
    r->last_us[f->slot] = f->dts_us;
    r->last_pts_us = f->pts_us;
    r->last_len = f->payload.len;
    if (f->slot == DEMUX_SLOT_VIDEO) r->keys += f->key;
    record_hash(r, &f->dts_us, sizeof f->dts_us);
    record_hash(r, &f->pts_us, sizeof f->pts_us);
    record_hash(r, f->payload.data, f->payload.len);
}

static inline void record_gone(int slot, void *arg)
{
    struct ts_recorder *r = arg;

    r->gone[slot]++;
}

static inline void record_meta(const struct demux_meta *m, void *arg)
{
    struct ts_recorder *r = arg;

    r->metas++;
    record_hash(r, m->data, m->len);
}

static inline void record_unsupported(uint16_t pid, enum content c, void *arg)
{
    struct ts_recorder *r = arg;

    (void)pid;
    if (r->unsupported < 8) r->refused[r->unsupported++] = c;
}

static inline int recorder_init(struct ts_recorder *r)
{
    struct demux_events events = {.on_track = record_track,
                                  .on_frame = record_frame,
                                  .on_gone = record_gone,
                                  .on_meta = record_meta,
                                  .on_unsupported = record_unsupported,
                                  .arg = r};

    memset(r, 0, sizeof *r);
    r->hash = 0xcbf29ce484222325;
    return demux_create(&r->demux, &events);
}

/* What w gathered, into the demux; w is empty then. */
static inline int feed_writer(struct ts_recorder *r, struct ts_writer *w)
{
    int err = w->out.err;

    if (!err && builder_data(&w->out))
        err = demux_feed(r->demux, builder_data(&w->out), w->out.len);
    builder_release(&w->out);
    builder_init(&w->out, 64 << 20);
    return err;
}

#endif
