#include "transcode/transcode.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "transcode/transcode_priv.h"

enum { PART_LOW_US = 200000, PART_NORMAL_US = 500000 };

static void on_wake(void *arg)
{
    struct transcode *t = arg;
    struct bus_event e;

    /* What we append wakes us too: the pull that runs will see it. */
    if (t->pulling) return;
    t->pulling = true;
    while (t->subscriber && !bus_next(t->subscriber, &e)) {
        switch (e.type) {
        case BUS_TRACK:
            if (!track_is_rendition(e.v.track)) source_track(t, e.v.track);
            break;
        case BUS_FRAME:
            if (e.v.frame->track_id < TRACK_RENDITION_FIRST)
                source_frame(t, e.v.frame);
            break;
        case BUS_GONE:
            rungs_gone(t->rungs);
            rungs_gone(t->sound);
            languages_gone(t);
            source_break(t);
            break;
        case BUS_BACK: source_back(t); break;
        case BUS_LOST: source_break(t); break;
        case BUS_END:
            bus_unsubscribe(&t->subscriber);
            rungs_free(&t->rungs);
            rungs_free(&t->sound);
            languages_end(t);
            break;
        default: break;
        }
    }
    t->pulling = false;
}

/* --- the child's side ----------------------------------------------------- */

static void on_made_track(struct track *track, void *arg)
{
    struct transcode *t = arg;

    if (track_info(track)->id == LADDER_REALTIME) t->realtime.idle = false;
    if (!t->planned)
        pending_track(&t->made, track);
    else if (publish_waits(t, track_info(track)->id))
        pending_track(&t->source, track);
    else
        bus_track(t->bus, track);
}

static void on_made_frame(struct frame *f, void *arg)
{
    struct transcode *t = arg;

    if (!t->planned)
        pending_frame(&t->made, f);
    else if (publish_waits(t, f->track_id))
        pending_frame(&t->source, f);
    else
        publish_made(t, f);
}

static void on_shed(uint8_t id, const char *reason, void *arg)
{
    struct transcode *t = arg;
    const char *name = lineup_shed(&t->lineup, id);

    if (!name) return;
    log_warn("transcode", "rendition_shed",
             log_s("channel", transcode_channel(t)), log_s("rendition", name),
             log_s("reason", reason));
    publish_change(t);
}

static void on_spare(void *arg)
{
    struct transcode *t = arg;

    if (!lineup_restore(&t->lineup)) return;
    log_info("transcode", "rendition_back",
             log_s("channel", transcode_channel(t)));
    publish_change(t);
}

/* Of the tracks that the ladder is made of. */
static void on_impression(const struct impression *c, void *arg)
{
    struct transcode *t = arg;
    const struct track *of = c->kind == TRACK_VIDEO ? t->video : t->audio;

    if (t->conf.on_impression && of && track_info(of)->id == c->track)
        t->conf.on_impression(c, t->conf.arg);
}

static void on_child_up(void *arg)
{
    struct transcode *t = arg;

    boundary_force(&t->boundary);
}

/* --- door ----------------------------------------------------------------- */

static void on_sound_up(void *arg)
{
    (void)arg; /* it begins anywhere */
}

static int begin(struct transcode *t)
{
    struct rungs_events events = {
        on_made_track, on_made_frame, on_shed, on_spare,
        on_child_up,   on_impression, t};
    struct rungs_conf conf = {.loop = bus_loop(t->bus),
                              .worker_path = t->worker_path,
                              .channel = transcode_channel(t),
                              .hardware = t->conf.hardware,
                              .spare_us = t->conf.spare_us,
                              .metrics = t->conf.metrics};
    int err = rungs_create(&t->rungs, &conf, &events);

    if (err) return err;
    conf.sound = true;
    conf.hardware = false;
    events.on_up = on_sound_up;
    err = rungs_create(&t->sound, &conf, &events);
    if (err) return err;
    languages_begin(t, &conf, &events);
    return bus_subscribe(t->bus, &t->subscriber, BUS_FROM_KEY, on_wake, t);
}

int transcode_create(struct transcode **out, struct bus *bus,
                     const struct transcode_conf *conf)
{
    struct transcode *t = calloc(1, sizeof *t);
    struct boundary_conf b = {
        .may_encode = conf->type == CHANNEL_STANDARD && conf->worker_path,
        .segment_us = TRANSCODE_SEGMENT_US,
        .part_goal_us =
            conf->latency == LATENCY_LOW ? PART_LOW_US : PART_NORMAL_US,
        .first_msn = conf->first_msn,
        .hint_gop_us = conf->hint_gop_us};

    if (!t) return ERR_NOMEM;
    if (!b.hint_gop_us && b.may_encode) b.hint_gop_us = TRANSCODE_SEGMENT_US;
    t->conf = *conf;
    if (!conf->realtime_us) t->conf.realtime_us = TRANSCODE_REALTIME_US;
    t->from_pts = t->audio_from_pts = t->disc_pts = INT64_MIN / 2000000;
    t->bus = bus_ref(bus);
    boundary_init(&t->boundary, &b);
    further_begin(t);
    if (!b.may_encode) t->conf.type = CHANNEL_BASIC;
    if (!conf->worker_path) t->conf.opus = false;
    t->worker_path = strdup(conf->worker_path ? conf->worker_path : "");
    if (!t->worker_path || begin(t)) {
        transcode_free(&t);
        return ERR_NOMEM;
    }
    wanted_begin(t);
    on_wake(t); /* what the bus already knows */
    *out = t;
    return 0;
}

void transcode_free(struct transcode **t)
{
    struct transcode *last = *t;

    *t = NULL;
    if (!last) return;
    wanted_end(last);
    bus_unsubscribe(&last->subscriber);
    rungs_free(&last->rungs);
    rungs_free(&last->sound);
    languages_end(last);
    tracks_release(&last->tracks);
    still_forget(&last->still);
    pending_release(&last->source);
    pending_release(&last->made);
    track_unref(&last->video);
    track_unref(&last->audio);
    free(last->worker_path);
    bus_unref(&last->bus);
    free(last);
}

int64_t transcode_gop_us(const struct transcode *t)
{
    return t->boundary.gop_us;
}

int transcode_child_pid(const struct transcode *t)
{
    int pid = t->rungs ? rungs_child_pid(t->rungs) : 0;

    return pid || !t->sound ? pid : rungs_child_pid(t->sound);
}
