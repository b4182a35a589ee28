/* tests/fuzz/pes.c — PES units and what is cut out of them: packets of one
 * stream without a transport stream around them. The first byte chooses the
 * content; then flags, length, payload. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "ingest/mpegts/audio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_packet(const struct audio_packet *p, void *arg)
{
    const struct audio *a = arg;
    uint8_t config[AAC_CONFIG_MAX];

    INVARIANT(p->len && p->data);
    if (a->content != CONTENT_OPUS) {
        INVARIANT(a->aac.sample_rate);
        aac_config_write(config, &a->aac);
    }
    return 0;
}

static void on_unit(const struct pes_unit *u, void *arg)
{
    INVARIANT(u->len && u->len <= PES_OTHER_MAX);
    audio_feed(arg, u, on_packet, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum content contents[] = {CONTENT_ADTS, CONTENT_LATM,
                                            CONTENT_OPUS};
    struct reader r = reader_of(data, len);
    struct ts_packet k = {0};
    struct audio a;
    struct pes p;

    audio_init(&a, contents[reader_u8(&r) % 3]);
    pes_init(&p, PES_OTHER_MAX);
    while (reader_left(&r)) {
        uint8_t flags = reader_u8(&r);
        k.len = reader_u8(&r);
        if (k.len > reader_left(&r)) k.len = reader_left(&r);
        if (!k.len) continue; /* no packet has an empty payload */
        k.payload = reader_take(&r, k.len);
        k.start = flags & 1;
        k.stuffed = flags & 2;
        if (flags & 4) pes_break(&p);
        if (flags & 8) audio_break(&a);
        if (pes_feed(&p, &k, on_unit, &a)) audio_break(&a);
    }
    pes_release(&p);
    audio_release(&a);
    return 0;
}
