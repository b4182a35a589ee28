#include "ingest/publisher.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/media/frame.h"
#include "ingest/ear.h"
#include "ingest/source.h"
#include "ingest/timeline.h"

enum {
    PROTOCOL_MAX = 16,
    PEER_MAX = 80,
    REASON_MAX = 120,
    RETURNING_US = 100000, /* a base later than this: someone was here before */
    RECADENCE_US = 5000000,
};

enum state { NEW, ASKED, LIVE, KICKED, CLOSED };

struct kick {
    struct publisher *p; /* a reference */
    char reason[REASON_MAX];
};

struct slot {
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
    enum state state;
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
    struct ear *ear; /* NULL: nobody here can ask an encoder */
    struct timeline timeline;
    struct timeline_counts seen; /* as last counted in metrics */
    struct slot slots[TIMELINE_SLOTS];
    uint64_t frames, bytes, lost;
    struct metric *m_frames, *m_bytes, *m_lost, *m_refused;
    struct metric *m_clamped, *m_rebased, *m_resynced, *m_early;
};

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

static void refuse(struct publisher *p, int err)
{
    p->state = CLOSED;
    metric_add(p->m_refused, 1);
    log_warn("ingest", "refused", log_s("channel", p->grant.channel),
             log_s("protocol", p->protocol), log_s("peer", p->peer),
             log_s("reason",
                   err == ERR_DENIED ? "wrong stream key" : err_text(err)));
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

static void leave_bus(struct publisher *p)
{
    ear_close(&p->ear);
    bus_unref(&p->bus);
}

static void on_kick(void *arg)
{
    struct kick *k = arg;
    struct publisher *p = k->p;

    if (p->state == ASKED && !p->early) {
        p->early = k;
        return;
    }
    if (p->state == LIVE) {
        p->state = KICKED;
        leave_bus(p);
        p->events.on_kicked(k->reason, p->events.arg);
    }
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

void publisher_open(struct publisher *p, const char *key)
{
    int err;

    INVARIANT(p->state == NEW);
    err = p->door.authorise(key, &p->grant, p->door.arg);
    if (err) {
        refuse(p, err);
        return;
    }
    p->state = ASKED;
    publisher_ref(p);
    p->door.attach(p, p->door.arg);
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

/* --- media --- */

static int announce(struct publisher *p, int slot, struct slice config)
{
    struct slot *s = &p->slots[slot];
    struct track_info info = s->source.info;
    struct track *made = NULL;
    int err;

    info.id = (uint8_t)(TRACK_SOURCE_FIRST + slot);
    info.askable = info.kind == TRACK_VIDEO && p->events.on_key_wanted;
    if (!info.language[0]) memcpy(info.language, "und", sizeof "und");
    err = track_create(&made, &info, config);
    if (!err) err = bus_post_track(p->bus, made);
    if (err) {
        track_unref(&made);
        return err;
    }
    track_unref(&s->track);
    s->track = made;
    s->announced_at = loop_now(p->loop);
    log_info(
        "ingest", "track", log_s("channel", p->grant.channel),
        log_s("codec", codec_name(info.codec)), log_i("width", info.width),
        log_i("height", info.height),
        log_f("fps", info.fps_den ? (double)info.fps_num / info.fps_den : 0),
        log_i("sample_rate", info.sample_rate),
        log_i("channels", info.channels));
    return 0;
}

int publisher_track(struct publisher *p, int slot,
                    const struct track_info *info, struct slice config)
{
    struct source source;
    int err;

    if (p->state != LIVE) return ERR_ORDER;
    if (slot < 0 || slot >= TIMELINE_SLOTS) return ERR_RANGE;
    err = source_init(&source, info, config);
    if (err) return err;
    struct source before = p->slots[slot].source;
    p->slots[slot].source = source;
    err = announce(p, slot, config);
    if (err) {
        p->slots[slot].source = before;
        return err;
    }
    if (info->kind == TRACK_VIDEO) {
        timeline_video(&p->timeline, slot, source.info.fps_num,
                       source.info.fps_den);
        p->slots[slot].need_key = true;
    } else {
        timeline_audio(&p->timeline, slot, source.info.timescale);
    }
    return 0;
}

static void count_repairs(struct publisher *p)
{
    const struct timeline_counts *now = &p->timeline.counts, *was = &p->seen;

    if (!memcmp(now, was, sizeof *now)) return;
    if (now->rebased != was->rebased)
        log_warn("ingest", "clock_jump", log_s("channel", p->grant.channel),
                 log_s("peer", p->peer));
    metric_add(p->m_clamped, (int64_t)(now->clamped - was->clamped));
    metric_add(p->m_rebased, (int64_t)(now->rebased - was->rebased));
    metric_add(p->m_resynced, (int64_t)(now->resynced - was->resynced));
    metric_add(p->m_early, (int64_t)(now->early - was->early));
    p->seen = *now;
}

/* The rate that was announced turned out to be another, or none was: say so
 * before a keyframe, and not often. */
static void correct_cadence(struct publisher *p, int slot)
{
    struct slot *s = &p->slots[slot];
    const struct cadence *c = &p->timeline.tracks[slot].cadence;
    struct track_info *info = &s->source.info;

    if (info->kind != TRACK_VIDEO || !c->locked) return;
    if ((uint64_t)c->num * info->fps_den == (uint64_t)info->fps_num * c->den &&
        info->fps_den)
        return;
    if (loop_now(p->loop) - s->announced_at < RECADENCE_US) return;
    info->fps_num = c->num;
    info->fps_den = c->den;
    announce(p, slot, track_config(s->track));
}

static int hand_on(struct publisher *p, const struct publisher_frame *f,
                   const struct timeline_out *at)
{
    struct frame made = {.track_id = (uint8_t)(TRACK_SOURCE_FIRST + f->slot),
                         .dts = at->dts,
                         .pts = at->pts,
                         .duration = at->duration,
                         .captured_at = loop_now(p->loop),
                         .payload = slice_ref(f->payload)};
    struct frame *frame;
    int err;

    if (f->key) made.flags |= FRAME_KEY;
    if (at->discontinuity) made.flags |= FRAME_DISCONTINUITY;
    err = frame_create(&frame, &made);
    if (!err) {
        err = bus_post_frame(p->bus, frame);
        frame_unref(&frame);
    }
    return err;
}

int publisher_frame(struct publisher *p, const struct publisher_frame *f)
{
    struct timeline_in in = {f->slot, f->dts_us, f->pts_us, 0, 0};
    struct timeline_out at;
    struct slot *s;
    int err;

    if (p->state != LIVE || atomic_load(&p->ousted)) return ERR_ORDER;
    if (f->slot < 0 || f->slot >= TIMELINE_SLOTS) return ERR_RANGE;
    s = &p->slots[f->slot];
    if (!s->track) return ERR_ORDER;
    if (s->need_key && !f->key) return 0;
    in.arrived_at = loop_now(p->loop);
    in.samples = source_samples(&s->source, f->payload);
    if (f->key) correct_cadence(p, f->slot);
    err = timeline_place(&p->timeline, &in, &at);
    count_repairs(p);
    if (err) {
        /* without this frame the ones behind it are of no use */
        if (track_info(s->track)->kind == TRACK_VIDEO) s->need_key = true;
        return 0;
    }
    s->need_key = false;
    err = hand_on(p, f, &at);
    if (err) {
        p->lost++;
        metric_add(p->m_lost, 1);
        if (track_info(s->track)->kind == TRACK_VIDEO) s->need_key = true;
        return err;
    }
    p->frames++;
    p->bytes += f->payload.len;
    metric_add(p->m_frames, 1);
    metric_add(p->m_bytes, (int64_t)f->payload.len);
    return 0;
}

/* --- questions --- */

const struct ingest_grant *publisher_grant(const struct publisher *p)
{
    return &p->grant;
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
