#include "packager/packager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "packager/drift.h"
#include "packager/rendition.h"
#include "packager/silence.h"

enum {
    AUDIO_WAIT_MAX = 128,
    /* Audio that runs ahead of the source's video this far waits no longer. */
    AUDIO_WAIT_US = 1000000,
    /* A rendition this far behind the others is taken for dead. */
    LAG_US = 3000000,
    /* How long frames still come in from encoders after the publisher left. */
    DRAIN_US = 500000,
    /* Sound that stays behind the source's video by this, and by what it
     * always is, is lost: silence takes its place. */
    SILENCE_US = 500000,
    SILENCE_LAG_MAX_US = 2000000,
    SILENCE_SPAN_US = 2000000, /* over which that is measured */
    /* Pictures that jump by so much: a mark may say soon that the segment
     * ended before. */
    JUMP_US = 400000,
    JUMP_WAIT_US = 200000,
    /* After one rendition is ready the others are waited for. */
    PUBLISH_WAIT_US = 1500000,
};

/* A rendition with what the packager knows of it. */
struct lane {
    struct rendition *rendition; /* NULL: the slot is free */
    uint8_t track_id;
    bool audio;
    bool planned; /* in the newest plan */
    bool dead;    /* too far behind: missing until it opens a segment */
    bool quiet;   /* sound: silence is in its place */
    /* Sound: how far behind the source's video it comes. */
    int64_t lag_us, lag_before_us, lag_from_us;
    struct frame *waiting[AUDIO_WAIT_MAX];
    int first, waiting_count;
};

struct packager {
    struct packager_conf conf;
    struct bus *bus;
    struct bus_subscriber *subscriber;
    struct plan plan;
    bool planned, ended;
    struct mark_log marks;
    struct drift drift;
    struct lane lanes[STORE_RENDITIONS_MAX];
    int lane_count;
    bool has_video;       /* the source sends video */
    uint8_t video_id;     /* the first of several; 0: none yet */
    int64_t video_dts_us; /* of the source's newest picture */
    int64_t jumped_us;    /* of the first one behind the newest hole */
    int64_t shown_us;     /* dts of the newest one of any rendition */
    bool broken;          /* the source is: a mark will say where that is */
    enum store_state state;
    uint32_t listed;
    bool publish_due; /* waited long enough for the slow ones */
    struct timer drain, publish;
    struct metric *parts, *missed, *dropped, *silent;
};

/* --- telling -------------------------------------------------------------- */

static void tell(struct store_event *e, void *arg)
{
    struct packager *p = arg;

    if (e->type == STORE_PART) metric_add(p->parts, 1);
    if (e->type == STORE_GAP || (e->type == STORE_PART && e->v.part.missing))
        metric_add(p->missed, 1);
    p->conf.on_event(e, p->conf.arg);
}

static void tell_state(struct packager *p, enum store_state state)
{
    struct store_event *e;

    if (p->state == state || store_event_create(&e, STORE_STATE, 0, 0)) return;
    p->state = state;
    e->v.state = state;
    tell(e, p);
    store_event_unref(&e);
}

static void tell_plan(struct packager *p)
{
    struct store_event *e;

    if (store_event_create(&e, STORE_PLAN, 0, 0)) return;
    e->v.plan = (struct store_plan){
        .target_duration_s = p->plan.target_duration_s,
        .part_us = p->plan.part_us,
        .window_us = p->conf.window_us ? p->conf.window_us : PACKAGER_WINDOW_US,
        .origin_wall_us = bus_conf(p->bus)->origin_wall_us,
    };
    tell(e, p);
    store_event_unref(&e);
}

/* --- what the multivariant playlist lists --------------------------------- */

/* Enough to start playing: the hold-back's worth, which is three parts. Those
 * of sound are a little shorter than the target: four of them would be 0.2 s
 * more to wait for. */
static bool is_ready(const struct packager *p, const struct lane *l)
{
    return l->planned && !l->dead && l->rendition->known &&
           l->rendition->begun_us >= 3 * p->plan.part_us * 9 / 10;
}

