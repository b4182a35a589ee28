/* The media of one rendition under check: parts as they come, whole segments
 * against the sum of their parts, times against the list. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/check_priv.h"
#include "core/base/clock.h"
#include "core/base/err.h"

/* One object asked for. */
struct errand {
    struct watch *watch;
    uint64_t msn;
    int part; /* -1: the whole segment */
    int map;  /* of watch.maps; -1: not known */
    int64_t listed_us;
    bool independent, hinted;
    char uri[128];
};

static void piece_release(struct piece *g)
{
    for (int i = 0; i < CHECK_PARTS_MAX; i++)
        slice_unref(&g->parts[i]);
    memset(g, 0, sizeof *g);
}

void media_release(struct watch *w)
{
    for (int i = 0; i < CHECK_PIECES_MAX; i++)
        piece_release(&w->pieces[i]);
}

/* The piece of msn; one of an old segment makes room. */
static struct piece *piece_of(struct watch *w, uint64_t msn)
{
    struct piece *g = &w->pieces[msn % CHECK_PIECES_MAX];

    if (g->msn == msn) return g;
    if (g->msn > msn) return NULL;
    piece_release(g);
    g->msn = msn;
    g->part_count = -1;
    return g;
}

/* --- init ----------------------------------------------------------------- */

struct map_errand {
    struct watch *watch;
    char uri[128];
};

static int find_map(const struct watch *w, const char *uri)
{
    for (int i = 0; uri && i < CHECK_MAPS_MAX; i++)
        if (!strcmp(w->maps[i].uri, uri)) return i;
    return -1;
}

/* NULL while it has not come. */
static const struct boxes_init *init_of(const struct watch *w, int map)
{
    return map >= 0 && w->maps[map].there ? &w->maps[map].init : NULL;
}

static void on_init(const struct fetch_answer *a, void *arg)
{
    struct map_errand *e = arg;
    struct watch *w = e->watch;
    int i = find_map(w, e->uri);

    free(e);
    if (a->err || a->status != 200) {
        lint_tell(&w->lint, "MAP", "4.4.4.5", true, "init segment: %s %d",
                  a->err ? a->why : "status", a->status);
        return;
    }
    check_headers(w, a, "media");
    if (i < 0) return;
    w->maps[i].there =
        !boxes_read_init(&w->maps[i].init, a->body.data, a->body.len);
    if (!w->maps[i].there)
        lint_tell(&w->lint, "MAP", "3.1.2", true,
                  "init segment holds no moov with tracks");
}

static void follow_map(struct watch *w, const char *map)
{
    char url[FETCH_URL_MAX];
    struct map_errand *e;

    if (!map || find_map(w, map) >= 0 || !(e = calloc(1, sizeof *e))) return;
    struct map_seen *m = &w->maps[w->map_count++ % CHECK_MAPS_MAX];
    m->there = false;
    snprintf(m->uri, sizeof m->uri, "%s", map);
    e->watch = w;
    snprintf(e->uri, sizeof e->uri, "%s", map);
    if (fetch_resolve(url, w->url, map) ||
        !check_get(w, url, false, on_init, e))
        free(e);
}

/* --- whole against parts -------------------------------------------------- */

/* All parts of g are there: do they follow each other? */
static void check_order(struct watch *w, struct piece *g)
{
    int64_t expected = -1;

    if (g->checked) return;
    g->checked = true;
    if (!g->discontinuity && w->end_msn == g->msn - 1 && w->end_map == g->map)
        expected = w->end_dts;
    for (int i = 0; i < g->part_count; i++) {
        const struct boxes_fragment *f = &g->boxes[i];

        if (!f->has_tfdt) {
            expected = -1;
            continue;
        }
        if (expected >= 0 && f->dts != expected)
            lint_tell(&w->lint, "TFDT", "AAS 7.3", false,
                      "part %" PRIu64 ".%d begins %" PRId64
                      " ticks after the end of the one before",
                      g->msn, i, f->dts - expected);
        expected = f->dts + f->duration;
    }
    w->end_dts = expected;
    w->end_msn = g->msn;
    w->end_map = g->map;
}

