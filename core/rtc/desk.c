#include "core/rtc/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/rtc/desk_priv.h"
#include "core/rtc/host.h"
#include "core/rtc/negotiate.h"

enum {
    RETRY_AFTER_S = 2, /* of our own refusals */
    LOCATION_MAX = 512,
    LOOP_DIGITS_MAX = 3,
};

/* --- a place among the pending -------------------------------------------- */

static void show_pending(struct rtc_desk *d)
{
    metric_set(d->pending_gauge, d->pending);
}

static int place_take(struct rtc_desk *d, const char *address,
                      struct desk_place *out)
{
    struct desk_address *a = address ? map_get(&d->addresses, address) : NULL;

    if (address && !a) {
        size_t len = strlen(address);
        a = calloc(1, sizeof *a + len + 1);
        if (!a) return ERR_NOMEM;
        memcpy(a->text, address, len + 1);
        if (map_set(&d->addresses, a->text, a)) {
            free(a);
            return ERR_NOMEM;
        }
    }
    if (a) a->pending++;
    d->pending++;
    *out = (struct desk_place){a, true};
    show_pending(d);
    return 0;
}

void desk_place_leave(struct rtc_desk *d, struct desk_place *p)
{
    struct desk_address *a = p->address;

    if (!p->is_taken) return;
    *p = (struct desk_place){0};
    d->pending--;
    show_pending(d);
    if (!a || --a->pending) return;
    map_remove(&d->addresses, a->text);
    free(a);
}

/* --- offers --------------------------------------------------------------- */

static void ticket_free(struct rtc_ticket *t)
{
    list_unlink(&t->node);
    desk_place_leave(t->desk, &t->place);
    sdp_free(&t->offer);
    free(t->bearer);
    free(t);
}

static void on_abort(void *arg)
{
    struct rtc_ticket *t = arg;

    if (t->on_abandoned) t->on_abandoned(t->abandoned_arg);
    ticket_free(t);
}

static void turn_away(struct rtc_desk *d, struct exchange *x,
                      enum desk_refusal why, int status, const char *sentence)
{
    metric_add(d->refused[why], 1);
    desk_say(x, status, status == 429 || status == 503 ? RETRY_AFTER_S : 0,
             status == 415 ? desk_endpoint_methods : NULL, sentence);
}

/* NULL: caps per address are not for this one. */
static const char *stranger(const struct exchange *x)
{
    return exchange_is_trusted(x) ? NULL : exchange_peer(x);
}

static bool is_full(int count, int most)
{
    return most > 0 && count >= most;
}

/* May there be one more? If not, x is answered. */
static bool admit(struct rtc_desk *d, struct exchange *x)
{
    const char *address = stranger(x);
    struct desk_address *a = address ? map_get(&d->addresses, address) : NULL;

    if (a && is_full(a->pending, d->conf.pending_per_address))
        turn_away(d, x, DESK_REFUSED_ADDRESS, 429,
                  "Too many unfinished sessions from this address.");
    else if (is_full(d->pending, d->conf.pending_max))
        turn_away(d, x, DESK_REFUSED_PENDING, 503,
                  "Too many unfinished sessions.");
    else if (is_full((int)d->by_id.count, d->conf.sessions_max))
        turn_away(d, x, DESK_REFUSED_SESSIONS, 503, "Too many sessions.");
    else
        return true;
    return false;
}

/* Answers x if the offer is none. */
static struct sdp *read_offer(struct rtc_desk *d, struct exchange *x)
{
    struct slice body = exchange_body(x);
    char why[160], sentence[DESK_SENTENCE_MAX];
    struct sdp *offer = NULL;

    if (!desk_type_is(exchange_header(x, "content-type"), "application/sdp")) {
        turn_away(d, x, DESK_REFUSED_SYNTAX, 415,
                  "Send an SDP offer as application/sdp.");
        return NULL;
    }
    int err = sdp_parse(&offer, (const char *)body.data, body.len, why);
    if (!err) return offer;
    snprintf(sentence, sizeof sentence, "Malformed offer, %s.", why);
    turn_away(d, x, DESK_REFUSED_SYNTAX, err == ERR_NOMEM ? 503 : 400,
              sentence);
    return NULL;
}

