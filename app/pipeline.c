#include "app/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "app/pipeline_priv.h"
#include "control/directory.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "edge/upstream_local.h"
#include "packager/packager.h"

enum { GOPS_MAX = 4096, SEGMENT_US = 2000000 };

void pipeline_note_free(struct note *n)
{
    publisher_unref(&n->publisher);
    free(n);
}

int pipeline_post(struct loop *to, loop_fn *fn, struct live *live,
                  struct publisher *publisher, struct pipeline *p)
{
    struct note *n = malloc(sizeof *n);
    int err;

    if (!n) return ERR_NOMEM;
    *n = (struct note){live, publisher ? publisher_ref(publisher) : NULL, p};
    err = loop_post(to, fn, n);
    if (err) pipeline_note_free(n);
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

static void on_impression(const struct impression *c, void *arg)
{
    struct live *l = arg;
    struct impression_note *n = malloc(sizeof *n);

    if (!n) return; /* the next one comes in a second */
    *n = (struct impression_note){l, *c};
    if (loop_post(l->pipeline->conf.home, pipeline_impression, n)) free(n);
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
        .on_impression = on_impression,
        .arg = l,
    };
    err = packager_create(&l->packager, l->bus, &packager);
    if (!err) err = transcode_create(&l->transcode, l->bus, &ladder);
    if (err) release_stream(l);
    return err;
}

void pipeline_build(void *arg)
{
    struct note *n = arg;
    int err = build_stream(n->live);

    if (err) {
        log_error("app", "stream_failed", log_s("channel", n->live->channel),
                  log_s("error", err_text(err)));
        publisher_refused(n->publisher, err);
        pipeline_post(n->pipeline->conf.home, pipeline_forget, n->live, NULL,
                      n->pipeline);
    } else {
        log_info(
            "app", "stream", log_s("channel", n->live->channel),
            log_i("generation", (int64_t)bus_conf(n->live->bus)->generation),
            log_s("type", n->live->settings.type));
        publisher_attached(n->publisher, n->live->bus, 0);
        pipeline_post(n->pipeline->conf.home, pipeline_announce, n->live, NULL,
                      n->pipeline);
    }
    pipeline_note_free(n);
}

/* The newcomer's first frame comes after all that is there, and where the
 * wall clock says, so that the gap on the timeline is the gap there was. */
void pipeline_attach_again(void *arg)
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
    pipeline_note_free(n);
}

void pipeline_say_gone(void *arg)
{
    struct note *n = arg;

    if (n->live->bus) bus_signal(n->live->bus, BUS_GONE);
    pipeline_note_free(n);
}

static void free_live(void *arg)
{
    struct note *n = arg;
    struct map *gops = &n->pipeline->gops;

    if (gops->count >= GOPS_MAX) map_release(gops);
    if (n->live->gop_us > 0)
        map_set(gops, n->live->channel, (void *)(intptr_t)n->live->gop_us);
    free(n->live);
    pipeline_note_free(n);
}

void pipeline_end_stream(void *arg)
{
    struct note *n = arg;
    struct live *l = n->live;

    if (l->transcode) l->gop_us = transcode_gop_us(l->transcode);
    if (l->bus) bus_signal(l->bus, BUS_END);
    release_stream(l);
    /* The home loop may still hold a message about it: freed behind that. */
    if (pipeline_post(n->pipeline->conf.home, free_live, l, NULL, n->pipeline))
        log_error("app", "stream_leaked", log_s("channel", l->channel));
    pipeline_note_free(n);
}

/* --- the whole ------------------------------------------------------------ */

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
    ranks_init(&p->ranks);
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
    ranks_release(&old->ranks);
    directory_unref(&old->directory);
    free(old->worker_path);
    free(old);
}
