#include "ingest/av1.h"

#include <string.h>

#include "core/base/err.h"
#include "ingest/config.h"

enum { HAS_SIZE = 2 };

void av1_source_release(struct av1_source *a)
{
    buf_unref(&a->config);
    buf_unref(&a->heard);
    a->recorded = false;
}

static bool is_same(const struct buf *b, const void *data, size_t len)
{
    return b && buf_len(b) == len && !memcmp(buf_data(b), data, len);
}

static void put_leb128(struct builder *b, size_t v)
{
    for (; v > 0x7f; v >>= 7)
        builder_u8(b, (v & 0x7f) | 0x80);
    builder_u8(b, (unsigned)v);
}

/* The record's word on sampling stays: a header that changes it says so in a
 * record of its own. */
static int replace_config(struct av1_source *a, const struct av1_obu *o,
                          bool *changed)
{
    struct av1_sequence s;
    struct builder b;
    int err = av1_sequence_parse(&s, o->data, o->len);

    if (err) return err;
    builder_init(&b, CONFIG_BYTES_MAX);
    builder_u8(&b, a->record[0]);
    builder_u8(&b, (unsigned)s.profile << 5 | s.level);
    builder_u8(&b, (unsigned)s.tier << 7 | (a->record[2] & 0x7fU));
    builder_u8(&b, a->record[3]);
    builder_u8(&b, AV1_SEQUENCE << 3 | HAS_SIZE);
    put_leb128(&b, o->len);
    builder_bytes(&b, o->data, o->len);
    return config_replace(&a->config, &b, changed);
}

int av1_source_config(struct av1_source *a, const void *av1c, size_t len,
                      bool *changed)
{
    struct av1_obu o;
    int err = av1_record_parse(&o, av1c, len);

    if (err && err != ERR_NOTFOUND) return err;
    *changed = false;
    if (is_same(a->heard, av1c, len)) return err;
    struct buf *copy;
    if (buf_create(&copy, av1c, len)) return ERR_NOMEM;
    buf_unref(&a->heard);
    a->heard = copy;
    memcpy(a->record, av1c, sizeof a->record);
    a->recorded = true;
    return err ? err : replace_config(a, &o, changed);
}

static int make_payload(const struct av1_unit *u, struct slice in,
                        struct slice *out)
{
    struct builder b;
    struct buf *packed;

    if (!u->frames) {
        *out = (struct slice){0};
        return 0;
    }
    if (u->clean) {
        *out = slice_ref(in);
        return 0;
    }
    builder_init(&b, in.len + 16);
    av1_repack(&b, in.data, in.len);
    int err = builder_seal(&b, &packed);
    if (!err) *out = slice_take(&packed);
    return err;
}

int av1_source_unit(struct av1_source *a, struct slice in, struct avc_unit *out)
{
    struct av1_unit u;
    struct avc_unit made = {0};
    int err = av1_scan(&u, in.data, in.len);

    if (err) return err;
    if (!a->recorded) return ERR_ORDER;
    made.key = u.key;
    if (u.key) err = replace_config(a, &u.sequence, &made.changed);
    if (err) return err;
    if (u.frames && !a->config) return ERR_ORDER;
    err = make_payload(&u, in, &made.payload);
    if (err) return err;
    *out = made;
    return 0;
}
