#include "packager/lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packager/boxes.h"

/* What rounding to a few decimals may hide. */
enum { ROUND_US = 20, DATE_SLACK_US = 500000, FRAME_US = 50000 };

void lint_tell(struct lint *l, const char *rule, const char *section, bool must,
               const char *format, ...)
{
    char text[320];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    l->count++;
    if (l->found) l->found(rule, section, must, text, l->arg);
}

#define MUST(ok, rule, section, ...)                                           \
    ((ok) ? (void)0 : lint_tell(l, rule, section, true, __VA_ARGS__))
#define SHOULD(ok, rule, section, ...)                                         \
    ((ok) ? (void)0 : lint_tell(l, rule, section, false, __VA_ARGS__))

static double s_of(int64_t us)
{
    return (double)us / 1e6;
}

static bool is_low_latency(const struct m3u8 *p)
{
    return p->part_count || p->part_inf_count;
}

/* --- head ----------------------------------------------------------------- */

static void lint_head(struct lint *l, const struct m3u8 *p)
{
    bool has_map = p->segment_count && p->segments[p->segment_count - 1].map;

    MUST(p->first_line, "EXTM3U", "4.4.1.1", "first line is not #EXTM3U");
    MUST(p->version_count <= 1, "VERSION", "4.4.1.2", "%d EXT-X-VERSION tags",
         p->version_count);
    MUST(p->bad_lines == 0, "SYNTAX", "4.2", "%d lines do not parse",
         p->bad_lines);
    MUST(!has_map || p->version >= 6, "VERSION", "8",
         "EXT-X-MAP needs version 6, found %d", p->version);
    MUST(!p->skip_count || p->version >= 9, "VERSION", "8",
         "EXT-X-SKIP needs version 9, found %d", p->version);
    MUST(p->target_duration_count == 1 && p->target_duration_s >= 1,
         "TARGETDURATION", "4.4.3.1", "%d tags, value %" PRId64,
         p->target_duration_count, p->target_duration_s);
    MUST(p->media_sequence_count <= 1 && p->discontinuity_sequence_count <= 1,
         "SEQUENCE", "4.4.3", "a sequence tag is there twice");
    MUST(!p->late_sequences, "SEQUENCE", "4.4.3.2",
         "a sequence tag comes after the first segment");
    MUST(!p->late_heads, "PART_ORDER", "4.4.4.9",
         "MAP, DATE or DISCONTINUITY after a part of its segment");
}

static void lint_control(struct lint *l, const struct m3u8 *p)
{
    int64_t td = p->target_duration_s * 1000000;

    MUST(p->server_control_count <= 1, "SERVER_CONTROL", "4.4.3.8",
         "%d EXT-X-SERVER-CONTROL tags", p->server_control_count);
    MUST(p->part_inf_count <= 1, "PART_INF", "4.4.3.7",
         "%d EXT-X-PART-INF tags", p->part_inf_count);
    if (p->hold_back_us >= 0 && td > 0)
        MUST(p->hold_back_us >= 3 * td, "HOLD_BACK", "4.4.3.8",
             "HOLD-BACK %g is under 3 x TARGETDURATION", s_of(p->hold_back_us));
    if (p->can_skip_us >= 0 && td > 0)
        MUST(p->can_skip_us >= 6 * td, "CAN_SKIP_UNTIL", "4.4.3.8",
             "CAN-SKIP-UNTIL %g is under 6 x TARGETDURATION",
             s_of(p->can_skip_us));
    MUST(!p->part_count || p->part_inf_count, "PART_INF", "4.4.3.7",
         "EXT-X-PART without EXT-X-PART-INF");
    if (!p->part_inf_count) return;
    MUST(p->part_target_us > 0, "PART_INF", "4.4.3.7", "no PART-TARGET");
    MUST(p->part_hold_back_us >= 0, "PART_HOLD_BACK", "4.4.3.8",
         "parts, but no PART-HOLD-BACK");
    if (p->part_target_us <= 0 || p->part_hold_back_us < 0) return;
    MUST(p->part_hold_back_us + ROUND_US >= 2 * p->part_target_us,
         "PART_HOLD_BACK", "4.4.3.8", "PART-HOLD-BACK %g under 2 x %g",
         s_of(p->part_hold_back_us), s_of(p->part_target_us));
    SHOULD(p->part_hold_back_us + ROUND_US >= 3 * p->part_target_us,
           "PART_HOLD_BACK", "4.4.3.8", "PART-HOLD-BACK %g under 3 x %g",
           s_of(p->part_hold_back_us), s_of(p->part_target_us));
}

