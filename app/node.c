#include "app/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/door.h"
#include "app/multitrack_api.h"
#include "app/pages.h"
#include "app/pipeline.h"
#include "app/realtime.h"
#include "app/settings.h"
#include "app/vitals.h"
#include "control/directory.h"
#include "control/multitrack_request.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/server.h"
#include "core/net/tcp.h"
#include "edge/edge.h"
#include "ingest/rtmp/server.h"

enum { HTTP, HTTPS, SERVERS };
enum { RTMP, RTMPS, INGESTS };

struct node {
    struct node_conf conf;
    struct directory *directory; /* on the loop only, once it runs */
    struct pages *pages;
    struct multitrack_api *multitrack;
    struct edge *edge;
    struct server *servers[SERVERS]; /* NULL where not configured */
    struct rtmp_server *ingests[INGESTS];
    struct pipeline *pipeline;
    struct realtime *realtime; /* NULL: none */
    int ports[INGESTS];
    int closing;
    void (*on_done)(void *arg);
    void *done_arg;
};

/* --- what others ask of this loop ------------------------------------------
 */

static const char *what_is_broken(void *arg)
{
    struct node *n = arg;

    return n->closing ? "the server is going down" : NULL;
}

static enum upstream_answer find_channel(const char *name, void *arg)
{
    struct node *n = arg;

    return directory_find(n->directory, name) ? UPSTREAM_OFFLINE
                                              : UPSTREAM_UNKNOWN;
}

static int authorise(const char *key, struct ingest_grant *out, void *arg)
{
    struct node *n = arg;

    return door_grant(out, n->directory, n->conf.demo, key);
}

static void attach(struct publisher *p, void *arg)
{
    struct node *n = arg;

    pipeline_attach(p, n->pipeline);
}

static void detach(struct publisher *p, void *arg)
{
    struct node *n = arg;

    pipeline_detach(p, n->pipeline);
}

static int32_t live_priority(const char *channel, void *arg)
{
    struct node *n = arg;

    return pipeline_live_priority(n->pipeline, channel);
}

static bool guarded(const char *channel, void *arg)
{
    struct node *n = arg;

    return pipeline_guarded(n->pipeline, channel);
}

static void on_starving(struct publisher *p, bool starving, void *arg)
{
    struct node *n = arg;

    pipeline_starving(p, starving, n->pipeline);
}

static void on_health(struct publisher *p, const struct health_figures *f,
                      void *arg)
{
    struct node *n = arg;

    pipeline_health(p, f, n->pipeline);
}

/* --- making -----------------------------------------------------------------
 */

/* The pipeline comes before the loop runs. */
static void on_vitals(struct exchange *x, void *arg)
{
    struct node *n = arg;

    vitals_answer(x, n->conf.loop, n->directory, n->pipeline);
}

static void on_multitrack(struct exchange *x, void *arg)
{
    struct node *n = arg;

    multitrack_api_answer(n->multitrack, x, n->directory);
}

static int open_server(struct node *n, int which, const char *listen,
                       struct tls_server *tls, char why[256])
{
    struct server_conf conf = {.loop = n->conf.loop,
                               .listen = listen,
                               .open_connections = n->conf.http_connections,
                               .trusted_proxies =
                                   n->conf.settings->trusted_proxies,
                               .tls = tls,
                               .metrics = n->conf.metrics};
    int err;

    if (!*listen) return 0;
    server_limits_default(&conf.limits);
    conf.limits.connections_per_address =
        (int)n->conf.settings->connections_per_address;
    conf.limits.half_open_per_address =
        (int)n->conf.settings->half_open_per_address;
    err = server_create(&n->servers[which], &conf);
    if (err) {
        snprintf(why, 256, "%s.listen: %s: %s", tls ? "https" : "http", listen,
                 err == ERR_BUSY ? "address is in use" : err_text(err));
        return err;
    }
    err = edge_serve(n->edge, n->servers[which]);
    if (!err) err = pages_route(n->pages, n->servers[which]);
    struct server_route vitals = {.methods = HTTP_GET,
                                  .path = "/api/channels/*",
                                  .handler = on_vitals,
                                  .arg = n};
    struct server_route multitrack = {.methods = HTTP_POST,
                                      .path = "/api/multitrack",
                                      .body_limit = MULTITRACK_BODY_MAX,
                                      .handler = on_multitrack,
                                      .arg = n};
    if (!err) err = server_route(n->servers[which], &vitals);
    if (!err) err = server_route(n->servers[which], &multitrack);
    return err;
}

int node_create(struct node **out, const struct node_conf *conf, char why[256])
{
    struct node *n = calloc(1, sizeof *n);
    struct edge_conf edge = {.loop = conf->loop,
                             .metrics = conf->metrics,
                             .upstream = {find_channel, n}};
    struct pages_conf pages = {
        .metrics = conf->metrics, .broken = what_is_broken, .arg = n};
    int err;

    snprintf(why, 256, "%s", err_text(ERR_NOMEM));
    if (!n) return ERR_NOMEM;
    n->conf = *conf;
    n->directory = directory_ref(conf->directory);
    err = edge_create(&n->edge, &edge);
    if (!err) err = pages_create(&n->pages, &pages);
    if (!err)
        err = multitrack_api_create(&n->multitrack, conf->settings,
                                    conf->metrics);
    if (!err)
        err = open_server(n, HTTP, conf->settings->http_listen, NULL, why);
    if (!err && conf->tls)
        err =
            open_server(n, HTTPS, conf->settings->https_listen, conf->tls, why);
    if (err)
        node_free(&n);
    else
        *out = n;
    return err;
}

