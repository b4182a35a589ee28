/* core/loop/mailbox.h — an ordered, bounded queue of calls from any thread to
 * one. Posting takes a lock for a few instructions; the owner takes all at
 * once. Bound: MAILBOX_MAX messages; policy: refuse. */
#ifndef CORE_LOOP_MAILBOX_H
#define CORE_LOOP_MAILBOX_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { MAILBOX_MAX = 65536 };

struct message {
    struct message *next;
    void (*fn)(void *arg);
    void *arg;
    bool is_owned; /* malloc'ed here: freed before fn is called */
};

struct mailbox {
    pthread_mutex_t lock;
    struct message *first, **last;
    size_t count;
};

void mailbox_init(struct mailbox *m);
void mailbox_release(struct mailbox *m); /* must be empty */

/* Any thread. *rang: the box was empty before, its owner must be woken.
 * 0, ERR_LIMIT or ERR_NOMEM. */
int mailbox_post(struct mailbox *m, void (*fn)(void *), void *arg, bool *rang);
/* The caller's own message, alive until its fn is called; beyond the bound. */
void mailbox_post_own(struct mailbox *m, struct message *own, bool *rang);
/* Calls what was there at the beginning, in order; true if anything was. */
bool mailbox_drain(struct mailbox *m);

#endif