/* --- parts ---------------------------------------------------------------- */

static void lint_part(struct lint *l, const struct m3u8 *p,
                      const struct m3u8_segment *g, int i)
{
    const struct m3u8_part *part = &p->parts[g->first_part + i];
    bool last = g->uri && i == g->part_count - 1;
    bool before_gap = i + 1 < g->part_count && part[1].gap;
    int64_t pt = p->part_target_us;

    MUST(part->uri, "PART", "4.4.4.9", "part %" PRIu64 ".%d has no URI", g->msn,
         i);
    MUST(part->duration_us >= 0, "PART", "4.4.4.9",
         "part %" PRIu64 ".%d has no DURATION", g->msn, i);
    if (pt <= 0 || part->duration_us < 0) return;
    MUST(part->duration_us <= pt + ROUND_US, "PART_DURATION", "4.4.4.9",
         "part %" PRIu64 ".%d lasts %g, PART-TARGET is %g", g->msn, i,
         s_of(part->duration_us), s_of(pt));
    MUST(part->duration_us + ROUND_US >= pt * 85 / 100 || last || before_gap ||
             part->independent || part->gap,
         "PART_DURATION", "4.4.4.9",
         "part %" PRIu64 ".%d lasts %g, under 85 %% of PART-TARGET %g", g->msn,
         i, s_of(part->duration_us), s_of(pt));
}

static void lint_parts(struct lint *l, const struct m3u8 *p,
                       const struct m3u8_segment *g)
{
    int64_t sum = 0;

    for (int i = 0; i < g->part_count; i++) {
        lint_part(l, p, g, i);
        sum += p->parts[g->first_part + i].duration_us;
    }
    if (!g->part_count || !g->uri) return;
    MUST(llabs(sum - g->duration_us) <= ROUND_US * (g->part_count + 1),
         "PART_SUM", "3.2",
         "parts of segment %" PRIu64 " last %g, EXTINF says %g", g->msn,
         s_of(sum), s_of(g->duration_us));
}

/* --- segments ------------------------------------------------------------- */

static void lint_segment(struct lint *l, const struct m3u8 *p,
                         const struct m3u8_segment *g)
{
    if (g->uri && p->target_duration_s > 0)
        MUST((g->duration_us + 500000) / 1000000 <= p->target_duration_s,
             "TARGETDURATION", "4.4.3.1",
             "segment %" PRIu64 " lasts %g, TARGETDURATION is %" PRId64, g->msn,
             s_of(g->duration_us), p->target_duration_s);
    SHOULD(g->pdt_us < 0 || g->pdt_has_ms, "DATE", "4.4.4.6",
           "date of segment %" PRIu64 " has no milliseconds", g->msn);
    MUST(!g->discontinuity || g->pdt_us >= 0 || !is_low_latency(p), "DATE",
         "6.2.1", "no date after the discontinuity of segment %" PRIu64,
         g->msn);
}

