/* ingest/publisher_priv.h — a publisher's parts among themselves:
 * publisher.c (its life, the door), publisher_media.c (tracks and frames),
 * publisher_health.c (what is wrong with them). */
#ifndef INGEST_PUBLISHER_PRIV_H
#define INGEST_PUBLISHER_PRIV_H
#include <stdatomic.h>

#include "core/base/metric.h"
#include "core/loop/timer.h"
#include "ingest/ear.h"
#include "ingest/health.h"
#include "ingest/life.h"
#include "ingest/publisher.h"
#include "ingest/quorum.h"
#include "ingest/source.h"
#include "ingest/timeline.h"

enum {
    PROTOCOL_MAX = 16,
    PEER_MAX = 80,
    REASON_MAX = 120,
};

enum publisher_state { NEW, ADMITTED, ASKED, LIVE, KICKED, CLOSED };

struct kick {
    struct publisher *p; /* a reference */
    char reason[REASON_MAX];
};

struct publisher_slot {
    struct track *track;
    struct source source;
    bool need_key;
    int64_t announced_at;
};

struct publisher {
    atomic_uint refs;
    struct ingest_door door;
    struct loop *loop;
    struct publisher_events events;
    char protocol[PROTOCOL_MAX], peer[PEER_MAX];
    struct ingest_grant grant;
    int32_t priority;
    enum publisher_state state;
    bool attached; /* the door answered so, and detach is owed */
    /* Set at once by publisher_kick(), so that no frame follows those of the
     * successor while the message is still on its way. */
    atomic_bool ousted;
    struct kick *early; /* came before the answer; NULL: none */

    /* The door's answer; whole once `answered` is set. */
    atomic_bool answered;
    struct bus *answer_bus;
    int64_t answer_base_us;
    int answer_err;

    struct bus *bus;
    struct ear *ear;    /* NULL: nobody here can ask an encoder */
    struct life life;   /* while LIVE */
    struct timer clock; /* life's next moment */
    struct quorum quorum;
    struct timer verdict; /* of quorum */
    struct health health;
    struct timer pulse;               /* of health */
    int64_t said_at[HEALTH_WARNINGS]; /* in the log */
    unsigned said;                    /* bits: whose end is to be said */
    struct timeline timeline;
    struct timeline_counts seen; /* as last counted in metrics */
    struct publisher_slot slots[TIMELINE_SLOTS];
    uint64_t frames, bytes, lost;
    struct metric *m_frames, *m_bytes, *m_lost, *m_refused;
    struct metric *m_limited, *m_starving, *m_single;
    struct metric *m_clamped, *m_rebased, *m_resynced, *m_early;
};

/* It fed on media of so many bytes. */
void publisher_fed(struct publisher *p, size_t bytes);
/* More than a limit allows: it is sent away, by mail. */
void publisher_over_limit(struct publisher *p, const char *limit,
                          const char *why);

/* A track came: from the first on, others must follow where they are
 * required. */
void publisher_watch_quorum(struct publisher *p);

/* publisher_health.c — while LIVE */
void publisher_health_begin(struct publisher *p);
void publisher_health_end(struct publisher *p);

#endif
