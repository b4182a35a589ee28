#include "core/loop/worker.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/loop/loop_priv.h"

enum { THREADS_MAX = 64, QUEUED_MAX = 4096 };

struct job {
    struct message done_message;
    struct job *next;
    loop_fn *run, *done;
    void *arg;
    struct loop *back;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, **last;
    int queued;
    bool stopping;
    int threads;
    pthread_t thread[THREADS_MAX];
};

static void finish(void *arg)
{
    struct job *j = arg;
    loop_fn *done = j->done;
    void *done_arg = j->arg;

    free(j);
    done(done_arg);
}

static void send_back(struct job *j)
{
    j->done_message.fn = finish;
    j->done_message.arg = j;
    loop_post_message(j->back, &j->done_message);
}

static struct job *take_job(struct workers *w)
{
    struct job *j;

    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stopping)
        pthread_cond_wait(&w->work, &w->lock);
    j = w->stopping ? NULL : w->first;
    if (j) {
        w->first = j->next;
        if (!w->first) w->last = &w->first;
        w->queued--;
    }
    pthread_mutex_unlock(&w->lock);
    return j;
}

static void *work(void *arg)
{
    struct job *j;

    while ((j = take_job(arg)) != NULL) {
        j->run(j->arg);
        send_back(j);
    }
    return NULL;
}

int workers_create(struct workers **out, int threads)
{
    struct workers *w;

    if (threads < 1 || threads > THREADS_MAX) return ERR_RANGE;
    w = calloc(1, sizeof *w);
    if (!w) return ERR_NOMEM;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    w->last = &w->first;
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&w->thread[i], NULL, work, w)) {
            workers_free(&w);
            return ERR_IO;
        }
        w->threads++;
    }
    *out = w;
    return 0;
}

void workers_free(struct workers **w)
{
    struct workers *last = *w;

    *w = NULL;
    if (!last) return;
    pthread_mutex_lock(&last->lock);
    last->stopping = true;
    pthread_cond_broadcast(&last->work);
    pthread_mutex_unlock(&last->lock);
    for (int i = 0; i < last->threads; i++)
        pthread_join(last->thread[i], NULL);
    while (last->first) {
        struct job *j = last->first;
        last->first = j->next;
        send_back(j);
    }
    pthread_cond_destroy(&last->work);
    pthread_mutex_destroy(&last->lock);
    free(last);
}

int workers_submit(struct workers *w, loop_fn *run, loop_fn *done, void *arg,
                   struct loop *back)
{
    struct job *j = malloc(sizeof *j);
    int err = 0;

    if (!j) return ERR_NOMEM;
    *j = (struct job){.run = run, .done = done, .arg = arg, .back = back};
    pthread_mutex_lock(&w->lock);
    if (w->queued >= QUEUED_MAX) {
        err = ERR_LIMIT;
    } else {
        *w->last = j;
        w->last = &j->next;
        w->queued++;
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    if (err) free(j);
    return err;
}
