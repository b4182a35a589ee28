/* core/base/assert.h — our own broken invariants end the process, release
 * builds too. Bytes from outside never reach this. */
#ifndef CORE_BASE_ASSERT_H
#define CORE_BASE_ASSERT_H

_Noreturn void invariant_failed(const char *expr, const char *file, int line);

#define INVARIANT(expr)                                                        \
    ((expr) ? (void)0 : invariant_failed(#expr, __FILE__, __LINE__))

#endif
