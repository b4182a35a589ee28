#include "core/rtc/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/loop/timer.h"
#include "core/rtc/early.h"
#include "core/rtc/host_priv.h"
#include "core/rtc/shake.h"

enum {
    HANDSHAKE_US = 10 * 1000000,
    SUBMIT_AGAIN_US = 200 * 1000, /* when the workers' queue is full */
};

/*   NEW      its ufrag routes; a timer waits for the first check
 *   CHECKED  paths route too; at most one step is running, what comes
 *            meanwhile waits in the next
 *   CONNECTED dtls and crypt are there, and no step; media that is kept, if
 *            any, comes before what follows it
 *   CLOSED   nothing routes, nothing is held but the struct  */
enum peer_state { PEER_NEW, PEER_CHECKED, PEER_CONNECTED, PEER_CLOSED };

struct rtc_peer {
    struct list node; /* in host's peers */
    struct rtc_host *host;
    struct rtc_peer_events events;
    struct rtc_fingerprint fingerprint;
    bool dtls_client;
    enum peer_state state;
    struct ice ice;
    struct timer deadline, dtls_timer;
    int64_t checked_at, heard_at;
    struct shake *running, *waiting; /* steps; waiting is being filled */
    struct dtls *dtls;               /* not while a step runs */
    bool settled;                    /* the other side has its keys, too */
    struct rtc_crypt *crypt;
    struct early early;
    bool held;             /* by the owner */
    struct timer replay;   /* set where there is something kept and no hold */
    bool replaying, freed; /* freed meanwhile: only the struct is left */
    uint8_t *room;         /* given out by rtc_peer_packet() */
};

/* --- the end ---------------------------------------------------------------
 */

static void forget_path(struct rtc_peer *p, const struct net_path *path)
{
    paths_remove(&p->host->paths, path, p);
    if (path->transport == NET_TCP) streams_close(p->host->streams, path);
}

static void say_goodbye(struct rtc_peer *p)
{
    const struct net_path *to = ice_selected(&p->ice);
    struct dtls_out out;

    out.count = 0, out.len = 0;
    if (p->state != PEER_CONNECTED || !to) return;
    rtc_host_flush(p->host); /* what was said before comes before */
    dtls_close(p->dtls, &out);
    host_send_all(p->host, to, &out);
}

/* Lets go of everything but the struct itself. */
static void shut(struct rtc_peer *p)
{
    if (p->state == PEER_CLOSED) return;
    say_goodbye(p);
    p->state = PEER_CLOSED;
    timer_cancel(&p->deadline);
    timer_cancel(&p->dtls_timer);
    timer_cancel(&p->replay);
    early_release(&p->early);
    map_remove(&p->host->ufrags, p->ice.local.ufrag);
    if (p->ice.previous.ufrag[0])
        map_remove(&p->host->ufrags, p->ice.previous.ufrag);
    for (int i = 0; i < p->ice.path_count; i++)
        forget_path(p, &p->ice.paths[i].path);
    if (p->running) p->running->peer = NULL;
    p->running = NULL;
    shake_free(&p->waiting);
    dtls_free(&p->dtls);
    rtc_crypt_free(&p->crypt);
}

/* Nothing may touch p afterwards: its owner may have freed it. */
static void close_peer(struct rtc_peer *p, const char *reason)
{
    if (p->state == PEER_CLOSED) return;
    shut(p);
    metric_add(p->host->count.ended, 1);
    p->events.on_closed(reason, p->events.arg);
}

static int64_t deadline_of(const struct rtc_peer *p)
{
    return p->state == PEER_CHECKED ? p->checked_at + HANDSHAKE_US
                                    : ice_deadline(&p->ice);
}

static void on_deadline(void *arg)
{
    static const char *const reasons[] = {
        [PEER_NEW] = "no valid check came",
        [PEER_CHECKED] = "no DTLS handshake in time",
        [PEER_CONNECTED] = "consent was lost",
        [PEER_CLOSED] = "",
    };
    struct rtc_peer *p = arg;
    int64_t at = deadline_of(p);

    /* Checks move the deadline, not the timer. */
    if (loop_now(p->host->loop) < at)
        timer_set(&p->deadline, at);
    else
        close_peer(p, reasons[p->state]);
}

