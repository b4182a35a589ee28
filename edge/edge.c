#include "edge/edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "edge/edge_priv.h"
#include "edge/upstream_local.h"

#define CENSUS_US 2000000LL

/* Before the plan is known; LOW and NORMAL latency both have 2 s targets. */
#define START_WAIT_US (PLAYLIST_BLOCK_TD * 2000000LL)

/* --- finding -------------------------------------------------------------- */

struct edge_channel *edge_find_channel(struct edge *e, const char *name,
                                       size_t len)
{
    char text[STORE_CHANNEL_MAX + 1];

    if (len > STORE_CHANNEL_MAX) return NULL;
    memcpy(text, name, len);
    text[len] = '\0';
    return map_get(&e->channels, text);
}

struct edge_stream *edge_newest(const struct edge_channel *c)
{
    if (list_is_empty(&c->streams)) return NULL;
    return LIST_ENTRY(c->streams.next, struct edge_stream, node);
}

struct edge_stream *edge_find_stream(const struct edge_channel *c,
                                     uint64_t generation)
{
    LIST_FOREACH (node, &c->streams) {
        struct edge_stream *s = LIST_ENTRY(node, struct edge_stream, node);
        if (s->store->generation == generation) return s;
    }
    return NULL;
}

void edge_unavailable(struct edge *e, struct exchange *x)
{
    if (e->unavailable)
        exchange_respond(x, e->unavailable);
    else
        exchange_respond_text(x, 503, "try again\n");
}

/* --- channels ------------------------------------------------------------- */

struct edge_channel *edge_channel_for(struct edge *e, const char *name)
{
    struct edge_channel *c = map_get(&e->channels, name);
    char labels[160] = "", loop[16];

    if (c) return c;
    if (strlen(name) > STORE_CHANNEL_MAX ||
        e->channels.count >= EDGE_CHANNELS_MAX)
        return NULL;
    c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->edge = e;
    strcpy(c->name, name);
    list_init(&c->streams);
    list_init(&c->asking);
    coalesce_init(&c->starting, e->conf.loop, START_WAIT_US,
                  hls_start_timed_out, c);
    timer_init(&c->ask_deadline, e->conf.loop, live_on_deadline, c);
    if (map_set(&e->channels, name, c)) {
        free(c);
        return NULL;
    }
    snprintf(loop, sizeof loop, "%d", loop_index(e->conf.loop));
    metric_label(labels, sizeof labels, "channel", name);
    metric_label(labels, sizeof labels, "loop", loop);
    c->viewers_gauge = metrics_gauge(
        e->conf.metrics, "lectern_hls_viewers",
        "Different viewers over about the last ten seconds.", labels);
    return c;
}

static void stream_free(struct edge_stream *s)
{
    list_unlink(&s->node);
    s->channel->stream_count--;
    timer_cancel(&s->expiry);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
        coalesce_release(&s->waits[i], hls_gone);
    rendered_free(&s->multivariant);
    store_free(&s->store);
    free(s);
}

static void channel_free(struct edge_channel *c)
{
    while (edge_newest(c))
        stream_free(edge_newest(c));
    coalesce_release(&c->starting, hls_gone);
    live_changed(c);
    timer_cancel(&c->ask_deadline);
    audience_release(&c->audience);
    metric_remove(c->edge->conf.metrics, &c->viewers_gauge);
    map_remove(&c->edge->channels, c->name);
    free(c);
}

/* Nobody publishes, watches or asks. */
static bool is_idle(const struct edge_channel *c)
{
    return list_is_empty(&c->streams) && list_is_empty(&c->asking) &&
           list_is_empty(&c->starting.queues) && c->viewers == 0;
}

/* A low-latency viewer waits for one video list most of the time: how many one
 * part woke, over the renditions, tells viewers apart who share an address. */
static int count_blocked(struct edge_channel *c)
{
    struct edge_stream *s = edge_newest(c);
    int video = 0, audio = 0;

    for (int i = 0; s && i < STORE_RENDITIONS_MAX; i++) {
        struct lane *l = &s->lanes[i];

        if (s->store->renditions[i].description.video)
            video += l->most_answered;
        else
            audio += l->most_answered;
        l->most_answered = 0;
    }
    return video > audio ? video : audio;
}

static int viewers_here(struct edge_channel *c)
{
    int n = audience_count(&c->audience, loop_now(c->edge->conf.loop));

    return n > c->blocked ? n : c->blocked;
}

