/* tests/fuzz/streamid.c — any bytes as an SRT stream id. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "ingest/srt/streamid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct srt_streamid id;
    char *text = malloc(len + !len); /* so that its bounds are watched */

    if (!text) return 0;
    if (len) memcpy(text, data, len);
    if (!srt_streamid_parse(&id, text, len)) {
        INVARIANT(id.key[0] && strlen(id.key) <= STREAM_KEY_MAX);
        INVARIANT(strlen(id.channel) <= CHANNEL_NAME_MAX);
    }
    free(text);
    return 0;
}
