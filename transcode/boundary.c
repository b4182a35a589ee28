#include "transcode/boundary.h"

#include <stdlib.h>
#include <string.h>

enum {
    MEASURE_US = 1900000,    /* shorter than this may be a scene cut */
    MEASURE_FPS_US = 500000, /* enough for the cadence alone */
    GOP_MAX_US = 4100000,    /* longer and we rather encode */
    GOP_WAIT_US = 4250000,
    GOP_WAIT_BASIC_US = 10400000,
    LATE_US = 400000, /* a segment may exceed its target by less than 0.5 s
                         (EXTINF is rounded): less a margin */
    OVER_US = 500000,
    TIGHT_US = 300000,
    /* Sound is never so far before video in a stream that is well; and a
     * segment that ends then is still under 0.5 s over its target. */
    STALL_US = 450000,
    STALL_LATE_US = LATE_US,
    JITTER_US = 2000, /* timestamps rounded to ms by the way */
    /* Before a segment is due: a source is asked, and its IDR is welcome. */
    ASK_US = 250000,
    EARLY_US = 400000,
    AGAIN_US = 500000,
    ASKED_FPS = 30,
};

static int64_t to_us(int64_t ticks)
{
    return ticks * 1000000 / VIDEO_TIMESCALE;
}

int boundary_part_frames(uint32_t fps_num, uint32_t fps_den, int64_t goal_us)
{
    int64_t unit = (int64_t)fps_den * 1000000;
    int64_t n = (goal_us * fps_num + unit / 2) / unit;

    return n < 1 ? 1 : (int)n;
}

int64_t boundary_part_us(uint32_t fps_num, uint32_t fps_den, int64_t goal_us)
{
    int64_t n = boundary_part_frames(fps_num, fps_den, goal_us);

    return (n * fps_den * 1000000 + fps_num - 1) / fps_num;
}

void boundary_init(struct boundary *b, const struct boundary_conf *conf)
{
    *b = (struct boundary){.conf = *conf,
                           .next_msn = conf->first_msn,
                           .asked_pts = INT64_MIN / 2000000};
}

void boundary_source(struct boundary *b, const struct boundary_source *s)
{
    b->source = *s;
    if (s->must_encode && b->mode == BOUNDARY_FOLLOW && b->conf.may_encode)
        b->mode = BOUNDARY_GRID;
    boundary_break(b);
}

void boundary_expect(struct boundary *b, int64_t gop_us)
{
    int64_t hint = b->conf.hint_gop_us;

    if (gop_us <= 0 || (gop_us < hint && hint <= GOP_MAX_US)) return;
    b->conf.hint_gop_us = gop_us;
}

void boundary_measure(struct boundary *b)
{
    b->measures = true;
}

void boundary_break(struct boundary *b)
{
    b->anchored = false;
    b->broken = b->needs_key = true;
}

void boundary_renew(struct boundary *b)
{
    b->renewed = true;
    boundary_force(b);
}

void boundary_force(struct boundary *b)
{
    b->forced = b->mode == BOUNDARY_GRID;
}

bool boundary_retry(struct boundary *b)
{
    if (b->mode != BOUNDARY_GRID || b->source.must_encode) return false;
    b->mode = BOUNDARY_FOLLOW;
    b->gop_us = 0;
    b->hinted = false;
    boundary_break(b);
    return true;
}

static bool asks(struct boundary *b, const struct boundary_frame *f)
{
    if (!b->source.askable) return false;
    if (to_us(f->pts - b->asked_pts) < AGAIN_US && f->pts >= b->asked_pts)
        return false;
    b->asked_pts = f->pts;
    return true;
}

/* Nothing came for so long that the segment would be over the target: it ends
 * where its frames did. */
static bool is_over_a_hole(const struct boundary *b,
                           const struct boundary_frame *f)
{
    int64_t target = (int64_t)b->target_duration_s * 1000000;

    return to_us(f->pts - b->mark_pts) >= target + OVER_US;
}

