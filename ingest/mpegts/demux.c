#include "ingest/mpegts/demux.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "ingest/mpegts/demux_priv.h"

enum { UNMAPPED_MAX = 8 }; /* association tables: a second or so */

int demux_create(struct demux **out, const struct demux_events *events)
{
    struct demux *d = calloc(1, sizeof *d);

    if (!d) return ERR_NOMEM;
    d->events = *events;
    section_init(&d->pat_section, PSI_SECTION_MAX);
    section_init(&d->pmt_section, PSI_SECTION_MAX);
    *out = d;
    return 0;
}

static void free_streams(struct demux *d)
{
    for (int i = 0; i < d->stream_count; i++)
        demux_stream_free(&d->streams[i]);
    d->stream_count = 0;
}

void demux_free(struct demux **out)
{
    struct demux *d = *out;

    *out = NULL;
    if (!d) return;
    free_streams(d);
    free(d);
}

/* --- the map ----------------------------------------------------------------
 */

static bool is_audio(enum content c)
{
    return c == CONTENT_ADTS || c == CONTENT_LATM || c == CONTENT_OPUS;
}

static bool is_same(const struct pmt_stream *a, const struct pmt_stream *b)
{
    return a->pid == b->pid && a->content == b->content &&
           a->channels == b->channels &&
           !memcmp(a->language, b->language, sizeof a->language);
}

/* The stream of the old map that goes on unchanged, taken out of it. */
static struct demux_stream *keep(struct demux_stream **old, int count,
                                 const struct pmt_stream *map)
{
    for (int i = 0; i < count; i++) {
        struct demux_stream *s = old[i];
        if (!s || !is_same(&s->map, map)) continue;
        old[i] = NULL;
        return s;
    }
    return NULL;
}

static const struct pat_program *program_of(const struct demux *d)
{
    return &d->pat.programs[d->program];
}

static bool is_taken(const struct demux *d, int slot)
{
    for (int i = 0; i < d->stream_count; i++)
        if (d->streams[i]->slot == slot) return true;
    return false;
}

/* A stream's slot is kept across map tables as long as it goes on. */
static int choose_slot(const struct demux *d, struct demux_stream *const *old,
                       int old_count, const struct pmt_stream *map)
{
    bool video = content_is_picture(map->content);
    int first = video ? DEMUX_SLOT_VIDEO : DEMUX_SLOT_AUDIO_FIRST;
    int last = video ? DEMUX_SLOT_VIDEO : DEMUX_SLOTS - 1;

    if (!video && !is_audio(map->content)) return -1;
    for (int slot = first; slot <= last; slot++) {
        bool waits = false; /* for a stream further down that goes on */
        for (int i = 0; i < old_count; i++)
            if (old[i] && old[i]->slot == slot)
                for (int k = d->stream_count; k < d->pmt.count; k++)
                    waits |= is_same(&d->pmt.streams[k], &old[i]->map);
        if (!waits && !is_taken(d, slot)) return slot;
    }
    return -1;
}

static void report(struct demux *d, const struct demux_stream *s)
{
    const struct pmt_stream *m = &s->map;
    bool ours = s->slot >= 0 && (m->content != CONTENT_OPUS || m->channels);

    if (ours || m->content == CONTENT_ID3 || m->content == CONTENT_SCTE35)
        return;
    if (d->events.on_unsupported)
        d->events.on_unsupported(m->pid, m->content, d->events.arg);
}

/* Of the streams that did not go on; a slot may have another one now. */
static void free_old(struct demux *d, struct demux_stream **old, int count)
{
    for (int i = 0; i < count; i++) {
        struct demux_stream *s = old[i];
        if (s && s->announced && !is_taken(d, s->slot) && d->events.on_gone)
            d->events.on_gone(s->slot, d->events.arg);
        demux_stream_free(&old[i]);
    }
}

static int build_streams(struct demux *d)
{
    struct demux_stream *old[PMT_STREAMS_MAX];
    int old_count = d->stream_count, err = 0;

    memcpy(old, d->streams, sizeof old);
    d->stream_count = 0;
    for (int i = 0; i < d->pmt.count && !err; i++) {
        const struct pmt_stream *map = &d->pmt.streams[i];
        struct demux_stream *s = keep(old, old_count, map);
        if (!s) {
            int slot = choose_slot(d, old, old_count, map);
            err = demux_stream_create(&s, d, map, slot);
            if (err) break;
            report(d, s);
        } else if (s->slot < 0) {
            s->slot = choose_slot(d, old, old_count, map); /* one is free now */
        }
        d->streams[d->stream_count++] = s;
    }
    free_old(d, old, old_count);
    return err;
}

static void choose_program(struct demux *d, int program)
{
    d->program = program;
    d->has_pmt = d->serves = false;
    d->unmapped = 0;
    d->pmt_counter = (struct ts_counter){0};
    section_break(&d->pmt_section);
}

/* A program of data alone, or one whose map never comes, is not what was meant
 * where there is another. */
static void judge_program(struct demux *d)
{
    bool serves = false;

    for (int i = 0; i < d->stream_count; i++)
        serves |= d->streams[i]->slot >= 0;
    d->serves |= serves;
    if (d->serves || d->pat.count < 2) return;
    choose_program(d, (d->program + 1) % d->pat.count);
}

