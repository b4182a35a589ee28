#include "app/check.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "app/check_priv.h"
#include "core/base/clock.h"
#include "core/base/err.h"

enum { SECONDS_DEFAULT = 10, SECONDS_MAX = 3600 };

/* --- findings ------------------------------------------------------------- */

void check_found(struct check *c, const char *where, const char *rule,
                 const char *section, bool must, const char *detail)
{
    struct finding *f;

    for (int i = 0; i < c->finding_count; i++) {
        f = &c->findings[i];
        if (!strcmp(f->rule, rule) && !strcmp(f->section, section) &&
            !strcmp(f->where, where) && f->must == must) {
            f->count++;
            return;
        }
    }
    if (c->finding_count == CHECK_FINDINGS_MAX) return;
    f = &c->findings[c->finding_count++];
    snprintf(f->rule, sizeof f->rule, "%s", rule);
    snprintf(f->section, sizeof f->section, "%s", section);
    snprintf(f->where, sizeof f->where, "%s", where);
    snprintf(f->detail, sizeof f->detail, "%s", detail);
    f->must = must;
    f->count = 1;
}

static bool is_playlist_type(const char *type)
{
    return type && (!strncasecmp(type, "application/vnd.apple.mpegurl", 29) ||
                    !strncasecmp(type, "audio/mpegurl", 13) ||
                    !strncasecmp(type, "application/x-mpegurl", 21));
}

static bool is_media_type(const char *type)
{
    return type &&
           (!strncasecmp(type, "video/", 6) || !strncasecmp(type, "audio/", 6));
}

static void check_playlist_headers(struct watch *w,
                                   const struct fetch_answer *a)
{
    const char *packed = fetch_header(a, "content-encoding");

    if (!is_playlist_type(fetch_header(a, "content-type")))
        lint_tell(&w->lint, "CONTENT_TYPE", "4", true, "playlist is %s",
                  fetch_header(a, "content-type"));
    if (!packed || strcmp(packed, "gzip"))
        lint_tell(&w->lint, "GZIP", "B.1", true,
                  "playlist is not compressed, though gzip was welcome");
    else if (!fetch_header(a, "vary"))
        lint_tell(&w->lint, "VARY", "B.1", false,
                  "compressed without Vary: Accept-Encoding");
}

void check_headers(struct watch *w, const struct fetch_answer *a,
                   const char *kind)
{
    const char *cache = fetch_header(a, "cache-control");

    if (!fetch_header(a, "access-control-allow-origin"))
        lint_tell(&w->lint, "CORS", "B.1", false,
                  "%s without Access-Control-Allow-Origin", kind);
    if (!strcmp(kind, "error")) return;
    if (a->version < 2 && !strncmp(a->url, "https:", 6))
        lint_tell(&w->lint, "HTTP2", "B.1", true, "served over HTTP/1");
    if (!fetch_header(a, "content-length") && a->version < 2)
        lint_tell(&w->lint, "CONTENT_LENGTH", "B.1", false,
                  "%s without Content-Length", kind);
    if (!cache)
        lint_tell(&w->lint, "CACHE_CONTROL", "B.1", false,
                  "%s without Cache-Control", kind);
    if (!strcmp(kind, "playlist")) {
        check_playlist_headers(w, a);
        if (cache && strstr(a->url, "_HLS_msn=") && strstr(cache, "no-store"))
            lint_tell(&w->lint, "CACHE_CONTROL", "B.1", false,
                      "blocking reload answered with no-store");
        return;
    }
    if (!is_media_type(fetch_header(a, "content-type")))
        lint_tell(&w->lint, "CONTENT_TYPE", "AAS 10.4", true, "media is %s",
                  fetch_header(a, "content-type"));
    if (cache && (strstr(cache, "no-store") || strstr(cache, "no-cache")))
        lint_tell(&w->lint, "CACHE_CONTROL", "B.1", false,
                  "media answered with %s", cache);
}

bool check_get(struct watch *w, const char *url, bool gzip, fetch_done *done,
               void *arg)
{
    w->check->requests++;
    return fetch_start(w->check->fetcher, url, NULL, gzip, done, arg) == 0;
}

/* --- the multivariant playlist -------------------------------------------- */

static void add_watch(struct check *c, const char *uri)
{
    char url[FETCH_URL_MAX];

    if (fetch_resolve(url, c->url, uri) || c->watch_count == CHECK_WATCHES_MAX)
        return;
    for (int i = 0; i < c->watch_count; i++)
        if (!strcmp(c->watches[i]->url, url)) return;
    if (!watch_create(&c->watches[c->watch_count], c, uri, url))
        c->watch_count++;
}

