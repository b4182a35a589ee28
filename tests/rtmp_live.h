/* tests/rtmp_live.h — a session of its own for each test, and its way to live.
 */
#ifndef TESTS_RTMP_LIVE_H
#define TESTS_RTMP_LIVE_H
#include "tests/harness.h"
#include "tests/rtmp_bytes.h"

static struct recorder r;

enum { SECOND = 1000000 };

/* A session that publishes already. False if memory ran out. */
static inline bool go_live(void)
{
    struct builder b;

    if (recorder_init(&r, true)) return false;
    builder_init(&b, 65536);
    put_to_publish(&b, "live", "demo-key");
    return !recorder_take(&r, &b, 0) &&
           rtmp_session_state(r.session) == RTMP_LIVE;
}

#endif
