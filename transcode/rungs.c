#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "transcode/rungs_priv.h"

enum {
    POISON_US = 2000000, /* who dies younger may have died of what it was fed */
    JUMP_TICKS = 90000,
};

/* --- to the child --------------------------------------------------------- */

static int send_record(struct rungs *r, const struct wire_record *record)
{
    return r->child ? child_send(r->child, record) : ERR_CLOSED;
}

static void send_track(struct rungs *r, const struct track *t)
{
    struct wire_record record;

    if (!t) return;
    record = wire_of_track(t);
    send_record(r, &record);
}

static void send_request(struct rungs *r, const struct ladder_rung *rung)
{
    struct wire_record record = {.type = WIRE_TRACK, .v.track = rung->info};

    if (rung->info.passthrough) return;
    r->begun[rung->info.id - TRACK_RENDITION_FIRST] = false;
    send_record(r, &record);
}

static bool makes_sound(const struct rungs *r)
{
    for (int i = 0; i < r->ladder.count; i++) {
        const struct track_info *t = &r->ladder.rungs[i].info;
        if (t->kind == TRACK_AUDIO && !t->passthrough) return true;
    }
    return false;
}

static void send_frame(struct rungs *r, const struct frame *f)
{
    struct wire_record record = wire_of_frame(f);
    int err = send_record(r, &record);

    if (!err || err == ERR_CLOSED) return;
    metric_add(r->dropped, 1);
    r->dropping = true;
}

static void feed_video(struct rungs *r, struct frame *f)
{
    recent_video(&r->recent, f);
    if (f->flags & FRAME_KEY) r->key_pts = f->pts;
    /* Over a break the distance to the old rungs' end is no lag. */
    bool jumped = f->flags & FRAME_DISCONTINUITY ||
                  llabs(f->pts - r->source_pts) > JUMP_TICKS;
    if (jumped) {
        memset(r->begun, 0, sizeof r->begun);
        r->jump_pts = f->pts;
    }
    if (jumped || f->pts > r->source_pts) r->source_pts = f->pts;
    if (f->duration > 0) r->frame_ticks = f->duration;
    r->fed_at = loop_now(r->conf.loop);
    if (!rungs_make_video(r)) return;
    if (f->flags & FRAME_KEY) r->dropping = false;
    if (r->dropping) {
        metric_add(r->dropped, 1);
        return;
    }
    send_frame(r, f);
}

void rungs_frame(struct rungs *r, struct frame *f)
{
    if (r->video && f->track_id == track_info(r->video)->id) {
        feed_video(r, f);
        return;
    }
    recent_sound(&r->recent, f);
    if (!makes_sound(r)) return;
    if (!rungs_make_video(r)) r->fed_at = loop_now(r->conf.loop);
    send_frame(r, f);
}

void rungs_mark(struct rungs *r, const struct mark *m)
{
    struct wire_record record = {.type = WIRE_MARK, .v.mark = *m};

    r->last_mark = *m;
    if (!rungs_make_video(r)) return;
    if (!send_record(r, &record) && !r->marked_at)
        r->marked_at = loop_now(r->conf.loop);
}

void rungs_key(struct rungs *r, uint8_t id)
{
    struct wire_record record = {.type = WIRE_KEY, .v.key = id};
    const struct ladder_rung *rung = ladder_find(&r->ladder, id);

    if (!rung || rung->info.kind != TRACK_VIDEO || rung->info.passthrough)
        return;
    /* Before its first mark a rung would begin outside a segment. */
    if (id == LADDER_REALTIME || r->begun[id - TRACK_RENDITION_FIRST])
        send_record(r, &record);
}

void rungs_gone(struct rungs *r)
{
    struct wire_record record = {.type = WIRE_SIGNAL, .v.signal = BUS_GONE};

    send_record(r, &record);
}

void rungs_source(struct rungs *r, struct track *t)
{
    struct track **slot =
        track_info(t)->kind == TRACK_VIDEO ? &r->video : &r->audio;

    if (track_info(t)->kind == TRACK_VIDEO)
        recent_forget_video(&r->recent);
    else
        recent_forget_sound(&r->recent);
    track_ref(t);
    track_unref(slot);
    *slot = t;
    send_track(r, t);
}

static bool same_request(const struct track_info *a, const struct track_info *b)
{
    return a->passthrough == b->passthrough && a->width == b->width &&
           a->height == b->height && a->channels == b->channels;
}