static void on_found(const char *rule, const char *section, bool must,
                     const char *detail, void *arg)
{
    check_found(arg, "multivariant", rule, section, must, detail);
}

static void on_multivariant(const struct fetch_answer *a, void *arg)
{
    struct check *c = arg;
    struct watch head = {.check = c, .name = "multivariant"};
    struct lint l = {.found = on_found, .arg = c};
    int err;

    head.lint = l;
    c->version = a->version;
    if (a->err || a->status != 200) {
        fprintf(stderr, "lectern check: %s: %s %d\n", a->url,
                a->err ? a->why : "status", a->status);
        c->failed = true;
        return;
    }
    err = m3u8_parse(&c->multivariant, (const char *)a->body.data, a->body.len);
    if (err) {
        fprintf(stderr, "lectern check: %s: %s\n", a->url, err_text(err));
        c->failed = true;
        return;
    }
    check_headers(&head, a, "playlist");
    if (!c->multivariant->multivariant) {
        add_watch(c, c->url); /* a media playlist by itself */
        m3u8_free(&c->multivariant);
        return;
    }
    lint_multivariant(&l, c->multivariant);
    for (int i = 0; i < c->multivariant->variant_count; i++)
        add_watch(c, c->multivariant->variants[i].uri);
    for (int i = 0; i < c->multivariant->media_count; i++)
        if (c->multivariant->media[i].uri)
            add_watch(c, c->multivariant->media[i].uri);
}

static const struct watch *find_watch(const struct check *c, const char *uri)
{
    char url[FETCH_URL_MAX];

    if (!uri || fetch_resolve(url, c->url, uri)) return NULL;
    for (int i = 0; i < c->watch_count; i++)
        if (!strcmp(c->watches[i]->url, url)) return c->watches[i];
    return NULL;
}

/* Of what is played beside a variant; one that is sound itself has none. */
static double audio_peak(const struct check *c, const struct m3u8_variant *v)
{
    double peak = 0;

    for (int i = 0; v->audio && i < c->multivariant->media_count; i++) {
        const struct m3u8_media *m = &c->multivariant->media[i];
        const struct watch *w = find_watch(c, m->uri);

        if (!w || !m->group || strcmp(m->group, v->audio)) continue;
        if (w == find_watch(c, v->uri)) return 0;
        if (w->peak_bps > peak) peak = w->peak_bps;
    }
    return peak;
}

static void check_bandwidth(struct check *c)
{
    struct lint l = {.found = on_found, .arg = c};

    for (int i = 0; c->multivariant && i < c->multivariant->variant_count;
         i++) {
        const struct m3u8_variant *v = &c->multivariant->variants[i];
        const struct watch *w = find_watch(c, v->uri);

        if (!w || v->bandwidth <= 0) continue;
        double peak = w->peak_bps + audio_peak(c, v);
        if (peak > (double)v->bandwidth * 1.25)
            lint_tell(&l, "BANDWIDTH", "AAS 1.28", true,
                      "%s: declared %" PRId64 ", measured peak %.0f", v->uri,
                      v->bandwidth, peak);
        else if (peak > (double)v->bandwidth)
            lint_tell(&l, "BANDWIDTH", "4.4.6.2", false,
                      "%s: declared %" PRId64 ", measured peak %.0f", v->uri,
                      v->bandwidth, peak);
    }
}

static void check_siblings(struct check *c)
{
    struct watch *first = c->watch_count ? c->watches[0] : NULL;

    for (int i = 1; i < c->watch_count; i++)
        if (first->last && c->watches[i]->last)
            lint_siblings(&c->watches[i]->lint, first->last,
                          c->watches[i]->last);
}

/* --- report --------------------------------------------------------------- */

static const char *document(const char *section)
{
    return strncmp(section, "AAS", 3) ? "RFC 8216bis " : "";
}

static int count_broken(const struct check *c)
{
    int n = 0;

    for (int i = 0; i < c->finding_count; i++)
        n += c->findings[i].must;
    return n;
}