static void put_mark(struct boundary *b, const struct boundary_frame *f,
                     struct boundary_step *step)
{
    step->marked = true;
    /* A break before anything was published breaks nothing. */
    step->mark.discontinuity =
        (b->broken || b->renewed || step->switched || is_over_a_hole(b, f)) &&
        b->marked;
    step->mark.msn = b->next_msn++;
    step->mark.pts = f->pts;
    b->mark_pts = f->pts;
    b->grid_pts = f->pts + b->conf.segment_us * VIDEO_TIMESCALE / 1000000;
    b->marked = true;
    b->broken = b->renewed = b->needs_key = b->forced = false;
}

/* --- cadence -------------------------------------------------------------- */

static const struct {
    uint32_t num, den;
} usual[] = {{24000, 1001}, {24, 1}, {25, 1}, {30000, 1001}, {30, 1},
             {48, 1},       {50, 1}, {60, 1}, {60000, 1001}, {15, 1},
             {10, 1},       {5, 1},  {12, 1}, {20, 1},       {120, 1}};

/* ticks for n frames: the nearest usual cadence within 0.6 %, else as is. */
static void snap_fps(struct boundary *b, int64_t ticks, int64_t n)
{
    double fps = (double)n * VIDEO_TIMESCALE / (double)ticks;
    double best = 0.006;

    b->fps_num = (uint32_t)(fps * 1000 + 0.5);
    b->fps_den = 1000;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        double off = fps * usual[i].den / usual[i].num - 1;
        if (off < 0) off = -off;
        if (off >= best) continue;
        best = off;
        b->fps_num = usual[i].num;
        b->fps_den = usual[i].den;
    }
}

static void measure_fps(struct boundary *b)
{
    const struct boundary_source *s = &b->source;
    int64_t ticks = b->seen > 1 ? b->seen_dts[b->seen - 1] - b->seen_dts[0] : 0;

    if (s->askable) {
        b->fps_num = ASKED_FPS;
        b->fps_den = 1;
        return;
    }
    if (ticks > 0) {
        snap_fps(b, ticks, b->seen - 1);
    } else {
        b->fps_num = 30;
        b->fps_den = 1;
    }
    if (!s->fps_num || !s->fps_den) return;
    double said = (double)s->fps_num / s->fps_den;
    double found = (double)b->fps_num / b->fps_den;
    if (ticks <= 0 || (said < found * 1.02 && said > found * 0.98)) {
        b->fps_num = s->fps_num;
        b->fps_den = s->fps_den;
    }
}

/* Nothing was seen yet: times may be rounded to ms, and 30 may be 29.97. */
static int64_t expected_part_us(const struct boundary *b)
{
    int64_t exact =
        boundary_part_us(b->fps_num, b->fps_den, b->conf.part_goal_us);

    return (exact * 1001 / 1000 + 999) / 1000 * 1000;
}

/* A source whose times were rounded to ms has parts a little over the exact
 * length: the target must hold for those too. */
static int64_t measured_part_us(const struct boundary *b)
{
    int64_t exact =
        boundary_part_us(b->fps_num, b->fps_den, b->conf.part_goal_us);
    int n = boundary_part_frames(b->fps_num, b->fps_den, b->conf.part_goal_us);
    int64_t most = exact;

    if (b->source.askable) return b->conf.part_goal_us;
    if (b->seen < 2) return expected_part_us(b);
    for (int i = 0; i + n < b->seen; i++) {
        int64_t ticks = b->seen_dts[i + n] - b->seen_dts[i];
        int64_t us = (ticks * 1000000 + VIDEO_TIMESCALE - 1) / VIDEO_TIMESCALE;
        if (us > most && us <= exact + JITTER_US) most = us;
    }
    return most;
}

/* --- keyframes ------------------------------------------------------------ */

static void hear_key(struct boundary *b, const struct boundary_frame *f)
{
    int64_t gop = to_us(f->pts - b->key_pts);

    b->key_pts = f->pts;
    if (!b->marked || b->broken || f->still || b->source.must_encode) return;
    b->heard_us += gop;
    if (gop > b->longest_us) b->longest_us = gop;
    if (b->hinted && b->heard_us < MEASURE_US) return;
    if (b->hinted || gop > b->gop_us) b->gop_us = b->longest_us;
    b->hinted = false;
}

