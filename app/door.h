/* app/door.h — whose key is this? The one answer for every protocol. */
#ifndef APP_DOOR_H
#define APP_DOOR_H

struct channel;
struct directory;
struct ingest_grant;

/* demo: a second key for one channel, or NULL. Any thread that holds d.
 * 0 or ERR_DENIED. */
int door_grant(struct ingest_grant *out, const struct directory *d,
               const struct channel *demo, const char *key);

#endif
