#include "packager/segmenter.h"

#include <string.h>

#include "core/base/err.h"

/* --- marks ---------------------------------------------------------------- */

int mark_log_add(struct mark_log *l, const struct mark *m)
{
    const struct mark *last = mark_log_newest(l);
    uint32_t breaks = 0;

    if (last) {
        if (m->msn <= last->msn) return ERR_ORDER;
        breaks = l->breaks[(l->count - 1) % MARK_LOG_MAX];
    }
    l->marks[l->count % MARK_LOG_MAX] = *m;
    if (!last)
        l->marks[0].discontinuity = false;
    else if (m->discontinuity)
        breaks++;
    l->breaks[l->count % MARK_LOG_MAX] = breaks;
    l->shifts[l->count % MARK_LOG_MAX] = 0;
    l->count++;
    return 0;
}

const struct mark *mark_log_newest(const struct mark_log *l)
{
    return l->count ? &l->marks[(l->count - 1) % MARK_LOG_MAX] : NULL;
}

static uint64_t oldest(const struct mark_log *l)
{
    return l->count > MARK_LOG_MAX ? l->count - MARK_LOG_MAX : 0;
}

const struct mark *mark_log_find(const struct mark_log *l, uint64_t msn,
                                 uint32_t *breaks)
{
    for (uint64_t i = l->count; i > oldest(l); i--) {
        const struct mark *m = &l->marks[(i - 1) % MARK_LOG_MAX];

        if (m->msn < msn) break;
        if (m->msn > msn) continue;
        if (breaks) *breaks = l->breaks[(i - 1) % MARK_LOG_MAX];
        return m;
    }
    return NULL;
}

void mark_log_shift(struct mark_log *l, int64_t shift_us)
{
    l->shifts[(l->count - 1) % MARK_LOG_MAX] = shift_us;
}

int64_t mark_log_shift_of(const struct mark_log *l, uint64_t msn)
{
    const struct mark *m = mark_log_find(l, msn, NULL);

    return m ? l->shifts[m - l->marks] : 0;
}

/* --- segmenter ------------------------------------------------------------ */

static int64_t to_ticks(const struct segmenter *s, int64_t t90k)
{
    return t90k * (int64_t)s->conf.timescale / VIDEO_TIMESCALE;
}

void segmenter_init(struct segmenter *s, const struct segmenter_conf *conf,
                    const struct mark_log *marks)
{
    int64_t scale = conf->timescale;

    memset(s, 0, sizeof *s);
    s->conf = *conf;
    s->marks = marks;
    /* One tick of grace: times were rounded to ticks once. */
    s->part_ticks = (conf->part_us * scale + 999999) / 1000000 + 1;
    s->part_min_ticks = (conf->part_us * scale / 1000000 * 85 + 99) / 100 + 1;
    s->segment_90k = conf->segment_us * 9 / 100;
}

/* Is pts (ticks) at or after mark m, give or take slack ticks? */
static bool is_reached(const struct segmenter *s, const struct mark *m,
                       int64_t pts, int64_t slack)
{
    return (pts + slack) * VIDEO_TIMESCALE >=
           m->pts * (int64_t)s->conf.timescale;
}

/* The newest mark for us that a frame with this pts has reached. */
static const struct mark *find_due(const struct segmenter *s, int64_t pts,
                                   int64_t slack)
{
    const struct mark_log *l = s->marks;

    for (uint64_t i = l->count; i > oldest(l); i--) {
        const struct mark *m = &l->marks[(i - 1) % MARK_LOG_MAX];

        if (m->msn <= s->msn || m->msn < s->skip_to) break;
        if (is_reached(s, m, pts, slack)) return m;
    }
    return NULL;
}

static int64_t predict(const struct segmenter *s,
                       const struct segmenter_frame *f)
{
    int64_t d = f->duration;

    if (d <= 0 && s->open_samples) d = f->dts - s->last_dts;
    if (d <= 0) d = s->last_duration;
    if (d <= 0) d = s->conf.video ? s->conf.timescale / 30 : 1024;
    return d < s->part_ticks ? d : s->part_ticks;
}

/* May f begin the segment of m? Video: only the IDR of the mark itself, unless
 * one is open, then a late IDR is better than none. */
static bool may_open(const struct segmenter *s, const struct segmenter_frame *f,
                     const struct mark *m, int64_t slack)
{
    int64_t late = f->pts - to_ticks(s, m->pts);

    if (!s->conf.video)
        return s->started ||
               late <= s->conf.segment_us * 3 / 4 * s->conf.timescale / 1000000;
    return f->key && (s->started || late <= slack);
}

/* Brings the file's timeline to f: by the last unpublished sample, and where
 * that is not enough and must be (see segmenter.h), by parts that are
 * missing. */
