#include "packager/silence.h"

#include "core/media/aac.h"

enum {
    AAC_TICKS = 1024,
    OPUS_TICKS = 960,
    ONCE_MAX = 512, /* frames made in one go */
};
#define SILENCE_MOST_US 10000000LL
/* Over a break that is wider there is nothing to go on through. */
#define JUMP_US 1000000LL

static int64_t to_ticks(const struct rendition *r, int64_t us)
{
    int64_t scale = r->segmenter.conf.timescale;

    return us / 1000000 * scale + us % 1000000 * scale / 1000000;
}

static int64_t mark_ticks(const struct rendition *r, const struct mark *m)
{
    int64_t scale = r->segmenter.conf.timescale;

    return (m->pts * scale + VIDEO_TIMESCALE - 1) / VIDEO_TIMESCALE;
}

/* What goes on at that time: a track that waits does so from its segment on. */
static const struct track *track_at(const struct rendition *r, int64_t pts)
{
    bool opens = segmenter_due(&r->segmenter, pts) != NULL;

    return opens && r->pending ? r->pending : r->track;
}

static int64_t ticks_of(const struct track *t)
{
    return track_info(t)->codec == CODEC_OPUS ? OPUS_TICKS : AAC_TICKS;
}

/* One access unit, as static bytes; empty where none is known (more than two
 * channels, HE-AAC). A raw_data_block whose one element has no scale factor
 * bands, and an Opus packet of 20 ms without energy (RFC 6716 §3.1, CELT full
 * band). */
static struct slice payload_of(const struct track *t)
{
    static const uint8_t mono[] = {0x00, 0xc8, 0x00, 0x80, 0x23, 0x80};
    static const uint8_t stereo[] = {0x21, 0x00, 0x49, 0x90, 0x02,
                                     0x19, 0x00, 0x23, 0x80};
    static const uint8_t opus[] = {0xf8, 0xff, 0xfe};
    const struct track_info *info = track_info(t);
    struct slice c = track_config(t);
    struct aac_config aac;

    if (info->codec == CODEC_OPUS)
        return (struct slice){NULL, opus, sizeof opus};
    if (info->codec != CODEC_AAC || aac_config_parse(&aac, c.data, c.len) ||
        aac.object_type != AAC_LC || aac.sbr)
        return (struct slice){0};
    if (aac.channels == 1) return (struct slice){NULL, mono, sizeof mono};
    if (aac.channels == 2) return (struct slice){NULL, stereo, sizeof stereo};
    return (struct slice){0};
}

void silence_before(struct rendition *r, const struct frame *f)
{
    struct segmenter_frame sf = {f->dts, f->pts, f->duration, true};
    int64_t hole = segmenter_hole(&r->segmenter, &sf);
    struct frame quiet = *f;

    if (f->duration <= 0 || hole < f->duration) return;
    if (hole > to_ticks(r, SILENCE_MOST_US)) return;
    quiet.dts = r->segmenter.next_dts;
    for (;;) {
        const struct track *t = track_at(r, quiet.dts);
        if (!t) return;
        quiet.duration = ticks_of(t);
        quiet.payload = payload_of(t);
        if (!quiet.payload.len || f->dts - quiet.dts < quiet.duration) return;
        quiet.pts = quiet.dts;
        rendition_put(r, &quiet);
        r->silent++;
        quiet.dts += quiet.duration;
    }
}

bool silence_is_vain(const struct rendition *r, const struct frame *f)
{
    const struct segmenter *s = &r->segmenter;
    struct segmenter_frame sf = {f->dts, f->pts, f->duration, true};
    const struct mark *m = mark_log_find(s->marks, s->msn + 1, NULL);

    return m && m->discontinuity && f->pts < mark_ticks(r, m) &&
           segmenter_hole(s, &sf) >= to_ticks(r, JUMP_US / 2);
}

/* Where r goes on, or false: nowhere before `until`. */
static bool find_place(const struct rendition *r, int64_t until, int64_t *at)
{
    const struct segmenter *s = &r->segmenter;
    const struct mark *m;

    if (!s->started) {
        m = segmenter_due(s, until);
        if (!m) return false;
        *at = mark_ticks(r, m);
        return *at <= until;
    }
    *at = s->next_dts;
    m = mark_log_find(s->marks, s->msn + 1, NULL);
    if (m && m->discontinuity && mark_ticks(r, m) - *at > to_ticks(r, JUMP_US))
        *at = mark_ticks(r, m);
    return *at < until;
}

bool silence_until(struct rendition *r, int64_t until_us, int64_t captured_at)
{
    int64_t until = to_ticks(r, until_us), at;
    uint64_t before = r->silent;

    for (int i = 0; i < ONCE_MAX && find_place(r, until, &at); i++) {
        const struct track *t = track_at(r, at);
        struct frame quiet = {.flags = FRAME_KEY,
                              .dts = at,
                              .pts = at,
                              .captured_at = captured_at};

        if (!t) break;
        quiet.duration = ticks_of(t);
        quiet.payload = payload_of(t);
        if (!quiet.payload.len) break;
        rendition_put(r, &quiet);
        /* No memory for an init, say: not again for now. */
        if (!rendition_is_open(r)) break;
        r->silent++;
        r->silent_to = r->segmenter.next_dts;
    }
    return r->silent != before;
}

void silence_begin(struct rendition *r, const struct frame *f)
{
    int64_t scale = r->segmenter.conf.timescale, until = f->dts - f->duration;

    if (f->duration <= 0 || !segmenter_due(&r->segmenter, f->pts)) return;
    silence_until(r, until / scale * 1000000 + until % scale * 1000000 / scale,
                  f->captured_at);
}

bool silence_covers(const struct rendition *r, const struct frame *f)
{
    return r->silent_to && f->dts + f->duration / 2 < r->silent_to;
}
