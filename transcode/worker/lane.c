#include "transcode/worker/lane.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "transcode/worker/encoder.h"

enum { NOTES_MAX = 64 };

/* What an encoder does not carry: found again by pts. */
struct note {
    int64_t pts, duration, captured_at;
    bool discontinuity;
};

struct lane {
    struct track_info info;
    struct sink *sink;
    bool hardware;
    int64_t period; /* ticks between its pictures; 0: takes all */
    /* the decoder's thread */
    bool begun, forced;
    int64_t last_pts;
    /* between the two */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct lane_picture queue[LANE_QUEUE];
    int first, count;
    bool ending;
    /* the lane's own thread */
    struct encoder *encoder;
    bool described; /* its track was sent */
    struct note notes[NOTES_MAX];
    int note_at;
};

const struct track_info *lane_info(const struct lane *l)
{
    return &l->info;
}

void lane_force(struct lane *l)
{
    l->forced = true;
}

bool lane_wants(struct lane *l, int64_t pts, bool *idr)
{
    if (!*idr && !l->begun && !l->forced) return false;
    if (!*idr && l->begun && l->period && pts - l->last_pts < l->period * 3 / 4)
        return false;
    *idr |= l->forced;
    l->forced = false;
    l->begun = true;
    l->last_pts = pts;
    return true;
}

/* --- the lane's thread ---------------------------------------------------- */

static bool pop(struct lane *l, struct lane_picture *out)
{
    pthread_mutex_lock(&l->lock);
    while (!l->count && !l->ending)
        pthread_cond_wait(&l->changed, &l->lock);
    bool got = l->count > 0;
    if (got) {
        *out = l->queue[l->first];
        l->first = (l->first + 1) % LANE_QUEUE;
        l->count--;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return got;
}

static int describe(struct lane *l)
{
    struct wire_record r = {.type = WIRE_TRACK, .v.track = l->info};
    int err = encoder_config(l->encoder, &r.payload);

    if (err) return err;
    err = sink_put(l->sink, &r);
    wire_record_release(&r);
    l->described = !err;
    return err;
}

static const struct note *find_note(const struct lane *l, int64_t pts)
{
    static const struct note none;

    for (int i = 0; i < NOTES_MAX; i++)
        if (l->notes[i].captured_at && l->notes[i].pts == pts)
            return &l->notes[i];
    return &none;
}

static int drain(struct lane *l)
{
    struct encoded unit;
    int err;

    while (!(err = encoder_receive(l->encoder, &unit))) {
        const struct note *n = find_note(l, unit.pts);
        struct wire_record r = {.type = WIRE_FRAME, .payload = unit.payload};
        r.v.frame = (struct frame){.track_id = l->info.id,
                                   .dts = unit.dts,
                                   .pts = unit.pts,
                                   .duration = n->duration,
                                   .captured_at = n->captured_at};
        if (unit.key) r.v.frame.flags |= FRAME_KEY;
        if (n->discontinuity) r.v.frame.flags |= FRAME_DISCONTINUITY;
        if (!l->described) err = describe(l);
        if (!err) err = sink_put(l->sink, &r);
        wire_record_release(&r);
        if (err) return err;
    }
    return err == ERR_AGAIN || err == ERR_CLOSED ? 0 : err;
}

/* An encoder that fails gives way to software at the next IDR. */
static void give_up(struct lane *l)
{
    sink_stat(l->sink, l->hardware ? "hardware_failed" : "encoder_failed",
              l->info.id);
    encoder_free(&l->encoder);
    l->described = false;
    l->hardware = false;
}

static void encode(struct lane *l, const struct lane_picture *p)
{
    if (!l->encoder) {
        struct encoder_conf conf = {
            .info = l->info, .like = p->frame, .hardware = l->hardware};
        if (!p->idr) return;
        if (encoder_open(&l->encoder, &conf)) {
            give_up(l);
            return;
        }
    }
    l->notes[l->note_at] = (struct note){p->frame->pts, p->duration,
                                         p->captured_at, p->discontinuity};
    l->note_at = (l->note_at + 1) % NOTES_MAX;
    if (encoder_send(l->encoder, p->frame, p->idr) || drain(l)) give_up(l);
}

static void *run(void *arg)
{
    struct lane *l = arg;
    struct lane_picture p;

    while (pop(l, &p)) {
        encode(l, &p);
        av_frame_free(&p.frame);
    }
    if (l->encoder && !encoder_send(l->encoder, NULL, false)) drain(l);
    encoder_free(&l->encoder);
    return NULL;
}

/* --- the decoder's side --------------------------------------------------- */

int lane_create(struct lane **out, const struct track_info *info, bool hardware,
                struct sink *sink)
{
    struct lane *l = calloc(1, sizeof *l);

    if (!l) return ERR_NOMEM;
    l->info = *info;
    l->sink = sink;
    l->hardware = hardware;
    if (info->fps_num)
        l->period = (int64_t)VIDEO_TIMESCALE * info->fps_den / info->fps_num;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (pthread_create(&l->thread, NULL, run, l)) {
        pthread_cond_destroy(&l->changed);
        pthread_mutex_destroy(&l->lock);
        free(l);
        return ERR_IO;
    }
    *out = l;
    return 0;
}

void lane_push(struct lane *l, const struct lane_picture *p)
{
    pthread_mutex_lock(&l->lock);
    while (l->count == LANE_QUEUE)
        pthread_cond_wait(&l->changed, &l->lock);
    l->queue[(l->first + l->count++) % LANE_QUEUE] = *p;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

void lane_free(struct lane **l)
{
    struct lane *last = *l;

    *l = NULL;
    if (!last) return;
    pthread_mutex_lock(&last->lock);
    last->ending = true;
    pthread_cond_broadcast(&last->changed);
    pthread_mutex_unlock(&last->lock);
    pthread_join(last->thread, NULL);
    pthread_cond_destroy(&last->changed);
    pthread_mutex_destroy(&last->lock);
    free(last);
}
