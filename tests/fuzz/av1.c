/* tests/fuzz/av1.c — OBU walks, sequence headers and av1C: what is kept of a
 * unit must read as it did. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/media/av1.h"
#include "ingest/av1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_unit(const uint8_t *data, size_t len)
{
    struct av1_unit u, again;
    struct builder b;
    struct buf *out;

    if (av1_scan(&u, data, len)) return;
    builder_init(&b, len + 16);
    av1_repack(&b, data, len);
    if (builder_seal(&b, &out)) return;
    INVARIANT(!av1_scan(&again, buf_data(out), buf_len(out)));
    INVARIANT(again.clean && again.key == u.key);
    INVARIANT(again.frames == u.frames);
    buf_unref(&out);
}

/* The input as a record, then as a unit behind it. */
static void fuzz_source(const uint8_t *data, size_t len)
{
    struct av1_source a = {0};
    struct avc_unit unit;
    struct av1_obu o;
    struct buf *copy;
    bool changed;

    av1_source_config(&a, data, len, &changed);
    if (!buf_create(&copy, data, len)) {
        struct slice in = slice_take(&copy);
        a.recorded = true;
        if (!av1_source_unit(&a, in, &unit)) slice_unref(&unit.payload);
        slice_unref(&in);
    }
    if (a.config)
        INVARIANT(
            !av1_record_parse(&o, buf_data(a.config), buf_len(a.config)) ||
            a.record[0] != 0x81);
    av1_source_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct av1_sequence s;
    struct av1_obu o;

    if (!len) return 0;
    if (!av1_sequence_parse(&s, data, len)) INVARIANT(s.width && s.height);
    if (!av1_record_parse(&o, data, len))
        INVARIANT(!av1_sequence_parse(&s, o.data, o.len));
    fuzz_unit(data, len);
    fuzz_source(data, len);
    return 0;
}
