#include "ingest/whip/jitter.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum { RTT_FIRST_US = 60000, CYCLE = 65536, MASK = JITTER_PACKETS_MAX - 1 };

/* What is known of a number in [next, highest]. */
enum place { EMPTY, MISSING, HELD, DIRECT };

struct slot {
    enum place place;
    int64_t missed_at; /* MISSING: when a later one came */
    uint8_t *copy;     /* HELD: the payload, ours */
    struct whip_packet packet;
};

/*  next                      highest
 *   │ MISSING HELD HELD MISSING HELD │
 * Everything below next was given out or skipped. */
struct whip_jitter {
    bool started, lost;
    int64_t next, highest;
    int64_t hold_us;
    int held;
    size_t held_bytes;
    uint8_t *given;    /* payload of the packet next() gave last */
    int64_t strange;   /* the number that would confirm a restart */
    bool strange_seen; /* strange means something */
    struct whip_jitter_counts counts;
    struct slot slots[JITTER_PACKETS_MAX];
};

int whip_jitter_create(struct whip_jitter **out)
{
    struct whip_jitter *j = calloc(1, sizeof *j);

    if (!j) return ERR_NOMEM;
    whip_jitter_set_rtt(j, RTT_FIRST_US);
    *out = j;
    return 0;
}

static struct slot *slot_of(struct whip_jitter *j, int64_t number)
{
    return &j->slots[number & MASK];
}

static void clear(struct whip_jitter *j, struct slot *s)
{
    if (s->place == HELD) {
        j->held--;
        j->held_bytes -= s->packet.len;
    }
    free(s->copy);
    *s = (struct slot){0};
}

void whip_jitter_free(struct whip_jitter **out)
{
    struct whip_jitter *j = *out;

    *out = NULL;
    if (!j) return;
    for (int i = 0; i < JITTER_PACKETS_MAX; i++)
        clear(j, &j->slots[i]);
    free(j->given);
    free(j);
}

void whip_jitter_set_rtt(struct whip_jitter *j, int64_t rtt_us)
{
    int64_t hold = 2 * rtt_us + JITTER_HOLD_MIN_US;

    if (hold < JITTER_HOLD_MIN_US) hold = JITTER_HOLD_MIN_US;
    if (hold > JITTER_HOLD_MAX_US) hold = JITTER_HOLD_MAX_US;
    j->hold_us = hold;
}

/* --- in --- */

static void restart(struct whip_jitter *j, int64_t number)
{
    for (int i = 0; i < JITTER_PACKETS_MAX; i++)
        clear(j, &j->slots[i]);
    j->lost = j->started;
    j->next = number;
    j->highest = number - 1;
    j->started = true;
    j->strange_seen = false;
}

/* The number nearest to the highest so far. */
static int64_t extend(const struct whip_jitter *j, uint16_t sequence)
{
    if (!j->started) return CYCLE + sequence;
    return j->highest + (int16_t)(sequence - (uint16_t)j->highest);
}

/* Far from all others: a sender that began anew, if the next one goes on from
 * here (RFC 3550 A.1); it may lie ahead as well as behind. True: it did. */
static bool is_restart(struct whip_jitter *j, int64_t number)
{
    bool confirmed =
        j->strange_seen && (uint16_t)number == (uint16_t)j->strange;

    j->strange = number + 1;
    j->strange_seen = !confirmed;
    return confirmed;
}

static int keep(struct whip_jitter *j, const struct whip_packet *p)
{
    struct slot *s = slot_of(j, p->number);
    uint8_t *copy = NULL;

    if (p->number == j->next) {
        *s = (struct slot){.place = DIRECT, .packet = *p};
    } else {
        if (p->len) {
            copy = malloc(p->len);
            if (!copy) return ERR_NOMEM;
            memcpy(copy, p->payload, p->len);
        }
        *s = (struct slot){.place = HELD, .copy = copy, .packet = *p};
        s->packet.payload = copy;
        j->held++;
        j->held_bytes += p->len;
    }
    return 0;
}

/* Makes sure that number has a place in the window. 0 or ERR_RANGE. */
static int make_room(struct whip_jitter *j, int64_t *number)
{
    bool behind = *number < j->next;

    if (!j->started) {
        restart(j, *number);
        return 0;
    }
    if (*number - j->next < JITTER_PACKETS_MAX &&
        j->next - *number <= JITTER_PACKETS_MAX)
        return behind ? ERR_RANGE : 0;
    if (behind && !is_restart(j, *number)) return ERR_RANGE;
    if (behind) *number += CYCLE; /* report's numbers only grow */
    j->counts.restarts++;
    restart(j, *number);
    return 0;
}

int whip_jitter_put(struct whip_jitter *j, struct whip_packet *p)
{
    int64_t number = extend(j, p->sequence);
    const struct slot missing = {.place = MISSING, .missed_at = p->arrived_at};
    int err = make_room(j, &number);

    p->number = number;
    if (err) {
        j->counts.late++;
        return err;
    }
    if (slot_of(j, number)->place >= HELD) {
        j->counts.duplicate++;
        return ERR_EXISTS;
    }
    for (int64_t n = j->highest + 1; n <= number; n++)
        *slot_of(j, n) = missing;
    if (number < j->highest) j->counts.reordered++;
    if (number > j->highest) j->highest = number;
    err = keep(j, p);
    if (!err) j->counts.received++;
    return err;
}

/* --- out --- */

/* A direct packet that was not asked for in time would point nowhere: next()
 * is asked right after put(), so there is at most one, and at `next`. */
static void give(struct whip_jitter *j, struct slot *s, struct whip_packet *out)
{
    *out = s->packet;
    out->lost = j->lost;
    j->lost = false;
    if (s->place == HELD) {
        j->held--;
        j->held_bytes -= s->packet.len;
    }
    j->given = s->copy;
    *s = (struct slot){0};
    j->next++;
}

static bool may_skip(const struct whip_jitter *j, const struct slot *s,
                     int64_t now)
{
    return now - s->missed_at >= j->hold_us ||
           j->held_bytes > JITTER_BYTES_MAX ||
           j->highest - j->next >= JITTER_PACKETS_MAX * 3 / 4;
}

bool whip_jitter_next(struct whip_jitter *j, int64_t now,
                      struct whip_packet *out)
{
    free(j->given);
    j->given = NULL;
    while (j->started && j->next <= j->highest) {
        struct slot *s = slot_of(j, j->next);
        if (s->place >= HELD) {
            give(j, s, out);
            return true;
        }
        if (!may_skip(j, s, now)) return false;
        clear(j, s);
        j->counts.skipped++;
        j->lost = true;
        j->next++;
    }
    return false;
}

/* --- questions --- */

int64_t whip_jitter_due_at(const struct whip_jitter *j)
{
    const struct slot *s = &j->slots[j->next & MASK];

    if (!j->started || j->next > j->highest) return 0;
    return s->place == MISSING ? s->missed_at + j->hold_us : 1;
}

bool whip_jitter_is_missing(const struct whip_jitter *j, uint16_t sequence)
{
    int64_t number = extend(j, sequence);

    return j->started && number >= j->next && number <= j->highest &&
           j->slots[number & MASK].place == MISSING;
}

int64_t whip_jitter_highest(const struct whip_jitter *j)
{
    return j->started ? j->highest : 0;
}

int64_t whip_jitter_turn(const struct whip_jitter *j)
{
    return j->next;
}

const struct whip_jitter_counts *whip_jitter_counts(const struct whip_jitter *j)
{
    return &j->counts;
}
