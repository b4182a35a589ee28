/* tests/fuzz/ts.c — a transport stream in pieces, from packets to access
 * units: whatever comes, what goes out is sound 4-byte-length framing. The
 * first byte says how large the pieces are. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/media/h264.h"
#include "ingest/mpegts/demux.h"
#include "ingest/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_track(int slot, const struct track_info *info,
                     struct slice config, void *arg)
{
    struct source s;

    (void)arg;
    INVARIANT(slot >= 0 && slot < DEMUX_SLOTS && config.len);
    source_init(&s, info, config);
}

static void on_frame(const struct publisher_frame *f, void *arg)
{
    struct reader r = reader_of(f->payload.data, f->payload.len);
    struct nal n;

    (void)arg;
    INVARIANT(f->payload.len && f->payload.len < 64 << 20);
    if (f->slot != DEMUX_SLOT_VIDEO) return;
    while (nal_next_sized(&r, 4, &n))
        ;
    INVARIANT(!r.failed && !reader_left(&r));
}

static void on_gone(int slot, void *arg)
{
    (void)arg;
    INVARIANT(slot >= 0 && slot < DEMUX_SLOTS);
}

static void on_meta(const struct demux_meta *m, void *arg)
{
    (void)arg;
    INVARIANT(m->data && m->len);
}

static void on_unsupported(uint16_t pid, enum content c, void *arg)
{
    (void)arg;
    INVARIANT(pid < 0x2000 && content_name(c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct demux_events events = {.on_track = on_track,
                                  .on_frame = on_frame,
                                  .on_gone = on_gone,
                                  .on_meta = on_meta,
                                  .on_unsupported = on_unsupported};
    struct demux *d;
    size_t piece;

    if (!len || demux_create(&d, &events)) return 0;
    piece = data[0] == TS_SYNC ? 1316 : data[0] * 4 + 1u;
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < piece ? len - at : piece;
        demux_feed(d, data + at, n);
        demux_missing(d);
        if (data[at] == 0xd1) demux_break(d);
    }
    demux_free(&d);
    return 0;
}
