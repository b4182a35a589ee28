#include "ingest/whip/receiver.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "core/rtc/nack.h"

enum { RTT_MAX_US = 2000000 };

int whip_receiver_init(struct whip_receiver *r, uint32_t ssrc, uint32_t rate,
                       bool repairs)
{
    struct whip_receiver made = {
        .used = true, .ssrc = ssrc, .rate = rate, .repairs = repairs};
    int err = whip_jitter_create(&made.jitter);

    if (!err) err = nack_create(&made.nack, NACK_GRACE_US);
    if (err) {
        whip_jitter_free(&made.jitter);
        return err;
    }
    if (!repairs) whip_jitter_set_rtt(made.jitter, 0); /* order, no waiting */
    *r = made;
    return 0;
}

void whip_receiver_release(struct whip_receiver *r)
{
    whip_jitter_free(&r->jitter);
    nack_free(&r->nack);
    r->used = false;
}

/* Numbers jumped: what was missing before is of no use. */
static void note_restart(struct whip_receiver *r, int64_t number)
{
    const struct whip_jitter_counts *c = whip_jitter_counts(r->jitter);
    struct nack *anew;

    if (c->restarts == r->restarts) return;
    r->restarts = c->restarts;
    r->first = number - r->received;
    r->asked_to = r->probe = 0;
    if (nack_create(&anew, NACK_GRACE_US)) {
        r->repairs = false; /* without memory, without repair */
        return;
    }
    nack_free(&r->nack);
    r->nack = anew;
}

/* A.8: how unevenly packets come; those sent again say nothing of it. */
static void measure_jitter(struct whip_receiver *r, const struct rtp_packet *p,
                           int64_t at)
{
    uint32_t ticks =
        (uint32_t)(at / 1000000 * r->rate + at % 1000000 * r->rate / 1000000);
    uint32_t transit = ticks - p->timestamp, d = transit - r->transit;

    if (d > UINT32_MAX / 2) d = -d;
    if (r->transit_set && d < r->rate * 2) /* else: timestamps began anew */
        r->jitter_ticks += (d - r->jitter_ticks) / 16;
    r->transit = transit;
    r->transit_set = true;
}

static void measure_rtt(struct whip_receiver *r, int64_t number, int64_t at)
{
    int64_t took = at - r->probe_at;

    if (!r->probe || number != r->probe) return;
    r->probe = 0;
    if (took <= 0 || took > RTT_MAX_US) return;
    /* Longer may be that a request was lost: believe it slowly. The second
     * request goes by the short estimate, patience by the long one. */
    if (!r->rtt_us)
        r->rtt_us = took;
    else if (took < r->rtt_us)
        r->rtt_us = (r->rtt_us + took) / 2;
    else
        r->rtt_us += (took - r->rtt_us) / 8;
    r->rtt_spread_us += (llabs(took - r->rtt_us) - r->rtt_spread_us) / 4;
    whip_jitter_set_rtt(r->jitter, r->rtt_us + 2 * r->rtt_spread_us);
}

void whip_receiver_put(struct whip_receiver *r, const struct rtp_packet *p,
                       int64_t at, bool repaired)
{
    struct whip_packet in = {.sequence = p->sequence,
                             .timestamp = p->timestamp,
                             .marker = p->marker,
                             .arrived_at = at,
                             .payload = p->payload,
                             .len = p->payload_len};

    r->packet_at = at;
    if (!repaired) {
        r->bye = false;
        r->counts.packets++;
    }
    if (whip_jitter_put(r->jitter, &in)) {
        measure_rtt(r, in.number, at); /* too late is an answer, too */
        return;
    }
    if (!r->received) r->first = in.number;
    note_restart(r, in.number);
    if (!repaired) {
        r->received++; /* what was repaired was lost: the sender should know */
        if (in.number == whip_jitter_highest(r->jitter))
            measure_jitter(r, p, at);
    }
    if (!r->repairs) return;
    if (nack_received(r->nack, in.number, at) == NACK_RECOVERED) {
        if (in.number < r->asked_to) r->counts.recovered++;
        measure_rtt(r, in.number, at);
    }
}

bool whip_receiver_next(struct whip_receiver *r, int64_t now,
                        struct whip_packet *out)
{
    bool more = whip_jitter_next(r->jitter, now, out);
    uint64_t skipped = whip_jitter_counts(r->jitter)->skipped;

    if (skipped != r->skipped) {
        r->counts.lost += skipped - r->skipped;
        r->skipped = skipped;
        nack_forget_before(r->nack, whip_jitter_turn(r->jitter));
    }
    return more;
}

int whip_receiver_nacks(struct whip_receiver *r, int64_t now, uint16_t *out,
                        int max)
{
    int64_t highest = whip_jitter_highest(r->jitter), last;
    int n;

    if (!r->repairs) return 0;
    n = nack_pull(r->nack, now, r->rtt_us, out, max);
    nack_take_lost(r->nack, &last);
    if (!n) return 0;
    r->counts.nacked += (uint64_t)n;
    last = highest + (int16_t)(out[n - 1] - (uint16_t)highest);
    if (last >= r->asked_to) { /* asked for the first time */
        if (!r->probe || now - r->probe_at > RTT_MAX_US) {
            r->probe = last;
            r->probe_at = now;
        }
        r->asked_to = last + 1;
    }
    return n;
}

int64_t whip_receiver_deadline(const struct whip_receiver *r)
{
    int64_t due = whip_jitter_due_at(r->jitter), at = INT64_MAX;

    if (r->repairs) at = nack_deadline(r->nack);
    return due && due < at ? due : at;
}

void whip_receiver_sr(struct whip_receiver *r, uint64_t ntp, int64_t at)
{
    r->last_sr = (uint32_t)(ntp >> 16);
    r->last_sr_at = at;
}

void whip_receiver_report(struct whip_receiver *r, int64_t now,
                          struct rtcp_report *out)
{
    int64_t highest = whip_jitter_highest(r->jitter);
    uint32_t expected = (uint32_t)(highest - r->first + 1);
    uint32_t interval = expected - r->expected_prior;
    int32_t gone = (int32_t)(interval - (r->received - r->received_prior));
    int64_t since = now - r->last_sr_at;

    *out = (struct rtcp_report){.ssrc = r->ssrc,
                                .jitter = (uint32_t)r->jitter_ticks,
                                .highest_sequence = (uint32_t)(highest - 65536),
                                .last_sr = r->last_sr};
    if (interval && gone > 0)
        out->fraction_lost = gone >= (int32_t)interval
                                 ? 255
                                 : (uint8_t)((uint64_t)gone * 256 / interval);
    int64_t sum = (int64_t)expected - r->received;
    if (sum > 0x7fffff) sum = 0x7fffff;
    if (sum < -0x800000) sum = -0x800000;
    out->cumulative_lost = (int32_t)sum;
    if (r->last_sr)
        out->delay_since_last_sr = (uint32_t)(since * 65536 / 1000000);
    r->expected_prior = expected;
    r->received_prior = r->received;
}

double whip_receiver_jitter_s(const struct whip_receiver *r)
{
    return r->rate ? r->jitter_ticks / r->rate : 0;
}