static void compare(struct watch *w, struct piece *g, const struct slice *whole)
{
    size_t at = 0;
    bool same = true;

    for (int i = 0; same && i < g->part_count; i++) {
        const struct slice *p = &g->parts[i];

        same = p->len <= whole->len - at &&
               !memcmp(whole->data + at, p->data, p->len);
        at += p->len;
    }
    if (!same || at != whole->len)
        lint_tell(&w->lint, "PARTS_EQUAL_SEGMENT", "3.2", true,
                  "segment %" PRIu64 ": parts have %zu bytes, the whole %zu%s",
                  g->msn, at, whole->len, same ? "" : ", and they differ");
    for (int i = 0; i < g->part_count; i++)
        slice_unref(&g->parts[i]);
    g->part_count = -1; /* done with, but asked for */
}

static void on_segment(const struct fetch_answer *a, void *arg)
{
    struct errand *e = arg;
    struct watch *w = e->watch;
    struct boxes_fragment f;
    struct piece *g = piece_of(w, e->msn);
    const struct boxes_init *init = init_of(w, e->map);

    if (a->err || a->status != 200) {
        if (!a->err || clock_mono_us() < w->check->until)
            lint_tell(&w->lint, "STATUS", "6.2.1", true, "segment %s: %s %d",
                      e->uri, a->err ? a->why : "status", a->status);
        free(e);
        return;
    }
    check_headers(w, a, "media");
    w->check->segments++;
    double bps =
        e->listed_us > 0 ? (double)a->body.len * 8e6 / (double)e->listed_us : 0;
    if (bps > w->peak_bps && e->listed_us * 2 > w->check->target_us)
        w->peak_bps = bps;
    if (init) {
        if (boxes_read_fragment(&f, init, a->body.data, a->body.len))
            lint_tell(&w->lint, "BOXES", "3.1.2", true,
                      "%s is no sequence of moof and mdat", e->uri);
        else
            lint_fragment(&w->lint, e->uri, &f, init->tracks[0].timescale,
                          e->listed_us, -1, false);
    }
    if (g && g->part_count >= 0 && g->got == g->part_count)
        compare(w, g, &a->body);
    free(e);
}

static void ask_for(struct errand *e, const char *uri, fetch_done *done)
{
    char url[FETCH_URL_MAX];

    snprintf(e->uri, sizeof e->uri, "%s", uri);
    if (fetch_resolve(url, e->watch->url, uri) ||
        !check_get(e->watch, url, false, done, e))
        free(e);
}

static struct errand *errand(struct watch *w, uint64_t msn, int part)
{
    struct errand *e = calloc(1, sizeof *e);

    if (e)
        *e = (struct errand){.watch = w, .msn = msn, .part = part, .map = -1};
    return e;
}

/* --- parts ---------------------------------------------------------------- */

static void read_part(struct watch *w, struct errand *e, struct piece *g,
                      const struct fetch_answer *a)
{
    struct boxes_fragment f;
    const struct boxes_init *init = init_of(w, e->map);

    if (g && e->part < CHECK_PARTS_MAX && !g->parts[e->part].data) {
        g->parts[e->part] = slice_ref(a->body);
        g->got++;
    }
    if (!init) return;
    if (boxes_read_fragment(&f, init, a->body.data, a->body.len)) {
        lint_tell(&w->lint, "BOXES", "3.1.2", true,
                  "%s is no sequence of moof and mdat", e->uri);
        return;
    }
    if (g && e->part < CHECK_PARTS_MAX) g->boxes[e->part] = f;
    lint_fragment(&w->lint, e->uri, &f, init->tracks[0].timescale, e->listed_us,
                  -1, e->independent);
}

