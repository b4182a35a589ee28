#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/rtc/desk_priv.h"

/* How soon a full mailbox is tried again. */
#define RETRY_US 10000LL

/* A request on its way to the session's loop, and its reply on the way back.
 *
 *   from's loop ─ desk_errand_send() ─► to's loop: carry_out()
 *        ▲                                  │ full: stuck, tried again
 *        └────────── come_back() ◄──────────┘
 *
 * x is touched on from's loop only and is NULL once the client has gone away.
 * from and to become NULL when their desk is freed, which happens when no loop
 * runs any more. */
struct errand {
    struct list node;  /* from->sent */
    struct list stuck; /* to->stuck */
    struct rtc_desk *from, *to;
    struct exchange *x;
    struct desk_request request;
    struct desk_reply reply;
    char *content_type, *if_match;
    char id[DESK_ID_MAX];
};

static void errand_free(struct errand *e)
{
    list_unlink(&e->node);
    list_unlink(&e->stuck);
    slice_unref(&e->request.body);
    buf_unref(&e->reply.body);
    free(e->content_type);
    free(e->if_match);
    free(e);
}

static void on_gone(void *arg)
{
    ((struct errand *)arg)->x = NULL;
}

static void come_back(void *arg)
{
    struct errand *e = arg;

    if (e->from && e->x) desk_send_reply(e->x, &e->reply);
    errand_free(e);
}

static void carry_out(void *arg)
{
    struct errand *e = arg;

    if (!e->from) {
        errand_free(e);
        return;
    }
    if (e->to)
        desk_session_handle(e->to, &e->request, &e->reply);
    else
        desk_reply_set(&e->reply, 503, "The server is going down.");
    if (!loop_post(e->from->loop, come_back, e) || !e->to) return;
    list_append(&e->to->stuck, &e->stuck);
    if (!timer_is_set(&e->to->unstick))
        timer_set(&e->to->unstick, loop_now(e->to->loop) + RETRY_US);
}

static void on_unstick(void *arg)
{
    struct rtc_desk *d = arg;

    LIST_FOREACH_SAFE (node, &d->stuck) {
        struct errand *e = LIST_ENTRY(node, struct errand, stuck);
        list_unlink(&e->stuck); /* once posted, it is the other loop's */
        if (!loop_post(e->from->loop, come_back, e)) continue;
        list_append(&d->stuck, &e->stuck);
        break;
    }
    if (!list_is_empty(&d->stuck))
        timer_set(&d->unstick, loop_now(d->loop) + RETRY_US);
}

static struct errand *errand_create(const struct desk_request *q)
{
    struct errand *e = calloc(1, sizeof *e);

    if (!e) return NULL;
    list_init(&e->node);
    list_init(&e->stuck);
    e->request = *q;
    e->request.body = slice_ref(q->body);
    snprintf(e->id, sizeof e->id, "%s", q->id);
    e->request.id = e->id;
    if (q->content_type) e->content_type = strdup(q->content_type);
    if (q->if_match) e->if_match = strdup(q->if_match);
    e->request.content_type = e->content_type;
    e->request.if_match = e->if_match;
    if (!e->content_type != !q->content_type || !e->if_match != !q->if_match) {
        errand_free(e);
        return NULL;
    }
    return e;
}

void desk_errand_send(struct rtc_desk *d, struct rtc_desk *to,
                      struct exchange *x, const struct desk_request *q)
{
    struct errand *e = errand_create(q);

    if (e) {
        e->from = d;
        e->to = to;
        e->x = x;
        list_append(&d->sent, &e->node);
    }
    if (!e || loop_post(to->loop, carry_out, e)) {
        if (e) errand_free(e);
        desk_say(x, 503, 1, NULL, "Overloaded: try again.");
        return;
    }
    exchange_on_abort(x, on_gone, e);
}

void desk_errands_init(struct rtc_desk *d)
{
    list_init(&d->sent);
    list_init(&d->stuck);
    timer_init(&d->unstick, d->loop, on_unstick, d);
}

void desk_errands_release(struct rtc_desk *d)
{
    timer_cancel(&d->unstick);
    LIST_FOREACH_SAFE (node, &d->stuck)
        errand_free(LIST_ENTRY(node, struct errand, stuck));
    for (int i = 0; i < DESK_LOOPS_MAX; i++) {
        struct rtc_desk *p = d->peers[i];
        if (!p || p == d) continue;
        p->peers[loop_index(d->loop)] = NULL;
        LIST_FOREACH (node, &p->sent) {
            struct errand *e = LIST_ENTRY(node, struct errand, node);
            if (e->to == d) e->to = NULL;
        }
    }
    LIST_FOREACH_SAFE (node, &d->sent) {
        struct errand *e = LIST_ENTRY(node, struct errand, node);
        list_unlink(&e->node);
        e->from = NULL;
    }
}
