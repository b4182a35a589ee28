/* app/vitals.h — the source of each live channel as its lecturer and operator
 * see it: gauges in /metrics, and GET /api/channels/NAME/health as JSON for who
 * has the channel's stream key.
 *
 *   publisher's loop ──figures, once a second──► home: struct vitals
 *   viewer's loop ──question──► home ──answer──► viewer's loop             */
#ifndef APP_VITALS_H
#define APP_VITALS_H
#include <stdbool.h>

#include "ingest/health.h"

struct buf;
struct directory;
struct exchange;
struct loop;
struct metric;
struct metrics;
struct pipeline;
struct publisher;

enum { VITALS_GAUGES = 11 }; /* one figure each; see vitals.c */

/* Of one live stream; zeroed at first. On the home loop. */
struct vitals {
    struct health_figures figures;
    bool known;
    struct metric *gauges[VITALS_GAUGES]; /* NULL: unknown */
    struct metric *warnings[HEALTH_WARNINGS];
};

void vitals_take(struct vitals *s, struct metrics *m, const char *channel,
                 const struct health_figures *f);
/* Its publisher left: nothing is known, the gauges go. */
void vitals_forget(struct vitals *s, struct metrics *m);
/* JSON; s, publisher NULL where there is none. NULL without memory. */
struct buf *vitals_json(const char *channel, const struct vitals *s,
                        const struct publisher *publisher);

/* Answers the exchange of GET /api/channels/NAME/health, now or later, on the
 * loop l that is its own; d: whose keys count. */
void vitals_answer(struct exchange *x, struct loop *l,
                   const struct directory *d, struct pipeline *p);

#endif