/* --- handshake -------------------------------------------------------------
 */

static void on_step_done(void *arg);

static void submit(struct rtc_peer *p)
{
    struct shake *s = p->waiting;
    struct rtc_host *h = p->host;

    timer_cancel(&p->dtls_timer);
    s->client = p->dtls_client;
    s->fingerprint = p->fingerprint;
    s->dtls = p->dtls;
    if (!shake_submit(s, h->workers, on_step_done, h->loop)) {
        p->dtls = NULL;
        p->running = s;
        p->waiting = NULL;
        return;
    }
    s->dtls = NULL;
    shake_free(&p->waiting);
    metric_add(h->count.workers_full, 1);
    timer_set(&p->dtls_timer, loop_now(h->loop) + SUBMIT_AGAIN_US);
}

/* A step with one more datagram, or with none: then time has passed, or a
 * client begins. */
static void step(struct rtc_peer *p, const uint8_t *data, size_t len)
{
    bool fits = true;

    if (!p->waiting && shake_create(&p->waiting, p, p->host->identity)) {
        timer_set(&p->dtls_timer, loop_now(p->host->loop) + SUBMIT_AGAIN_US);
        return;
    }
    if (data) fits = shake_add(p->waiting, data, len);
    if (!fits) metric_add(p->host->count.queue_dropped, 1);
    if (!p->running) submit(p);
}

static void on_dtls_timer(void *arg)
{
    struct rtc_peer *p = arg;

    if (p->state == PEER_CHECKED && !p->running) step(p, NULL, 0);
}

/* After the handshake a datagram costs microseconds: flights that are sent
 * again, alerts. False: it is over. */
static bool feed_connected(struct rtc_peer *p, const uint8_t *data, size_t len)
{
    const struct net_path *to = ice_selected(&p->ice);
    struct dtls_out out;
    enum dtls_state state;

    out.count = 0, out.len = 0;
    state = dtls_feed(p->dtls, data, len, &out);
    if (to) host_send_all(p->host, to, &out);
    return state == DTLS_READY;
}

static bool feed_waiting(struct rtc_peer *p)
{
    struct shake *s = p->waiting;
    const uint8_t *at = s ? s->in : NULL;
    bool alive = true;

    for (int i = 0; s && alive && i < s->in_count; at += s->in_lens[i++])
        alive = feed_connected(p, at, s->in_lens[i]);
    shake_free(&p->waiting);
    return alive;
}

/* The other side has all it needs: what sent flights again is of no use. */
static void settle(struct rtc_peer *p)
{
    dtls_settle(p->dtls);
    dtls_shrink(p->dtls); /* where that could not be */
    p->settled = true;
}

static void connect_peer(struct rtc_peer *p, struct rtc_crypt *crypt)
{
    p->crypt = crypt;
    p->state = PEER_CONNECTED;
    timer_cancel(&p->dtls_timer);
    timer_set(&p->deadline, deadline_of(p));
    metric_add(p->host->count.connected, 1);
    if (!feed_waiting(p)) {
        close_peer(p, dtls_why(p->dtls));
        return;
    }
    if (p->dtls_client)
        settle(p);
    else
        dtls_shrink(p->dtls);
    if (p->early.count) timer_set(&p->replay, loop_now(p->host->loop));
    p->events.on_connected(p->events.arg);
}

static void on_step_done(void *arg)
{
    struct shake *s = arg;
    struct rtc_peer *p = s->peer;
    const struct net_path *to;
    enum dtls_state state = s->state;
    const char *why = s->why;
    struct rtc_crypt *crypt = s->crypt;
    int64_t wait_us = s->wait_us;

    if (!p) {
        shake_free(&s);
        return;
    }
    p->running = NULL;
    p->dtls = s->dtls;
    s->dtls = NULL;
    s->crypt = NULL;
    to = ice_selected(&p->ice);
    if (to) host_send_all(p->host, to, &s->out);
    shake_free(&s);
    if (state == DTLS_ENDED) {
        rtc_crypt_free(&crypt);
        close_peer(p, why);
    } else if (state == DTLS_READY) {
        connect_peer(p, crypt);
    } else if (p->waiting) {
        submit(p);
    } else if (wait_us >= 0) {
        timer_set(&p->dtls_timer, loop_now(p->host->loop) + wait_us);
    }
}

