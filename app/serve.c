#include "app/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/channel_cmd.h"
#include "app/demo.h"
#include "app/node.h"
#include "app/options.h"
#include "app/pipeline.h"
#include "app/probe.h"
#include "app/realtime.h"
#include "app/settings.h"
#include "app/srt.h"
#include "control/directory.h"
#include "control/store.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/net/tls.h"
#include "edge/upstream_local.h"

enum {
    LOOPS_MAX = 64,
    STORE_POLL_US = 1000000, /* how soon a change by the command line counts */
    DRAIN_US = 5000000,
};

struct process {
    struct options options;
    struct settings settings;
    struct metrics *metrics;
    struct tls_server *tls;       /* HTTP: with ALPN */
    struct tls_server *tls_plain; /* RTMPS */
    struct store_db *store;
    int64_t store_version;
    struct loop *loops[LOOPS_MAX];
    struct node *nodes[LOOPS_MAX];
    struct upstream_local *viewers;
    struct pipeline *pipeline;
    struct realtime *realtime; /* NULL: no WebRTC */
    struct srt_ingest *srt;    /* NULL: no SRT */
    struct demo *demo;
    struct channel demo_channel;  /* with the demo's own key */
    char demo_key[KEY_TEXT_SIZE]; /* of this process only; never stored */
    int loop_count, draining;
    _Atomic int http_connections; /* of all nodes */
    struct timer poll, drain_deadline;
    uv_signal_t signals[3];
};

/* --- the directory ----------------------------------------------------------
 */

struct gathering {
    struct channel *channels;
    size_t count, room;
};

static void gather(const struct channel *c, void *arg)
{
    struct gathering *g = arg;

    if (g->count == g->room) {
        size_t room = g->room ? g->room * 2 : 16;
        struct channel *more = realloc(g->channels, room * sizeof *more);
        if (!more) return;
        g->channels = more;
        g->room = room;
    }
    g->channels[g->count++] = *c;
}

static struct channel fixed_channel(const struct channel_settings *s)
{
    struct channel c = {.fixed = true};

    snprintf(c.name, sizeof c.name, "%s", s->name);
    snprintf(c.type, sizeof c.type, "%s", s->type);
    snprintf(c.latency, sizeof c.latency, "%s", s->latency);
    snprintf(c.multitrack, sizeof c.multitrack, "%s", s->multitrack);
    snprintf(c.passphrase, sizeof c.passphrase, "%s", s->srt_passphrase);
    key_hash(c.key_hash, s->stream_key);
    return c;
}

/* Fixed channels first: of two with one name the first counts. */
static int make_directory(struct process *p, struct directory **out)
{
    struct gathering g = {0};
    int err;

    for (int i = 0; i < p->settings.channel_count; i++) {
        struct channel c = fixed_channel(&p->settings.channels[i]);
        gather(&c, &g);
    }
    err = store_db_each(p->store, gather, &g);
    if (!err) err = directory_create(out, g.channels, g.count);
    free(g.channels);
    return err;
}

static void on_poll(void *arg)
{
    struct process *p = arg;
    struct directory *d = NULL;
    int64_t version = store_db_version(p->store);

    timer_set(&p->poll, loop_now(p->loops[0]) + STORE_POLL_US);
    if (version == p->store_version || make_directory(p, &d)) return;
    p->store_version = version;
    log_info("control", "channels",
             log_i("count", (int64_t)directory_count(d)));
    for (int i = 0; i < p->loop_count; i++)
        node_set_directory(p->nodes[i], d);
    srt_ingest_set_directory(p->srt, d);
    pipeline_set_directory(p->pipeline, d);
    directory_unref(&d);
}

/* A first start without any channel makes one, and says its key once. */
static int make_first_channel(struct process *p)
{
    struct channel c = {.name = "demo",
                        .type = "STANDARD",
                        .latency = "LOW",
                        .multitrack = "ALLOW"};
    struct gathering g = {0};
    char key[KEY_TEXT_SIZE];
    int err = store_db_each(p->store, gather, &g);

    free(g.channels);
    if (err || g.count || p->settings.channel_count) return err;
    err = key_make(key);
    if (err) return err;
    key_hash(c.key_hash, key);
    err = store_db_add(p->store, &c);
    if (!err) {
        puts("A channel was made. Its stream key is shown this once:\n");
        channel_print_urls(&p->settings, c.name, key);
        puts("");
    }
    return err;
}

/* --- signals: reload and drain ----------------------------------------------
 */

