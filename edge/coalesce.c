#include "edge/coalesce.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/server.h"

/* Deadlines are in order of arrival, so one timer for the first will do. */
struct queue {
    struct list node;
    struct coalesce *owner;
    struct coalesce_key key;
    struct list waiting; /* exchange_node() */
    struct timer timer;
};

void coalesce_init(struct coalesce *c, struct loop *l, int64_t span_us,
                   coalesce_answer *timed_out, void *arg)
{
    *c = (struct coalesce){
        .loop = l, .span_us = span_us, .timed_out = timed_out, .arg = arg};
    list_init(&c->queues);
}

static void queue_free(struct queue *q)
{
    list_unlink(&q->node);
    q->owner->queue_count--;
    timer_cancel(&q->timer);
    free(q);
}

static struct exchange *first(struct queue *q)
{
    if (list_is_empty(&q->waiting)) return NULL;
    return exchange_of_node(q->waiting.next);
}

static void detach(struct exchange *x)
{
    list_unlink(exchange_node(x));
}

static void on_deadline(void *arg)
{
    struct queue *q = arg;
    struct coalesce *c = q->owner;
    struct coalesce_key key = q->key;
    int64_t late = loop_now(c->loop) - c->span_us;
    struct list due;

    list_init(&due);
    while (first(q) && exchange_started_at(first(q)) <= late) {
        struct list *node = q->waiting.next;

        list_unlink(node);
        list_append(&due, node);
    }
    if (first(q))
        timer_set(&q->timer, exchange_started_at(first(q)) + c->span_us);
    else
        queue_free(q);
    /* Answering may start the next request, so the queue is settled first. */
    while (!list_is_empty(&due)) {
        struct exchange *x = exchange_of_node(due.next);

        detach(x);
        c->timed_out(x, &key, c->arg);
    }
}

static struct queue *find(struct coalesce *c, const struct coalesce_key *key)
{
    LIST_FOREACH (node, &c->queues) {
        struct queue *q = LIST_ENTRY(node, struct queue, node);

        if (q->key.kind == key->kind && q->key.msn == key->msn &&
            q->key.part == key->part)
            return q;
    }
    return NULL;
}

static struct queue *add(struct coalesce *c, const struct coalesce_key *key)
{
    struct queue *q;

    q = calloc(1, sizeof *q);
    if (!q) return NULL;
    q->owner = c;
    q->key = *key;
    list_init(&q->waiting);
    timer_init(&q->timer, c->loop, on_deadline, q);
    list_append(&c->queues, &q->node);
    c->queue_count++;
    return q;
}

/* Its queue, left empty, goes with its timer. */
static void on_abort(void *arg)
{
    detach(arg);
}

int coalesce_wait(struct coalesce *c, const struct coalesce_key *key,
                  struct exchange *x)
{
    struct queue *q = find(c, key);

    if (!q) {
        if (c->queue_count == COALESCE_QUEUES_MAX) return ERR_LIMIT;
        q = add(c, key);
    }
    if (!q) return ERR_NOMEM;
    list_append(&q->waiting, exchange_node(x));
    exchange_on_abort(x, on_abort, x);
    if (!timer_is_set(&q->timer))
        timer_set(&q->timer, exchange_started_at(x) + c->span_us);
    return 0;
}

static void answer_all(struct queue *q, coalesce_answer *answer)
{
    struct coalesce *c = q->owner;
    struct coalesce_key key = q->key;
    struct list mine;

    list_init(&mine);
    list_splice(&mine, &q->waiting);
    queue_free(q);
    while (!list_is_empty(&mine)) {
        struct exchange *x = exchange_of_node(mine.next);

        detach(x);
        answer(x, &key, c->arg);
    }
}

/* An answered viewer may ask again at once and add queues at the end; those
 * are looked at too, and are not ready. */
void coalesce_wake(struct coalesce *c, coalesce_ready *ready,
                   coalesce_answer *answer)
{
    struct queue *q;

    do {
        q = NULL;
        LIST_FOREACH (node, &c->queues) {
            struct queue *candidate = LIST_ENTRY(node, struct queue, node);

            if (!ready(&candidate->key, c->arg)) continue;
            q = candidate;
            break;
        }
        if (q) answer_all(q, answer);
    } while (q);
}

void coalesce_release(struct coalesce *c, coalesce_answer *answer)
{
    while (!list_is_empty(&c->queues))
        /* The analyser cannot see that queue_free() unlinks. */
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        answer_all(LIST_ENTRY(c->queues.next, struct queue, node), answer);
}

int coalesce_count(const struct coalesce *c)
{
    int n = 0;

    LIST_FOREACH (node, &c->queues) {
        struct queue *q = LIST_ENTRY(node, struct queue, node);
        LIST_FOREACH (waiter, &q->waiting)
            n++;
    }
    return n;
}
