#include "app/ranks.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/channel.h"

struct rank {
    char channel[CHANNEL_NAME_SIZE];
    int32_t priority;
    int64_t guarded_until; /* 0: not */
};

/* Immutable once it is in the holder. */
struct snapshot {
    atomic_uint refs;
    size_t count;
    struct rank ranks[];
};

static void *ref(void *thing)
{
    struct snapshot *s = thing;

    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static void unref(void *thing)
{
    struct snapshot *s = thing;

    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        free(s);
}

void ranks_init(struct ranks *r)
{
    holder_init(&r->snapshot, ref, unref);
}

void ranks_release(struct ranks *r)
{
    holder_release(&r->snapshot);
}

static const struct rank *find(const struct snapshot *s, const char *channel)
{
    for (size_t i = 0; s && i < s->count; i++)
        if (!strcmp(s->ranks[i].channel, channel)) return &s->ranks[i];
    return NULL;
}

/* Puts `now` in the place of what is there of its channel. */
static void change(struct ranks *r, const struct rank *now)
{
    struct snapshot *was = holder_take(&r->snapshot), *made = NULL;
    const struct rank *old = find(was, now->channel);
    size_t count = was ? was->count : 0;

    if ((old ? old->priority : 0) == now->priority &&
        (old ? old->guarded_until : 0) == now->guarded_until) {
        unref(was);
        return;
    }
    made = malloc(sizeof *made + (count + 1) * sizeof *made->ranks);
    if (made) {
        atomic_init(&made->refs, 1);
        made->count = 0;
        for (size_t i = 0; i < count; i++)
            if (&was->ranks[i] != old)
                made->ranks[made->count++] = was->ranks[i];
        if (now->priority || now->guarded_until)
            made->ranks[made->count++] = *now;
    }
    holder_put(&r->snapshot, made);
    unref(made);
    unref(was);
}

void ranks_set(struct ranks *r, const char *channel, int32_t priority)
{
    struct rank now = {.priority = priority};

    snprintf(now.channel, sizeof now.channel, "%s", channel);
    change(r, &now);
}

void ranks_guard(struct ranks *r, const char *channel, int64_t until_at)
{
    struct rank now = {.priority = ranks_of(r, channel),
                       .guarded_until = until_at};

    snprintf(now.channel, sizeof now.channel, "%s", channel);
    change(r, &now);
}

bool ranks_guarded(struct ranks *r, const char *channel, int64_t now_at)
{
    struct snapshot *s = holder_take(&r->snapshot);
    const struct rank *found = find(s, channel);
    bool is = found && now_at < found->guarded_until;

    unref(s);
    return is;
}

int32_t ranks_of(struct ranks *r, const char *channel)
{
    struct snapshot *s = holder_take(&r->snapshot);
    const struct rank *found = find(s, channel);
    int32_t priority = found ? found->priority : 0;

    unref(s);
    return priority;
}
