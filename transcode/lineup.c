#include "transcode/lineup.h"

#include <string.h>

static bool holds(const uint8_t *ids, int count, uint8_t id)
{
    return count && memchr(ids, id, (size_t)count);
}

static void keep_known(struct lineup *l, struct ladder *next)
{
    /* A stream that began as sound alone still gets its video names. */
    bool closed = l->chosen && l->top_name[0];

    for (int i = next->count - 1; i >= 0; i--) {
        const struct track_info *t = &next->rungs[i].info;
        /* What stands outside the plan has no URL to keep. */
        if (t->id == LADDER_REALTIME || t->id == LADDER_OPUS) continue;
        if (holds(l->known, l->known_count, t->id)) continue;
        /* The source grew: what it makes room for joins, unless a viewer
         * would meet one name twice. */
        if (closed && !strcmp(t->name, l->top_name))
            ladder_remove(next, t->id);
        else if (l->known_count < LADDER_RUNGS_MAX)
            l->known[l->known_count++] = t->id;
    }
    for (int i = 0; i < l->shed_count; i++) {
        const struct ladder_rung *r = ladder_find(next, l->shed[i]);
        /* What need not be made costs nothing. */
        if (r && !r->info.passthrough) ladder_remove(next, l->shed[i]);
    }
}

/* What players were told once stays so. */
static void keep_words(struct lineup *l, struct ladder *next)
{
    for (int i = 0; i < next->count; i++) {
        struct track_info *t = &next->rungs[i].info;
        if (t->id == LADDER_AUDIO && !next->rungs[i].info.passthrough) {
            if (!l->channels) l->channels = t->channels;
            t->channels = l->channels;
        }
        if (t->id != LADDER_TOP && t->id != LADDER_REALTIME) continue;
        if (!l->top_codec && t->id == LADDER_TOP) l->top_codec = t->codec;
        if (!l->top_name[0]) memcpy(l->top_name, t->name, sizeof l->top_name);
        memcpy(t->name, l->top_name, sizeof t->name);
    }
}

void lineup_choose(struct lineup *l, const struct ladder_conf *conf,
                   const struct ladder_source *source)
{
    struct ladder next;

    ladder_choose(&next, conf, source);
    keep_known(l, &next);
    keep_words(l, &next);
    l->chosen = true;
    l->ladder = next;
}

void lineup_keep_codec(const struct lineup *l, struct ladder_conf *conf,
                       const struct track_info *video)
{
    uint32_t side = video->width < video->height ? video->width : video->height;

    if (conf->type != CHANNEL_STANDARD || conf->no_child ||
        l->top_codec == CODEC_NONE || l->top_codec == video->codec ||
        side < LADDER_LINES_MIN)
        return;
    if (l->top_codec == CODEC_H264)
        conf->encode_top = true;
    else
        conf->no_top = true;
}

const char *lineup_shed(struct lineup *l, uint8_t id)
{
    const struct ladder_rung *r = ladder_find(&l->ladder, id);

    if (!r || l->shed_count == LADDER_RUNGS_MAX) return NULL;
    l->shed[l->shed_count++] = id;
    return r->info.name;
}

bool lineup_restore(struct lineup *l)
{
    if (!l->shed_count) return false;
    l->shed_count--;
    return true;
}
