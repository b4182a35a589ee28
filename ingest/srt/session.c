#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "ingest/priority.h"
#include "ingest/srt/server_priv.h"

enum {
    PATIENCE_US = 5000000,   /* then it is said what is missing */
    GIVE_UP_US = 30000000,   /* then the connection ends */
    UNSUPPORTED_LOGGED = 16, /* per connection */
    SILENT_US = 10000000,    /* without a byte that looks like MPEG-TS */
};

static void free_kept(struct link *l)
{
    LIST_FOREACH_SAFE (it, &l->kept) {
        struct block *b = LIST_ENTRY(it, struct block, node);
        list_unlink(&b->node);
        srt_link_unref(b->link);
        free(b);
    }
    l->kept_bytes = 0;
}

static void count_media(struct link *l)
{
    const struct demux_counts *now;
    struct srt_server *s = l->server;

    if (!l->demux) return;
    now = demux_counts(l->demux);
    metric_add(s->m_gaps, (int64_t)(now->gaps - l->seen.gaps));
    metric_add(s->m_lost_units,
               (int64_t)(now->lost_units - l->seen.lost_units));
    metric_add(s->m_waiting,
               (int64_t)(now->dropped_frames - l->seen.dropped_frames));
    metric_add(s->m_scrambled, (int64_t)(now->scrambled - l->seen.scrambled));
    if (now->scrambled && !l->seen.scrambled)
        log_warn("srt", "scrambled", log_s("channel", l->channel),
                 log_s("peer", l->peer),
                 log_s("reason", "a stream is scrambled from here on: send it "
                                 "in the clear"));
    metric_add(s->m_metas, (int64_t)(now->metas - l->seen.metas));
    l->seen = *now;
}

/* The socket closes when the thread sees it; more bytes are of no interest. */
void srt_session_end(struct link *l, const char *why)
{
    if (l->over) return;
    l->over = true;
    atomic_store(&l->wants_close, true);
    if (l->began_at) timer_cancel(&l->timer);
    log_info("srt", "closed", log_s("peer", l->peer),
             log_s("channel", l->channel), log_s("reason", why));
    count_media(l);
    free_kept(l);
    publisher_close(&l->publisher, why);
    /* Its events may be what ends us: it goes with the link's last block. */
}

static void give_up(struct link *l, const char *why)
{
    log_warn("srt", "nothing_to_play", log_s("peer", l->peer),
             log_s("channel", l->channel), log_s("reason", why));
    srt_server_count_refusal(l->server, "nothing_to_play");
    srt_session_end(l, why);
}

static void on_timer(void *arg)
{
    struct link *l = arg;
    int64_t now = loop_now(l->loop);
    const char *missing = demux_missing(l->demux);
    bool silent = now - l->data_at >= GIVE_UP_US;

    if (missing && (now - l->began_at >= GIVE_UP_US ||
                    (!l->has_data && now - l->began_at >= SILENT_US))) {
        give_up(l, missing);
        return;
    }
    if (silent) {
        srt_session_end(l, "no data for 30 s");
        return;
    }
    if (missing && !l->said_missing)
        log_warn("srt", "waiting", log_s("peer", l->peer),
                 log_s("channel", l->channel), log_s("missing", missing));
    l->said_missing = true;
    timer_set(&l->timer, now + PATIENCE_US);
}

/* --- publisher's events ------------------------------------------------------
 */

static void feed(struct link *l, const struct block *b)
{
    if (b->cut) demux_break(l->demux);
    if (demux_feed(l->demux, b->data, b->len))
        log_error("srt", "out_of_memory", log_s("channel", l->channel));
    count_media(l);
}

static void on_ready(void *arg)
{
    struct link *l = arg;

    l->ready = true;
    LIST_FOREACH (it, &l->kept)
        if (!l->over) feed(l, LIST_ENTRY(it, struct block, node));
    free_kept(l);
}

static void on_refused(int err, void *arg)
{
    srt_session_end(arg, err == ERR_DENIED   ? "wrong stream key"
                         : err == ERR_EXISTS ? priority_too_low
                                             : err_text(err));
}

