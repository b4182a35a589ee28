#include "app/serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/channel_cmd.h"
#include "app/demo.h"
#include "app/node.h"
#include "app/pipeline.h"
#include "app/probe.h"
#include "app/realtime.h"
#include "app/serve_priv.h"
#include "app/srt.h"
#include "control/store.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/net/tls.h"
#include "edge/upstream_local.h"

/* As many sockets as the system lets this process have. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int make_loops(struct process *p)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int want = p->settings.loops ? (int)p->settings.loops : (int)cores;

    if (want > LOOPS_MAX) want = LOOPS_MAX;
    for (int i = 0; i < want; i++) {
        int err = loop_create(&p->loops[i], i);
        if (err) return err;
        p->loop_count++;
    }
    return 0;
}

/* "127.0.0.1:0" lets the system choose: the other loops share its choice. */
static void settle_port(char *listen, size_t size, int port)
{
    char *colon = strrchr(listen, ':');

    if (!colon || strcmp(colon, ":0") != 0 || port <= 0) return;
    snprintf(colon, size - (size_t)(colon - listen), ":%d", port);
}

static int make_tls(struct process *p, char why[256])
{
    struct tls_server_conf conf = {.cert = p->settings.https_cert,
                                   .key = p->settings.https_key,
                                   .data_dir = p->settings.data_dir,
                                   .offers_http = true};
    char host[256] = "";
    const char *hosts[] = {host, NULL};
    int err = 0;

    gethostname(host, sizeof host - 1);
    conf.hosts = hosts;
    if (*p->settings.https_listen) err = tls_server_create(&p->tls, &conf);
    conf.offers_http = false;
    if (!err && *p->settings.rtmps_listen)
        err = tls_server_create(&p->tls_plain, &conf);
    if (err) snprintf(why, 256, "https.cert, https.key: %s", err_text(err));
    return err;
}

static int make_nodes(struct process *p, struct directory *d, char why[256])
{
    struct settings *s = &p->settings;

    for (int i = 0; i < p->loop_count; i++) {
        struct node_conf conf = {.loop = p->loops[i],
                                 .settings = s,
                                 .metrics = p->metrics,
                                 .http_connections = &p->http_connections,
                                 .tls = p->tls,
                                 .tls_plain = p->tls_plain,
                                 .directory = d,
                                 .demo = s->demo ? &p->demo_channel : NULL};
        int err = node_create(&p->nodes[i], &conf, why);
        if (err) return err;
        settle_port(s->http_listen, sizeof s->http_listen,
                    node_http_port(p->nodes[i]));
        settle_port(s->https_listen, sizeof s->https_listen,
                    node_https_port(p->nodes[i]));
    }
    return 0;
}

static void on_stream(const char *channel, struct bus *bus, void *arg)
{
    struct process *p = arg;

    realtime_stream(p->realtime, channel, bus);
}

static int make_srt(struct process *p, struct directory *d, char why[256])
{
    struct settings *s = &p->settings;
    struct srt_ingest_conf conf = {.settings = s,
                                   .loops = p->loops,
                                   .loop_count = p->loop_count,
                                   .directory = d,
                                   .demo = s->demo ? &p->demo_channel : NULL,
                                   .pipeline = p->pipeline,
                                   .metrics = p->metrics};
    int err = srt_ingest_create(&p->srt, &conf, why);

    if (!err)
        settle_port(s->srt_listen, sizeof s->srt_listen,
                    srt_ingest_port(p->srt));
    return err;
}

static int make_realtime(struct process *p, char why[256])
{
    struct realtime_conf conf = {.settings = &p->settings,
                                 .metrics = p->metrics,
                                 .loops = p->loops,
                                 .loop_count = p->loop_count};
    int err = realtime_create(&p->realtime, &conf, why);

    for (int i = 0; !err && i < p->loop_count; i++)
        err = node_open_realtime(p->nodes[i], p->realtime, why);
    if (!err && p->realtime) {
        err = realtime_join(p->realtime);
        settle_port(p->settings.webrtc_listen, sizeof p->settings.webrtc_listen,
                    realtime_port(p->realtime));
    }
    return err;
}

static int make_line(struct process *p, char why[256])
{
    char worker[4200];
    int err;

    err = upstream_local_create(&p->viewers);
    for (int i = 0; !err && i < p->loop_count; i++)
        err =
            upstream_local_add(p->viewers, p->loops[i], node_edge(p->nodes[i]));
    if (err) return err;
    probe_worker_path(worker, sizeof worker, p->settings.transcode_worker);
    struct pipeline_conf conf = {
        .home = p->loops[0],
        .viewers = p->viewers,
        .metrics = p->metrics,
        .worker_path = worker,
        .realtime = *p->settings.webrtc_listen,
        .on_stream = *p->settings.webrtc_listen ? on_stream : NULL,
        .arg = p};
    err = pipeline_create(&p->pipeline, &conf);
    for (int i = 0; !err && i < p->loop_count; i++) {
        err = node_open_ingest(p->nodes[i], p->pipeline, why);
        settle_port(p->settings.rtmp_listen, sizeof p->settings.rtmp_listen,
                    node_rtmp_port(p->nodes[i]));
        settle_port(p->settings.rtmps_listen, sizeof p->settings.rtmps_listen,
                    node_rtmps_port(p->nodes[i]));
    }
    return err;
}

