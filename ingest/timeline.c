#include "ingest/timeline.h"

#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"

enum {
    JUMP_FORWARD_US = 3000000,
    JUMP_BACK_US = 1000000,
    TOGETHER_US = 1000000,  /* tracks that jumped alike land this near */
    PAUSE_US = 300000,      /* between arrivals: more than a frame passed */
    AUDIO_OFF_US = 36000,   /* a count of samples may be so far off its time */
    AUDIO_BACK_US = 250000, /* so far ahead of it, it waits at once */
    STEP_TICKS = 90,        /* 1 ms: what a clamped frame moves on */
    SHOWN_LATE_MAX = 2 * VIDEO_TIMESCALE, /* pts - dts beyond is nonsense */
    BEHIND_RUN = 16,
};

void timeline_init(struct timeline *t, int64_t base_us, bool broken)
{
    memset(t, 0, sizeof *t);
    t->base_us = t->newest_us = base_us;
    for (int i = 0; i < TIMELINE_SLOTS; i++)
        t->tracks[i].broken = broken;
}

void timeline_video(struct timeline *t, int slot, uint32_t fps_num,
                    uint32_t fps_den)
{
    struct timeline_track *k = &t->tracks[slot];

    k->kind = TRACK_VIDEO;
    cadence_init(&k->cadence, fps_num, fps_den);
}

static int64_t scale(int64_t us, uint32_t rate)
{
    int64_t whole = us / 1000000, part = us % 1000000;

    return whole * rate + (part * rate + 500000) / 1000000;
}

void timeline_audio(struct timeline *t, int slot, uint32_t rate)
{
    struct timeline_track *k = &t->tracks[slot];

    k->kind = TRACK_AUDIO;
    if (k->started && k->rate && k->rate != rate)
        k->next = scale(k->next * 1000000 / k->rate, rate);
    k->rate = rate;
}

/* Where a frame belongs whose own clock cannot say so: it goes on from its
 * track's last one, or from the newest of all, by what passed meanwhile. What
 * passed is a frame, unless it was clearly more. */
static int64_t go_on(const struct timeline *t, const struct timeline_track *k,
                     const struct timeline_in *in)
{
    int64_t gap;

    if (!k->started) return t->newest_us + in->arrived_at - t->newest_at;
    gap = in->arrived_at - k->last_at;
    return k->last_us + (gap < PAUSE_US ? k->step_us : gap);
}

/* The source's clock of this track jumped, or its first frame lies far from
 * the others. If the common offset puts it beside what was placed last, it
 * only follows the others. */
static void rebase(struct timeline *t, struct timeline_track *k,
                   const struct timeline_in *in)
{
    int64_t off = in->dts_us + t->offset_us - t->newest_us;

    if (off > TOGETHER_US || off < -TOGETHER_US) {
        t->offset_us = go_on(t, k, in) - in->dts_us;
        t->counts.rebased++;
    }
    k->offset_us = t->offset_us;
    /* Nothing is lost where only the clock jumped. */
    k->broken |= in->arrived_at - k->last_at >= PAUSE_US;
    cadence_reset(&k->cadence);
}

static bool jumped(int64_t step_us)
{
    return step_us > JUMP_FORWARD_US || step_us < -JUMP_BACK_US;
}

/* A track that paused while others went on is no jump. */
static bool rejoins(const struct timeline *t, const struct timeline_track *k,
                    const struct timeline_in *in)
{
    int64_t off = in->dts_us + k->offset_us - t->newest_us;

    return off <= TOGETHER_US && off >= -TOGETHER_US &&
           in->dts_us > k->last_raw_us;
}

/* Pictures that begin a little before the sound that came first: with B-frames
 * the keyframe is decoded that much before it is shown, and without it all are
 * of no use until the next one. All tracks move on; sound has a gap there. */
static void make_room(struct timeline *t, int64_t us)
{
    t->offset_us += us;
    for (int i = 0; i < TIMELINE_SLOTS; i++)
        if (t->tracks[i].started) t->tracks[i].offset_us += us;
}

/* Finds the frame's place in µs on the bus's timeline. */
static int map(struct timeline *t, struct timeline_track *k,
               const struct timeline_in *in, int64_t *at_us)
{
    if (!t->started) {
        t->started = true;
        t->offset_us = t->base_us - in->dts_us;
        t->newest_at = in->arrived_at;
    }
    if (!k->started) {
        bool broken = k->broken;
        k->offset_us = t->offset_us;
        if (jumped(in->dts_us + k->offset_us - t->newest_us)) {
            rebase(t, k, in);
            k->broken = broken; /* the track's own beginning is no break */
        }
    } else if (jumped(in->dts_us - k->last_raw_us) && !rejoins(t, k, in)) {
        rebase(t, k, in);
    }
    *at_us = in->dts_us + k->offset_us;
    if (*at_us >= t->base_us) return 0;
    if (!k->started && k->kind == TRACK_VIDEO) { /* since it did not jump */
        make_room(t, t->base_us - *at_us);
        k->offset_us = t->offset_us;
        *at_us = t->base_us;
        return 0;
    }
    if (k->started) { /* a first frame that was stamped late */
        *at_us = t->base_us;
        return 0;
    }
    t->counts.early++;
    return ERR_AGAIN;
}

