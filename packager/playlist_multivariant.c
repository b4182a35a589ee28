#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/media/language.h"
#include "packager/playlist.h"

enum {
    PEAK_SEGMENTS = 8,
    NAME_MAX_BYTES = 64,
    CODECS_MAX_BYTES = STORE_RENDITIONS_MAX * STORE_CODEC_MAX,
};

struct sounds {
    int count;
    const struct store_rendition *first;
    uint32_t peak, average; /* of the one that has most */
    char codecs[CODECS_MAX_BYTES];
};

static bool is_listed(const struct store *s, int i)
{
    return s->renditions[i].used && (s->listed >> i & 1);
}

static bool is_sound(const struct store *s, int i)
{
    return is_listed(s, i) && !s->renditions[i].description.video;
}

/* What the parts of the open segment show while none is whole. */
static uint32_t early_bps(const struct store_rendition *r)
{
    int64_t us = 0, bits = 0;

    for (int i = 0; i < r->count; i++) {
        us += r->segments[i].duration_us;
        bits += (int64_t)r->segments[i].bytes * 8;
    }
    return us ? (uint32_t)(bits * 1000000 / us) : 0;
}

static uint32_t average_bps(const struct store_rendition *r)
{
    uint32_t v = r->average_bps;

    if (!v) v = r->description.nominal_bps;
    if (!v) v = early_bps(r);
    return v ? v : 1;
}

/* A player that was told too little stalls, so peaks are declared with room
 * to spare. A rung: its rate and a half second's buffer over a 2 s segment.
 * The source's own bytes: what was seen, and half more while that is little. */
static uint32_t peak_bps(const struct store_rendition *r)
{
    uint64_t v = r->peak_bps, nominal = r->description.nominal_bps;
    bool young = r->count - r->first_listed < PEAK_SEGMENTS;

    if (!v) v = early_bps(r);
    v = nominal || !young ? v * 11 / 10 : v * 3 / 2;
    if (v < nominal * 5 / 4) v = nominal * 5 / 4;
    return (uint32_t)(v < UINT32_MAX ? v + 1 : UINT32_MAX);
}

static void write_frame_rate(struct builder *b,
                             const struct store_description *d)
{
    if (!d->fps_num || !d->fps_den) return;
    uint64_t milli = (uint64_t)d->fps_num * 1000 / d->fps_den;
    builder_printf(b, ",FRAME-RATE=%" PRIu64 ".%03" PRIu64, milli / 1000,
                   milli % 1000);
}

/* --- sound ---------------------------------------------------------------- */

/* "Deutsch", "Português (BR)"; "Audio" where no language is known. */
static void base_name(char *out, size_t size, const char *language)
{
    const char *name = language_name(language);
    const char *rest = strchr(language, '-');

    if (name && rest)
        snprintf(out, size, "%s (%s)", name, rest + 1);
    else if (name)
        snprintf(out, size, "%s", name);
    else if (!language[0] || !strcmp(language, "und"))
        snprintf(out, size, "Audio");
    else
        snprintf(out, size, "%s", language);
}

/* §4.4.6.1: unique in its group. The second of a language is "Deutsch 2", and
 * stays so when the first is gone. */
static void write_name(struct builder *b, const struct store *s, int at)
{
    const struct store_description *d = &s->renditions[at].description;
    char mine[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    int nth = 1;

    base_name(mine, sizeof mine, d->language);
    for (int i = 0; i < at; i++) {
        const struct store_rendition *r = &s->renditions[i];
        if (!r->used || r->description.video) continue;
        base_name(other, sizeof other, r->description.language);
        nth += !strcmp(mine, other);
    }
    builder_text(b, mine);
    if (nth > 1) builder_printf(b, " %d", nth);
}

static void write_audio_group(struct builder *b, const struct store *s)
{
    bool first = true;

    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        const struct store_description *d = &s->renditions[i].description;

        if (!is_sound(s, i)) continue;
        builder_text(b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"");
        write_name(b, s, i);
        builder_printf(b, "\",DEFAULT=%s,AUTOSELECT=YES,LANGUAGE=\"%s\"",
                       first ? "YES" : "NO",
                       d->language[0] ? d->language : "und");
        if (d->channels) builder_printf(b, ",CHANNELS=\"%u\"", d->channels);
        builder_printf(b, ",URI=\"%" PRIu64 "/%s/index.m3u8\"\n", s->generation,
                       d->name);
        first = false;
    }
}

static bool is_told(const struct store *s, int at)
{
    const char *codec = s->renditions[at].description.codec;

    for (int i = 0; i < at; i++)
        if (is_sound(s, i) &&
            !strcmp(s->renditions[i].description.codec, codec))
            return true;
    return false;
}

/* All that is listed, as what a variant says of its group: the most bits, and
 * each codec once. */
static void gather(struct sounds *out, const struct store *s)
{
    *out = (struct sounds){0};
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        const struct store_rendition *r = &s->renditions[i];
        size_t n = strlen(out->codecs);

        if (!is_sound(s, i)) continue;
        if (peak_bps(r) > out->peak) out->peak = peak_bps(r);
        if (average_bps(r) > out->average) out->average = average_bps(r);
        if (!out->count++) out->first = r;
        if (is_told(s, i)) continue;
        snprintf(out->codecs + n, sizeof out->codecs - n, "%s%s", n ? "," : "",
                 r->description.codec);
    }
}

/* --- variants ------------------------------------------------------------- */

static void write_variant(struct builder *b, const struct store *s,
                          const struct store_rendition *r,
                          const struct sounds *sounds)
{
    const struct store_description *d = &r->description;
    uint64_t peak = d->video ? peak_bps(r) : 0;
    uint64_t average = d->video ? average_bps(r) : 0;

    peak += sounds->peak;
    average += sounds->average;
    if (peak < average) peak = average;
    builder_printf(b,
                   "#EXT-X-STREAM-INF:BANDWIDTH=%" PRIu64
                   ",AVERAGE-BANDWIDTH=%" PRIu64 ",CODECS=\"%s%s%s\"",
                   peak, average, d->video ? d->codec : "",
                   d->video && sounds->count ? "," : "", sounds->codecs);
    if (d->video) {
        builder_printf(b, ",RESOLUTION=%ux%u", d->width, d->height);
        write_frame_rate(b, d);
        builder_text(b, ",CLOSED-CAPTIONS=NONE");
    }
    if (sounds->count > !d->video) builder_text(b, ",AUDIO=\"audio\"");
    builder_printf(b, "\n%" PRIu64 "/%s/index.m3u8\n", s->generation, d->name);
}

void playlist_multivariant(struct builder *b, const struct store *s)
{
    struct sounds sounds;
    bool any_video = false;

    gather(&sounds, s);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
        any_video |= is_listed(s, i) && s->renditions[i].description.video;
    builder_text(b, "#EXTM3U\n#EXT-X-VERSION:6\n"
                    "#EXT-X-INDEPENDENT-SEGMENTS\n");
    if (sounds.count > !any_video) write_audio_group(b, s);
    /* Sound is a stream of its own only where there is no picture. */
    if (!any_video && sounds.first) write_variant(b, s, sounds.first, &sounds);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
        if (is_listed(s, i) && s->renditions[i].description.video)
            write_variant(b, s, &s->renditions[i], &sounds);
}