static void on_part(const struct fetch_answer *a, void *arg)
{
    struct errand *e = arg;
    struct watch *w = e->watch;
    struct piece *g = e->hinted ? NULL : piece_of(w, e->msn);

    if (a->err || a->status != 200) {
        /* A hint may come to nothing: then 404 is the right answer. */
        bool fine = e->hinted && (a->status == 404 || a->err);
        if (!fine && clock_mono_us() < w->check->until)
            lint_tell(&w->lint, "STATUS", "6.2.6", true, "part %s: %s %d",
                      e->uri, a->err ? a->why : "status", a->status);
        free(e);
        return;
    }
    check_headers(w, a, "media");
    w->check->parts++;
    read_part(w, e, g, a);
    if (g && g->part_count >= 0 && g->got == g->part_count) check_order(w, g);
    free(e);
}

static void follow_part(struct watch *w, const struct m3u8 *p,
                        const struct m3u8_segment *s, struct piece *g, int i)
{
    const struct m3u8_part *part = &p->parts[s->first_part + i];
    struct errand *e;

    if (g->asked[i] || !part->uri || part->gap || part->byterange ||
        !(e = errand(w, s->msn, i)))
        return;
    g->asked[i] = true;
    e->map = g->map;
    e->listed_us = part->duration_us;
    e->independent = part->independent;
    ask_for(e, part->uri, on_part);
}

/* Ask for the hinted part before it is there: the server must wait. Now and
 * then only; the list's reload brings the others. */
static void follow_hint(struct watch *w, const struct m3u8 *p)
{
    struct errand *e;

    if (w->reloads % 7 != 3 || !p->segment_count) return;
    for (int i = 0; i < p->hint_count; i++) {
        const struct m3u8_hint *h = &p->hints[i];

        if (!h->type || strcmp(h->type, "PART") || !h->uri) continue;
        /* Which part it is, the list does not say: counted for none. */
        e = errand(w, 0, CHECK_PARTS_MAX);
        if (!e) return;
        e->hinted = true;
        e->listed_us = -1;
        ask_for(e, h->uri, on_part);
        return;
    }
}

static bool has_gap(const struct m3u8 *p, const struct m3u8_segment *s)
{
    for (int i = 0; i < s->part_count; i++)
        if (p->parts[s->first_part + i].gap) return true;
    return false;
}

static void follow_segment(struct watch *w, const struct m3u8 *p,
                           const struct m3u8_segment *s)
{
    struct piece *g = s->msn ? piece_of(w, s->msn) : NULL;
    struct errand *e;

    if (!g || g->asked_whole) return;
    g->discontinuity = s->discontinuity;
    follow_map(w, s->map);
    /* Parts that come before their init are not read: rare, and the next
     * segment's are. */
    g->map = find_map(w, s->map);
    if (s->part_count <= CHECK_PARTS_MAX)
        for (int i = 0; i < s->part_count; i++)
            follow_part(w, p, s, g, i);
    if (!s->uri || s->gap || s->byterange || !(e = errand(w, s->msn, -1)))
        return;
    g->asked_whole = true;
    g->part_count =
        s->part_count && s->part_count <= CHECK_PARTS_MAX ? s->part_count : -1;
    if (g->got == g->part_count) check_order(w, g);
    e->listed_us = has_gap(p, s) ? -1 : s->duration_us;
    e->map = g->map;
    ask_for(e, s->uri, on_segment);
}

void media_follow(struct watch *w, const struct m3u8 *p)
{
    int64_t far_us = 4 * p->target_duration_s * 1000000, left = p->duration_us;

    for (int i = 0; i < p->segment_count; i++) {
        const struct m3u8_segment *s = &p->segments[i];

        if (s->duration_us > 0) left -= s->duration_us;
        if (left <= far_us) follow_segment(w, p, s);
    }
    follow_hint(w, p);
}
