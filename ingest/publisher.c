#include "ingest/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "ingest/priority.h"
#include "ingest/publisher_priv.h"

enum {
    RETURNING_US = 100000
}; /* a base later than this: someone was here
       before */

static void make_metrics(struct publisher *p)
{
    struct metrics *m = p->door.metrics;
    static const char repairs[] = "lectern_ingest_repairs_total";
    static const char help[] = "Timestamps put right, by kind of fault.";
    char labels[64] = "";

    metric_label(labels, sizeof labels, "protocol", p->protocol);
    p->m_frames = metrics_counter(m, "lectern_ingest_frames_total",
                                  "Frames taken from publishers.", labels);
    p->m_bytes = metrics_counter(m, "lectern_ingest_bytes_total",
                                 "Payload taken from publishers.", labels);
    p->m_lost = metrics_counter(m, "lectern_ingest_lost_frames_total",
                                "Frames that could not be handed on.", labels);
    p->m_refused = metrics_counter(m, "lectern_ingest_refused_total",
                                   "Publishers refused.", labels);
    p->m_limited = metrics_counter(m, "lectern_ingest_limited_total",
                                   "Publishers over a limit.", labels);
    p->m_starving =
        metrics_counter(m, "lectern_ingest_starving_total",
                        "Publishers that were silent for 10 s.", labels);
    p->m_single = metrics_counter(
        m, "lectern_ingest_single_track_total",
        "Publishers of one video track where several are required.", labels);
    p->m_clamped = metrics_counter(m, repairs, help, "kind=\"clamped\"");
    p->m_rebased = metrics_counter(m, repairs, help, "kind=\"rebased\"");
    p->m_resynced = metrics_counter(m, repairs, help, "kind=\"resynced\"");
    p->m_early = metrics_counter(m, repairs, help, "kind=\"early\"");
}

int publisher_create(struct publisher **out, const struct ingest_door *door,
                     struct loop *loop, const char *protocol, const char *peer,
                     const struct publisher_events *events)
{
    struct publisher *p = calloc(1, sizeof *p);

    if (!p) return ERR_NOMEM;
    atomic_init(&p->refs, 1);
    atomic_init(&p->answered, false);
    atomic_init(&p->ousted, false);
    p->door = *door;
    p->loop = loop;
    p->events = *events;
    snprintf(p->protocol, sizeof p->protocol, "%s", protocol);
    snprintf(p->peer, sizeof p->peer, "%s", peer);
    make_metrics(p);
    *out = p;
    return 0;
}

struct publisher *publisher_ref(struct publisher *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void publisher_unref(struct publisher **out)
{
    struct publisher *p = *out;

    *out = NULL;
    if (!p) return;
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < TIMELINE_SLOTS; i++)
        track_unref(&p->slots[i].track);
    bus_unref(&p->bus);
    free(p);
}

static void log_event(const struct publisher *p, const char *event,
                      const char *reason)
{
    log_info("ingest", event, log_s("channel", p->grant.channel),
             log_s("protocol", p->protocol), log_s("peer", p->peer),
             log_s("reason", reason), log_i("frames", (int64_t)p->frames),
             log_i("bytes", (int64_t)p->bytes));
}

/* --- asking and being answered --- */

static void note_refused(struct publisher *p, int err)
{
    p->state = CLOSED;
    metric_add(p->m_refused, 1);
    log_warn("ingest", "refused", log_s("channel", p->grant.channel),
             log_s("protocol", p->protocol), log_s("peer", p->peer),
             log_s("reason", err == ERR_DENIED   ? "wrong stream key"
                             : err == ERR_EXISTS ? priority_too_low
                                                 : err_text(err)));
}

static void refuse(struct publisher *p, int err)
{
    note_refused(p, err);
    p->events.on_refused(err, p->events.arg);
}

static void on_wish(uint8_t track_id, void *arg)
{
    struct publisher *p = arg;
    int slot = track_id - TRACK_SOURCE_FIRST;

    if (slot < 0 || slot >= TIMELINE_SLOTS || !p->slots[slot].track ||
        atomic_load(&p->ousted))
        return;
    p->events.on_key_wanted(slot, p->events.arg);
}

static void say_starving(struct publisher *p, bool starving)
{
    if (p->door.on_starving) p->door.on_starving(p, starving, p->door.arg);
}