/* --- deciding ------------------------------------------------------------- */

static void decide(struct boundary *b, enum boundary_mode mode,
                   struct boundary_step *step)
{
    b->mode = mode;
    b->needs_key = false; /* measuring began with one */
    step->decided = true;
    step->early &= mode == BOUNDARY_FOLLOW;
    if (b->planned) return;
    b->planned = true;
    measure_fps(b);
    b->part_us = measured_part_us(b);
    b->target_duration_s = (uint32_t)(b->conf.segment_us / 1000000);
    if (mode != BOUNDARY_FOLLOW) return;
    if (b->source.askable) {
        b->target_duration_s++;
        b->gop_us = b->conf.segment_us;
        return;
    }
    /* round(EXTINF) <= target with 0.1 s to spare */
    int64_t whole = (b->gop_us + 600000) / 1000000;
    if (whole > b->target_duration_s) b->target_duration_s = (uint32_t)whole;
}

static void grid(struct boundary *b, const struct boundary_frame *f,
                 struct boundary_step *step)
{
    if (f->key) hear_key(b, f);
    if (b->needs_key && !f->key) {
        step->drop = true;
        step->ask = asks(b, f);
        return;
    }
    if (!b->marked || b->broken || b->forced || f->pts >= b->grid_pts)
        if (!b->marked || f->pts > b->mark_pts) put_mark(b, f, step);
}

static bool is_hinted(const struct boundary *b)
{
    return b->conf.hint_gop_us && !b->measures && !b->source.must_encode &&
           !b->source.askable;
}

static void take_hint(struct boundary *b, struct boundary_step *step)
{
    bool usable = b->conf.hint_gop_us <= GOP_MAX_US || !b->conf.may_encode;

    b->gop_us = b->conf.hint_gop_us;
    b->hinted = true;
    decide(b, usable ? BOUNDARY_FOLLOW : BOUNDARY_GRID, step);
}

static void anchor(struct boundary *b, const struct boundary_frame *f)
{
    b->anchored = true;
    b->anchor_pts = b->key_pts = f->pts;
    b->seen_dts[0] = f->dts;
    b->seen = 1;
}

static void measure(struct boundary *b, const struct boundary_frame *f,
                    struct boundary_step *step)
{
    bool may = b->conf.may_encode;
    int64_t span, most = may ? GOP_WAIT_US : GOP_WAIT_BASIC_US;

    step->drop = !b->anchored && !f->key;
    step->ask = step->drop && asks(b, f);
    if (step->drop) return;
    step->early = f->key;
    step->mark = (struct mark){b->next_msn, f->pts, false};
    if (!b->anchored) {
        anchor(b, f);
        if (is_hinted(b) && b->source.fps_num && b->source.fps_den)
            take_hint(b, step);
        return;
    }
    /* Sound whose clock jumped says nothing of its cadence by that. */
    bool hole = b->source.must_encode && b->gop_us &&
                to_us(f->pts - b->newest_pts) >= STALL_US;
    if (hole) b->seen = 0;
    if (b->seen < BOUNDARY_SEEN_MAX) b->seen_dts[b->seen++] = f->dts;
    span = to_us(f->pts - b->anchor_pts);
    if (f->key) {
        int64_t gop = to_us(f->pts - b->key_pts);
        if (gop > b->gop_us && !hole) b->gop_us = gop;
        b->key_pts = f->pts;
    }
    if (is_hinted(b)) {
        if (span >= MEASURE_FPS_US) take_hint(b, step);
    } else if (b->source.askable && !b->source.must_encode) {
        if (span >= MEASURE_FPS_US) decide(b, BOUNDARY_FOLLOW, step);
    } else if (b->source.must_encode && may) {
        if (span >= MEASURE_FPS_US) decide(b, BOUNDARY_GRID, step);
    } else if (f->key && span >= MEASURE_US) {
        bool usable = b->gop_us <= GOP_MAX_US || !may;
        decide(b, usable ? BOUNDARY_FOLLOW : BOUNDARY_GRID, step);
    } else if (span > most) {
        b->gop_us = span;
        decide(b, may ? BOUNDARY_GRID : BOUNDARY_FOLLOW, step);
    }
}