static void publish(struct packager *p)
{
    uint32_t ready = 0, expected = 0;
    struct store_event *e;

    for (int i = 0; i < p->lane_count; i++) {
        if (p->lanes[i].planned) expected |= 1u << i;
        /* One that was ready stays listed through a publisher's absence. */
        if (is_ready(p, &p->lanes[i]) ||
            ((p->listed >> i & 1) && p->lanes[i].planned && !p->lanes[i].dead))
            ready |= 1u << i;
    }
    if (!ready || ready == p->listed) return;
    if (!p->listed && ready != expected && !p->publish_due) {
        int64_t now = loop_now(bus_loop(p->bus));
        if (!timer_is_set(&p->publish))
            timer_set(&p->publish, now + PUBLISH_WAIT_US);
        return;
    }
    timer_cancel(&p->publish);
    if (store_event_create(&e, STORE_PUBLISH, 0, 0)) return;
    p->listed = ready;
    e->v.listed = ready;
    tell(e, p);
    store_event_unref(&e);
    if (p->state == STORE_STARTING) tell_state(p, STORE_LIVE);
}

static void on_publish_due(void *arg)
{
    struct packager *p = arg;

    p->publish_due = true;
    publish(p);
}

/* --- lanes that fall behind ----------------------------------------------- */

static int64_t lead_us(const struct packager *p)
{
    int64_t lead = 0;

    for (int i = 0; i < p->lane_count; i++)
        if (p->lanes[i].rendition->end_us > lead)
            lead = p->lanes[i].rendition->end_us;
    return lead;
}

/* Where this lane should have media next. */
static int64_t due_us(const struct packager *p, const struct lane *l)
{
    const struct rendition *r = l->rendition;
    const struct mark *next;

    if (rendition_is_open(r)) return r->end_us;
    next = mark_log_find(&p->marks, r->last_msn + 1, NULL);
    return next ? next->pts * 100 / 9 : INT64_MAX;
}

/* A dead lane's segments are missing as soon as the others have gone past
 * them, so that its playlist stays true and keeps its cadence. */
static void miss_segments(struct packager *p, struct lane *l, int64_t lead)
{
    const struct mark *m = mark_log_newest(&p->marks);

    while (m && m->pts * 100 / 9 >= lead)
        m = mark_log_find(&p->marks, m->msn - 1, NULL);
    if (!m) return;
    rendition_miss(l->rendition, m->msn);
    rendition_tear(l->rendition, l->rendition->last_msn + 1);
}

static void check_lags(struct packager *p)
{
    int64_t lead = lead_us(p);

    for (int i = 0; i < p->lane_count; i++) {
        struct lane *l = &p->lanes[i];
        int64_t due = due_us(p, l);

        if (!l->rendition->known) continue;
        if (!l->dead && due < lead - LAG_US) {
            log_warn("packager", "rendition_lost",
                     log_s("channel", bus_conf(p->bus)->channel),
                     log_i("track", l->track_id),
                     log_i("behind_ms", (lead - due) / 1000));
            l->dead = true;
            rendition_tear(l->rendition, l->rendition->last_msn + 1);
            publish(p);
        }
        if (l->dead && !rendition_is_open(l->rendition))
            miss_segments(p, l, lead);
    }
}

/* --- frames --------------------------------------------------------------- */

static void say_quiet(struct packager *p, struct lane *l, bool quiet)
{
    if (l->quiet == quiet) return;
    l->quiet = quiet;
    log_warn("packager", quiet ? "sound_lost" : "sound_back",
             log_s("channel", bus_conf(p->bus)->channel),
             log_i("track", l->track_id),
             log_s("effect", quiet ? "silence in its place" : "as it comes"));
}

