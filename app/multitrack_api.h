/* app/multitrack_api.h — POST /api/multitrack: OBS's Multitrack Video asks for
 * the ladder that its machine shall encode (control/multitrack.h). One per
 * loop.
 *
 * What OBS shows in words comes with status 200, since it shows no body of
 * another: a wrong key, a channel that requires what the machine has not.
 * Strangers may ask RATE_BURST times at once, then once a second. */
#ifndef APP_MULTITRACK_API_H
#define APP_MULTITRACK_API_H

struct directory;
struct exchange;
struct metrics;
struct multitrack_api;
struct settings;

/* Borrows both. 0 or ERR_NOMEM. */
int multitrack_api_create(struct multitrack_api **out,
                          const struct settings *settings,
                          struct metrics *metrics);
/* Answers x; d: whose keys count. */
void multitrack_api_answer(struct multitrack_api *m, struct exchange *x,
                           const struct directory *d);
void multitrack_api_free(struct multitrack_api **m);

#endif
