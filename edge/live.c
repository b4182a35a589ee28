/* /api/live: which channels are on, for the pages.
 *   GET /api/live                  {"channels":[…]} of those with a stream
 *   GET /api/live/NAME             one of them; 404 if there is no such channel
 *   GET /api/live/NAME?wait=20     … when its state changes, or after 20 s
 *   GET /api/live/NAME?wait=20&state=offline   at once if it is another one
 * "starving":true where the publisher is connected, but gives nothing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "edge/edge_priv.h"

enum { WAIT_MOST_S = 25, BODY_MAX = 1 << 20 };

static const char *state_of(const struct edge_channel *c)
{
    struct edge_stream *s = c ? edge_newest(c) : NULL;

    return s ? store_state_name(s->store->state) : "offline";
}

/* --- JSON ----------------------------------------------------------------- */

static void write_renditions(struct builder *b, const struct store *s)
{
    const char *comma = "";

    builder_text(b, ",\"renditions\":[");
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        const struct store_description *d = &s->renditions[i].description;

        if (!s->renditions[i].used) continue;
        builder_printf(b,
                       "%s{\"name\":\"%s\",\"kind\":\"%s\",\"codec\":\"%s\","
                       "\"listed\":%s,\"bitrate\":%u",
                       comma, d->name, d->video ? "video" : "audio", d->codec,
                       s->listed >> i & 1 ? "true" : "false",
                       s->renditions[i].average_bps);
        if (d->video)
            builder_printf(b, ",\"width\":%u,\"height\":%u", d->width,
                           d->height);
        builder_text(b, "}");
        comma = ",";
    }
    builder_text(b, "]");
}

/* Names are of the safe alphabet wherever they get in; anything else would
 * break the text, so it is left out. */
static void write_name(struct builder *b, const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name >= 0x20 && *name != '"' && *name != '\\')
            builder_bytes(b, name, 1);
}

static void write_channel(struct builder *b, struct edge *e, const char *name,
                          const struct edge_channel *c)
{
    struct edge_stream *s = c ? edge_newest(c) : NULL;
    char since[25];

    builder_text(b, "{\"channel\":\"");
    write_name(b, name);
    builder_printf(b, "\",\"state\":\"%s\"", state_of(c));
    if (s) {
        clock_iso8601(since, s->since_wall_us);
        builder_printf(
            b, ",\"generation\":%" PRIu64 ",\"since\":\"%s\",\"viewers\":%d",
            s->store->generation, since, edge_viewers(e, name));
        if (c->starving) builder_text(b, ",\"starving\":true");
        write_renditions(b, s->store);
    }
    builder_text(b, "}");
}

static struct response *json_response(struct builder *b)
{
    struct response *r = NULL;
    struct buf *text = NULL;
    struct slice body;

    if (builder_seal(b, &text)) return NULL;
    body = slice_take(&text);
    if (!response_create(&r, 200) &&
        (response_header(r, "content-type", "application/json") ||
         response_header(r, "cache-control", "no-store") || response_cors(r) ||
         response_body(r, body)))
        response_unref(&r);
    slice_unref(&body);
    return r;
}

static struct response *channel_response(struct edge *e, const char *name,
                                         const struct edge_channel *c)
{
    struct builder b;

    builder_init(&b, BODY_MAX);
    write_channel(&b, e, name, c);
    builder_text(&b, "\n");
    return json_response(&b);
}

static void respond(struct edge *e, struct exchange *x, struct response *r)
{
    if (r)
        exchange_respond(x, r);
    else
        edge_unavailable(e, x);
    response_unref(&r);
}

static void serve_list(struct edge *e, struct exchange *x)
{
    const char *name, *comma = "";
    struct edge_channel *c;
    struct builder b;
    size_t at = 0;

    builder_init(&b, BODY_MAX);
    builder_text(&b, "{\"channels\":[");
    while ((c = map_next(&e->channels, &at, &name))) {
        if (!edge_newest(c)) continue;
        builder_text(&b, comma);
        write_channel(&b, e, name, c);
        comma = ",";
    }
    builder_text(&b, "]}\n");
    respond(e, x, json_response(&b));
}

/* --- waiting -------------------------------------------------------------- */

/* The exchange's word holds its deadline, in whole seconds, so that many
 * deadlines fall together and the list is walked once for them. */
