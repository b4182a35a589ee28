/* tests/fuzz/rtmp.c — a whole session, handshake to frames: the input is what
 * a client sends behind a valid handshake, in pieces whose sizes it chooses.
 * First byte: bit 0 leaves the handshake to the input, bit 1 answers publish
 * late, bit 2 refuses it. What comes out must keep the bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/media/h264.h"
#include "tests/rtmp_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MOST = 8 << 20 };

static void check_frame(const struct publisher_frame *f, void *arg)
{
    const struct recorder *r = arg;
    struct h264_unit u;

    INVARIANT(f->payload.len > 0);
    INVARIANT(f->slot >= 0 && f->slot < RTMP_SLOTS);
    if (r->info[f->slot].codec != CODEC_H264) return;
    INVARIANT(!h264_scan(&u, 4, f->payload.data, f->payload.len));
    INVARIANT(u.scan.clean && u.slices > 0);
}

static int feed_pieces(struct recorder *r, const uint8_t *data, size_t len)
{
    size_t at = 0, step = 1;
    int64_t now = 0;
    int err = 0;

    while (at < len && !err) {
        size_t n = step < len - at ? step : len - at;
        now += 1000;
        err = recorder_feed(r, data + at, n, now);
        builder_release(&r->out);
        builder_init(&r->out, 1 << 20);
        at += n;
        step = 1 + data[at - 1] * 3u;
        INVARIANT(buf_total_bytes() < MOST + 2 * len);
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rtmp_session_events events = {recorder_on_publish, recorder_on_track,
                                         check_frame, recorder_on_unpublish,
                                         NULL};
    struct recorder r = {0};
    struct builder b;
    int64_t next;
    size_t before = buf_total_bytes();

    if (len < 2) return 0;
    events.arg = &r;
    r.accept = !(data[0] & 2);
    r.refuse = data[0] & 4;
    builder_init(&r.out, 1 << 20);
    if (rtmp_session_create(&r.session, &events, 1, 0)) return 0;
    if (!(data[0] & 1)) {
        builder_init(&b, 8192);
        put_handshake(&b);
        recorder_take(&r, &b, 0);
    }
    feed_pieces(&r, data + 1, len - 1);
    if (rtmp_session_state(r.session) == RTMP_ASKED)
        rtmp_session_accept(r.session, 5000000);
    rtmp_session_tick(r.session, 6000000, &next);
    rtmp_session_close(r.session, "the end");
    recorder_release(&r);
    INVARIANT(buf_total_bytes() == before);
    return 0;
}