/* Dates must go on as the durations say. */
static void lint_dates(struct lint *l, const struct m3u8 *p)
{
    int64_t expected = -1;
    int dated = 0;

    for (int i = 0; i < p->segment_count; i++) {
        const struct m3u8_segment *g = &p->segments[i];

        if (g->discontinuity) expected = -1;
        if (g->pdt_us >= 0) {
            dated++;
            if (expected >= 0)
                MUST(llabs(g->pdt_us - expected) <= DATE_SLACK_US, "DATE",
                     "6.2.1",
                     "date of segment %" PRIu64 " is %g s off the durations",
                     g->msn, s_of(g->pdt_us - expected));
            expected = g->pdt_us;
        }
        if (expected >= 0 && g->duration_us > 0) expected += g->duration_us;
    }
    if (is_low_latency(p) && !p->skip_count)
        MUST(dated, "DATE", "B.1", "no EXT-X-PROGRAM-DATE-TIME");
}

/* A part older than three target durations has no business in the list; one
 * segment of grace, since parts come and go with their segment. */
static void lint_old_parts(struct lint *l, const struct m3u8 *p)
{
    int64_t left = p->duration_us, td = p->target_duration_s * 1000000;

    for (int i = 0; i < p->segment_count; i++) {
        const struct m3u8_segment *g = &p->segments[i];

        if (g->duration_us > 0) left -= g->duration_us;
        if (!g->part_count || !g->uri || td <= 0) continue;
        SHOULD(left <= 3 * td + ROUND_US, "PART_AGE", "6.2.2",
               "parts of segment %" PRIu64 " are %g s from the end", g->msn,
               s_of(left));
        return;
    }
}

static void lint_live_edge(struct lint *l, const struct m3u8 *p)
{
    int parts = 0, maps = 0;

    for (int i = 0; i < p->hint_count; i++) {
        const char *type = p->hints[i].type;

        MUST(type && p->hints[i].uri, "PRELOAD_HINT", "4.4.5.3",
             "hint without TYPE or URI");
        if (type && !strcmp(type, "PART")) parts++;
        if (type && !strcmp(type, "MAP")) maps++;
    }
    MUST(parts <= 1 && maps <= 1, "PRELOAD_HINT", "4.4.5.3",
         "several hints of one type");
    if (p->ended)
        MUST(!p->hint_count, "PRELOAD_HINT", "6.2.6", "hint beside ENDLIST");
    for (int i = 0; i < p->report_count; i++) {
        MUST(p->reports[i].uri, "RENDITION_REPORT", "4.4.5.4",
             "report without URI");
        SHOULD(p->reports[i].last_msn >= 0, "RENDITION_REPORT", "4.4.5.4",
               "report on %s without LAST-MSN",
               p->reports[i].uri ? p->reports[i].uri : "?");
    }
    if (p->ended || !is_low_latency(p)) return;
    MUST(p->can_block, "CAN_BLOCK_RELOAD", "B.1",
         "low latency without CAN-BLOCK-RELOAD=YES");
    MUST(parts == 1, "PRELOAD_HINT", "B.1", "no hint of the next part");
}

void lint_media(struct lint *l, const struct m3u8 *p)
{
    MUST(!p->multivariant, "KIND", "4.1",
         "multivariant tags in a media playlist");
    lint_head(l, p);
    lint_control(l, p);
    MUST(p->skip_count <= 1, "SKIP", "4.4.5.2", "%d EXT-X-SKIP tags",
         p->skip_count);
    for (int i = 0; i < p->segment_count; i++) {
        lint_segment(l, p, &p->segments[i]);
        lint_parts(l, p, &p->segments[i]);
    }
    lint_dates(l, p);
    lint_old_parts(l, p);
    lint_live_edge(l, p);
}

