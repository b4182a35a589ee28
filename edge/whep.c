#include "edge/whep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/rtc/desk.h"
#include "core/rtc/host.h"
#include "edge/feed.h"
#include "edge/pacer.h"
#include "edge/viewer.h"

enum {
    CANDIDATES_MAX = 32,
    PENDING_MAX = 1024,
    SESSIONS_MAX = 8192, /* of one loop */
    LOOPS_MAX = 256,
    RETRY_OFFLINE_S = 2,
    RETRY_STARTING_S = 1,
    PROFILE_MAIN = 77,
};

struct whep {
    struct whep_conf conf;
    struct loop *loop;
    struct rtc_desk *desk;
    struct rtc_desk *desks[LOOPS_MAX];
    struct map streams; /* channel to struct stream */
    struct viewer_room room;
    struct timer timer; /* the one: pacing and ticks */
    int64_t next_tick_at;
    int viewers;
    bool draining;
};

struct stream {
    struct whep *whep;
    struct feed *feed;
    struct list viewers;
    int count;
    bool ended;
};

/* --- time -------------------------------------------------------------------
 */

static void arm(struct whep *w)
{
    int64_t now_at = loop_now(w->loop), at = w->next_tick_at;

    if (!w->viewers) return;
    if (!list_is_empty(&w->room.pacing) && now_at + PACER_TICK_US < at)
        at = now_at + PACER_TICK_US;
    if (!timer_is_set(&w->timer) || at < w->timer.at) timer_set(&w->timer, at);
}

static void tick_stream(struct stream *s, int64_t now_at)
{
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    int count = feed_ladder(s->feed, now_at, rungs);

    LIST_FOREACH (node, &s->viewers)
        viewer_tick(viewer_of_node(node), rungs, count, now_at);
}

static void on_timer(void *arg)
{
    struct whep *w = arg;
    int64_t now_at = loop_now(w->loop);
    struct stream *s;
    size_t at = 0;

    viewer_room_pace(&w->room, now_at);
    if (now_at >= w->next_tick_at) {
        w->next_tick_at = now_at + VIEWER_TICK_US;
        while ((s = map_next(&w->streams, &at, NULL)))
            tick_stream(s, now_at);
        rtc_host_flush(w->conf.host);
    }
    arm(w);
}

/* --- frames ------------------------------------------------------------------
 */

static void on_unit(int index, struct unit *u, void *arg)
{
    struct stream *s = arg;
    int64_t now_at = loop_now(s->whep->loop);

    LIST_FOREACH (node, &s->viewers)
        viewer_unit(viewer_of_node(node), index, u, now_at);
}

static void on_batch_end(void *arg)
{
    struct stream *s = arg;

    if (list_is_empty(&s->viewers)) return;
    rtc_host_flush(s->whep->conf.host);
    arm(s->whep);
}

/* --- viewers -----------------------------------------------------------------
 */

static struct stream *stream_of(struct whep *w, struct viewer *v)
{
    return map_get(&w->streams, viewer_channel(v));
}

static void count_viewer(struct stream *s, int step)
{
    struct whep *w = s->whep;

    s->count += step;
    w->viewers += step;
    metric_set(w->room.viewers, w->viewers);
    if (!w->viewers) timer_cancel(&w->timer);
    if (step > 0 && w->viewers == 1)
        w->next_tick_at = loop_now(w->loop) + VIEWER_TICK_US;
}

static void end_viewer(struct whep *w, struct viewer *v, const char *reason)
{
    count_viewer(stream_of(w, v), -1);
    viewer_free(&v, reason);
}

static void end_viewers(struct stream *s, const char *reason)
{
    LIST_FOREACH_SAFE (node, &s->viewers) {
        struct viewer *v = viewer_of_node(node);
        rtc_desk_forget(s->whep->desk, v);
        end_viewer(s->whep, v, reason);
    }
    rtc_host_flush(s->whep->conf.host);
}

static void on_connected(struct viewer *v, void *arg)
{
    struct whep *w = arg;

    rtc_desk_connected(w->desk, v);
    arm(w);
}

static void on_closed(struct viewer *v, const char *reason, void *arg)
{
    struct whep *w = arg;

    rtc_desk_forget(w->desk, v);
    end_viewer(w, v, reason);
}

static void on_delete(void *session, void *arg)
{
    struct whep *w = arg;

    end_viewer(w, session, "deleted");
    rtc_host_flush(w->conf.host);
}

