#include "transcode/worker/job.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "transcode/worker/audio.h"
#include "transcode/worker/decoder.h"
#include "transcode/worker/lane.h"
#include "transcode/worker/look.h"
#include "transcode/worker/scaler.h"

enum {
    LANES_MAX = 8,
    MARKS_MAX = 64,  /* waiting for their picture; policy: the oldest goes */
    NOTES_MAX = 128, /* a decoder holds at most 16 + reordering */
    SIDE_MAX = 8192,
};

struct rung {
    struct lane *lane;
    struct scaler *scaler;
};

struct note {
    int64_t pts, duration, captured_at;
};

struct job {
    struct sink *sink;
    bool hardware;
    struct decoder *decoder;
    uint8_t video_id, audio_id;
    struct audio *audio;
    struct rung rungs[LANES_MAX]; /* largest first: the cascade's order */
    int count;
    struct mark marks[MARKS_MAX];
    int mark_count;
    struct note notes[NOTES_MAX];
    int note_at;
    int64_t errors_told;
    AVFrame *shown;    /* the newest picture, without a buffer: none */
    int64_t again_pts; /* where it was last shown again */
    struct look look;
};

int job_create(struct job **out, bool hardware, struct sink *sink)
{
    struct job *j = calloc(1, sizeof *j);

    if (!j) return ERR_NOMEM;
    j->sink = sink;
    j->hardware = hardware;
    j->again_pts = INT64_MIN;
    j->shown = av_frame_alloc();
    if (!j->shown || audio_create(&j->audio, sink)) {
        av_frame_free(&j->shown);
        free(j);
        return ERR_NOMEM;
    }
    *out = j;
    return 0;
}

static void drop_rung(struct job *j, int i)
{
    lane_free(&j->rungs[i].lane);
    scaler_free(&j->rungs[i].scaler);
    j->count--;
    memmove(&j->rungs[i], &j->rungs[i + 1],
            (size_t)(j->count - i) * sizeof *j->rungs);
}

void job_free(struct job **j)
{
    struct job *last = *j;

    *j = NULL;
    if (!last) return;
    decoder_free(&last->decoder);
    while (last->count)
        drop_rung(last, last->count - 1);
    audio_free(&last->audio);
    av_frame_free(&last->shown);
    free(last);
}

/* --- pictures ------------------------------------------------------------- */

/* Is a mark due at pts? Later ones than pts stay. */
static bool take_marks(struct job *j, int64_t pts, bool *discontinuity)
{
    int due = 0;

    *discontinuity = false;
    while (due < j->mark_count && j->marks[due].pts <= pts)
        *discontinuity |= j->marks[due++].discontinuity;
    j->mark_count -= due;
    memmove(j->marks, j->marks + due, (size_t)j->mark_count * sizeof *j->marks);
    return due > 0;
}

static const struct note *find_note(const struct job *j, int64_t pts)
{
    static const struct note none;

    for (int i = 0; i < NOTES_MAX; i++)
        if (j->notes[i].captured_at && j->notes[i].pts == pts)
            return &j->notes[i];
    return &none;
}

static int64_t rung_duration(const struct track_info *t, int64_t source)
{
    int64_t own =
        t->fps_num ? (int64_t)VIDEO_TIMESCALE * t->fps_den / t->fps_num : 0;

    return own > source * 5 / 4 ? own : source;
}

static void look_at(struct job *j, const AVFrame *picture)
{
    struct wire_record r = {.type = WIRE_IMPRESSION};

    if (!look_feed(&j->look, picture, &r.v.impression)) return;
    r.v.impression.track = j->video_id;
    sink_put(j->sink, &r);
}

static void give_out(struct job *j, const AVFrame *picture)
{
    const struct note *n = find_note(j, picture->pts);
    struct lane_picture p = {.captured_at = n->captured_at};
    AVFrame *larger = NULL; /* the rung before: what the next scales from */

    bool marked = take_marks(j, picture->pts, &p.discontinuity);
    for (int i = 0; i < j->count; i++) {
        struct rung *r = &j->rungs[i];
        const struct track_info *t = lane_info(r->lane);
        AVFrame *made = NULL;
        p.idr = marked;
        if (!lane_wants(r->lane, picture->pts, &p.idr)) continue;
        if (scaler_run(r->scaler, larger ? larger : picture, &made)) continue;
        av_frame_free(&larger);
        larger = av_frame_clone(made);
        p.duration = rung_duration(t, n->duration);
        p.frame = made;
        lane_push(r->lane, &p);
    }
    av_frame_free(&larger);
    look_at(j, picture);
    if (marked && decoder_errors(j->decoder) != j->errors_told) {
        j->errors_told = decoder_errors(j->decoder);
        sink_stat(j->sink, "decode_errors", j->errors_told);
    }
}

static void on_picture(AVFrame *picture, void *arg)
{
    struct job *j = arg;

    /* What the decoder held back while the one before it stood. */
    if (picture->pts <= j->again_pts) return;
    give_out(j, picture);
    av_frame_unref(j->shown);
    if (av_frame_ref(j->shown, picture) < 0) av_frame_unref(j->shown);
}