/* --- what the host found to be ours ----------------------------------------
 */

void peer_on_stun(struct rtc_peer *p, const struct net_path *from,
                  const uint8_t *data, size_t len, int64_t at)
{
    struct rtc_host *h = p->host;
    struct ice_result r;

    ice_input(&p->ice, data, len, from, at, &r);
    if (r.reply_len) host_send(h, from, r.reply, r.reply_len);
    if (!r.valid) return;
    p->heard_at = at;
    /* Again with each check: another peer may have had this path before, or
     * memory was short the last time. */
    (void)paths_set(&h->paths, from, p);
    if (from->transport == NET_TCP) streams_proved(h->streams, from);
    if (r.dropped) forget_path(p, &r.dropped_path);
    if (r.ended_restart) map_remove(&h->ufrags, r.ended_ufrag);
    if (p->state != PEER_NEW) return;
    p->state = PEER_CHECKED;
    p->checked_at = at;
    timer_set(&p->deadline, deadline_of(p));
    if (p->dtls_client) step(p, NULL, 0);
}

void peer_on_dtls(struct rtc_peer *p, const uint8_t *data, size_t len)
{
    if (p->state == PEER_CHECKED) {
        step(p, data, len);
    } else if (p->state == PEER_CONNECTED) {
        if (feed_connected(p, data, len))
            dtls_shrink(p->dtls);
        else
            close_peer(p, dtls_why(p->dtls));
    }
}

static void open_media(struct rtc_peer *p, uint8_t *data, size_t len,
                       int64_t at, bool is_control)
{
    int err;

    err = is_control ? rtc_crypt_unprotect_rtcp(p->crypt, data, &len)
                     : rtc_crypt_unprotect(p->crypt, data, &len);
    if (err == ERR_EXISTS)
        metric_add(p->host->count.replayed, 1);
    else if (err)
        metric_add(p->host->count.undecrypted, 1);
    if (err) return;
    p->heard_at = at;
    if (!p->settled) settle(p);
    if (is_control)
        p->events.on_rtcp(data, len, at, p->events.arg);
    else
        p->events.on_rtp(data, len, at, p->events.arg);
}

void peer_on_media(struct rtc_peer *p, uint8_t *data, size_t len, int64_t at,
                   bool is_control)
{
    bool comes_early = p->state == PEER_CHECKED;
    bool waits = p->state == PEER_CONNECTED && (p->held || p->early.count);

    if (comes_early || waits) {
        if (!early_add(&p->early, data, len, at, is_control))
            metric_add(p->host->count.early_dropped, 1);
    } else if (p->state == PEER_CONNECTED) {
        open_media(p, data, len, at, is_control);
    }
}

/* Each packet may make the owner free p, hold it, or close it. */
static void on_replay(void *arg)
{
    struct rtc_peer *p = arg;
    struct early_packet *e;

    p->replaying = true;
    while (!p->held && (e = early_take(&p->early)) != NULL) {
        open_media(p, e->data, e->len, e->at, e->is_control);
        free(e);
    }
    p->replaying = false;
    if (p->freed) free(p);
}

void rtc_peer_hold(struct rtc_peer *p)
{
    p->held = true;
}

void rtc_peer_go_on(struct rtc_peer *p)
{
    p->held = false;
    if (p->early.count) timer_set(&p->replay, loop_now(p->host->loop));
}

void peer_on_path_gone(struct rtc_peer *p, const struct net_path *path)
{
    struct net_path gone = *path;

    paths_remove(&p->host->paths, &gone, p);
    ice_forget(&p->ice, &gone);
    if (!ice_selected(&p->ice)) close_peer(p, "connection closed");
}

/* --- life ------------------------------------------------------------------
 */

static int make_credentials(struct rtc_peer *p,
                            const struct rtc_credentials *remote)
{
    struct rtc_host *h = p->host;
    int err;

    do {
        err = ice_init(&p->ice, (unsigned)loop_index(h->loop), remote,
                       loop_now(h->loop));
    } while (!err && map_get(&h->ufrags, p->ice.local.ufrag));
    if (!err) err = map_set(&h->ufrags, p->ice.local.ufrag, p);
    return err ? ERR_NOMEM : 0;
}

