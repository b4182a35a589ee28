/* ingest/cadence.h — finds the steady frame rate behind rounded timestamps and
 * puts frames back on its exact grid: 30 fps sent in whole milliseconds (33,
 * 33, 34) becomes 3000 ticks each. Variable rates pass as they are.
 * Pure; embedded; one thread. Times: VIDEO_TIMESCALE ticks.
 *
 *   LOCKED ──4 misfits among 32 frames──► FREE (times pass unchanged)
 *     ▲ a rate was announced                 │
 *     └──the last 32 frames fit one rate─────┘                             */
#ifndef INGEST_CADENCE_H
#define INGEST_CADENCE_H
#include <stdbool.h>
#include <stdint.h>

enum { CADENCE_WINDOW = 32 };

struct cadence {
    uint32_t num, den; /* frames per second; 0/0: none known */
    bool locked, anchored;
    int64_t anchor;      /* tick of index 0 */
    int64_t index, last; /* of the last frame; its tick as given out */
    int64_t first_raw, first_index; /* where this lock began, for drift */
    uint32_t misfits;               /* one bit per frame, newest lowest */
    int64_t raw[CADENCE_WINDOW];
    int raw_count, raw_at;
};

/* num/den: the announced rate; 0/0 if none was. */
void cadence_init(struct cadence *c, uint32_t num, uint32_t den);
/* The clock jumped: the next frame begins the grid anew. */
void cadence_reset(struct cadence *c);
/* The tick of the next frame in decoding order, sent as raw. */
int64_t cadence_place(struct cadence *c, int64_t raw);
/* A presentation time put on the same grid, if it is near a line of it. */
int64_t cadence_snap(const struct cadence *c, int64_t raw);
/* What the last placed frame will last, as far as can be told; 0 unknown. */
int64_t cadence_duration(const struct cadence *c);

#endif
