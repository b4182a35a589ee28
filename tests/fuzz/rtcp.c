/* tests/fuzz/rtcp.c — compounds: whatever parses is written and parsed again,
 * and goes to those who act on it. */
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/rtc/bwe.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/twcc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct rtcp_packet packet, again; /* large */
static struct twcc_sample samples[RTCP_TWCC_MAX];

static int write_again(struct builder *b)
{
    const struct rtcp_packet *p = &packet;
    int n = p->count;

    switch (p->type) {
    case RTCP_SR:
        rtcp_write_sr(b, p->sender_ssrc, &p->sender, p->v.reports, n);
        break;
    case RTCP_RR: rtcp_write_rr(b, p->sender_ssrc, p->v.reports, n); break;
    case RTCP_NACK:
        rtcp_write_nack(b, p->sender_ssrc, p->media_ssrc, p->v.nacks, n);
        break;
    case RTCP_PLI: rtcp_write_pli(b, p->sender_ssrc, p->media_ssrc); break;
    case RTCP_REMB:
        rtcp_write_remb(b, p->sender_ssrc, p->remb_bps, p->v.ssrcs, n);
        break;
    case RTCP_TWCC:
        return rtcp_write_twcc(b, p->sender_ssrc, p->media_ssrc, p->twcc_count,
                               p->v.twcc, n);
    default: return 0;
    }
    return n;
}

static void check_again(void)
{
    struct builder b;
    size_t offset = 0;
    int n;

    builder_init(&b, RTCP_MAX);
    n = write_again(&b);
    if (b.len && !b.err) {
        INVARIANT(!rtcp_next(builder_data(&b), b.len, &offset, &again));
        INVARIANT(offset == b.len && again.type == packet.type);
        if (packet.type != RTCP_NACK) INVARIANT(again.count == n);
        if (packet.type == RTCP_TWCC)
            for (int i = 0; i < n; i++)
                INVARIANT(again.v.twcc[i].received ==
                          packet.v.twcc[i].received);
    }
    builder_release(&b);
}

static void act(struct twcc_sender *s, struct bwe *b, int64_t now)
{
    if (packet.type == RTCP_TWCC)
        bwe_samples(b, samples,
                    twcc_sender_match(s, &packet, samples, RTCP_TWCC_MAX), now);
    if (packet.type == RTCP_REMB) bwe_remb(b, packet.remb_bps, now);
    if (packet.type == RTCP_RR)
        for (int i = 0; i < packet.count; i++)
            bwe_report(
                b, packet.v.reports[i].fraction_lost,
                bwe_rtt_of_report(&packet.v.reports[i], (uint64_t)now << 32),
                now);
    bwe_tick(b, now);
    INVARIANT(bwe_estimate(b)->target_bps >= 50000 &&
              bwe_estimate(b)->target_bps <= 10000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct bwe_conf conf = {1000000, 50000, 10000000};
    struct twcc_sender *sender;
    struct bwe *b;
    uint8_t *copy = malloc(len ? len : 1);
    size_t offset = 0, before = 0;
    int64_t now = 1000000;
    int packets = 0;

    if (twcc_sender_create(&sender) || bwe_create(&b, &conf)) abort();
    for (int i = 0; i < 300; i++) {
        twcc_sender_sent(sender, 1200, i < 20, now + i * 1000);
        bwe_sent(b, 1200, now + i * 1000);
    }
    if (len) memcpy(copy, data, len);
    while (!rtcp_next(copy, len, &offset, &packet)) {
        INVARIANT(offset > before && offset <= len);
        INVARIANT(++packets <= RTCP_PACKETS_MAX);
        before = offset;
        check_again();
        act(sender, b, now += 300000);
    }
    twcc_sender_free(&sender);
    bwe_free(&b);
    free(copy);
    return 0;
}
