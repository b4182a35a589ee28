/* tests/fuzz/sdpfrag.c — the bodies of PATCH. */
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/rtc/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sdp_fragment f;
    char why[160] = "";
    char *text = malloc(size ? size : 1);

    if (size) memcpy(text, data, size);
    if (!sdp_fragment_parse(&f, text, size, why)) {
        INVARIANT(f.ufrag.len <= 256 && f.pwd.len <= 256);
        INVARIANT(!f.ufrag.len || f.ufrag.len >= 4);
        INVARIANT(!f.pwd.len || f.pwd.len >= 22);
        INVARIANT(f.candidates <= SDP_LINES_MAX);
    }
    INVARIANT(strlen(why) < sizeof why);
    free(text);
    return 0;
}
