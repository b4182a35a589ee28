#include <stdio.h>
#include <stdlib.h>

#include "app/channel_cmd.h"
#include "app/node.h"
#include "app/pipeline.h"
#include "app/serve_priv.h"
#include "app/srt.h"
#include "control/store.h"
#include "core/base/log.h"

enum {
    STORE_POLL_US = 1000000, /* how soon a change by the command line counts */
};

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
int serve_directory(struct process *p, struct directory **out)
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
    if (version == p->store_version || serve_directory(p, &d)) return;
    p->store_version = version;
    log_info("control", "channels",
             log_i("count", (int64_t)directory_count(d)));
    for (int i = 0; i < p->loop_count; i++)
        node_set_directory(p->nodes[i], d);
    srt_ingest_set_directory(p->srt, d);
    pipeline_set_directory(p->pipeline, d);
    directory_unref(&d);
}

int serve_first_channel(struct process *p)
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

/* The demo publishes with a key of its own, which lives as long as we do. */
int serve_choose_demo(struct process *p, const struct directory *d)
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

void serve_watch_channels(struct process *p)
{
    timer_init(&p->poll, p->loops[0], on_poll, p);
    timer_set(&p->poll, loop_now(p->loops[0]) + STORE_POLL_US);
}

void serve_reload_channels(struct process *p)
{
    p->store_version = -1;
    on_poll(p);
}
