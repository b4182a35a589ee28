#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/media/x264.h"
#include "transcode/transcode_priv.h"

enum {
    ALONE_US = 1500000,     /* sound this long without video stays alone */
    ANNOUNCED_US = 5000000, /* and this long where a video was promised */
    PAUSE_US = 500000,      /* sound after so much of nothing begins anew */
    DISC_US = 2000000, /* sound's break this soon after video's is the same */
    STILL_GOP_US = 4100000, /* of sources whose keyframes stand in */
    WAITING_MAX = 250,      /* of the first sound, kept for a mark: about 5 s */
    ADVICE_MAX = 128,
};

static void advise(const struct transcode *t, const char *effect)
{
    char text[ADVICE_MAX];

    snprintf(text, sizeof text,
             "keyframe interval is over %.1f s: set it to 2 s in OBS: Output "
             "> Keyframe interval",
             (double)t->boundary.gop_us / 1e6);
    log_warn("transcode", "keyframes_late",
             log_s("channel", transcode_channel(t)), log_s("effect", effect),
             log_s("advice", text));
}

/* Measuring ended with frame f. Where the source's keyframes are followed, all
 * since the first one is published now; else what comes from here on. */
static void decided(struct transcode *t, const struct boundary_step *step)
{
    struct pending source = t->source;

    t->source = (struct pending){0};
    publish_choose(t);
    publish_plan(t);
    publish_realtime(t);
    if (t->boundary.mode == BOUNDARY_GRID) {
        if (t->video && !t->audio_alone && source_may_pass(t->video))
            advise(t, "every rendition is encoded: more CPU, a later start");
        t->from_pts = step->mark.pts;
        publish_mark(t, &step->mark);
        rungs_mark(t->rungs, &step->mark);
    }
    for (int i = 0; i < source.count; i++) {
        struct frame *f = source.items[i].frame;
        bool sound = t->audio && f->track_id == track_info(t->audio)->id;
        bool shown = t->video && f->track_id == track_info(t->video)->id;
        if (languages_find(t, f->track_id) || (sound && !t->audio_alone)) {
            publish_audio(t, f);
            continue;
        }
        if (t->boundary.mode != BOUNDARY_FOLLOW || !(sound || shown)) continue;
        struct boundary_frame bf = {f->dts, f->pts, f->flags & FRAME_KEY,
                                    false};
        if (sound) {
            bf.pts = bf.dts =
                transcode_video_ticks(f->pts, track_info(t->audio)->timescale);
            bf.key = true;
        }
        struct boundary_step s = boundary_feed(&t->boundary, &bf);
        if (s.marked && s.mark.msn == t->conf.first_msn)
            t->from_pts = s.mark.pts;
        if (s.marked) publish_mark(t, &s.mark);
        if (s.marked) further_mark(t, &s.mark);
        if (sound)
            publish_audio(t, f);
        else
            publish_video(t, f, &s);
    }
    pending_release(&source);
    publish_held(t);
}

static void switched(struct transcode *t)
{
    bool encodes = t->boundary.mode == BOUNDARY_GRID;

    tracks_break(&t->tracks);
    if (encodes) {
        publish_change(t);
        publish_say(t);
    }
    if (t->video && track_info(t->video)->askable)
        log_warn("transcode", "keyframes_refused",
                 log_s("channel", transcode_channel(t)),
                 log_s("effect", encodes
                                     ? "the top rendition is encoded"
                                     : "segments begin without a keyframe"));
    else
        advise(t, encodes ? "the top rendition is encoded from now on"
                          : "segments begin without a keyframe: joining takes "
                            "longer");
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
        if (!t->lineup.chosen) publish_choose(t);
        rungs_mark(t->rungs, &step->mark);
    }
    if (step->switched) switched(t);
    if (step->marked && !measuring) {
        publish_mark(t, &step->mark);
        further_mark(t, &step->mark);
        rungs_mark(t->rungs, &step->mark);
    }
    if (measuring && (!step->decided || t->boundary.mode == BOUNDARY_FOLLOW))
        pending_frame(&t->source, f);
    return !measuring;
}

