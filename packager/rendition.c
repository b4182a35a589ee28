#include "packager/rendition.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "packager/fmp4_init.h"
#include "packager/silence.h"

/* A chunk's head: boxes and at most 16 bytes per sample. */
enum { HEAD_BYTES_MAX = 512 + PART_SAMPLES_MAX * 16 };

int rendition_create(struct rendition **out, const struct rendition_conf *conf)
{
    struct rendition *r = calloc(1, sizeof *r);

    if (!r) return ERR_NOMEM;
    r->conf = *conf;
    *out = r;
    return 0;
}

static void forget_part(struct rendition *r)
{
    for (int i = 0; i < r->slice_count; i++)
        slice_unref(&r->slices[i]);
    r->slice_count = r->sample_count = 0;
    r->part_bytes = 0;
    r->part_ticks = 0;
}

void rendition_free(struct rendition **r)
{
    struct rendition *gone = *r;

    *r = NULL;
    if (!gone) return;
    forget_part(gone);
    track_unref(&gone->track);
    track_unref(&gone->pending);
    free(gone);
}

/* Takes e. */
static void tell(struct rendition *r, struct store_event *e)
{
    r->conf.emit(e, r->conf.arg);
    store_event_unref(&e);
}

static struct store_event *event(struct rendition *r,
                                 enum store_event_type type, int slices)
{
    struct store_event *e = NULL;

    if (store_event_create(&e, type, r->conf.index, slices)) return NULL;
    return e;
}

static int64_t to_us(const struct rendition *r, int64_t ticks)
{
    int64_t scale = r->segmenter.conf.timescale;

    return ticks / scale * 1000000 + ticks % scale * 1000000 / scale;
}

/* --- parts ---------------------------------------------------------------- */

/* Head and payloads as the slices of e, which has room for them. */
static int fill_part(struct rendition *r, struct store_event *e)
{
    bool copy = e->slice_count == 1;
    struct fmp4_chunk c = {
        .sequence = ++r->sequence,
        .dts = (uint64_t)r->part_dts,
        .begins_segment = r->part_index == 0,
        .video = r->segmenter.conf.video,
        .captured_wall_us = r->first_captured_at
                                ? r->conf.origin_wall_us +
                                      r->first_captured_at - r->conf.origin_at
                                : 0,
        .samples = r->samples,
        .count = r->sample_count,
    };
    struct builder b;
    struct buf *head = NULL;
    int err;

    builder_init(&b, HEAD_BYTES_MAX + PART_COPY_BYTES);
    fmp4_chunk_head(&b, &c);
    for (int i = 0; copy && i < r->slice_count; i++)
        builder_bytes(&b, r->slices[i].data, r->slices[i].len);
    err = builder_seal(&b, &head);
    if (err) return err;
    e->bytes = buf_len(head);
    e->slices[0] = slice_take(&head);
    if (copy) return 0;
    e->bytes += r->part_bytes;
    memcpy(&e->slices[1], r->slices,
           (size_t)r->slice_count * sizeof *r->slices);
    r->slice_count = 0; /* moved */
    return 0;
}

static void describe_part(struct rendition *r, struct store_event *e,
                          int64_t ticks)
{
    e->msn = r->segmenter.msn;
    e->v.part.index = r->part_index;
    e->v.part.head = r->head;
    e->v.part.duration_us = to_us(r, ticks);
    e->v.part.captured_at = r->last_captured_at;
}

/* What comes after a part: more of its segment, probably the next segment, or
 * the next one for sure. */
enum follow { FOLLOW_PART, FOLLOW_SEGMENT_SOON, FOLLOW_SEGMENT };

static void set_follow(struct rendition *r, struct store_event *e,
                       enum follow next)
{
    e->v.part.closes = next == FOLLOW_SEGMENT;
    e->v.part.ends_soon = next != FOLLOW_PART;
    if (e->v.part.closes) r->is_closed = true;
}

static void publish_part(struct rendition *r, enum follow next)
{
    bool copy = r->part_bytes <= PART_COPY_BYTES;
    struct store_event *e;

    if (!r->sample_count) return;
    e = event(r, STORE_PART, copy ? 1 : 1 + r->slice_count);
    if (e) {
        describe_part(r, e, r->part_ticks);
        e->v.part.independent = r->samples[0].key;
        set_follow(r, e, next);
        if (fill_part(r, e)) e->v.part.missing = true;
        tell(r, e);
    }
    /* Without memory the list has a hole here, but the count goes on. */
    r->part_index++;
    r->part_count++;
    r->told_us += to_us(r, r->part_ticks);
    r->end_us = to_us(r, r->part_dts + r->part_ticks);
    r->begun_us += to_us(r, r->part_ticks);
    forget_part(r);
}