int rtc_peer_create(struct rtc_peer **out, const struct rtc_peer_conf *conf)
{
    struct rtc_host *h = conf->host;
    struct rtc_peer *p;

    INVARIANT(loop_is_here(h->loop));
    if (h->peer_count >= HOST_PEERS_MAX) return ERR_LIMIT;
    p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    p->host = h;
    if (make_credentials(p, &conf->remote)) {
        free(p);
        return ERR_NOMEM;
    }
    p->events = conf->events;
    p->fingerprint = conf->fingerprint;
    p->dtls_client = conf->dtls_client;
    timer_init(&p->deadline, h->loop, on_deadline, p);
    timer_init(&p->dtls_timer, h->loop, on_dtls_timer, p);
    timer_init(&p->replay, h->loop, on_replay, p);
    early_init(&p->early);
    timer_set(&p->deadline, deadline_of(p));
    list_append(&h->peers, &p->node);
    h->peer_count++;
    metric_add(h->count.peers, 1);
    *out = p;
    return 0;
}

void rtc_peer_free(struct rtc_peer **p)
{
    struct rtc_peer *last = *p;

    *p = NULL;
    if (!last) return;
    shut(last);
    list_unlink(&last->node);
    last->host->peer_count--;
    last->freed = true;
    if (!last->replaying) free(last);
}

const struct rtc_credentials *rtc_peer_credentials(const struct rtc_peer *p)
{
    return &p->ice.local;
}

int rtc_peer_restart(struct rtc_peer *p, const struct rtc_credentials *remote)
{
    struct ice before = p->ice;
    struct rtc_host *h = p->host;
    char dropped[ICE_UFRAG_BYTES + 1] = "";

    if (p->state == PEER_CLOSED || ice_restart(&p->ice, remote, dropped) ||
        map_set(&h->ufrags, p->ice.local.ufrag, p)) {
        p->ice = before;
        return ERR_NOMEM;
    }
    if (dropped[0]) map_remove(&h->ufrags, dropped);
    return 0;
}

bool rtc_peer_is_connected(const struct rtc_peer *p)
{
    return p->state == PEER_CONNECTED;
}

bool rtc_peer_is_tcp(const struct rtc_peer *p)
{
    const struct net_path *path = ice_selected(&p->ice);

    return path && path->transport == NET_TCP;
}

int64_t rtc_peer_heard_at(const struct rtc_peer *p)
{
    return p->heard_at;
}

void rtc_peer_path_text(const struct rtc_peer *p, char out[72])
{
    const struct net_path *path = ice_selected(&p->ice);
    char text[64] = "none";

    if (path) net_path_text(text, path);
    snprintf(out, 72, "%s%s", text,
             !path                        ? ""
             : path->transport == NET_TCP ? "/tcp"
                                          : "/udp");
}

/* --- sending ---------------------------------------------------------------
 */

uint8_t *rtc_peer_packet(struct rtc_peer *p, size_t size)
{
    INVARIANT(size + RTC_TAG_MAX <= LINE_PACKET_MAX);
    p->room = NULL;
    if (p->state == PEER_CONNECTED && ice_selected(&p->ice))
        p->room = host_room(p->host);
    return p->room;
}

void rtc_peer_seal(struct rtc_peer *p, size_t header_len, size_t size)
{
    INVARIANT(p->room && p->room == line_room(&p->host->line));
    size = rtc_crypt_protect(p->crypt, p->room, header_len, size);
    line_put(&p->host->line, ice_selected(&p->ice), size);
    p->room = NULL;
}

void rtc_peer_send_rtcp(struct rtc_peer *p, const uint8_t *data, size_t len)
{
    uint8_t *room = rtc_peer_packet(p, len);

    if (!room) return;
    memcpy(room, data, len);
    len = rtc_crypt_protect_rtcp(p->crypt, room, len);
    line_put(&p->host->line, ice_selected(&p->ice), len);
    p->room = NULL;
}