/* --- one after the other -------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static void lint_same_segment(struct lint *l, const struct m3u8 *p,
                              const struct m3u8_segment *a,
                              const struct m3u8 *q,
                              const struct m3u8_segment *b)
{
    if (a->uri) {
        MUST(b->uri && same_text(a->uri, b->uri), "IMMUTABLE", "6.2.1",
             "segment %" PRIu64 " became %s", b->msn, b->uri ? b->uri : "open");
        MUST(llabs(a->duration_us - b->duration_us) <= ROUND_US, "IMMUTABLE",
             "6.2.1", "segment %" PRIu64 " lasted %g, now %g", a->msn,
             s_of(a->duration_us), s_of(b->duration_us));
    }
    MUST(a->discontinuity == b->discontinuity, "IMMUTABLE", "6.2.1",
         "DISCONTINUITY of segment %" PRIu64 " changed", a->msn);
    if (a->pdt_us >= 0 && b->pdt_us >= 0)
        MUST(a->pdt_us == b->pdt_us, "IMMUTABLE", "6.2.1",
             "date of segment %" PRIu64 " changed by %g s", a->msn,
             s_of(b->pdt_us - a->pdt_us));
    int n = a->part_count < b->part_count ? a->part_count : b->part_count;
    for (int i = 0; i < n; i++) {
        const struct m3u8_part *x = &p->parts[a->first_part + i];
        const struct m3u8_part *y = &q->parts[b->first_part + i];

        MUST(same_text(x->uri, y->uri) && x->duration_us == y->duration_us,
             "IMMUTABLE", "6.2.1", "part %" PRIu64 ".%d changed", a->msn, i);
    }
    if (!a->uri)
        MUST(b->part_count >= a->part_count || (b->uri && !b->part_count),
             "IMMUTABLE", "6.2.1", "parts of segment %" PRIu64 " went away",
             a->msn);
}

static uint64_t count_breaks(const struct m3u8 *p, uint64_t before)
{
    uint64_t n = 0;

    for (int i = 0; i < p->segment_count; i++)
        if (p->segments[i].msn < before && p->segments[i].discontinuity) n++;
    return n;
}

void lint_successor(struct lint *l, const struct m3u8 *before,
                    const struct m3u8 *after)
{
    MUST(after->media_sequence >= before->media_sequence, "MEDIA_SEQUENCE",
         "6.2.2", "went back from %" PRIu64 " to %" PRIu64,
         before->media_sequence, after->media_sequence);
    MUST(after->target_duration_s == before->target_duration_s,
         "TARGETDURATION", "6.2.1", "changed from %" PRId64 " to %" PRId64,
         before->target_duration_s, after->target_duration_s);
    MUST(after->part_target_us == before->part_target_us, "PART_INF", "4.4.3.7",
         "PART-TARGET changed from %g to %g", s_of(before->part_target_us),
         s_of(after->part_target_us));
    MUST(after->discontinuity_sequence >= before->discontinuity_sequence,
         "DISCONTINUITY_SEQUENCE", "6.2.2", "went back");
    MUST(!before->ended || after->ended, "ENDLIST", "4.4.3.4", "went away");
    if (after->media_sequence > before->media_sequence)
        MUST(!before->playlist_type, "PLAYLIST_TYPE", "6.2.2",
             "%s, yet segments are removed", before->playlist_type);
    /* Only a list that lets go of segments was long enough. */
    if (after->media_sequence > before->media_sequence && !after->skip_count)
        MUST(after->duration_us >= 3 * after->target_duration_s * 1000000,
             "WINDOW", "6.2.2", "the list covers %g s only",
             s_of(after->duration_us));
    if (!before->skip_count &&
        after->media_sequence >= before->media_sequence) {
        uint64_t gone = count_breaks(before, after->media_sequence);
        MUST(after->discontinuity_sequence ==
                 before->discontinuity_sequence + gone,
             "DISCONTINUITY_SEQUENCE", "6.2.2",
             "is %" PRIu64 " after %" PRIu64 " discontinuities left the list",
             after->discontinuity_sequence, gone);
    }
    for (int i = 0; i < before->segment_count; i++) {
        const struct m3u8_segment *a = &before->segments[i];
        const struct m3u8_segment *b = m3u8_find(after, a->msn);

        if (b) lint_same_segment(l, before, a, after, b);
    }
}

