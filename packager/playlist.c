#include "packager/playlist.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"

static int64_t target_us(const struct store *s)
{
    return (int64_t)s->plan.target_duration_s * 1000000;
}

/* Seconds with the five decimals AAS 8.1 asks for, and one more. */
static void seconds(struct builder *b, int64_t us)
{
    builder_printf(b, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

/* --- media playlist ------------------------------------------------------- */

static void write_head(struct builder *b, const struct store *s,
                       const struct store_rendition *r, int skipped)
{
    const struct store_segment *first = NULL;

    if (r->first_listed < r->count) first = &r->segments[r->first_listed];
    builder_printf(b,
                   "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%u\n"
                   "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,"
                   "PART-HOLD-BACK=",
                   skipped ? 9 : 6, s->plan.target_duration_s);
    seconds(b, 3 * s->plan.part_us);
    builder_printf(b, ",HOLD-BACK=%u.0,CAN-SKIP-UNTIL=%u.0\n",
                   3 * s->plan.target_duration_s,
                   PLAYLIST_SKIP_TD * s->plan.target_duration_s);
    builder_text(b, "#EXT-X-PART-INF:PART-TARGET=");
    seconds(b, s->plan.part_us);
    builder_printf(b,
                   "\n#EXT-X-MEDIA-SEQUENCE:%" PRIu64
                   "\n#EXT-X-DISCONTINUITY-SEQUENCE:%u\n",
                   first ? first->msn : 0,
                   first ? first->head.breaks - first->head.discontinuity : 0);
    if (skipped)
        builder_printf(b, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%d\n", skipped);
}

/* What belongs to the segment and goes before its first part. */
static void write_segment_head(struct builder *b, const struct store *s,
                               const struct store_segment *g, uint32_t *init)
{
    char date[25];

    if (g->head.discontinuity) builder_text(b, "#EXT-X-DISCONTINUITY\n");
    if (g->head.init != *init) {
        *init = g->head.init;
        builder_printf(b, "#EXT-X-MAP:URI=\"init-%u.mp4\"\n", *init);
    }
    clock_iso8601(date, s->plan.origin_wall_us + g->head.date_us);
    builder_printf(b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", date);
}

static void write_parts(struct builder *b, const struct store *s,
                        const struct store_segment *g)
{
    for (int i = 0; i < g->part_count; i++) {
        const struct store_event *e = g->parts[i].event;
        int64_t us = e->v.part.duration_us;

        builder_text(b, "#EXT-X-PART:DURATION=");
        seconds(b, us < s->plan.part_us ? us : s->plan.part_us);
        builder_printf(b, ",URI=\"%" PRIu64 ".%d.m4s\"%s%s\n", g->msn, i,
                       e->v.part.independent ? ",INDEPENDENT=YES" : "",
                       e->v.part.missing ? ",GAP=YES" : "");
    }
}

static void write_segments(struct builder *b, const struct store *s,
                           const struct store_rendition *r, int skipped)
{
    int64_t left = 0; /* from here to the end of the list */
    uint32_t init = 0;

    for (int i = r->first_listed; i < r->count; i++)
        left += r->segments[i].duration_us;
    for (int i = r->first_listed; i < r->count; i++) {
        const struct store_segment *g = &r->segments[i];

        left -= g->duration_us;
        if (i < r->first_listed + skipped) {
            init = g->head.init;
            continue;
        }
        write_segment_head(b, s, g, &init);
        if (g->missing && g->closed)
            builder_text(b, "#EXT-X-GAP\n");
        else if (left < PLAYLIST_PARTS_TD * target_us(s) &&
                 s->state != STORE_ENDED)
            write_parts(b, s, g);
        if (!g->closed) continue;
        builder_text(b, "#EXTINF:");
        seconds(b, g->duration_us);
        builder_printf(b, ",\n%" PRIu64 ".m4s\n", g->msn);
    }
}

static void write_hint(struct builder *b, const struct store_rendition *r)
{
    const struct store_segment *open = store_open(r);
    uint64_t msn = store_open_msn(r);
    int part = open ? open->part_count : 0;

    if (open && r->ends_soon) {
        msn++;
        part = 0;
    }
    builder_printf(b,
                   "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%" PRIu64 ".%d.m4s\"\n",
                   msn, part);
}

static void write_reports(struct builder *b, const struct store *s,
                          const struct store_rendition *self)
{
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        const struct store_rendition *r = &s->renditions[i];

        if (r == self || !r->used || !r->count || !(s->listed >> i & 1))
            continue;
        const struct store_segment *g = &r->segments[r->count - 1];
        builder_printf(b,
                       "#EXT-X-RENDITION-REPORT:URI=\"../%s/index.m3u8\","
                       "LAST-MSN=%" PRIu64,
                       r->description.name, g->msn);
        if (g->part_count)
            builder_printf(b, ",LAST-PART=%d", g->part_count - 1);
        builder_text(b, "\n");
    }
}

/* How many segments from the front lie before the skip boundary. */
static int count_skipped(const struct store *s, const struct store_rendition *r)
{
    int64_t after = 0;
    int i = r->count;

    while (i > r->first_listed && after <= PLAYLIST_SKIP_TD * target_us(s))
        after += r->segments[--i].duration_us;
    return i - r->first_listed;
}

void playlist_media(struct builder *b, const struct store *s,
                    const struct store_rendition *r, bool delta)
{
    bool ended = s->state == STORE_ENDED;
    int skipped = delta && !ended ? count_skipped(s, r) : 0;

    write_head(b, s, r, skipped);
    write_segments(b, s, r, skipped);
    if (ended) {
        builder_text(b, "#EXT-X-ENDLIST\n");
        return;
    }
    write_hint(b, r);
    write_reports(b, s, r);
}

/* --- directives ----------------------------------------------------------- */

/* A decimal number up to the end of its field. */
static int parse_number(const char *p, size_t n, uint64_t *out)
{
    uint64_t v = 0;

    if (!n || n > 19) return ERR_SYNTAX;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return ERR_SYNTAX;
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    *out = v;
    return 0;
}

static bool is_field(const char *field, size_t n, const char *name)
{
    return n == strlen(name) && !memcmp(field, name, n);
}

static int parse_field(struct directives *d, const char *p, size_t n)
{
    const char *eq = memchr(p, '=', n);
    size_t name = eq ? (size_t)(eq - p) : n;
    const char *value = eq ? eq + 1 : p + n;
    size_t left = (size_t)(p + n - value);

    if (is_field(p, name, "_HLS_msn")) {
        d->has_msn = true;
        return parse_number(value, left, &d->msn);
    }
    if (is_field(p, name, "_HLS_part")) {
        d->has_part = true;
        return parse_number(value, left, &d->part);
    }
    if (is_field(p, name, "_HLS_skip")) {
        if (is_field(value, left, "YES")) d->skip = PLAYLIST_SKIP_YES;
        if (is_field(value, left, "v2")) d->skip = PLAYLIST_SKIP_V2;
    }
    return 0;
}

int directives_parse(struct directives *out, const char *query)
{
    struct directives d = {0};

    while (*query) {
        size_t n = strcspn(query, "&");
        int err = parse_field(&d, query, n);

        if (err) return err;
        query += n;
        if (*query) query++;
    }
    if (d.has_part && !d.has_msn) return ERR_SYNTAX;
    *out = d;
    return 0;
}

/* §6.2.5.2: how far ahead a part may be asked for. */
static uint64_t advance_part_limit(const struct store *s)
{
    int64_t pt = s->plan.part_us;

    return pt > 0 && pt < 1000000 ? (uint64_t)((3000000 + pt - 1) / pt) : 3;
}

enum directives_verdict playlist_decide(const struct store *s,
                                        const struct store_rendition *r,
                                        const struct directives *d,
                                        struct playlist_key *key)
{
    uint64_t open = store_open_msn(r);
    const struct store_segment *g = store_open(r);
    uint64_t parts = g ? (uint64_t)g->part_count : 0;

    if (s->state == STORE_ENDED) return DIRECTIVES_SERVE;
    *key = (struct playlist_key){0, 0};
    if (!r->count) return DIRECTIVES_WAIT;
    if (!d->has_msn) return DIRECTIVES_SERVE;
    /* The last whole segment is the one before the open one. */
    if (d->msn > open + 1) return DIRECTIVES_BAD;
    /* In the segment after the open one a part is further away still: were
     * any number fine there, strangers could wait for endless different
     * ones. */
    if (d->has_part && d->msn >= open &&
        d->part + 1 > (d->msn == open ? parts : 0) + advance_part_limit(s))
        return DIRECTIVES_BAD;
    *key =
        (struct playlist_key){d->msn, d->has_part ? d->part : PLAYLIST_WHOLE};
    return playlist_has(s, r, key) ? DIRECTIVES_SERVE : DIRECTIVES_WAIT;
}

bool playlist_has(const struct store *s, const struct store_rendition *r,
                  const struct playlist_key *key)
{
    const struct store_segment *last;

    if (s->state == STORE_ENDED) return true;
    if (!r->count) return false;
    last = &r->segments[r->count - 1];
    if (last->msn != key->msn) {
        if (last->msn < key->msn) return false;
        /* A part past the end of its segment is part 0 of the next one. */
        return last->msn > key->msn + 1 || last->closed ||
               last->part_count > 0 || key->part == PLAYLIST_WHOLE;
    }
    if (key->part == PLAYLIST_WHOLE) return last->closed;
    return (uint64_t)last->part_count > key->part;
}

bool playlist_is_hinted(const struct store *s, const struct store_rendition *r,
                        uint64_t msn, uint64_t part)
{
    uint64_t open = store_open_msn(r);
    const struct store_segment *g = store_open(r);

    if (s->state == STORE_ENDED) return false;
    if (msn == open) return part == (g ? (uint64_t)g->part_count : 0);
    return g && msn == open + 1 && part == 0;
}
