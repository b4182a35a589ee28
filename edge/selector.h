/* edge/selector.h — which rendition a viewer should see: down soon after the
 * estimate says so, up after a clean time and a proof (a probe with packets
 * sent twice), never against a pin. It only advises: the switch itself happens
 * at a keyframe of the wanted rendition. Pure; one per viewer.
 *
 *   estimate < need for 0.3 s (at once below 0.6 of it) ─► best that fits, a
 *                                                         keyframe is asked for
 *   clean for 5 s, estimate >= need of a better one      ─► that one, at its
 *                                                         own next keyframe
 *   clean for 1 s, estimate too small to tell            ─► says what it wants
 *                                                         to know: a probe
 *   went up and fell within 10 s                         ─► waits twice as long
 *                                                         where room is scarce
 */
#ifndef EDGE_SELECTOR_H
#define EDGE_SELECTOR_H
#include <stdbool.h>
#include <stdint.h>

enum {
    SELECTOR_RUNGS_MAX = 8,
    SELECTOR_DOWN_US = 300000,
    SELECTOR_UP_US = 5000000,
    SELECTOR_UP_MAX_US = 40000000,
    SELECTOR_SETTLE_US = 3000000, /* of a start: up without a wait */
    SELECTOR_CALM_US = 1000000,
    SELECTOR_RELAPSE_US = 10000000,
    /* What a viewer of whom nothing is known may be sent. */
    SELECTOR_START_BPS = 6000000,
};

struct selector_rung {
    uint8_t id;   /* track; never 0 */
    uint32_t bps; /* what it needs */
};

struct selector {
    struct selector_rung rungs[SELECTOR_RUNGS_MAX]; /* best first */
    int count;
    uint8_t pinned, current, wanted; /* 0: none */
    int64_t low_since, clean_since;  /* 0: not */
    int64_t up_wait_us, went_up_at, began_at;
};

struct selector_advice {
    uint8_t id;        /* to be shown; 0: nothing there */
    bool hurry;        /* ask for its keyframe */
    uint32_t want_bps; /* see whether the path carries so much; 0: no */
};

void selector_init(struct selector *s, int64_t now_at);
/* Best first; what is beyond SELECTOR_RUNGS_MAX is not looked at. */
void selector_set_rungs(struct selector *s, const struct selector_rung *rungs,
                        int count);
/* Only this one, while it is there; 0: automatic. */
void selector_pin(struct selector *s, uint8_t id);
/* The viewer's pictures are of this rendition from now on. */
void selector_shows(struct selector *s, uint8_t id, int64_t now_at);
/* The best that fits; target 0: SELECTOR_START_BPS. 0 if there is none. */
uint8_t selector_best(const struct selector *s, uint32_t target_bps);
/* Every 50 to 200 ms, with the estimator's target (0: unknown). */
struct selector_advice selector_tick(struct selector *s, uint32_t target_bps,
                                     int64_t now_at);

#endif
