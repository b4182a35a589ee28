#include "core/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void invariant_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "level=error event=invariant expr=\"%s\" at=%s:%d\n", expr,
            file, line);
    abort();
}
