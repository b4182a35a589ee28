#include "core/media/track.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

struct track {
    atomic_uint refs;
    struct track_info info;
    struct slice config;
};

/* Names go into URLs: [a-z0-9_-], or empty for a source track. */
static bool is_name(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == 0;
}

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

static bool is_sound(const struct track_info *info)
{
    return info->id >= TRACK_SOURCE_FIRST && info->kind <= TRACK_DATA &&
           info->codec <= CODEC_OPUS && info->timescale > 0 &&
           is_terminated(info->name, sizeof info->name) &&
           is_terminated(info->language, sizeof info->language) &&
           is_name(info->name);
}

int track_create(struct track **out, const struct track_info *info,
                 struct slice config)
{
    struct track *t;

    if (!is_sound(info)) return ERR_RANGE;
    t = malloc(sizeof *t);
    if (!t) return ERR_NOMEM;
    atomic_init(&t->refs, 1);
    t->info = *info;
    t->config = slice_ref(config);
    *out = t;
    return 0;
}

struct track *track_ref(const struct track *t)
{
    struct track *shared = (struct track *)(uintptr_t)t;

    if (shared)
        atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void track_unref(struct track **t)
{
    struct track *last = *t;

    *t = NULL;
    if (!last) return;
    if (atomic_fetch_sub_explicit(&last->refs, 1, memory_order_acq_rel) != 1)
        return;
    slice_unref(&last->config);
    free(last);
}

const struct track_info *track_info(const struct track *t)
{
    return &t->info;
}

struct slice track_config(const struct track *t)
{
    return t->config;
}

const char *codec_name(enum codec c)
{
    static const char *const names[] = {"none", "h264", "hevc",
                                        "av1",  "aac",  "opus"};

    return c <= CODEC_OPUS ? names[c] : "unknown";
}