static int on_control(void *session, const char *body, struct builder *out,
                      void *arg)
{
    struct whep *w = arg;
    int64_t now_at = loop_now(w->loop);

    if (body && viewer_pin(session, body, now_at)) {
        builder_text(out, "{\"error\":\"There is no such rendition now.\"}");
        return 400;
    }
    viewer_describe(session, now_at, out);
    return 200;
}

/* --- offers ------------------------------------------------------------------
 */

/* The value of a parameter as it stands there; names need no decoding. */
static void query_value(const char *query, const char *name, char *out,
                        size_t size)
{
    size_t len = strlen(name);

    *out = '\0';
    while (query && *query) {
        size_t part = strcspn(query, "&");
        if (part > len && !strncmp(query, name, len) && query[len] == '=') {
            snprintf(out, size, "%.*s", (int)(part - len - 1), query + len + 1);
            return;
        }
        query += part + (query[part] == '&');
    }
}

static int write_answer(struct whep *w, const struct rtc_ticket *t,
                        const struct rtc_negotiated *n, const struct viewer *v,
                        struct slice *out)
{
    struct rtc_candidate candidates[CANDIDATES_MAX];
    struct rtc_answer a = {
        .sends = true,
        .negotiated = n,
        .fingerprint = rtc_host_fingerprint(w->conf.host),
        .candidates = candidates,
        .candidate_count =
            rtc_desk_candidates(w->conf.host, candidates, CANDIDATES_MAX),
    };
    struct builder b;
    struct buf *whole;
    int err;

    viewer_answer(v, &a);
    builder_init(&b, SDP_BYTES_MAX);
    err = rtc_answer_write(&b, rtc_ticket_post(t)->offer, &a);
    if (err) {
        builder_release(&b);
        return err;
    }
    err = builder_seal(&b, &whole);
    if (!err) *out = slice_take(&whole);
    return err;
}

/* Takes t. */
static void admit(struct whep *w, struct stream *s, struct rtc_ticket *t,
                  const struct rtc_negotiated *n)
{
    const struct rtc_post *post = rtc_ticket_post(t);
    const struct rtc_section *first =
        !n->video.used || (n->audio.used && n->audio.index < n->video.index)
            ? &n->audio
            : &n->video;
    char name[TRACK_NAME_MAX];
    struct viewer_conf conf = {
        .room = &w->room,
        .feed = s->feed,
        .negotiated = n,
        .rendition = name,
        .address = post->address,
        .asked_at = loop_now(w->loop),
        .events = {on_connected, on_closed, w},
    };
    struct viewer *v = NULL;
    struct slice answer = {0};
    int err;

    query_value(post->query, "rendition", name, sizeof name);
    err = viewer_create(&v, &conf);
    if (!err) err = write_answer(w, t, n, v, &answer);
    if (err) {
        log_warn("whep", "viewer_refused",
                 log_s("stream", feed_channel(s->feed)),
                 log_s("why", err_text(err)));
        viewer_free(&v, "refused");
        rtc_ticket_refuse(t, 503, RETRY_OFFLINE_S,
                          "There is no room for another viewer now.");
        return;
    }
    list_append(&s->viewers, viewer_node(v));
    count_viewer(s, 1);
    if (rtc_ticket_accept(t, answer, viewer_peer(v), first->mid, v))
        end_viewer(w, v, "refused");
    slice_unref(&answer);
    arm(w);
}

/* Is the channel's stream to be watched now? Else answers t. */
static struct stream *find_stream(struct whep *w, struct rtc_ticket *t)
{
    const char *channel = rtc_ticket_post(t)->channel;
    struct stream *s = map_get(&w->streams, channel);

    if (w->draining) {
        rtc_ticket_refuse(t, 503, RETRY_OFFLINE_S,
                          "This server is about to stop.");
        return NULL;
    }
    if (s && !s->ended) return s;
    if (!s && w->conf.find(channel, w->conf.arg) == WHEP_UNKNOWN)
        rtc_ticket_refuse(t, 404, 0, "There is no such channel.");
    else
        rtc_ticket_refuse(t, 409, RETRY_OFFLINE_S,
                          "Nobody is live on this channel.");
    return NULL;
}

