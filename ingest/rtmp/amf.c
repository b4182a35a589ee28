#include "ingest/rtmp/amf.h"

#include <string.h>

#include "core/base/err.h"

enum marker {
    M_NUMBER = 0,
    M_BOOL = 1,
    M_STRING = 2,
    M_OBJECT = 3,
    M_NULL = 5,
    M_UNDEFINED = 6,
    M_REFERENCE = 7,
    M_ECMA_ARRAY = 8,
    M_OBJECT_END = 9,
    M_STRICT_ARRAY = 10,
    M_DATE = 11,
    M_LONG_STRING = 12,
    M_UNSUPPORTED = 13,
    M_XML = 15,
    M_TYPED_OBJECT = 16,
    M_AVMPLUS = 17,
};

void amf_reader_init(struct amf_reader *r, const void *data, size_t len)
{
    r->bytes = reader_of(data, len);
    r->depth = r->tokens = 0;
}

static struct amf_text take_text(struct amf_reader *r, size_t len)
{
    const uint8_t *p = reader_take(&r->bytes, len);

    return (struct amf_text){(const char *)p, p ? len : 0};
}

static double take_double(struct amf_reader *r)
{
    uint64_t bits = reader_u64(&r->bytes);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static int enter(struct amf_reader *r, struct amf_token *t, bool list,
                 uint32_t count)
{
    if (r->depth == AMF_DEPTH_MAX) return ERR_LIMIT;
    t->type = list ? AMF_ARRAY : AMF_OBJECT;
    r->list[r->depth] = list;
    r->left[r->depth] = count;
    r->depth++;
    return 0;
}

/* U29: up to four bytes, seven bits each, eight in the last. */
static uint32_t take_u29(struct amf_reader *r)
{
    uint32_t v = 0;

    for (int i = 0; i < 3; i++) {
        uint8_t byte = reader_u8(&r->bytes);
        v = v << 7 | (byte & 0x7f);
        if (!(byte & 0x80)) return v;
    }
    return v << 8 | reader_u8(&r->bytes);
}

static int read_amf3(struct amf_reader *r, struct amf_token *t)
{
    uint32_t v;

    switch (reader_u8(&r->bytes)) {
    case 0:
    case 1: t->type = AMF_NULL; return 0;
    case 2:
    case 3:
        t->type = AMF_BOOL;
        t->number = r->bytes.at[-1] == 3;
        return 0;
    case 4:
        v = take_u29(r);
        t->type = AMF_NUMBER;
        t->number = v & 0x10000000 ? (double)v - 0x20000000 : v;
        return 0;
    case 5:
        t->type = AMF_NUMBER;
        t->number = take_double(r);
        return 0;
    case 6:
        v = take_u29(r);
        if (!(v & 1)) return ERR_UNSUPPORTED; /* a reference */
        if (v >> 1 > AMF_STRING_MAX) return ERR_LIMIT;
        t->type = AMF_STRING;
        t->text = take_text(r, v >> 1);
        return 0;
    default: return ERR_UNSUPPORTED;
    }
}

static int read_long_string(struct amf_reader *r, struct amf_token *t)
{
    uint32_t len = reader_u32(&r->bytes);

    if (len > AMF_STRING_MAX) return ERR_LIMIT;
    t->type = AMF_STRING;
    t->text = take_text(r, len);
    return 0;
}

static int read_value(struct amf_reader *r, struct amf_token *t)
{
    switch (reader_u8(&r->bytes)) {
    case M_NUMBER:
        t->type = AMF_NUMBER;
        t->number = take_double(r);
        return 0;
    case M_BOOL:
        t->type = AMF_BOOL;
        t->number = reader_u8(&r->bytes) != 0;
        return 0;
    case M_STRING:
        t->type = AMF_STRING;
        t->text = take_text(r, reader_u16(&r->bytes));
        return 0;
    case M_REFERENCE: reader_u16(&r->bytes); /* fall through */
    case M_NULL:
    case M_UNDEFINED:
    case M_UNSUPPORTED: t->type = AMF_NULL; return 0;
    case M_TYPED_OBJECT: take_text(r, reader_u16(&r->bytes)); /* fall through */
    case M_OBJECT: return enter(r, t, false, 0);
    case M_ECMA_ARRAY: /* its count is a hint: an end marker follows */
        reader_u32(&r->bytes);
        return enter(r, t, false, 0);
    case M_STRICT_ARRAY: return enter(r, t, true, reader_u32(&r->bytes));
    case M_DATE:
        t->type = AMF_DATE;
        t->number = take_double(r);
        reader_u16(&r->bytes);
        return 0;
    case M_LONG_STRING:
    case M_XML: return read_long_string(r, t);
    case M_AVMPLUS: return read_amf3(r, t);
    default: return ERR_SYNTAX;
    }
}

/* Inside an object: the next member's name. 1 at the end marker. */
static int read_key(struct amf_reader *r, struct amf_token *t)
{
    t->key = take_text(r, reader_u16(&r->bytes));
    if (r->bytes.failed) return ERR_SYNTAX;
    if (t->key.len) return 0;
    if (!reader_left(&r->bytes) || *r->bytes.at != M_OBJECT_END) return 0;
    reader_u8(&r->bytes);
    return 1;
}

int amf_next(struct amf_reader *r, struct amf_token *out)
{
    struct amf_token t = {.depth = r->depth};
    int err = 0, top = r->depth - 1;
    bool ended = false;

    if (top < 0 && !reader_left(&r->bytes)) return ERR_AGAIN;
    if (++r->tokens > AMF_TOKENS_MAX) return ERR_LIMIT;
    if (top >= 0 && r->list[top])
        ended = r->left[top]-- == 0;
    else if (top >= 0) {
        err = read_key(r, &t);
        if (err < 0) return err;
        ended = err == 1;
    }
    if (ended) {
        t.type = AMF_END;
        t.depth = --r->depth;
        *out = t;
        return 0;
    }
    err = read_value(r, &t);
    if (err) return err;
    if (r->bytes.failed) return ERR_SYNTAX;
    *out = t;
    return 0;
}

int amf_skip(struct amf_reader *r, const struct amf_token *container)
{
    struct amf_token t;

    while (r->depth > container->depth) {
        int err = amf_next(r, &t);
        if (err) return err;
    }
    return 0;
}

bool amf_text_is(struct amf_text t, const char *want)
{
    return t.len == strlen(want) && !memcmp(t.data, want, t.len);
}

void amf_text_copy(char *out, size_t size, struct amf_text t)
{
    size_t n = t.len < size ? t.len : size - 1;

    if (n) memcpy(out, t.data, n);
    out[n] = 0;
}

void amf_write_number(struct builder *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    builder_u8(b, M_NUMBER);
    builder_u64(b, bits);
}

void amf_write_bool(struct builder *b, bool v)
{
    builder_u8(b, M_BOOL);
    builder_u8(b, v);
}

void amf_write_text(struct builder *b, struct amf_text t)
{
    size_t n = t.len < AMF_STRING_MAX ? t.len : AMF_STRING_MAX;

    builder_u8(b, M_STRING);
    builder_u16(b, (unsigned)n);
    builder_bytes(b, t.data, n);
}

void amf_write_string(struct builder *b, const char *text)
{
    amf_write_text(b, (struct amf_text){text, strlen(text)});
}

void amf_write_null(struct builder *b)
{
    builder_u8(b, M_NULL);
}

void amf_write_undefined(struct builder *b)
{
    builder_u8(b, M_UNDEFINED);
}

void amf_write_object(struct builder *b)
{
    builder_u8(b, M_OBJECT);
}

void amf_write_key(struct builder *b, const char *key)
{
    builder_u16(b, (unsigned)strlen(key));
    builder_text(b, key);
}

void amf_write_end(struct builder *b)
{
    builder_u24(b, M_OBJECT_END);
}
