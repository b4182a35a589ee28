#include "transcode/transcode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/media/aac.h"
#include "transcode/boundary.h"
#include "transcode/lineup.h"
#include "transcode/pending.h"
#include "transcode/rungs.h"

enum {
    SEGMENT_US = 2000000,
    PART_LOW_US = 200000,
    PART_NORMAL_US = 500000,
    ALONE_US = 1500000, /* sound this long without video stays alone */
    DISC_US = 2000000,  /* sound's break this soon after video's is the same */
    WAITING_MAX = 250,  /* sound frames kept for a mark: about 5 s */
    ADVICE_MAX = 128,
};

struct transcode {
    struct transcode_conf conf;
    char *worker_path;
    struct bus *bus;
    struct bus_subscriber *subscriber;
    bool pulling;
    struct rungs *rungs;
    struct boundary boundary;
    struct track *video, *audio; /* the source */
    bool audio_plain;
    bool audio_alone;
    int64_t audio_first; /* pts of the first sound while there is no video */
    bool audio_seen;

    struct lineup lineup;
    bool top_due, audio_due; /* passthrough tracks to be told before use */

    bool planned;
    struct plan plan; /* as last told */
    int64_t from_pts; /* nothing before it is published */
    /* After a break sound waits for the mark that says so to players. */
    bool audio_waits;
    int64_t audio_from_pts;
    int64_t disc_pts;            /* of the last such mark */
    struct pending source, made; /* while measuring */
};

static const char *channel(const struct transcode *t)
{
    return bus_conf(t->bus)->channel;
}

static int64_t to_video(int64_t ticks, uint32_t timescale)
{
    return ticks / timescale * VIDEO_TIMESCALE +
           ticks % timescale * VIDEO_TIMESCALE / timescale;
}

/* --- the ladder ----------------------------------------------------------- */

/* Made by us, or taken from the source? */
static bool encodes_top(const struct transcode *t)
{
    return t->conf.type == CHANNEL_STANDARD &&
           (t->boundary.mode == BOUNDARY_GRID ||
            track_info(t->video)->codec != CODEC_H264);
}

static void choose_ladder(struct transcode *t)
{
    struct ladder_source s = {.audio_plain = t->audio_plain};
    struct ladder_conf conf = {.type = t->conf.type, .opus = t->conf.opus};

    if (t->video) {
        s.has_video = true;
        s.video = *track_info(t->video);
        if (!s.video.fps_num || !s.video.fps_den) {
            s.video.fps_num = t->boundary.fps_num;
            s.video.fps_den = t->boundary.fps_den;
        }
        conf.encode_top = encodes_top(t);
    }
    if (t->audio) {
        s.has_audio = true;
        s.audio = *track_info(t->audio);
    }
    lineup_choose(&t->lineup, &conf, &s);
    rungs_want(t->rungs, &t->lineup.ladder);
}

static void tell_plan(struct transcode *t)
{
    struct plan p = {.target_duration_s = t->boundary.target_duration_s,
                     .part_us = t->boundary.part_us,
                     .segment_us = SEGMENT_US};

    ladder_list(&t->lineup.ladder, &p);
    if (t->planned && p.rendition_count == t->plan.rendition_count &&
        !memcmp(p.rendition_ids, t->plan.rendition_ids, sizeof p.rendition_ids))
        return;
    t->planned = true;
    t->plan = p;
    if (bus_plan(t->bus, &p)) t->plan.rendition_count = 0; /* with a mark */
}

static void change_ladder(struct transcode *t)
{
    if (!t->lineup.chosen) return;
    choose_ladder(t);
    if (t->planned) tell_plan(t);
}

/* --- publishing ----------------------------------------------------------- */

static const struct ladder_rung *passes(const struct transcode *t, uint8_t id)
{
    const struct ladder_rung *r = ladder_find(&t->lineup.ladder, id);

    return r && r->info.passthrough ? r : NULL;
}

/* The source's track under a rendition's id. */
static void tell_track(struct transcode *t, uint8_t id, struct track *source)
{
    const struct ladder_rung *r = passes(t, id);
    struct track *made = NULL;

    if (!r || track_create(&made, &r->info, track_config(source))) return;
    bus_track(t->bus, made);
    track_unref(&made);
}

static void tell_frame(struct transcode *t, const struct frame *f, uint8_t id,
                       bool discontinuity)
{
    struct frame copy = *f;
    struct frame *made = NULL;

    if (!passes(t, id)) return;
    copy.track_id = id;
    copy.flags &= FRAME_KEY;
    if (discontinuity) copy.flags |= FRAME_DISCONTINUITY;
    copy.payload = slice_ref(f->payload);
    if (frame_create(&made, &copy)) return;
    bus_append(t->bus, made);
    frame_unref(&made);
}

