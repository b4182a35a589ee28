/* edge/audience.h — how many different viewers asked lately, in constant
 * memory: linear counting over the present and the past span. Pure; one
 * thread. Lineage: Whang, Vander-Zanden, Taylor, "A linear-time probabilistic
 * counting algorithm" (1990). */
#ifndef EDGE_AUDIENCE_H
#define EDGE_AUDIENCE_H
#include <stdint.h>

enum { AUDIENCE_BITS = 1 << 16 };
#define AUDIENCE_SPAN_US 8000000LL

struct audience {
    uint64_t *now, *before; /* NULL until the first viewer */
    int64_t turned_at;
};

/* hash must be well mixed; see audience_hash(). Without memory: not counted. */
void audience_note(struct audience *a, uint64_t hash, int64_t now_at);
int audience_count(struct audience *a, int64_t now_at);
void audience_release(struct audience *a);

uint64_t audience_hash(uint64_t seed, const char *text);

#endif
