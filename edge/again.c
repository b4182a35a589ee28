/* edge/again.c — what a sender sends a second time: what was asked for, and
 * probes. With RTX as new packets; without it the very same bytes, since other
 * content under the same number would give the key away (RFC 7714 §8.1). */
#include "edge/sender_priv.h"

enum { RTT_MIN_MS = 20, RTT_MAX_MS = 1000, PROBE_REACH = 256 };

/* NULL: too old, or never sent. */
static struct sent_packet *find(struct sender *s, uint16_t sequence)
{
    uint16_t back = (uint16_t)(s->video.sequence - 1 - sequence);
    struct sent_packet *e = &s->ring[sequence % SENDER_RING];

    return back < SENDER_RING && e->unit ? e : NULL;
}

static bool send_again(struct sender *s, uint16_t sequence,
                       const struct sent_packet *e, uint8_t probe,
                       int64_t now_at)
{
    const struct history *h = &s->conf.feed->renditions[e->rendition].history;
    struct unit *u = history_find(h, e->unit);
    const struct packets *p = u ? history_packets(u) : NULL;
    bool rtx = s->conf.rtx_payload_type != 0;

    if (!p || e->packet >= p->count) return false;
    struct sender_form f = {
        .packet = &p->list[e->packet],
        .unit = u,
        .payload_type =
            rtx ? s->conf.rtx_payload_type : s->conf.video_payload_type,
        .marker = p->list[e->packet].marker,
        .sequence = rtx ? s->rtx.sequence : sequence,
        .timestamp = e->timestamp,
        .ssrc = rtx ? s->rtx.ssrc : s->video.ssrc,
        .transport_cc = s->conf.video_transport_cc,
        .number = e->number,
        .original = sequence,
        .extras = rtx ? 0 : e->extras,
        .probe = probe,
        .is_rtx = rtx,
        .is_repeat = !rtx,
    };
    if (!sender_put(s, &f, now_at)) return false;
    if (rtx) s->rtx.sequence++;
    s->counts.resent_bytes += packet_size(f.packet);
    return true;
}

void sender_nack(struct sender *s, uint16_t sequence, int64_t rtt_us,
                 int64_t now_at)
{
    struct sent_packet *e = find(s, sequence);
    uint16_t now_ms = (uint16_t)((now_at / 1000) | 1);
    int64_t rtt_ms = (rtt_us ? rtt_us : SENDER_RTT_DEFAULT_US) / 1000;

    if (!s->conf.video_nack) return;
    if (!e) {
        s->counts.not_found++;
        return;
    }
    /* Pictures before a keyframe that replaced them. */
    uint32_t fresh = s->video.packets - s->fresh_from;
    if ((uint16_t)(s->video.sequence - 1 - sequence) >= fresh) return;
    if (rtt_ms < RTT_MIN_MS) rtt_ms = RTT_MIN_MS;
    if (rtt_ms > RTT_MAX_MS) rtt_ms = RTT_MAX_MS;
    if (e->again_ms && (uint16_t)(now_ms - e->again_ms) < rtt_ms) return;
    if (!pacer_may_send(&s->again, now_at)) return;
    if (!send_again(s, sequence, e, 0, now_at)) {
        s->counts.not_found++;
        return;
    }
    e->again_ms = now_ms;
    s->counts.resent++;
    pacer_sent(&s->again, PACKETS_PAYLOAD_MAX);
    pacer_sent(&s->pacer, PACKETS_PAYLOAD_MAX);
}

bool sender_probe(struct sender *s, uint8_t id, int64_t bps, int packets,
                  int64_t now_at)
{
    if (!s->conf.rtx_payload_type || !s->video.packets) return false;
    s->probe_id = id;
    s->probe_bps = bps;
    s->probe_left = packets;
    s->probe_bytes = 0;
    s->probe_at = now_at;
    s->probe_from = (uint16_t)(s->video.sequence - 1);
    return true;
}

bool sender_drain_probe(struct sender *s, int64_t now_at)
{
    int64_t due = s->probe_bps / 8 * (now_at - s->probe_at) / 1000000;

    while (s->probe_left && s->probe_bytes <= due) {
        uint16_t reach = (uint16_t)(s->video.sequence - 1 - s->probe_from);
        if (reach > PROBE_REACH)
            s->probe_from = (uint16_t)(s->video.sequence - 1);
        struct sent_packet *e = find(s, s->probe_from);
        if (!e || !send_again(s, s->probe_from, e, s->probe_id, now_at)) {
            s->probe_left = 0;
            break;
        }
        s->probe_from--;
        s->probe_left--;
        s->probe_bytes += PACKETS_PAYLOAD_MAX;
        s->counts.probes++;
    }
    return s->probe_left != 0;
}
