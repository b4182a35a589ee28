/* tests/harness.h — what every unit test starts with: cmocka with its
 * includes, and HARNESS_MAIN(tests). Run with LECTERN_ALLOC_FAIL=N, the N-th
 * allocation of the program fails (shared libraries keep theirs): a test may
 * then fail by assertion, but must not crash (tests/alloc_fail.sh walks N). */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A new folder of the test's own where the machine keeps what is temporary:
 * its path, or false. harness_remove() takes it away with all in it. */
enum { HARNESS_DIR_MAX = 128 };
bool harness_dir(char out[HARNESS_DIR_MAX]);
void harness_remove(const char *dir);

int harness_run(const char *name, const struct CMUnitTest *tests, size_t n);

#define HARNESS_MAIN(tests)                                                    \
    int main(void)                                                             \
    {                                                                          \
        return harness_run(__FILE__, tests, sizeof(tests) / sizeof *(tests));  \
    }

#endif
