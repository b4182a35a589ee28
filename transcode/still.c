#include "transcode/still.h"

#include "core/media/track.h"

enum {
    MARGIN = VIDEO_TIMESCALE / 4,    /* real ones shall come after the stills */
    ALONE = VIDEO_TIMESCALE * 3 / 2, /* after a break, without a picture */
    LEAD_MAX = VIDEO_TIMESCALE,
    PAUSE = VIDEO_TIMESCALE,
    SPAN_MIN = VIDEO_TIMESCALE / 100,
    REST_MIN = VIDEO_TIMESCALE / 50, /* less is none, more is a pause */
    REST_MAX = VIDEO_TIMESCALE * 3,
    STEP_MAX = VIDEO_TIMESCALE, /* pictures wider apart are none */
    FORGET = 64, /* pictures after which half of what was usual is */
};

static int64_t ticks_of(int64_t us)
{
    return us * VIDEO_TIMESCALE / 1000000;
}

static int64_t usual(int64_t was, int64_t now)
{
    was -= was / FORGET;
    return now > was ? now : was;
}

/* What is usual shows in all real pictures, of use or not. */
static void learn(struct still *s, const struct frame *f)
{
    int64_t lead = s->sound_pts - f->pts;

    int64_t step = s->seen ? f->pts - s->seen_pts : 0;

    if (step > 0) s->step = usual(s->step, step < STEP_MAX ? step : STEP_MAX);
    if (!s->seen || f->pts > s->seen_pts) s->seen_pts = f->pts;
    s->seen = true;
    if (!s->on && s->sound_pts && lead < LEAD_MAX)
        s->lead = usual(s->lead, lead);
}

bool still_video(struct still *s, struct frame *f, bool any)
{
    int64_t end = f->pts + (f->duration > 0 ? f->duration : 0);

    learn(s, f);
    if (s->on) {
        if ((!any && !(f->flags & FRAME_KEY)) || f->dts < s->next_pts - MARGIN)
            return false;
        s->rest_pts = s->next_pts;
        s->on = s->known = false;
    }
    if (!s->known || end > s->next_pts) s->next_pts = end;
    s->known = true;
    if (!(f->flags & FRAME_KEY)) return true;
    frame_unref(&s->key);
    s->key = frame_ref(f);
    return true;
}

/* How far sound is ahead when pictures are gone. */
static int64_t patience(const struct still *s)
{
    int64_t most = s->lead + ticks_of(STILL_US);

    if (s->step * 3 > most) most = s->step * 3;
    return most < ticks_of(STILL_MOST_US) ? most : ticks_of(STILL_MOST_US);
}

/* To the end of the part, or of the next one where that is too near. */
static int64_t span_at(const struct still_grid *g, int64_t at)
{
    int64_t in = (at - g->from) % g->ticks;
    int64_t span = g->ticks - (in < 0 ? in + g->ticks : in);

    return span < SPAN_MIN ? g->ticks : span;
}

bool still_due(struct still *s, int64_t pts, const struct still_grid *g,
               bool urgent, int64_t *at, int64_t *span)
{
    if (pts - s->sound_pts > PAUSE && s->sound_pts) { /* sound stood, too */
        if (s->on)
            s->next_pts = pts;
        else
            s->known = false;
    }
    if (pts > s->sound_pts || pts < s->sound_pts - LEAD_MAX) s->sound_pts = pts;
    if (!s->key) return false;
    if (!s->known) { /* nothing was shown since the break: from here on */
        s->known = true;
        s->next_pts = pts;
        s->step = ALONE / 3;
    }
    if (!s->on && !urgent && pts - s->next_pts < patience(s)) return false;
    *span = span_at(g, s->next_pts);
    if (s->next_pts + *span > pts - s->lead - MARGIN) return false;
    s->on = true;
    *at = s->next_pts;
    s->next_pts += *span;
    return true;
}

bool still_rest(struct still *s, int64_t pts, const struct still_grid *g,
                int64_t *at, int64_t *span)
{
    int64_t left = pts - s->rest_pts;

    if (left < REST_MIN || left > REST_MAX) return false;
    *span = span_at(g, s->rest_pts);
    if (*span > left) *span = left;
    *at = s->rest_pts;
    s->rest_pts += *span;
    return true;
}

struct frame *still_frame(const struct still *s, bool copy, int64_t pts,
                          int64_t ticks, int64_t captured_at)
{
    struct frame f = {.track_id = s->key->track_id,
                      .flags = copy ? FRAME_KEY : 0,
                      .dts = pts,
                      .pts = pts,
                      .duration = ticks,
                      .captured_at = captured_at};
    struct frame *made = NULL;

    if (copy) f.payload = slice_ref(s->key->payload);
    frame_create(&made, &f);
    return made;
}

void still_break(struct still *s)
{
    s->on = s->known = s->seen = false;
    s->step = s->lead = s->sound_pts = 0;
}

void still_forget(struct still *s)
{
    frame_unref(&s->key);
    still_break(s);
}
