#include "app/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "app/door.h"
#include "app/vitals.h"
#include "control/directory.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "edge/upstream_local.h"
#include "packager/packager.h"

enum {
    GOPS_MAX = 4096,
    GRACE_US = 30000000,
    SEGMENT_US = 2000000,
    /* Two encoders with one key would take the stream from each other for
     * ever: after so many takeovers the newest is sent away for a while. */
    TAKEOVERS_MAX = 3,
    TAKEOVER_SPAN_US = 30000000,
    TAKEOVER_PAUSE_US = 10000000,
};

struct pipeline {
    struct pipeline_conf conf;
    char *worker_path;
    struct directory *directory;
    struct map lives; /* channel name → struct live */
    /* channel name → µs between its encoder's keyframes the last time: the
     * next stream need not wait to see. Bound: GOPS_MAX, then forgotten. */
    struct map gops;
    struct metric *streams, *takeovers;
};

/* One live stream. The upper half belongs to the home loop, the lower to the
 * stream's own; `building` is over before the halves meet again. */
struct live {
    struct pipeline *pipeline;
    char channel[CHANNEL_NAME_MAX + 1];
    struct channel settings;
    struct publisher *publisher; /* NULL in grace */
    struct vitals vitals;        /* the publisher's */
    struct timer grace;
    int64_t takeovers[TAKEOVERS_MAX];
    int64_t refuse_until;
    int64_t gop_us; /* written by the other half before it is freed */
    bool announced, ended;

    struct loop *loop;
    struct bus *bus;
    struct transcode *transcode;
    struct packager *packager;
};

/* A message between the loops; holds a reference to its publisher. */
struct note {
    struct live *live;
    struct publisher *publisher;
    struct pipeline *pipeline;
};

static void note_free(struct note *n)
{
    publisher_unref(&n->publisher);
    free(n);
}

static int post(struct loop *to, loop_fn *fn, struct live *live,
                struct publisher *publisher, struct pipeline *p)
{
    struct note *n = malloc(sizeof *n);
    int err;

    if (!n) return ERR_NOMEM;
    *n = (struct note){live, publisher ? publisher_ref(publisher) : NULL, p};
    err = loop_post(to, fn, n);
    if (err) note_free(n);
    return err;
}

/* --- the stream's loop ---------------------------------------------------- */

static void release_stream(struct live *l)
{
    transcode_free(&l->transcode);
    packager_free(&l->packager);
    bus_unref(&l->bus);
}

static int make_bus(struct live *l)
{
    struct bus_conf conf = {
        .loop = l->loop,
        .channel = l->channel,
        .origin_at = clock_mono_us(),
        .origin_wall_us = clock_wall_us(),
    };

    conf.generation = (uint64_t)conf.origin_wall_us / 1000000;
    return bus_create(&l->bus, &conf);
}

static void on_packaged(struct store_event *e, void *arg)
{
    struct live *l = arg;

    upstream_local_event(l->pipeline->conf.viewers, l->channel,
                         bus_conf(l->bus)->generation, e);
}

/* The line: bus → ladder → packager → viewers. */
static int build_stream(struct live *l)
{
    const struct pipeline *p = l->pipeline;
    int err = make_bus(l);

    if (err) return err;
    struct packager_conf packager = {
        .on_event = on_packaged,
        .arg = l,
        .metrics = p->conf.metrics,
    };
    struct transcode_conf ladder = {
        .type = strcmp(l->settings.type, "BASIC") ? CHANNEL_STANDARD
                                                  : CHANNEL_BASIC,
        .latency = strcmp(l->settings.latency, "NORMAL") ? LATENCY_LOW
                                                         : LATENCY_NORMAL,
        /* Later streams of the channel count on from greater numbers. */
        .first_msn = (uint64_t)bus_conf(l->bus)->origin_wall_us / SEGMENT_US,
        .worker_path = p->worker_path,
        .hint_gop_us = l->gop_us,
        .opus = p->conf.realtime,
        .realtime = p->conf.realtime,
        .metrics = p->conf.metrics,
    };
    err = packager_create(&l->packager, l->bus, &packager);
    if (!err) err = transcode_create(&l->transcode, l->bus, &ladder);
    if (err) release_stream(l);
    return err;
}

