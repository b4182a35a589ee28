#include "app/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "app/assets.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/net/server.h"

enum { METRICS_MAX_BYTES = 8 << 20, ASSETS_MAX = 128 };

struct page {
    const char *name;
    struct response *plain, *gzip; /* gzip NULL where it does not pay */
};

struct pages {
    struct pages_conf conf;
    struct page pages[ASSETS_MAX];
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

static size_t type_of(const char *name)
{
    size_t i = 0, n = strlen(name);

    for (;; i++) {
        size_t e = strlen(types[i].ending);
        if (e <= n && !strcmp(name + n - e, types[i].ending)) return i;
    }
}

/* The pages load nothing from other hosts, and say so to the browser. */
static const char policy[] =
    "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self'; img-src 'self' data:; style-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors *";

static int make_response(struct response **out, const struct asset *a,
                         struct slice body, bool gzip)
{
    struct response *r = NULL;
    size_t type = type_of(a->name);
    bool vendored = !strncmp(a->name, "/vendor/", 8);
    int err = response_create(&r, 200);

    if (err) return err;
    err = response_header(r, "content-type", types[type].type);
    if (!err)
        err = response_header(r, "cache-control",
                              vendored ? "public, max-age=86400" : "no-cache");
    if (!err) err = response_header(r, "x-content-type-options", "nosniff");
    if (!err) err = response_header(r, "referrer-policy", "no-referrer");
    if (!err && !strcmp(types[type].ending, ".html"))
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

static int compress_asset(struct buf **out, const struct asset *a)
{
    size_t len = (size_t)(a->end - a->data);
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)a->data,
                  .avail_in = (uInt)len};
    struct builder b;
    int err = ERR_NOMEM;

    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NOMEM;
    builder_init(&b, deflateBound(&z, (uLong)len) + 64);
    z.avail_out = (uInt)deflateBound(&z, (uLong)len);
    z.next_out = builder_extend(&b, z.avail_out);
    if (z.next_out && deflate(&z, Z_FINISH) == Z_STREAM_END) {
        b.len = z.total_out;
        err = builder_seal(&b, out);
    } else {
        builder_release(&b);
    }
    deflateEnd(&z);
    return err;
}

static int load_asset(struct page *p, const struct asset *a)
{
    struct slice body = {NULL, a->data, (size_t)(a->end - a->data)};
    struct buf *packed = NULL;
    int err;

    p->name = a->name;
    err = make_response(&p->plain, a, body, false);
    if (err || !types[type_of(a->name)].compress) return err;
    err = compress_asset(&packed, a);
    if (err) return err;
    struct slice small = slice_take(&packed);
    err = make_response(&p->gzip, a, small, true);
    slice_unref(&small);
    return err;
}

int pages_create(struct pages **out, const struct pages_conf *conf)
{
    struct pages *p = calloc(1, sizeof *p);

    if (!p) return ERR_NOMEM;
    p->conf = *conf;
    for (const struct asset *a = web_assets; a->name; a++) {
        int err = p->count == ASSETS_MAX ? ERR_LIMIT
                                         : load_asset(&p->pages[p->count], a);
        p->count++;
        if (!err) continue;
        pages_free(&p);
        return err;
    }
    *out = p;
    return 0;
}

void pages_free(struct pages **p)
{
    struct pages *old = *p;

    *p = NULL;
    if (!old) return;
    for (int i = 0; i < old->count && i < ASSETS_MAX; i++) {
        response_unref(&old->pages[i].plain);
        response_unref(&old->pages[i].gzip);
    }
    free(old);
}

static void respond_page(struct exchange *x, struct pages *p, const char *name)
{
    for (int i = 0; i < p->count; i++) {
        struct page *page = &p->pages[i];
        if (strcmp(page->name, name)) continue;
        exchange_respond(x, page->gzip && exchange_accepts_gzip(x)
                                ? page->gzip
                                : page->plain);
        return;
    }
    exchange_respond_text(x, 404, "no such page\n");
}

static void on_index(struct exchange *x, void *arg)
{
    respond_page(x, arg, "/index.html");
}

static void on_watch(struct exchange *x, void *arg)
{
    respond_page(x, arg, "/watch.html");
}

static void on_studio(struct exchange *x, void *arg)
{
    respond_page(x, arg, "/studio.html");
}

static void on_asset(struct exchange *x, void *arg)
{
    respond_page(x, arg, exchange_path(x) + strlen("/assets"));
}

static void on_health(struct exchange *x, void *arg)
{
    (void)arg;
    exchange_respond_text(x, 200, "alive\n");
}

static void on_ready(struct exchange *x, void *arg)
{
    struct pages *p = arg;
    const char *broken = p->conf.broken(p->conf.arg);
    char text[512];

    if (!broken) {
        exchange_respond_text(x, 200, "ready\n");
        return;
    }
    snprintf(text, sizeof text, "not ready: %s\n", broken);
    exchange_respond_text(x, 503, text);
}

static void on_metrics(struct exchange *x, void *arg)
{
    struct pages *p = arg;
    struct builder b;
    struct buf *text = NULL;
    struct response *r = NULL;

    builder_init(&b, METRICS_MAX_BYTES);
    metrics_render(p->conf.metrics, &b);
    if (builder_seal(&b, &text) || response_create(&r, 200)) {
        buf_unref(&text);
        exchange_respond_text(x, 503, "out of memory\n");
        return;
    }
    struct slice body = slice_take(&text);
    response_header(r, "content-type", "text/plain; version=0.0.4");
    response_header(r, "cache-control", "no-store");
    response_body(r, body);
    slice_unref(&body);
    exchange_respond(x, r);
    response_unref(&r);
}

int pages_route(struct pages *p, struct server *s)
{
    static const struct {
        const char *path;
        server_handler *handler;
    } routes[] = {
        {"/", on_index},          {"/watch/*", on_watch},
        {"/studio", on_studio},   {"/assets/*", on_asset},
        {"/healthz", on_health},  {"/readyz", on_ready},
        {"/metrics", on_metrics},
    };

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct server_route r = {.methods = HTTP_GET,
                                 .path = routes[i].path,
                                 .handler = routes[i].handler,
                                 .arg = p};
        int err = server_route(s, &r);
        if (err) return err;
    }
    return 0;
}
