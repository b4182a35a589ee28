#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/server_priv.h"

struct exchange *exchange_create(struct conn *c, const struct http1_request *r)
{
    struct exchange *x = malloc(sizeof *x + r->text_len + 1);

    if (!x) return NULL;
    *x = (struct exchange){
        .conn = c,
        .started_at = loop_now(c->server->loop),
        .text_len = (uint32_t)r->text_len,
        .query = (uint32_t)r->query,
        .headers = (uint32_t)r->headers,
        .method = (uint8_t)r->method,
        .is_head = r->is_head,
        .keeps_alive = r->keeps_alive,
        .wants_continue = r->wants_continue,
    };
    list_init(&x->node);
    memcpy(x->text, r->text, r->text_len);
    x->text[r->text_len] = 0;
    x->host = r->host[0] ? (uint32_t)(r->host - r->text) : x->text_len;
    return x;
}

void exchange_free(struct exchange **x)
{
    struct exchange *last = *x;

    *x = NULL;
    if (!last) return;
    http2_forget(last);
    if (last->upload) {
        builder_release(&last->upload->body);
        free(last->upload);
    }
    buf_unref(&last->body);
    free(last);
}

void exchange_abort(struct exchange **x)
{
    struct exchange *last = *x;

    if (!last) return;
    if (last->is_delivered && !last->is_answered && last->abort_fn) {
        void (*fn)(void *) = last->abort_fn;
        last->abort_fn = NULL;
        fn(last->abort_arg);
    }
    exchange_free(x);
}

int exchange_route(struct exchange *x, int64_t length, unsigned *allow)
{
    int status =
        routes_find(x->conn->server, x->text, x->method, &x->route, allow);

    if (status) return status;
    if (length > 0 && (uint64_t)length > x->route->body_limit) return 413;
    if (length < 0 && !x->route->body_limit) return 413;
    return 0;
}

int exchange_append_body(struct exchange *x, const uint8_t *data, size_t len)
{
    if (!x->upload) {
        x->upload = calloc(1, sizeof *x->upload);
        if (!x->upload) return 503;
        x->upload->limit = x->route->body_limit;
        builder_init(&x->upload->body, x->upload->limit);
    }
    builder_bytes(&x->upload->body, data, len);
    switch (x->upload->body.err) {
    case 0: return 0;
    case ERR_LIMIT: return 413;
    default: return 503;
    }
}

void exchange_deliver(struct exchange *x)
{
    if (x->upload) {
        int err = builder_seal(&x->upload->body, &x->body);
        free(x->upload);
        x->upload = NULL;
        if (err) {
            exchange_refuse(x, 503, 0);
            return;
        }
    }
    x->is_delivered = true;
    x->route->handler(x, x->route->arg);
}

static void respond(struct exchange *x, struct response *r)
{
    struct server *s = x->conn->server;

    INVARIANT(!x->is_answered);
    x->is_answered = true;
    metric_add(s->requests[x->stream != 0][r->status / 100], 1);
    if (x->stream)
        http2_respond(x, r);
    else
        conn_http1_respond(x, r);
}

void exchange_respond(struct exchange *x, struct response *r)
{
    INVARIANT(loop_is_here(x->conn->server->loop));
    respond(x, r);
}

static void respond_text(struct exchange *x, int status, const char *text,
                         unsigned allow)
{
    struct response *r = response_text(status, text, allow);

    if (!r) {
        /* Not even memory for "no": the connection goes. */
        struct conn *c = x->conn;
        refuse(c->server, REFUSE_MEMORY, c->peer->host, "answer");
        x->is_answered = true;
        conn_close(c);
        return;
    }
    respond(x, r);
    response_unref(&r);
}

void exchange_respond_text(struct exchange *x, int status, const char *text)
{
    respond_text(x, status, text, 0);
}

void exchange_refuse(struct exchange *x, int status, unsigned allow)
{
    char text[64];

    if (status == 413)
        refuse(x->conn->server, REFUSE_BODY_SIZE, x->conn->peer->host, x->text);
    snprintf(text, sizeof text, "%s\n", response_reason(status));
    respond_text(x, status, status == 204 ? "" : text, allow);
}

void exchange_on_abort(struct exchange *x, void (*fn)(void *arg), void *arg)
{
    x->abort_fn = fn;
    x->abort_arg = arg;
}

enum http_method exchange_method(const struct exchange *x)
{
    return x->method;
}

const char *exchange_path(const struct exchange *x)
{
    return x->text;
}

const char *exchange_query(const struct exchange *x)
{
    return x->text + x->query;
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    const char *at = x->text + x->headers, *end = x->text + x->text_len;

    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (!strcmp(at, name)) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

struct slice exchange_body(const struct exchange *x)
{
    if (!x->body) return (struct slice){0};
    return (struct slice){x->body, buf_data(x->body), buf_len(x->body)};
}

/* Each proxy appends whom it saw: the last address is the only one that a
 * proxy of ours vouches for. */
const char *exchange_peer(const struct exchange *x)
{
    const struct peer *peer = x->conn->peer;
    const char *list =
        peer->is_trusted ? exchange_header(x, "x-forwarded-for") : NULL;
    struct in6_addr a;

    if (!list) return peer->host;
    const char *last = strrchr(list, ',');
    last = last ? last + 1 : list;
    last += strspn(last, " \t");
    return inet_pton(AF_INET, last, &a) == 1 ||
                   inet_pton(AF_INET6, last, &a) == 1
               ? last
               : peer->host;
}

bool exchange_is_trusted(const struct exchange *x)
{
    const struct peer *peer = x->conn->peer;

    return peer->is_trusted && exchange_peer(x) == peer->host;
}

const char *exchange_host(const struct exchange *x)
{
    return x->text + x->host;
}

bool exchange_is_secure(const struct exchange *x)
{
    return x->conn->tls != NULL;
}

/* RFC 9110 §12.5.3: named (or by "*") and not with a weight of zero. */
bool exchange_accepts_gzip(const struct exchange *x)
{
    const char *at = exchange_header(x, "accept-encoding");
    bool any = false;

    while (at && *at) {
        at += strspn(at, " \t,");
        size_t n = strcspn(at, " \t;,"), whole = strcspn(at, ",");
        const char *q = memmem(at, whole, "q=", 2);
        bool is_zero =
            q && q[2] == '0' && strspn(q + 2, "0.") >= strcspn(q + 2, " \t,;");
        if (n == 4 && !strncasecmp(at, "gzip", 4)) return !is_zero;
        if (n == 1 && *at == '*') any = !is_zero;
        at += whole;
    }
    return any;
}

struct server *exchange_server(const struct exchange *x)
{
    return x->conn->server;
}

int64_t exchange_started_at(const struct exchange *x)
{
    return x->started_at;
}

struct list *exchange_node(struct exchange *x)
{
    return &x->node;
}

struct exchange *exchange_of_node(struct list *node)
{
    return LIST_ENTRY(node, struct exchange, node);
}

void exchange_set_user(struct exchange *x, void *user)
{
    x->user = user;
}

void *exchange_user(const struct exchange *x)
{
    return x->user;
}