static void forget_live(void *arg);
static void announce_live(void *arg);

static void build_and_attach(void *arg)
{
    struct note *n = arg;
    int err = build_stream(n->live);

    if (err) {
        log_error("app", "stream_failed", log_s("channel", n->live->channel),
                  log_s("error", err_text(err)));
        publisher_refused(n->publisher, err);
        post(n->pipeline->conf.home, forget_live, n->live, NULL, n->pipeline);
    } else {
        log_info(
            "app", "stream", log_s("channel", n->live->channel),
            log_i("generation", (int64_t)bus_conf(n->live->bus)->generation),
            log_s("type", n->live->settings.type));
        publisher_attached(n->publisher, n->live->bus, 0);
        post(n->pipeline->conf.home, announce_live, n->live, NULL, n->pipeline);
    }
    note_free(n);
}

/* The newcomer's first frame comes after all that is there, and where the
 * wall clock says, so that the gap on the timeline is the gap there was. */
static void attach_again(void *arg)
{
    struct note *n = arg;
    struct bus *bus = n->live->bus;

    if (bus) {
        int64_t now = clock_mono_us() - bus_conf(bus)->origin_at;
        int64_t end = bus_end_us(bus);
        bus_signal(bus, BUS_BACK);
        publisher_attached(n->publisher, bus, now > end ? now : end);
    } else {
        publisher_refused(n->publisher, ERR_NOMEM);
    }
    note_free(n);
}

static void say_gone(void *arg)
{
    struct note *n = arg;

    if (n->live->bus) bus_signal(n->live->bus, BUS_GONE);
    note_free(n);
}

static void free_live(void *arg)
{
    struct note *n = arg;
    struct map *gops = &n->pipeline->gops;

    if (gops->count >= GOPS_MAX) map_release(gops);
    if (n->live->gop_us > 0)
        map_set(gops, n->live->channel, (void *)(intptr_t)n->live->gop_us);
    free(n->live);
    note_free(n);
}

static void end_stream(void *arg)
{
    struct note *n = arg;
    struct live *l = n->live;

    if (l->transcode) l->gop_us = transcode_gop_us(l->transcode);
    if (l->bus) bus_signal(l->bus, BUS_END);
    release_stream(l);
    /* The home loop may still hold a message about it: freed behind that. */
    if (post(n->pipeline->conf.home, free_live, l, NULL, n->pipeline))
        log_error("app", "stream_leaked", log_s("channel", l->channel));
    note_free(n);
}

/* --- the home loop -------------------------------------------------------- */

/* A stream that could not be built. */
static void forget_live(void *arg)
{
    struct note *n = arg;
    struct live *l = n->live;

    if (!l->ended) {
        map_remove(&n->pipeline->lives, l->channel);
        metric_set(n->pipeline->streams, (double)n->pipeline->lives.count);
        timer_cancel(&l->grace);
        publisher_unref(&l->publisher);
        free(l);
    }
    note_free(n);
}

/* A stream was built. The other half leaves its bus alone until end_live(). */
static void announce_live(void *arg)
{
    struct note *n = arg;
    const struct pipeline_conf *conf = &n->pipeline->conf;

    if (!n->live->ended && conf->on_stream) {
        n->live->announced = true;
        conf->on_stream(n->live->channel, n->live->bus, conf->arg);
    }
    note_free(n);
}

static void set_publisher(struct live *l, struct publisher *publisher)
{
    vitals_forget(&l->vitals, l->pipeline->conf.metrics);
    publisher_unref(&l->publisher);
    l->publisher = publisher ? publisher_ref(publisher) : NULL;
}

static void end_live(struct live *l, const char *reason)
{
    struct pipeline *p = l->pipeline;

    log_info("app", "stream_end", log_s("channel", l->channel),
             log_s("reason", reason));
    if (l->publisher) publisher_kick(l->publisher, reason);
    set_publisher(l, NULL);
    map_remove(&p->lives, l->channel);
    metric_set(p->streams, (double)p->lives.count);
    timer_cancel(&l->grace);
    l->ended = true;
    if (l->announced) p->conf.on_stream(l->channel, NULL, p->conf.arg);
    if (post(l->loop, end_stream, l, NULL, p))
        log_error("app", "stream_leaked", log_s("channel", l->channel));
}

