/* app/door.h — whose key is this? The one answer for every protocol. */
#ifndef APP_DOOR_H
#define APP_DOOR_H
#include <stdbool.h>

#include "ingest/life.h"

struct channel;
struct directory;
struct ingest_grant;
struct settings;

/* demo: a second key for one channel, or NULL. Any thread that holds d.
 * 0 or ERR_DENIED. */
int door_grant(struct ingest_grant *out, const struct directory *d,
               const struct channel *demo, const char *key);
/* Does what was granted still hold for the channel, whose key may be another
 * by now? The demo's always does. */
bool door_holds(const struct ingest_grant *grant, const struct channel *c);
/* What a publisher may give at most. */
struct life_limits door_limits(const struct settings *s);

#endif
