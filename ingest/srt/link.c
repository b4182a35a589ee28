#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "ingest/priority.h"
#include "ingest/srt/server_priv.h"

struct link *srt_link_ref(struct link *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void srt_link_unref(struct link *l)
{
    if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    demux_free(&l->demux);
    atomic_fetch_sub(&l->server->count, 1);
    atomic_fetch_sub(&l->server->seats[l->seat], 1);
    srt_server_unref(l->server);
    free(l);
}

void srt_link_give_back(struct link *l)
{
    atomic_fetch_sub(&l->refs, 1);
}

/* --- beginning --------------------------------------------------------------
 */

/* One channel's publishers meet on one loop: a takeover is then an event of
 * that loop alone. */
static struct loop *choose_loop(struct srt_server *s, const char *channel)
{
    return s->loops[srt_hash(channel) % (uint32_t)s->loop_count];
}

static const char *over_a_cap(const struct srt_server *s, const struct link *l)
{
    int same = 0;

    if (atomic_load(&s->count) > s->limits.connections)
        return "too many connections";
    if (l->loopback) return NULL;
    LIST_FOREACH (it, &s->links)
        same += !strcmp(LIST_ENTRY(it, struct link, node)->host, l->host);
    return same >= s->limits.connections_per_address
               ? "too many connections from this address"
               : NULL;
}

/* Gives a link with one reference, on the server's list. */
static struct link *make_link(struct srt_server *s, SRTSOCKET socket,
                              const struct sockaddr *peer)
{
    struct link *l = calloc(1, sizeof *l);

    if (!l) return NULL;
    atomic_init(&l->refs, 1);
    atomic_init(&l->wants_close, false);
    atomic_init(&l->queued, 0);
    atomic_init(&l->done, false);
    l->server = s;
    l->socket = socket;
    list_init(&l->kept);
    list_init(&l->node);
    tcp_format_address(l->peer, peer);
    tcp_format_host(l->host, peer);
    l->loopback = tcp_is_loopback(peer);
    l->seat = srt_access_seat(peer);
    atomic_fetch_add(&s->seats[l->seat], 1);
    atomic_fetch_add(&s->refs, 1);
    atomic_fetch_add(&s->count, 1);
    return l;
}

/* The handshake was allowed; what it said is looked up once more, since the
 * key may have gone meanwhile. */
static const char *identify(struct link *l)
{
    struct srt_server *s = l->server;
    struct ingest_grant grant;
    char streamid[STREAMID_MAX + 1] = "";
    int len = STREAMID_MAX;

    if (srt_getsockflag(l->socket, SRTO_STREAMID, streamid, &len) || len < 0)
        return "no stream id";
    switch (srt_access_check(s, streamid, (size_t)len, &grant, &l->id)) {
    case 0: break;
    case SRT_REJX_CONFLICT: return priority_too_low;
    default: return "the stream key is no longer valid";
    }
    memcpy(l->channel, grant.channel, sizeof l->channel);
    l->loop = choose_loop(s, l->channel);
    return NULL;
}

static void drop_link(struct link *l, const char *why)
{
    if (srt_access_may_log(l->server))
        log_warn("srt", "refused", log_s("peer", l->peer),
                 log_s("reason", why));
    srt_server_count_refusal(l->server, "accept");
    srt_close(l->socket);
    srt_link_unref(l);
}

static void begin(struct srt_server *s, SRTSOCKET socket,
                  const struct sockaddr *peer)
{
    int events = SRT_EPOLL_IN | SRT_EPOLL_ERR;
    struct link *l = make_link(s, socket, peer);
    const char *why;

    if (!l) {
        srt_close(socket);
        return;
    }
    handshakes_came(&s->handshakes, l->peer);
    why = identify(l);
    if (!why) why = over_a_cap(s, l);
    if (!why && srt_epoll_add_usock(s->epoll, socket, &events))
        why = "no room to wait for it";
    if (!why && loop_post(l->loop, srt_session_begin, srt_link_ref(l))) {
        srt_link_give_back(l);
        why = "the loop's mailbox is full";
    }
    if (why) {
        drop_link(l, why);
        return;
    }
    list_append(&s->links, &l->node);
    atomic_fetch_add(&s->alive, 1);
    metric_add(s->m_accepted, 1);
    srt_stats_open(l);
    log_info("srt", "accepted", log_s("peer", l->peer),
             log_s("channel", l->channel));
}

void srt_link_accept(struct srt_server *s)
{
    struct sockaddr_storage peer;

    for (;;) {
        int len = sizeof peer;
        SRTSOCKET socket =
            srt_accept(s->listener, (struct sockaddr *)&peer, &len);
        if (socket == SRT_INVALID_SOCK) return;
        begin(s, socket, (struct sockaddr *)&peer);
    }
}

/* --- bytes in ---------------------------------------------------------------
 */

static void hand_on(struct link *l, const uint8_t *data, size_t len)
{
    struct srt_server *s = l->server;
    struct block *b = NULL;

    metric_add(s->m_bytes, (int64_t)len);
    if (atomic_load(&l->queued) + len <= QUEUE_BYTES_MAX)
        b = malloc(sizeof *b + len);
    if (b) {
        list_init(&b->node);
        b->link = srt_link_ref(l);
        b->cut = l->cut;
        b->len = len;
        memcpy(b->data, data, len);
        atomic_fetch_add(&l->queued, len);
        l->cut = false;
        if (!loop_post(l->loop, srt_session_block, b)) return;
        atomic_fetch_sub(&l->queued, len);
        srt_link_give_back(l);
        free(b);
    }
    l->cut = true;
    metric_add(s->m_dropped_bytes, (int64_t)len);
}

bool srt_link_read(struct link *l)
{
    uint8_t *block = l->server->block;
    size_t len = 0;
    int n;

    for (;;) {
        n = srt_recvmsg2(l->socket, (char *)block + len, MESSAGE_MAX, NULL);
        if (n <= 0) break;
        len += (size_t)n;
        if (len <= BLOCK_BYTES - MESSAGE_MAX) continue;
        hand_on(l, block, len);
        return false; /* the others' turn: it is told again */
    }
    bool more_later = n < 0 && srt_getlasterror(NULL) == SRT_EASYNCRCV;
    if (len) hand_on(l, block, len);
    if (!more_later) srt_link_end(l, "connection closed");
    return true;
}

/* --- the end ----------------------------------------------------------------
 */

void srt_link_end(struct link *l, const char *why)
{
    if (l->ended) return;
    srt_stats_read(l); /* since the last second */
    l->ended = true;
    l->why = why;
    srt_stats_close(l);
    srt_epoll_remove_usock(l->server->epoll, l->socket);
    srt_close(l->socket);
    metric_add(l->server->m_closed, 1);
}

static void on_ended(void *arg)
{
    struct link *l = arg;

    srt_session_end(l, l->why);
    atomic_store(&l->done, true);
    srt_server_leave(l->server);
    srt_link_unref(l);
}

void srt_link_bury(struct link *l)
{
    if (!l->told) {
        if (loop_post(l->loop, on_ended, srt_link_ref(l)))
            srt_link_give_back(l); /* full: next turn */
        else
            l->told = true;
        return;
    }
    if (!atomic_load(&l->done)) return;
    list_unlink(&l->node);
    srt_link_unref(l);
}