static void on_grace_over(void *arg)
{
    end_live(arg, "publisher did not come back within 30 s");
}

static void start_live(struct pipeline *p, struct publisher *publisher,
                       const struct channel *channel)
{
    struct live *l = calloc(1, sizeof *l);

    if (!l) goto refuse;
    l->pipeline = p;
    l->settings = *channel;
    memcpy(l->channel, channel->name, sizeof channel->name);
    l->gop_us = (intptr_t)map_get(&p->gops, l->channel);
    l->publisher = publisher_ref(publisher);
    l->loop = publisher_loop(publisher);
    timer_init(&l->grace, p->conf.home, on_grace_over, l);
    if (map_set(&p->lives, l->channel, l)) goto refuse;
    metric_set(p->streams, (double)p->lives.count);
    if (!post(l->loop, build_and_attach, l, publisher, p)) return;
    map_remove(&p->lives, l->channel);
refuse:
    if (l) publisher_unref(&l->publisher);
    free(l);
    publisher_refused(publisher, ERR_NOMEM);
}

/* False when takeovers come too thick: the newest is refused for a while. */
static bool may_take_over(struct live *l)
{
    int64_t now = loop_now(l->pipeline->conf.home);
    int64_t oldest = l->takeovers[0];

    if (now < l->refuse_until) return false;
    if (oldest && now - oldest < TAKEOVER_SPAN_US) {
        l->refuse_until = now + TAKEOVER_PAUSE_US;
        memset(l->takeovers, 0, sizeof l->takeovers);
        return false;
    }
    memmove(l->takeovers, l->takeovers + 1,
            (TAKEOVERS_MAX - 1) * sizeof *l->takeovers);
    l->takeovers[TAKEOVERS_MAX - 1] = now;
    return true;
}

static void join_live(struct live *l, struct publisher *publisher)
{
    if (l->publisher) {
        if (!may_take_over(l)) {
            log_warn("app", "takeover_refused", log_s("channel", l->channel),
                     log_s("peer", publisher_peer(publisher)),
                     log_s("problem", "two encoders use one stream key"));
            publisher_refused(publisher, ERR_BUSY);
            return;
        }
        log_info("app", "takeover", log_s("channel", l->channel),
                 log_s("from", publisher_peer(l->publisher)),
                 log_s("to", publisher_peer(publisher)));
        metric_add(l->pipeline->takeovers, 1);
        publisher_kick(l->publisher, "another encoder took over");
    }
    timer_cancel(&l->grace);
    set_publisher(l, publisher);
    if (post(l->loop, attach_again, l, publisher, l->pipeline)) {
        set_publisher(l, NULL);
        publisher_refused(publisher, ERR_NOMEM);
    }
}

static void attach_at_home(void *arg)
{
    struct note *n = arg;
    struct pipeline *p = n->pipeline;
    const char *name = publisher_grant(n->publisher)->channel;
    const struct channel *channel =
        p->directory ? directory_find(p->directory, name) : NULL;
    struct live *l = map_get(&p->lives, name);

    /* The key may have changed since it was asked. */
    if (!channel || !door_holds(publisher_grant(n->publisher), channel))
        publisher_refused(n->publisher, ERR_DENIED);
    else if (l)
        join_live(l, n->publisher);
    else
        start_live(p, n->publisher, channel);
    note_free(n);
}

static struct live *find_by_publisher(struct pipeline *p,
                                      const struct publisher *publisher)
{
    struct live *l = map_get(&p->lives, publisher_grant(publisher)->channel);

    return l && l->publisher == publisher ? l : NULL;
}

static void detach_at_home(void *arg)
{
    struct note *n = arg;
    struct pipeline *p = n->pipeline;
    struct live *l;

    l = find_by_publisher(n->pipeline, n->publisher);
    note_free(n);
    if (!l) return;
    set_publisher(l, NULL);
    timer_set(&l->grace, loop_now(p->conf.home) + GRACE_US);
    post(l->loop, say_gone, l, NULL, p);
}

void pipeline_attach(struct publisher *publisher, void *pipeline)
{
    struct pipeline *p = pipeline;

    if (post(p->conf.home, attach_at_home, NULL, publisher, p))
        publisher_refused(publisher, ERR_BUSY);
}

