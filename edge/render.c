/* Responses that many viewers share, each made when the first one asks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "edge/edge_priv.h"

/* Text in both encodings and the responses that carry it. */
struct form {
    bool made;
    struct slice plain, packed;
    struct response *responses[2][2]; /* [gzip][blocking] */
};

struct rendered {
    bool is_response; /* see render_drop(): false */
    uint64_t version;
    struct form full, delta;
};

/* What objects cache; told from struct rendered by its first word. */
struct cached {
    bool is_response; /* true */
    struct response *response;
};

static void form_release(struct form *f)
{
    for (int i = 0; i < 4; i++)
        response_unref(&f->responses[i / 2][i % 2]);
    slice_unref(&f->plain);
    slice_unref(&f->packed);
    f->made = false;
}

void rendered_free(struct rendered **r)
{
    struct rendered *gone = *r;

    *r = NULL;
    if (!gone) return;
    form_release(&gone->full);
    form_release(&gone->delta);
    free(gone);
}

void render_drop(void *cached, void *arg)
{
    struct cached *c = cached;

    (void)arg;
    if (!c->is_response) {
        struct rendered *r = cached;
        rendered_free(&r);
        return;
    }
    response_unref(&c->response);
    free(c);
}

/* --- playlists ------------------------------------------------------------ */

/* Level 3: a playlist shrinks to a fifth at half the time of level 6. */
enum { GZIP_LEVEL = 3, GZIP_HEADER = 16, GZIP_MEMORY = 8 };

