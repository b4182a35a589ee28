#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/net/server_priv.h"

enum { FIELDS_MAX_BYTES = 8192, STATUS_MIN = 100, STATUS_MAX = 599 };

const char *response_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status) return known[i].reason;
    return "Status";
}

int response_create(struct response **out, int status)
{
    struct response *r;

    if (status < STATUS_MIN || status > STATUS_MAX) return ERR_RANGE;
    r = calloc(1, sizeof *r);
    if (!r) return ERR_NOMEM;
    r->refs = 1;
    r->status = status;
    builder_init(&r->fields, FIELDS_MAX_BYTES);
    *out = r;
    return 0;
}

struct response *response_ref(struct response *r)
{
    r->refs++;
    return r;
}

void response_unref(struct response **r)
{
    struct response *last = *r;

    *r = NULL;
    if (!last || --last->refs) return;
    for (int i = 0; i < last->count; i++)
        slice_unref(&last->slices[i]);
    free(last->slices);
    hot_forget(last);
    builder_release(&last->fields);
    buf_unref(&last->head);
    http2_head_free(&last->http2_head);
    free(last);
}

/* What comes from our own code may still carry a stranger's text: no value
 * may end its line. */
static bool is_safe(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 && *text != '\t') return false;
    return true;
}

int response_header(struct response *r, const char *name, const char *value)
{
    INVARIANT(!r->head && !r->http2_head);
    if (!is_safe(name) || !is_safe(value) || strchr(name, ':'))
        return ERR_SYNTAX;
    builder_printf(&r->fields, "%s: %s\r\n", name, value);
    return r->fields.err;
}

int response_cors(struct response *r)
{
    INVARIANT(!r->head && !r->http2_head);
    builder_text(&r->fields,
                 "access-control-allow-origin: *\r\n"
                 "timing-allow-origin: *\r\n"
                 "access-control-expose-headers: accept-patch, age, "
                 "content-length, date, etag, link, location, retry-after\r\n");
    return r->fields.err;
}

int response_body(struct response *r, struct slice s)
{
    if (!s.len) return 0;
    if (r->count == SLICES_MAX) return ERR_LIMIT;
    if (r->count == r->room) {
        int room = r->room ? r->room * 2 : 2;
        struct slice *more = realloc(r->slices, (size_t)room * sizeof *more);
        if (!more) return ERR_NOMEM;
        r->slices = more;
        r->room = room;
    }
    r->slices[r->count++] = slice_ref(s);
    r->body_bytes += s.len;
    return 0;
}

bool response_has_body(const struct response *r, bool is_head)
{
    return !is_head && r->body_bytes && r->status != 204 && r->status != 304;
}

const struct buf *response_http1_head(struct response *r)
{
    struct builder b;

    if (r->head) return r->head;
    builder_init(&b, FIELDS_MAX_BYTES + 256);
    builder_printf(&b, "HTTP/1.1 %d %s\r\n", r->status,
                   response_reason(r->status));
    builder_bytes(&b, builder_data(&r->fields), r->fields.len);
    if (r->status != 204 && r->status != 304)
        builder_printf(&b, "content-length: %zu\r\n", r->body_bytes);
    if (r->fields.err) b.err = r->fields.err;
    return builder_seal(&b, &r->head) ? NULL : r->head;
}

static void allow_text(char *out, size_t size, unsigned allow)
{
    static const struct {
        unsigned method;
        const char *name;
    } names[] = {{HTTP_GET, "GET, HEAD"}, {HTTP_POST, "POST"},
                 {HTTP_PATCH, "PATCH"},   {HTTP_DELETE, "DELETE"},
                 {HTTP_PUT, "PUT"},       {~0u, "OPTIONS"}};
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(allow & names[i].method) || n >= size) continue;
        int wrote =
            snprintf(out + n, size - n, "%s%s", n ? ", " : "", names[i].name);
        if (wrote > 0) n += (size_t)wrote;
    }
}

struct response *response_text(int status, const char *text, unsigned allow)
{
    struct response *r = NULL;
    struct buf *b = NULL;
    char methods[80];

    if (response_create(&r, status)) return NULL;
    int err = response_cors(r);
    if (!err) err = response_header(r, "cache-control", "no-store");
    if (!err && text[0])
        err = response_header(r, "content-type", "text/plain; charset=utf-8");
    if (!err && allow) {
        allow_text(methods, sizeof methods, allow);
        err = response_header(r, "allow", methods);
        if (!err)
            err = response_header(r, "access-control-allow-methods", methods);
        if (!err)
            err =
                response_header(r, "access-control-allow-headers",
                                "authorization, content-type, if-match, link");
        if (!err) err = response_header(r, "access-control-max-age", "86400");
    }
    if (!err) err = buf_create(&b, text, strlen(text));
    if (!err) {
        struct slice s = slice_take(&b);
        err = response_body(r, s);
        slice_unref(&s);
    }
    if (err) response_unref(&r);
    return r;
}
