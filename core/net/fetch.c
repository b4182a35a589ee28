#include "core/net/fetch.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/list.h"

enum { HEADERS_MAX = 64, HEADER_BYTES_MAX = 32768, POLL_MS = 100 };

struct request {
    struct list node;
    struct fetcher *owner;
    CURL *easy;
    char url[FETCH_URL_MAX];
    char error[CURL_ERROR_SIZE];
    struct builder body;
    struct fetch_header headers[HEADERS_MAX];
    int header_count;
    char *header_text[HEADERS_MAX];
    size_t header_bytes;
    int64_t started_at;
    fetch_done *done;
    void *arg;
};

struct fetcher {
    struct fetch_conf conf;
    CURLM *multi;
    struct list requests;
    int running;
};

int fetcher_create(struct fetcher **out, const struct fetch_conf *conf)
{
    struct fetcher *f;

    if (curl_global_init(CURL_GLOBAL_DEFAULT)) return ERR_NOMEM;
    f = calloc(1, sizeof *f);
    if (!f) return ERR_NOMEM;
    f->conf = *conf;
    if (!f->conf.timeout_us) f->conf.timeout_us = 30000000;
    if (!f->conf.body_limit) f->conf.body_limit = (size_t)64 << 20;
    list_init(&f->requests);
    f->multi = curl_multi_init();
    if (!f->multi) {
        free(f);
        return ERR_NOMEM;
    }
    curl_multi_setopt(f->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    *out = f;
    return 0;
}

static void request_free(struct request *r)
{
    list_unlink(&r->node);
    if (r->easy) {
        curl_multi_remove_handle(r->owner->multi, r->easy);
        curl_easy_cleanup(r->easy);
    }
    for (int i = 0; i < r->header_count; i++)
        free(r->header_text[i]);
    builder_release(&r->body);
    free(r);
}

void fetcher_free(struct fetcher **f)
{
    struct fetcher *gone = *f;

    *f = NULL;
    if (!gone) return;
    while (!list_is_empty(&gone->requests))
        request_free(LIST_ENTRY(gone->requests.next, struct request, node));
    curl_multi_cleanup(gone->multi);
    free(gone);
}

/* --- what curl calls ------------------------------------------------------ */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct request *r = arg;

    builder_bytes(&r->body, data, size * n);
    return r->body.err ? 0 : size * n;
}

static void forget_headers(struct request *r)
{
    for (int i = 0; i < r->header_count; i++)
        free(r->header_text[i]);
    r->header_count = 0;
    r->header_bytes = 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct request *r = arg;
    size_t len = size * n;
    char *colon, *line, *end;

    if (len > 5 && !memcmp(data, "HTTP/", 5)) forget_headers(r);
    if (r->header_count == HEADERS_MAX || !memchr(data, ':', len) ||
        (r->header_bytes += len) > HEADER_BYTES_MAX)
        return len;
    line = strndup(data, len);
    if (!line) return 0;
    colon = strchr(line, ':');
    if (!colon) { /* behind a NUL */
        free(line);
        return len;
    }
    *colon++ = '\0';
    while (*colon == ' ')
        colon++;
    end = colon + strlen(colon);
    while (end > colon && (end[-1] == '\r' || end[-1] == '\n'))
        *--end = '\0';
    for (char *c = line; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    r->header_text[r->header_count] = line;
    r->headers[r->header_count++] = (struct fetch_header){line, colon};
    return len;
}

/* --- requests ------------------------------------------------------------- */

static long version_of(const struct fetcher *f, const char *url)
{
    bool tls = !strncasecmp(url, "https:", 6);

    switch (f->conf.version) {
    case FETCH_HTTP1: return CURL_HTTP_VERSION_1_1;
    case FETCH_HTTP2:
        return tls ? CURL_HTTP_VERSION_2TLS
                   : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    case FETCH_ANY: break;
    }
    return CURL_HTTP_VERSION_2TLS;
}

static void set_options(struct request *r, const char *method, bool gzip)
{
    const struct fetch_conf *c = &r->owner->conf;

    curl_easy_setopt(r->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION,
                     version_of(r->owner, r->url));
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)(c->timeout_us / 1000));
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(r->easy, CURLOPT_USERAGENT, "lectern");
    curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT, 1L);
    /* curl 7.88 loses its place when it reuses a connection that began with
     * prior knowledge. */
    if (c->version == FETCH_HTTP2 && strncasecmp(r->url, "https:", 6)) {
        curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(r->easy, CURLOPT_FORBID_REUSE, 1L);
    }
    if (gzip) curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (method) curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, method);
    if (!c->insecure) return;
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, 0L);
}

