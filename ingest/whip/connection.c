#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/rtc/desk.h"
#include "core/rtc/host.h"
#include "core/rtc/peer.h"
#include "ingest/priority.h"
#include "ingest/whip/session.h"
#include "ingest/whip/whip_priv.h"

enum {
    CANDIDATES_MAX = 4 * HOST_ADDRESSES_MAX,
    PATH_MAX_TEXT = 72,
    ADDRESS_MAX = 64,
    RETRY_S = 5,
    STATS_US = 1000000,
    ANSWER_US = 10000000, /* the door's, to a publisher that asks */
};

/*  POST: may this key? ─► 201 ─► on_connected: asks for the stream, media is
 *  kept ─► on_ready: it goes on. So a POST whose media never comes takes no
 *  stream away. Any state ends in end(), never within a call of the session
 *  or the peer. */
struct connection {
    struct list node;
    struct whip *whip;
    struct rtc_peer *peer;
    struct publisher *publisher;
    struct whip_session *session;
    struct rtc_negotiated negotiated;
    struct timer timer;
    char address[ADDRESS_MAX], channel[CHANNEL_NAME_MAX + 1];
    const char *bad_track; /* why the publisher cannot go on; NULL */
    bool known;            /* to the desk */
    bool ready;            /* the stream is ours */
    bool has_media;
    int layer;
    int64_t stats_at;
    struct whip_session_counts seen;
};

/* --- figures and log --- */

static void count(struct connection *c)
{
    struct whip_session_counts now, *was = &c->seen;
    struct whip *w = c->whip;

    whip_session_counts(c->session, &now);
#define ADD(name) metric_add(w->m_##name, (int64_t)(now.name - was->name))
    ADD(packets);
    ADD(unknown);
    ADD(nacked);
    ADD(recovered);
    ADD(lost);
    ADD(plis);
    ADD(left_out);
    ADD(broken);
    ADD(malformed);
    ADD(switches);
#undef ADD
    if (now.deeper && !was->deeper)
        log_warn("whip", "reordered", log_s("channel", c->channel),
                 log_s("peer", c->address),
                 log_s("reason", "the encoder sends B-frames; decoding times "
                                 "are made by sorting"));
    if (now.distrusted && !was->distrusted)
        log_warn("whip", "distrusted_report", log_s("channel", c->channel),
                 log_s("peer", c->address),
                 log_s("reason", "sender reports contradict arrival times"));
    *was = now;
}

static void watch(struct connection *c, int64_t now)
{
    double jitter_s;
    int64_t rtt_us;
    int layer;

    whip_session_line(c->session, &jitter_s, &rtt_us, &layer);
    if (layer >= 0 && layer != c->layer) {
        log_info("whip", "layer", log_s("channel", c->channel),
                 log_i("layer", layer),
                 log_s("rid", c->negotiated.video.rids[layer]));
        c->layer = layer;
    }
    if (now < c->stats_at) return;
    c->stats_at = now + STATS_US;
    metric_observe(c->whip->m_jitter, jitter_s);
    count(c);
}

/* --- the end --- */

static void end(struct connection *c, const char *reason)
{
    struct whip *w = c->whip;
    double jitter_s;
    int64_t rtt_us;
    int layer;

    if (c->session && c->known) {
        count(c);
        whip_session_line(c->session, &jitter_s, &rtt_us, &layer);
        log_info("whip", "closed", log_s("channel", c->channel),
                 log_s("peer", c->address), log_s("reason", reason),
                 log_i("packets", (int64_t)c->seen.packets),
                 log_i("nacked", (int64_t)c->seen.nacked),
                 log_i("recovered", (int64_t)c->seen.recovered),
                 log_i("lost", (int64_t)c->seen.lost), log_i("rtt_us", rtt_us));
        metric_add(w->m_closed, 1);
    }
    if (c->known) rtc_desk_forget(w->desk, c);
    timer_cancel(&c->timer);
    list_unlink(&c->node);
    publisher_close(&c->publisher, reason);
    rtc_peer_free(&c->peer);
    whip_session_free(&c->session);
    free(c);
}

void whip_connection_delete(void *connection, void *arg)
{
    struct connection *c = connection;

    (void)arg;
    c->known = false;
    count(c);
    log_info("whip", "closed", log_s("channel", c->channel),
             log_s("peer", c->address), log_s("reason", "unpublish"));
    metric_add(c->whip->m_closed, 1);
    end(c, "unpublish");
}

void whip_connections_close(struct whip *w, const char *reason)
{
    LIST_FOREACH_SAFE (it, &w->connections)
        end(LIST_ENTRY(it, struct connection, node), reason);
}

/* --- time --- */

static void set_timer(struct connection *c)
{
    int64_t due = whip_session_due_at(c->session, loop_now(c->whip->loop));

    if (!timer_is_set(&c->timer) || due < c->timer.at)
        timer_set(&c->timer, due > 0 ? due : 1);
}

