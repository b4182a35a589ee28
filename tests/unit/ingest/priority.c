#include "tests/harness.h"

#include "core/base/err.h"
#include "ingest/priority.h"

static void test_queries(void **state)
{
    static const struct {
        const char *query;
        int err;
        int32_t priority;
    } samples[] = {
        {"", 0, 0},
        {"priority=2", 0, 2},
        {"clientConfigId=x", 0, 0},
        {"a&priority=0", 0, 0},
        {"clientConfigId=x&priority=2147483647&y=1", 0, INT32_MAX},
        {"&&priority=7&", 0, 7},
        {"priority=007", 0, 7},
        {"Priority=7", 0, 0},
        {"xpriority=7", 0, 0},
        {"priority", 0, 0},
        {"priority=", ERR_RANGE, 0},
        {"priority=-1", ERR_RANGE, 0},
        {"priority=2147483648", ERR_RANGE, 0},
        {"priority=99999999999999999999999999", ERR_RANGE, 0},
        {"priority=1.5", ERR_RANGE, 0},
        {"priority=high", ERR_RANGE, 0},
        {"priority=%32", ERR_RANGE, 0},
        {"priority=1&priority=2", ERR_RANGE, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        int32_t got = -1;
        int err = priority_of_query(&got, samples[i].query);
        if (err != samples[i].err || got != (err ? -1 : samples[i].priority))
            fail_msg("%s: %s, %d", samples[i].query, err_name(err), got);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_queries),
};
HARNESS_MAIN(tests)
