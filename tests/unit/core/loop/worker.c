#include "tests/harness.h"

#include <pthread.h>

#include "core/base/err.h"
#include "core/loop/worker.h"

struct task {
    struct loop *l;
    pthread_t main;
    int ran, ran_here, done, done_elsewhere, *left;
};

static void run(void *arg)
{
    struct task *t = arg;

    t->ran++;
    t->ran_here = pthread_equal(t->main, pthread_self());
}

static void done(void *arg)
{
    struct task *t = arg;

    t->done++;
    t->done_elsewhere = !pthread_equal(t->main, pthread_self());
    if (--*t->left == 0) loop_stop(t->l);
}

static void test_runs_away_and_reports_back(void **state)
{
    enum { N = 100 };
    struct task tasks[N];
    struct workers *w;
    struct loop *l;
    int left = N;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    assert_int_equal(workers_create(&w, 0), ERR_RANGE);
    assert_int_equal(workers_create(&w, 3), 0);
    for (int i = 0; i < N; i++) {
        tasks[i] = (struct task){.l = l, .main = pthread_self(), .left = &left};
        if (workers_submit(w, run, done, &tasks[i], l)) left--;
    }
    loop_run(l);
    for (int i = 0; i < N; i++) {
        assert_int_equal(tasks[i].ran, 1);
        assert_int_equal(tasks[i].done, 1);
        assert_false(tasks[i].ran_here);
        assert_false(tasks[i].done_elsewhere);
    }
    workers_free(&w);
    loop_free(&l);
}

static void test_what_was_queued_still_reports(void **state)
{
    enum { N = 500 };
    static struct task tasks[N];
    struct workers *w;
    struct loop *l;
    int left = N, submitted = 0, reported = 0;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    assert_int_equal(workers_create(&w, 1), 0);
    for (int i = 0; i < N; i++) {
        tasks[i] = (struct task){.l = l, .main = pthread_self(), .left = &left};
        submitted += workers_submit(w, run, done, &tasks[i], l) == 0;
    }
    workers_free(&w);
    loop_run_once(l);
    for (int i = 0; i < N; i++)
        reported += tasks[i].done;
    assert_int_equal(reported, submitted);
    loop_free(&l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_runs_away_and_reports_back),
    cmocka_unit_test(test_what_was_queued_still_reports),
};
HARNESS_MAIN(tests)