static void on_timer(void *arg)
{
    struct connection *c = arg;
    int64_t now = loop_now(c->whip->loop);
    const char *why;

    if (!c->ready) {
        end(c, "the channel did not answer");
        return;
    }
    whip_session_tick(c->session, now);
    rtc_host_flush(c->whip->host);
    watch(c, now);
    why = c->bad_track ? c->bad_track : whip_session_end(c->session);
    if (why)
        end(c, why);
    else
        set_timer(c);
}

/* --- the transport --- */

static void on_connected(void *arg)
{
    struct connection *c = arg;
    char path[PATH_MAX_TEXT];

    rtc_peer_path_text(c->peer, path);
    log_info("whip", "connected", log_s("channel", c->channel),
             log_s("peer", c->address), log_s("path", path));
    timer_set(&c->timer, loop_now(c->whip->loop) + ANSWER_US);
    rtc_peer_hold(c->peer);
    publisher_enter(c->publisher); /* may end c */
}

static void on_rtp(uint8_t *data, size_t len, int64_t at, void *arg)
{
    struct connection *c = arg;

    whip_session_rtp(c->session, data, len, at);
    if (!c->has_media && whip_session_has_media(c->session)) {
        c->has_media = true;
        rtc_desk_connected(c->whip->desk, c);
    }
    set_timer(c);
}

static void on_rtcp(uint8_t *data, size_t len, int64_t at, void *arg)
{
    struct connection *c = arg;

    whip_session_rtcp(c->session, data, len, at);
    set_timer(c);
}

static void on_closed(const char *reason, void *arg)
{
    end(arg, reason);
}

/* --- the session's media --- */

static void on_track(int slot, const struct track_info *info,
                     struct slice config, void *arg)
{
    struct connection *c = arg;
    int err = publisher_track(c->publisher, slot, info, config);

    if (!err) return;
    log_warn("whip", "bad_track", log_s("channel", c->channel),
             log_s("peer", c->address), log_s("codec", codec_name(info->codec)),
             log_s("reason", err_text(err)));
    if (err == ERR_UNSUPPORTED || err == ERR_RANGE)
        c->bad_track = "the codec's configuration is not supported";
}

static void on_frame(const struct publisher_frame *f, void *arg)
{
    struct connection *c = arg;

    publisher_frame(c->publisher, f); /* counts what it cannot hand on */
}

static void on_feedback(const uint8_t *data, size_t len, void *arg)
{
    struct connection *c = arg;

    rtc_peer_send_rtcp(c->peer, data, len);
}

/* --- the publisher --- */

static const char *first_mid(const struct rtc_negotiated *n)
{
    if (!n->audio.used) return n->video.mid;
    if (!n->video.used || n->audio.index < n->video.index) return n->audio.mid;
    return n->video.mid;
}

static int write_answer(struct connection *c, const struct sdp *offer,
                        struct slice *out)
{
    struct rtc_host *host = c->whip->host;
    struct rtc_candidate candidates[CANDIDATES_MAX];
    struct rtc_answer answer = {
        .negotiated = &c->negotiated,
        .local = rtc_peer_credentials(c->peer),
        .fingerprint = rtc_host_fingerprint(host),
        .candidates = candidates,
        .candidate_count =
            rtc_desk_candidates(host, candidates, CANDIDATES_MAX),
    };
    struct builder b;
    struct buf *text;
    int err;

    builder_init(&b, SDP_BYTES_MAX);
    rtc_answer_write(&b, offer, &answer);
    err = builder_seal(&b, &text);
    if (!err) *out = slice_take(&text);
    return err;
}

static void on_ready(void *arg)
{
    struct connection *c = arg;

    c->ready = true;
    whip_session_start(c->session, loop_now(c->whip->loop));
    rtc_peer_go_on(c->peer);
    timer_cancel(&c->timer);
    set_timer(c);
}

static void on_refused(int err, void *arg)
{
    end(arg, err == ERR_EXISTS ? priority_too_low : err_text(err));
}

static void on_kicked(const char *reason, void *arg)
{
    end(arg, reason);
}

static void on_key_wanted(int slot, void *arg)
{
    struct connection *c = arg;

    if (slot != WHIP_SLOT_VIDEO) return;
    whip_session_want_key(c->session, loop_now(c->whip->loop));
    set_timer(c);
}

/* --- a new one --- */

/* The key must be of the channel in the URL, the query be sound. 0 or an HTTP
 * status. */
static int check_request(const struct whip *w, const struct rtc_post *post,
                         int32_t *priority, const char **why)
{
    struct ingest_grant grant;

    *why = "Publishing needs the channel's stream key: "
           "Authorization: Bearer STREAM_KEY.";
    if (!post->bearer[0]) return 401;
    *why = "This stream key is not known.";
    if (strlen(post->bearer) > STREAM_KEY_MAX) return 401;
    if (w->door.authorise(post->bearer, &grant, w->door.arg)) return 401;
    *why = "This stream key is another channel's.";
    if (strcmp(grant.channel, post->channel) != 0) return 403;
    *why = priority_bad;
    return priority_of_query(priority, post->query) ? 400 : 0;
}

