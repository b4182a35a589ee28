/* tests/rtp_sender.h — a WebRTC publisher's media in simulated time: H.264
 * layers and Opus as RTP, answers to NACK (same SSRC, or RTX) and PLI, sender
 * reports; and a line with delay and loss between it and who receives. */
#ifndef TESTS_RTP_SENDER_H
#define TESTS_RTP_SENDER_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"

enum {
    SENDER_LAYERS = 3,
    SENDER_HISTORY = 1024,
    SENDER_PACKET = 1250,
    SENDER_FRAME_PACKETS = 4,
    VIDEO_PT = 96,
    RTX_PT = 97,
    OPUS_PT = 111,
    MID_ID = 1,
    RID_ID = 2,
    REPAIRED_ID = 3,
    TWCC_ID = 4,
    LINE_PACKETS = 8192,
};

/* --- a line --- */

struct line_packet {
    int64_t at; /* arrives */
    size_t len;
    uint8_t data[SENDER_PACKET];
};
struct line {
    int64_t delay_us, reorder_us;
    int loss_percent;
    uint32_t seed;
    int first, count; /* a ring */
    struct line_packet packets[LINE_PACKETS];
};

static inline uint32_t line_dice(struct line *l)
{
    l->seed = l->seed * 1664525 + 1013904223;
    return l->seed >> 8;
}

static inline void line_put(struct line *l, int64_t now, const uint8_t *data,
                            size_t len)
{
    struct line_packet *p = &l->packets[(l->first + l->count) % LINE_PACKETS];

    if ((int)(line_dice(l) % 100) < l->loss_percent) return;
    if (l->count == LINE_PACKETS || len > sizeof p->data) return;
    p->at = now + l->delay_us;
    if (l->reorder_us) p->at += line_dice(l) % (unsigned)l->reorder_us;
    p->len = len;
    memcpy(p->data, data, len);
    l->count++;
}

/* Gives what has arrived to fn; the ring's holes are of length 0. */
static inline void line_take(struct line *l, int64_t now,
                             void (*fn)(uint8_t *data, size_t len, int64_t now,
                                        void *arg),
                             void *arg)
{
    for (int i = 0; i < l->count; i++) {
        struct line_packet *p = &l->packets[(l->first + i) % LINE_PACKETS];
        if (!p->len || p->at > now) continue;
        size_t len = p->len;
        p->len = 0;
        fn(p->data, len, now, arg);
    }
    while (l->count && !l->packets[l->first].len) {
        l->first = (l->first + 1) % LINE_PACKETS;
        l->count--;
    }
}

/* --- a sender --- */

struct sender_layer {
    bool on, key_next;
    uint32_t ssrc, rtx_ssrc, timestamp_base;
    uint16_t sequence, rtx_sequence;
    int width, height;
    uint32_t number; /* of the next frame */
    int keys, plis;
    struct line_packet history[SENDER_HISTORY];
};
struct sender {
    struct line *out;
    bool rids, rtx, twcc, sets_in_band, ignores_pli;
    int layer_count;
    struct sender_layer layers[SENDER_LAYERS];
    uint32_t audio_ssrc;
    uint16_t audio_sequence, twcc_number;
    int nacked, reports, remb, feedback;
    struct rtcp_packet scratch;
};

struct sender_bits {
    uint8_t bytes[64];
    int at;
};

static inline void sender_bit(struct sender_bits *b, unsigned v)
{
    if (v) b->bytes[b->at / 8] |= (uint8_t)(0x80 >> b->at % 8);
    b->at++;
}

static inline void sender_ue(struct sender_bits *b, unsigned v)
{
    int n = 0;

    while ((v + 1) >> (n + 1))
        n++;
    for (int i = 0; i < n; i++)
        sender_bit(b, 0);
    for (int i = n; i >= 0; i--)
        sender_bit(b, ((v + 1) >> i) & 1);
}

/* A Constrained Baseline SPS of that size (multiples of 16). */
static inline size_t sender_sps(uint8_t out[64], int width, int height)
{
    struct sender_bits b = {{0x67, 0x42, 0xc0, 0x1f}, 32};

    sender_ue(&b, 0); /* id */
    sender_ue(&b, 0); /* log2_max_frame_num - 4 */
    sender_ue(&b, 0); /* pic_order_cnt_type 0 */
    sender_ue(&b, 0);
    sender_ue(&b, 1); /* max_num_ref_frames */
    sender_bit(&b, 0);
    sender_ue(&b, (unsigned)width / 16 - 1);
    sender_ue(&b, (unsigned)height / 16 - 1);
    sender_bit(&b, 1); /* frame_mbs_only */
    sender_bit(&b, 1);
    sender_bit(&b, 0); /* no cropping */
    sender_bit(&b, 0); /* no VUI */
    sender_bit(&b, 1);
    memcpy(out, b.bytes, sizeof b.bytes);
    return (size_t)(b.at + 7) / 8;
}