/* f NULL: nothing came, and by until_us it should have. */
static void feed(struct packager *p, struct lane *l, const struct frame *f,
                 int64_t until_us, int64_t captured_at)
{
    struct rendition *r = l->rendition;
    uint64_t parts = r->part_count, dropped = r->dropped, silent = r->silent;

    if (f)
        rendition_feed(r, f);
    else if (silence_until(r, until_us, captured_at))
        say_quiet(p, l, true);
    if (f && l->audio && r->dropped == dropped) say_quiet(p, l, false);
    if (r->dropped != dropped) metric_add(p->dropped, 1);
    if (r->silent != silent)
        metric_add(p->silent, (int64_t)(r->silent - silent));
    if (l->dead && rendition_is_open(r)) {
        l->dead = false;
        log_info("packager", "rendition_back",
                 log_s("channel", bus_conf(p->bus)->channel),
                 log_i("track", l->track_id));
    }
    if (r->part_count == parts) return;
    publish(p);
    check_lags(p);
}

static int64_t pts_us(const struct lane *l, const struct frame *f)
{
    int64_t scale = l->rendition->segmenter.conf.timescale;

    return f->pts * 1000000 / scale;
}

/* Audio goes on once a boundary before it can no longer come: boundaries are
 * video keyframes, each is told before the first rendition's picture of it, and
 * later video lies after the newest dts seen. */
static void pass_audio(struct packager *p, struct lane *l, bool all)
{
    while (l->waiting_count) {
        struct frame *f = l->waiting[l->first];
        int newest = (l->first + l->waiting_count - 1) % AUDIO_WAIT_MAX;
        int64_t ahead = pts_us(l, l->waiting[newest]) - pts_us(l, f);

        if (!all && p->has_video && pts_us(l, f) >= p->shown_us &&
            ahead < AUDIO_WAIT_US && l->waiting_count < AUDIO_WAIT_MAX)
            return;
        l->waiting[l->first] = NULL;
        l->first = (l->first + 1) % AUDIO_WAIT_MAX;
        l->waiting_count--;
        feed(p, l, f, 0, 0);
        frame_unref(&f);
    }
}

static void pass_all_audio(struct packager *p, bool all)
{
    for (int i = 0; i < p->lane_count; i++)
        if (p->lanes[i].audio) pass_audio(p, &p->lanes[i], all);
}

/* How late sound comes: the most of this span and the one before it. */
static void note_lag(struct packager *p, struct lane *l, const struct frame *f)
{
    int64_t lag = p->video_dts_us - pts_us(l, f);

    if (!p->has_video) return;
    if (lag > SILENCE_LAG_MAX_US) lag = SILENCE_LAG_MAX_US;
    if (llabs(p->video_dts_us - l->lag_from_us) > SILENCE_SPAN_US) {
        l->lag_from_us = p->video_dts_us;
        l->lag_before_us = l->lag_us;
        l->lag_us = 0;
    }
    if (lag > l->lag_us) l->lag_us = lag;
}

/* Video goes on: sound that was promised to players must, too. Over a break
 * the old segment does not. */
static void fill_sound(struct packager *p, int64_t captured_at)
{
    if (p->broken || p->video_dts_us - p->jumped_us < JUMP_WAIT_US) return;
    for (int i = 0; i < p->lane_count; i++) {
        struct lane *l = &p->lanes[i];
        int64_t lag =
            l->lag_us > l->lag_before_us ? l->lag_us : l->lag_before_us;
        int64_t until = p->video_dts_us - SILENCE_US - lag;

        if (l->audio && l->planned && !l->waiting_count && l->rendition->known)
            feed(p, l, NULL, until, captured_at);
    }
}

static struct lane *find_lane(struct packager *p, uint8_t track_id)
{
    for (int i = 0; i < p->lane_count; i++)
        if (p->lanes[i].track_id == track_id) return &p->lanes[i];
    return NULL;
}

static void note_drift(struct packager *p, const struct frame *f,
                       const struct track_info *t)
{
    int64_t whole = f->dts / t->timescale, part = f->dts % t->timescale;

    if (!f->captured_at) return;
    drift_note(&p->drift, whole * 1000000 + part * 1000000 / t->timescale,
               f->captured_at - bus_conf(p->bus)->origin_at);
}