static struct sdp_text find_sprop(const struct sdp *offer,
                                  const struct rtc_negotiated *n)
{
    const struct sdp_media *m = &offer->media[n->video.index];

    for (int i = 0; n->video.used && i < m->codec_count; i++)
        if (m->codecs[i].payload_type == n->video.h264[0].payload_type)
            return sdp_fmtp(&m->codecs[i], "sprop-parameter-sets");
    return (struct sdp_text){0};
}

static bool is_reduced_size(const struct sdp *offer,
                            const struct rtc_negotiated *n)
{
    return (!n->video.used || offer->media[n->video.index].rtcp_rsize) &&
           (!n->audio.used || offer->media[n->audio.index].rtcp_rsize);
}

/* What a connection is made of, but for the publisher's opening. 0, or
 * ERR_LIMIT, ERR_NOMEM. */
static int make_parts(struct connection *c, const struct rtc_post *post)
{
    struct whip *w = c->whip;
    struct rtc_peer_conf peer = {
        .host = w->host,
        .dtls_client = c->negotiated.dtls_client,
        .remote = c->negotiated.remote,
        .fingerprint = c->negotiated.fingerprint,
        .events = {on_connected, on_rtp, on_rtcp, on_closed, c},
    };
    struct whip_session_conf session = {
        .negotiated = &c->negotiated,
        .sprop = find_sprop(post->offer, &c->negotiated),
        .reduced_size = is_reduced_size(post->offer, &c->negotiated),
        .events = {on_track, on_frame, on_feedback, c},
    };
    struct publisher_events events = {on_ready, on_refused, on_kicked, c,
                                      on_key_wanted};
    int err;

    RAND_bytes((unsigned char *)&session.ssrc, sizeof session.ssrc);
    err = whip_session_create(&c->session, &session);
    if (!err) err = rtc_peer_create(&c->peer, &peer);
    if (!err)
        err = publisher_create(&c->publisher, &w->door, w->loop, "whip",
                               post->address, &events);
    return err;
}

static struct connection *make_connection(struct whip *w,
                                          const struct rtc_post *post,
                                          const struct rtc_negotiated *n)
{
    struct connection *c = calloc(1, sizeof *c);

    if (!c) return NULL;
    c->whip = w;
    c->negotiated = *n;
    c->layer = -1;
    list_init(&c->node);
    list_append(&w->connections, &c->node);
    timer_init(&c->timer, w->loop, on_timer, c);
    snprintf(c->address, sizeof c->address, "%s", post->address);
    snprintf(c->channel, sizeof c->channel, "%s", post->channel);
    return c;
}

static void refuse(struct rtc_ticket *t, int err)
{
    switch (err) {
    case ERR_DENIED:
        rtc_ticket_refuse(t, 403, 0, "This channel takes no publisher.");
        break;
    case ERR_BUSY:
        rtc_ticket_refuse(t, 409, RETRY_S,
                          "Another publisher has just taken this channel.");
        break;
    case ERR_EXISTS:
        rtc_ticket_refuse(t, 409, 0,
                          "A publisher of a higher priority has this channel: "
                          "stop it, or come with ?priority= as high.");
        break;
    default: rtc_ticket_refuse(t, 503, RETRY_S, "The server is full."); break;
    }
}

/* Takes t. */
static void accept_offer(struct connection *c, struct rtc_ticket *t)
{
    struct slice text;
    int err = write_answer(c, rtc_ticket_post(t)->offer, &text);

    if (err) {
        rtc_ticket_refuse(t, 503, RETRY_S, "The server is out of memory.");
        end(c, err_text(err));
        return;
    }
    c->known =
        !rtc_ticket_accept(t, text, c->peer, first_mid(&c->negotiated), c);
    slice_unref(&text);
    if (c->known)
        metric_add(c->whip->m_opened, 1);
    else
        end(c, "the server is full");
}

void whip_connection_open(struct whip *w, struct rtc_ticket *t)
{
    const struct rtc_post *post = rtc_ticket_post(t);
    struct rtc_negotiated n;
    struct connection *c;
    const char *sentence;
    char why[160] = "";
    int32_t priority = 0;
    int status = check_request(w, post, &priority, &sentence), err;

    if (status) {
        log_warn("whip", "refused", log_s("channel", post->channel),
                 log_s("peer", post->address), log_s("reason", sentence),
                 log_secret("key", post->bearer));
        rtc_ticket_refuse(t, status, 0, sentence);
        return;
    }
    err = rtc_negotiate_publish(&n, post->offer, why);
    if (err) {
        log_warn("whip", "refused", log_s("channel", post->channel),
                 log_s("peer", post->address), log_s("reason", why));
        rtc_ticket_refuse(t, err == ERR_SYNTAX ? 400 : 422, 0, why);
        return;
    }
    c = make_connection(w, post, &n);
    if (!c) {
        rtc_ticket_refuse(t, 503, RETRY_S, "The server is out of memory.");
        return;
    }
    err = make_parts(c, post);
    if (!err) {
        publisher_set_priority(c->publisher, priority);
        err = publisher_admit(c->publisher, post->bearer);
    }
    if (!err) {
        accept_offer(c, t);
        return;
    }
    refuse(t, err);
    end(c, err_text(err));
}
