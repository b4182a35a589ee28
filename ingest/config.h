/* ingest/config.h — a source's codec config as it is told anew: the same bytes
 * are no change. Pure; one thread. */
#ifndef INGEST_CONFIG_H
#define INGEST_CONFIG_H
#include <stdbool.h>

#include "core/base/buf.h"

enum { CONFIG_BYTES_MAX = 65536 }; /* of a builder for one */

/* Seals b (taken) and puts it into *config if it differs from what is there
 * (NULL: nothing). 0, ERR_NOMEM or ERR_LIMIT (nothing changed). */
int config_replace(struct buf **config, struct builder *b, bool *changed);

#endif