static void print_text(const struct check *c)
{
    for (int i = 0; i < c->finding_count; i++) {
        const struct finding *f = &c->findings[i];

        printf("%s: %s (%s%s%s): %s: %s%s\n", f->must ? "broken" : "advice",
               f->rule, document(f->section), *document(f->section) ? "§" : "",
               f->section, f->where, f->detail,
               f->count > 1 ? " (and more)" : "");
    }
    printf("%d renditions, %d requests, %d parts and %d segments read over "
           "HTTP/%d: %d rules broken, %d advices\n",
           c->watch_count, c->requests, c->parts, c->segments,
           c->version == 2 ? 2 : 1, count_broken(c),
           c->finding_count - count_broken(c));
}

static void print_json(const struct check *c)
{
    json_t *all = json_array(), *root;

    for (int i = 0; i < c->finding_count; i++) {
        const struct finding *f = &c->findings[i];

        json_array_append_new(
            all, json_pack("{s:s, s:s, s:s, s:s, s:b, s:i}", "rule", f->rule,
                           "section", f->section, "where", f->where, "detail",
                           f->detail, "must", f->must, "count", f->count));
    }
    root =
        json_pack("{s:s, s:b, s:i, s:i, s:i, s:i, s:i, s:o}", "url", c->url,
                  "conforms", !c->failed && !count_broken(c), "renditions",
                  c->watch_count, "requests", c->requests, "parts", c->parts,
                  "segments", c->segments, "http", c->version, "findings", all);
    if (root) json_dumpf(root, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(root);
}

/* --- run ------------------------------------------------------------------ */

static void sleep_until(int64_t at)
{
    int64_t left = at - clock_mono_us();

    if (left > 0) usleep((useconds_t)left);
}

static int run(struct check *c)
{
    if (fetch_start(c->fetcher, c->url, NULL, true, on_multivariant, c))
        return ERR_NOMEM;
    c->requests++;
    fetcher_run(c->fetcher, clock_mono_us() + 15000000);
    if (c->failed || !c->watch_count) return ERR_IO;
    c->target_us = 2000000;
    c->until = clock_mono_us() + c->seconds * 1000000LL;
    for (int i = 0; i < c->watch_count; i++)
        watch_start(c->watches[i]);
    while (clock_mono_us() < c->until && !c->failed) {
        int64_t next = clock_mono_us() + 1000000;

        fetcher_run(c->fetcher, next);
        if (!fetcher_running(c->fetcher)) sleep_until(next);
        for (int i = 0; i < c->watch_count; i++)
            watch_poll(c->watches[i]);
    }
    /* What was asked near the end may still be on its way. */
    fetcher_run(c->fetcher, c->until + 2000000);
    check_bandwidth(c);
    check_siblings(c);
    return 0;
}

static int usage(const char *why)
{
    fprintf(stderr,
            "lectern check: %s\n"
            "usage: lectern check URL [--seconds N] [--json] [--http1] "
            "[--http2]\n"
            "       URL of a multivariant or media playlist; any certificate "
            "is taken\n",
            why);
    return 2;
}

static int parse_arguments(int argc, char **argv, struct check *c,
                           struct fetch_conf *conf)
{
    char *end;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            c->json = true;
        } else if (!strcmp(argv[i], "--http1")) {
            conf->version = FETCH_HTTP1;
        } else if (!strcmp(argv[i], "--http2")) {
            conf->version = FETCH_HTTP2;
        } else if (!strcmp(argv[i], "--seconds") && i + 1 < argc) {
            long n = strtol(argv[++i], &end, 10);
            if (*end || n < 1 || n > SECONDS_MAX)
                return usage("--seconds wants 1 .. 3600");
            c->seconds = (int)n;
        } else if (argv[i][0] == '-' || c->url) {
            return usage("unknown argument");
        } else {
            c->url = argv[i];
        }
    }
    return c->url ? 0 : usage("no URL");
}

int check_main(int argc, char **argv)
{
    struct fetch_conf conf = {.insecure = true};
    struct check *c = calloc(1, sizeof *c);
    int status;

    if (!c) return 1;
    c->seconds = SECONDS_DEFAULT;
    status = parse_arguments(argc, argv, c, &conf);
    if (!status && fetcher_create(&c->fetcher, &conf)) status = 1;
    if (!status) {
        status = run(c) || c->failed || count_broken(c);
        if (c->json)
            print_json(c);
        else if (c->watch_count)
            print_text(c);
    }
    fetcher_free(&c->fetcher);
    for (int i = 0; i < c->watch_count; i++)
        watch_free(&c->watches[i]);
    m3u8_free(&c->multivariant);
    free(c);
    return status;
}