static void on_kicked(const char *reason, void *arg)
{
    srt_session_end(arg, reason);
}

/* --- the demux's events ------------------------------------------------------
 */

static void on_track(int slot, const struct track_info *info,
                     struct slice config, void *arg)
{
    struct link *l = arg;
    int err;

    if (l->over) return;
    err = publisher_track(l->publisher, slot, info, config);
    if (err)
        log_warn("srt", "bad_track", log_s("peer", l->peer),
                 log_s("channel", l->channel),
                 log_s("codec", codec_name(info->codec)),
                 log_s("reason", err_text(err)));
}

static void on_frame(const struct publisher_frame *f, void *arg)
{
    struct link *l = arg;

    if (!l->over) publisher_frame(l->publisher, f);
}

static void on_gone(int slot, void *arg)
{
    struct link *l = arg;

    if (!l->over) publisher_track_gone(l->publisher, slot);
}

static void on_unsupported(uint16_t pid, enum content c, void *arg)
{
    struct link *l = arg;
    bool ours = content_is_picture(c); /* a second one */

    if (l->unsupported++ >= UNSUPPORTED_LOGGED) return;
    log_warn("srt", "stream_left_out", log_s("channel", l->channel),
             log_i("pid", pid), log_s("codec", content_name(c)),
             log_s("reason", ours ? "one video stream is taken, the first"
                             : content_is_media(c)
                                 ? "codec is not supported: send H.264 or "
                                   "HEVC, and AAC"
                                 : "not media"));
}

/* --- what the thread hands over ----------------------------------------------
 */

static int begin(struct link *l)
{
    /* Metadata has no place on the bus: it is counted. */
    struct demux_events events = {.on_track = on_track,
                                  .on_frame = on_frame,
                                  .on_gone = on_gone,
                                  .on_unsupported = on_unsupported,
                                  .arg = l};

    timer_init(&l->timer, l->loop, on_timer, l);
    l->began_at = l->data_at = loop_now(l->loop);
    timer_set(&l->timer, l->began_at + PATIENCE_US);
    return demux_create(&l->demux, &events);
}

void srt_session_begin(void *arg)
{
    struct link *l = arg;

    if (!l->over && begin(l)) srt_session_end(l, err_text(ERR_NOMEM));
    srt_link_unref(l);
}

/* Only who really sends MPEG-TS may take a channel over. */
static void open_publisher(struct link *l)
{
    struct publisher_events events = {on_ready, on_refused, on_kicked, l, NULL};

    if (publisher_create(&l->publisher, &l->server->door, l->loop, "srt",
                         l->peer, &events)) {
        srt_session_end(l, err_text(ERR_NOMEM));
        return;
    }
    publisher_set_priority(l->publisher, l->id.priority);
    publisher_open(l->publisher, l->id.key);
}

/* Takes b. */
static void keep(struct link *l, struct block *b)
{
    if (l->kept_bytes + b->len > KEPT_BYTES_MAX) {
        metric_add(l->server->m_dropped_bytes, (int64_t)b->len);
        srt_link_unref(b->link);
        free(b);
        return;
    }
    l->kept_bytes += b->len;
    list_append(&l->kept, &b->node);
    if (!l->publisher) open_publisher(l);
}

void srt_session_line(void *arg)
{
    struct line_news *n = arg;
    struct link *l = n->link;

    if (!l->over && l->publisher) publisher_line(l->publisher, &n->line);
    srt_link_unref(l);
    free(n);
}

void srt_session_block(void *arg)
{
    struct block *b = arg;
    struct link *l = b->link;

    atomic_fetch_sub(&l->queued, b->len);
    l->data_at = loop_now(l->loop);
    if (!l->has_data && b->len && b->data[0] == TS_SYNC) l->has_data = true;
    if (!l->over && l->has_data && !l->ready) {
        keep(l, b);
        return;
    }
    if (!l->over && l->has_data) feed(l, b);
    srt_link_unref(l);
    free(b);
}