void pipeline_detach(struct publisher *publisher, void *pipeline)
{
    struct pipeline *p = pipeline;

    if (post(p->conf.home, detach_at_home, NULL, publisher, p))
        log_error("app", "detach_lost");
}

void pipeline_starving(struct publisher *publisher, bool starving,
                       void *pipeline)
{
    struct pipeline *p = pipeline;

    upstream_local_starving(p->conf.viewers,
                            publisher_grant(publisher)->channel, starving);
}

struct health_note {
    struct pipeline *pipeline;
    struct publisher *publisher; /* a reference */
    struct health_figures figures;
};

static void health_at_home(void *arg)
{
    struct health_note *n = arg;
    struct live *l = find_by_publisher(n->pipeline, n->publisher);

    if (l)
        vitals_take(&l->vitals, n->pipeline->conf.metrics, l->channel,
                    &n->figures);
    publisher_unref(&n->publisher);
    free(n);
}

void pipeline_health(struct publisher *publisher,
                     const struct health_figures *f, void *pipeline)
{
    struct pipeline *p = pipeline;
    struct health_note *n = malloc(sizeof *n);

    if (!n) return; /* the next one comes in a second */
    *n = (struct health_note){p, publisher_ref(publisher), *f};
    if (!loop_post(p->conf.home, health_at_home, n)) return;
    publisher_unref(&n->publisher);
    free(n);
}

struct loop *pipeline_home(const struct pipeline *p)
{
    return p->conf.home;
}

struct buf *pipeline_vitals_json(struct pipeline *p, const char *channel)
{
    struct live *l = map_get(&p->lives, channel);

    return vitals_json(channel, l ? &l->vitals : NULL, l ? l->publisher : NULL);
}

bool pipeline_is_live(struct pipeline *p, const char *channel)
{
    struct live *l = map_get(&p->lives, channel);

    return l && l->publisher;
}

/* The stream goes on: it waits for who has the new key. */
static void check_key(struct live *l, const struct channel *c)
{
    const char *reason = key_hash_is_none(c->key_hash)
                             ? "the stream key was revoked"
                             : "the stream key was replaced";

    if (!l->publisher || door_holds(publisher_grant(l->publisher), c)) return;
    log_info("app", "key_lost", log_s("channel", l->channel),
             log_s("peer", publisher_peer(l->publisher)),
             log_s("reason", reason));
    publisher_kick(l->publisher, reason);
}

void pipeline_set_directory(struct pipeline *p, struct directory *d)
{
    size_t at = 0;
    struct live *l;

    directory_ref(d);
    directory_unref(&p->directory);
    p->directory = d;
    while ((l = map_next(&p->lives, &at, NULL)) != NULL) {
        const struct channel *c = directory_find(d, l->channel);
        if (c)
            check_key(l, c);
        else
            end_live(l, "channel was deleted");
    }
}

void pipeline_drain(struct pipeline *p)
{
    size_t at = 0;
    struct live *l;

    while ((l = map_next(&p->lives, &at, NULL)) != NULL)
        end_live(l, "the server is going down");
}

int pipeline_create(struct pipeline **out, const struct pipeline_conf *conf)
{
    struct pipeline *p = calloc(1, sizeof *p);

    if (!p) return ERR_NOMEM;
    p->conf = *conf;
    p->worker_path = strdup(conf->worker_path);
    if (!p->worker_path) {
        free(p);
        return ERR_NOMEM;
    }
    map_init(&p->lives);
    map_init(&p->gops);
    p->streams = metrics_gauge(conf->metrics, "lectern_streams",
                               "live streams, those in grace included", NULL);
    p->takeovers = metrics_counter(conf->metrics, "lectern_takeovers_total",
                                   "publishers replaced by a newer one", NULL);
    *out = p;
    return 0;
}

void pipeline_free(struct pipeline **p)
{
    struct pipeline *old = *p;
    size_t at = 0;
    struct live *l;

    *p = NULL;
    if (!old) return;
    while ((l = map_next(&old->lives, &at, NULL)) != NULL) {
        publisher_unref(&l->publisher);
        release_stream(l);
        free(l);
    }
    map_release(&old->lives);
    map_release(&old->gops);
    directory_unref(&old->directory);
    free(old->worker_path);
    free(old);
}
