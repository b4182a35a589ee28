/* app/files.h — the pages' files as responses, made once and shared by every
 * viewer of a loop.
 *
 * Pages name their files under a version, which is a digest of them all:
 * /assets/VERSION/js/watch.js. A browser keeps those for good and asks for the
 * page alone when it comes again. Without a version, or under that of another
 * release, the file is the one of today and is asked for each time. */
#ifndef APP_FILES_H
#define APP_FILES_H
#include <stdbool.h>

struct asset;
struct files;
struct response;

enum { FILES_VERSION_LEN = 16 }; /* lower-case hexadecimal digits */

/* assets ends with name NULL and outlives the files. 0, ERR_LIMIT (more than
 * 128 of them) or ERR_NOMEM. */
int files_create(struct files **out, const struct asset *assets);
void files_free(struct files **f);
/* path: "/watch.html", "/js/watch.js", "/VERSION/js/watch.js". NULL if there
 * is none of that name. Borrowed. */
struct response *files_find(const struct files *f, const char *path, bool gzip);
const char *files_version(const struct files *f);

#endif
