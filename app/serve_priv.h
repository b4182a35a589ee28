/* app/serve_priv.h — the process: what serve.c (makes it and takes it apart),
 * serve_channels.c and serve_signals.c share. On the home loop. */
#ifndef APP_SERVE_PRIV_H
#define APP_SERVE_PRIV_H
#include "app/options.h"
#include "app/settings.h"
#include "control/directory.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"

enum { LOOPS_MAX = 64 };

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

/* --- serve_channels.c: which channels there are --------------------------- */
/* Gives those of the settings and of the store. */
int serve_directory(struct process *p, struct directory **out);
/* A first start without any channel makes one, and says its key once. */
int serve_first_channel(struct process *p);
/* The demo's channel and key; without a channel there is no demo. */
int serve_choose_demo(struct process *p, const struct directory *d);
/* From now on a change counts within a second. */
void serve_watch_channels(struct process *p);
/* The channels of the settings changed. */
void serve_reload_channels(struct process *p);

/* --- serve_signals.c: reload and drain ------------------------------------ */
void serve_watch_signals(struct process *p);

#endif