static struct ingest_door make_door(struct node *n)
{
    return (struct ingest_door){.authorise = authorise,
                                .attach = attach,
                                .detach = detach,
                                .live_priority = live_priority,
                                .guarded = guarded,
                                .arg = n,
                                .metrics = n->conf.metrics,
                                .limits = door_limits(n->conf.settings),
                                .on_starving = on_starving,
                                .on_health = on_health};
}

static int open_ingest(struct node *n, int which, const char *listen,
                       struct tls_server *tls, char why[256])
{
    struct ingest_door door = make_door(n);
    struct rtmp_server_conf conf = {.loop = n->conf.loop,
                                    .listen = listen,
                                    .door = &door,
                                    .tls = tls,
                                    .sniffed = tls ? NULL : n->conf.tls_plain,
                                    .metrics = n->conf.metrics};
    int err;

    if (!*listen) return 0;
    rtmp_server_limits_default(&conf.limits);
    conf.limits.connections_per_address =
        (int)n->conf.settings->ingest_per_address;
    conf.limits.pending_per_address =
        (int)n->conf.settings->half_open_per_address;
    err = rtmp_server_create(&n->ingests[which], &conf);
    if (err)
        snprintf(why, 256, "%s.listen: %s: %s", tls ? "rtmps" : "rtmp", listen,
                 err == ERR_BUSY ? "address is in use" : err_text(err));
    else
        n->ports[which] = rtmp_server_port(n->ingests[which]);
    return err;
}

int node_open_ingest(struct node *n, struct pipeline *p, char why[256])
{
    const struct settings *s = n->conf.settings;
    int err;

    n->pipeline = p;
    err = open_ingest(n, RTMP, s->rtmp_listen, NULL, why);
    if (!err && n->conf.tls_plain)
        err = open_ingest(n, RTMPS, s->rtmps_listen, n->conf.tls_plain, why);
    return err;
}

static bool is_channel(const char *name, void *arg)
{
    struct node *n = arg;

    return directory_find(n->directory, name) != NULL;
}

int node_open_realtime(struct node *n, struct realtime *r, char why[256])
{
    struct ingest_door door = make_door(n);
    struct realtime_place place = {.at = loop_index(n->conf.loop),
                                   .door = &door,
                                   .is_channel = is_channel,
                                   .arg = n,
                                   .servers = n->servers,
                                   .server_count = SERVERS};
    int err;

    if (!r) return 0;
    n->realtime = r;
    err = realtime_serve(r, &place);
    if (err) snprintf(why, 256, "webrtc: %s", err_text(err));
    return err;
}

struct edge *node_edge(struct node *n)
{
    return n->edge;
}

int node_http_port(const struct node *n)
{
    return n->servers[HTTP] ? server_port(n->servers[HTTP]) : -1;
}

int node_https_port(const struct node *n)
{
    return n->servers[HTTPS] ? server_port(n->servers[HTTPS]) : -1;
}

int node_rtmp_port(const struct node *n)
{
    return n->ports[RTMP];
}

int node_rtmps_port(const struct node *n)
{
    return n->ports[RTMPS];
}

/* --- changing ---------------------------------------------------------------
 */

struct new_directory {
    struct node *node;
    struct directory *directory;
};

static void take_directory(void *arg)
{
    struct new_directory *m = arg;

    directory_unref(&m->node->directory);
    m->node->directory = m->directory;
    free(m);
}

void node_set_directory(struct node *n, struct directory *d)
{
    struct new_directory *m = malloc(sizeof *m);

    if (!m) return;
    *m = (struct new_directory){n, directory_ref(d)};
    if (!loop_post(n->conf.loop, take_directory, m)) return;
    directory_unref(&m->directory);
    free(m);
}

static void on_closed(void *arg)
{
    struct node *n = arg;

    if (--n->closing == 0) n->on_done(n->done_arg);
}

void node_ask_away(struct node *n)
{
    for (int i = 0; i < INGESTS; i++)
        if (n->ingests[i]) rtmp_server_ask_away(n->ingests[i]);
}

void node_drain(struct node *n, long grace_us, void (*on_done)(void *arg),
                void *arg)
{
    n->on_done = on_done;
    n->done_arg = arg;
    n->closing = 1; /* this function itself */
    if (n->realtime) realtime_drain(n->realtime, loop_index(n->conf.loop));
    for (int i = 0; i < INGESTS; i++) {
        if (!n->ingests[i]) continue;
        n->closing++;
        rtmp_server_close(&n->ingests[i], on_closed, n);
    }
    for (int i = 0; i < SERVERS; i++) {
        if (!n->servers[i]) continue;
        n->closing++;
        server_close(n->servers[i], grace_us, on_closed, n);
        n->servers[i] = NULL;
    }
    on_closed(n);
}

void node_free(struct node **n)
{
    struct node *old = *n;

    *n = NULL;
    if (!old) return;
    for (int i = 0; i < INGESTS; i++)
        rtmp_server_close(&old->ingests[i], NULL, NULL);
    for (int i = 0; i < SERVERS; i++)
        if (old->servers[i]) server_close(old->servers[i], 0, NULL, NULL);
    edge_free(&old->edge);
    pages_free(&old->pages);
    multitrack_api_free(&old->multitrack);
    directory_unref(&old->directory);
    free(old);
}
