/* tests/fuzz/hevc.c — SPS, hvcC and NAL walks: whatever parses must also be
 * written and parsed again. First byte picks the framing. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/media/hevc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_hvcc(const uint8_t *data, size_t len)
{
    struct hevc_params p, q;
    struct builder b;
    struct buf *out;

    if (hevc_hvcc_parse(&p, data, len)) return;
    builder_init(&b, 4 << 20);
    hevc_hvcc_write(&b, &p);
    if (builder_seal(&b, &out)) return;
    INVARIANT(!hevc_hvcc_parse(&q, buf_data(out), buf_len(out)));
    for (int k = 0; k < HEVC_SET_KINDS; k++)
        INVARIANT(q.count[k] == p.count[k]);
    buf_unref(&out);
}

static void fuzz_unit(unsigned framing, const uint8_t *data, size_t len)
{
    struct hevc_unit u, again;
    struct builder b;
    struct buf *out;
    int err = hevc_scan(&u, framing, data, len);

    builder_init(&b, 8 << 20);
    nal_repack(&b, framing, data, len, hevc_drops);
    if (builder_seal(&b, &out)) return;
    if (!err) {
        INVARIANT(!hevc_scan(&again, 4, buf_data(out), buf_len(out)));
        INVARIANT(again.scan.clean && again.irap == u.irap);
        INVARIANT(again.slices == u.slices);
    }
    buf_unref(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[HEVC_CODEC_TEXT];
    struct hevc_sps s;

    if (!len) return 0;
    if (!hevc_sps_parse(&s, data + 1, len - 1))
        INVARIANT(s.width && s.height && s.reorder_frames >= 0);
    hevc_codec_text(text, data + 1, len - 1);
    fuzz_hvcc(data + 1, len - 1);
    fuzz_unit(data[0] % 5, data + 1, len - 1);
    return 0;
}