static bool is_demo_busy(void *arg)
{
    struct process *p = arg;

    return pipeline_is_live(p->pipeline, p->demo_channel.name);
}

static int make_demo(struct process *p)
{
    char url[160];
    struct demo_conf conf = {
        .loop = p->loops[0], .url = url, .is_busy = is_demo_busy, .arg = p};

    if (!p->settings.demo) return 0;
    snprintf(url, sizeof url, "rtmp://127.0.0.1%s/live/%s",
             strrchr(p->settings.rtmp_listen, ':'), p->demo_key);
    return demo_create(&p->demo, &conf);
}

static int make_all(struct process *p, char why[256])
{
    struct settings *s = &p->settings;
    struct directory *d = NULL;
    int err;

    snprintf(why, 256, "%s", err_text(ERR_NOMEM));
    if (mkdir(s->data_dir, 0700) && errno != EEXIST) {
        snprintf(why, 256, "data_dir: %.180s: %s", s->data_dir,
                 strerror(errno));
        return ERR_IO;
    }
    err = store_db_open(&p->store, s->data_dir, why);
    if (!err) err = serve_first_channel(p);
    if (!err) err = metrics_create(&p->metrics);
    if (!err) err = make_loops(p);
    if (!err) err = serve_directory(p, &d);
    if (!err && s->demo) err = serve_choose_demo(p, d);
    if (!err) err = make_tls(p, why);
    if (!err) err = make_nodes(p, d, why);
    if (!err) err = make_line(p, why);
    if (!err) err = make_srt(p, d, why);
    if (!err) err = make_realtime(p, why);
    if (!err) {
        p->store_version = store_db_version(p->store);
        pipeline_set_directory(p->pipeline, d);
        err = make_demo(p);
    }
    directory_unref(&d);
    return err;
}

static void free_all(struct process *p)
{
    demo_free(&p->demo);
    srt_ingest_free(&p->srt);
    for (int i = 0; i < p->loop_count; i++)
        node_free(&p->nodes[i]);
    realtime_free(&p->realtime);
    pipeline_free(&p->pipeline);
    upstream_local_free(&p->viewers);
    for (int i = 0; i < p->loop_count; i++)
        loop_free(&p->loops[i]);
    tls_server_free(&p->tls);
    tls_server_free(&p->tls_plain);
    store_db_close(&p->store);
    metrics_free(&p->metrics);
}

static int run_until_signal(struct process *p)
{
    serve_watch_channels(p);
    serve_watch_signals(p);
    for (int i = 1; i < p->loop_count; i++) {
        int err = loop_start(p->loops[i]);
        if (err) return err;
    }
    log_info("app", "ready", log_s("http", p->settings.http_listen),
             log_s("https", p->settings.https_listen),
             log_s("rtmp", p->settings.rtmp_listen),
             log_s("srt", p->settings.srt_listen),
             log_s("webrtc", p->settings.webrtc_listen),
             log_i("loops", p->loop_count));
    if (p->settings.demo)
        channel_print_urls(&p->settings, p->demo_channel.name, NULL);
    loop_run(p->loops[0]);
    for (int i = 1; i < p->loop_count; i++)
        loop_join(p->loops[i]);
    return 0;
}

int serve_main(int argc, char **argv)
{
    static struct process p;
    char why[CONF_WHY_MAX] = "";
    enum log_level level = LOG_INFO;
    int err = options_parse(&p.options, argc, argv, OPTIONS_SERVE, why);

    if (!err)
        err = settings_load(&p.settings, p.options.config, p.options.sets,
                            p.options.set_count, why);
    if (err) {
        fprintf(stderr, "lectern: %s\n", why);
        return 2;
    }
    if (p.options.demo) p.settings.demo = true;
    log_level_parse(p.settings.log_level, &level);
    log_setup(level, STDERR_FILENO);
    buf_set_limit((size_t)p.settings.memory_mib << 20);
    raise_file_limit();
    err = make_all(&p, why);
    if (!err) {
        err = run_until_signal(&p);
        snprintf(why, sizeof why, "%s", err_text(err));
    }
    free_all(&p);
    if (err) {
        fprintf(stderr, "lectern: %s\n", why);
        return 1;
    }
    log_info("app", "stopped");
    return 0;
}