static void publish_audio(struct transcode *t, const struct frame *f);

static void end_wait(struct transcode *t)
{
    t->audio_waits = false;
    for (int i = 0; i < t->source.count; i++)
        publish_audio(t, t->source.items[i].frame);
    pending_release(&t->source);
}

static void tell_mark(struct transcode *t, const struct mark *m)
{
    if (!t->plan.rendition_count) tell_plan(t);
    if (t->top_due) {
        tell_track(t, LADDER_TOP, t->video);
        t->top_due = false;
    }
    bus_mark(t->bus, m);
    if (!m->discontinuity) return;
    t->disc_pts = m->pts;
    if (!t->audio_waits) return;
    t->audio_from_pts = m->pts;
    end_wait(t);
}

static void publish_video(struct transcode *t, const struct frame *f,
                          const struct boundary_step *step)
{
    if (t->boundary.mode != BOUNDARY_FOLLOW || step->drop) return;
    tell_frame(t, f, LADDER_TOP, step->marked && step->mark.discontinuity);
}

static void publish_audio(struct transcode *t, const struct frame *f)
{
    uint32_t rate = track_info(t->audio)->timescale;
    bool broken = f->flags & FRAME_DISCONTINUITY;

    int64_t pts = to_video(f->pts, rate);

    if (pts < t->from_pts || pts < t->audio_from_pts) return;
    if (t->audio_due) {
        tell_track(t, LADDER_AUDIO, t->audio);
        tell_track(t, LADDER_OPUS, t->audio);
        t->audio_due = false;
    }
    tell_frame(t, f, LADDER_AUDIO, broken);
    tell_frame(t, f, LADDER_OPUS, broken);
}

/* What a child made. */
static void publish_made(struct transcode *t, struct frame *f)
{
    const struct ladder_rung *r = ladder_find(&t->lineup.ladder, f->track_id);

    if (!r || r->info.passthrough) return;
    if (to_video(f->pts, r->info.timescale) < t->from_pts) return;
    bus_append(t->bus, f);
}

static void flush_made(struct transcode *t)
{
    for (int i = 0; i < t->made.count; i++) {
        if (t->made.items[i].track)
            bus_track(t->bus, t->made.items[i].track);
        else
            publish_made(t, t->made.items[i].frame);
    }
    pending_release(&t->made);
}

/* --- the source ----------------------------------------------------------- */

static void advise(const struct transcode *t, const char *effect)
{
    char text[ADVICE_MAX];

    snprintf(text, sizeof text,
             "keyframe interval is over %.1f s: set it to 2 s in OBS: Output "
             "> Keyframe interval",
             (double)t->boundary.gop_us / 1e6);
    log_warn("transcode", "keyframes_late", log_s("channel", channel(t)),
             log_s("effect", effect), log_s("advice", text));
}

static void log_ladder(const struct transcode *t)
{
    char names[LADDER_RUNGS_MAX * TRACK_NAME_MAX] = "";
    size_t n = 0;

    for (int i = 0; i < t->lineup.ladder.count; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s%s",
                              i ? "," : "", t->lineup.ladder.rungs[i].info.name,
                              t->lineup.ladder.rungs[i].info.passthrough ? "*"
                                                                         : "");
    log_info("transcode", "ladder", log_s("channel", channel(t)),
             log_s("renditions", names),
             log_s("marks", t->boundary.mode == BOUNDARY_FOLLOW
                                ? "source keyframes"
                                : "every 2 s"),
             log_f("gop_s", (double)t->boundary.gop_us / 1e6),
             log_f("part_s", (double)t->boundary.part_us / 1e6),
             log_i("target_duration_s", t->boundary.target_duration_s));
}

/* Measuring ended with frame f. Where the source's keyframes are followed, all
 * since the first one is published now; else what comes from here on. */
static void decided(struct transcode *t, const struct boundary_step *step)
{
    struct pending source = t->source;

    t->source = (struct pending){0};
    choose_ladder(t);
    tell_plan(t);
    log_ladder(t);
    if (t->boundary.mode == BOUNDARY_GRID) {
        if (t->video && !t->audio_alone &&
            track_info(t->video)->codec == CODEC_H264)
            advise(t, "every rendition is encoded: more CPU, a later start");
        t->from_pts = step->mark.pts;
        tell_mark(t, &step->mark);
        rungs_mark(t->rungs, &step->mark);
    }
    for (int i = 0; i < source.count; i++) {
        struct frame *f = source.items[i].frame;
        bool sound = t->audio && f->track_id == track_info(t->audio)->id;
        if (sound && !t->audio_alone) {
            publish_audio(t, f);
            continue;
        }
        if (t->boundary.mode != BOUNDARY_FOLLOW) continue;
        struct boundary_frame bf = {f->dts, f->pts, f->flags & FRAME_KEY};
        if (sound) {
            bf.pts = bf.dts = to_video(f->pts, track_info(t->audio)->timescale);
            bf.key = true;
        }
        struct boundary_step s = boundary_feed(&t->boundary, &bf);
        if (s.marked && s.mark.msn == t->conf.first_msn)
            t->from_pts = s.mark.pts;
        if (s.marked) tell_mark(t, &s.mark);
        if (sound)
            publish_audio(t, f);
        else
            publish_video(t, f, &s);
    }
    pending_release(&source);
    flush_made(t);
}

