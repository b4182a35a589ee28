#include "edge/upstream_local.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"

struct seat {
    struct loop *loop;
    struct edge *edge;
};

struct upstream_local {
    struct seat seats[UPSTREAM_LOOPS_MAX];
    int count;
};

struct delivery {
    struct edge *edge;
    char channel[STORE_CHANNEL_MAX + 1];
    uint64_t generation;
    struct store_event *event; /* NULL: viewers, or starving */
    int from, viewers;         /* from -1: of no loop, starving */
    bool starving;
};

int upstream_local_create(struct upstream_local **out)
{
    struct upstream_local *u = calloc(1, sizeof *u);

    if (!u) return ERR_NOMEM;
    *out = u;
    return 0;
}

void upstream_local_free(struct upstream_local **u)
{
    free(*u);
    *u = NULL;
}

int upstream_local_add(struct upstream_local *u, struct loop *l, struct edge *e)
{
    if (u->count == UPSTREAM_LOOPS_MAX) return ERR_LIMIT;
    u->seats[u->count++] = (struct seat){l, e};
    edge_set_peers(e, u);
    return 0;
}

static void deliver(void *arg)
{
    struct delivery *d = arg;

    if (d->event)
        edge_apply(d->edge, d->channel, d->generation, d->event);
    else if (d->from < 0)
        edge_note_starving(d->edge, d->channel, d->starving);
    else
        edge_note_viewers(d->edge, d->from, d->channel, d->viewers);
    store_event_unref(&d->event);
    free(d);
}

static void post(const struct seat *to, const struct delivery *what)
{
    struct delivery *d = malloc(sizeof *d);
    int err = ERR_NOMEM;

    if (d) {
        *d = *what;
        d->edge = to->edge;
        if (d->event) store_event_ref(d->event);
        err = loop_post(to->loop, deliver, d);
    }
    if (!err) return;
    log_warn("edge", "event_lost", log_i("loop", loop_index(to->loop)),
             log_s("why", err_text(err)));
    if (d) store_event_unref(&d->event);
    free(d);
}

void upstream_local_event(struct upstream_local *u, const char *channel,
                          uint64_t generation, struct store_event *event)
{
    struct delivery d = {.generation = generation, .event = event};

    if (strlen(channel) > STORE_CHANNEL_MAX) return;
    strcpy(d.channel, channel);
    for (int i = 0; i < u->count; i++)
        post(&u->seats[i], &d);
}

void upstream_local_viewers(struct upstream_local *u, int from,
                            const char *channel, int viewers)
{
    struct delivery d = {.from = from, .viewers = viewers};

    if (strlen(channel) > STORE_CHANNEL_MAX) return;
    strcpy(d.channel, channel);
    for (int i = 0; i < u->count; i++)
        if (loop_index(u->seats[i].loop) != from) post(&u->seats[i], &d);
}

void upstream_local_starving(struct upstream_local *u, const char *channel,
                             bool starving)
{
    struct delivery d = {.from = -1, .starving = starving};

    if (strlen(channel) > STORE_CHANNEL_MAX) return;
    strcpy(d.channel, channel);
    for (int i = 0; i < u->count; i++)
        post(&u->seats[i], &d);
}
