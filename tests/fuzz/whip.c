/* tests/fuzz/whip.c — a publisher's packets, RTP and RTCP, into a session:
 * whatever comes, frames are sound, decoding times grow, and feedback parses.
 * Records: kind and time, length, packet. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/media/h264.h"
#include "core/rtc/rtcp.h"
#include "ingest/whip/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_track(int slot, const struct track_info *info,
                     struct slice config, void *arg)
{
    bool *announced = arg;

    INVARIANT(slot == WHIP_SLOT_AUDIO || config.len);
    INVARIANT(info->timescale);
    announced[slot] = true;
}

static void on_frame(const struct publisher_frame *f, void *arg)
{
    const bool *announced = arg;
    struct h264_unit u;

    INVARIANT(announced[f->slot] && f->payload.len && f->pts_us >= f->dts_us);
    if (f->slot == WHIP_SLOT_AUDIO) return;
    INVARIANT(!h264_scan(&u, 4, f->payload.data, f->payload.len));
    INVARIANT(u.scan.clean && u.slices);
}

static void on_rtcp(const uint8_t *data, size_t len, void *arg)
{
    static struct rtcp_packet p;
    size_t offset = 0;

    (void)arg;
    INVARIANT(len && len <= RTCP_MAX);
    while (!rtcp_next(data, len, &offset, &p))
        ;
    INVARIANT(offset == len);
}

static struct rtc_negotiated agreed(uint8_t options)
{
    struct rtc_negotiated n = {0};

    n.video.used = n.audio.used = true;
    n.video.h264[0] = (struct rtc_h264){96, 97, 66, 0xc0};
    n.video.h264_count = 1;
    n.audio.opus_payload_type = 111;
    n.video.nack = options & 1;
    n.video.pli = options & 2;
    n.video.fir = options & 4;
    n.video.remb = options & 8;
    n.video.transport_cc = options & 16;
    n.video.extensions.transport_cc = options & 16 ? 4 : 0;
    if (!(options & 32)) return n;
    n.video.extensions.rid = 2;
    n.video.extensions.repaired_rid = 3;
    n.video.rid_count = 3;
    for (int i = 0; i < 3; i++)
        n.video.rids[i][0] = (char)('a' + i);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(data, len);
    uint8_t options = reader_u8(&r), packet[512];
    struct rtc_negotiated n = agreed(options);
    bool announced[2] = {false};
    struct whip_session_conf conf = {
        .negotiated = &n,
        .reduced_size = options & 64,
        .ssrc = 1,
        .events = {on_track, on_frame, on_rtcp, announced},
    };
    struct whip_session *s;
    int64_t now = 1000000;

    if (whip_session_create(&s, &conf)) return 0;
    whip_session_start(s, now);
    while (!r.failed && reader_left(&r)) {
        uint8_t head = reader_u8(&r);
        size_t size = reader_u16(&r);
        if (size > sizeof packet) size = sizeof packet;
        if (size > reader_left(&r)) size = reader_left(&r);
        const uint8_t *at = reader_take(&r, size);
        now += (int64_t)(head >> 2) * (head & 2 ? 20000 : 500);
        if (size) memcpy(packet, at, size);
        if (head & 1)
            whip_session_rtcp(s, packet, size, now);
        else
            whip_session_rtp(s, packet, size, now);
        if (whip_session_due_at(s, now) <= now) whip_session_tick(s, now);
        if (head == 255) whip_session_want_key(s, now);
    }
    whip_session_free(&s);
    return 0;
}
