#include "transcode/worker/look.h"

#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH_MAX = 8192,
    LEVEL = 16, /* of a cell's mean */
    /* A cell that differs by so much, or all of them on average. */
    CELL_CHANGED = 3 * LEVEL,
    MEAN_CHANGED = LEVEL / 2,
    LIT = 32, /* the levels below are black, with a sensor's noise */
};

struct sums {
    uint32_t luma[LOOK_CELLS];
    uint32_t points[LOOK_CELLS];
    uint32_t lit, all;
};

static bool is_full_range(const AVFrame *f)
{
    return f->color_range == AVCOL_RANGE_JPEG ||
           f->format == AV_PIX_FMT_YUVJ420P ||
           f->format == AV_PIX_FMT_YUVJ422P || f->format == AV_PIX_FMT_YUVJ444P;
}

/* A line of luma as bytes: in the picture, or in `room`. */
static const uint8_t *line_of(const AVFrame *f,
                              const AVComponentDescriptor *luma, int y,
                              uint8_t room[WIDTH_MAX])
{
    const uint8_t *at = f->data[luma->plane] +
                        (ptrdiff_t)y * f->linesize[luma->plane] + luma->offset;
    int down = luma->shift + luma->depth - 8;

    if (luma->depth == 8 && luma->step == 1) return at;
    for (int x = 0; x < f->width; x++, at += luma->step) {
        uint16_t word = luma->depth > 8 ? (uint16_t)(at[0] | at[1] << 8) : *at;
        room[x] = (uint8_t)(word >> down);
    }
    return room;
}

static void add_line(struct sums *s, int row, const uint8_t *line, int width,
                     uint8_t lit_from)
{
    int x = 0;

    for (int c = 0; c < LOOK_COLUMNS; c++) {
        int end = (c + 1) * width / LOOK_COLUMNS;
        uint32_t luma = 0, lit = 0, points = (uint32_t)(end - x);
        for (; x < end; x++) {
            luma += line[x];
            lit += line[x] >= lit_from;
        }
        s->luma[row * LOOK_COLUMNS + c] += luma;
        s->points[row * LOOK_COLUMNS + c] += points;
        s->lit += lit;
        s->all += points;
    }
}

/* To 0 .. 255 levels. */
static uint16_t normal(uint32_t mean, bool full)
{
    int32_t level = (int32_t)mean;

    if (full) return (uint16_t)level;
    level = (level - 16 * LEVEL) * 255 / 219;
    return (uint16_t)(level < 0             ? 0
                      : level > 255 * LEVEL ? 255 * LEVEL
                                            : level);
}

/* The mean of all. */
static uint32_t difference(const uint16_t *a, const uint16_t *b, bool *any)
{
    uint32_t sum = 0;

    *any = false;
    for (int i = 0; i < LOOK_CELLS; i++) {
        uint32_t d = (uint32_t)abs(a[i] - b[i]);
        sum += d;
        *any |= d >= CELL_CHANGED;
    }
    *any |= sum >= MEAN_CHANGED * LOOK_CELLS;
    return sum * 100 / (LOOK_CELLS * LEVEL); /* hundredths of a level */
}

static void compare(struct look *l, const uint16_t *cells,
                    struct impression *out)
{
    bool any;
    uint32_t change = difference(cells, l->last, &any);

    out->change = change < IMPRESSION_CHANGE_MAX ? (uint16_t)change
                                                 : IMPRESSION_CHANGE_MAX;
    difference(cells, l->stood, &out->changed);
    if (!l->begun) out->change = 0;
    if (!l->begun) out->changed = true;
    if (out->changed) memcpy(l->stood, cells, sizeof l->stood);
    memcpy(l->last, cells, sizeof l->last);
    l->begun = true;
}

static void measure(struct look *l, const AVFrame *f,
                    const AVComponentDescriptor *luma, struct impression *out)
{
    bool full = is_full_range(f);
    uint8_t lit_from = full ? LIT : 16 + LIT * 219 / 255;
    struct sums s = {0};
    uint16_t cells[LOOK_CELLS];
    uint8_t room[WIDTH_MAX];
    uint64_t sum = 0;

    for (int i = 0; i < LOOK_LINES; i++) {
        int y = (2 * i + 1) * f->height / (2 * LOOK_LINES);
        add_line(&s, i / 2, line_of(f, luma, y, room), f->width, lit_from);
    }
    for (int i = 0; i < LOOK_CELLS; i++) {
        cells[i] = normal(s.luma[i] * LEVEL / s.points[i], full);
        sum += cells[i];
    }
    out->luma = (uint8_t)(sum / LOOK_CELLS / LEVEL);
    out->lit = (uint16_t)((uint64_t)s.lit * IMPRESSION_WHOLE / s.all);
    compare(l, cells, out);
}

static bool may_be_seen(const AVFrame *f, const AVPixFmtDescriptor *d)
{
    return d &&
           !(d->flags & (AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_RGB |
                         AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_PAL |
                         AV_PIX_FMT_FLAG_BITSTREAM)) &&
           d->comp[0].depth >= 8 && d->comp[0].depth <= 16 &&
           f->width >= LOOK_COLUMNS && f->width <= WIDTH_MAX &&
           f->height >= LOOK_LINES && f->data[d->comp[0].plane];
}

bool look_feed(struct look *l, const AVFrame *f, struct impression *out)
{
    const AVPixFmtDescriptor *d;
    int64_t since = f->pts - l->last_pts;
    int64_t ms = since / (VIDEO_TIMESCALE / 1000);

    if (l->begun && since >= 0 && since < VIDEO_TIMESCALE) return false;
    d = av_pix_fmt_desc_get(f->format);
    if (!may_be_seen(f, d)) return false;
    if (!l->begun || ms < 1) ms = 1000;
    *out = (struct impression){.kind = TRACK_VIDEO,
                               .span_ms = ms < IMPRESSION_SPAN_MAX_MS
                                              ? (uint32_t)ms
                                              : IMPRESSION_SPAN_MAX_MS};
    measure(l, f, &d->comp[0], out);
    l->last_pts = f->pts;
    return true;
}
