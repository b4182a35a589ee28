#include "app/srt.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/door.h"
#include "app/pipeline.h"
#include "app/settings.h"
#include "control/directory.h"
#include "core/base/err.h"
#include "core/loop/holder.h"
#include "ingest/srt/server.h"

struct srt_ingest {
    struct holder directory;
    const struct channel *demo;
    struct pipeline *pipeline;
    struct srt_server *server;
};

static void *ref_directory(void *d)
{
    return directory_ref(d);
}

static void unref_directory(void *d)
{
    struct directory *mine = d;

    directory_unref(&mine);
}

static int authorise(const char *key, struct ingest_grant *out, void *arg)
{
    struct srt_ingest *s = arg;
    struct directory *d = holder_take(&s->directory);
    int err;

    if (!d) return ERR_DENIED;
    err = door_grant(out, d, s->demo, key);
    directory_unref(&d);
    return err;
}

static void attach(struct publisher *p, void *arg)
{
    struct srt_ingest *s = arg;

    pipeline_attach(p, s->pipeline);
}

static void detach(struct publisher *p, void *arg)
{
    struct srt_ingest *s = arg;

    pipeline_detach(p, s->pipeline);
}

static int32_t live_priority(const char *channel, void *arg)
{
    struct srt_ingest *s = arg;

    return pipeline_live_priority(s->pipeline, channel);
}

static void on_starving(struct publisher *p, bool starving, void *arg)
{
    struct srt_ingest *s = arg;

    pipeline_starving(p, starving, s->pipeline);
}

static void on_health(struct publisher *p, const struct health_figures *f,
                      void *arg)
{
    struct srt_ingest *s = arg;

    pipeline_health(p, f, s->pipeline);
}

static int listen_on(struct srt_ingest *s, const struct srt_ingest_conf *conf,
                     char why[256])
{
    const struct settings *settings = conf->settings;
    struct ingest_door door = {.authorise = authorise,
                               .attach = attach,
                               .detach = detach,
                               .live_priority = live_priority,
                               .arg = s,
                               .metrics = conf->metrics,
                               .limits = door_limits(settings),
                               .on_starving = on_starving,
                               .on_health = on_health};
    struct srt_server_conf server = {.loops = conf->loops,
                                     .loop_count = conf->loop_count,
                                     .listen = settings->srt_listen,
                                     .door = &door,
                                     .latency_ms = (int)settings->srt_latency,
                                     .metrics = conf->metrics};
    int err;

    srt_server_limits_default(&server.limits);
    server.limits.connections_per_address = (int)settings->ingest_per_address;
    err = srt_server_create(&s->server, &server);
    if (err)
        snprintf(why, 256, "srt.listen: %s: %s", settings->srt_listen,
                 err == ERR_BUSY ? "address is in use" : err_text(err));
    return err;
}

int srt_ingest_create(struct srt_ingest **out,
                      const struct srt_ingest_conf *conf, char why[256])
{
    struct srt_ingest *s;
    int err;

    if (!*conf->settings->srt_listen) return 0;
    s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    holder_init(&s->directory, ref_directory, unref_directory);
    holder_put(&s->directory, conf->directory);
    s->demo = conf->demo;
    s->pipeline = conf->pipeline;
    err = listen_on(s, conf, why);
    if (err)
        srt_ingest_free(&s);
    else
        *out = s;
    return err;
}

void srt_ingest_set_directory(struct srt_ingest *s, struct directory *d)
{
    if (s) holder_put(&s->directory, d);
}

void srt_ingest_drain(struct srt_ingest *s, void (*on_done)(void *arg),
                      void *arg)
{
    srt_server_stop(s->server, on_done, arg);
}

int srt_ingest_port(const struct srt_ingest *s)
{
    return s ? srt_server_port(s->server) : -1;
}

void srt_ingest_free(struct srt_ingest **out)
{
    struct srt_ingest *s = *out;

    *out = NULL;
    if (!s) return;
    srt_server_free(&s->server);
    holder_release(&s->directory);
    free(s);
}