static const uint8_t sender_pps[4] = {0x68, 0xce, 0x38, 0x80};

static inline void sender_init(struct sender *s, struct line *out)
{
    memset(s, 0, sizeof *s);
    s->out = out;
    s->layer_count = 1;
    s->sets_in_band = true;
    s->audio_ssrc = 500;
    s->audio_sequence = 65530;
    for (int i = 0; i < SENDER_LAYERS; i++) {
        struct sender_layer *l = &s->layers[i];
        l->on = l->key_next = true;
        l->ssrc = 1000u + (unsigned)i;
        l->rtx_ssrc = 2000u + (unsigned)i;
        l->sequence = (uint16_t)(65500 + i);
        l->timestamp_base = 4294900000u + (unsigned)i * 12345;
        l->width = 320 << i;
        l->height = 160 << i;
    }
}

static inline size_t sender_header(struct sender *s, uint8_t *out, uint8_t pt,
                                   bool marker, uint16_t sequence,
                                   uint32_t timestamp, uint32_t ssrc,
                                   int rid_id, int layer)
{
    struct rtp_writer w;
    char rid = (char)('a' + layer);
    uint8_t number[2];

    rtp_write_begin(&w, out, pt, marker, sequence, timestamp, ssrc);
    if (rid_id && s->rids) rtp_write_extension(&w, (uint8_t)rid_id, &rid, 1);
    if (s->twcc) {
        number[0] = (uint8_t)(s->twcc_number >> 8);
        number[1] = (uint8_t)s->twcc_number++;
        rtp_write_extension(&w, TWCC_ID, number, 2);
    }
    return rtp_write_end(&w);
}

static inline void sender_packet(struct sender *s, int i, bool marker,
                                 uint32_t timestamp, const uint8_t *payload,
                                 size_t len, int64_t now)
{
    struct sender_layer *l = &s->layers[i];
    struct line_packet *kept = &l->history[l->sequence % SENDER_HISTORY];
    uint8_t packet[SENDER_PACKET];
    size_t n = sender_header(s, packet, VIDEO_PT, marker, l->sequence,
                             timestamp, l->ssrc, RID_ID, i);

    kept->at = marker | (int64_t)timestamp << 1;
    kept->len = len;
    memcpy(kept->data, payload, len);
    memcpy(packet + n, payload, len);
    l->sequence++;
    line_put(s->out, now, packet, n + len);
}

/* What a frame holds: its number, over and over. */
static inline uint8_t sender_byte(uint32_t number, size_t at)
{
    return (uint8_t)(number * 31 + at * 7 + 1) | 1;
}

static inline void sender_sets(struct sender *s, int i, uint32_t timestamp,
                               int64_t now)
{
    uint8_t sps[64], stap[160] = {0x78};
    size_t n = sender_sps(sps, s->layers[i].width, s->layers[i].height);

    stap[2] = (uint8_t)n;
    memcpy(stap + 3, sps, n);
    stap[4 + n] = sizeof sender_pps;
    memcpy(stap + 5 + n, sender_pps, sizeof sender_pps);
    sender_packet(s, i, false, timestamp, stap, 5 + n + sizeof sender_pps, now);
}

/* One frame of a layer, shown at shown_us. */
static inline void sender_frame(struct sender *s, int i, int64_t shown_us,
                                int64_t now)
{
    struct sender_layer *l = &s->layers[i];
    bool key = l->key_next;
    uint32_t ts = l->timestamp_base + (uint32_t)(shown_us * 9 / 100);
    uint8_t part[1002];

    if (!l->on) return;
    if (key && s->sets_in_band) sender_sets(s, i, ts, now);
    for (int n = 0; n < SENDER_FRAME_PACKETS; n++) {
        bool last = n == SENDER_FRAME_PACKETS - 1;
        part[0] = key ? 0x7c : 0x5c;
        part[1] = (uint8_t)((key ? 5 : 1) | (n ? 0 : 0x80) | (last ? 0x40 : 0));
        for (size_t k = 0; k < 1000; k++)
            part[2 + k] = sender_byte(l->number, (size_t)n * 1000 + k);
        if (n == 0) {
            part[2] = key ? 0x88 : 0x9a;
            for (int k = 0; k < 4; k++) /* no zeros: no start codes */
                part[3 + k] = (uint8_t)(l->number >> (k * 6)) | 0x40;
        }
        sender_packet(s, i, last, ts, part, sizeof part, now);
    }
    l->keys += key;
    l->key_next = false;
    l->number++;
}

