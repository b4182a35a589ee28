#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/err.h"
#include "core/rtc/desk_priv.h"

const char desk_endpoint_methods[] = "GET, HEAD, POST, OPTIONS";
const char desk_control_methods[] = "GET, HEAD, PUT, OPTIONS";
const char desk_session_methods[] = "GET, HEAD, PATCH, DELETE, OPTIONS";

/* --- words of requests ---------------------------------------------------- */

/* Parameters such as charset do not count (RFC 9110 §8.3.1). */
bool desk_type_is(const char *content_type, const char *wanted)
{
    size_t n = content_type ? strcspn(content_type, " \t;") : 0;

    return n == strlen(wanted) && n && !strncasecmp(content_type, wanted, n);
}

const char *desk_bearer(const struct exchange *x)
{
    const char *at = exchange_header(x, "authorization");

    if (!at || strncasecmp(at, "Bearer ", 7)) return NULL;
    at += 7;
    at += strspn(at, " ");
    return *at ? at : NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static void decode(char *text)
{
    char *out = text;

    for (char *at = text; *at; at++) {
        int high = at[0] == '%' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        if (low >= 0 && (high || low)) {
            *out++ = (char)(high << 4 | low);
            at += 2;
        } else {
            *out++ = *at;
        }
    }
    *out = 0;
}

char *desk_query_token(const struct exchange *x, int *err)
{
    static const char name[] = "token=";
    const size_t len = sizeof name - 1;
    const char *at = exchange_query(x);

    *err = 0;
    while (*at) {
        size_t n = strcspn(at, "&");
        if (n > len && !strncmp(at, name, len)) {
            char *token = malloc(n - len + 1);
            if (!token) {
                *err = ERR_NOMEM;
                return NULL;
            }
            memcpy(token, at + len, n - len);
            token[n - len] = 0;
            decode(token);
            return token;
        }
        at += n + (at[n] == '&');
    }
    return NULL;
}

struct desk_token desk_token_of(const char *bearer)
{
    struct desk_token t = {0};

    if (bearer && *bearer)
        t.is_set = EVP_Digest(bearer, strlen(bearer), t.hash, NULL,
                              EVP_sha256(), NULL) == 1;
    return t;
}

bool desk_token_is(const struct desk_token *a, const struct desk_token *b)
{
    return a->is_set && b->is_set &&
           !CRYPTO_memcmp(a->hash, b->hash, sizeof a->hash);
}

/* Entity tags are compared strongly (RFC 9110 §13.1.1): W/"x" is none of ours.
 * Some clients quote the asterisk. */
bool desk_matches(const char *if_match, const char *etag, bool *any)
{
    bool found = false;

    *any = false;
    for (const char *at = if_match; *at;) {
        at += strspn(at, " \t,");
        size_t n = strcspn(at, ",");
        while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
            n--;
        if ((n == 1 && at[0] == '*') || (n == 3 && !strncmp(at, "\"*\"", 3)))
            *any = true;
        if (n && n == strlen(etag) && !strncmp(at, etag, n)) found = true;
        at += strcspn(at, ",");
    }
    return found;
}

/* --- replies -------------------------------------------------------------- */

/* A page of the public network that asks for one of a private one says so
 * (Private Network Access §3.2). */
struct response *desk_response(const struct exchange *x, int status)
{
    const char *private =
        exchange_header(x, "access-control-request-private-network");
    struct response *r = NULL;

    if (response_create(&r, status)) return NULL;
    int err = response_cors(r);
    if (!err) err = response_header(r, "cache-control", "no-store");
    if (!err && private && !strcasecmp(private, "true"))
        err =
            response_header(r, "access-control-allow-private-network", "true");
    if (err) response_unref(&r);
    return r;
}

void desk_send(struct exchange *x, struct response *r, const char *type,
               struct slice body)
{
    if (r && ((type && response_header(r, "content-type", type)) ||
              response_body(r, body)))
        response_unref(&r);
    if (r)
        exchange_respond(x, r);
    else
        exchange_respond_text(x, 503, "Out of memory.\n");
    response_unref(&r);
}

static void set_header(struct response **r, const char *name, const char *value)
{
    if (*r && response_header(*r, name, value)) response_unref(r);
}

static void send_text(struct exchange *x, struct response *r,
                      const char *sentence)
{
    struct buf *b = NULL;
    char text[DESK_SENTENCE_MAX + 2];
    int n = snprintf(text, sizeof text, "%s\n", sentence);

    if (r && buf_create(&b, text, (size_t)n)) response_unref(&r);
    struct slice s = b ? slice_take(&b) : (struct slice){0};
    desk_send(x, r, "text/plain; charset=utf-8", s);
    slice_unref(&s);
}

void desk_say(struct exchange *x, int status, int retry_after_s,
              const char *allow, const char *sentence)
{
    struct response *r = desk_response(x, status);
    char seconds[16];

    snprintf(seconds, sizeof seconds, "%d", retry_after_s);
    if (retry_after_s) set_header(&r, "retry-after", seconds);
    if (allow) set_header(&r, "allow", allow);
    if (status == 401) set_header(&r, "www-authenticate", "Bearer");
    if (status == 415)
        set_header(
            &r, allow == desk_session_methods ? "accept-patch" : "accept-post",
            allow == desk_session_methods ? "application/trickle-ice-sdpfrag"
                                          : "application/sdp");
    send_text(x, r, sentence);
}

void desk_send_reply(struct exchange *x, struct desk_reply *q)
{
    struct slice body = {0};

    if (q->sentence[0]) {
        desk_say(x, q->status, 0, q->allow, q->sentence);
        return;
    }
    struct response *r = desk_response(x, q->status);
    if (q->etag[0]) set_header(&r, "etag", q->etag);
    if (q->body) body = slice_take(&q->body);
    const char *type =
        q->is_json ? "application/json" : "application/trickle-ice-sdpfrag";
    desk_send(x, r, body.len ? type : NULL, body);
    slice_unref(&body);
}

void desk_send_options(struct exchange *x, const char *methods)
{
    struct response *r = desk_response(x, 200);

    set_header(&r, "allow", methods);
    set_header(&r, "accept-post", "application/sdp");
    set_header(&r, "accept-patch", "application/trickle-ice-sdpfrag");
    set_header(&r, "access-control-allow-methods",
               methods == desk_control_methods
                   ? methods
                   : "POST, PATCH, DELETE, OPTIONS, GET, HEAD");
    set_header(&r, "access-control-allow-headers",
               "Authorization, Content-Type, If-Match, Link");
    set_header(&r, "access-control-max-age", "86400");
    desk_send(x, r, NULL, (struct slice){0});
}

void desk_send_endpoint(struct exchange *x)
{
    struct response *r = desk_response(x, 200);

    set_header(&r, "accept-post", "application/sdp");
    desk_send(x, r, "application/sdp", (struct slice){0});
}

void desk_reply_set(struct desk_reply *r, int status, const char *format, ...)
{
    va_list args;

    r->status = status;
    va_start(args, format);
    vsnprintf(r->sentence, sizeof r->sentence, format, args);
    va_end(args);
}
