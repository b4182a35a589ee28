#include "core/rtc/twcc.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rtc/rtp.h"

enum { SLOT_MASK = TWCC_WINDOW - 1 };

/* --- receiving --- */

struct twcc_recorder {
    struct rtp_unwrap16 unwrap;
    bool started;
    int64_t next;    /* the first number that feedback has not covered */
    int64_t highest; /* of what was received */
    int64_t due_at;  /* INT64_MAX: nothing to say */
    uint8_t feedbacks;
    int64_t arrivals[TWCC_WINDOW]; /* of highest and those before; -1: none */
};

int twcc_recorder_create(struct twcc_recorder **out)
{
    struct twcc_recorder *r = calloc(1, sizeof *r);

    if (!r) return ERR_NOMEM;
    r->due_at = INT64_MAX;
    *out = r;
    return 0;
}

void twcc_recorder_free(struct twcc_recorder **r)
{
    free(*r);
    *r = NULL;
}

/* The window's end moves to number n. */
static void advance(struct twcc_recorder *r, int64_t n)
{
    if (!r->started || n - r->highest >= TWCC_WINDOW) {
        for (int i = 0; i < TWCC_WINDOW; i++)
            r->arrivals[i] = -1;
        r->next = n;
    } else {
        for (int64_t i = r->highest + 1; i <= n; i++)
            r->arrivals[i & SLOT_MASK] = -1;
    }
    if (n - r->next >= TWCC_WINDOW) r->next = n - TWCC_WINDOW + 1;
    r->started = true;
    r->highest = n;
}

void twcc_recorder_received(struct twcc_recorder *r, uint16_t number,
                            int64_t at)
{
    int64_t n = rtp_unwrap16(&r->unwrap, number);

    if (!r->started || n > r->highest) advance(r, n);
    if (r->highest - n >= TWCC_WINDOW || r->arrivals[n & SLOT_MASK] >= 0)
        return;
    r->arrivals[n & SLOT_MASK] = at;
    /* Late, and said to be lost: say all from there once more. */
    if (n < r->next) r->next = n;
    if (r->due_at == INT64_MAX) r->due_at = at + TWCC_INTERVAL_US;
}

int64_t twcc_recorder_deadline(const struct twcc_recorder *r)
{
    return r->due_at;
}

bool twcc_recorder_write(struct twcc_recorder *r, struct builder *b,
                         uint32_t ssrc, uint32_t media)
{
    struct rtcp_twcc_status statuses[TWCC_WINDOW];
    int count = 0, written;

    if (r->due_at == INT64_MAX) return false;
    for (int64_t n = r->next; n <= r->highest; n++, count++) {
        int64_t at = r->arrivals[n & SLOT_MASK];

        statuses[count] =
            (struct rtcp_twcc_status){(uint16_t)n, at >= 0, at >= 0 ? at : 0};
    }
    written = rtcp_write_twcc(b, ssrc, media, r->feedbacks, statuses, count);
    if (!written || b->err) return false;
    r->feedbacks++;
    r->next += written;
    if (r->next > r->highest) r->due_at = INT64_MAX;
    return true;
}

/* --- sending --- */

enum fate {
    NEVER_SENT,
    IN_FLIGHT,
    UNHEARD, /* feedback that should have told is itself lost */
    LOST,
    ARRIVED,
};

/* Eight bytes, since every viewer has thousands of them. */
struct slot {
    uint32_t sent_low; /* of the instant: whole again by the newest's */
    uint16_t bytes;
    uint8_t probe;
    uint8_t fate;
};

struct twcc_sender {
    int64_t next;   /* number of the next packet */
    int64_t oldest; /* all below are not in flight */
    int64_t in_flight_bytes;
    int64_t sent_at; /* of the newest */
    bool timed;
    int64_t last_arrival; /* unwrapped */
    struct slot slots[TWCC_WINDOW];
};

int twcc_sender_create(struct twcc_sender **out)
{
    struct twcc_sender *s = calloc(1, sizeof *s);

    if (!s) return ERR_NOMEM;
    s->next = s->oldest = 1 << 16;
    *out = s;
    return 0;
}

void twcc_sender_free(struct twcc_sender **s)
{
    free(*s);
    *s = NULL;
}

static void settle(struct twcc_sender *s, struct slot *slot, enum fate fate)
{
    if (slot->fate == IN_FLIGHT) s->in_flight_bytes -= slot->bytes;
    slot->fate = (uint8_t)fate;
}

/* Nothing more will be heard of those before n. */
static void settle_before(struct twcc_sender *s, int64_t n)
{
    for (; s->oldest < n; s->oldest++) {
        struct slot *slot = &s->slots[s->oldest & SLOT_MASK];

        if (slot->fate == IN_FLIGHT) settle(s, slot, UNHEARD);
    }
}

uint16_t twcc_sender_sent(struct twcc_sender *s, size_t bytes, uint8_t probe,
                          int64_t now)
{
    uint16_t size = bytes > UINT16_MAX ? UINT16_MAX : (uint16_t)bytes;

    settle_before(s, s->next - TWCC_WINDOW + 1);
    s->sent_at = now;
    s->slots[s->next & SLOT_MASK] =
        (struct slot){(uint32_t)now, size, probe, IN_FLIGHT};
    s->in_flight_bytes += size;
    return (uint16_t)s->next++;
}

/* The reference time has 24 bits of 64 ms: 12 days. */
static int64_t unwrap_arrival(struct twcc_sender *s, int64_t at)
{
    const int64_t span = INT64_C(64000) << 24;
    int64_t ahead;

    if (s->timed) {
        ahead = (at - s->last_arrival) % span;
        if (ahead >= span / 2) ahead -= span;
        if (ahead < -span / 2) ahead += span;
        at = s->last_arrival + ahead;
    }
    s->timed = true;
    s->last_arrival = at;
    return at;
}

/* A slot is younger than the 71 minutes in which its instant would repeat, or
 * of a pause so long that its feedback will not come. */
static int64_t sent_at(const struct twcc_sender *s, const struct slot *slot)
{
    return s->sent_at - (uint32_t)((uint32_t)s->sent_at - slot->sent_low);
}

int twcc_sender_match(struct twcc_sender *s, const struct rtcp_packet *feedback,
                      struct twcc_sample *out, int max)
{
    const struct rtcp_twcc_status *status = feedback->v.twcc;
    int count = 0;

    for (int i = 0; i < feedback->count && count < max; i++) {
        /* The nearest number that was sent already. */
        uint16_t behind = (uint16_t)((uint16_t)s->next - status[i].sequence);
        int64_t n = s->next - (behind ? behind : 1 << 16);
        struct slot *slot = &s->slots[n & SLOT_MASK];

        if (s->next - n > TWCC_WINDOW) continue;
        if (i == 0) settle_before(s, n);
        if (slot->fate == NEVER_SENT || slot->fate == ARRIVED) continue;
        if (!status[i].received && slot->fate == LOST) continue;
        out[count++] = (struct twcc_sample){
            .sent_at = sent_at(s, slot),
            .arrived_at = status[i].received
                              ? unwrap_arrival(s, status[i].arrival_us)
                              : 0,
            .bytes = slot->bytes,
            .probe = slot->probe,
            .lost = !status[i].received,
        };
        settle(s, slot, status[i].received ? ARRIVED : LOST);
    }
    return count;
}

int64_t twcc_sender_in_flight(const struct twcc_sender *s)
{
    return s->in_flight_bytes;
}
