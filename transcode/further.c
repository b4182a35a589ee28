/* The source's further pictures between the room and transcode/tracks.h. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/metric.h"
#include "transcode/transcode_priv.h"

enum { ADVICE_MAX = 160, FAR_MS = 500 };

static void count_misaligned(const struct transcode *t)
{
    char labels[96] = "";

    metric_label(labels, sizeof labels, "channel", transcode_channel(t));
    metric_add(metrics_counter(t->conf.metrics,
                               "lectern_transcode_tracks_misaligned_total",
                               "Pictures of a source whose keyframes are not "
                               "where the first one's are.",
                               labels),
               1);
}

static void log_misaligned(const struct transcode *t,
                           const struct tracks_one *k, int64_t offset)
{
    double ms = (double)offset * 1000 / VIDEO_TIMESCALE;
    char what[ADVICE_MAX / 2], advice[ADVICE_MAX];

    if (ms > -FAR_MS && ms < FAR_MS)
        snprintf(what, sizeof what, "%.0f ms %s", ms < 0 ? -ms : ms,
                 ms < 0 ? "before" : "after");
    else
        snprintf(what, sizeof what, "%s", "at other times than");
    snprintf(advice, sizeof advice,
             "its keyframes come %s the first picture's: give all pictures "
             "one keyframe interval (2 s) and one start",
             what);
    log_warn("transcode", "tracks_misaligned",
             log_s("channel", transcode_channel(t)),
             log_i("track", k->source_id), log_f("offset_ms", ms),
             log_s("effect", "it is not offered"), log_s("advice", advice));
}

static void on_change(const struct tracks_one *k, enum tracks_change what,
                      int64_t offset, void *arg)
{
    struct transcode *t = arg;

    if (what == TRACKS_MISALIGNED) {
        count_misaligned(t);
        log_misaligned(t, k, offset);
    }
    publish_change(t);
    if (what != TRACKS_MISALIGNED)
        log_info("transcode",
                 what == TRACKS_JOINED ? "track_joined" : "track_stopped",
                 log_s("channel", transcode_channel(t)),
                 log_i("track", k->source_id),
                 log_s("rendition", k->rung.name));
}

static bool on_track(const struct tracks_one *k, struct track *track, void *arg)
{
    return publish_track(arg, k->rung.id, track);
}

static void on_frame(const struct tracks_one *k, const struct tracks_frame *f,
                     void *arg)
{
    struct frame moved = *f->frame;

    moved.dts = f->dts;
    moved.pts = f->pts;
    publish_frame(arg, &moved, k->rung.id, f->discontinuity);
}

void further_begin(struct transcode *t)
{
    struct tracks_events events = {on_change, on_track, on_frame, t};

    tracks_init(&t->tracks, &events);
}

bool further_track(struct transcode *t, struct track *track)
{
    if (track_info(track)->codec != CODEC_H264 || !source_may_pass(track) ||
        tracks_track(&t->tracks, track, !t->planned)) {
        tracks_forget(&t->tracks, track_info(track)->id); /* it could before */
        return false;
    }
    /* That this channel's keyframes came in time says nothing of these. */
    if (!t->planned) boundary_measure(&t->boundary);
    publish_change(t);
    return true;
}

void further_frame(struct transcode *t, struct frame *f)
{
    /* Marks that are anywhere are fitted by nobody. */
    if (t->boundary.mode != BOUNDARY_GRID) tracks_frame(&t->tracks, f);
}

void further_mark(struct transcode *t, const struct mark *m)
{
    if (t->boundary.mode == BOUNDARY_FOLLOW) tracks_mark(&t->tracks, m);
}

void further_passed(struct transcode *t, int64_t pts)
{
    if (t->boundary.mode == BOUNDARY_FOLLOW && t->planned)
        tracks_passed(&t->tracks, pts);
}

void further_offered(struct transcode *t, struct ladder_source *s)
{
    char top[TRACK_NAME_MAX];
    uint32_t w = s->video.width, h = s->video.height;

    snprintf(top, sizeof top, "%up", w < h ? w : h);
    s->track_count = tracks_offered(
        &t->tracks, t->lineup.top_name[0] ? t->lineup.top_name : top,
        s->tracks);
}