/* Borrowed texts live as long as the exchange, which outlives the ticket. */
static struct rtc_ticket *ticket_create(struct rtc_desk *d, struct exchange *x,
                                        const char *channel, size_t len)
{
    struct rtc_ticket *t = calloc(1, sizeof *t);
    const char *bearer = desk_bearer(x);
    int err;

    if (!t) return NULL;
    t->desk = d;
    t->x = x;
    list_init(&t->node);
    memcpy(t->channel, channel, len);
    t->token = desk_token_of(bearer);
    t->bearer = bearer ? strdup(bearer) : desk_query_token(x, &err);
    bool failed = bearer ? !t->bearer : err != 0;
    if (failed || place_take(d, stranger(x), &t->place)) {
        ticket_free(t);
        return NULL;
    }
    t->post = (struct rtc_post){
        .channel = t->channel,
        .bearer = t->bearer ? t->bearer : "",
        .query = exchange_query(x),
        .address = exchange_peer(x),
    };
    return t;
}

static void post(struct rtc_desk *d, struct exchange *x, const char *channel,
                 size_t len)
{
    struct sdp *offer;
    struct rtc_ticket *t;

    metric_add(d->offers, 1);
    if (!admit(d, x)) return;
    offer = read_offer(d, x);
    if (!offer) return;
    t = ticket_create(d, x, channel, len);
    if (!t) {
        sdp_free(&offer);
        turn_away(d, x, DESK_REFUSED_PENDING, 503, "Out of memory.");
        return;
    }
    t->post.offer = t->offer = offer;
    list_append(&d->tickets, &t->node);
    exchange_on_abort(x, on_abort, t);
    d->conf.on_offer(t, d->conf.arg);
}

/* --- tickets, for the room behind ----------------------------------------- */

const struct rtc_post *rtc_ticket_post(const struct rtc_ticket *t)
{
    return &t->post;
}

void rtc_ticket_on_abandoned(struct rtc_ticket *t, void (*fn)(void *arg),
                             void *arg)
{
    t->on_abandoned = fn;
    t->abandoned_arg = arg;
}

void rtc_ticket_refuse(struct rtc_ticket *t, int status, int retry_after_s,
                       const char *sentence)
{
    struct exchange *x = t->x;

    metric_add(t->desk->refused[DESK_REFUSED_ROOM], 1);
    ticket_free(t);
    desk_say(x, status, retry_after_s,
             status == 415 ? desk_endpoint_methods : NULL, sentence);
}

/* An absolute path without a query: some publishers paste it into the path of
 * where they sent the offer. */
static void location(char out[LOCATION_MAX], const struct rtc_ticket *t,
                     const char *id)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-._~";
    int n = snprintf(out, LOCATION_MAX, "%s", t->desk->conf.prefix);

    for (const char *at = t->channel; *at; at++)
        n += snprintf(out + n, (size_t)(LOCATION_MAX - n),
                      strchr(plain, *at) ? "%c" : "%%%02X", (unsigned char)*at);
    snprintf(out + n, (size_t)(LOCATION_MAX - n), "/%s", id);
}

int rtc_ticket_accept(struct rtc_ticket *t, struct slice answer,
                      struct rtc_peer *peer, const char *mid, void *session)
{
    struct exchange *x = t->x;
    struct response *r = desk_response(x, 201);
    char id[DESK_ID_MAX], etag[DESK_ETAG_MAX], path[LOCATION_MAX];

    int err =
        r ? desk_session_create(t, peer, mid, session, id, etag) : ERR_NOMEM;
    if (err) {
        response_unref(&r);
        rtc_ticket_refuse(t, 503, RETRY_AFTER_S, "Out of memory.");
        return err;
    }
    location(path, t, id);
    err = response_header(r, "location", path);
    if (!err) err = response_header(r, "etag", etag);
    if (!err)
        err = response_header(r, "accept-patch",
                              "application/trickle-ice-sdpfrag");
    if (!err) err = response_header(r, "content-type", "application/sdp");
    if (!err) err = response_body(r, answer);
    if (err) {
        response_unref(&r);
        rtc_desk_forget(t->desk, session);
        rtc_ticket_refuse(t, 503, RETRY_AFTER_S, "Out of memory.");
        return err;
    }
    ticket_free(t);
    exchange_respond(x, r);
    response_unref(&r);
    return 0;
}

