/* tests/desk_room.h — desks on two loops, each behind a real server on
 * loopback, a room that decides by the channel's name, and a client that
 * writes requests by hand.
 *
 *   live          accepted at once
 *   secret        401 unless the bearer is "key"
 *   off           409, Retry-After 3
 *   vp8           406
 *   later         held until room_decide() */
#ifndef TESTS_DESK_ROOM_H
#define TESTS_DESK_ROOM_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/worker.h"
#include "core/net/server.h"
#include "core/rtc/desk.h"
#include "core/rtc/host.h"
#include "core/rtc/negotiate.h"
#include "tests/sdp_file.h"

enum { LOOPS = 2, SESSIONS_MAX = 32, PER_ADDRESS = 3, PENDING = 5, ALL = 8 };

/* Short where an allocation fails and a reply may never come. */
static int patience_ms(void)
{
    return getenv("LECTERN_ALLOC_FAIL") ? 300 : 10000;
}

/* --- the room ------------------------------------------------------------- */

struct room {
    struct loop *loop;
    struct rtc_host *host;
    struct rtc_desk *desk;
    struct server *server;
    int port;
    struct rtc_ticket *held;
    struct rtc_peer *peers[SESSIONS_MAX]; /* a session is one's address */
    int peer_count;
    atomic_int deleted, abandoned, holding;
    char bearer[64], query[64], address[64], channel[160];
    sem_t gate;
};

struct world {
    struct room rooms[LOOPS];
    struct rtc_identity *identity;
    struct workers *workers;
    struct metrics *metrics;
};

static const char answer_text[] = "v=0\r\ns=answer\r\n";

static void on_peer_closed(const char *reason, void *arg)
{
    (void)reason, (void)arg;
}

static void accept_ticket(struct room *r, struct rtc_ticket *t)
{
    struct slice s = {NULL, (const uint8_t *)answer_text,
                      sizeof answer_text - 1};
    struct rtc_peer_conf conf = {.host = r->host,
                                 .events.on_closed = on_peer_closed};
    struct rtc_negotiated n;
    char why[160];

    if (rtc_negotiate_publish(&n, rtc_ticket_post(t)->offer, why)) {
        rtc_ticket_refuse(t, 422, 0, why);
        return;
    }
    conf.remote = n.remote;
    conf.fingerprint = n.fingerprint;
    struct rtc_peer **p = &r->peers[r->peer_count];
    if (r->peer_count == SESSIONS_MAX || rtc_peer_create(p, &conf)) {
        rtc_ticket_refuse(t, 503, 0, "No room for a peer.");
        return;
    }
    r->peer_count++;
    if (rtc_ticket_accept(t, s, *p, "0", p)) rtc_peer_free(p);
}

static void on_abandoned(void *arg)
{
    struct room *r = arg;

    r->held = NULL;
    r->abandoned++;
}

static void on_offer(struct rtc_ticket *t, void *arg)
{
    struct room *r = arg;
    const struct rtc_post *p = rtc_ticket_post(t);

    snprintf(r->bearer, sizeof r->bearer, "%s", p->bearer);
    snprintf(r->query, sizeof r->query, "%s", p->query);
    snprintf(r->address, sizeof r->address, "%s", p->address);
    snprintf(r->channel, sizeof r->channel, "%s", p->channel);
    if (!strcmp(p->channel, "live") || !strcmp(p->channel, "li ve/"))
        accept_ticket(r, t);
    else if (!strcmp(p->channel, "secret") && strcmp(p->bearer, "key"))
        rtc_ticket_refuse(t, 401, 0, "That is not the key.");
    else if (!strcmp(p->channel, "secret"))
        accept_ticket(r, t);
    else if (!strcmp(p->channel, "off"))
        rtc_ticket_refuse(t, 409, 3, "The channel is not live.");
    else if (!strcmp(p->channel, "vp8"))
        rtc_ticket_refuse(t, 406, 0, "There is no H.264 in the offer.");
    else if (!strcmp(p->channel, "later")) {
        r->held = t;
        rtc_ticket_on_abandoned(t, on_abandoned, r);
        r->holding++;
    } else
        rtc_ticket_refuse(t, 404, 0, "There is no such channel.");
}