static void bridge(struct segmenter *s, const struct segmenter_frame *f,
                   int64_t slack, bool opens, struct segmenter_step *out)
{
    int64_t off = f->dts - s->next_dts;

    if (s->open_samples && (off > slack || off < -slack)) {
        int64_t room = s->part_ticks - (s->next_dts - s->part_start);
        int64_t take = off < room ? off : room;

        if (take < 1 - s->last_duration) take = 1 - s->last_duration;
        out->stretch = take;
        s->next_dts += take;
        off -= take;
        if (off > slack) out->close_part = true;
    }
    if (off < s->part_ticks - 1) return;
    if (!opens && off < SEGMENTER_HOLE_US * s->conf.timescale / 1000000) return;
    /* Missing parts have the target's own length, not the grace. */
    out->gap_ticks = s->part_ticks - 1;
    int64_t n = off / out->gap_ticks;
    out->gaps = n < SEGMENTER_GAPS_MAX ? (int)n : SEGMENTER_GAPS_MAX;
    out->close_part = s->open_samples > 0;
    s->next_dts += n * out->gap_ticks; /* past the bound: just onwards */
}

static void open_segment(struct segmenter *s, const struct segmenter_frame *f,
                         const struct mark *m, struct segmenter_step *out)
{
    const struct mark *before = mark_log_find(s->marks, m->msn - 1, NULL);

    if (before && !m->discontinuity) s->segment_90k = m->pts - before->pts;
    out->close_part = out->close_part || s->open_samples > 0;
    out->close_segment = s->started;
    out->open_segment = true;
    out->mark = *m;
    if ((!s->started || m->discontinuity) && f->dts > s->next_dts)
        s->next_dts = f->dts;
    s->started = true;
    s->msn = m->msn;
    s->mark_pts = m->pts;
    s->segment_start = s->next_dts;
}

/* A part that would end too short borrows from the next frame, whose true dts
 * is then a little before its place in the file. */
static int64_t missing_ticks(const struct segmenter *s)
{
    int64_t have = s->next_dts - s->part_start;

    return have < s->part_min_ticks ? s->part_min_ticks - have : 0;
}

static bool is_full(const struct segmenter *s, int64_t next_duration)
{
    return s->next_dts + next_duration - s->part_start > s->part_ticks;
}

static void take_frame(struct segmenter *s, const struct segmenter_frame *f,
                       int64_t d, int64_t slack, struct segmenter_step *out)
{
    int64_t off = f->dts - s->next_dts, duration = d;

    if (!s->open_samples) s->part_start = s->next_dts;
    if (off > slack || off < -slack) duration = d + off;
    if (duration < 1) duration = 1;
    if (duration > s->part_ticks) duration = s->part_ticks;
    out->dts = s->next_dts;
    out->duration = duration;
    s->next_dts += duration;
    s->last_duration = duration;
    s->last_dts = f->dts;
    s->open_samples++;
    if (!is_full(s, d)) return;
    out->stretch_after = missing_ticks(s);
    s->next_dts += out->stretch_after;
    out->close_after = true;
    s->open_samples = 0;
}

void segmenter_feed(struct segmenter *s, const struct segmenter_frame *f,
                    struct segmenter_step *out)
{
    int64_t d = predict(s, f), slack = d / 4;
    int64_t pts_slack = s->conf.video ? d / 2 : 0;
    const struct mark *m = find_due(s, f->pts, pts_slack);
    bool opens = m && may_open(s, f, m, pts_slack);

    memset(out, 0, sizeof *out);
    if (m && !opens && s->conf.video && !f->key &&
        !is_reached(s, m, f->pts, -pts_slack) &&
        f->dts - s->next_dts < s->part_ticks)
        m = NULL; /* only just: its IDR may be the next one */
    if (m && s->started && (!opens || m->msn != s->msn + 1)) {
        /* The IDR of a mark never came: nothing can be decoded on. */
        out->tear = true;
        segmenter_stop(s, m->msn);
    }
    if (!opens && !s->started) {
        out->drop = true;
        return;
    }
    if (s->started && !(opens && m->discontinuity))
        bridge(s, f, slack, opens, out);
    if (opens) {
        open_segment(s, f, m, out);
    } else if (s->open_samples && !out->close_part && is_full(s, d)) {
        int64_t more = missing_ticks(s);

        out->stretch += more;
        s->next_dts += more;
        out->close_part = true;
    }
    if (out->close_part || out->gaps) s->open_samples = 0;
    take_frame(s, f, d, slack, out);
}

int64_t segmenter_hole(const struct segmenter *s,
                       const struct segmenter_frame *f)
{
    const struct mark *m = find_due(s, f->pts, 0);

    if (!s->started || (m && m->discontinuity) || f->dts < s->next_dts)
        return 0;
    return f->dts - s->next_dts;
}

const struct mark *segmenter_due(const struct segmenter *s, int64_t pts)
{
    return find_due(s, pts, 0);
}

void segmenter_stop(struct segmenter *s, uint64_t skip_to)
{
    s->started = false;
    s->open_samples = 0;
    if (skip_to > s->skip_to) s->skip_to = skip_to;
}

bool segmenter_ends_soon(const struct segmenter *s)
{
    const struct mark *next = mark_log_find(s->marks, s->msn + 1, NULL);
    int64_t length = next ? next->pts - s->mark_pts : s->segment_90k;
    int64_t scale = s->conf.timescale;

    if (!s->conf.video)
        return (s->next_dts + 1) * VIDEO_TIMESCALE >=
               (s->mark_pts + length) * scale;
    return (s->next_dts - s->segment_start + s->last_duration / 2) *
               VIDEO_TIMESCALE >=
           length * scale;
}
