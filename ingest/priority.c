#include "ingest/priority.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/err.h"

const char priority_bad[] =
    "priority: must be a whole number from 0 to 2147483647, said once";
const char priority_too_low[] =
    "a publisher of a higher priority has this stream: stop it, or come with "
    "?priority= as high";

int priority_parse(int32_t *out, const char *text, size_t len)
{
    int64_t n = 0;

    if (!len) return ERR_RANGE;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return ERR_RANGE;
        n = n * 10 + (text[i] - '0');
        if (n > PRIORITY_MAX) return ERR_RANGE;
    }
    *out = (int32_t)n;
    return 0;
}

int priority_of_query(int32_t *out, const char *query)
{
    static const char name[] = "priority=";
    const size_t name_len = sizeof name - 1;
    int32_t found = 0;
    bool seen = false;

    while (*query) {
        size_t n = strcspn(query, "&");
        if (n >= name_len && !strncmp(query, name, name_len)) {
            if (seen || priority_parse(&found, query + name_len, n - name_len))
                return ERR_RANGE;
            seen = true;
        }
        query += n + (query[n] == '&');
    }
    *out = found;
    return 0;
}
