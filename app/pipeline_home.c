#include <stdlib.h>
#include <string.h>

#include "app/door.h"
#include "app/pipeline_priv.h"
#include "control/directory.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "edge/upstream_local.h"

enum {
    GRACE_US = 30000000,
    TAKEOVER_SPAN_US = 30000000,
    TAKEOVER_PAUSE_US = 10000000,
};

/* A stream that could not be built. */
void pipeline_forget(void *arg)
{
    struct note *n = arg;
    struct live *l = n->live;

    if (!l->ended) {
        map_remove(&n->pipeline->lives, l->channel);
        metric_set(n->pipeline->streams, (double)n->pipeline->lives.count);
        timer_cancel(&l->grace);
        ranks_set(&n->pipeline->ranks, l->channel, 0);
        publisher_unref(&l->publisher);
        free(l);
    }
    pipeline_note_free(n);
}

/* A stream was built. The other half leaves its bus alone until end_live(). */
void pipeline_announce(void *arg)
{
    struct note *n = arg;
    const struct pipeline_conf *conf = &n->pipeline->conf;

    if (!n->live->ended && conf->on_stream) {
        n->live->announced = true;
        conf->on_stream(n->live->channel, n->live->bus, conf->arg);
    }
    pipeline_note_free(n);
}

static void set_publisher(struct live *l, struct publisher *publisher)
{
    vitals_forget(&l->vitals, l->pipeline->conf.metrics);
    publisher_unref(&l->publisher);
    l->publisher = publisher ? publisher_ref(publisher) : NULL;
    ranks_set(&l->pipeline->ranks, l->channel,
              publisher ? publisher_priority(publisher) : 0);
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
    if (pipeline_post(l->loop, pipeline_end_stream, l, NULL, p))
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
    set_publisher(l, publisher);
    l->loop = publisher_loop(publisher);
    timer_init(&l->grace, p->conf.home, on_grace_over, l);
    if (map_set(&p->lives, l->channel, l)) goto refuse;
    metric_set(p->streams, (double)p->lives.count);
    if (!pipeline_post(l->loop, pipeline_build, l, publisher, p)) return;
    map_remove(&p->lives, l->channel);
refuse:
    if (l) set_publisher(l, NULL);
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
        ranks_guard(&l->pipeline->ranks, l->channel, l->refuse_until);
        memset(l->takeovers, 0, sizeof l->takeovers);
        return false;
    }
    memmove(l->takeovers, l->takeovers + 1,
            (TAKEOVERS_MAX - 1) * sizeof *l->takeovers);
    l->takeovers[TAKEOVERS_MAX - 1] = now;
    return true;
}

/* Of two with one priority the newest wins, but not for ever by turns; one of
 * a higher priority always does, one of a lower never. 0, ERR_EXISTS or
 * ERR_BUSY. */
static int weigh(struct live *l, const struct publisher *newcomer)
{
    int32_t live = publisher_priority(l->publisher);
    int32_t asked = publisher_priority(newcomer);
    int err = asked < live                       ? ERR_EXISTS
              : asked > live || may_take_over(l) ? 0
                                                 : ERR_BUSY;

    if (err)
        log_warn("app", "takeover_refused", log_s("channel", l->channel),
                 log_s("peer", publisher_peer(newcomer)),
                 log_s("problem", err == ERR_EXISTS
                                      ? "one of a higher priority is live"
                                      : "two encoders use one stream key"),
                 log_i("priority", asked), log_i("live_priority", live));
    return err;
}

static void join_live(struct live *l, struct publisher *publisher)
{
    if (l->publisher) {
        int err = weigh(l, publisher);
        if (err) {
            publisher_refused(publisher, err);
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
    if (pipeline_post(l->loop, pipeline_attach_again, l, publisher,
                      l->pipeline)) {
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
    pipeline_note_free(n);
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
    pipeline_note_free(n);
    if (!l) return;
    set_publisher(l, NULL);
    timer_set(&l->grace, loop_now(p->conf.home) + GRACE_US);
    pipeline_post(l->loop, pipeline_say_gone, l, NULL, p);
}

void pipeline_attach(struct publisher *publisher, void *pipeline)
{
    struct pipeline *p = pipeline;

    if (pipeline_post(p->conf.home, attach_at_home, NULL, publisher, p))
        publisher_refused(publisher, ERR_BUSY);
}

void pipeline_detach(struct publisher *publisher, void *pipeline)
{
    struct pipeline *p = pipeline;

    if (pipeline_post(p->conf.home, detach_at_home, NULL, publisher, p))
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

int32_t pipeline_live_priority(struct pipeline *p, const char *channel)
{
    return ranks_of(&p->ranks, channel);
}

bool pipeline_guarded(struct pipeline *p, const char *channel)
{
    return ranks_guarded(&p->ranks, channel, clock_mono_us());
}

void pipeline_impression(void *arg)
{
    struct impression_note *n = arg;
    struct live *l = n->live;

    if (!l->ended && l->publisher)
        publisher_impression(l->publisher, &n->impression);
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
