/* Requests for playlists and media. URLs :
 *   /live/{channel}/index.m3u8
 *   /live/{channel}/{generation}/{rendition}/index.m3u8
 *   /live/{channel}/{generation}/{rendition}/init-{n}.mp4
 *   /live/{channel}/{generation}/{rendition}/{msn}.m4s
 *   /live/{channel}/{generation}/{rendition}/{msn}.{part}.m4s
 * Spec: RFC 8216bis §6.2.5 (blocking), §6.2.6 (hints), appendix B.1. */
#include <string.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "edge/edge_priv.h"

/* A piece of the path between slashes. */
struct piece {
    const char *text;
    size_t len;
};

static struct piece next_piece(const char **at)
{
    struct piece p = {*at, strcspn(*at, "/")};

    *at += p.len;
    if (**at == '/') ++*at;
    return p;
}

static bool is(struct piece p, const char *text)
{
    return p.len == strlen(text) && !memcmp(p.text, text, p.len);
}

/* Takes a decimal number off the front; ERR_SYNTAX if there is none. */
static int take_number(struct piece *p, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = 0;

    while (n < p->len && n < 18 && p->text[n] >= '0' && p->text[n] <= '9')
        v = v * 10 + (uint64_t)(p->text[n++] - '0');
    if (!n || (n > 1 && p->text[0] == '0')) return ERR_SYNTAX;
    p->text += n;
    p->len -= n;
    *out = v;
    return 0;
}

static void count(struct edge *e, enum request_kind kind)
{
    metric_add(e->requests[kind], 1);
}

static void not_found(struct exchange *x)
{
    exchange_respond_text(x, 404, "not found\n");
}

static void answer(struct edge *e, struct exchange *x, struct response *r)
{
    if (r)
        exchange_respond(x, r);
    else
        edge_unavailable(e, x);
}

/* --- media playlist ------------------------------------------------------- */

static void answer_playlist(struct edge_stream *s, int index,
                            struct exchange *x)
{
    struct directives d;

    if (directives_parse(&d, exchange_query(x))) {
        exchange_respond_text(x, 400, "bad delivery directive\n");
        return;
    }
    answer(s->channel->edge, x,
           render_media(s, index, d.skip != PLAYLIST_SKIP_NONE,
                        exchange_accepts_gzip(x),
                        d.has_msn && s->store->state != STORE_ENDED));
}

static void wait_for(struct edge_stream *s, int index,
                     const struct coalesce_key *key, struct exchange *x)
{
    struct edge *e = s->channel->edge;

    if (coalesce_wait(&s->waits[index], key, x))
        edge_unavailable(e, x);
    else
        metric_add(e->blocked, 1);
}

static void serve_playlist(struct edge_stream *s, int index, struct exchange *x)
{
    struct edge *e = s->channel->edge;
    const struct store_rendition *r = &s->store->renditions[index];
    struct directives d;
    struct playlist_key key;

    if (directives_parse(&d, exchange_query(x))) {
        exchange_respond_text(x, 400, "bad delivery directive\n");
        return;
    }
    count(e, d.skip      ? REQUEST_DELTA
             : d.has_msn ? REQUEST_BLOCKING
                         : REQUEST_PLAYLIST);
    switch (playlist_decide(s->store, r, &d, &key)) {
    case DIRECTIVES_BAD:
        exchange_respond_text(x, 400, "too far ahead of the live edge\n");
        return;
    case DIRECTIVES_SERVE: answer_playlist(s, index, x); return;
    case DIRECTIVES_WAIT: break;
    }
    struct coalesce_key what = {WAIT_PLAYLIST, key.msn, key.part};
    wait_for(s, index, &what, x);
}

/* --- media ---------------------------------------------------------------- */

static void serve_init(struct edge_stream *s, int index, uint64_t number,
                       struct exchange *x)
{
    struct store_rendition *r = &s->store->renditions[index];
    struct store_object *o =
        number <= UINT32_MAX ? store_find_init(r, (uint32_t)number) : NULL;

    count(s->channel->edge, REQUEST_INIT);
    if (o)
        answer(s->channel->edge, x, render_object(o, r->description.video));
    else
        not_found(x);
}

