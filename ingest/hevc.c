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

int hevc_source_unit(struct hevc_source *h, struct slice in,
                     struct avc_unit *out)
{
    struct hevc_unit u;
    struct avc_unit made = {0};
    int err = hevc_scan(&u, h->framing, in.data, in.len);

    if (err) return err;
    made.key = u.irap;
    made.leading = u.leading;
    if (u.irap || !u.slices || !h->config)
        err = merge_params(h, &u.params, &made.changed);
    if (err) return err;
    if (u.slices && !h->config) return ERR_ORDER;
    if (u.slices && u.scan.clean) made.payload = slice_ref(in);
    if (u.slices && !u.scan.clean)
        err = nal_payload(&made.payload, h->framing, in, hevc_drops);
    if (err) return err;
    *out = made;
    return 0;
}