static void leave_bus(struct publisher *p)
{
    if (p->bus) {
        timer_cancel(&p->clock);
        timer_cancel(&p->verdict);
        publisher_health_end(p);
    }
    if (p->life.starving) say_starving(p, false);
    p->life.starving = false;
    ear_close(&p->ear);
    bus_unref(&p->bus);
}

/* LIVE → KICKED; its session may close it from within. */
static void lose_place(struct publisher *p, const char *reason)
{
    atomic_store(&p->ousted, true);
    p->state = KICKED;
    leave_bus(p);
    p->events.on_kicked(reason, p->events.arg);
}

static void on_clock(void *arg)
{
    struct publisher *p = arg;
    int64_t next;

    switch (life_tick(&p->life, loop_now(p->loop), &next)) {
    case LIFE_IS_OVER: lose_place(p, "no media for 30 s"); return;
    case LIFE_STARVES:
        metric_add(p->m_starving, 1);
        log_warn("ingest", "starving", log_s("channel", p->grant.channel),
                 log_s("protocol", p->protocol), log_s("peer", p->peer),
                 log_s("problem", "connected, but no media for 10 s"));
        say_starving(p, true);
        break;
    case LIFE_GOES_ON: break;
    }
    timer_set(&p->clock, next);
}

static void on_verdict(void *arg)
{
    struct publisher *p = arg;
    int count = 0;

    for (int i = 0; i < TIMELINE_SLOTS; i++)
        count += p->slots[i].track &&
                 track_info(p->slots[i].track)->kind == TRACK_VIDEO;
    if (!quorum_is_missed(&p->quorum, loop_now(p->loop), count)) return;
    metric_add(p->m_single, 1);
    log_warn("ingest", "single_track", log_s("channel", p->grant.channel),
             log_s("protocol", p->protocol), log_s("peer", p->peer),
             log_i("video_tracks", count), log_s("reason", quorum_missed));
    lose_place(p, quorum_missed);
}

void publisher_watch_quorum(struct publisher *p)
{
    if (p->grant.multitrack && quorum_begin(&p->quorum, loop_now(p->loop)))
        timer_set(&p->verdict, p->quorum.due_at);
}

void publisher_fed(struct publisher *p, size_t bytes)
{
    char why[REASON_MAX];

    if (life_feed(&p->life, loop_now(p->loop), bytes)) {
        log_info("ingest", "fed_again", log_s("channel", p->grant.channel),
                 log_s("peer", p->peer));
        say_starving(p, false);
    }
    if (!life_is_over_rate(&p->life, &p->door.limits)) return;
    snprintf(why, sizeof why, "limits.source_kbps: more than %lld kbit/s",
             (long long)(p->door.limits.bitrate_bps / 1000));
    publisher_over_limit(p, "source_kbps", why);
}

void publisher_over_limit(struct publisher *p, const char *limit,
                          const char *why)
{
    if (atomic_load(&p->ousted)) return;
    metric_add(p->m_limited, 1);
    log_warn("ingest", "over_limit", log_s("channel", p->grant.channel),
             log_s("protocol", p->protocol), log_s("peer", p->peer),
             log_s("limit", limit), log_s("reason", why));
    publisher_kick(p, why);
}

static void on_kick(void *arg)
{
    struct kick *k = arg;
    struct publisher *p = k->p;

    if (p->state == ASKED && !p->early) {
        p->early = k;
        return;
    }
    if (p->state == LIVE) lose_place(p, k->reason);
    publisher_unref(&p);
    free(k);
}

static void send_kick(struct kick *k)
{
    struct publisher *p = k->p;

    if (!loop_post(p->loop, on_kick, k)) return;
    free(k);
    publisher_unref(&p);
}

static void go_live(struct publisher *p)
{
    bool returning = p->answer_base_us > RETURNING_US;

    p->bus = p->answer_bus;
    p->answer_bus = NULL;
    timeline_init(&p->timeline, p->answer_base_us, returning);
    life_init(&p->life, loop_now(p->loop));
    timer_init(&p->clock, p->loop, on_clock, p);
    timer_set(&p->clock, p->life.fed_at + LIFE_STARVING_US);
    timer_init(&p->verdict, p->loop, on_verdict, p);
    publisher_health_begin(p);
    p->state = LIVE;
    if (p->events.on_key_wanted &&
        ear_open(&p->ear, p->bus, p->loop, on_wish, p))
        log_warn("ingest", "deaf", log_s("channel", p->grant.channel),
                 log_s("effect", "keyframes come as the encoder pleases"));
    log_event(p, "publish", returning ? "came back" : "began");
    p->events.on_ready(p->events.arg);
    struct kick *early = p->early;
    p->early = NULL;
    if (early) send_kick(early);
}

