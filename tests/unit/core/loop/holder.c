#include "tests/harness.h"

#include <stdatomic.h>

#include "core/loop/holder.h"

enum { ROUNDS = 20000 };

struct thing {
    atomic_int refs;
    int number;
};

static void *ref(void *thing)
{
    struct thing *t = thing;

    atomic_fetch_add(&t->refs, 1);
    return t;
}

static void unref(void *thing)
{
    struct thing *t = thing;

    if (atomic_fetch_sub(&t->refs, 1) == 1) free(t);
}

static struct thing *make(int number)
{
    struct thing *t = malloc(sizeof *t);

    if (!t) return NULL;
    atomic_init(&t->refs, 1);
    t->number = number;
    return t;
}

static void test_empty_put_take(void **state)
{
    struct holder h;
    struct thing *t = make(7);

    (void)state;
    holder_init(&h, ref, unref);
    assert_null(holder_take(&h));
    if (t) {
        holder_put(&h, t);
        assert_int_equal(atomic_load(&t->refs), 2);
        assert_ptr_equal(holder_take(&h), t);
        unref(t);
        holder_put(&h, NULL);
        assert_int_equal(atomic_load(&t->refs), 1);
        unref(t);
    }
    holder_release(&h);
}

static void *read_on(void *arg)
{
    int last = 0;

    for (int i = 0; i < ROUNDS; i++) {
        struct thing *t = holder_take(arg);
        if (!t) continue;
        if (t->number < last) return arg; /* went back in time */
        last = t->number;
        unref(t);
    }
    return NULL;
}

static void test_readers_against_a_writer(void **state)
{
    struct holder h;
    pthread_t readers[3];
    void *failed;

    (void)state;
    holder_init(&h, ref, unref);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &h), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct thing *t = make(i);
        if (!t) continue;
        holder_put(&h, t);
        unref(t);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(readers[i], &failed);
        assert_null(failed);
    }
    holder_release(&h);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_empty_put_take),
    cmocka_unit_test(test_readers_against_a_writer),
};
HARNESS_MAIN(tests)
