/* app/ranks.h — which live streams have a publisher of a priority above 0, or
 * refuse another for a while: written on the home loop, read on any thread (SRT
 * answers within its handshake, WHIP before it takes the stream). Few, so a
 * change is a new copy of them all. */
#ifndef APP_RANKS_H
#define APP_RANKS_H
#include <stdbool.h>
#include <stdint.h>

#include "core/loop/holder.h"

struct ranks {
    struct holder snapshot;
};

void ranks_init(struct ranks *r);
void ranks_release(struct ranks *r);
/* On the home loop: another publisher, or none; nothing is refused any more. 0
 * forgets. Without memory all are forgotten: then only
 * the stream itself refuses, a little later. */
void ranks_set(struct ranks *r, const char *channel, int32_t priority);
/* On the home loop: another of the same priority is refused until then. */
void ranks_guard(struct ranks *r, const char *channel, int64_t until_at);
/* Any thread. */
bool ranks_guarded(struct ranks *r, const char *channel, int64_t now_at);
/* Any thread; 0 of who is not there. */
int32_t ranks_of(struct ranks *r, const char *channel);

#endif
