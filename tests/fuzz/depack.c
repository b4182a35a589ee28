/* tests/fuzz/depack.c — RTP payloads through the reorder buffer to access
 * units: whatever comes, what goes out is sound 4-byte-length framing, in
 * order. Records: flags, sequence step, timestamp step, length, payload. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "ingest/avc.h"
#include "ingest/whip/depack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_unit(const struct whip_unit *u, void *arg)
{
    struct avc_source *avc = arg;
    struct reader r = reader_of(u->data.data, u->data.len);
    struct avc_unit unit;
    struct nal n;

    INVARIANT(u->data.len && u->data.len <= DEPACK_UNIT_BYTES_MAX);
    while (nal_next_sized(&r, 4, &n))
        ;
    INVARIANT(!r.failed && !reader_left(&r));
    if (!avc_source_unit(avc, u->data, false, &unit))
        slice_unref(&unit.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(data, len);
    struct avc_source avc = {.framing = 4};
    struct whip_packet p = {.sequence = 65000}, out;
    struct whip_depack d;
    struct whip_jitter *j;
    int64_t now = 1, last = 0;

    if (whip_jitter_create(&j)) return 0;
    whip_depack_init(&d, on_unit, &avc);
    while (reader_left(&r)) {
        uint8_t flags = reader_u8(&r);
        p.sequence = (uint16_t)(p.sequence + (int8_t)reader_u8(&r));
        p.timestamp += reader_u8(&r);
        p.len = reader_u8(&r);
        if (p.len > reader_left(&r)) p.len = reader_left(&r);
        p.payload = reader_take(&r, p.len);
        p.marker = flags & 1;
        p.arrived_at = now += (flags >> 2) * 1000;
        if (flags & 2) p.sequence = (uint16_t)(p.sequence * 257u);
        whip_jitter_put(j, &p);
        while (whip_jitter_next(j, now, &out)) {
            INVARIANT(out.number > last);
            last = out.number;
            whip_depack_feed(&d, &out);
            if (out.len) whip_opus_is_sound(out.payload, out.len);
        }
    }
    whip_depack_release(&d);
    whip_jitter_free(&j);
    avc_source_release(&avc);
    return 0;
}