static void count_viewers(struct edge_channel *c)
{
    struct edge *e = c->edge;
    int n;

    c->blocked = count_blocked(c);
    n = viewers_here(c);
    if (n == c->viewers) return;
    c->viewers = n;
    metric_set(c->viewers_gauge, n);
    if (e->peers)
        upstream_local_viewers(e->peers, loop_index(e->conf.loop), c->name, n);
}

static void on_census(void *arg)
{
    struct edge *e = arg;
    struct edge_channel *c;
    const char *name;
    size_t at = 0;

    while ((c = map_next(&e->channels, &at, &name))) {
        count_viewers(c);
        if (is_idle(c)) channel_free(c);
    }
    timer_set(&e->census, loop_now(e->conf.loop) + CENSUS_US);
}

void edge_set_peers(struct edge *e, struct upstream_local *peers)
{
    e->peers = peers;
}

void edge_note_viewers(struct edge *e, int loop_index, const char *channel,
                       int viewers)
{
    struct edge_channel *c = map_get(&e->channels, channel);

    if (c && loop_index >= 0 && loop_index < EDGE_LOOPS_MAX)
        c->others[loop_index] = viewers;
}

void edge_note_starving(struct edge *e, const char *channel, bool starving)
{
    struct edge_channel *c = edge_find_channel(e, channel, strlen(channel));

    if (c) c->starving = starving;
}

int edge_viewers(struct edge *e, const char *channel)
{
    struct edge_channel *c = map_get(&e->channels, channel);
    int n;

    if (!c) return 0;
    n = viewers_here(c);
    for (int i = 0; i < EDGE_LOOPS_MAX; i++)
        n += c->others[i];
    return n;
}

/* --- streams -------------------------------------------------------------- */

static void on_expired(void *arg)
{
    struct edge_stream *s = arg;
    struct edge_channel *c = s->channel;
    bool newest = edge_newest(c) == s;

    stream_free(s);
    if (newest) live_changed(c);
}

static struct edge_stream *oldest(const struct edge_channel *c)
{
    return LIST_ENTRY(c->streams.prev, struct edge_stream, node);
}

static struct edge_stream *add_stream(struct edge_channel *c,
                                      uint64_t generation)
{
    struct edge *e = c->edge;
    struct edge_stream *s = calloc(1, sizeof *s);

    if (!s) return NULL;
    if (store_create(&s->store, c->name, generation, render_drop, e)) {
        free(s);
        return NULL;
    }
    s->channel = c;
    s->since_wall_us = clock_wall_us();
    timer_init(&s->expiry, e->conf.loop, on_expired, s);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        s->lanes[i] = (struct lane){.stream = s, .index = i};
        coalesce_init(&s->waits[i], e->conf.loop, START_WAIT_US, hls_timed_out,
                      &s->lanes[i]);
    }
    list_append(c->streams.next, &s->node); /* in front */
    c->stream_count++;
    while (c->stream_count > EDGE_GENERATIONS_MAX)
        stream_free(oldest(c));
    return s;
}

/* --- events --------------------------------------------------------------- */

static void after_event(struct edge_stream *s, const struct store_event *event,
                        const struct store_change *change)
{
    struct edge_channel *c = s->channel;
    struct edge *e = c->edge;

    if (event->type == STORE_PLAN)
        for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
            s->waits[i].span_us =
                PLAYLIST_BLOCK_TD * 1000000LL * event->v.plan.target_duration_s;
    if (event->type == STORE_PART && event->v.part.captured_at)
        metric_observe(e->listed_seconds,
                       (double)(clock_mono_us() - event->v.part.captured_at) /
                           1e6);
    if (change->rendition >= 0) hls_wake_rendition(s, change->rendition);
    if (!change->state && event->type != STORE_PUBLISH) return;
    if (s->store->state == STORE_ENDED) {
        timer_set(&s->expiry, loop_now(e->conf.loop) + EDGE_ENDED_US);
        for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
            hls_wake_rendition(s, i);
    }
    hls_wake_channel(c);
    if (change->state) live_changed(c);
}

void edge_apply(struct edge *e, const char *channel, uint64_t generation,
                struct store_event *event)
{
    struct edge_channel *c = edge_channel_for(e, channel);
    struct edge_stream *s = c ? edge_find_stream(c, generation) : NULL;
    struct store_change change;
    bool begins = false;
    int err;