/* On p's loop. Runs once per answer: whoever clears the flag does it, and
 * drops the reference that was held for the answer. */
static void take_answer(struct publisher *p)
{
    struct publisher *held = p;

    if (!atomic_exchange(&p->answered, false)) return;
    p->attached = p->answer_bus != NULL;
    if (p->state == CLOSED) {
        if (p->attached) p->door.detach(p, p->door.arg);
        p->attached = false;
        bus_unref(&p->answer_bus);
    } else if (p->attached) {
        go_live(p);
    } else {
        refuse(p, p->answer_err);
    }
    publisher_unref(&held);
}

static void on_answer(void *arg)
{
    struct publisher *p = arg;

    take_answer(p);
    publisher_unref(&p);
}

static void answer(struct publisher *p)
{
    publisher_ref(p); /* for the message; on_answer() drops it */
    atomic_store(&p->answered, true);
    if (loop_is_here(p->loop)) {
        on_answer(p);
    } else if (loop_post(p->loop, on_answer, p)) {
        /* The session's own deadline closes p, which finds the answer. */
        log_error("ingest", "mailbox_full", log_s("peer", p->peer));
        publisher_unref(&p);
    }
}

void publisher_attached(struct publisher *p, struct bus *bus, int64_t base_us)
{
    p->answer_bus = bus_ref(bus);
    p->answer_base_us = base_us;
    answer(p);
}

void publisher_refused(struct publisher *p, int err)
{
    p->answer_err = err;
    answer(p);
}

void publisher_set_priority(struct publisher *p, int32_t priority)
{
    p->priority = priority;
}

static void enter(struct publisher *p)
{
    p->state = ASKED;
    publisher_ref(p);
    p->door.attach(p, p->door.arg);
}

void publisher_open(struct publisher *p, const char *key)
{
    int err;

    INVARIANT(p->state == NEW);
    err = p->door.authorise(key, &p->grant, p->door.arg);
    if (err)
        refuse(p, err);
    else
        enter(p);
}

/* As the stream would say it, but for what changes until then. */
static int foresee(const struct publisher *p)
{
    const struct ingest_door *d = &p->door;
    const char *channel = p->grant.channel;
    int32_t live = d->live_priority ? d->live_priority(channel, d->arg) : 0;

    if (p->priority < live) return ERR_EXISTS;
    if (p->priority > live || !d->guarded) return 0;
    return d->guarded(channel, d->arg) ? ERR_BUSY : 0;
}

int publisher_admit(struct publisher *p, const char *key)
{
    int err;

    INVARIANT(p->state == NEW);
    err = p->door.authorise(key, &p->grant, p->door.arg);
    if (!err) err = foresee(p);
    if (err)
        note_refused(p, err);
    else
        p->state = ADMITTED;
    return err;
}

void publisher_enter(struct publisher *p)
{
    INVARIANT(p->state == ADMITTED);
    enter(p);
}

void publisher_close(struct publisher **out, const char *reason)
{
    struct publisher *p = *out;

    *out = NULL;
    if (!p) return;
    if (p->state == LIVE || p->state == KICKED)
        log_event(p, "unpublish", reason);
    p->state = CLOSED;
    leave_bus(p);
    if (p->early) publisher_unref(&p->early->p);
    free(p->early);
    p->early = NULL;
    if (p->attached) p->door.detach(p, p->door.arg);
    p->attached = false;
    take_answer(p);
    publisher_unref(&p);
}

void publisher_kick(struct publisher *p, const char *reason)
{
    struct kick *k = malloc(sizeof *k);

    atomic_store(&p->ousted, true);
    if (!k) return;
    k->p = publisher_ref(p);
    snprintf(k->reason, sizeof k->reason, "%s", reason);
    send_kick(k);
}

/* --- questions --- */

const struct ingest_grant *publisher_grant(const struct publisher *p)
{
    return &p->grant;
}

int32_t publisher_priority(const struct publisher *p)
{
    return p->priority;
}

struct loop *publisher_loop(const struct publisher *p)
{
    return p->loop;
}

const char *publisher_peer(const struct publisher *p)
{
    return p->peer;
}

const char *publisher_protocol(const struct publisher *p)
{
    return p->protocol;
}
