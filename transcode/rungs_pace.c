#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "transcode/rungs_priv.h"

enum {
    TICK_US = 200000,
    LAG_US = 300000,
    LAG_FRAMES = 8, /* slow cadences reorder for longer */
    LAG_SPAN_US = 5000000,
    LAG_MOST_US = 2500000, /* players give up on a rung soon after */
    SILENCE_US = 3000000,
    SPARE_LEAST_US = 60000000, /* in time for so long: a shed rung may return */
    SPARE_MOST_US = 960000000, /* doubling with every shed */
};

static int64_t worst_lag_us(const struct rungs *r)
{
    int64_t worst = 0;

    for (int i = 0; i < r->ladder.count; i++) {
        int slot = r->ladder.rungs[i].info.id - TRACK_RENDITION_FIRST;
        if (!rungs_makes(r, i) || !r->begun[slot]) continue;
        int64_t lag =
            (r->source_pts - r->newest[slot]) * 1000000 / VIDEO_TIMESCALE;
        if (lag > worst) worst = lag;
    }
    return worst;
}

static int64_t lag_limit_us(const struct rungs *r)
{
    int64_t frames = LAG_FRAMES * r->frame_ticks * 1000000 / VIDEO_TIMESCALE;

    return frames > LAG_US ? frames : LAG_US;
}

static bool is_flowing(const struct rungs *r, int64_t now)
{
    return r->fed_at && now - r->fed_at < TICK_US * 2;
}

static bool is_silent(const struct rungs *r, int64_t now)
{
    int64_t since = r->heard_at > r->marked_at ? r->heard_at : r->marked_at;

    return r->marked_at && now - since > SILENCE_US;
}

static void hangs(struct rungs *r)
{
    r->dying = true;
    child_kill(r->child, "hangs: nothing came out for 3 s");
}

static void watch(struct rungs *r, int64_t now)
{
    int64_t lag = worst_lag_us(r);

    metric_set(r->lag, (double)lag / 1e6);
    if (is_silent(r, now)) {
        hangs(r);
        return;
    }
    if (lag <= lag_limit_us(r) && !r->dropping) {
        r->late_since = 0;
        return;
    }
    if (!r->late_since) r->late_since = now;
    r->spare_at = now + r->spare_us;
    bool hopeless = lag > LAG_MOST_US;
    if (!hopeless && now - r->late_since < LAG_SPAN_US) return;
    r->late_since = 0;
    const struct ladder_rung *dearest = ladder_dearest(&r->ladder);
    if (dearest)
        rungs_shed(r, dearest->info.id,
                   "this machine cannot hold it in real time");
    if (!hopeless || !r->child) return;
    r->dying = true;
    child_kill(r->child, "fell 2.5 s behind");
}

static void on_tick(void *arg)
{
    struct rungs *r = arg;
    int64_t now = loop_now(r->conf.loop);

    timer_set(&r->tick, now + TICK_US);
    if (r->away && now >= r->spare_at && is_flowing(r, now)) {
        r->away--;
        r->spare_at = now + r->spare_us;
        r->events.on_spare(r->events.arg);
    }
    if (!r->child || !child_is_up(r->child) || r->dying) {
        metric_set(r->lag, 0);
        return;
    }
    if (!rungs_make_video(r)) {
        /* Sound costs too little to be late: it comes or the child hangs. */
        metric_set(r->lag, 0);
        if (!is_flowing(r, now))
            r->heard_at = 0;
        else if (r->heard_at && now - r->heard_at > SILENCE_US)
            hangs(r);
        return;
    }
    /* A source that paused is not late, and what it left is not silence. */
    if (is_flowing(r, now))
        watch(r, now);
    else
        r->late_since = r->marked_at = 0;
}

void rungs_shed(struct rungs *r, uint8_t id, const char *reason)
{
    metric_add(r->shed, 1);
    r->away++;
    r->spare_us = r->spare_us ? r->spare_us * 2 : r->conf.spare_us;
    if (r->spare_us > SPARE_MOST_US) r->spare_us = SPARE_MOST_US;
    r->spare_at = loop_now(r->conf.loop) + r->spare_us;
    r->events.on_shed(id, reason, r->events.arg);
}

void rungs_pace_reset(struct rungs *r)
{
    r->heard_at = r->marked_at = r->late_since = 0;
}

void rungs_pace_begin(struct rungs *r)
{
    if (!r->conf.spare_us) r->conf.spare_us = SPARE_LEAST_US;
    timer_init(&r->tick, r->conf.loop, on_tick, r);
    timer_set(&r->tick, loop_now(r->conf.loop) + TICK_US);
}

void rungs_pace_end(struct rungs *r)
{
    timer_cancel(&r->tick);
    metric_set(r->lag, 0);
}
