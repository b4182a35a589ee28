/* control/directory.h — every channel at one instant: immutable once made and
 * atomically counted. Each loop holds a reference and answers "whose key is
 * this?" from memory; a change is a new directory posted to every loop. */
#ifndef CONTROL_DIRECTORY_H
#define CONTROL_DIRECTORY_H
#include <stddef.h>

#include "control/channel.h"

enum { DIRECTORY_CHANNELS_MAX = 10000 };

struct directory;

/* Gives a directory of copies; of two with one name the first wins.
 * 0, ERR_NOMEM or ERR_LIMIT. */
int directory_create(struct directory **out, const struct channel *channels,
                     size_t count);
struct directory *directory_ref(const struct directory *d);
void directory_unref(struct directory **d);

/* Borrowed; NULL if unknown. */
const struct channel *directory_find(const struct directory *d,
                                     const char *name);
/* Whose key is it? Looks at every channel whatever it finds, so that time
 * tells nothing. */
const struct channel *directory_by_key(const struct directory *d,
                                       const char *key);
size_t directory_count(const struct directory *d);
const struct channel *directory_at(const struct directory *d, size_t i);

#endif
