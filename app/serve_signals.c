#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/demo.h"
#include "app/node.h"
#include "app/pipeline.h"
#include "app/serve_priv.h"
#include "app/srt.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/net/tls.h"

enum { DRAIN_US = 5000000 };

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
    serve_reload_channels(p);
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

void serve_watch_signals(struct process *p)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    timer_init(&p->drain_deadline, p->loops[0], on_drain_deadline, p);
    for (int i = 0; i < 3; i++) {
        uv_signal_init(loop_uv(p->loops[0]), &p->signals[i]);
        p->signals[i].data = p;
        uv_signal_start(&p->signals[i], on_signal, numbers[i]);
    }
}
