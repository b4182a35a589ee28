/* core/net/fetch.h — HTTP client on libcurl for tools: many requests at once
 * on the caller's thread, HTTP/1.1 or 2, each whole answer to a callback. One
 * thread; nothing happens outside fetcher_run(). */
#ifndef CORE_NET_FETCH_H
#define CORE_NET_FETCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct fetcher;

enum fetch_version { FETCH_ANY, FETCH_HTTP1, FETCH_HTTP2 };
enum { FETCH_URL_MAX = 2048 };

struct fetch_conf {
    enum fetch_version version; /* HTTP2 over plain TCP: prior knowledge */
    bool insecure;              /* takes any certificate */
    int64_t timeout_us;         /* of one request; default 30 s */
    size_t body_limit;          /* default 64 MiB */
};

struct fetch_header {
    const char *name; /* lower case */
    const char *value;
};

/* All borrowed, during the callback only. */
struct fetch_answer {
    const char *url;
    int err; /* 0, ERR_IO, ERR_TIMEOUT, ERR_LIMIT (body); then no status */
    const char *why; /* a sentence, where err is set */
    int status;
    int version;       /* 1 or 2 */
    struct slice body; /* decoded; refer to it to keep it */
    const struct fetch_header *headers;
    int header_count;
    int64_t started_at, done_at; /* monotonic µs */
};
typedef void fetch_done(const struct fetch_answer *a, void *arg);

/* 0 or ERR_NOMEM. */
int fetcher_create(struct fetcher **out, const struct fetch_conf *conf);
/* Running requests end without their callback. Takes *f; NULL is fine. */
void fetcher_free(struct fetcher **f);

/* Starts a request; method NULL: GET. gzip: says that gzip is welcome, and
 * decodes it. done is called from fetcher_run(), exactly once. Allowed inside
 * done. 0 or ERR_NOMEM, ERR_SYNTAX (url). */
int fetch_start(struct fetcher *f, const char *url, const char *method,
                bool gzip, fetch_done *done, void *arg);
/* Until nothing is running or the clock is at `until` (monotonic µs). */
void fetcher_run(struct fetcher *f, int64_t until);
int fetcher_running(const struct fetcher *f);

/* NULL if absent. */
const char *fetch_header(const struct fetch_answer *a, const char *name);
/* Resolves ref against base. 0, ERR_SYNTAX or ERR_LIMIT. */
int fetch_resolve(char out[FETCH_URL_MAX], const char *base, const char *ref);

#endif
