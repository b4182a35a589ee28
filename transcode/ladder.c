#include "transcode/ladder.h"

#include <stdio.h>
#include <string.h>

#include "core/media/scale.h"

enum {
    TOP_LINES = 1080, /* what we encode ourselves is never larger */
    SMALLEST_SIDE = 16,
    AUDIO_RATE = 48000,
    AUDIO_BPS = 128000,
    OPUS_BPS = 96000,
};

/* Sizes and rates are those of core/media/scale.h. */
static const struct {
    uint8_t id;
    uint32_t lines;
} table[SCALE_RUNGS] = {
    {LADDER_1080P, 1080}, {LADDER_720P, 720}, {LADDER_480P, 480},
    {LADDER_360P, 360},   {LADDER_160P, 160},
};
enum { TABLE_SIZE = sizeof table / sizeof *table };

static uint32_t short_side(const struct track_info *v)
{
    return scale_lines(v->width, v->height);
}

static struct ladder_rung *add(struct ladder *l, uint8_t id, const char *name)
{
    struct ladder_rung *r = &l->rungs[l->count++];

    *r = (struct ladder_rung){.frame_step = 1};
    r->info.id = id;
    snprintf(r->info.name, sizeof r->info.name, "%s", name);
    return r;
}

static void add_video(struct ladder *l, uint8_t id, uint32_t lines,
                      const struct track_info *v)
{
    uint32_t side = short_side(v);
    uint32_t fps = v->fps_den ? (v->fps_num + v->fps_den / 2) / v->fps_den : 30;
    char name[TRACK_NAME_MAX];

    snprintf(name, sizeof name, "%up", lines);
    struct ladder_rung *r = add(l, id, name);
    struct track_info *t = &r->info;
    r->frame_step = id == LADDER_REALTIME ? 1 : scale_step(lines, fps);
    t->kind = TRACK_VIDEO;
    t->codec = CODEC_H264;
    t->timescale = VIDEO_TIMESCALE;
    t->width = scale_side(v->width, lines, side);
    t->height = scale_side(v->height, lines, side);
    t->fps_num = v->fps_num;
    t->fps_den = v->fps_den * r->frame_step;
    t->bitrate_bps = scale_bps(lines, fps / r->frame_step);
    snprintf(t->language, sizeof t->language, "und");
}

static void add_source(struct ladder *l, uint8_t id, const char *name,
                       const struct track_info *source)
{
    struct ladder_rung *r = add(l, id, name);
    struct track_info was = r->info;

    r->info = *source;
    r->info.id = id;
    memcpy(r->info.name, was.name, sizeof was.name);
    r->info.passthrough = true;
}

static uint32_t top_lines(uint32_t lines)
{
    return (lines > TOP_LINES ? TOP_LINES : lines) & ~1U;
}

uint8_t ladder_id_of(uint32_t lines)
{
    for (int i = 0; i < TABLE_SIZE; i++)
        if (table[i].lines == lines) return table[i].id;
    return 0;
}

static bool is_better(const struct track_info *a, const struct track_info *b)
{
    uint64_t x = (uint64_t)a->width * a->height;
    uint64_t y = (uint64_t)b->width * b->height;

    if (x != y) return x > y;
    return (uint64_t)a->fps_num * b->fps_den >
           (uint64_t)b->fps_num * a->fps_den;
}

/* The lecturer's own ladder, best first. */
static void add_tracks(struct ladder *l, const struct ladder_source *s)
{
    for (int i = 0; i < s->track_count; i++) {
        const struct track_info *v = &s->tracks[i];
        int at = l->count;
        add_source(l, v->id, v->name, v);
        struct ladder_rung added = l->rungs[at];
        if (!added.info.fps_num || !added.info.fps_den) {
            added.info.fps_num = s->video.fps_num;
            added.info.fps_den = s->video.fps_den;
        }
        for (; at && is_better(&added.info, &l->rungs[at - 1].info); at--)
            l->rungs[at] = l->rungs[at - 1];
        l->rungs[at] = added;
    }
}

static void choose_video(struct ladder *l, const struct ladder_conf *conf,
                         const struct ladder_source *s)
{
    const struct track_info *v = &s->video;
    uint32_t side = short_side(v), lines = s->lines ? s->lines : side;
    bool sized = side >= SMALLEST_SIDE;
    /* Not all players have what passes through: the size of the source is
     * there in H.264, too. */
    bool full = conf->no_top || (!conf->encode_top && v->codec != CODEC_H264);
    char name[TRACK_NAME_MAX];

    if (conf->no_top) {
        lines = top_lines(lines);
    } else if (conf->type == CHANNEL_BASIC || !conf->encode_top) {
        snprintf(name, sizeof name, "%up", sized ? side : 0);
        add_source(
            l, LADDER_TOP,
            sized && !s->lines && v->codec == CODEC_H264 ? name : "source", v);
    } else if (sized) {
        lines = top_lines(lines);
        add_video(l, LADDER_TOP, lines, v);
    }
    bool passes = !conf->encode_top && !conf->no_top && v->codec == CODEC_H264;
    bool own = s->track_count && passes;
    if (own) add_tracks(l, s);
    if (conf->type == CHANNEL_BASIC || !sized) return;
    /* Of larger sources the 1080p rung is the best for real time. */
    if (conf->realtime && passes && lines * 9 < table[0].lines * 10)
        add_video(l, LADDER_REALTIME, top_lines(lines), v);
    for (int i = 0; i < TABLE_SIZE && !own; i++)
        if (table[i].lines * 10 <= lines * (full ? 10 : 9))
            add_video(l, table[i].id, table[i].lines, v);
}