void lint_delta(struct lint *l, const struct m3u8 *full,
                const struct m3u8 *delta)
{
    uint64_t end = delta->media_sequence + (uint64_t)delta->skipped;

    if (!delta->skip_count) return;
    MUST(delta->skipped >= 1, "SKIP", "4.4.5.2", "SKIPPED-SEGMENTS=%" PRId64,
         delta->skipped);
    lint_successor(l, full, delta);
    for (int i = 0; i < full->segment_count; i++) {
        const struct m3u8_segment *g = &full->segments[i];

        if (g->msn < end) continue;
        MUST(m3u8_find(delta, g->msn), "SKIP", "6.2.5.1",
             "segment %" PRIu64 " is neither skipped nor listed", g->msn);
    }
    if (delta->can_skip_us > 0)
        MUST(delta->duration_us + ROUND_US >= delta->can_skip_us, "SKIP",
             "6.2.5.1", "the update keeps %g s, the skip boundary is %g",
             s_of(delta->duration_us), s_of(delta->can_skip_us));
}

/* --- renditions side by side ---------------------------------------------- */

void lint_siblings(struct lint *l, const struct m3u8 *a, const struct m3u8 *b)
{
    MUST(a->target_duration_s == b->target_duration_s, "SAME_TARGETDURATION",
         "6.2.4", "%" PRId64 " and %" PRId64, a->target_duration_s,
         b->target_duration_s);
    MUST(a->part_hold_back_us == b->part_hold_back_us &&
             a->hold_back_us == b->hold_back_us &&
             a->can_skip_us == b->can_skip_us && a->can_block == b->can_block,
         "SAME_SERVER_CONTROL", "6.2.4", "EXT-X-SERVER-CONTROL differs");
    for (int i = 0; i < a->segment_count; i++) {
        const struct m3u8_segment *x = &a->segments[i];
        const struct m3u8_segment *y = m3u8_find(b, x->msn);

        if (!y) continue;
        SHOULD(x->discontinuity == y->discontinuity, "SAME_DISCONTINUITY",
               "6.2.4", "segment %" PRIu64 " has one in one rendition only",
               x->msn);
        if (x->pdt_us >= 0 && y->pdt_us >= 0)
            SHOULD(llabs(x->pdt_us - y->pdt_us) <= FRAME_US, "SAME_DATE",
                   "6.2.4", "segment %" PRIu64 " begins %g s apart", x->msn,
                   s_of(x->pdt_us - y->pdt_us));
    }
}

/* --- multivariant --------------------------------------------------------- */

static bool has_video(const char *codecs)
{
    return codecs && (strstr(codecs, "avc") || strstr(codecs, "hvc1") ||
                      strstr(codecs, "hev1") || strstr(codecs, "av01") ||
                      strstr(codecs, "vp09"));
}

static bool has_group(const struct m3u8 *p, const char *group)
{
    for (int i = 0; i < p->media_count; i++)
        if (p->media[i].type && !strcmp(p->media[i].type, "AUDIO") &&
            same_text(p->media[i].group, group))
            return true;
    return false;
}

static void lint_variant(struct lint *l, const struct m3u8 *p,
                         const struct m3u8_variant *v)
{
    MUST(v->bandwidth > 0, "BANDWIDTH", "4.4.6.2", "%s has none", v->uri);
    SHOULD(v->average_bandwidth > 0, "AVERAGE_BANDWIDTH", "AAS 9.14",
           "%s has none", v->uri);
    MUST(v->average_bandwidth <= v->bandwidth, "AVERAGE_BANDWIDTH", "4.4.6.2",
         "%s: average over peak", v->uri);
    SHOULD(v->codecs, "CODECS", "4.4.6.2", "%s has none", v->uri);
    if (v->audio)
        MUST(has_group(p, v->audio), "AUDIO", "4.4.6.2.1",
             "%s names group %s, which is not there", v->uri, v->audio);
    if (!has_video(v->codecs)) return;
    SHOULD(v->resolution, "RESOLUTION", "4.4.6.2", "%s has none", v->uri);
    SHOULD(v->frame_rate > 0, "FRAME_RATE", "4.4.6.2", "%s has none", v->uri);
}

