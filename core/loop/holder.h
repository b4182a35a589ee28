/* core/loop/holder.h — a place for one counted thing, for threads that have no
 * loop and cannot be posted to: any thread may take a reference of what is
 * there now, one puts another there. The lock is held for a few instructions.
 */
#ifndef CORE_LOOP_HOLDER_H
#define CORE_LOOP_HOLDER_H
#include <pthread.h>

struct holder {
    pthread_mutex_t lock;
    void *thing;
    void *(*ref)(void *thing);
    void (*unref)(void *thing);
};

/* Empty at first. ref returns its argument. */
void holder_init(struct holder *h, void *(*ref)(void *), void (*unref)(void *));
/* Unrefs what is there. */
void holder_release(struct holder *h);
/* Any thread: a reference, NULL while there is nothing. */
void *holder_take(struct holder *h);
/* Any thread: shares thing (NULL: empties). */
void holder_put(struct holder *h, void *thing);

#endif
