/* tests/fuzz/h264.c — SPS, avcC, NAL walks and AAC headers: whatever parses
 * must also be written and parsed again. First byte picks the framing. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/media/aac.h"
#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "core/media/x264.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_avcc(const uint8_t *data, size_t len)
{
    struct h264_params p, q;
    struct builder b;
    struct buf *out;

    if (h264_avcc_parse(&p, data, len)) return;
    builder_init(&b, 1 << 20);
    h264_avcc_write(&b, &p);
    if (builder_seal(&b, &out)) return;
    INVARIANT(!h264_avcc_parse(&q, buf_data(out), buf_len(out)));
    INVARIANT(q.sps_count == p.sps_count && q.pps_count == p.pps_count);
    buf_unref(&out);
}

static void fuzz_unit(unsigned framing, const uint8_t *data, size_t len)
{
    struct h264_unit u, again;
    struct builder b;
    struct buf *out;
    int err = h264_scan(&u, framing, data, len);

    builder_init(&b, 8 << 20);
    nal_repack(&b, framing, data, len, h264_drops);
    if (builder_seal(&b, &out)) return;
    if (!err) {
        INVARIANT(!h264_scan(&again, 4, buf_data(out), buf_len(out)));
        INVARIANT(again.scan.clean && again.idr == u.idr);
        INVARIANT(again.slices == u.slices);
    }
    builder_init(&b, 8 << 20);
    h264_to_annexb(&b, err ? NULL : &u.params, buf_data(out), buf_len(out));
    buf_unref(&out);
    if (!builder_seal(&b, &out)) buf_unref(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct h264_sps s;
    struct aac_config c;
    struct adts_header adts;
    uint32_t w, h;

    if (!len) return 0;
    if (!h264_sps_parse(&s, data + 1, len - 1)) h264_sps_display(&s, &w, &h);
    fuzz_avcc(data + 1, len - 1);
    fuzz_unit(data[0] % 5, data + 1, len - 1);
    x264_keyint(data + 1, len - 1);
    adts_parse(&adts, data + 1, len - 1);
    if (!aac_config_parse(&c, data + 1, len - 1)) {
        uint8_t bytes[AAC_CONFIG_MAX];
        struct aac_config d;
        size_t n = aac_config_write(bytes, &c);
        if (n) INVARIANT(!aac_config_parse(&d, bytes, n));
    }
    return 0;
}
