#include "app/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/assets.h"
#include "app/files.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/net/server.h"

enum { METRICS_MAX_BYTES = 8 << 20 };

struct pages {
    struct pages_conf conf;
    struct files *files;
};

int pages_create(struct pages **out, const struct pages_conf *conf)
{
    struct pages *p = calloc(1, sizeof *p);

    if (!p) return ERR_NOMEM;
    p->conf = *conf;
    int err = files_create(&p->files, web_assets);
    if (err)
        pages_free(&p);
    else
        *out = p;
    return err;
}

void pages_free(struct pages **p)
{
    struct pages *old = *p;

    *p = NULL;
    if (!old) return;
    files_free(&old->files);
    free(old);
}

static void respond_page(struct exchange *x, const struct pages *p,
                         const char *name)
{
    struct response *r = files_find(p->files, name, exchange_accepts_gzip(x));

    if (r)
        exchange_respond(x, r);
    else
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