static void serve_segment(struct edge_stream *s, int index, uint64_t msn,
                          struct exchange *x)
{
    struct store_rendition *r = &s->store->renditions[index];
    struct store_segment *g = store_find_segment(r, msn);

    count(s->channel->edge, REQUEST_SEGMENT);
    if (g && g->closed && !g->missing)
        answer(s->channel->edge, x, render_segment(g, r->description.video));
    else
        not_found(x);
}

static struct store_object *find_part(struct edge_stream *s, int index,
                                      uint64_t msn, uint64_t part)
{
    struct store_segment *g =
        store_find_segment(&s->store->renditions[index], msn);

    if (!g || part >= (uint64_t)g->part_count) return NULL;
    return &g->parts[part];
}

/* There, or not to be had any more; true if answered. */
static bool answer_part(struct edge_stream *s, int index, uint64_t msn,
                        uint64_t part, struct exchange *x)
{
    struct store_rendition *r = &s->store->renditions[index];
    struct store_object *o = find_part(s, index, msn, part);

    if (o && !o->event->v.part.missing) {
        answer(s->channel->edge, x, render_object(o, r->description.video));
        return true;
    }
    if (!o && playlist_is_hinted(s->store, r, msn, part)) return false;
    not_found(x);
    return true;
}

static void serve_part(struct edge_stream *s, int index, uint64_t msn,
                       uint64_t part, struct exchange *x)
{
    struct coalesce_key key = {WAIT_PART, msn, part};

    count(s->channel->edge, REQUEST_PART);
    if (!answer_part(s, index, msn, part, x)) wait_for(s, index, &key, x);
}

/* --- waking --------------------------------------------------------------- */

static bool is_ready(const struct coalesce_key *key, void *arg)
{
    struct lane *l = arg;
    struct store *s = l->stream->store;
    struct store_rendition *r = &s->renditions[l->index];
    struct playlist_key k = {key->msn, key->part};

    if (key->kind == WAIT_PLAYLIST) return playlist_has(s, r, &k);
    return find_part(l->stream, l->index, key->msn, key->part) ||
           !playlist_is_hinted(s, r, key->msn, key->part);
}

static void answer_waiter(struct exchange *x, const struct coalesce_key *key,
                          void *arg)
{
    struct lane *l = arg;

    l->answered += key->kind == WAIT_PLAYLIST;
    if (key->kind == WAIT_PLAYLIST)
        answer_playlist(l->stream, l->index, x);
    else
        answer_part(l->stream, l->index, key->msn, key->part, x);
}

void hls_wake_rendition(struct edge_stream *s, int index)
{
    struct lane *l = &s->lanes[index];

    l->answered = 0;
    coalesce_wake(&s->waits[index], is_ready, answer_waiter);
    if (l->answered > l->most_answered) l->most_answered = l->answered;
}

void hls_timed_out(struct exchange *x, const struct coalesce_key *key,
                   void *lane)
{
    struct lane *l = lane;

    (void)key;
    metric_add(l->stream->channel->edge->timeouts, 1);
    edge_unavailable(l->stream->channel->edge, x);
}

void hls_gone(struct exchange *x, const struct coalesce_key *key, void *arg)
{
    (void)key;
    (void)arg;
    not_found(x);
}

/* --- multivariant playlist ------------------------------------------------ */

static void not_live(struct exchange *x)
{
    exchange_respond_text(x, 404, "not live\n");
}

/* Playable, or over for good; then it is answered at once. */
static bool answer_multivariant(struct edge_channel *c, struct exchange *x)
{
    struct edge_stream *s = edge_newest(c);

    if (s && s->store->listed) {
        answer(c->edge, x, render_multivariant(s, exchange_accepts_gzip(x)));
        return true;
    }
    if (s && s->store->state != STORE_ENDED) return false;
    if (!s && c->edge->conf.upstream.find &&
        c->edge->conf.upstream.find(c->name, c->edge->conf.upstream.arg) ==
            UPSTREAM_COMING)
        return false;
    not_live(x);
    return true;
}

static void serve_multivariant(struct edge *e, struct piece name,
                               struct exchange *x)
{
    struct edge_channel *c = edge_find_channel(e, name.text, name.len);
    struct coalesce_key key = {WAIT_MULTIVARIANT, 0, 0};
    char text[STORE_CHANNEL_MAX + 1];