static void add_audio(struct ladder *l, uint8_t id, const char *name,
                      enum codec codec, const struct track_info *source)
{
    struct track_info *t = &add(l, id, name)->info;

    t->kind = TRACK_AUDIO;
    t->codec = codec;
    t->timescale = t->sample_rate = AUDIO_RATE;
    t->channels = source->channels == 1 && codec == CODEC_AAC ? 1 : 2;
    t->bitrate_bps =
        codec == CODEC_AAC ? AUDIO_BPS / (3 - t->channels) : OPUS_BPS;
    memcpy(t->language, source->language, sizeof t->language);
}

static void choose_sound(struct ladder *l, const struct ladder_conf *conf,
                         uint8_t id, const char *name,
                         const struct ladder_sound *s)
{
    bool basic = conf->type == CHANNEL_BASIC && s->info.codec == CODEC_AAC;

    if (s->plain || basic || conf->no_child)
        add_source(l, id, name, &s->info);
    else
        add_audio(l, id, name, CODEC_AAC, &s->info);
}

/* Named by their places: what language a place has is no part of its URL. */
static void choose_languages(struct ladder *l, const struct ladder_conf *conf,
                             const struct ladder_source *s)
{
    char name[TRACK_NAME_MAX];

    for (int i = 0; i < LADDER_LANGUAGES_MAX; i++) {
        const struct ladder_sound *one = &s->languages[i];
        /* Not all players have Opus; of the first there is no choice. */
        if (!one->there || (conf->no_child && one->info.codec != CODEC_AAC))
            continue;
        snprintf(name, sizeof name, "audio-%d", i + 2);
        choose_sound(l, conf, (uint8_t)(LADDER_LANGUAGE + i), name, one);
    }
}

static void choose_audio(struct ladder *l, const struct ladder_conf *conf,
                         const struct ladder_source *s)
{
    const struct ladder_sound first = {true, s->audio_plain, s->audio};

    choose_sound(l, conf, LADDER_AUDIO, "audio", &first);
    choose_languages(l, conf, s);
    if (!conf->opus) return;
    if (s->audio.codec == CODEC_OPUS)
        add_source(l, LADDER_OPUS, "opus", &s->audio);
    else if (!conf->no_child)
        add_audio(l, LADDER_OPUS, "opus", CODEC_OPUS, &s->audio);
}

void ladder_choose(struct ladder *out, const struct ladder_conf *conf,
                   const struct ladder_source *source)
{
    *out = (struct ladder){0};
    if (source->has_video) choose_video(out, conf, source);
    if (source->has_audio) choose_audio(out, conf, source);
}

const struct ladder_rung *ladder_find(const struct ladder *l, uint8_t id)
{
    for (int i = 0; i < l->count; i++)
        if (l->rungs[i].info.id == id) return &l->rungs[i];
    return NULL;
}

void ladder_remove(struct ladder *l, uint8_t id)
{
    int kept = 0;

    for (int i = 0; i < l->count; i++)
        if (l->rungs[i].info.id != id) l->rungs[kept++] = l->rungs[i];
    l->count = kept;
}

const struct ladder_rung *ladder_dearest(const struct ladder *l)
{
    const struct ladder_rung *dearest = NULL;
    int video = 0;

    for (int i = 0; i < l->count; i++) {
        const struct ladder_rung *r = &l->rungs[i];
        if (r->info.kind != TRACK_VIDEO) continue;
        if (r->info.id == LADDER_REALTIME) return r;
        video++;
        if (!dearest && !r->info.passthrough) dearest = r;
    }
    return video > 1 ? dearest : NULL;
}

bool ladder_needs_child(const struct ladder *l)
{
    for (int i = 0; i < l->count; i++)
        if (!l->rungs[i].info.passthrough) return true;
    return false;
}

void ladder_list(const struct ladder *l, struct plan *out)
{
    out->rendition_count = 0;
    for (int i = 0; i < l->count; i++)
        if (l->rungs[i].info.id != LADDER_OPUS &&
            l->rungs[i].info.id != LADDER_REALTIME)
            out->rendition_ids[out->rendition_count++] = l->rungs[i].info.id;
}
