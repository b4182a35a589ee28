#include "ingest/hevc.h"

#include "core/base/err.h"
#include "ingest/config.h"

void hevc_source_release(struct hevc_source *h)
{
    buf_unref(&h->config);
}

static int replace_config(struct hevc_source *h, const struct hevc_params *p,
                          bool *changed)
{
    struct builder b;

    builder_init(&b, CONFIG_BYTES_MAX);
    hevc_hvcc_write(&b, p);
    return config_replace(&h->config, &b, changed);
}

int hevc_source_config(struct hevc_source *h, const void *hvcc, size_t len,
                       bool *changed)
{
    struct hevc_params p;
    int err = hevc_hvcc_parse(&p, hvcc, len);

    if (!err) err = replace_config(h, &p, changed);
    if (!err) h->framing = p.length_size;
    return err;
}

/* Sets sent in band join those that are there; same id: replaced. */
static int merge_params(struct hevc_source *h, const struct hevc_params *sent,
                        bool *changed)
{
    struct hevc_params p = {0};
    int err = 0, n = 0;

    for (int k = 0; k < HEVC_SET_KINDS; k++)
        n += sent->count[k];
    if (!n) return 0;
    if (h->config) hevc_hvcc_parse(&p, buf_data(h->config), buf_len(h->config));
    for (int k = 0; k < HEVC_SET_KINDS; k++)
        for (int i = 0; i < sent->count[k] && !err; i++)
            err = hevc_params_add(&p, sent->sets[k][i]);
    for (int k = 0; k < HEVC_SET_KINDS; k++)
        if (!p.count[k]) return err;
    return err ? err : replace_config(h, &p, changed);
}

static int make_payload(unsigned framing, const struct hevc_unit *u,
                        struct slice in, struct slice *out)
{
    struct builder b;
    struct buf *packed;

    if (!u->slices) {
        *out = (struct slice){0};
        return 0;
    }
    if (u->clean) {
        *out = slice_ref(in);
        return 0;
    }
    /* a NAL's length field may grow by 3, and an empty body holds no NAL */
    builder_init(&b, in.len * 4 + 16);
    hevc_repack(&b, framing, in.data, in.len);
    int err = builder_seal(&b, &packed);
    if (!err) *out = slice_take(&packed);
    return err;
}

int hevc_source_unit(struct hevc_source *h, struct slice in,
                     struct avc_unit *out)
{
    struct hevc_unit u;
    struct avc_unit made = {0};
    int err = hevc_scan(&u, h->framing, in.data, in.len);

    if (err) return err;
    made.key = u.irap;
    if (u.irap || !u.slices || !h->config)
        err = merge_params(h, &u.params, &made.changed);
    if (err) return err;
    if (u.slices && !h->config) return ERR_ORDER;
    err = make_payload(h->framing, &u, in, &made.payload);
    if (err) return err;
    *out = made;
    return 0;
}
