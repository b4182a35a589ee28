#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/rtc/desk_priv.h"
#include "core/rtc/host.h"
#include "core/rtc/negotiate.h"

enum {
    POINTER_MAX = 24,
    CANDIDATES_MAX = 2 * HOST_ADDRESSES_MAX,
    CONTROL_REPLY_MAX = 8192,
};

/* OFFERED ─accept─► PENDING ─connected─► LIVE ─delete, forget─► ended
 * An ETag names its ICE generation: each restart makes another. */
struct desk_session {
    struct rtc_desk *desk;
    struct rtc_peer *peer;
    void *session; /* the room's */
    struct desk_place place;
    struct desk_token token;
    unsigned generation;
    char id[DESK_ID_MAX];
    char mid[64];
    char *ufrags; /* the client's, of this generation, between spaces */
};

static void pointer_text(char out[POINTER_MAX], const void *p)
{
    snprintf(out, POINTER_MAX, "%p", p);
}

static void etag_text(const struct desk_session *s, char out[DESK_ETAG_MAX])
{
    snprintf(out, DESK_ETAG_MAX, "\"%.8s-%u\"", strchr(s->id, '-') + 1,
             s->generation);
}

static int make_id(const struct rtc_desk *d, char out[DESK_ID_MAX])
{
    uint8_t random[DESK_ID_RANDOM_BYTES];

    if (RAND_bytes(random, sizeof random) != 1) return ERR_NOMEM;
    int n = snprintf(out, DESK_ID_MAX, "%d-", loop_index(d->loop));
    for (size_t i = 0; i < sizeof random; i++)
        n += snprintf(out + n, (size_t)(DESK_ID_MAX - n), "%02x", random[i]);
    return 0;
}

/* --- which ICE generation a fragment speaks of ---------------------------- */

static bool holds_word(const char *words, struct sdp_text word)
{
    while (*words) {
        size_t n = strcspn(words, " ");
        if (n == word.len && !memcmp(words, word.at, n)) return true;
        words += n + (words[n] == ' ');
    }
    return false;
}

/* Sections may each have their own; NULL out of memory. */
static char *ufrags_of(const struct sdp *offer)
{
    size_t size = 1, n = 0;

    for (int i = 0; i < offer->media_count; i++)
        size += offer->media[i].ufrag.len + 1;
    char *text = malloc(size);
    if (!text) return NULL;
    text[0] = 0;
    for (int i = 0; i < offer->media_count; i++) {
        struct sdp_text u = offer->media[i].ufrag;
        if (!u.len || holds_word(text, u)) continue;
        if (n) text[n++] = ' ';
        memcpy(text + n, u.at, u.len);
        n += u.len;
        text[n] = 0;
    }
    return text;
}

/* --- life ----------------------------------------------------------------- */

static void session_free(struct desk_session *s)
{
    struct rtc_desk *d = s->desk;
    char pointer[POINTER_MAX];

    pointer_text(pointer, s->session);
    if (map_get(&d->by_id, s->id) == s) map_remove(&d->by_id, s->id);
    if (map_get(&d->by_session, pointer) == s)
        map_remove(&d->by_session, pointer);
    desk_place_leave(d, &s->place);
    metric_set(d->sessions, (double)d->by_id.count);
    free(s->ufrags);
    free(s);
}

int desk_session_create(struct rtc_ticket *t, struct rtc_peer *peer,
                        const char *mid, void *session, char id[DESK_ID_MAX],
                        char etag[DESK_ETAG_MAX])
{
    struct rtc_desk *d = t->desk;
    struct desk_session *s = calloc(1, sizeof *s);
    char pointer[POINTER_MAX];

    if (!s) return ERR_NOMEM;
    s->desk = d;
    s->peer = peer;
    s->session = session;
    s->token = t->token;
    s->generation = 1;
    snprintf(s->mid, sizeof s->mid, "%s", mid);
    pointer_text(pointer, session);
    s->ufrags = ufrags_of(t->offer);
    if (!s->ufrags || make_id(d, s->id) || map_set(&d->by_id, s->id, s) ||
        map_set(&d->by_session, pointer, s)) {
        session_free(s);
        return ERR_NOMEM;
    }
    s->place = t->place;
    t->place = (struct desk_place){0};
    metric_set(d->sessions, (double)d->by_id.count);
    memcpy(id, s->id, sizeof s->id);
    etag_text(s, etag);
    return 0;
}

/* A client that did not hear our answer asks again: it must not be told that
 * there is nothing. */
static void remember_ended(struct rtc_desk *d, const char *id)
{
    memcpy(d->ended[d->ended_at], id, DESK_ID_MAX);
    d->ended_at = (d->ended_at + 1) % DESK_ENDED;
}

static bool has_ended(const struct rtc_desk *d, const char *id)
{
    for (int i = 0; i < DESK_ENDED; i++)
        if (!strcmp(d->ended[i], id)) return true;
    return false;
}

static struct desk_session *find(const struct rtc_desk *d, const void *session)
{
    char pointer[POINTER_MAX];

    pointer_text(pointer, session);
    return map_get(&d->by_session, pointer);
}

void rtc_desk_connected(struct rtc_desk *d, void *session)
{
    struct desk_session *s = find(d, session);

    if (s) desk_place_leave(d, &s->place);
}

void rtc_desk_forget(struct rtc_desk *d, void *session)
{
    struct desk_session *s = find(d, session);

    if (!s) return;
    remember_ended(d, s->id);
    session_free(s);
}

