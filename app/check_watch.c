/* One rendition under check: its playlist, plain, blocking and as an update,
 * and what the server says to directives it must refuse. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/check_priv.h"
#include "core/base/clock.h"
#include "core/base/err.h"

static void on_found(const char *rule, const char *section, bool must,
                     const char *detail, void *arg)
{
    struct watch *w = arg;

    check_found(w->check, w->name, rule, section, must, detail);
}

int watch_create(struct watch **out, struct check *c, const char *name,
                 const char *url)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w) return ERR_NOMEM;
    w->check = c;
    w->end_dts = -1;
    snprintf(w->name, sizeof w->name, "%s", name);
    snprintf(w->url, sizeof w->url, "%s", url);
    w->lint = (struct lint){.found = on_found, .arg = w};
    *out = w;
    return 0;
}

void watch_free(struct watch **w)
{
    struct watch *gone = *w;

    *w = NULL;
    if (!gone) return;
    media_release(gone);
    if (gone->first != gone->last) m3u8_free(&gone->first);
    m3u8_free(&gone->last);
    free(gone);
}

/* --- reading a list ------------------------------------------------------- */

static void keep(struct watch *w, struct m3u8 *p)
{
    bool full = !p->skip_count;

    if (w->last != w->first) m3u8_free(&w->last);
    if (full) m3u8_free(&w->first);
    w->last = p;
    if (full) w->first = p;
}

static struct m3u8 *parse(struct watch *w, const struct fetch_answer *a)
{
    struct m3u8 *p = NULL;
    int err = m3u8_parse(&p, (const char *)a->body.data, a->body.len);

    if (err) lint_tell(&w->lint, "SYNTAX", "4.1", true, "%s", err_text(err));
    return p;
}

static bool has_asked_part(const struct watch *w, const struct m3u8 *p)
{
    const struct m3u8_segment *g =
        p->segment_count ? &p->segments[p->segment_count - 1] : NULL;

    if (p->ended) return true;
    if (!g) return false;
    if (g->msn > w->asked_msn) return true;
    if (g->msn < w->asked_msn) return false;
    if (w->asked_part < 0) return g->uri != NULL;
    return g->part_count > w->asked_part || g->uri;
}

/* A list read while reloading: the rules, its history, what is new. */
static void take_list(struct watch *w, struct m3u8 *p)
{
    lint_media(&w->lint, p);
    if (w->last) lint_successor(&w->lint, w->last, p);
    if (w->first && p->skip_count) lint_delta(&w->lint, w->first, p);
    media_follow(w, p);
    keep(w, p);
}

/* --- reloading ------------------------------------------------------------ */

static void reload(struct watch *w);

static void on_reload(const struct fetch_answer *a, void *arg)
{
    struct watch *w = arg;
    int64_t waited = a->done_at - w->asked_at;
    struct m3u8 *p;

    w->reloads++;
    if (a->err || a->status != 200) {
        if (clock_mono_us() < w->check->until)
            lint_tell(&w->lint, "BLOCKING_RELOAD", "6.2.5.2", true,
                      "asked for %" PRIu64 ".%" PRId64 ": %s %d after %.1f s",
                      w->asked_msn, w->asked_part, a->err ? a->why : "status",
                      a->status, (double)waited / 1e6);
        if (++w->failures < 5) reload(w);
        return;
    }
    check_headers(w, a, "playlist");
    p = parse(w, a);
    if (!p) return;
    if (!has_asked_part(w, p))
        lint_tell(&w->lint, "BLOCKING_RELOAD", "6.2.5.2", true,
                  "asked for %" PRIu64 ".%" PRId64
                  ", it is not in the answer after %.2f s",
                  w->asked_msn, w->asked_part, (double)waited / 1e6);
    take_list(w, p);
    if (!p->ended) reload(w);
}

/* The part after the newest one, or the segment after it. */
static void choose_next(struct watch *w)
{
    const struct m3u8 *p = w->last;
    const struct m3u8_segment *g = &p->segments[p->segment_count - 1];

    w->asked_part = p->part_inf_count ? 0 : -1;
    w->asked_msn = g->msn + (g->uri != NULL);
    if (!g->uri) w->asked_part = g->part_count;
}

static void reload(struct watch *w)
{
    char url[FETCH_URL_MAX + 96], part[40] = "";
    bool delta = w->reloads % 3 == 2 && w->last->can_skip_us > 0;

    if (clock_mono_us() >= w->check->until || !w->last->can_block ||
        !w->last->segment_count)
        return;
    choose_next(w);
    if (w->asked_part >= 0)
        snprintf(part, sizeof part, "&_HLS_part=%" PRId64, w->asked_part);
    snprintf(url, sizeof url, "%s%c_HLS_msn=%" PRIu64 "%s%s", w->url,
             strchr(w->url, '?') ? '&' : '?', w->asked_msn, part,
             delta ? "&_HLS_skip=YES" : "");
    w->asked_at = clock_mono_us();
    check_get(w, url, true, on_reload, w);
}

