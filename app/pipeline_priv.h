/* app/pipeline_priv.h — the pipeline's halves among themselves: pipeline.c (the
 * line itself, on each stream's loop), pipeline_home.c (which streams there
 * are, and whose, on the home loop). */
#ifndef APP_PIPELINE_PRIV_H
#define APP_PIPELINE_PRIV_H
#include "app/pipeline.h"
#include "app/ranks.h"
#include "app/vitals.h"
#include "control/channel.h"
#include "core/base/map.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"

enum {
    /* Two encoders with one key would take the stream from each other for
     * ever: after so many takeovers the newest is sent away for a while. */
    TAKEOVERS_MAX = 3,
};

struct pipeline {
    struct pipeline_conf conf;
    char *worker_path;
    struct directory *directory;
    struct map lives; /* channel name → struct live */
    /* channel name → µs between its encoder's keyframes the last time: the
     * next stream need not wait to see. Bound: GOPS_MAX, then forgotten. */
    struct map gops;
    struct ranks ranks; /* priorities of live publishers */
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

/* How a stream's source looks or sounds. */
struct impression_note {
    struct live *live;
    struct impression impression;
};

void pipeline_note_free(struct note *n);
/* 0, ERR_NOMEM or ERR_LIMIT; fn gets the note and frees it. */
int pipeline_post(struct loop *to, loop_fn *fn, struct live *live,
                  struct publisher *publisher, struct pipeline *p);

/* pipeline.c — notes, on the stream's loop. */
void pipeline_build(void *note);        /* and attach its first publisher */
void pipeline_attach_again(void *note); /* another publisher */
void pipeline_say_gone(void *note);     /* it has none now */
void pipeline_end_stream(void *note);   /* for good; frees the live */

/* pipeline_home.c — notes, on the home loop. */
void pipeline_impression(void *note); /* a struct impression_note */
void pipeline_forget(void *note);     /* it could not be built */
void pipeline_announce(void *note);   /* it was built */

#endif