static int start_deflate(struct edge *e)
{
    if (e->has_deflate) return deflateReset(&e->deflate);
    e->has_deflate =
        deflateInit2(&e->deflate, GZIP_LEVEL, Z_DEFLATED, 15 + GZIP_HEADER,
                     GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
    return e->has_deflate ? Z_OK : Z_MEM_ERROR;
}

static int pack(struct edge *e, const struct slice *plain, struct slice *out)
{
    struct builder b;
    struct buf *sealed;
    size_t bound;
    int err;

    if (start_deflate(e) != Z_OK) return ERR_NOMEM;
    bound = deflateBound(&e->deflate, plain->len);
    builder_init(&b, bound);
    e->deflate.next_in = (Bytef *)(uintptr_t)plain->data;
    e->deflate.avail_in = (uInt)plain->len;
    e->deflate.next_out = builder_extend(&b, bound);
    e->deflate.avail_out = (uInt)bound;
    if (!e->deflate.next_out ||
        deflate(&e->deflate, Z_FINISH) != Z_STREAM_END) {
        builder_release(&b);
        return ERR_NOMEM;
    }
    b.len = bound - e->deflate.avail_out;
    err = builder_seal(&b, &sealed);
    if (!err) *out = slice_take(&sealed);
    return err;
}

static struct response *text_response(const struct slice *body, bool gzip,
                                      const char *cache_control)
{
    struct response *r = NULL;

    if (response_create(&r, 200)) return NULL;
    if (response_header(r, "content-type", "application/vnd.apple.mpegurl") ||
        response_header(r, "cache-control", cache_control) ||
        response_header(r, "vary", "accept-encoding") ||
        (gzip && response_header(r, "content-encoding", "gzip")) ||
        response_cors(r) || response_body(r, *body))
        response_unref(&r);
    return r;
}

static struct response *form_response(struct edge *e, struct form *f, bool gzip,
                                      bool blocking, const char *cache_control)
{
    struct response *made = f->responses[gzip][blocking];
    bool packed = gzip;

    if (made) return made;
    if (gzip && !f->packed.data && pack(e, &f->plain, &f->packed))
        packed = false;
    made =
        text_response(packed ? &f->packed : &f->plain, packed, cache_control);
    f->responses[gzip][blocking] = made;
    return made;
}

/* The rendition's or multivariant's cache, empty if its text is of an older
 * version. */
static struct rendered *fresh(struct rendered *r, uint64_t version)
{
    if (!r) r = calloc(1, sizeof *r);
    if (r && r->version != version) {
        form_release(&r->full);
        form_release(&r->delta);
        r->version = version;
    }
    return r;
}

static int make_form(struct form *f, const struct store *s,
                     const struct store_rendition *r, bool delta)
{
    struct builder b;
    struct buf *text;
    int err;

    if (f->made) return 0;
    builder_init(&b, PLAYLIST_BYTES_MAX);
    if (r)
        playlist_media(&b, s, r, delta);
    else
        playlist_multivariant(&b, s);
    err = builder_seal(&b, &text);
    if (err) return err;
    f->plain = slice_take(&text);
    f->made = true;
    return 0;
}

struct response *render_media(struct edge_stream *s, int index, bool delta,
                              bool gzip, bool blocking)
{
    struct store_rendition *r = &s->store->renditions[index];
    unsigned td = s->store->plan.target_duration_s;
    struct rendered *cache = fresh(r->cached, r->version);
    char age[32];

    if (!cache) return NULL;
    r->cached = cache;
    struct form *f = delta ? &cache->delta : &cache->full;
    if (make_form(f, s->store, r, delta)) return NULL;
    /* RFC 8216bis appendix B.1: six target durations for what was waited for,
     * half of one for what was not. */
    snprintf(age, sizeof age, "max-age=%u", blocking ? 6 * td : (td + 1) / 2);
    return form_response(s->channel->edge, f, gzip, blocking, age);
}

struct response *render_multivariant(struct edge_stream *s, bool gzip)
{
    struct rendered *cache = fresh(s->multivariant, s->store->version);

    if (!cache) return NULL;
    s->multivariant = cache;
    if (make_form(&cache->full, s->store, NULL, false)) return NULL;
    return form_response(s->channel->edge, &cache->full, gzip, false,
                         "max-age=1");
}

enum { SEGMENT_SLICES_MAX = 512 };

/* --- media ---------------------------------------------------------------- */

static struct response *media_response(bool video)
{
    struct response *r = NULL;

    if (response_create(&r, 200)) return NULL;
    if (response_header(r, "content-type", video ? "video/mp4" : "audio/mp4") ||
        response_header(r, "cache-control",
                        "public, max-age=31536000, immutable") ||
        response_cors(r))
        response_unref(&r);
    return r;
}

static int add_slices(struct response *r, const struct store_event *e)
{
    int err = 0;

    for (int i = 0; !err && i < e->slice_count; i++)
        err = response_body(r, e->slices[i]);
    return err;
}

/* Keeps r in *slot; NULL and r released without memory. */
static struct response *keep(void **slot, struct response *r)
{
    struct cached *c = r ? malloc(sizeof *c) : NULL;

    if (!c) {
        response_unref(&r);
        return NULL;
    }
    *c = (struct cached){true, r};
    *slot = c;
    return r;
}

struct response *render_object(struct store_object *o, bool video)
{
    struct response *r;

    if (o->cached) return ((struct cached *)o->cached)->response;
    r = media_response(video);
    if (r && add_slices(r, o->event)) response_unref(&r);
    return keep(&o->cached, r);
}

/* More slices than a response takes: one copy for all viewers. */
static int add_flat(struct response *r, const struct store_segment *g)
{
    struct builder b;
    struct buf *whole = NULL;
    int err;

    builder_init(&b, g->bytes);
    for (int i = 0; i < g->part_count; i++) {
        const struct store_event *e = g->parts[i].event;

        for (int k = 0; k < e->slice_count; k++)
            builder_bytes(&b, e->slices[k].data, e->slices[k].len);
    }
    err = builder_seal(&b, &whole);
    if (err) return err;
    struct slice body = slice_take(&whole);
    err = response_body(r, body);
    slice_unref(&body);
    return err;
}

static int add_parts(struct response *r, const struct store_segment *g)
{
    int slices = 0, err = 0;

    for (int i = 0; i < g->part_count; i++)
        slices += g->parts[i].event->slice_count;
    if (slices > SEGMENT_SLICES_MAX) return add_flat(r, g);
    for (int i = 0; !err && i < g->part_count; i++)
        err = add_slices(r, g->parts[i].event);
    return err;
}

struct response *render_segment(struct store_segment *g, bool video)
{
    struct response *r;

    if (g->cached) return ((struct cached *)g->cached)->response;
    r = media_response(video);
    if (r && add_parts(r, g)) response_unref(&r);
    return keep(&g->cached, r);
}
