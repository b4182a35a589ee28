#include "core/loop/mailbox.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/err.h"

void mailbox_init(struct mailbox *m)
{
    pthread_mutex_init(&m->lock, NULL);
    m->first = NULL;
    m->last = &m->first;
    m->count = 0;
}

void mailbox_release(struct mailbox *m)
{
    INVARIANT(!m->first);
    pthread_mutex_destroy(&m->lock);
}

static int append(struct mailbox *m, struct message *msg, bool *rang)
{
    int err = 0;

    msg->next = NULL;
    pthread_mutex_lock(&m->lock);
    if (msg->is_owned && m->count >= MAILBOX_MAX) {
        err = ERR_LIMIT;
    } else {
        *rang = !m->first;
        *m->last = msg;
        m->last = &msg->next;
        m->count++;
    }
    pthread_mutex_unlock(&m->lock);
    return err;
}

int mailbox_post(struct mailbox *m, void (*fn)(void *), void *arg, bool *rang)
{
    struct message *msg = malloc(sizeof *msg);

    if (!msg) return ERR_NOMEM;
    *msg = (struct message){.fn = fn, .arg = arg, .is_owned = true};
    int err = append(m, msg, rang);
    if (err) free(msg);
    return err;
}

void mailbox_post_own(struct mailbox *m, struct message *own, bool *rang)
{
    own->is_owned = false;
    append(m, own, rang);
}

bool mailbox_drain(struct mailbox *m)
{
    struct message *msg;

    pthread_mutex_lock(&m->lock);
    msg = m->first;
    m->first = NULL;
    m->last = &m->first;
    m->count = 0;
    pthread_mutex_unlock(&m->lock);
    if (!msg) return false;
    while (msg) {
        struct message now = *msg;
        if (now.is_owned) free(msg);
        now.fn(now.arg);
        msg = now.next;
    }
    return true;
}
