#include "edge/history.h"

#include <stdlib.h>

#include "core/base/err.h"

void history_init(struct history *h, uint32_t timescale, bool is_video)
{
    *h = (struct history){
        .first = 1,
        .next = 1,
        .timescale = timescale,
        .is_video = is_video,
    };
}

static void unit_free(struct unit *u)
{
    frame_unref(&u->frame);
    packet_sets_unref(&u->sets);
    free(u->packets);
    free(u);
}

static void drop_oldest(struct history *h)
{
    struct unit *u = h->ring[h->first % HISTORY_UNITS];

    if (u->number == h->newest_key) h->newest_key = 0;
    h->first++;
    unit_free(u);
}

void history_release(struct history *h)
{
    while (h->first < h->next)
        drop_oldest(h);
    free(h->ring);
    history_init(h, h->timescale, h->is_video);
}

struct unit *history_find(const struct history *h, uint64_t number)
{
    if (number < h->first || number >= h->next) return NULL;
    return h->ring[number % HISTORY_UNITS];
}

struct unit *history_newest(const struct history *h)
{
    return history_find(h, h->next - 1);
}

uint64_t history_bytes_from(const struct history *h, uint64_t number)
{
    if (number < h->first) number = h->first;
    const struct unit *u = history_find(h, number);
    return u ? h->bytes - u->offset : 0;
}

/* Is the oldest unit older than it may become? */
static bool is_over(const struct history *h, int64_t now_us)
{
    const struct unit *oldest = history_find(h, h->first);
    int64_t age = oldest ? now_us - oldest->pts_us : 0;

    if (!oldest) return false;
    if (h->next - h->first >= HISTORY_UNITS) return true;
    if (age <= HISTORY_US) return false;
    if (h->newest_key != h->first) return true;
    return age > HISTORY_GOP_US ||
           h->bytes - oldest->offset > HISTORY_GOP_BYTES;
}

int history_push(struct history *h, struct frame *f,
                 const struct packet_sets *sets)
{
    struct unit *u = calloc(1, sizeof *u);
    int64_t scale = h->timescale;

    if (!u) return ERR_NOMEM;
    if (!h->ring) h->ring = calloc(HISTORY_UNITS, sizeof(struct unit *));
    if (!h->ring) {
        free(u);
        return ERR_NOMEM;
    }
    u->is_video = h->is_video;
    u->key = f->flags & FRAME_KEY;
    u->pts = f->pts;
    u->pts_us = f->pts / scale * 1000000 + f->pts % scale * 1000000 / scale;
    u->offset = h->bytes;
    u->frame = frame_ref(f);
    if (u->is_video && u->key && sets) u->sets = packet_sets_ref(sets);
    while (is_over(h, u->pts_us))
        drop_oldest(h);
    u->number = h->next++;
    h->ring[u->number % HISTORY_UNITS] = u;
    h->bytes += f->payload.len;
    if (u->is_video && u->key) h->newest_key = u->number;
    return 0;
}

const struct packets *history_packets(struct unit *u)
{
    if (u->packets || u->refused) return u->packets;
    int err = u->is_video ? packets_of_h264(&u->packets, u->frame->payload,
                                            u->sets.units.len ? &u->sets : NULL)
                          : packets_of_opus(&u->packets, u->frame->payload);
    u->refused = err && err != ERR_NOMEM;
    return u->packets;
}

uint32_t history_rate_bps(const struct history *h)
{
    const struct unit *oldest = history_find(h, h->first);
    const struct unit *newest = history_newest(h);

    if (!oldest || newest->pts_us - oldest->pts_us < 500000) return 0;
    uint64_t bytes = newest->offset - oldest->offset;
    int64_t bps = (int64_t)(bytes * 8000000 /
                            (uint64_t)(newest->pts_us - oldest->pts_us));
    return bps > UINT32_MAX ? UINT32_MAX : (uint32_t)bps;
}