static void on_offer(struct rtc_ticket *t, void *arg)
{
    struct whep *w = arg;
    struct stream *s = find_stream(w, t);
    int64_t now_at = loop_now(w->loop);
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    struct rtc_negotiated n;
    char why[160];

    if (!s) return;
    const char *refusal = feed_refusal(s->feed);
    if (refusal) {
        rtc_ticket_refuse(t, 406, 0, refusal);
        return;
    }
    bool video = feed_ladder(s->feed, now_at, rungs) > 0;
    bool audio = feed_has_audio(s->feed);
    if (!video && (feed_has_video(s->feed) || !audio)) {
        feed_wish_top(s->feed, UINT32_MAX, now_at);
        rtc_ticket_refuse(t, 409, RETRY_STARTING_S,
                          "The stream is starting: try again in a second.");
        return;
    }
    uint8_t profile = video
                          ? s->feed->renditions[feed_find(s->feed, rungs[0].id)]
                                .sets.profile_idc
                          : PROFILE_MAIN;
    int err = rtc_negotiate_play(&n, rtc_ticket_post(t)->offer, video, audio,
                                 profile, why);
    if (err)
        rtc_ticket_refuse(t, err == ERR_SYNTAX ? 400 : 406, 0, why);
    else
        admit(w, s, t, &n);
}

/* --- streams -----------------------------------------------------------------
 */

static void on_end(void *arg)
{
    struct stream *s = arg;

    s->ended = true;
    end_viewers(s, "stream ended");
}

static void stream_free(struct stream *s, const char *reason)
{
    end_viewers(s, reason);
    feed_free(&s->feed);
    free(s);
}

static int stream_create(struct whep *w, const char *channel, struct bus *bus)
{
    struct stream *s = calloc(1, sizeof *s);
    int err = ERR_NOMEM;

    if (!s) return ERR_NOMEM;
    s->whep = w;
    list_init(&s->viewers);
    err = feed_create(&s->feed, w->loop, bus,
                      &(struct feed_events){on_unit, on_batch_end, on_end, s});
    if (!err) err = map_set(&w->streams, channel, s);
    if (!err) return 0;
    feed_free(&s->feed);
    free(s);
    return err;
}

void whep_stream(struct whep *w, const char *channel, struct bus *bus)
{
    struct stream *before = map_get(&w->streams, channel);
    int err = 0;

    INVARIANT(loop_is_here(w->loop));
    if (before) {
        end_viewers(before, "stream ended");
        map_remove(&w->streams, channel);
        stream_free(before, "stream ended");
    }
    if (bus) err = stream_create(w, channel, bus);
    if (err)
        log_error("whep", "no_stream", log_s("stream", channel),
                  log_s("why", err_text(err)));
}

int whep_viewers(const struct whep *w, const char *channel)
{
    const struct stream *s = map_get(&w->streams, channel);

    return s ? s->count : 0;
}

/* --- the door ----------------------------------------------------------------
 */

int whep_create(struct whep **out, const struct whep_conf *conf)
{
    struct whep *w = calloc(1, sizeof *w);
    int err;

    if (!w) return ERR_NOMEM;
    w->conf = *conf;
    w->loop = rtc_host_loop(conf->host);
    map_init(&w->streams);
    timer_init(&w->timer, w->loop, on_timer, w);
    struct rtc_desk_conf desk = {
        .host = conf->host,
        .prefix = "/whep/",
        .on_offer = on_offer,
        .on_delete = on_delete,
        .on_control = on_control,
        .arg = w,
        .pending_per_address = conf->pending_per_address,
        .pending_max = PENDING_MAX,
        .sessions_max = SESSIONS_MAX,
        .metrics = conf->metrics,
    };
    err = viewer_room_init(&w->room, conf->host, conf->metrics);
    if (!err) err = rtc_desk_create(&w->desk, &desk);
    if (err) {
        viewer_room_release(&w->room);
        free(w);
        return err;
    }
    *out = w;
    return 0;
}

void whep_set_peers(struct whep *w, struct whep *const *all, int count)
{
    INVARIANT(count <= LOOPS_MAX);
    for (int i = 0; i < count; i++)
        w->desks[i] = all[i]->desk;
    rtc_desk_set_peers(w->desk, w->desks, count);
}

int whep_serve(struct whep *w, struct server *s)
{
    return rtc_desk_serve(w->desk, s);
}

void whep_drain(struct whep *w)
{
    struct stream *s;
    size_t at = 0;

    w->draining = true;
    while ((s = map_next(&w->streams, &at, NULL)))
        end_viewers(s, "server stops");
}

void whep_free(struct whep **w)
{
    struct whep *last = *w;
    struct stream *s;
    const char *channel;

    *w = NULL;
    if (!last) return;
    for (size_t at = 0; (s = map_next(&last->streams, &at, &channel));) {
        end_viewers(s, "server stops");
        map_remove(&last->streams, channel);
        stream_free(s, "server stops");
    }
    timer_cancel(&last->timer);
    rtc_desk_free(&last->desk);
    map_release(&last->streams);
    viewer_room_release(&last->room);
    free(last);
}