static void publish_missing(struct rendition *r, int64_t us, enum follow next)
{
    struct store_event *e = event(r, STORE_PART, 0);

    if (e) {
        describe_part(r, e, 0);
        e->v.part.duration_us = us;
        set_follow(r, e, next);
        e->v.part.missing = true;
        tell(r, e);
    }
    r->part_index++;
    r->told_us += us;
}

/* --- segments ------------------------------------------------------------- */

static void describe(struct rendition *r)
{
    const struct track_info *info = track_info(r->track);
    struct store_event *e = event(r, STORE_RENDITION, 0);

    if (!e) return;
    struct store_description *d = &e->v.description;
    memcpy(d->name, info->name, sizeof d->name);
    d->video = info->kind == TRACK_VIDEO;
    if (fmp4_codec(d->codec, r->track)) strcpy(d->codec, "unknown");
    memcpy(d->language, info->language, sizeof d->language);
    d->width = info->width;
    d->height = info->height;
    d->fps_num = info->fps_num;
    d->fps_den = info->fps_den;
    d->channels = info->channels;
    d->nominal_bps = info->bitrate_bps;
    r->known = true;
    tell(r, e);
}

static int publish_init(struct rendition *r, const struct track *t)
{
    struct store_event *e = event(r, STORE_INIT, 1);
    struct buf *bytes = NULL;
    int err = e ? fmp4_init(&bytes, t) : ERR_NOMEM;

    if (err) {
        store_event_unref(&e);
        return err;
    }
    e->v.init = ++r->init;
    e->bytes = buf_len(bytes);
    e->slices[0] = slice_take(&bytes);
    tell(r, e);
    return 0;
}

static bool same_media(const struct track *a, const struct track *b)
{
    const struct track_info *x = track_info(a), *y = track_info(b);
    struct slice m = track_config(a), n = track_config(b);

    return x->codec == y->codec && x->timescale == y->timescale &&
           x->width == y->width && x->height == y->height && m.len == n.len &&
           (!m.len || !memcmp(m.data, n.data, m.len));
}

/* The new track takes over; a decoder that must be told gets a new init. */
static int swap_track(struct rendition *r)
{
    bool same = r->track && r->init && same_media(r->track, r->pending);
    int err = same ? 0 : publish_init(r, r->pending);

    if (err) return err;
    track_unref(&r->track);
    r->track = r->pending;
    r->pending = NULL;
    describe(r);
    return 0;
}

/* Unless its last part said so. */
static void close_segment(struct rendition *r)
{
    struct store_event *e = r->is_closed ? NULL : event(r, STORE_CLOSE, 0);

    if (!e) return;
    e->msn = r->last_msn;
    tell(r, e);
}

/* The newest frame lasts until its part is whole, or all that is left. */
static void stretch_part(struct rendition *r, int64_t left_us)
{
    int64_t more = r->conf.part_us - to_us(r, r->part_ticks);

    if (!r->sample_count) return;
    if (more > left_us) more = left_us;
    if (more <= 0) return;
    more = more * r->segmenter.conf.timescale / 1000000;
    r->samples[r->sample_count - 1].duration += (uint32_t)more;
    r->part_ticks += more;
}

/* The torn segment ends at m, which is the next one. NULL, or m is a break:
 * as it is. */
static void end_torn(struct rendition *r, const struct mark *m)
{
    int64_t part_us = r->conf.part_us, left = 0;
    uint64_t next = r->segmenter.msn;

    if (m && !m->discontinuity)
        left = m->pts * 100 / 9 - r->head.pts_us - r->told_us;
    stretch_part(r, left - to_us(r, r->part_ticks));
    left -= to_us(r, r->part_ticks);
    r->torn = false;
    r->segmenter.msn = r->last_msn;
    publish_part(r, left > 0 ? FOLLOW_PART : FOLLOW_SEGMENT);
    for (; left > 0 && r->part_index < PARTS_MAX; left -= part_us)
        publish_missing(r, left < part_us ? left : part_us,
                        left > part_us ? FOLLOW_PART : FOLLOW_SEGMENT);
    r->segmenter.msn = next;
    close_segment(r);
}

