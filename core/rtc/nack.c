#include "core/rtc/nack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum { RTT_UNKNOWN_US = 100000, GRACE_MAX_US = 1000000 };

struct missing {
    int64_t sequence;
    int64_t due_at;
    int tries;
};

struct nack {
    int64_t grace_us;
    bool started;
    int64_t highest; /* of what was received */
    int64_t floor;   /* nothing below is wanted */
    int64_t last_lost;
    int lost; /* since the last nack_take_lost() */
    int count;
    struct missing list[NACK_LIST_MAX]; /* ascending */
};

int nack_create(struct nack **out, int64_t grace_us)
{
    struct nack *n;

    if (grace_us < 0 || grace_us > GRACE_MAX_US) return ERR_RANGE;
    n = calloc(1, sizeof *n);
    if (!n) return ERR_NOMEM;
    n->grace_us = grace_us;
    *out = n;
    return 0;
}

void nack_free(struct nack **n)
{
    free(*n);
    *n = NULL;
}

/* The first entry whose number is at least `sequence`. */
static int find_from(const struct nack *n, int64_t sequence)
{
    int low = 0, high = n->count;

    while (low < high) {
        int middle = (low + high) / 2;

        if (n->list[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void drop_first(struct nack *n, int count)
{
    n->count -= count;
    memmove(n->list, n->list + count, (size_t)n->count * sizeof n->list[0]);
}

static void lose_first(struct nack *n, int count)
{
    if (!count) return;
    n->last_lost = n->list[count - 1].sequence;
    n->lost += count;
    drop_first(n, count);
}

/* Numbers from `from` to below `to` have been stepped over. */
static void note_gap(struct nack *n, int64_t from, int64_t to, int64_t now)
{
    int64_t room;

    lose_first(n, find_from(n, to - NACK_AGE_MAX));
    if (from < n->floor) from = n->floor;
    if (from >= to) return;
    if (to - from > NACK_LIST_MAX) {
        int64_t skipped = to - from - NACK_LIST_MAX;

        lose_first(n, n->count);
        from += skipped;
        n->last_lost = from - 1;
        n->lost += (int)skipped;
    }
    room = NACK_LIST_MAX - n->count;
    if (to - from > room) lose_first(n, (int)(to - from - room));
    for (; from < to; from++)
        n->list[n->count++] = (struct missing){from, now + n->grace_us, 0};
}

enum nack_arrival nack_received(struct nack *n, int64_t sequence, int64_t now)
{
    int at;

    if (!n->started || sequence > n->highest) {
        if (n->started) note_gap(n, n->highest + 1, sequence, now);
        n->started = true;
        n->highest = sequence;
        return NACK_FIRST;
    }
    at = find_from(n, sequence);
    if (at == n->count || n->list[at].sequence != sequence) return NACK_STALE;
    n->count--;
    memmove(n->list + at, n->list + at + 1,
            (size_t)(n->count - at) * sizeof n->list[0]);
    return NACK_RECOVERED;
}

void nack_forget_before(struct nack *n, int64_t sequence)
{
    if (sequence > n->floor) n->floor = sequence;
    drop_first(n, find_from(n, sequence));
}

int nack_pull(struct nack *n, int64_t now, int64_t rtt_us, uint16_t *out,
              int max)
{
    int64_t again = rtt_us > 0 ? rtt_us : RTT_UNKNOWN_US;
    int asked = 0, kept = 0;

    if (again < NACK_RTT_MIN_US) again = NACK_RTT_MIN_US;
    for (int i = 0; i < n->count; i++) {
        struct missing m = n->list[i];

        if (m.due_at <= now && m.tries == NACK_TRIES_MAX) {
            n->last_lost = m.sequence;
            n->lost++;
            continue;
        }
        if (m.due_at <= now && asked < max) {
            out[asked++] = (uint16_t)m.sequence;
            m.tries++;
            m.due_at = now + again;
        }
        n->list[kept++] = m;
    }
    n->count = kept;
    return asked;
}

int64_t nack_deadline(const struct nack *n)
{
    int64_t due = INT64_MAX;

    for (int i = 0; i < n->count; i++)
        if (n->list[i].due_at < due) due = n->list[i].due_at;
    return due;
}

int nack_take_lost(struct nack *n, int64_t *last)
{
    int lost = n->lost;

    if (lost) *last = n->last_lost;
    n->lost = 0;
    return lost;
}

int nack_missing(const struct nack *n)
{
    return n->count;
}
