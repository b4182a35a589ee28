/* tests/fuzz/amf.c — AMF values: the reader ends, within its bounds, and every
 * skip lands where the container does. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "ingest/rtmp/amf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct amf_reader r;
    struct amf_token t;
    int values = 0, tokens = 0;
    uint64_t sum = 0;

    amf_reader_init(&r, data, len);
    while (!amf_next(&r, &t)) {
        INVARIANT(++tokens <= AMF_TOKENS_MAX);
        INVARIANT(r.depth >= 0 && r.depth <= AMF_DEPTH_MAX);
        if (t.type == AMF_STRING)
            for (size_t i = 0; i < t.text.len; i++)
                sum += (unsigned char)t.text.data[i];
        for (size_t i = 0; i < t.key.len; i++)
            sum += (unsigned char)t.key.data[i];
        if (!t.depth && t.type != AMF_END) values++;
    }
    amf_reader_init(&r, data, len);
    while (!amf_next(&r, &t)) {
        if (t.type != AMF_OBJECT && t.type != AMF_ARRAY) continue;
        if (amf_skip(&r, &t)) break;
        INVARIANT(r.depth == t.depth);
    }
    return sum == 1 && values == 1;
}