    count(e, REQUEST_MULTIVARIANT);
    if (!c) {
        memcpy(text, name.text, name.len);
        text[name.len] = '\0';
        enum upstream_answer known =
            e->conf.upstream.find
                ? e->conf.upstream.find(text, e->conf.upstream.arg)
                : UPSTREAM_UNKNOWN;
        if (known == UPSTREAM_UNKNOWN) {
            exchange_respond_text(x, 404, "no such channel\n");
            return;
        }
        if (known == UPSTREAM_OFFLINE) {
            not_live(x);
            return;
        }
        c = edge_channel_for(e, text);
        if (!c || coalesce_wait(&c->starting, &key, x)) edge_unavailable(e, x);
        return;
    }
    if (answer_multivariant(c, x)) return;
    if (coalesce_wait(&c->starting, &key, x)) edge_unavailable(e, x);
}

static bool is_startable(const struct coalesce_key *key, void *arg)
{
    struct edge_stream *s = edge_newest(arg);

    (void)key;
    return s && (s->store->listed || s->store->state == STORE_ENDED);
}

static void answer_start(struct exchange *x, const struct coalesce_key *key,
                         void *arg)
{
    struct edge_channel *c = arg;

    (void)key;
    if (!answer_multivariant(c, x)) edge_unavailable(c->edge, x);
}

void hls_wake_channel(struct edge_channel *c)
{
    coalesce_wake(&c->starting, is_startable, answer_start);
}

void hls_start_timed_out(struct exchange *x, const struct coalesce_key *key,
                         void *channel)
{
    struct edge_channel *c = channel;

    (void)key;
    metric_add(c->edge->timeouts, 1);
    edge_unavailable(c->edge, x);
}

/* --- routing -------------------------------------------------------------- */

static void serve_file(struct edge_stream *s, int index, struct piece file,
                       struct exchange *x)
{
    uint64_t msn, part;

    if (is(file, "index.m3u8")) {
        serve_playlist(s, index, x);
        return;
    }
    if (file.len > 5 && !memcmp(file.text, "init-", 5)) {
        file.text += 5;
        file.len -= 5;
        if (!take_number(&file, &part) && is(file, ".mp4"))
            serve_init(s, index, part, x);
        else
            not_found(x);
        return;
    }
    if (take_number(&file, &msn)) {
        not_found(x);
        return;
    }
    if (is(file, ".m4s")) {
        serve_segment(s, index, msn, x);
        return;
    }
    if (file.len > 1 && file.text[0] == '.') {
        file.text++;
        file.len--;
        if (!take_number(&file, &part) && is(file, ".m4s")) {
            serve_part(s, index, msn, part, x);
            return;
        }
    }
    not_found(x);
}

static void note_viewer(struct edge_channel *c, const struct exchange *x)
{
    const char *agent = exchange_header(x, "user-agent");
    uint64_t h = audience_hash(1, exchange_peer(x));

    if (agent) h = audience_hash(h, agent);
    audience_note(&c->audience, h, loop_now(c->edge->conf.loop));
}

void hls_handle(struct exchange *x, void *edge)
{
    struct edge *e = edge;
    const char *at = exchange_path(x) + strlen("/live/");
    struct piece channel = next_piece(&at), generation = next_piece(&at);
    struct edge_channel *c;
    struct edge_stream *s;
    struct store_rendition *r;
    uint64_t number;

    if (exchange_method(x) == HTTP_OPTIONS) {
        exchange_respond(x, e->preflight);
        return;
    }
    if (!channel.len || channel.len > STORE_CHANNEL_MAX) {
        not_found(x);
        return;
    }
    if (is(generation, "index.m3u8") && !*at) {
        serve_multivariant(e, channel, x);
        return;
    }
    struct piece rendition = next_piece(&at), file = next_piece(&at);
    if (*at || take_number(&generation, &number) || generation.len ||
        !(c = edge_find_channel(e, channel.text, channel.len)) ||
        !(s = edge_find_stream(c, number)) ||
        !(r = store_find_rendition(s->store, rendition.text, rendition.len))) {
        not_found(x);
        return;
    }
    if (is(file, "index.m3u8")) note_viewer(c, x);
    serve_file(s, (int)(r - s->store->renditions), file, x);
}
