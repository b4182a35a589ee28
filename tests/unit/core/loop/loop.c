#include "tests/harness.h"

#include <signal.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/loop/mailbox.h"

struct ledger {
    struct loop *l;
    int next, out_of_order, elsewhere, want;
};
struct entry {
    struct ledger *ledger;
    int n;
};

static void note(void *arg)
{
    struct entry *e = arg;

    if (e->n != e->ledger->next++) e->ledger->out_of_order++;
    if (e->ledger->l && !loop_is_here(e->ledger->l)) e->ledger->elsewhere++;
    if (e->ledger->l && e->ledger->next == e->ledger->want)
        loop_stop(e->ledger->l);
}

static void test_posts_arrive_in_order_on_the_loops_thread(void **state)
{
    enum { N = 1000 };
    static struct entry entries[N];
    struct ledger ledger = {.want = N};

    (void)state;
    assert_int_equal(loop_create(&ledger.l, 3), 0);
    assert_int_equal(loop_index(ledger.l), 3);
    assert_true(loop_is_here(ledger.l));
    assert_int_equal(loop_start(ledger.l), 0);
    for (int i = 0; i < N; i++) {
        entries[i] = (struct entry){&ledger, i};
        if (loop_post(ledger.l, note, &entries[i])) loop_stop(ledger.l);
    }
    loop_join(ledger.l);
    loop_free(&ledger.l);
    assert_null(ledger.l);
    assert_int_equal(ledger.next, N);
    assert_int_equal(ledger.out_of_order, 0);
    assert_int_equal(ledger.elsewhere, 0);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void test_mailbox_is_bounded(void **state)
{
    struct loop *l;
    int calls = 0, posted = 0;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    while (loop_post(l, count, &calls) == 0)
        posted++;
    assert_int_equal(posted, MAILBOX_MAX);
    assert_int_equal(loop_post(l, count, &calls), ERR_LIMIT);
    assert_int_equal(calls, 0); /* never inline */
    loop_run_once(l);
    assert_int_equal(calls, MAILBOX_MAX);
    assert_int_equal(loop_post(l, count, &calls), 0);
    loop_free(&l); /* what is left is called: it may hold references */
    assert_int_equal(calls, MAILBOX_MAX + 1);
}

static void post_again(void *arg)
{
    struct ledger *x = arg;

    if (++x->next < 5) assert_int_equal(loop_post(x->l, post_again, x), 0);
}

static void test_run_once_follows_what_messages_post(void **state)
{
    struct ledger x = {0};

    (void)state;
    assert_int_equal(loop_create(&x.l, 0), 0);
    assert_int_equal(loop_post(x.l, post_again, &x), 0);
    loop_run_once(x.l);
    assert_int_equal(x.next, 5);
    loop_free(&x.l);
}

static void test_clock_stands_still_until_touched(void **state)
{
    struct loop *l;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    int64_t a = loop_now(l);
    while (clock_mono_us() == a)
        continue;
    assert_true(loop_now(l) == a);
    loop_touch(l);
    assert_true(loop_now(l) > a);
    loop_free(&l);
}

static void test_sigpipe_is_ignored(void **state)
{
    struct sigaction now;
    struct loop *l;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
    loop_free(&l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_posts_arrive_in_order_on_the_loops_thread),
    cmocka_unit_test(test_mailbox_is_bounded),
    cmocka_unit_test(test_run_once_follows_what_messages_post),
    cmocka_unit_test(test_clock_stands_still_until_touched),
    cmocka_unit_test(test_sigpipe_is_ignored),
};
HARNESS_MAIN(tests)
