#include "app/files.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "app/assets.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/net/server.h"

enum { FILES_MAX = 128, PAGE_BYTES_MAX = 1 << 20 };

enum { TODAY, KEPT, LIVES }; /* how long a browser may have it */

struct file {
    const char *name;
    struct response *plain[LIVES];
    struct response *gzip[LIVES]; /* NULL where it does not pay */
};

struct files {
    char version[FILES_VERSION_LEN + 1];
    struct file all[FILES_MAX];
    int count;
};

static const struct {
    const char *ending, *type;
    bool compress;
} types[] = {
    {".html", "text/html; charset=utf-8", true},
    {".css", "text/css; charset=utf-8", true},
    {".js", "text/javascript; charset=utf-8", true},
    {".mjs", "text/javascript; charset=utf-8", true},
    {".svg", "image/svg+xml", true},
    {".json", "application/json", true},
    {".png", "image/png", false},
    {".ico", "image/x-icon", false},
    {"", "text/plain; charset=utf-8", true},
};

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), e = strlen(ending);

    return e <= n && !strcmp(name + n - e, ending);
}

static bool is_page(const char *name)
{
    return ends_with(name, ".html");
}

static size_t type_of(const char *name)
{
    size_t i = 0;

    while (!ends_with(name, types[i].ending))
        i++;
    return i;
}

/* --- the version ---------------------------------------------------------- */

/* Two releases shall differ; nobody is kept out by it. */
static void set_version(struct files *f, const struct asset *assets)
{
    uint64_t h = HASH_BEGIN;

    for (const struct asset *a = assets; a->name; a++) {
        h = hash_bytes(h, a->name, strlen(a->name) + 1);
        h = hash_bytes(h, a->data, (size_t)(a->end - a->data));
    }
    snprintf(f->version, sizeof f->version, "%016" PRIx64, h);
}

/* Behind "/VERSION"; NULL where path has none, of whatever release. */
static const char *behind_version(const char *path)
{
    if (*path != '/' ||
        strspn(path + 1, "0123456789abcdef") != FILES_VERSION_LEN)
        return NULL;
    path += 1 + FILES_VERSION_LEN;
    return *path == '/' ? path : NULL;
}

/* A page with the version in what it refers to. */
static int refer(const struct files *f, const struct asset *a,
                 struct slice *out)
{
    static const char word[] = "\"/assets/";
    const char *at = (const char *)a->data, *end = (const char *)a->end, *hit;
    struct builder b;
    struct buf *text;

    builder_init(&b, PAGE_BYTES_MAX);
    while ((hit = memmem(at, (size_t)(end - at), word, sizeof word - 1))) {
        hit += sizeof word - 1;
        builder_bytes(&b, at, (size_t)(hit - at));
        builder_printf(&b, "%s/", f->version);
        at = hit;
    }
    builder_bytes(&b, at, (size_t)(end - at));
    int err = builder_seal(&b, &text);
    if (!err) *out = slice_take(&text);
    return err;
}

/* --- responses ------------------------------------------------------------ */

/* The pages load nothing from other hosts, and say so to the browser. */
static const char policy[] =
    "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self'; img-src 'self' data:; style-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors *";

static const char *life_of(const char *name, int life)
{
    if (life == KEPT) return "public, max-age=31536000, immutable";
    return strncmp(name, "/vendor/", 8) ? "no-cache" : "public, max-age=86400";
}

static int make_response(struct response **out, const char *name, int life,
                         struct slice body, bool gzip)
{
    struct response *r = NULL;
    size_t type = type_of(name);
    int err = response_create(&r, 200);

    if (err) return err;
    err = response_header(r, "content-type", types[type].type);
    if (!err) err = response_header(r, "cache-control", life_of(name, life));
    if (!err) err = response_header(r, "x-content-type-options", "nosniff");
    if (!err) err = response_header(r, "referrer-policy", "no-referrer");
    if (!err && is_page(name))
        err = response_header(r, "content-security-policy", policy);
    if (!err && types[type].compress)
        err = response_header(r, "vary", "accept-encoding");
    if (!err && gzip) err = response_header(r, "content-encoding", "gzip");
    if (!err) err = response_body(r, body);
    if (err)
        response_unref(&r);
    else
        *out = r;
    return err;
}

static int make_responses(struct response *out[LIVES], const char *name,
                          struct slice body, bool gzip)
{
    int err = 0;

    for (int life = 0; !err && life < LIVES; life++)
        err = make_response(&out[life], name, life, body, gzip);
    return err;
}

static int compress_body(struct slice body, struct slice *out)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)body.data,
                  .avail_in = (uInt)body.len};
    struct buf *packed = NULL;
    struct builder b;
    int err = ERR_NOMEM;

    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NOMEM;
    z.avail_out = (uInt)deflateBound(&z, (uLong)body.len);
    builder_init(&b, z.avail_out + 64);
    z.next_out = builder_extend(&b, z.avail_out);
    if (z.next_out && deflate(&z, Z_FINISH) == Z_STREAM_END) {
        b.len = z.total_out;
        err = builder_seal(&b, &packed);
    } else {
        builder_release(&b);
    }
    deflateEnd(&z);
    if (!err) *out = slice_take(&packed);
    return err;
}

static int load(const struct files *f, struct file *file, const struct asset *a)
{
    struct slice body = {NULL, a->data, (size_t)(a->end - a->data)};
    struct slice packed = {0};
    int err = 0;

    file->name = a->name;
    if (is_page(a->name)) err = refer(f, a, &body);
    if (!err) err = make_responses(file->plain, a->name, body, false);
    if (!err && types[type_of(a->name)].compress) {
        err = compress_body(body, &packed);
        if (!err) err = make_responses(file->gzip, a->name, packed, true);
    }
    slice_unref(&packed);
    slice_unref(&body);
    return err;
}

/* --- door ----------------------------------------------------------------- */

int files_create(struct files **out, const struct asset *assets)
{
    struct files *f = calloc(1, sizeof *f);

    if (!f) return ERR_NOMEM;
    set_version(f, assets);
    for (const struct asset *a = assets; a->name; a++) {
        int err =
            f->count == FILES_MAX ? ERR_LIMIT : load(f, &f->all[f->count], a);
        f->count += f->count < FILES_MAX;
        if (!err) continue;
        files_free(&f);
        return err;
    }
    *out = f;
    return 0;
}

void files_free(struct files **f)
{
    struct files *old = *f;

    *f = NULL;
    if (!old) return;
    for (int i = 0; i < old->count; i++)
        for (int life = 0; life < LIVES; life++) {
            response_unref(&old->all[i].plain[life]);
            response_unref(&old->all[i].gzip[life]);
        }
    free(old);
}

struct response *files_find(const struct files *f, const char *path, bool gzip)
{
    const char *name = behind_version(path);
    bool ours = name && !strncmp(path + 1, f->version, FILES_VERSION_LEN);
    int life = ours ? KEPT : TODAY;

    if (!name) name = path;
    for (int i = 0; i < f->count; i++) {
        const struct file *file = &f->all[i];
        if (strcmp(file->name, name)) continue;
        return gzip && file->gzip[life] ? file->gzip[life] : file->plain[life];
    }
    return NULL;
}

const char *files_version(const struct files *f)
{
    return f->version;
}
