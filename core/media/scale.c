#include "core/media/scale.h"

enum {
    LOW_LINES = 480, /* rungs up to here show at most 30 frames a second */
    FAST_FPS = 35,
};

const struct scale_rung scale_rungs[SCALE_RUNGS] = {{1080, 5000000},
                                                    {720, 2800000},
                                                    {480, 1200000},
                                                    {360, 700000},
                                                    {160, 250000}};

uint32_t scale_lines(uint32_t width, uint32_t height)
{
    return width < height ? width : height;
}

uint32_t scale_side(uint32_t side, uint32_t lines, uint32_t of)
{
    return (uint32_t)(((uint64_t)side * lines / of + 1) / 2 * 2);
}

bool scale_is_below(uint32_t lines, uint32_t of)
{
    return lines * 10 <= of * 9;
}

uint32_t scale_step(uint32_t lines, uint32_t fps)
{
    return lines <= LOW_LINES && fps > FAST_FPS ? (fps + 29) / 30 : 1;
}

uint32_t scale_bps(uint32_t lines, uint32_t fps)
{
    uint32_t bps = scale_rungs[SCALE_RUNGS - 1].bps;

    for (int i = SCALE_RUNGS - 1; i >= 0; i--)
        if (lines >= scale_rungs[i].lines * 9 / 10) bps = scale_rungs[i].bps;
    return fps > FAST_FPS ? bps + bps / 2 : bps;
}