static void send_plan(struct rungs *r)
{
    struct wire_record record = {.type = WIRE_PLAN,
                                 .v.plan = {1, 1000000, 1000000, {0}, 0}};

    struct plan *p = &record.v.plan;
    for (int i = 0; i < r->ladder.count; i++)
        if (!r->ladder.rungs[i].info.passthrough)
            p->rendition_ids[p->rendition_count++] = r->ladder.rungs[i].info.id;
    send_record(r, &record);
}

/* --- from the child ------------------------------------------------------- */

/* A decoder that saw nothing yet: all since the last keyframe. */
static void replay_video(struct rungs *r)
{
    r->dropping = !r->recent.whole;
    for (int i = 0; i < r->recent.video_count && rungs_make_video(r); i++)
        send_frame(r, r->recent.video[i]);
    rungs_key(r, LADDER_REALTIME);
}

/* What no rung gave yet. */
static void replay_sound(struct rungs *r)
{
    int64_t from = INT64_MAX, rate;

    if (!r->audio || !makes_sound(r)) return;
    rate = track_info(r->audio)->timescale;
    for (int i = 0; i < r->ladder.count; i++) {
        const struct track_info *t = &r->ladder.rungs[i].info;
        if (t->kind != TRACK_AUDIO || t->passthrough) continue;
        int64_t end = r->ends[t->id - TRACK_RENDITION_FIRST];
        if (end > INT64_MIN / 2)
            end = end / t->timescale * rate +
                  end % t->timescale * rate / t->timescale;
        if (end < from) from = end;
    }
    for (int i = 0; i < r->recent.sound_count; i++) {
        struct frame *f = recent_sound_at(&r->recent, i);
        if (f->pts >= from) send_frame(r, f);
    }
}

static void on_child_up(void *arg)
{
    struct rungs *r = arg;
    struct wire_record hello = {.type = WIRE_HELLO,
                                .v.hello.version = WIRE_VERSION};

    rungs_pace_reset(r);
    r->dying = false;
    r->up_at = loop_now(r->conf.loop);
    send_record(r, &hello);
    send_track(r, r->video);
    send_track(r, r->audio);
    for (int i = 0; i < r->ladder.count; i++)
        send_request(r, &r->ladder.rungs[i]);
    /* The first child begins where the stream does; a later one would give out
     * again what its forerunner did, and waits for the next mark. */
    bool marked = r->recent.video_count && r->last_mark.pts == r->key_pts;
    if (marked && !r->was_up) rungs_mark(r, &r->last_mark);
    r->was_up = true;
    replay_video(r);
    replay_sound(r);
    log_info("transcode", "child_up", log_s("channel", r->conf.channel),
             log_s("makes", r->conf.sound ? "sound" : "pictures"),
             log_i("pid", child_pid(r->child)),
             log_i("replayed_frames", r->recent.video_count));
    r->events.on_up(r->events.arg);
}

static void on_child_down(const char *why, void *arg)
{
    struct rungs *r = arg;

    metric_add(r->restarts, 1);
    if (loop_now(r->conf.loop) - r->up_at < POISON_US)
        recent_forget_video(&r->recent);
    rungs_pace_reset(r);
    memset(r->begun, 0, sizeof r->begun);
    log_warn("transcode", "child_lost", log_s("channel", r->conf.channel),
             log_s("why", why),
             log_s("effect", r->conf.sound
                                 ? "made sound pauses, the rest goes on"
                                 : "made renditions pause, passthrough goes "
                                   "on"));
}

static void take_frame(struct rungs *r, const struct wire_record *record)
{
    const struct frame *f = &record->v.frame;
    const struct ladder_rung *rung = ladder_find(&r->ladder, f->track_id);
    struct frame *made = NULL;

    r->heard_at = loop_now(r->conf.loop);
    if (!rung || rung->info.passthrough) return; /* shed meanwhile */
    int slot = f->track_id - TRACK_RENDITION_FIRST;
    if (rung->info.kind == TRACK_AUDIO) {
        /* A new child's encoder begins with what the last one gave. */
        if (f->pts < r->ends[slot] - f->duration / 2) return;
        r->ends[slot] = f->pts + f->duration;
    }
    r->begun[slot] = f->pts >= r->jump_pts;
    r->newest[slot] = f->pts;
    if (wire_to_frame(record, &made)) return;
    r->events.on_frame(made, r->events.arg);
    frame_unref(&made);
}

