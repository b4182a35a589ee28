/* core/rtc/paths.h — which peer a path belongs to: a hash table of proved
 * paths, asked once per datagram. Keyed, since strangers choose ports and
 * addresses. One thread. */
#ifndef CORE_RTC_PATHS_H
#define CORE_RTC_PATHS_H
#include <stddef.h>
#include <stdint.h>

#include "core/net/udp.h"

struct paths {
    struct paths_slot {
        struct net_path path;
        void *value; /* NULL: free */
    } * slots;
    size_t slot_count, count; /* slot_count: a power of two, half free */
    uint64_t seed;
};

/* Allocates nothing until the first path. */
void paths_init(struct paths *p);
void paths_release(struct paths *p);
/* NULL when absent. */
void *paths_get(const struct paths *p, const struct net_path *path);
/* Sets or replaces. 0 or ERR_NOMEM. */
int paths_set(struct paths *p, const struct net_path *path, void *value);
/* Only if it is value's: the path may be another's by now. */
void paths_remove(struct paths *p, const struct net_path *path, void *value);

#endif