/* The number of a whole frame as sent; -1 if one byte is not as it was. */
static inline int64_t sender_check(const uint8_t *data, size_t len, bool key)
{
    uint32_t number = 0;

    if (len != 4 + 1 + 4000 || data[4] != (key ? 0x65 : 0x41)) return -1;
    data += 5;
    for (int k = 0; k < 4; k++)
        number |= (uint32_t)(data[1 + k] & 0x3f) << (k * 6);
    for (size_t k = 5; k < 4000; k++)
        if (data[k] != sender_byte(number, k)) return -1;
    return number;
}

static inline void sender_audio(struct sender *s, int64_t at_us, int64_t now)
{
    uint8_t packet[SENDER_PACKET];
    size_t n =
        sender_header(s, packet, OPUS_PT, false, s->audio_sequence++,
                      77 + (uint32_t)(at_us * 6 / 125), s->audio_ssrc, 0, 0);

    packet[n++] = 0xfc; /* CELT, 20 ms, stereo, one frame */
    packet[n++] = 1;
    packet[n++] = 2;
    line_put(s->out, now, packet, n);
}

/* Sender reports of all streams: the clock is wall_us at now. */
static inline void sender_reports(struct sender *s, int64_t at_us,
                                  int64_t wall_us, int64_t now)
{
    struct rtcp_sender_info info = {.ntp = rtp_ntp_of_wall(wall_us)};
    struct builder b;

    for (int i = -1; i < s->layer_count; i++) {
        uint32_t ssrc = i < 0 ? s->audio_ssrc : s->layers[i].ssrc;
        info.rtp_timestamp =
            i < 0 ? 77 + (uint32_t)(at_us * 6 / 125)
                  : s->layers[i].timestamp_base + (uint32_t)(at_us * 9 / 100);
        builder_init(&b, RTCP_MAX);
        rtcp_write_sr(&b, ssrc, &info, NULL, 0);
        if (!b.err) line_put(s->out, now, builder_data(&b), b.len);
        builder_release(&b);
    }
}

static inline void sender_resend(struct sender *s, int i, uint16_t sequence,
                                 int64_t now)
{
    struct sender_layer *l = &s->layers[i];
    const struct line_packet *p = &l->history[sequence % SENDER_HISTORY];
    uint8_t packet[SENDER_PACKET];
    uint32_t ts = (uint32_t)(p->at >> 1);
    size_t n;

    if ((uint16_t)(l->sequence - sequence) > SENDER_HISTORY) return;
    s->nacked++;
    if (s->rtx) {
        n = sender_header(s, packet, RTX_PT, p->at & 1, l->rtx_sequence++, ts,
                          l->rtx_ssrc, REPAIRED_ID, i);
        packet[n++] = (uint8_t)(sequence >> 8);
        packet[n++] = (uint8_t)sequence;
    } else {
        n = sender_header(s, packet, VIDEO_PT, p->at & 1, sequence, ts, l->ssrc,
                          RID_ID, i);
    }
    memcpy(packet + n, p->data, p->len);
    line_put(s->out, now, packet, n + p->len);
}

/* RTCP from the receiver. */
static inline void sender_feedback(struct sender *s, const uint8_t *data,
                                   size_t len, int64_t now)
{
    const struct rtcp_packet *p = &s->scratch;
    size_t offset = 0;

    while (!rtcp_next(data, len, &offset, &s->scratch)) {
        int i = (int)(p->media_ssrc - s->layers[0].ssrc);
        bool ours = i >= 0 && i < s->layer_count;
        s->reports += p->type == RTCP_RR && p->count > 0;
        s->remb += p->type == RTCP_REMB;
        s->feedback += p->type == RTCP_TWCC;
        if (ours && p->type == RTCP_PLI) {
            s->layers[i].plis++;
            if (!s->ignores_pli) s->layers[i].key_next = true;
        }
        for (int k = 0; ours && p->type == RTCP_NACK && k < p->count; k++)
            sender_resend(s, i, p->v.nacks[k], now);
    }
}

#endif
