#include "ingest/rtmp/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum { EXTENDED = 0xffffff };

static const uint8_t header_sizes[4] = {11, 7, 3, 0};

struct rtmp_chunk_stream {
    uint32_t csid;
    uint32_t timestamp; /* of the current message */
    uint32_t delta;     /* what a message that begins with fmt 3 adds */
    uint32_t field;     /* the last extended timestamp field as sent */
    bool extended;
    bool open; /* a message is partly here */
    uint8_t type;
    uint32_t len, stream_id;
    struct builder body;
};

void rtmp_dechunker_init(struct rtmp_dechunker *d)
{
    *d = (struct rtmp_dechunker){.chunk_size = RTMP_CHUNK_SIZE_DEFAULT,
                                 .current = -1};
}

void rtmp_dechunker_release(struct rtmp_dechunker *d)
{
    for (int i = 0; i < d->count; i++)
        builder_release(&d->streams[i].body);
    free(d->streams);
    rtmp_dechunker_init(d);
}

int rtmp_dechunker_set_size(struct rtmp_dechunker *d, uint32_t size)
{
    if (!size || size & 0x80000000u) return ERR_RANGE;
    d->chunk_size = size > RTMP_CHUNK_SIZE_MAX ? RTMP_CHUNK_SIZE_MAX : size;
    return 0;
}

static int find_stream(const struct rtmp_dechunker *d, uint32_t csid)
{
    for (int i = 0; i < d->count; i++)
        if (d->streams[i].csid == csid) return i;
    return -1;
}

static int add_stream(struct rtmp_dechunker *d, uint32_t csid)
{
    if (d->count == RTMP_CHUNK_STREAMS_MAX) return ERR_LIMIT;
    if (d->count == d->cap) {
        int cap = d->cap ? d->cap * 2 : 4;
        struct rtmp_chunk_stream *more =
            realloc(d->streams, (size_t)cap * sizeof *more);
        if (!more) return ERR_NOMEM;
        d->streams = more;
        d->cap = cap;
    }
    d->streams[d->count] = (struct rtmp_chunk_stream){.csid = csid};
    return d->count++;
}

static void drop_partial(struct rtmp_dechunker *d, struct rtmp_chunk_stream *s)
{
    d->partial_bytes -= s->body.len;
    builder_release(&s->body);
    s->open = false;
}

void rtmp_dechunker_abort(struct rtmp_dechunker *d, uint32_t csid)
{
    int i = find_stream(d, csid);

    if (i >= 0 && d->streams[i].open) drop_partial(d, &d->streams[i]);
}

bool rtmp_dechunker_is_partial(const struct rtmp_dechunker *d)
{
    if (d->header_have || d->current >= 0) return true;
    for (int i = 0; i < d->count; i++)
        if (d->streams[i].open) return true;
    return false;
}

/* --- headers --- */

static uint32_t be24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static uint32_t be32(const uint8_t *p)
{
    return be24(p) << 8 | p[3];
}

static size_t basic_size(uint8_t first)
{
    return (first & 63) == 0 ? 2 : (first & 63) == 1 ? 3 : 1;
}

static uint32_t basic_csid(const uint8_t *h)
{
    switch (h[0] & 63) {
    case 0: return 64u + h[1];
    case 1: return 64u + h[1] + 256u * h[2];
    default: return h[0] & 63;
    }
}

/* Most senders repeat the extended timestamp behind every fmt 3 header, some
 * never do (§5.3.1.3 was read both ways). What follows is the repetition if it
 * is the same four bytes: compared as they arrive, so that a sender of the
 * second kind is not waited for. */
static bool could_repeat(const struct rtmp_chunk_stream *s, const uint8_t *p,
                         size_t n)
{
    bool field = true, absolute = true;

    for (size_t i = 0; i < n && i < 4; i++) {
        unsigned shift = 24 - 8 * (unsigned)i;
        if (p[i] != (uint8_t)(s->field >> shift)) field = false;
        if (p[i] != (uint8_t)(s->timestamp >> shift)) absolute = false;
    }
    return field || absolute;
}

/* How many bytes the header needs, as far as those at hand tell; *extended
 * when the last four of them are an extended timestamp. */
static size_t header_need(const struct rtmp_dechunker *d, bool *extended)
{
    const uint8_t *h = d->header;
    size_t have = d->header_have, basic, need;

    *extended = false;
    if (have < 1) return 1;
    basic = basic_size(h[0]);
    if (have < basic) return basic;
    need = basic + header_sizes[h[0] >> 6];
    if (have < need) return need;
    if (h[0] >> 6 < 3) {
        *extended = be24(h + basic) == EXTENDED;
    } else {
        int i = find_stream(d, basic_csid(h));
        *extended = i >= 0 && d->streams[i].extended &&
                    could_repeat(&d->streams[i], h + need, have - need);
    }
    return need + (*extended ? 4 : 0);
}

static size_t message_limit(uint8_t type)
{
    switch (type) {
    case RTMP_AUDIO:
    case RTMP_VIDEO:
    case RTMP_AGGREGATE: return RTMP_MESSAGE_MAX;
    default: return RTMP_MESSAGE_MAX_DATA;
    }
}