static void switched(struct transcode *t)
{
    if (t->boundary.mode == BOUNDARY_GRID) {
        change_ladder(t);
        advise(t, "the top rendition is encoded from now on");
    } else {
        advise(t, "segments begin without a keyframe: joining takes longer");
    }
}

/* Runs a frame that may begin a segment through the boundary. True: it is to
 * be published by the caller. */
static bool step_over(struct transcode *t, struct frame *f,
                      const struct boundary_frame *bf,
                      struct boundary_step *step)
{
    bool measuring = t->boundary.mode == BOUNDARY_MEASURING;

    *step = boundary_feed(&t->boundary, bf);
    if (step->drop) return false;
    if (step->early) {
        if (!t->lineup.chosen) choose_ladder(t);
        rungs_mark(t->rungs, &step->mark);
    }
    if (step->switched) switched(t);
    if (step->marked && !measuring) {
        tell_mark(t, &step->mark);
        rungs_mark(t->rungs, &step->mark);
    }
    if (measuring && (!step->decided || t->boundary.mode == BOUNDARY_FOLLOW))
        pending_frame(&t->source, f);
    return !measuring;
}

static void on_video(struct transcode *t, struct frame *f)
{
    struct boundary_frame bf = {f->dts, f->pts, f->flags & FRAME_KEY};
    struct boundary_step step;

    if (f->flags & FRAME_DISCONTINUITY) {
        boundary_break(&t->boundary);
        if (!t->planned) pending_release(&t->source);
    }
    bool now = step_over(t, f, &bf, &step);
    if (step.drop) return;
    /* Order on the wire: ladder, mark, frame. */
    if (step.decided) decided(t, &step);
    rungs_frame(t->rungs, f);
    if (now) publish_video(t, f, &step);
}

static void on_sound_alone(struct transcode *t, struct frame *f)
{
    int64_t pts = to_video(f->pts, track_info(t->audio)->timescale);
    struct boundary_frame bf = {pts, pts, true};
    struct boundary_step step;

    bool now = step_over(t, f, &bf, &step);
    if (step.drop) return;
    if (step.decided) decided(t, &step);
    rungs_frame(t->rungs, f);
    if (now || (step.decided && t->boundary.mode == BOUNDARY_GRID))
        publish_audio(t, f);
}

static bool stays_alone(struct transcode *t, const struct frame *f)
{
    const struct track_info *info = track_info(t->audio);
    int64_t pts = to_video(f->pts, info->timescale);
    struct boundary_source s = {info->sample_rate, 1024, true};

    if (!t->audio_seen) t->audio_first = pts;
    t->audio_seen = true;
    if (pts < t->audio_first) t->audio_first = pts;
    if ((pts - t->audio_first) * 1000000 / VIDEO_TIMESCALE < ALONE_US)
        return false;
    t->audio_alone = true;
    if (info->codec == CODEC_OPUS) s.fps_den = 960;
    boundary_source(&t->boundary, &s);
    pending_release(&t->source);
    return true;
}

static void on_audio(struct transcode *t, struct frame *f)
{
    if (!t->video && (t->audio_alone || stays_alone(t, f))) {
        on_sound_alone(t, f);
        return;
    }
    rungs_frame(t->rungs, f);
    if (!t->planned) {
        if (t->boundary.anchored) pending_frame(&t->source, f);
        return;
    }
    int64_t pts = to_video(f->pts, track_info(t->audio)->timescale);
    if (f->flags & FRAME_DISCONTINUITY && t->video &&
        (pts - t->disc_pts) * 1000000 / VIDEO_TIMESCALE > DISC_US)
        t->audio_waits = true;
    if (t->audio_waits && t->source.count >= WAITING_MAX) end_wait(t);
    if (t->audio_waits)
        pending_frame(&t->source, f);
    else
        publish_audio(t, f);
}

static bool is_plain(const struct track *t)
{
    struct slice config = track_config(t);
    struct aac_config c;

    return track_info(t)->codec == CODEC_AAC &&
           !aac_config_parse(&c, config.data, config.len) &&
           c.object_type == AAC_LC && !c.sbr && !c.ps && c.channels <= 2;
}