int fetch_start(struct fetcher *f, const char *url, const char *method,
                bool gzip, fetch_done *done, void *arg)
{
    struct request *r;

    if (strlen(url) >= FETCH_URL_MAX) return ERR_SYNTAX;
    r = calloc(1, sizeof *r);
    if (!r) return ERR_NOMEM;
    r->owner = f;
    r->done = done;
    r->arg = arg;
    r->started_at = clock_mono_us();
    strcpy(r->url, url);
    builder_init(&r->body, f->conf.body_limit);
    list_append(&f->requests, &r->node);
    r->easy = curl_easy_init();
    if (!r->easy) {
        request_free(r);
        return ERR_NOMEM;
    }
    set_options(r, method, gzip);
    if (curl_multi_add_handle(f->multi, r->easy)) {
        request_free(r);
        return ERR_NOMEM;
    }
    f->running++;
    return 0;
}

static void fill_error(struct fetch_answer *a, struct request *r,
                       CURLcode result)
{
    if (!result) return;
    a->err = result == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO;
    if (r->body.err) a->err = r->body.err;
    a->why = r->error[0] ? r->error : curl_easy_strerror(result);
}

static void finish(struct fetcher *f, struct request *r, CURLcode result)
{
    struct fetch_answer a = {
        .url = r->url,
        .headers = r->headers,
        .header_count = r->header_count,
        .started_at = r->started_at,
        .done_at = clock_mono_us(),
    };
    struct buf *body = NULL;
    long status = 0, version = 0;

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &version);
    a.status = (int)status;
    a.version = version >= CURL_HTTP_VERSION_2_0 ? 2 : 1;
    fill_error(&a, r, result);
    if (!a.err && (a.err = builder_seal(&r->body, &body)) == 0)
        a.body = slice_take(&body);
    f->running--;
    r->done(&a, r->arg);
    slice_unref(&a.body);
    request_free(r);
}

static void collect(struct fetcher *f)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(f->multi, &left))) {
        struct request *r = NULL;

        if (m->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        finish(f, r, m->data.result);
    }
}

void fetcher_run(struct fetcher *f, int64_t until)
{
    int running;

    while (f->running) {
        int64_t left_ms = (until - clock_mono_us()) / 1000;

        if (left_ms <= 0) return;
        curl_multi_perform(f->multi, &running);
        collect(f);
        if (f->running)
            curl_multi_poll(f->multi, NULL, 0,
                            left_ms < POLL_MS ? (int)left_ms : POLL_MS, NULL);
    }
}

int fetcher_running(const struct fetcher *f)
{
    return f->running;
}

const char *fetch_header(const struct fetch_answer *a, const char *name)
{
    for (int i = 0; i < a->header_count; i++)
        if (!strcmp(a->headers[i].name, name)) return a->headers[i].value;
    return NULL;
}

int fetch_resolve(char out[FETCH_URL_MAX], const char *base, const char *ref)
{
    CURLU *u = curl_url();
    char *text = NULL;
    int err = ERR_SYNTAX;

    if (!u) return ERR_NOMEM;
    if (!curl_url_set(u, CURLUPART_URL, base, 0) &&
        !curl_url_set(u, CURLUPART_URL, ref, 0) &&
        !curl_url_get(u, CURLUPART_URL, &text, 0))
        err = strlen(text) < FETCH_URL_MAX ? 0 : ERR_LIMIT;
    if (!err) strcpy(out, text);
    curl_free(text);
    curl_url_cleanup(u);
    return err;
}
