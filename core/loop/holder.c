#include "core/loop/holder.h"

#include <stddef.h>

void holder_init(struct holder *h, void *(*ref)(void *), void (*unref)(void *))
{
    pthread_mutex_init(&h->lock, NULL);
    h->thing = NULL;
    h->ref = ref;
    h->unref = unref;
}

void holder_release(struct holder *h)
{
    holder_put(h, NULL);
    pthread_mutex_destroy(&h->lock);
}

void *holder_take(struct holder *h)
{
    void *thing;

    pthread_mutex_lock(&h->lock);
    thing = h->thing ? h->ref(h->thing) : NULL;
    pthread_mutex_unlock(&h->lock);
    return thing;
}

void holder_put(struct holder *h, void *thing)
{
    void *old, *mine = thing ? h->ref(thing) : NULL;

    pthread_mutex_lock(&h->lock);
    old = h->thing;
    h->thing = mine;
    pthread_mutex_unlock(&h->lock);
    if (old) h->unref(old);
}