int rtc_desk_candidates(struct rtc_host *h, struct rtc_candidate *out, int max)
{
    int n = 0, addresses = rtc_host_address_count(h);

    for (int tcp = 0; tcp < 2; tcp++) {
        int port = tcp ? rtc_host_tcp_port(h) : rtc_host_udp_port(h);
        for (int i = 0; port > 0 && i < addresses && n < max; i++)
            out[n++] =
                (struct rtc_candidate){rtc_host_address(h, i), port, tcp != 0};
    }
    return n;
}

/* --- requests ------------------------------------------------------------- */

/* The desk of the loop that an id names; NULL: it names none. */
static struct rtc_desk *desk_of(struct rtc_desk *d, const char *id)
{
    struct sdp_text digits = {id, strcspn(id, "-")};
    uint32_t loop;

    if (strlen(id) >= DESK_ID_MAX || digits.len > LOOP_DIGITS_MAX ||
        id[digits.len] != '-' || !sdp_number(digits, DESK_LOOPS_MAX - 1, &loop))
        return NULL;
    return d->peers[loop];
}

static void handle_session(struct rtc_desk *d, struct exchange *x,
                           const char *path)
{
    const char *behind = strchr(path, '/');
    char id[DESK_ID_MAX];

    snprintf(id, sizeof id, "%.*s",
             (int)(behind ? behind - path : (ptrdiff_t)strlen(path)), path);
    struct rtc_desk *to = desk_of(d, id);
    struct desk_reply reply;
    int err = 0;

    if (!to) {
        desk_say(x, 404, 0, NULL, "There is no such session.");
        return;
    }
    const char *bearer = desk_bearer(x);
    char *token = bearer ? NULL : desk_query_token(x, &err);
    const struct desk_request q = {
        .method = exchange_method(x),
        .id = id,
        .content_type = exchange_header(x, "content-type"),
        .if_match = exchange_header(x, "if-match"),
        .token = desk_token_of(bearer ? bearer : token),
        .body = exchange_body(x),
        .is_control = behind != NULL,
    };
    free(token);
    if (to != d) {
        desk_errand_send(d, to, x, &q);
        return;
    }
    desk_session_handle(d, &q, &reply);
    desk_send_reply(x, &reply);
    buf_unref(&reply.body);
}

static void refuse_method(struct exchange *x, const char *allow)
{
    desk_say(x, 405, 0, allow, "Method not allowed.");
}

/* id: with something behind it. */
static void handle_control(struct rtc_desk *d, struct exchange *x,
                           const char *id)
{
    enum http_method method = exchange_method(x);

    if (strcmp(strchr(id, '/'), "/rendition"))
        desk_say(x, 404, 0, NULL, "There is nothing here.");
    else if (method == HTTP_OPTIONS)
        desk_send_options(x, desk_control_methods);
    else if (method != HTTP_GET && method != HTTP_PUT)
        refuse_method(x, desk_control_methods);
    else
        handle_session(d, x, id);
}

static void handle(struct exchange *x, void *arg)
{
    struct rtc_desk *d = arg;
    const char *channel = exchange_path(x) + strlen(d->conf.prefix);
    size_t len = strcspn(channel, "/");
    const char *id = channel[len] ? channel + len + 1 : NULL;
    enum http_method method = exchange_method(x);

    if (id && strchr(id, '/')) {
        handle_control(d, x, id);
        return;
    }
    if (method == HTTP_OPTIONS)
        desk_send_options(x, id ? desk_session_methods : desk_endpoint_methods);
    else if (!len || len > DESK_CHANNEL_MAX)
        desk_say(x, 404, 0, NULL, "There is no such channel.");
    else if (id && (method == HTTP_POST || method == HTTP_PUT))
        refuse_method(x, desk_session_methods);
    else if (id)
        handle_session(d, x, id);
    else if (method == HTTP_POST)
        post(d, x, channel, len);
    else if (method == HTTP_GET)
        desk_send_endpoint(x);
    else
        refuse_method(x, desk_endpoint_methods);
}

