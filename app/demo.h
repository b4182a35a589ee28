/* app/demo.h — the demo lecture: an ffmpeg child that publishes a moving
 * picture with a clock and a tone to one channel over RTMP, whenever nobody
 * else does. Lives on one loop. */
#ifndef APP_DEMO_H
#define APP_DEMO_H
#include <stdbool.h>

struct demo;
struct loop;

struct demo_conf {
    struct loop *loop;
    const char *url; /* rtmp://127.0.0.1:1935/live/KEY; copied, never logged */
    /* Does somebody publish to the demo's channel? Called on the loop. */
    bool (*is_busy)(void *arg);
    void *arg;
};

/* 0 or ERR_NOMEM. Without ffmpeg it says so once and does nothing. */
int demo_create(struct demo **out, const struct demo_conf *conf);
/* Ends the child. Takes *d; NULL is fine. The loop must run once more for its
 * handles to close. */
void demo_free(struct demo **d);

#endif