static void take_track(struct rungs *r, const struct wire_record *record)
{
    struct track *made = NULL;
    const struct ladder_rung *rung =
        ladder_find(&r->ladder, record->v.track.id);

    if (!rung || rung->info.passthrough) return;
    if (wire_to_track(record, &made)) return;
    r->events.on_track(made, r->events.arg);
    track_unref(&made);
}

static bool stat_is(const struct wire_record *record, const char *name)
{
    return record->payload.len == strlen(name) &&
           !memcmp(record->payload.data, name, record->payload.len);
}

static void take_stat(struct rungs *r, const struct wire_record *record)
{
    char name[WIRE_NAME_MAX + 1] = {0};

    if (stat_is(record, "encoder_failed")) {
        if (ladder_find(&r->ladder, (uint8_t)record->v.stat))
            rungs_shed(r, (uint8_t)record->v.stat, "its encoder failed");
        return;
    }
    if (record->payload.len)
        memcpy(name, record->payload.data, record->payload.len);
    log_warn("transcode", "child_says", log_s("channel", r->conf.channel),
             log_s("what", name), log_i("value", record->v.stat));
}

static void on_child_record(const struct wire_record *record, void *arg)
{
    struct rungs *r = arg;

    switch (record->type) {
    case WIRE_FRAME: take_frame(r, record); break;
    case WIRE_TRACK: take_track(r, record); break;
    case WIRE_STAT: take_stat(r, record); break;
    case WIRE_IMPRESSION:
        r->events.on_impression(&record->v.impression, r->events.arg);
        break;
    default: break;
    }
}

/* --- doors ---------------------------------------------------------------- */

static void start_child(struct rungs *r)
{
    const struct child_events events = {on_child_up, on_child_record,
                                        on_child_down, r};

    if (child_create(&r->child, r->conf.loop, r->conf.worker_path,
                     r->conf.hardware, &events))
        log_error("transcode", "no_child", log_s("channel", r->conf.channel),
                  log_s("why", "out of memory"));
}

void rungs_want(struct rungs *r, const struct ladder *l)
{
    struct ladder was = r->ladder;
    bool saw = rungs_make_video(r);

    r->ladder = *l;
    if (!ladder_needs_child(l)) {
        child_free(&r->child);
        return;
    }
    if (!r->child) {
        start_child(r);
        return; /* it is told all when it is up */
    }
    send_plan(r);
    for (int i = 0; i < l->count; i++) {
        const struct track_info *t = &l->rungs[i].info;
        const struct ladder_rung *old = ladder_find(&was, t->id);
        if (old && same_request(&old->info, t)) continue;
        send_request(r, &l->rungs[i]);
        if (t->id == LADDER_REALTIME) rungs_key(r, t->id);
    }
    if (!saw && rungs_make_video(r) && child_is_up(r->child)) replay_video(r);
}

int rungs_child_pid(const struct rungs *r)
{
    return r->child ? child_pid(r->child) : 0;
}

int rungs_create(struct rungs **out, const struct rungs_conf *conf,
                 const struct rungs_events *events)
{
    struct rungs *r = calloc(1, sizeof *r);
    struct metrics *m = conf->metrics;
    char label[128] = "";

    if (!r) return ERR_NOMEM;
    r->conf = *conf;
    r->events = *events;
    r->last_mark.pts = INT64_MIN;
    r->key_pts = INT64_MAX;
    for (int i = 0; i < RUNG_SLOTS; i++)
        r->ends[i] = INT64_MIN / 2;
    metric_label(label, sizeof label, "channel", conf->channel);
    r->restarts = metrics_counter(m, "lectern_transcode_restarts_total",
                                  "Children that were lost", label);
    r->shed =
        metrics_counter(m, "lectern_transcode_shed_total",
                        "Renditions given up to stay in real time", label);
    r->dropped =
        metrics_counter(m, "lectern_transcode_dropped_frames_total",
                        "Source frames a child was too slow for", label);
    r->lag =
        metrics_gauge(conf->sound ? NULL : m, "lectern_transcode_lag_seconds",
                      "How far the slowest rendition is behind", label);
    rungs_pace_begin(r);
    *out = r;
    return 0;
}

void rungs_free(struct rungs **r)
{
    struct rungs *last = *r;

    *r = NULL;
    if (!last) return;
    rungs_pace_end(last);
    child_free(&last->child);
    recent_forget_video(&last->recent);
    recent_forget_sound(&last->recent);
    track_unref(&last->video);
    track_unref(&last->audio);
    free(last);
}