/* Fields of fmt 0, 1 and 2; at: behind the basic header. */
static void apply_fields(struct rtmp_chunk_stream *s, unsigned fmt,
                         const uint8_t *at, bool extended)
{
    uint32_t field = extended ? be32(at + header_sizes[fmt]) : be24(at);

    s->extended = extended;
    s->field = field;
    if (fmt <= 1) {
        s->len = be24(at + 3);
        s->type = at[6];
    }
    if (fmt == 0) {
        struct reader r = reader_of(at + 7, 4);
        s->stream_id = reader_le32(&r);
        s->timestamp = field;
        s->delta = 0;
    } else {
        s->delta = field;
        s->timestamp += field;
    }
}

static int begin_message(struct rtmp_chunk_stream *s)
{
    if (s->len > message_limit(s->type)) return ERR_LIMIT;
    builder_init(&s->body, s->len);
    s->open = true;
    return 0;
}

/* The header is whole: which stream, what message, how many bytes follow. */
static int apply_header(struct rtmp_dechunker *d, bool extended)
{
    unsigned fmt = d->header[0] >> 6;
    uint32_t csid = basic_csid(d->header);
    int i = find_stream(d, csid), err = 0;

    if (i < 0) {
        /* Only fmt 1 is seen in the wild as a first header (pings). */
        if (fmt > 1) return ERR_SYNTAX;
        i = add_stream(d, csid);
        if (i < 0) return i;
    }
    struct rtmp_chunk_stream *s = &d->streams[i];
    if (fmt < 3) {
        if (s->open) {
            drop_partial(d, s);
            d->restarts++;
        }
        apply_fields(s, fmt, d->header + basic_size(d->header[0]), extended);
        err = begin_message(s);
    } else if (!s->open) {
        s->timestamp += s->delta;
        err = begin_message(s);
    }
    if (err) return err;
    uint32_t left = s->len - (uint32_t)s->body.len;
    d->left = left < d->chunk_size ? left : d->chunk_size;
    d->current = i;
    d->chunks++;
    d->header_have = 0;
    return 0;
}

/* Bytes that turned out not to repeat the extended timestamp: body first, and
 * what is beyond this chunk begins the next header. */
static int give_back(struct rtmp_dechunker *d, const uint8_t *bytes, size_t n)
{
    struct rtmp_chunk_stream *s = &d->streams[d->current];
    size_t body = n < d->left ? n : d->left;

    builder_bytes(&s->body, bytes, body);
    if (s->body.err) return s->body.err;
    d->left -= (uint32_t)body;
    d->partial_bytes += body;
    memcpy(d->header, bytes + body, n - body);
    d->header_have = n - body;
    return 0;
}

/* Takes header bytes; d->current is set once it is whole. */
static int take_header(struct rtmp_dechunker *d, const uint8_t **data,
                       const uint8_t *end)
{
    uint8_t over[RTMP_CHUNK_HEADER_MAX];
    bool extended;
    size_t need, n;

    for (;;) {
        need = header_need(d, &extended);
        if (d->header_have >= need) break;
        if (*data == end) return ERR_AGAIN;
        d->header[d->header_have++] = *(*data)++;
    }
    n = d->header_have - need;
    memcpy(over, d->header + need, n);
    int err = apply_header(d, extended);
    return err ? err : give_back(d, over, n);
}

/* --- bodies --- */

static int finish_message(struct rtmp_dechunker *d, struct rtmp_chunk_stream *s,
                          struct rtmp_message *out)
{
    struct buf *body = NULL;

    d->partial_bytes -= s->body.len;
    s->open = false;
    int err = builder_seal(&s->body, &body);
    if (err) return err;
    *out = (struct rtmp_message){s->type, s->timestamp, s->stream_id,
                                 slice_take(&body)};
    return 0;
}

int rtmp_dechunk(struct rtmp_dechunker *d, const uint8_t **data,
                 const uint8_t *end, struct rtmp_message *out)
{
    for (;;) {
        if (d->current < 0) {
            int err = take_header(d, data, end);
            if (err) return err;
        }
        struct rtmp_chunk_stream *s = &d->streams[d->current];
        size_t n = (size_t)(end - *data);
        if (n > d->left) n = d->left;
        if (n > RTMP_PARTIAL_MAX - d->partial_bytes) return ERR_LIMIT;
        builder_bytes(&s->body, *data, n);
        if (s->body.err) return s->body.err;
        *data += n;
        d->partial_bytes += n;
        d->left -= (uint32_t)n;
        if (d->left) return ERR_AGAIN;
        d->current = -1;
        if (s->body.len == s->len) return finish_message(d, s, out);
    }
}

/* --- writing --- */

void rtmp_chunk_write(struct builder *out, uint32_t chunk_size, uint32_t csid,
                      const struct rtmp_message *m)
{
    bool extended = m->timestamp >= EXTENDED;
    size_t at = 0;

    do {
        builder_u8(out, (at ? 0xc0u : 0u) | csid);
        if (!at) {
            builder_u24(out, extended ? EXTENDED : m->timestamp);
            builder_u24(out, (uint32_t)m->body.len);
            builder_u8(out, m->type);
            builder_le32(out, m->stream_id);
        }
        if (extended) builder_u32(out, m->timestamp);
        size_t n = m->body.len - at;
        if (n > chunk_size) n = chunk_size;
        builder_bytes(out, m->body.data + at, n);
        at += n;
    } while (at < m->body.len);
}