    if (c && !s && event->type == STORE_PLAN) {
        s = add_stream(c, generation);
        begins = s != NULL;
    }
    if (!s) return; /* expired, or its beginning was lost */
    err = store_apply(s->store, event, &change);
    if (err)
        log_warn("edge", "event_refused", log_s("channel", channel),
                 log_s("why", err_text(err)), log_i("type", event->type),
                 log_i("msn", (int64_t)event->msn));
    after_event(s, event, &change);
    if (begins) live_changed(c);
}

/* --- life ----------------------------------------------------------------- */

static void find_metrics(struct edge *e)
{
    static const char *const kinds[REQUEST_KINDS] = {
        "multivariant", "playlist", "blocking", "delta",
        "part",         "segment",  "init",     "api"};
    static const double bounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                    0.05,   0.1,   0.2,   0.5,   1};
    struct metrics *m = e->conf.metrics;

    for (int i = 0; i < REQUEST_KINDS; i++) {
        char labels[64] = "";

        metric_label(labels, sizeof labels, "kind", kinds[i]);
        e->requests[i] =
            metrics_counter(m, "lectern_hls_requests_total",
                            "Requests for playlists and media.", labels);
    }
    e->blocked =
        metrics_counter(m, "lectern_hls_blocked_total",
                        "Requests that waited for what they ask.", NULL);
    e->timeouts = metrics_counter(m, "lectern_hls_timeouts_total",
                                  "Waiting requests answered 503.", NULL);
    e->listed_seconds = metrics_histogram(
        m, "lectern_part_listed_seconds",
        "From the capture of a part's last frame to its being listed.", NULL,
        bounds, sizeof bounds / sizeof *bounds);
}

static int make_unavailable(struct edge *e)
{
    static const char text[] = "try again\n";
    struct response *r;

    if (response_create(&r, 503)) return ERR_NOMEM;
    if (response_header(r, "content-type", "text/plain") ||
        response_header(r, "cache-control", "no-store") ||
        response_header(r, "retry-after", "1") || response_cors(r) ||
        response_body(
            r, (struct slice){NULL, (const uint8_t *)text, sizeof text - 1})) {
        response_unref(&r);
        return ERR_NOMEM;
    }
    e->unavailable = r;
    return 0;
}

static int make_preflight(struct edge *e)
{
    struct response *r;

    if (response_create(&r, 204)) return ERR_NOMEM;
    if (response_header(r, "access-control-allow-methods", "GET, HEAD") ||
        response_header(r, "access-control-allow-headers",
                        "range, authorization") ||
        response_header(r, "access-control-max-age", "86400") ||
        response_cors(r)) {
        response_unref(&r);
        return ERR_NOMEM;
    }
    e->preflight = r;
    return 0;
}

int edge_create(struct edge **out, const struct edge_conf *conf)
{
    struct edge *e = calloc(1, sizeof *e);

    if (!e) return ERR_NOMEM;
    e->conf = *conf;
    map_init(&e->channels);
    timer_init(&e->census, conf->loop, on_census, e);
    if (make_unavailable(e) || make_preflight(e)) {
        response_unref(&e->unavailable);
        free(e);
        return ERR_NOMEM;
    }
    find_metrics(e);
    timer_set(&e->census, loop_now(conf->loop) + CENSUS_US);
    *out = e;
    return 0;
}

void edge_free(struct edge **e)
{
    struct edge *gone = *e;
    struct edge_channel *c;
    const char *name;
    size_t at = 0;

    *e = NULL;
    if (!gone) return;
    while ((c = map_next(&gone->channels, &at, &name)))
        channel_free(c);
    map_release(&gone->channels);
    timer_cancel(&gone->census);
    if (gone->has_deflate) deflateEnd(&gone->deflate);
    response_unref(&gone->unavailable);
    response_unref(&gone->preflight);
    free(gone);
}

int edge_serve(struct edge *e, struct server *s)
{
    const struct server_route routes[] = {
        {HTTP_GET | HTTP_OPTIONS, "/live/*", 0, hls_handle, e},
        {HTTP_GET, "/api/live", 0, live_handle, e},
        {HTTP_GET, "/api/live/*", 0, live_handle, e},
    };
    int err = 0;

    for (size_t i = 0; !err && i < sizeof routes / sizeof *routes; i++)
        err = server_route(s, &routes[i]);
    return err;
}