void desk_sessions_release(struct rtc_desk *d)
{
    struct desk_session *s;
    size_t at = 0;

    while ((s = map_next(&d->by_id, &at, NULL)))
        session_free(s);
    map_release(&d->by_id);
    map_release(&d->by_session);
}

/* --- requests ------------------------------------------------------------- */

static void copy_text(char *out, size_t size, struct sdp_text t)
{
    size_t n = t.len < size ? t.len : size - 1;

    memcpy(out, t.at, n);
    out[n] = 0;
}

/* 0; on error nothing of the session has changed. */
static int restart_peer(struct desk_session *s, const struct sdp_fragment *f)
{
    struct rtc_credentials remote;
    char *ufrags = malloc(f->ufrag.len + 1);

    if (!ufrags) return ERR_NOMEM;
    copy_text(ufrags, f->ufrag.len + 1, f->ufrag);
    copy_text(remote.ufrag, sizeof remote.ufrag, f->ufrag);
    copy_text(remote.pwd, sizeof remote.pwd, f->pwd);
    int err = rtc_peer_restart(s->peer, &remote);
    if (err) {
        free(ufrags);
        return err;
    }
    free(s->ufrags);
    s->ufrags = ufrags;
    s->generation++;
    return 0;
}

/* RFC 9725 §4.3.3: new credentials of ours, with all candidates once more. The
 * old ones go on until the first check with the new. */
static void restart(struct desk_session *s, const struct sdp_fragment *f,
                    struct desk_reply *out)
{
    struct rtc_candidate candidates[CANDIDATES_MAX];
    int count =
        rtc_desk_candidates(s->desk->conf.host, candidates, CANDIDATES_MAX);
    struct builder b;

    if (!f->ufrag.len || !f->pwd.len) {
        desk_reply_set(out, 422,
                       "An ICE restart brings a=ice-ufrag and a=ice-pwd.");
        return;
    }
    if (restart_peer(s, f)) {
        desk_reply_set(out, 503, "Out of memory: the session goes on.");
        return;
    }
    builder_init(&b, SDP_BYTES_MAX);
    rtc_fragment_write(&b, rtc_peer_credentials(s->peer), s->mid, candidates,
                       count);
    if (builder_seal(&b, &out->body)) {
        desk_reply_set(out, 503, "Out of memory: the session goes on.");
        return;
    }
    out->status = 200;
    etag_text(s, out->etag);
}

static void patch(struct desk_session *s, const struct desk_request *q,
                  struct desk_reply *out)
{
    struct sdp_fragment f;
    char etag[DESK_ETAG_MAX], why[160];
    bool any, matches;

    if (!desk_type_is(q->content_type, "application/trickle-ice-sdpfrag")) {
        out->allow = desk_session_methods;
        desk_reply_set(out, 415, "Send application/trickle-ice-sdpfrag.");
        return;
    }
    if (!q->if_match) {
        desk_reply_set(out, 428, "Send If-Match with the session's ETag.");
        return;
    }
    etag_text(s, etag);
    matches = desk_matches(q->if_match, etag, &any);
    if (!matches && !any) {
        desk_reply_set(out, 412, "If-Match is not the session's ETag: %s.",
                       etag);
        return;
    }
    if (sdp_fragment_parse(&f, (const char *)q->body.data, q->body.len, why)) {
        desk_reply_set(out, 400, "Malformed fragment, %s.", why);
        return;
    }
    /* With the ETag, candidates of the generation that we know, which an
     * ICE-lite end has no use for; anything else starts a new one. */
    if (f.ufrag.len ? holds_word(s->ufrags, f.ufrag) : !any)
        out->status = 204;
    else
        restart(s, &f, out);
}

static void end_by_delete(struct desk_session *s, struct desk_reply *out)
{
    struct rtc_desk *d = s->desk;
    void *session = s->session;

    remember_ended(d, s->id);
    session_free(s);
    out->status = 200;
    d->conf.on_delete(session, d->conf.arg);
}

/* What the room says of its session, or is told. */
static void control(struct desk_session *s, const struct desk_request *q,
                    struct desk_reply *out)
{
    const struct rtc_desk_conf *conf = &s->desk->conf;
    bool puts = q->method == HTTP_PUT;
    char text[RTC_CONTROL_MAX + 1];
    struct builder b;

    if (!conf->on_control) {
        desk_reply_set(out, 404, "There is nothing here.");
        return;
    }
    if (q->body.len > RTC_CONTROL_MAX) {
        desk_reply_set(out, 413, "That is too long.");
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)q->body.len,
             q->body.len ? (const char *)q->body.data : "");
    builder_init(&b, CONTROL_REPLY_MAX);
    out->status =
        conf->on_control(s->session, puts ? text : NULL, &b, conf->arg);
    out->is_json = true;
    if (builder_seal(&b, &out->body))
        desk_reply_set(out, 503, "Out of memory.");
}

void desk_session_handle(struct rtc_desk *d, const struct desk_request *q,
                         struct desk_reply *out)
{
    struct desk_session *s = map_get(&d->by_id, q->id);

    *out = (struct desk_reply){0};
    if (!s && q->method == HTTP_DELETE && has_ended(d, q->id))
        out->status = 200;
    else if (!s)
        desk_reply_set(out, 404, "There is no such session.");
    else if (s->token.is_set && !desk_token_is(&s->token, &q->token))
        desk_reply_set(out, 401, "The session was made with another token.");
    else if (q->is_control)
        control(s, q, out);
    else if (q->method == HTTP_PATCH)
        patch(s, q, out);
    else if (q->method == HTTP_DELETE)
        end_by_delete(s, out);
    else
        out->status = 204; /* GET, HEAD: there is nothing to see */
}