static void on_pmt(const uint8_t *data, size_t len, void *arg)
{
    struct demux *d = arg;
    struct pmt pmt;
    int err = pmt_parse(&pmt, program_of(d)->number, data, len);

    if (err == ERR_SYNTAX) d->counts.bad_sections++;
    if (err) return;
    uint32_t crc = psi_crc(data, len - 4);
    if (d->has_pmt && crc == d->pmt_crc) return;
    d->pmt = pmt;
    d->pmt_crc = crc;
    d->has_pmt = true;
    d->counts.maps++;
    err = build_streams(d);
    if (err) {
        d->has_pmt = false; /* the next one tries again */
        d->err = err;
        return;
    }
    judge_program(d);
}

static int find_program(const struct pat *pat, struct pat_program p)
{
    for (int i = 0; i < pat->count; i++)
        if (pat->programs[i].number == p.number &&
            pat->programs[i].pmt_pid == p.pmt_pid)
            return i;
    return -1;
}

static void on_pat(const uint8_t *data, size_t len, void *arg)
{
    struct demux *d = arg;
    struct pat pat;
    int err = pat_parse(&pat, data, len);

    if (err == ERR_SYNTAX) d->counts.bad_sections++;
    if (err) return;
    int program = d->has_pat ? find_program(&pat, *program_of(d)) : -1;
    d->pat = pat;
    d->has_pat = true;
    if (program < 0) {
        choose_program(d, 0);
        return;
    }
    d->program = program;
    if (!d->has_pmt && ++d->unmapped >= UNMAPPED_MAX) {
        d->unmapped = 0;
        judge_program(d);
    }
}

/* --- packets ----------------------------------------------------------------
 */

static void feed_table(struct demux *d, struct ts_counter *c, struct section *s,
                       const struct ts_packet *p, section_fn *fn)
{
    switch (ts_counter_step(c, p)) {
    case TS_DUPLICATE: d->counts.duplicates++; return;
    case TS_GAP: d->counts.gaps++; /* fallthrough */
    case TS_JUMP: section_break(s); break;
    case TS_NEXT: break;
    }
    if (p->payload && !p->scrambled) section_feed(s, p, fn, d);
}

static void on_packet(const uint8_t bytes[TS_PACKET_BYTES], void *arg)
{
    struct demux *d = arg;
    struct ts_packet p;

    d->counts.packets++;
    if (ts_packet_parse(&p, bytes)) {
        d->counts.broken++;
        return;
    }
    if (p.pid == TS_PID_PAT) {
        feed_table(d, &d->pat_counter, &d->pat_section, &p, on_pat);
        return;
    }
    if (d->has_pat && p.pid == program_of(d)->pmt_pid) {
        feed_table(d, &d->pmt_counter, &d->pmt_section, &p, on_pmt);
        return;
    }
    for (int i = 0; i < d->stream_count; i++) {
        if (d->streams[i]->map.pid != p.pid) continue;
        demux_stream_feed(d->streams[i], &p);
        return;
    }
}

int demux_feed(struct demux *d, const void *data, size_t len)
{
    d->err = 0;
    ts_framer_feed(&d->framer, data, len, on_packet, d);
    d->counts.skipped_bytes = d->framer.skipped;
    return d->err;
}

void demux_break(struct demux *d)
{
    section_break(&d->pat_section);
    section_break(&d->pmt_section);
    for (int i = 0; i < d->stream_count; i++)
        demux_stream_break(d->streams[i]);
}

/* --- what is missing --------------------------------------------------------
 */

/* Names what came instead of something we take. */
static void name_streams(struct demux *d)
{
    size_t at = (size_t)snprintf(d->missing, sizeof d->missing,
                                 "nothing we can play (");
    const char *between = "";

    for (int i = 0; i < d->stream_count && at < sizeof d->missing; i++) {
        enum content c = d->streams[i]->map.content;
        if (!content_is_media(c)) continue;
        at += (size_t)snprintf(d->missing + at, sizeof d->missing - at, "%s%s",
                               between, content_name(c));
        between = ", ";
    }
    if (at < sizeof d->missing)
        snprintf(d->missing + at, sizeof d->missing - at,
                 "%s): send H.264 or HEVC, and AAC",
                 *between ? "" : "no media");
}

const char *demux_missing(struct demux *d)
{
    bool any = false, waits = false;

    if (d->counts.frames) return NULL;
    if (!d->counts.packets) return "no MPEG-TS packets in what came";
    if (!d->has_pat) return "no program association table (PAT)";
    if (!d->has_pmt) {
        snprintf(d->missing, sizeof d->missing,
                 "no program map table (PMT) of program %u on PID %u",
                 program_of(d)->number, program_of(d)->pmt_pid);
        return d->missing;
    }
    for (int i = 0; i < d->stream_count; i++) {
        any |= d->streams[i]->slot >= 0;
        waits |= d->streams[i]->slot == DEMUX_SLOT_VIDEO;
    }
    if (!any)
        name_streams(d);
    else if (d->counts.scrambled)
        return "what comes is scrambled: send it in the clear";
    else
        snprintf(d->missing, sizeof d->missing, "%s",
                 waits ? "no keyframe with its parameter sets"
                       : "no audio frame");
    return d->missing;
}

const struct demux_counts *demux_counts(const struct demux *d)
{
    return &d->counts;
}