/* A screen that was grabbed is most often 4:4:4. */
static void advise_format(const struct transcode *t)
{
    log_warn("transcode", "picture_format",
             log_s("channel", transcode_channel(t)),
             log_s("effect", t->boundary.conf.may_encode
                                 ? "every rendition is encoded"
                                 : "most browsers cannot show the source"),
             log_s("advice", "encode 4:2:0 with 8 bits: -pix_fmt yuv420p, or "
                             "NV12 in OBS: Advanced > Color Format"));
}

static void take_video(struct transcode *t, struct track *track)
{
    const struct track_info *info = track_info(track);
    struct boundary_source s = {info->fps_num, info->fps_den,
                                !source_may_pass(track), info->askable};

    boundary_source(&t->boundary, &s);
    if (source_is_rare(track)) advise_format(t);
    still_forget(&t->still);
    if (!t->planned) pending_release(&t->source);
    t->top_due = true;
    t->reorders = source_may_reorder(track);
}

/* The first keyframe beside a sound that was alone: f is to be used. */
static bool join(struct transcode *t, const struct frame *f)
{
    if (!(f->flags & FRAME_KEY)) {
        if (track_info(t->video)->askable) bus_ask_key(t->bus, f->track_id);
        return false;
    }
    t->audio_alone = false;
    take_video(t, t->video);
    boundary_retry(&t->boundary);
    publish_change(t);
    return true;
}

/* Any frame of sound alone may begin a segment. */
static void take_alone(struct transcode *t)
{
    const struct track_info *info = track_info(t->audio);
    struct boundary_source s = {info->sample_rate, 1024, true, false};

    if (info->codec == CODEC_OPUS) s.fps_den = 960;
    boundary_source(&t->boundary, &s);
}

/* Sound goes on with another config. Its frames wait for a mark that says so,
 * silence is in their place meanwhile; those of WebRTC need not. */
void source_renew_sound(struct transcode *t, uint8_t id)
{
    bool first = id == track_info(t->audio)->id;

    pending_drop(&t->source, id); /* what waits is of the old one */
    if (t->audio_alone && (first || t->planned)) take_alone(t);
    if (t->audio_alone || !t->planned) return;
    boundary_renew(&t->boundary);
    t->audio_waits = t->renews = true;
}

/* The first picture, in which some encoders tell how they were set. */
static void read_settings(struct transcode *t, const struct frame *f)
{
    const struct track_info *info = track_info(t->video);
    uint32_t frames = info->codec == CODEC_H264
                          ? x264_keyint(f->payload.data, f->payload.len)
                          : 0;

    if (info->fps_num && info->fps_den)
        boundary_expect(&t->boundary, (int64_t)frames * 1000000 *
                                          info->fps_den / info->fps_num);
}

static void run_video(struct transcode *t, struct frame *f, bool still)
{
    struct boundary_frame bf = {f->dts, f->pts, f->flags & FRAME_KEY, still};
    struct boundary_step step;

    if (!t->planned && bf.key) read_settings(t, f);
    bool now = step_over(t, f, &bf, &step);
    if (step.ask) bus_ask_key(t->bus, f->track_id);
    if (step.drop) return;
    /* Order on the wire: ladder, mark, frame. */
    if (step.decided) decided(t, &step);
    rungs_frame(t->rungs, f);
    if (now) publish_video(t, f, &step);
    further_passed(t, f->pts);
    if (!t->stood) return;
    t->stood = false;
    if (t->audio_waits) publish_waiting(t);
}

static void say_picture(const struct transcode *t, bool lost)
{
    log_warn("transcode", lost ? "picture_lost" : "picture_back",
             log_s("channel", transcode_channel(t)),
             log_s("effect", lost ? "the last keyframe stands in for it"
                                  : "as it comes"));
}

static struct still_grid parts_of(const struct transcode *t)
{
    return (struct still_grid){t->boundary.mark_pts,
                               t->boundary.part_us * 9 / 100};
}

static bool show_still(struct transcode *t, int64_t at, int64_t span,
                       int64_t captured_at)
{
    bool copy = t->boundary.mode != BOUNDARY_GRID;
    struct frame *f = still_frame(&t->still, copy, at, span, captured_at);

    if (!f) return false;
    run_video(t, f, true);
    frame_unref(&f);
    return true;
}