static void on_frame(struct packager *p, struct frame *f)
{
    struct lane *l;

    if (f->track_id < TRACK_RENDITION_FIRST) {
        struct track *t = bus_find_track(p->bus, f->track_id);

        if (!t) return;
        note_drift(p, f, track_info(t));
        if (track_info(t)->kind != TRACK_VIDEO) return;
        if (p->video_id && f->track_id > p->video_id) return;
        p->video_id = f->track_id;
        p->has_video = true;
        if (f->dts * 100 / 9 - p->video_dts_us >= JUMP_US)
            p->jumped_us = f->dts * 100 / 9;
        p->video_dts_us = f->dts * 100 / 9;
        p->broken |= f->flags & FRAME_DISCONTINUITY;
        pass_all_audio(p, false);
        fill_sound(p, f->captured_at);
        return;
    }
    l = find_lane(p, f->track_id);
    if (!l || !l->planned || !l->rendition->segmenter.conf.timescale) return;
    if (!l->audio) {
        feed(p, l, f, 0, 0);
        if (f->dts * 100 / 9 <= p->shown_us) return;
        p->shown_us = f->dts * 100 / 9;
        pass_all_audio(p, false);
        return;
    }
    int at = (l->first + l->waiting_count++) % AUDIO_WAIT_MAX;
    l->waiting[at] = frame_ref(f);
    note_lag(p, l, f);
    pass_audio(p, l, false);
}

/* --- tracks and plans ----------------------------------------------------- */

static void set_track(struct packager *p, struct lane *l, struct track *t)
{
    if (l->audio) pass_audio(p, l, true); /* these are of the old one */
    l->audio = track_info(t)->kind == TRACK_AUDIO;
    rendition_track(l->rendition, t);
}

static struct lane *add_lane(struct packager *p, uint8_t track_id)
{
    const struct bus_conf *bus = bus_conf(p->bus);
    struct rendition_conf conf = {
        .index = p->lane_count,
        .part_us = p->plan.part_us,
        .segment_us = p->plan.segment_us,
        .origin_at = bus->origin_at,
        .origin_wall_us = bus->origin_wall_us,
        .marks = &p->marks,
        .emit = tell,
        .arg = p,
    };
    struct lane *l = &p->lanes[p->lane_count];
    struct track *t = bus_find_track(p->bus, track_id);

    if (p->lane_count == STORE_RENDITIONS_MAX ||
        rendition_create(&l->rendition, &conf))
        return NULL;
    p->lane_count++;
    l->track_id = track_id;
    if (t) set_track(p, l, t);
    return l;
}

static void on_track(struct packager *p, struct track *t)
{
    struct lane *l = find_lane(p, track_info(t)->id);

    if (l) set_track(p, l, t);
    if (!track_is_rendition(t) && track_info(t)->kind == TRACK_VIDEO)
        p->has_video = true;
}

static void on_plan(struct packager *p, const struct plan *plan)
{
    bool first = !p->planned;

    p->plan = *plan;
    p->planned = true;
    if (first) tell_plan(p);
    for (int i = 0; i < p->lane_count; i++)
        p->lanes[i].planned = false;
    for (int i = 0; i < plan->rendition_count; i++) {
        struct lane *l = find_lane(p, plan->rendition_ids[i]);

        if (!l) l = add_lane(p, plan->rendition_ids[i]);
        if (l) l->planned = true;
    }
    for (int i = 0; i < p->lane_count; i++) {
        struct lane *l = &p->lanes[i];

        if (l->planned || l->dead) continue;
        l->dead = true; /* shed: its list goes on with what is missing */
        rendition_tear(l->rendition, l->rendition->last_msn + 1);
    }
    publish(p);
}

/* --- the publisher comes and goes ----------------------------------------- */

static void stop_all(struct packager *p)
{
    pass_all_audio(p, true);
    for (int i = 0; i < p->lane_count; i++)
        rendition_stop(p->lanes[i].rendition,
                       p->lanes[i].rendition->last_msn + 1);
}

static void on_drained(void *arg)
{
    stop_all(arg);
}

