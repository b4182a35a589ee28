#include "tests/harness.h"

#include <ftw.h>
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

bool harness_dir(char out[HARNESS_DIR_MAX])
{
    const char *where = getenv("TMPDIR");
    int n = snprintf(out, HARNESS_DIR_MAX, "%s/lectern-XXXXXX",
                     where ? where : P_tmpdir);

    return n < HARNESS_DIR_MAX && mkdtemp(out);
}

static int remove_one(const char *path, const struct stat *s, int type,
                      struct FTW *at)
{
    (void)s;
    (void)type;
    (void)at;
    return remove(path);
}

void harness_remove(const char *dir)
{
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int harness_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    const char *at = getenv("LECTERN_ALLOC_FAIL");
    int failed;

    fail_at = at ? atol(at) : 0;
    failed = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
    fail_at = 0;
    if (at) printf("allocations: %ld\n", allocations);
    return failed ? 1 : 0;
}