static void place_video(struct timeline *t, struct timeline_track *k,
                        const struct timeline_in *in, int64_t at_us,
                        struct timeline_out *out)
{
    int64_t dts = cadence_place(&k->cadence, scale(at_us, VIDEO_TIMESCALE));
    int64_t pts = cadence_snap(
        &k->cadence, scale(at_us + (in->pts_us - in->dts_us), VIDEO_TIMESCALE));

    if (k->started && dts <= k->last_dts) {
        dts = k->last_dts + STEP_TICKS;
        t->counts.clamped++;
    }
    if (pts < dts || pts - dts > SHOWN_LATE_MAX) {
        if (in->pts_us != in->dts_us) t->counts.clamped++;
        pts = dts;
    }
    out->dts = dts;
    out->pts = pts;
    out->duration = cadence_duration(&k->cadence);
    if (!out->duration) out->duration = VIDEO_TIMESCALE / 30;
}

/* How far the count of samples may be from the timestamps: frames are put in
 * and left out whole, so never less than most of one. */
static int64_t audio_limit(const struct timeline_track *k, int64_t samples)
{
    int64_t limit = samples * 3 / 2, most = scale(AUDIO_OFF_US, k->rate);

    if (limit > most) limit = most;
    return limit > samples * 3 / 5 ? limit : samples * 3 / 5;
}

/* The count is ahead: which frames are left out? One after a run in which none
 * was near; where the clock stepped back all, until they are in time. */
static bool leaves_out(struct timeline_track *k, int64_t error, int64_t limit)
{
    if (error < -scale(AUDIO_BACK_US, k->rate)) k->skips = true;
    if (k->skips) {
        k->skips = error < 0;
        return k->skips;
    }
    if (error >= -limit)
        k->behind_run = 0;
    else if (++k->behind_run > BEHIND_RUN)
        return true;
    return false;
}

/* Sources stamp audio in ms, or several frames alike: the count of samples is
 * the better clock. It yields when it is really off: forward at once (a gap),
 * backward by leaving frames out. */
static int place_audio(struct timeline *t, struct timeline_track *k,
                       const struct timeline_in *in, int64_t at_us,
                       struct timeline_out *out)
{
    int64_t at = scale(at_us, k->rate);
    int64_t samples = in->samples > 0 ? in->samples : 0;
    int64_t limit = audio_limit(k, samples), error = at - k->next;

    if (!k->started || !samples || k->broken) {
        if (k->started && at < k->next) at = k->next;
        k->next = at;
        k->behind_run = 0;
        k->skips = false;
    } else if (error > limit) {
        t->counts.resynced++;
        k->next = at;
        k->behind_run = 0;
        k->skips = false;
    } else if (leaves_out(k, error, limit)) {
        t->counts.resynced++;
        k->behind_run = 0;
        return ERR_AGAIN;
    }
    out->dts = out->pts = k->next;
    out->duration = samples;
    k->next += samples ? samples : 1;
    return 0;
}

static void note_time(struct timeline *t, struct timeline_track *k,
                      const struct timeline_in *in, int64_t at_us)
{
    int64_t step = in->dts_us - k->last_raw_us;

    if (k->started && step > 0 && step < PAUSE_US) k->step_us = step;
    k->last_raw_us = in->dts_us;
    k->last_us = at_us;
    k->last_at = in->arrived_at;
    if (at_us < t->newest_us) return;
    t->newest_us = at_us;
    t->newest_at = in->arrived_at;
}

int timeline_place(struct timeline *t, const struct timeline_in *in,
                   struct timeline_out *out)
{
    struct timeline_track *k;
    struct timeline_out o = {0};
    int64_t at_us;
    int err;

    INVARIANT(in->slot >= 0 && in->slot < TIMELINE_SLOTS);
    k = &t->tracks[in->slot];
    INVARIANT(k->kind == TRACK_VIDEO || k->rate);
    err = map(t, k, in, &at_us);
    if (err) return err;
    note_time(t, k, in, at_us);
    if (k->kind == TRACK_VIDEO)
        place_video(t, k, in, at_us, &o);
    else
        err = place_audio(t, k, in, at_us, &o);
    if (err) return err;
    o.discontinuity = k->broken;
    k->broken = false;
    k->started = true;
    k->last_dts = o.dts;
    *out = o;
    return 0;
}