static void on_gone(struct packager *p)
{
    drift_break(&p->drift);
    timer_set(&p->drain, loop_now(bus_loop(p->bus)) + DRAIN_US);
    p->video_id = 0;
    if (p->listed) tell_state(p, STORE_RECONNECTING);
}

static void on_back(struct packager *p)
{
    if (timer_is_set(&p->drain)) {
        timer_cancel(&p->drain);
        stop_all(p);
    }
    if (p->listed) tell_state(p, STORE_LIVE);
}

static void on_end(struct packager *p)
{
    timer_cancel(&p->drain);
    timer_cancel(&p->publish);
    stop_all(p);
    p->publish_due = true;
    publish(p);
    p->ended = true;
    tell_state(p, STORE_ENDED);
}

static void on_lost(struct packager *p)
{
    log_error("packager", "overtaken",
              log_s("channel", bus_conf(p->bus)->channel));
    stop_all(p);
}

static void on_mark(struct packager *p, const struct mark *m)
{
    p->broken = false;
    if (mark_log_add(&p->marks, m)) return;
    mark_log_shift(&p->marks, drift_shift(&p->drift));
}

static void on_event(struct packager *p, const struct bus_event *e)
{
    switch (e->type) {
    case BUS_TRACK: on_track(p, e->v.track); break;
    case BUS_FRAME: on_frame(p, e->v.frame); break;
    case BUS_MARK: on_mark(p, &e->v.mark); break;
    case BUS_PLAN: on_plan(p, e->v.plan); break;
    case BUS_GONE: on_gone(p); break;
    case BUS_BACK: on_back(p); break;
    case BUS_END: on_end(p); break;
    case BUS_LOST: on_lost(p); break;
    }
}

static void on_wake(void *arg)
{
    struct packager *p = arg;
    struct bus_event e;

    while (!p->ended && bus_next(p->subscriber, &e) == 0)
        on_event(p, &e);
}

/* --- life ----------------------------------------------------------------- */

static void find_metrics(struct packager *p)
{
    char labels[128] = "";

    metric_label(labels, sizeof labels, "channel", bus_conf(p->bus)->channel);
    p->parts = metrics_counter(p->conf.metrics, "lectern_packager_parts_total",
                               "Parts made.", labels);
    p->missed = metrics_counter(p->conf.metrics, "lectern_packager_gaps_total",
                                "Parts and segments told as missing.", labels);
    p->dropped = metrics_counter(p->conf.metrics,
                                 "lectern_packager_dropped_frames_total",
                                 "Frames that could not be packaged.", labels);
    p->silent =
        metrics_counter(p->conf.metrics, "lectern_packager_silent_frames_total",
                        "Lost audio filled with silence.", labels);
}

int packager_create(struct packager **out, struct bus *bus,
                    const struct packager_conf *conf)
{
    struct packager *p = calloc(1, sizeof *p);
    int err;

    if (!p) return ERR_NOMEM;
    p->conf = *conf;
    p->bus = bus_ref(bus);
    find_metrics(p);
    timer_init(&p->drain, bus_loop(bus), on_drained, p);
    timer_init(&p->publish, bus_loop(bus), on_publish_due, p);
    err = bus_subscribe(bus, &p->subscriber, BUS_FROM_MARK, on_wake, p);
    if (err) {
        packager_free(&p);
        return err;
    }
    *out = p;
    on_wake(p);
    return 0;
}

void packager_free(struct packager **p)
{
    struct packager *gone = *p;

    *p = NULL;
    if (!gone) return;
    bus_unsubscribe(&gone->subscriber);
    timer_cancel(&gone->drain);
    timer_cancel(&gone->publish);
    for (int i = 0; i < gone->lane_count; i++) {
        struct lane *l = &gone->lanes[i];

        for (int k = 0; k < AUDIO_WAIT_MAX; k++)
            frame_unref(&l->waiting[k]);
        rendition_free(&l->rendition);
    }
    bus_unref(&gone->bus);
    free(gone);
}