static int open_segment(struct rendition *r, const struct mark *m, int64_t pts)
{
    uint32_t breaks = 0;
    int err = r->pending ? swap_track(r) : 0;

    if (err) return err;
    mark_log_find(r->conf.marks, m->msn, &breaks);
    if (r->known) rendition_miss(r, m->msn);
    r->head = (struct store_head){
        .pts_us = to_us(r, pts),
        .date_us = to_us(r, pts) + mark_log_shift_of(r->conf.marks, m->msn),
        .init = r->init,
        .breaks = breaks,
        .discontinuity = m->discontinuity,
    };
    r->part_index = 0;
    r->told_us = 0;
    r->last_msn = m->msn;
    r->end_us = r->head.pts_us;
    r->is_closed = false;
    return 0;
}

void rendition_miss(struct rendition *r, uint64_t msn)
{
    if (!r->last_msn) return;
    if (r->torn && msn > r->last_msn)
        end_torn(r, mark_log_find(r->conf.marks, r->last_msn + 1, NULL));
    for (uint64_t k = r->last_msn + 1; k < msn; k++) {
        uint32_t breaks = 0;
        const struct mark *m = mark_log_find(r->conf.marks, k, &breaks);
        const struct mark *n = mark_log_find(r->conf.marks, k + 1, NULL);
        struct store_event *e;

        r->last_msn = k;
        if (!m || !n || !(e = event(r, STORE_GAP, 0))) continue;
        e->msn = k;
        e->v.gap.head = (struct store_head){
            .pts_us = m->pts * 100 / 9,
            .date_us = m->pts * 100 / 9 + mark_log_shift_of(r->conf.marks, k),
            .init = r->init,
            .breaks = breaks,
            .discontinuity = m->discontinuity,
        };
        e->v.gap.duration_us = (n->pts - m->pts) * 100 / 9;
        tell(r, e);
    }
}

void rendition_stop(struct rendition *r, uint64_t skip_to)
{
    rendition_tear(r, skip_to);
    if (r->torn) end_torn(r, NULL);
}

void rendition_tear(struct rendition *r, uint64_t skip_to)
{
    r->torn |= rendition_is_open(r);
    segmenter_stop(&r->segmenter, skip_to);
    r->begun_us = 0;
}

/* --- frames --------------------------------------------------------------- */

static void start_segmenter(struct rendition *r, const struct track_info *info)
{
    struct segmenter_conf conf = {
        .video = info->kind == TRACK_VIDEO,
        .timescale = info->timescale,
        .part_us = r->conf.part_us,
        .segment_us = r->conf.segment_us,
    };

    segmenter_init(&r->segmenter, &conf, r->conf.marks);
    r->segmenter.msn = r->last_msn;
    r->silent_to = 0;
}

void rendition_track(struct rendition *r, struct track *t)
{
    const struct track_info *info = track_info(t);

    track_unref(&r->pending);
    r->pending = track_ref(t);
    /* Times of another scale cannot go on in this segment. */
    if (r->segmenter.conf.timescale == info->timescale) return;
    rendition_stop(r, 0);
    start_segmenter(r, info);
}

/* Many small ranges become one piece, or a segment has more of them than one
 * writev takes. */
static int merge(struct slice *ranges, int *count)
{
    struct builder b;
    struct buf *whole = NULL;
    int err;

    builder_init(&b, SIZE_MAX / 4);
    for (int i = 0; i < *count; i++)
        builder_bytes(&b, ranges[i].data, ranges[i].len);
    err = builder_seal(&b, &whole);
    if (err) return err;
    for (int i = 0; i < *count; i++)
        slice_unref(&ranges[i]);
    ranges[0] = slice_take(&whole);
    *count = 1;
    return 0;
}

/* The frame's bytes as slices behind those of the part; count and size. */
static int take_payload(struct rendition *r, const struct frame *f, int *count,
                        size_t *bytes)
{
    struct slice *out = &r->slices[r->slice_count];
    const struct track *t = r->pending ? r->pending : r->track;
    int room = PART_SLICES_MAX - r->slice_count, err = 0;

    if (room > FRAME_SLICES_MAX) room = FRAME_SLICES_MAX;
    *count = 0;
    *bytes = 0;
    if (room < 1 || r->sample_count == PART_SAMPLES_MAX) return ERR_LIMIT;
    if (track_info(t)->codec == CODEC_H264) {
        err = fmp4_clean_avc(out, room, count, &f->payload);
    } else {
        *out = slice_ref(f->payload);
        *count = 1;
    }
    for (int i = 0; i < *count; i++)
        *bytes += out[i].len;
    if (!err && !*bytes) err = ERR_SYNTAX;
    if (!err && *count > FRAME_RANGES_KEPT) err = merge(out, count);
    for (int i = 0; err && i < *count; i++)
        slice_unref(&out[i]);
    return err;
}