/* Sound goes on to pts without pictures. */
static void show_stills(struct transcode *t, const struct frame *sound,
                        int64_t pts)
{
    bool stood = t->still.on, urgent = boundary_is_stalled(&t->boundary, pts);
    struct still_grid g = parts_of(t);
    int64_t at, span;

    /* Where keyframes are far apart what came after it could not be shown. */
    if (t->boundary.mode != BOUNDARY_GRID && t->boundary.gop_us > STILL_GOP_US)
        return;
    for (; still_due(&t->still, pts, &g, urgent, &at, &span); g = parts_of(t)) {
        if (!stood) say_picture(t, true);
        stood = true;
        if (!show_still(t, at, span, sound->captured_at)) return;
    }
}

/* Pictures are back with f. */
static void end_stills(struct transcode *t, const struct frame *f)
{
    struct still_grid g = parts_of(t);
    int64_t at, span;

    for (; still_rest(&t->still, f->dts, &g, &at, &span); g = parts_of(t))
        if (!show_still(t, at, span, f->captured_at)) break;
    say_picture(t, false);
}

static void on_video(struct transcode *t, struct frame *f)
{
    bool stood = t->still.on;

    if (t->audio_alone && !join(t, f)) return;
    if (f->flags & FRAME_DISCONTINUITY && !stood) {
        boundary_break(&t->boundary);
        tracks_break(&t->tracks);
        still_break(&t->still);
        if (!t->planned) pending_release(&t->source);
    }
    if (!still_video(&t->still, f, t->boundary.mode == BOUNDARY_GRID)) {
        if (track_info(t->video)->askable) bus_ask_key(t->bus, f->track_id);
        return;
    }
    if (stood) end_stills(t, f);
    if (f->pts != f->dts && !t->reorders) {
        t->reorders = true;
        publish_change(t);
    }
    run_video(t, f, false);
}

static void on_sound_alone(struct transcode *t, struct frame *f)
{
    int64_t pts =
        transcode_video_ticks(f->pts, track_info(t->audio)->timescale);
    struct boundary_frame bf = {pts, pts, true, false};
    struct boundary_step step = {0};

    /* Where another language went on meanwhile, that set the marks. */
    bool late = t->planned && pts < t->boundary.newest_pts;
    bool now = late || step_over(t, f, &bf, &step);
    t->alone_pts = pts;
    if (step.drop) return;
    if (step.decided) decided(t, &step);
    rungs_frame(t->sound, f);
    if (now || (step.decided && t->boundary.mode == BOUNDARY_GRID))
        publish_audio(t, f);
}

static bool stays_alone(struct transcode *t, const struct frame *f)
{
    const struct track_info *info = track_info(t->audio);
    int64_t pts = transcode_video_ticks(f->pts, info->timescale);
    int64_t patience = t->video ? ANNOUNCED_US : ALONE_US;

    if (!t->audio_seen) t->audio_first = pts;
    t->audio_seen = true;
    if (pts < t->audio_first) t->audio_first = pts;
    if ((pts - t->audio_first) * 1000000 / VIDEO_TIMESCALE < patience)
        return false;
    t->audio_alone = true;
    take_alone(t);
    pending_release(&t->source);
    return true;
}

static bool is_later(int64_t pts, int64_t than, int64_t by_us)
{
    return (pts - than) * 1000000 / VIDEO_TIMESCALE > by_us;
}

