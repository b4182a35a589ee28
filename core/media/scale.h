/* core/media/scale.h — sizes, rates and cadences of a ladder's rungs, whoever
 * encodes them: this server or the lecturer's own machine. A rung's size is
 * its short side ("lines"), so that portrait has the same ones. Pure.
 *
 * Rules: even sizes that keep the aspect; of frames above 35 a second, rungs
 * of 480 lines and less show every n-th, so that at most 30 are left. */
#ifndef CORE_MEDIA_SCALE_H
#define CORE_MEDIA_SCALE_H
#include <stdbool.h>
#include <stdint.h>

enum { SCALE_RUNGS = 5 };

/* 30 frames a second of a camera; H.264 Main. Largest first. */
struct scale_rung {
    uint32_t lines, bps;
};
extern const struct scale_rung scale_rungs[SCALE_RUNGS];

uint32_t scale_lines(uint32_t width, uint32_t height);
/* One side of a picture of `of` lines, made one of `lines`. */
uint32_t scale_side(uint32_t side, uint32_t lines, uint32_t of);
/* Is that rung one below a picture of `of` lines? Not if it is nearly the
 * same. */
bool scale_is_below(uint32_t lines, uint32_t of);
/* Every how many frames of so many a second are shown. */
uint32_t scale_step(uint32_t lines, uint32_t fps);
/* More frames cost more, though less than in proportion. */
uint32_t scale_bps(uint32_t lines, uint32_t fps);

#endif