static void on_source_track(struct transcode *t, struct track *track)
{
    const struct track_info *info = track_info(track);
    bool video = info->kind == TRACK_VIDEO;
    struct track **slot = video ? &t->video : &t->audio;

    if (info->kind != TRACK_VIDEO && info->kind != TRACK_AUDIO) return;
    track_ref(track);
    track_unref(slot);
    *slot = track;
    rungs_source(t->rungs, track);
    if (video) {
        struct boundary_source s = {info->fps_num, info->fps_den,
                                    info->codec != CODEC_H264};
        boundary_source(&t->boundary, &s);
        if (!t->planned) pending_release(&t->source);
        t->audio_alone = false;
        t->top_due = true;
    } else {
        t->audio_plain = is_plain(track);
        t->audio_due = true;
    }
    change_ladder(t);
}

static void on_frame(struct transcode *t, struct frame *f)
{
    if (t->video && f->track_id == track_info(t->video)->id)
        on_video(t, f);
    else if (t->audio && f->track_id == track_info(t->audio)->id)
        on_audio(t, f);
}

static void on_break(struct transcode *t)
{
    boundary_break(&t->boundary);
    pending_release(&t->source);
    t->audio_seen = false;
    t->audio_waits = t->planned && t->video;
}

static void on_back(struct transcode *t)
{
    if (!t->video || !boundary_retry(&t->boundary)) return;
    t->top_due = true;
    change_ladder(t);
}

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
            if (!track_is_rendition(e.v.track)) on_source_track(t, e.v.track);
            break;
        case BUS_FRAME:
            if (e.v.frame->track_id < TRACK_RENDITION_FIRST)
                on_frame(t, e.v.frame);
            break;
        case BUS_GONE:
            rungs_gone(t->rungs);
            on_break(t);
            break;
        case BUS_BACK: on_back(t); break;
        case BUS_LOST: on_break(t); break;
        case BUS_END:
            bus_unsubscribe(&t->subscriber);
            rungs_free(&t->rungs);
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

    if (t->planned)
        bus_track(t->bus, track);
    else
        pending_track(&t->made, track);
}

static void on_made_frame(struct frame *f, void *arg)
{
    struct transcode *t = arg;

    if (t->planned)
        publish_made(t, f);
    else
        pending_frame(&t->made, f);
}

static void on_shed(uint8_t id, const char *reason, void *arg)
{
    struct transcode *t = arg;
    const char *name = lineup_shed(&t->lineup, id);

    if (!name) return;
    log_warn("transcode", "rendition_shed", log_s("channel", channel(t)),
             log_s("rendition", name), log_s("reason", reason));
    change_ladder(t);
}

static void on_child_up(void *arg)
{
    struct transcode *t = arg;

    boundary_force(&t->boundary);
}

/* --- door ----------------------------------------------------------------- */

static int begin(struct transcode *t)
{
    const struct rungs_events events = {on_made_track, on_made_frame, on_shed,
                                        on_child_up, t};
    const struct rungs_conf conf = {.loop = bus_loop(t->bus),
                                    .worker_path = t->worker_path,
                                    .channel = channel(t),
                                    .hardware = t->conf.hardware,
                                    .metrics = t->conf.metrics};
    int err = rungs_create(&t->rungs, &conf, &events);

    if (err) return err;
    return bus_subscribe(t->bus, &t->subscriber, BUS_FROM_KEY, on_wake, t);
}

int transcode_create(struct transcode **out, struct bus *bus,
                     const struct transcode_conf *conf)
{
    struct transcode *t = calloc(1, sizeof *t);
    struct boundary_conf b = {
        .may_encode = conf->type == CHANNEL_STANDARD && conf->worker_path,
        .segment_us = SEGMENT_US,
        .part_goal_us =
            conf->latency == LATENCY_LOW ? PART_LOW_US : PART_NORMAL_US,
        .first_msn = conf->first_msn,
        .hint_gop_us = conf->hint_gop_us};

    if (!t) return ERR_NOMEM;
    t->conf = *conf;
    t->from_pts = t->audio_from_pts = t->disc_pts = INT64_MIN / 2000000;
    t->bus = bus_ref(bus);
    boundary_init(&t->boundary, &b);
    if (!b.may_encode) t->conf.type = CHANNEL_BASIC;
    if (!conf->worker_path) t->conf.opus = false;
    t->worker_path = strdup(conf->worker_path ? conf->worker_path : "");
    if (!t->worker_path || begin(t)) {
        transcode_free(&t);
        return ERR_NOMEM;
    }
    on_wake(t); /* what the bus already knows */
    *out = t;
    return 0;
}

void transcode_free(struct transcode **t)
{
    struct transcode *last = *t;

    *t = NULL;
    if (!last) return;
    bus_unsubscribe(&last->subscriber);
    rungs_free(&last->rungs);
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
    return t->rungs ? rungs_child_pid(t->rungs) : 0;
}