/* May this keyframe begin a segment? */
static bool is_due(const struct boundary *b, const struct boundary_frame *f,
                   int64_t span)
{
    int64_t target = (int64_t)b->target_duration_s * 1000000;

    if (f->still) return span >= b->conf.segment_us - b->part_us / 2;
    if (b->source.askable) return span >= b->conf.segment_us - EARLY_US;
    /* Would the next keyframe come too late? Then here. */
    return span + b->gop_us > target + TIGHT_US;
}

/* Where a part ends, as stills do, but not before a picture. */
static int64_t end_of_part(const struct boundary *b, int64_t pts)
{
    int64_t part = b->part_us * 9 / 100;
    int64_t at = part > 0 ? pts - (pts - b->mark_pts) % part : pts;

    return at > b->newest_pts ? at : pts;
}

static void follow(struct boundary *b, const struct boundary_frame *f,
                   struct boundary_step *step)
{
    int64_t target = (int64_t)b->target_duration_s * 1000000;
    int64_t span = to_us(f->pts - b->mark_pts);

    if (f->key) {
        hear_key(b, f);
        if (!b->marked || b->broken || b->renewed || is_due(b, f, span))
            put_mark(b, f, step);
        return;
    }
    step->drop = !b->marked || b->broken;
    step->ask =
        (step->drop || span >= b->conf.segment_us - ASK_US) && asks(b, f);
    if (step->drop) return;
    if (span < target + LATE_US) return;
    step->switched = true;
    b->gop_us = span;
    if (b->conf.may_encode) {
        b->mode = BOUNDARY_GRID;
        put_mark(b, f, step);
        return;
    }
    /* Nothing breaks when the source merely goes on without an IDR. Over a
     * hole no picture begins there, and sound that had none, and comes a little
     * later, shall end in time, too. */
    struct boundary_frame here = *f;
    bool broken = is_over_a_hole(b, f);
    if (broken && span < target + LATE_US + AGAIN_US)
        here.pts = end_of_part(b, b->mark_pts + (target + LATE_US) *
                                                    VIDEO_TIMESCALE / 1000000);
    put_mark(b, &here, step);
    step->mark.discontinuity = broken;
}

struct boundary_step boundary_feed(struct boundary *b,
                                   const struct boundary_frame *f)
{
    struct boundary_step step = {0};
    /* The source stood or was lost for a while: a segment that reached over
     * it would be longer than it may. */
    bool hole = boundary_is_stalled(b, f->pts);

    switch (b->mode) {
    case BOUNDARY_MEASURING:
        measure(b, f, &step);
        if (step.decided && b->mode == BOUNDARY_GRID) grid(b, f, &step);
        break;
    case BOUNDARY_FOLLOW: follow(b, f, &step); break;
    case BOUNDARY_GRID: grid(b, f, &step); break;
    }
    b->newest_pts = f->pts;
    if (hole && step.marked) step.mark.discontinuity = true;
    return step;
}

bool boundary_is_stalled(const struct boundary *b, int64_t pts)
{
    int64_t most = (int64_t)b->target_duration_s * 1000000 + STALL_LATE_US;

    return b->marked && !b->broken && to_us(pts - b->newest_pts) >= STALL_US &&
           to_us(pts - b->mark_pts) >= most;
}

bool boundary_stall(struct boundary *b, int64_t pts, struct mark *out)
{
    int64_t at = end_of_part(b, pts);
    struct boundary_frame here = {at, at, false, false};
    struct boundary_step step = {0};

    if (!boundary_is_stalled(b, pts)) return false;
    put_mark(b, &here, &step);
    b->key_pts = at; /* the stall says nothing of the keyframe interval */
    *out = step.mark;
    return true;
}