static void stop_all(struct process *p)
{
    for (int i = p->loop_count - 1; i >= 0; i--)
        loop_stop(p->loops[i]);
}

/* Other loops are still at work, so nothing can be taken apart in order: that
 * is left to the kernel. The store's log is whole at any instant; transcoders
 * end with their sockets. */
static void leave_at_once(void)
{
    log_info("app", "stopped", log_s("how", "at once"));
    _Exit(0);
}

static void on_drain_deadline(void *arg)
{
    (void)arg;
    log_warn("app", "drain",
             log_s("problem", "connections were still open: closed"));
    leave_at_once();
}

static void on_node_drained(void *arg)
{
    struct process *p = arg;

    if (--p->draining == 0) stop_all(p);
}

/* From a node's loop to the home loop. */
static void report_drained(void *arg)
{
    struct process *p = arg;

    if (loop_post(p->loops[0], on_node_drained, p)) stop_all(p);
}

struct drain_order {
    struct process *process;
    struct node *node;
};

static void drain_here(void *arg)
{
    struct drain_order *o = arg;

    node_drain(o->node, DRAIN_US / 2, report_drained, o->process);
    free(o);
}

static void ask_away_here(void *arg)
{
    node_ask_away(arg);
}

static void drain(struct process *p)
{
    if (p->draining) leave_at_once(); /* asked twice */
    log_info("app", "drain", log_s("reason", "signal"));
    demo_free(&p->demo);
    timer_cancel(&p->poll);
    /* Before the word that ends their streams, which comes by the same way. */
    for (int i = 0; i < p->loop_count; i++)
        loop_post(p->loops[i], ask_away_here, p->nodes[i]);
    pipeline_drain(p->pipeline);
    timer_set(&p->drain_deadline, loop_now(p->loops[0]) + DRAIN_US);
    p->draining = p->loop_count;
    if (p->srt) {
        p->draining++;
        srt_ingest_drain(p->srt, on_node_drained, p);
    }
    for (int i = 0; i < p->loop_count; i++) {
        struct drain_order *o = malloc(sizeof *o);
        if (o) *o = (struct drain_order){p, p->nodes[i]};
        if (o && !loop_post(p->loops[i], drain_here, o)) continue;
        free(o);
        stop_all(p);
    }
}

static void reload(struct process *p)
{
    static struct settings fresh;
    char why[CONF_WHY_MAX] = "";
    int err = settings_load(&fresh, p->options.config, p->options.sets,
                            p->options.set_count, why);

    if (!err && p->tls) err = tls_server_reload(p->tls);
    if (!err && p->tls_plain) err = tls_server_reload(p->tls_plain);
    if (err && !*why)
        snprintf(why, sizeof why, "https.cert: %s", err_text(err));
    if (err) {
        log_error("app", "reload", log_s("problem", why),
                  log_s("outcome", "the old settings stay"));
        return;
    }
    memcpy(p->settings.channels, fresh.channels, sizeof fresh.channels);
    p->settings.channel_count = fresh.channel_count;
    p->store_version = -1;
    on_poll(p);
    log_info("app", "reload", log_s("what", "channels and certificate"));
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;

    if (number == SIGHUP)
        reload(p);
    else
        drain(p);
}

static void watch_signals(struct process *p)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    for (int i = 0; i < 3; i++) {
        uv_signal_init(loop_uv(p->loops[0]), &p->signals[i]);
        p->signals[i].data = p;
        uv_signal_start(&p->signals[i], on_signal, numbers[i]);
    }
}

/* --- making ------------------------------------------------------------------
 */

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

/* The demo publishes with a key of its own, which lives as long as we do. */
static int choose_demo_channel(struct process *p, const struct directory *d)
{
    const struct channel *c = directory_find(d, "demo");

    if (!c && directory_count(d)) c = directory_at(d, 0);
    if (!c) {
        p->settings.demo = false;
        return 0;
    }
    p->demo_channel = *c;
    int err = key_make(p->demo_key);
    if (!err) key_hash(p->demo_channel.key_hash, p->demo_key);
    return err;
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
    if (!err) err = make_first_channel(p);
    if (!err) err = metrics_create(&p->metrics);
    if (!err) err = make_loops(p);
    if (!err) err = make_directory(p, &d);
    if (!err && s->demo) err = choose_demo_channel(p, d);
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
    timer_init(&p->poll, p->loops[0], on_poll, p);
    timer_init(&p->drain_deadline, p->loops[0], on_drain_deadline, p);
    timer_set(&p->poll, loop_now(p->loops[0]) + STORE_POLL_US);
    watch_signals(p);
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