static void add_sample(struct rendition *r, const struct frame *f,
                       const struct segmenter_step *step, int slices,
                       size_t bytes)
{
    int64_t cts = f->pts - step->dts;

    if (cts > INT32_MAX || cts < INT32_MIN) cts = 0;
    if (!r->sample_count) {
        r->part_dts = step->dts;
        r->first_captured_at = f->captured_at;
    }
    r->last_captured_at = f->captured_at;
    r->samples[r->sample_count++] = (struct fmp4_sample){
        .duration = (uint32_t)(step->duration + step->stretch_after),
        .size = (uint32_t)bytes,
        .cts = (int32_t)cts,
        .key = f->flags & FRAME_KEY,
    };
    r->part_ticks += step->duration + step->stretch_after;
    r->slice_count += slices;
    r->part_bytes += bytes;
}

/* The steps before the frame itself. */
static int make_way(struct rendition *r, const struct frame *f,
                    const struct segmenter_step *step, uint64_t open_msn)
{
    int err = 0;
    uint64_t next = r->segmenter.msn;
    enum follow end = step->close_segment ? FOLLOW_SEGMENT : FOLLOW_PART;

    if (step->stretch && r->sample_count) {
        struct fmp4_sample *last = &r->samples[r->sample_count - 1];
        last->duration = (uint32_t)(last->duration + step->stretch);
        r->part_ticks += step->stretch;
    }
    r->torn |= step->tear;
    if (r->torn && step->tear) rendition_miss(r, r->last_msn + 1);
    r->segmenter.msn = open_msn; /* what ends now is still the old one's */
    if (step->close_part) publish_part(r, step->gaps ? FOLLOW_PART : end);
    for (int i = 0; i < step->gaps; i++)
        publish_missing(r, to_us(r, step->gap_ticks),
                        i + 1 < step->gaps ? FOLLOW_PART : end);
    r->segmenter.msn = next;
    if (step->close_segment) close_segment(r);
    if (step->open_segment) err = open_segment(r, &step->mark, f->pts);
    return err;
}

void rendition_put(struct rendition *r, const struct frame *f)
{
    struct segmenter_frame sf = {f->dts, f->pts, f->duration,
                                 f->flags & FRAME_KEY};
    uint64_t open_msn = r->segmenter.msn;
    struct segmenter_step step;
    struct slice mine[FRAME_SLICES_MAX];
    size_t bytes;
    int n;

    if (!r->track && !r->pending) return;
    if (take_payload(r, f, &n, &bytes)) {
        r->dropped++;
        return;
    }
    /* The part may end before this frame: keep its bytes aside till then. */
    memcpy(mine, &r->slices[r->slice_count], (size_t)n * sizeof *mine);
    segmenter_feed(&r->segmenter, &sf, &step);
    int err = make_way(r, f, &step, open_msn);
    if (err) {
        log_warn("packager", "no_init", log_i("rendition", r->conf.index),
                 log_s("why", err_text(err)));
        segmenter_stop(&r->segmenter, r->segmenter.msn + 1);
        r->dropped++;
    }
    if (err || step.drop) {
        for (int i = 0; i < n; i++)
            slice_unref(&mine[i]);
        return;
    }
    memcpy(&r->slices[r->slice_count], mine, (size_t)n * sizeof *mine);
    add_sample(r, f, &step, n, bytes);
    if (!step.close_after) return;
    publish_part(r, segmenter_ends_soon(&r->segmenter) ? FOLLOW_SEGMENT_SOON
                                                       : FOLLOW_PART);
}

void rendition_feed(struct rendition *r, const struct frame *f)
{
    bool sound = !r->segmenter.conf.video;

    if (sound && (silence_covers(r, f) || silence_is_vain(r, f))) {
        r->dropped++;
        return;
    }
    if (sound && !r->segmenter.started && r->known) silence_begin(r, f);
    if (sound && r->segmenter.started) silence_before(r, f);
    rendition_put(r, f);
}
