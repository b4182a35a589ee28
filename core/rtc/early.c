#include "core/rtc/early.h"

#include <stdlib.h>
#include <string.h>

void early_init(struct early *e)
{
    *e = (struct early){0};
    list_init(&e->packets);
}

void early_release(struct early *e)
{
    LIST_FOREACH_SAFE (it, &e->packets)
        free(LIST_ENTRY(it, struct early_packet, node));
    early_init(e);
}

bool early_add(struct early *e, const uint8_t *data, size_t len, int64_t at,
               bool is_control)
{
    struct early_packet *p;

    if (e->count == EARLY_PACKETS || len > EARLY_BYTES - e->bytes) return false;
    p = malloc(sizeof *p + len);
    if (!p) return false;
    list_init(&p->node);
    p->at = at;
    p->is_control = is_control;
    p->len = len;
    memcpy(p->data, data, len);
    list_append(&e->packets, &p->node);
    e->count++;
    e->bytes += len;
    return true;
}

struct early_packet *early_take(struct early *e)
{
    struct early_packet *p;

    if (!e->count) return NULL;
    p = LIST_ENTRY(e->packets.next, struct early_packet, node);
    list_unlink(&p->node);
    e->count--;
    e->bytes -= p->len;
    return p;
}
