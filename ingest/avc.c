#include "ingest/avc.h"

#include <string.h>

#include "core/base/err.h"
#include "ingest/config.h"

void avc_source_release(struct avc_source *a)
{
    buf_unref(&a->config);
}

static int replace_config(struct avc_source *a, const struct h264_params *p,
                          bool *changed)
{
    struct builder b;

    builder_init(&b, CONFIG_BYTES_MAX);
    h264_avcc_write(&b, p);
    return config_replace(&a->config, &b, changed);
}

int avc_source_config(struct avc_source *a, const void *avcc, size_t len,
                      bool *changed)
{
    struct h264_params p;
    int err = h264_avcc_parse(&p, avcc, len);

    if (!err) err = replace_config(a, &p, changed);
    if (!err) a->framing = p.length_size;
    return err;
}

/* Sets sent in band join those that are there; same id: replaced. */
static int merge_params(struct avc_source *a, const struct h264_params *sent,
                        bool *changed)
{
    struct h264_params p = {0};
    int err = 0;

    if (!sent->sps_count && !sent->pps_count) return 0;
    if (a->config) h264_avcc_parse(&p, buf_data(a->config), buf_len(a->config));
    for (int i = 0; i < sent->sps_count && !err; i++)
        err = h264_params_add(&p, sent->sps[i]);
    for (int i = 0; i < sent->pps_count && !err; i++)
        err = h264_params_add(&p, sent->pps[i]);
    if (err || !p.sps_count || !p.pps_count) return err;
    return replace_config(a, &p, changed);
}

static int scan(struct avc_source *a, struct slice in, struct h264_unit *u)
{
    static const uint8_t start_code[4] = {0, 0, 0, 1};
    int err = h264_scan(u, a->framing, in.data, in.len);

    /* Some encoders put start codes where lengths belong. */
    if (err != ERR_SYNTAX || a->framing != 4 || in.len < 5 ||
        memcmp(in.data, start_code, 4) != 0)
        return err;
    err = h264_scan(u, NAL_ANNEXB, in.data, in.len);
    if (!err) a->framing = NAL_ANNEXB;
    return err;
}

int avc_source_unit(struct avc_source *a, struct slice in, bool says_key,
                    struct avc_unit *out)
{
    struct h264_unit u;
    struct avc_unit made = {0};
    int err = scan(a, in, &u);

    if (err) return err;
    made.key = u.idr || (says_key && u.recovery);
    if (made.key || !u.slices || !a->config)
        err = merge_params(a, &u.params, &made.changed);
    if (err) return err;
    if (u.slices && !a->config) return ERR_ORDER;
    if (u.slices && u.scan.clean) made.payload = slice_ref(in);
    if (u.slices && !u.scan.clean)
        err = nal_payload(&made.payload, a->framing, in, h264_drops);
    if (err) return err;
    *out = made;
    return 0;
}