static void on_audio(struct transcode *t, struct frame *f)
{
    bool sees = t->video && (t->planned || t->boundary.anchored);

    if (t->audio_alone || (!sees && stays_alone(t, f))) {
        on_sound_alone(t, f);
        return;
    }
    rungs_frame(t->sound, f);
    if (!t->planned) {
        if (t->boundary.anchored) pending_frame(&t->source, f);
        return;
    }
    int64_t pts =
        transcode_video_ticks(f->pts, track_info(t->audio)->timescale);
    bool joins = t->unheard && !t->returns; /* pictures that go on */
    t->unheard = false;
    /* Sound that only lost its clock has its place; after a pause it is a new
     * beginning, and may be before its picture. */
    if (f->flags & FRAME_DISCONTINUITY && t->video && !joins &&
        is_later(pts, t->disc_pts, DISC_US) &&
        is_later(pts, t->audio_pts, PAUSE_US))
        t->audio_waits = true;
    /* The source stood, sound and all, or was lost for a while: the segment
     * ends before the hole, the next one begins with the first picture. */
    if (t->video && is_later(pts, t->audio_pts, STOOD_US) &&
        boundary_is_stalled(&t->boundary, pts))
        t->audio_waits = t->stood = true;
    t->audio_pts = pts;
    show_stills(t, f, pts);
    struct mark stalled;
    /* Sound of a new beginning waits for its picture. */
    if (t->video && !t->audio_waits && !t->still.on &&
        boundary_stall(&t->boundary, pts, &stalled))
        publish_mark(t, &stalled);
    if (t->waiting >= WAITING_MAX) publish_waiting(t);
    if (t->audio_waits) {
        t->waiting++;
        pending_frame(&t->source, f);
    } else {
        publish_audio(t, f);
    }
}

/* What is no rung is on the bus for whoever wants it: sounds for which there
 * is no place, and pictures that cannot pass beside the first. */
static void pass_over(struct transcode *t, const struct track *track)
{
    const struct track_info *info = track_info(track);
    bool video = info->kind == TRACK_VIDEO;

    if (info->id >= TRACK_RENDITION_FIRST || t->passed_over[info->id]) return;
    t->passed_over[info->id] = true;
    log_warn("transcode", "track_not_used",
             log_s("channel", transcode_channel(t)), log_i("track", info->id),
             log_s("kind", video ? "video" : "audio"),
             log_s("codec", codec_name(info->codec)),
             log_s("language", info->language),
             log_s("reason", video ? "it cannot pass beside the first picture"
                                   : "the ladder has no place for more"));
}

void source_track(struct transcode *t, struct track *track)
{
    const struct track_info *info = track_info(track);
    bool video = info->kind == TRACK_VIDEO;
    struct track **slot = video ? &t->video : &t->audio;

    if (info->kind != TRACK_VIDEO && info->kind != TRACK_AUDIO) return;
    if (video)
        languages_forget(t, info->id);
    else
        tracks_forget(&t->tracks, info->id);
    if (*slot && info->id > track_info(*slot)->id) {
        if (video ? !further_track(t, track) : !languages_track(t, track))
            pass_over(t, track);
        return;
    }
    languages_yield(t, track);
    bool same = video && source_is_same(t->video, track);
    bool renewed = !video && t->audio && !source_is_same(t->audio, track);
    if (video && *slot && info->id < track_info(*slot)->id)
        further_track(t, *slot); /* the first picture came last */
    track_ref(track);
    track_unref(slot);
    *slot = track;
    if (same) {
        t->boundary.source.fps_num = info->fps_num;
        t->boundary.source.fps_den = info->fps_den;
        publish_change(t);
        return;
    }
    rungs_source(video ? t->rungs : t->sound, track);
    if (!video) {
        t->audio_plain = source_is_plain(track);
        t->audio_due = true;
        if (renewed) source_renew_sound(t, info->id);
    } else if (!t->audio_alone) {
        take_video(t, track);
    }
    publish_change(t);
}

/* Of which of them it is, each of the two knows. */
static void beside(struct transcode *t, struct frame *f)
{
    languages_frame(t, f);
    further_frame(t, f);
}

void source_frame(struct transcode *t, struct frame *f)
{
    if (t->video && f->track_id == track_info(t->video)->id)
        on_video(t, f);
    else if (t->audio && f->track_id == track_info(t->audio)->id)
        on_audio(t, f);
    else
        beside(t, f);
}

void source_break(struct transcode *t)
{
    boundary_break(&t->boundary);
    still_break(&t->still);
    tracks_break(&t->tracks);
    pending_release(&t->source);
    t->waiting = 0;
    t->audio_seen = t->renews = false;
    t->audio_waits = t->planned && t->video;
}

void source_back(struct transcode *t)
{
    languages_back(t);
    t->returns = t->planned && t->video && !t->audio_alone;
    t->unheard = true;
    if (t->video && boundary_retry(&t->boundary)) publish_change(t);
}
