#include "transcode/pending.h"

#include <stdlib.h>

#include "core/base/err.h"

static struct pending_item *add(struct pending *p)
{
    struct pending_item *more;
    int room = p->room ? p->room * 2 : 64;

    if (p->count < p->room) return &p->items[p->count++];
    more = realloc(p->items, (size_t)room * sizeof *more);
    if (!more) return NULL;
    p->items = more;
    p->room = room;
    return &p->items[p->count++];
}

int pending_frame(struct pending *p, struct frame *f)
{
    struct pending_item *item;

    if (p->count >= PENDING_ITEMS || p->bytes + f->payload.len > PENDING_BYTES)
        return ERR_LIMIT;
    item = add(p);
    if (!item) return ERR_NOMEM;
    *item = (struct pending_item){.frame = frame_ref(f)};
    p->bytes += f->payload.len;
    return 0;
}

int pending_track(struct pending *p, struct track *t)
{
    struct pending_item *item;

    if (p->count >= PENDING_ITEMS) return ERR_LIMIT;
    item = add(p);
    if (!item) return ERR_NOMEM;
    *item = (struct pending_item){.track = track_ref(t)};
    return 0;
}

void pending_drop(struct pending *p, uint8_t track_id)
{
    int kept = 0;

    for (int i = 0; i < p->count; i++) {
        struct pending_item *item = &p->items[i];
        if (!item->frame || item->frame->track_id != track_id) {
            p->items[kept++] = *item;
            continue;
        }
        p->bytes -= item->frame->payload.len;
        frame_unref(&item->frame);
    }
    p->count = kept;
}

void pending_release(struct pending *p)
{
    for (int i = 0; i < p->count; i++) {
        frame_unref(&p->items[i].frame);
        track_unref(&p->items[i].track);
    }
    free(p->items);
    *p = (struct pending){0};
}