/* The decoder sees nothing of it and goes on where it was. */
static void show_again(struct job *j, int64_t pts)
{
    if (!j->shown->buf[0] || pts <= j->shown->pts || pts <= j->again_pts)
        return;
    j->shown->pts = j->again_pts = pts;
    give_out(j, j->shown);
}

/* --- records -------------------------------------------------------------- */

static int take_source(struct job *j, const struct wire_record *r)
{
    const struct track_info *t = &r->v.track;
    struct track *source = NULL;
    int err = wire_to_track(r, &source);

    if (err) return err == ERR_NOMEM ? err : 0;
    if (t->kind == TRACK_AUDIO) {
        j->audio_id = t->id;
        if (audio_source(j->audio, source))
            sink_stat(j->sink, "audio_decoder_failed", t->id);
    } else if (t->kind == TRACK_VIDEO) {
        if (j->decoder) decoder_drain(j->decoder);
        decoder_free(&j->decoder);
        av_frame_unref(j->shown);
        j->video_id = t->id;
        j->errors_told = 0;
        if (decoder_open(&j->decoder, source, j->hardware, on_picture, j))
            sink_stat(j->sink, "decoder_failed", t->id);
    }
    track_unref(&source);
    return 0;
}

static uint64_t area(const struct track_info *t)
{
    return (uint64_t)t->width * t->height;
}

static int add_lane(struct job *j, const struct track_info *t)
{
    struct rung r = {0};
    int err, at = 0;

    if (t->width < 16 || t->height < 16 || t->width > SIDE_MAX ||
        t->height > SIDE_MAX || t->width % 2 || t->height % 2)
        return ERR_RANGE;
    for (int i = j->count - 1; i >= 0; i--)
        if (lane_info(j->rungs[i].lane)->id == t->id) drop_rung(j, i);
    if (j->count == LANES_MAX) return ERR_LIMIT;
    err = scaler_create(&r.scaler, t->width, t->height);
    if (!err) err = lane_create(&r.lane, t, j->hardware, j->sink);
    if (err) {
        scaler_free(&r.scaler);
        return err;
    }
    while (at < j->count && area(lane_info(j->rungs[at].lane)) >= area(t))
        at++;
    memmove(&j->rungs[at + 1], &j->rungs[at],
            (size_t)(j->count - at) * sizeof r);
    j->rungs[at] = r;
    j->count++;
    return 0;
}

static void take_request(struct job *j, const struct track_info *t)
{
    int err = t->kind == TRACK_AUDIO   ? audio_rung(j->audio, t)
              : t->kind == TRACK_VIDEO ? add_lane(j, t)
                                       : ERR_UNSUPPORTED;

    if (err) sink_stat(j->sink, "encoder_failed", t->id);
}

static void take_plan(struct job *j, const struct plan *p)
{
    for (int i = j->count - 1; i >= 0; i--) {
        bool stays = false;
        for (int k = 0; k < p->rendition_count; k++)
            stays |= p->rendition_ids[k] == lane_info(j->rungs[i].lane)->id;
        if (!stays) drop_rung(j, i);
    }
    audio_keep(j->audio, p->rendition_ids, p->rendition_count);
}

static void take_mark(struct job *j, const struct mark *m)
{
    if (j->mark_count == MARKS_MAX)
        memmove(j->marks, j->marks + 1,
                (size_t)--j->mark_count * sizeof *j->marks);
    j->marks[j->mark_count++] = *m;
}

static void take_key(struct job *j, uint8_t id)
{
    for (int i = 0; i < j->count; i++)
        if (lane_info(j->rungs[i].lane)->id == id) lane_force(j->rungs[i].lane);
}

static void take_frame(struct job *j, const struct wire_record *r)
{
    const struct frame *f = &r->v.frame;

    if (f->track_id == j->audio_id) {
        audio_feed(j->audio, f, &r->payload);
    } else if (f->track_id == j->video_id && j->decoder) {
        j->notes[j->note_at] =
            (struct note){f->pts, f->duration, f->captured_at};
        j->note_at = (j->note_at + 1) % NOTES_MAX;
        if (r->payload.len)
            decoder_feed(j->decoder, f, &r->payload);
        else
            show_again(j, f->pts);
    }
}

int job_take(struct job *j, const struct wire_record *r)
{
    switch (r->type) {
    case WIRE_TRACK:
        if (r->v.track.id < TRACK_RENDITION_FIRST) return take_source(j, r);
        take_request(j, &r->v.track);
        return 0;
    case WIRE_FRAME: take_frame(j, r); return 0;
    case WIRE_MARK: take_mark(j, &r->v.mark); return 0;
    case WIRE_KEY: take_key(j, r->v.key); return 0;
    case WIRE_PLAN: take_plan(j, &r->v.plan); return 0;
    case WIRE_SIGNAL:
        if (r->v.signal == BUS_GONE && j->decoder) decoder_drain(j->decoder);
        return 0;
    case WIRE_END:
        if (j->decoder) decoder_drain(j->decoder);
        while (j->count)
            drop_rung(j, j->count - 1);
        return ERR_CLOSED;
    default: return 0;
    }
}