int rtc_desk_serve(struct rtc_desk *d, struct server *s)
{
    char path[64];
    const struct server_route route = {
        .methods = HTTP_GET | HTTP_POST | HTTP_PATCH | HTTP_DELETE |
                   HTTP_OPTIONS | HTTP_PUT,
        .path = path,
        .body_limit = SDP_BYTES_MAX,
        .handler = handle,
        .arg = d,
    };

    snprintf(path, sizeof path, "%s*", d->conf.prefix);
    return server_route(s, &route);
}

/* --- life ----------------------------------------------------------------- */

static void make_metrics(struct rtc_desk *d)
{
    static const char *const reasons[DESK_REFUSALS] = {
        [DESK_REFUSED_ADDRESS] = "pending-per-address",
        [DESK_REFUSED_PENDING] = "pending",
        [DESK_REFUSED_SESSIONS] = "sessions",
        [DESK_REFUSED_SYNTAX] = "syntax",
        [DESK_REFUSED_ROOM] = "room",
    };
    const char *name = d->conf.prefix + 1;
    char protocol[16], label[96] = "", loop[12];

    snprintf(protocol, sizeof protocol, "%.*s", (int)strcspn(name, "/"), name);
    snprintf(loop, sizeof loop, "%d", loop_index(d->loop));
    metric_label(label, sizeof label, "protocol", protocol);
    d->offers = metrics_counter(d->conf.metrics, "lectern_rtc_offers_total",
                                "WHIP and WHEP offers that came in.", label);
    for (int i = 0; i < DESK_REFUSALS; i++) {
        char labels[96];
        snprintf(labels, sizeof labels, "%s", label);
        metric_label(labels, sizeof labels, "reason", reasons[i]);
        d->refused[i] =
            metrics_counter(d->conf.metrics, "lectern_rtc_refused_total",
                            "Offers turned away.", labels);
    }
    metric_label(label, sizeof label, "loop", loop);
    d->sessions =
        metrics_gauge(d->conf.metrics, "lectern_rtc_sessions",
                      "WHIP and WHEP sessions, pending ones too.", label);
    d->pending_gauge =
        metrics_gauge(d->conf.metrics, "lectern_rtc_pending",
                      "Offers and sessions without media yet.", label);
}

int rtc_desk_create(struct rtc_desk **out, const struct rtc_desk_conf *conf)
{
    struct rtc_desk *d = calloc(1, sizeof *d);

    if (!d) return ERR_NOMEM;
    d->ended = calloc(DESK_ENDED, sizeof *d->ended);
    if (!d->ended) {
        free(d);
        return ERR_NOMEM;
    }
    d->conf = *conf;
    d->loop = rtc_host_loop(conf->host);
    INVARIANT(loop_index(d->loop) < DESK_LOOPS_MAX);
    d->peers[loop_index(d->loop)] = d;
    list_init(&d->tickets);
    map_init(&d->by_id);
    map_init(&d->by_session);
    map_init(&d->addresses);
    desk_errands_init(d);
    make_metrics(d);
    *out = d;
    return 0;
}

void rtc_desk_set_peers(struct rtc_desk *d, struct rtc_desk *const *desks,
                        int count)
{
    INVARIANT(count <= DESK_LOOPS_MAX);
    for (int i = 0; i < count; i++)
        d->peers[i] = desks[i];
}

void rtc_desk_free(struct rtc_desk **d)
{
    struct rtc_desk *last = *d;

    *d = NULL;
    if (!last) return;
    INVARIANT(list_is_empty(&last->tickets));
    desk_errands_release(last);
    desk_sessions_release(last);
    map_release(&last->addresses);
    free(last->ended);
    free(last);
}
