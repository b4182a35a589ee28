/* app/pipeline.h — the straight line as code: who publishes becomes a stream,
 * the stream gets its ladder and its packager, viewers of every loop get what
 * the packager says.
 *
 * A stream's life: made for its first publisher; a second publisher takes over
 * within it; without one it waits GRACE_US for a return, then ends.
 *
 *   (none) ──attach──► LIVE ──detach──► GRACE ──30 s──► ended
 *                       ▲ └─attach: old one is kicked─┐    │
 *                       └──────────attach─────────────┴────┘
 *
 * Lives on its home loop; each stream's bus, ladder and packager live on the
 * loop of the publisher it was made for. */
#ifndef APP_PIPELINE_H
#define APP_PIPELINE_H
#include <stdbool.h>

#include "ingest/publisher.h"
#include "transcode/transcode.h"

struct buf;
struct bus;
struct directory;
struct loop;
struct metrics;
struct pipeline;
struct upstream_local;

struct pipeline_conf {
    struct loop *home;
    struct upstream_local *viewers; /* where packaged media goes; borrowed */
    struct metrics *metrics;
    const char *worker_path; /* lectern-transcode; copied */
    bool realtime;           /* streams are made fit for WebRTC, too */
    /* On the home loop: a stream began (borrows bus; it may live on another
     * loop), or with NULL: it ended. May be NULL. */
    void (*on_stream)(const char *channel, struct bus *bus, void *arg);
    void *arg;
};

/* 0 or ERR_NOMEM. */
int pipeline_create(struct pipeline **out, const struct pipeline_conf *conf);
/* On the home loop: the channels that exist now; shares d. A channel that went
 * away loses its stream, one whose key changed loses a publisher that came with
 * the old one: its stream waits, as if the connection had broken. */
void pipeline_set_directory(struct pipeline *p, struct directory *d);
/* Ingest's door calls these, on any loop. */
void pipeline_attach(struct publisher *p, void *pipeline);
void pipeline_detach(struct publisher *p, void *pipeline);
/* On the publisher's loop: viewers' API says so. */
void pipeline_starving(struct publisher *p, bool starving, void *pipeline);
/* On the publisher's loop: how its source is; borrows f. */
void pipeline_health(struct publisher *p, const struct health_figures *f,
                     void *pipeline);
/* Any thread: the priority of the channel's live publisher, else 0. */
int32_t pipeline_live_priority(struct pipeline *p, const char *channel);
/* Any thread: are takeovers by one of the same priority refused now? */
bool pipeline_guarded(struct pipeline *p, const char *channel);
struct loop *pipeline_home(const struct pipeline *p); /* any thread */
/* On the home loop: see app/vitals.h. NULL without memory. */
struct buf *pipeline_vitals_json(struct pipeline *p, const char *channel);
/* On the home loop. */
bool pipeline_is_live(struct pipeline *p, const char *channel);
/* Ends every stream (viewers get ENDLIST). On the home loop; the other loops
 * must still run. */
void pipeline_drain(struct pipeline *p);
/* Every loop stopped. Takes *p. */
void pipeline_free(struct pipeline **p);

#endif
