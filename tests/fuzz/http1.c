/* tests/fuzz/http1.c — requests in pieces: the first byte chooses the step.
 * Beside not crashing, the events must not depend on where input stops. */
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    int err, requests, ends;
    size_t body;
    uint32_t sum;
};

static struct result run(const uint8_t *in, size_t len, size_t step)
{
    static const struct http1_limits limits = {2048, 20};
    static char scratch[2048 + 2];
    struct result r = {0};
    struct http1_request request;
    struct http1_step out;
    struct http1 h;
    size_t used = 0, have = step < len ? step : len;

    http1_init(&h);
    for (;;) {
        size_t size = have - used;
        uint8_t *copy = malloc(size ? size : 1);
        if (size) memcpy(copy, in + used, size);
        int event =
            http1_next(&h, &limits, copy, size, scratch, &request, &out);
        INVARIANT(out.used <= size);
        used += out.used;
        if (event == HTTP1_BODY) r.body += out.body_len;
        free(copy);
        if (event < 0) {
            r.err = event;
            return r;
        }
        if (event == HTTP1_MORE) {
            if (have == len) return r;
            have = have + step < len ? have + step : len;
        }
        if (event == HTTP1_END) r.ends++;
        if (event != HTTP1_REQUEST) continue;
        r.requests++;
        INVARIANT(request.text_len <= limits.head_bytes);
        INVARIANT(request.headers <= request.text_len);
        INVARIANT(request.query <= request.headers);
        INVARIANT(strlen(request.text) + 1 == request.query);
        for (size_t i = 0; i < request.text_len; i++)
            r.sum = r.sum * 31 + (uint8_t)request.text[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct result whole = run(data + 1, size - 1, size);
    struct result parts = run(data + 1, size - 1, 1 + data[0] % 32);
    INVARIANT(whole.requests == parts.requests && whole.sum == parts.sum);
    INVARIANT(whole.body == parts.body && whole.ends == parts.ends);
    INVARIANT(!whole.err == !parts.err);
    return 0;
}