static int64_t deadline(const struct exchange *x)
{
    return (int64_t)(uintptr_t)exchange_user(x) * 1000000;
}

static void set_timer(struct edge_channel *c)
{
    int64_t first = INT64_MAX;

    LIST_FOREACH (node, &c->asking) {
        int64_t at = deadline(exchange_of_node(node));
        if (at < first) first = at;
    }
    if (first == INT64_MAX)
        timer_cancel(&c->ask_deadline);
    else
        timer_set(&c->ask_deadline, first);
}

/* Answers those due by `until`, all with one response. */
static void answer_asking(struct edge_channel *c, int64_t until)
{
    struct response *r = NULL;
    struct list due;

    list_init(&due);
    LIST_FOREACH_SAFE (node, &c->asking) {
        if (deadline(exchange_of_node(node)) > until) continue;
        list_unlink(node);
        list_append(&due, node);
    }
    if (!list_is_empty(&due)) r = channel_response(c->edge, c->name, c);
    set_timer(c);
    while (!list_is_empty(&due)) {
        struct exchange *x = exchange_of_node(due.next);

        list_unlink(due.next);
        if (r)
            exchange_respond(x, r);
        else
            edge_unavailable(c->edge, x);
    }
    response_unref(&r);
}

void live_changed(struct edge_channel *c)
{
    answer_asking(c, INT64_MAX);
}

void live_on_deadline(void *channel)
{
    struct edge_channel *c = channel;

    answer_asking(c, loop_now(c->edge->conf.loop));
}

static void on_abort(void *arg)
{
    list_unlink(exchange_node(arg));
}

static void ask(struct edge_channel *c, int wait_s, struct exchange *x)
{
    int64_t at = loop_now(c->edge->conf.loop) / 1000000 + 1 + wait_s;

    exchange_set_user(x, (void *)(uintptr_t)at);
    list_append(&c->asking, exchange_node(x));
    exchange_on_abort(x, on_abort, x);
    if (!timer_is_set(&c->ask_deadline) || c->ask_deadline.at > at * 1000000)
        timer_set(&c->ask_deadline, at * 1000000);
}

/* --- requests ------------------------------------------------------------- */

/* The value of a query field, "" if there is none; len in *n. */
static const char *field(const char *query, const char *name, size_t *n)
{
    size_t len = strlen(name);

    while (*query) {
        size_t all = strcspn(query, "&");

        if (all > len && !memcmp(query, name, len) && query[len] == '=') {
            *n = all - len - 1;
            return query + len + 1;
        }
        query += all;
        if (*query) query++;
    }
    *n = 0;
    return query;
}

static void serve_channel(struct edge *e, const char *name, struct exchange *x)
{
    const char *query = exchange_query(x), *state;
    struct edge_channel *c = edge_find_channel(e, name, strlen(name));
    size_t n;
    long wait_s = strtol(field(query, "wait", &n), NULL, 10);

    if (!(c && edge_newest(c)) &&
        (!e->conf.upstream.find ||
         e->conf.upstream.find(name, e->conf.upstream.arg) ==
             UPSTREAM_UNKNOWN)) {
        exchange_respond_text(x, 404, "no such channel\n");
        return;
    }
    state = field(query, "state", &n);
    if (n && (n != strlen(state_of(c)) || memcmp(state, state_of(c), n)))
        wait_s = 0;
    if (wait_s > WAIT_MOST_S) wait_s = WAIT_MOST_S;
    if (wait_s > 0 && !c) c = edge_channel_for(e, name);
    if (wait_s > 0 && c)
        ask(c, (int)wait_s, x);
    else
        respond(e, x, channel_response(e, name, c));
}

void live_handle(struct exchange *x, void *edge)
{
    static const char prefix[] = "/api/live";
    struct edge *e = edge;
    const char *name = exchange_path(x) + strlen(prefix);

    metric_add(e->requests[REQUEST_API], 1);
    if (*name == '/') name++;
    if (!*name) {
        serve_list(e, x);
        return;
    }
    if (strlen(name) > STORE_CHANNEL_MAX || strchr(name, '/'))
        exchange_respond_text(x, 404, "no such channel\n");
    else
        serve_channel(e, name, x);
}