static void on_delete(void *session, void *arg)
{
    rtc_peer_free(session);
    ((struct room *)arg)->deleted++;
}

static int make_room(struct world *w, int i)
{
    static const char *const addresses[] = {"198.51.100.4", NULL};
    struct room *r = &w->rooms[i];
    struct rtc_host_conf host = {.listen = "127.0.0.1:0",
                                 .listen_tcp = i ? NULL : "127.0.0.1:0",
                                 .identity = w->identity,
                                 .workers = w->workers,
                                 .public_addresses = addresses,
                                 .metrics = w->metrics};
    struct server_conf conf = {.listen = "127.0.0.1:0", .metrics = w->metrics};
    struct rtc_desk_conf desk = {.prefix = "/whip/",
                                 .on_offer = on_offer,
                                 .on_delete = on_delete,
                                 .arg = r,
                                 .pending_per_address = PER_ADDRESS,
                                 .pending_max = PENDING,
                                 .sessions_max = ALL,
                                 .metrics = w->metrics};
    char why[256];
    int err;

    sem_init(&r->gate, 0, 0);
    if ((err = loop_create(&r->loop, i))) return err;
    host.loop = conf.loop = r->loop;
    server_limits_default(&conf.limits);
    if ((err = rtc_host_create(&r->host, &host, why))) return err;
    desk.host = r->host;
    if ((err = rtc_desk_create(&r->desk, &desk)) ||
        (err = server_create(&r->server, &conf)))
        return err;
    r->port = server_port(r->server);
    return rtc_desk_serve(r->desk, r->server);
}

static int end(void **state);

static int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct rtc_desk *desks[LOOPS];
    struct rtc_host *hosts[LOOPS];

    *state = w;
    if (!w) return -1;
    int err = metrics_create(&w->metrics);
    if (!err) err = rtc_identity_create(&w->identity);
    if (!err) err = workers_create(&w->workers, 1);
    for (int i = 0; i < LOOPS && !err; i++) {
        err = make_room(w, i);
        desks[i] = w->rooms[i].desk;
        hosts[i] = w->rooms[i].host;
    }
    for (int i = 0; i < LOOPS && !err; i++) {
        rtc_desk_set_peers(desks[i], desks, LOOPS);
        err = rtc_host_set_peers(hosts[i], hosts, LOOPS,
                                 rtc_host_tcp_port(hosts[0]));
    }
    for (int i = 0; i < LOOPS; i++)
        if (w->rooms[i].loop && loop_start(w->rooms[i].loop)) abort();
    if (err) end(state);
    return err;
}

static void on_closed(void *arg)
{
    loop_stop(((struct room *)arg)->loop);
}

static void close_server(void *arg)
{
    struct room *r = arg;

    server_close(r->server, 0, on_closed, r);
}

static int end(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < LOOPS; i++) {
        struct room *r = &w->rooms[i];
        if (!r->loop) continue;
        while (loop_post(r->loop, r->server ? close_server : on_closed, r))
            usleep(1000);
        loop_join(r->loop);
    }
    workers_free(&w->workers);
    for (int i = 0; i < LOOPS; i++) {
        for (int j = 0; j < w->rooms[i].peer_count; j++)
            rtc_peer_free(&w->rooms[i].peers[j]);
        rtc_desk_free(&w->rooms[i].desk);
    }
    for (int i = 0; i < LOOPS; i++)
        rtc_host_free(&w->rooms[i].host);
    for (int i = 0; i < LOOPS; i++)
        loop_free(&w->rooms[i].loop);
    rtc_identity_free(&w->identity);
    metrics_free(&w->metrics);
    free(w);
    return 0;
}

/* Runs fn on the room's loop and waits for it. */
struct call {
    void (*fn)(struct room *r);
    struct room *room;
};

static void run_call(void *arg)
{
    struct call *c = arg;

    c->fn(c->room);
    sem_post(&c->room->gate);
}

static inline void on_loop(struct room *r, void (*fn)(struct room *r))
{
    struct call c = {fn, r};

    while (loop_post(r->loop, run_call, &c))
        usleep(1000);
    sem_wait(&r->gate);
}