static void lint_group(struct lint *l, const struct m3u8 *p, int at)
{
    const struct m3u8_media *m = &p->media[at];

    for (int i = 0; i < at; i++) {
        const struct m3u8_media *o = &p->media[i];

        if (!same_text(m->type, o->type) || !same_text(m->group, o->group))
            continue;
        MUST(!same_text(m->name, o->name), "MEDIA_NAME", "4.4.6.1.1",
             "%s twice in a group", m->name ? m->name : "?");
        MUST(!m->is_default || !o->is_default, "MEDIA_DEFAULT", "4.4.6.1.1",
             "%s is not the only default of its group",
             m->name ? m->name : "?");
    }
}

void lint_multivariant(struct lint *l, const struct m3u8 *p)
{
    MUST(p->first_line, "EXTM3U", "4.4.1.1", "first line is not #EXTM3U");
    MUST(p->bad_lines == 0, "SYNTAX", "4.2", "%d lines do not parse",
         p->bad_lines);
    MUST(!p->segment_count && !p->target_duration_count, "KIND", "4.1",
         "media tags in a multivariant playlist");
    MUST(p->variant_count, "STREAM_INF", "4.4.6.2", "no variant");
    SHOULD(p->independent_segments, "INDEPENDENT_SEGMENTS", "AAS 9.11",
           "not said");
    for (int i = 0; i < p->variant_count; i++)
        lint_variant(l, p, &p->variants[i]);
    for (int i = 0; i < p->media_count; i++) {
        const struct m3u8_media *m = &p->media[i];

        lint_group(l, p, i);
        MUST(m->type && m->group && m->name, "MEDIA", "4.4.6.1",
             "EXT-X-MEDIA without TYPE, GROUP-ID or NAME");
        SHOULD(m->language || !m->type || !strcmp(m->type, "VIDEO"), "LANGUAGE",
               "AAS 8.10", "%s has none", m->name ? m->name : "?");
    }
}

/* --- media ---------------------------------------------------------------- */

void lint_fragment(struct lint *l, const char *uri,
                   const struct boxes_fragment *f, uint32_t timescale,
                   int64_t listed_us, int64_t expected_dts, bool independent)
{
    double lasts = (double)f->duration / timescale;
    double off = lasts - s_of(listed_us);

    MUST(f->has_tfdt, "TFDT", "3.1.2", "%s has no tfdt", uri);
    MUST(f->base_is_moof, "BASE_IS_MOOF", "3.1.2",
         "%s: data offsets do not start at the moof", uri);
    SHOULD(f->contiguous, "TFDT", "AAS 7.3", "%s: a hole inside", uri);
    MUST(f->sample_bytes <= f->mdat_bytes, "MDAT", "3.1.2",
         "%s: samples of %zu bytes in an mdat of %zu", uri, f->sample_bytes,
         f->mdat_bytes);
    if (listed_us >= 0 && f->contiguous)
        MUST(off < 0.001 && off > -0.001, "DURATION", "AAS 8.1",
             "%s lasts %.6f, the list says %.6f", uri, lasts, s_of(listed_us));
    if (expected_dts >= 0 && f->has_tfdt)
        SHOULD(f->dts == expected_dts, "TFDT", "AAS 7.3",
               "%s begins %" PRId64 " ticks after the end of the one before",
               uri, f->dts - expected_dts);
    if (independent)
        MUST(f->first_is_sync, "INDEPENDENT", "4.4.4.9",
             "%s does not begin with a sync sample", uri);
}