static void on_poll(const struct fetch_answer *a, void *arg)
{
    struct watch *w = arg;
    struct m3u8 *p = a->err || a->status != 200 ? NULL : parse(w, a);

    if (p) take_list(w, p);
}

void watch_poll(struct watch *w)
{
    if (!w->last || w->last->can_block || w->last->ended) return;
    check_get(w, w->url, true, on_poll, w);
}

/* --- what must be refused ------------------------------------------------- */

static void expect(const struct fetch_answer *a, struct watch *w, int status,
                   const char *section, const char *what)
{
    if (a->err || a->status == status) {
        if (!a->err && status != 200) check_headers(w, a, "error");
        return;
    }
    lint_tell(&w->lint, "STATUS", section, true, "%s: expected %d, got %d",
              what, status, a->status);
}

static void on_part_alone(const struct fetch_answer *a, void *arg)
{
    expect(a, arg, 400, "6.2.5.2", "_HLS_part without _HLS_msn");
}

static void on_too_far(const struct fetch_answer *a, void *arg)
{
    expect(a, arg, 400, "6.2.5.2", "_HLS_msn far ahead of the list");
}

/* The segment may have ended meanwhile: then the part asked for is the next
 * segment's first, and a list that shows so is right. */
static bool has_turned_over(struct watch *w, const struct fetch_answer *a)
{
    struct m3u8 *p = a->status == 200 && !a->err ? parse(w, a) : NULL;
    bool turned = p && p->segment_count &&
                  p->segments[p->segment_count - 1].msn > w->probed_msn;

    m3u8_free(&p);
    return turned;
}

static void on_part_too_far(const struct fetch_answer *a, void *arg)
{
    if (has_turned_over(arg, a)) return;
    expect(a, arg, 400, "6.2.5.2", "_HLS_part past the advance part limit");
}

static void on_old(const struct fetch_answer *a, void *arg)
{
    expect(a, arg, 200, "6.2.5.2", "_HLS_msn of an old segment");
}

static void on_delta(const struct fetch_answer *a, void *arg)
{
    struct watch *w = arg;
    struct m3u8 *p;

    if (a->err || a->status != 200) {
        lint_tell(&w->lint, "SKIP", "6.2.5.1", true, "_HLS_skip: status %d",
                  a->status);
        return;
    }
    p = parse(w, a);
    if (!p) return;
    lint_media(&w->lint, p);
    if (w->first) lint_delta(&w->lint, w->first, p);
    m3u8_free(&p);
}

static void ask(struct watch *w, const char *query, fetch_done *done)
{
    char url[FETCH_URL_MAX + 64];

    snprintf(url, sizeof url, "%s%c%s", w->url, strchr(w->url, '?') ? '&' : '?',
             query);
    check_get(w, url, false, done, w);
}

static void ask_forbidden(struct watch *w)
{
    const struct m3u8 *p = w->first;
    const struct m3u8_segment *g = &p->segments[p->segment_count - 1];
    char query[96];

    if (!p->can_block || p->ended) return;
    ask(w, "_HLS_part=1", on_part_alone);
    snprintf(query, sizeof query, "_HLS_msn=%" PRIu64, g->msn + 100);
    ask(w, query, on_too_far);
    snprintf(query, sizeof query, "_HLS_msn=%" PRIu64, p->segments[0].msn);
    ask(w, query, on_old);
    if (p->part_inf_count && !g->uri) {
        w->probed_msn = g->msn;
        snprintf(query, sizeof query, "_HLS_msn=%" PRIu64 "&_HLS_part=%d",
                 g->msn, g->part_count + 200);
        ask(w, query, on_part_too_far);
    }
    if (p->can_skip_us > 0) ask(w, "_HLS_skip=YES", on_delta);
}

/* --- the first list ------------------------------------------------------- */

static void on_first(const struct fetch_answer *a, void *arg)
{
    struct watch *w = arg;
    struct m3u8 *p;

    if (a->err || a->status != 200) {
        lint_tell(&w->lint, "STATUS", "6.2.1", true, "playlist: %s %d",
                  a->err ? a->why : "status", a->status);
        w->check->failed = true;
        return;
    }
    check_headers(w, a, "playlist");
    p = parse(w, a);
    if (!p) return;
    take_list(w, p);
    if (!p->segment_count) {
        lint_tell(&w->lint, "EMPTY", "6.2.2", true, "no segment in the list");
        return;
    }
    if (!p->part_inf_count && !p->ended)
        lint_tell(&w->lint, "LOW_LATENCY", "B.1", true,
                  "no parts: this is plain HLS");
    ask_forbidden(w);
    reload(w);
}

void watch_start(struct watch *w)
{
    check_get(w, w->url, true, on_first, w);
}