static inline void await(atomic_int *what, int n)
{
    for (int i = 0; i < patience_ms() && *what < n; i++)
        usleep(1000);
    assert_int_equal(*what, n);
}

/* --- the client ----------------------------------------------------------- */

struct reply {
    int status;
    char head[4096];
    char body[4096];
    char location[512];
    char etag[64];
};

static int dial(const struct room *r)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)r->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {patience_ms() / 1000,
                               patience_ms() % 1000 * 1000};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* headers: whole lines, or NULL. */
static void ask(int fd, const char *method, const char *path,
                const char *headers, const char *body)
{
    size_t len = body ? strlen(body) : 0, size = len + 2048;
    char *text = malloc(size);

    if (!text) fail();
    int n = snprintf(text, size, "%s %s HTTP/1.1\r\nHost: x\r\n%s", method,
                     path, headers ? headers : "");
    if (body)
        n += snprintf(text + n, size - (size_t)n, "Content-Length: %zu\r\n",
                      len);
    n += snprintf(text + n, size - (size_t)n, "\r\n%s", body ? body : "");
    ssize_t sent = send(fd, text, (size_t)n, MSG_NOSIGNAL);
    free(text);
    (void)sent; /* a refused body may not be read to its end */
}

/* The value of a field, "" if it is not there. */
static const char *field(const struct reply *r, const char *name)
{
    static char value[512];
    const char *at = r->head;
    size_t len = strlen(name);

    value[0] = 0;
    while ((at = strchr(at, '\n'))) {
        at++;
        if (strncasecmp(at, name, len) || at[len] != ':') continue;
        at += len + 1;
        at += strspn(at, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
        break;
    }
    return value;
}

static void hear(int fd, bool is_head, struct reply *out)
{
    size_t n = 0, want;
    char *end;

    memset(out, 0, sizeof *out);
    while (!(end = strstr(out->head, "\r\n\r\n"))) {
        ssize_t got = recv(fd, out->head + n, 1, 0);
        assert_int_equal(got, 1);
        n++;
        assert_true(n < sizeof out->head);
    }
    assert_int_equal(sscanf(out->head, "HTTP/1.1 %d", &out->status), 1);
    want = is_head ? 0 : (size_t)atoi(field(out, "content-length"));
    assert_true(want < sizeof out->body);
    for (n = 0; n < want;) {
        ssize_t got = recv(fd, out->body + n, want - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    snprintf(out->location, sizeof out->location, "%s", field(out, "location"));
    snprintf(out->etag, sizeof out->etag, "%s", field(out, "etag"));
    /* What holds of every reply, errors too. */
    assert_string_equal(field(out, "access-control-allow-origin"), "*");
    assert_string_equal(field(out, "access-control-expose-headers"),
                        "accept-patch, age, content-length, date, etag, link, "
                        "location, retry-after");
    assert_string_equal(field(out, "cache-control"), "no-store");
}

static struct reply request(struct room *r, const char *method,
                            const char *path, const char *headers,
                            const char *body)
{
    int fd = dial(r);
    struct reply out;

    ask(fd, method, path, headers, body);
    hear(fd, !strcmp(method, "HEAD"), &out);
    close(fd);
    return out;
}

#define SDP_TYPE      "Content-Type: application/sdp\r\n"
#define FRAGMENT_TYPE "Content-Type: application/trickle-ice-sdpfrag\r\n"

static struct reply offer(struct room *r, const char *path, const char *headers)
{
    char text[SDP_FILE_MAX], all[512];

    sdp_file("obs_publish", text);
    snprintf(all, sizeof all, SDP_TYPE "%s", headers ? headers : "");
    return request(r, "POST", path, all, text);
}

/* PATCH with If-Match, unless that is NULL. */
static struct reply patch(struct room *r, const char *path, const char *match,
                          const char *body)
{
    char headers[256];

    snprintf(headers, sizeof headers, FRAGMENT_TYPE "%s%s%s",
             match ? "If-Match: " : "", match ? match : "",
             match ? "\r\n" : "");
    return request(r, "PATCH", path, headers, body);
}

#endif
