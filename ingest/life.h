/* ingest/life.h — a publisher's life by one rule for every protocol: who is
 * connected and gives nothing starves, and is ended in time; who gives more
 * than is allowed is refused. Pure; embedded in a publisher; one thread.
 *
 *   FED ──LIFE_STARVING_US without media──► STARVING ──LIFE_OVER_US──► over
 *    ▲────────────── life_feed() ──────────────┘                            */
#ifndef INGEST_LIFE_H
#define INGEST_LIFE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LIFE_STARVING_US = 10000000,
    LIFE_OVER_US = 30000000,      /* from the last media */
    LIFE_RATE_WINDOW_US = 4000000 /* over which bitrate is limited */
};

/* Zeros: no limit. */
struct life_limits {
    int64_t bitrate_bps; /* all tracks together */
    int64_t pixels;      /* of one picture */
};

enum life_event { LIFE_GOES_ON, LIFE_STARVES, LIFE_IS_OVER };

struct life {
    int64_t fed_at;
    bool starving;
    int64_t window_at, window_bytes;
};

void life_init(struct life *l, int64_t now);
/* Media came, of so many bytes. True: it had starved. */
bool life_feed(struct life *l, int64_t now, size_t bytes);
/* What time brings, each once; *next: when to call again. */
enum life_event life_tick(struct life *l, int64_t now, int64_t *next);
/* Came more, since this window began, than the limit lets through in all of
 * it? */
bool life_is_over_rate(const struct life *l, const struct life_limits *limits);

#endif
