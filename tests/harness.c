#include "tests/harness.h"

#include <stdio.h>

/* The linker sends our objects' allocations here (-Wl,--wrap). Shared
 * libraries keep their own, so what fails is ours to handle. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static long fail_at; /* 0: never */
static _Atomic long allocations;
static long most_allocations;

static int fails_now(void)
{
    long n = ++allocations;

    return fail_at && n == fail_at;
}

void *__wrap_malloc(size_t n)
{
    return fails_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails_now() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fails_now() ? NULL : __real_strdup(s);
}

static int forget_allocations(void **state)
{
    (void)state;
    allocations = 0;
    return 0;
}

static int note_allocations(void **state)
{
    (void)state;
    if (allocations > most_allocations) most_allocations = allocations;
    return 0;
}

int harness_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    const char *at = getenv("LECTERN_ALLOC_FAIL");
    struct CMUnitTest *copy = __real_calloc(n, sizeof *copy);
    int failed;

    fail_at = at ? atol(at) : 0;
    for (size_t i = 0; i < n; i++) {
        copy[i] = tests[i];
        if (!copy[i].setup_func) copy[i].setup_func = forget_allocations;
        if (!copy[i].teardown_func) copy[i].teardown_func = note_allocations;
    }
    failed = _cmocka_run_group_tests(name, copy, n, NULL, NULL);
    fail_at = 0;
    if (at) printf("allocations: %ld\n", most_allocations);
    free(copy);
    return failed ? 1 : 0;
}
