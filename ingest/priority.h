/* ingest/priority.h — `priority=N` of a publisher: who may take a live stream
 * over. A newcomer of a lower priority than the live publisher's is refused;
 * of the same, or a higher one, it takes over. Pure; any thread. */
#ifndef INGEST_PRIORITY_H
#define INGEST_PRIORITY_H
#include <stddef.h>
#include <stdint.h>

enum { PRIORITY_MAX = INT32_MAX };

/* What to say of one that is refused: for people, with the bound. */
extern const char priority_bad[];     /* not a number within the bounds */
extern const char priority_too_low[]; /* ERR_EXISTS of a publisher */

/* A value as it was given. Written only on success. 0 or ERR_RANGE. */
int priority_parse(int32_t *out, const char *text, size_t len);
/* Looks in "a=b&priority=2&c" (NUL-ended; items unknown to it are let go);
 * 0 is written where it does not stand. 0, or ERR_RANGE: of one that is bad or
 * stands there twice. */
int priority_of_query(int32_t *out, const char *query);

#endif
