/* core/base/clock.h — the only clock. Cores never read it: they are handed
 * instants. Any thread. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H
#include <stdint.h>

/* Monotonic µs, for scheduling and spans (names end in _at). */
int64_t clock_mono_us(void);

/* Wall clock, µs since 1970 UTC, for PROGRAM-DATE-TIME and logs only. */
int64_t clock_wall_us(void);

/* Writes "2026-11-22T10:00:00.000Z" (24 chars + NUL) for wall_us. */
void clock_iso8601(char out[25], int64_t wall_us);

#endif
