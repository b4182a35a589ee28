/* Addresses, bounds, and ICE over TCP: frames in any pieces, connections that
 * belong to another loop, and those that belong to nobody. */
#include "tests/rtc_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rtc/rtp.h"
#include "core/rtc/stream.h"

/* --- addresses -------------------------------------------------------------
 */

static struct rtc_host *host_on(struct world *w, const char *listen,
                                const char *const *given, int want)
{
    struct rtc_host *h = NULL;
    char why[256] = "";
    struct rtc_host_conf conf = {.loop = w->loop,
                                 .listen = listen,
                                 .identity = w->ours,
                                 .workers = w->workers,
                                 .public_addresses = given};

    assert_int_equal(rtc_host_create(&h, &conf, why), want);
    assert_true(!want == !why[0]);
    return h;
}

static void test_which_addresses_answers_name(void **state)
{
    static const char *const given[] = {"2001:db8::1", "192.0.2.7", "192.0.2.7",
                                        NULL};
    static const char *const bad[] = {"192.0.2.7", "example.org", NULL};
    struct world w;
    char taken[64];

    (void)state;
    world_open(&w, NULL);
    assert_int_equal(rtc_host_address_count(w.host), 1);
    assert_string_equal(rtc_host_address(w.host, 0), "127.0.0.1");
    assert_int_equal(rtc_host_tcp_port(w.host), -1);
    assert_int_equal(strlen(rtc_host_fingerprint(w.host)), 95);

    struct rtc_host *h = host_on(&w, "127.0.0.1:0", given, 0);
    assert_int_equal(rtc_host_address_count(h), 2);
    assert_string_equal(rtc_host_address(h, 0), "192.0.2.7");
    assert_string_equal(rtc_host_address(h, 1), "2001:db8::1");
    rtc_host_free(&h);

    h = host_on(&w, "0.0.0.0:0", NULL, 0);
    assert_true(rtc_host_address_count(h) > 0);
    for (int i = 0; i < rtc_host_address_count(h); i++)
        assert_null(strchr(rtc_host_address(h, i), ':'));
    rtc_host_free(&h);

    assert_null(host_on(&w, "127.0.0.1:0", bad, ERR_SYNTAX));
    assert_null(host_on(&w, "nonsense", NULL, ERR_SYNTAX));
    snprintf(taken, sizeof taken, "127.0.0.1:%d", rtc_host_udp_port(w.host));
    assert_null(host_on(&w, taken, NULL, ERR_BUSY));
    world_close(&w);
}

static void test_a_host_is_full(void **state)
{
    static struct rtc_peer *peers[HOST_PEERS_MAX];
    struct world w;
    struct rtc_peer *one_more = NULL;
    int n = 0;

    (void)state;
    world_open(&w, NULL);
    struct rtc_peer_conf conf = {.host = w.host};
    while (n < HOST_PEERS_MAX && !rtc_peer_create(&peers[n], &conf))
        n++;
    assert_int_equal(n, HOST_PEERS_MAX);
    assert_int_equal(rtc_peer_create(&one_more, &conf), ERR_LIMIT);
    for (int i = 0; i < n; i++)
        rtc_peer_free(&peers[i]);
    assert_int_equal(rtc_peer_create(&one_more, &conf), 0);
    rtc_peer_free(&one_more);
    world_close(&w);
}

/* --- over TCP --------------------------------------------------------------
 */

enum { WIRE_BYTES = 1 << 20 };

struct wire {                /* a browser's connection */
    struct browser *browser; /* NULL: raw bytes only */
    struct loop *loop;
    uv_poll_t *poll;
    int fd;
    size_t piece; /* bytes of a write; 0: all there is */
    uint8_t out[WIRE_BYTES];
    size_t out_len;
    uint8_t in[WIRE_BYTES];
    size_t in_len;
    bool ended, deaf;
};

/* The test holds one at a time. */
static struct wire wire;

static void on_wire_closed(uv_handle_t *h)
{
    free(h);
}

static void wire_close(struct wire *x)
{
    if (!x->poll) return;
    uv_close((uv_handle_t *)x->poll, on_wire_closed);
    x->poll = NULL;
    close(x->fd);
    x->fd = -1;
}

static void wire_take_frames(struct wire *x)
{
    size_t at = 0, n;

    while (x->in_len - at >= 2) {
        n = (size_t)x->in[at] << 8 | x->in[at + 1];
        if (x->in_len - at < 2 + n) break;
        rtc_client_feed(x->browser->client, x->in + at + 2, n, clock_mono_us());
        at += 2 + n;
    }
    memmove(x->in, x->in + at, x->in_len - at);
    x->in_len -= at;
    browser_turn(x->browser);
}

static void on_wire_readable(uv_poll_t *poll, int status, int events)
{
    struct wire *x = poll->data;
    ssize_t n;

    (void)status, (void)events;
    if (x->deaf) {
        uv_poll_stop(poll);
        return;
    }
    n = recv(x->fd, x->in + x->in_len, sizeof x->in - x->in_len, MSG_DONTWAIT);
    if (n > 0) {
        x->in_len += (size_t)n;
        if (x->browser) wire_take_frames(x);
    } else if (!n || (errno != EAGAIN && errno != EINTR)) {
        x->ended = true;
        uv_poll_stop(poll);
    }
}

static int dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static struct wire *wire_open(struct loop *l, int port)
{
    struct wire *x = &wire;

    memset(x, 0, offsetof(struct wire, out));
    x->out_len = x->in_len = 0;
    x->ended = x->deaf = false;
    x->loop = l;
    x->fd = dial(port);
    x->poll = calloc(1, sizeof *x->poll);
    assert_non_null(x->poll);
    uv_poll_init(loop_uv(l), x->poll, x->fd);
    x->poll->data = x;
    uv_poll_start(x->poll, UV_READABLE, on_wire_readable);
    return x;
}

static void wire_queue(struct wire *x, const void *data, size_t len)
{
    if (sizeof x->out - x->out_len < len) return;
    memcpy(x->out + x->out_len, data, len);
    x->out_len += len;
}

static void wire_carry(struct browser *b, const uint8_t *data, size_t len)
{
    uint8_t head[2] = {(uint8_t)(len >> 8), (uint8_t)len};

    (void)b;
    wire_queue(&wire, head, sizeof head);
    wire_queue(&wire, data, len);
}

/* A piece out, then one turn of the loop. */
static void wire_turn(struct wire *x)
{
    size_t n = x->piece && x->piece < x->out_len ? x->piece : x->out_len;

    if (n && x->fd >= 0) {
        ssize_t sent = send(x->fd, x->out, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            memmove(x->out, x->out + sent, x->out_len - (size_t)sent);
            x->out_len -= (size_t)sent;
        } else if (errno != EAGAIN) {
            x->out_len = 0;
        }
    }
    uv_run(loop_uv(x->loop), x->out_len ? UV_RUN_NOWAIT : UV_RUN_ONCE);
}
#define WIRE_UNTIL(x, condition)                                               \
    do                                                                         \
        wire_turn(x);                                                          \
    while (!(condition))

static struct browser *wire_browser(struct world *w, size_t piece)
{
    struct wire *x = wire_open(w->loop, rtc_host_tcp_port(w->host));
    struct browser *b = browser_create(w, false);

    x->piece = piece;
    x->browser = b;
    b->carry = wire_carry;
    browser_start(b);
    return b;
}

static void tcp_in_pieces(size_t piece)
{
    struct world w;
    char text[72];

    world_open(&w, "127.0.0.1:0");
    rtc_host_set_peers(w.host, &w.host, 1, rtc_host_tcp_port(w.host));
    struct browser *b = wire_browser(&w, piece);
    WIRE_UNTIL(&wire, b->connected && b->peer_connected);
    assert_true(rtc_peer_is_tcp(b->peer));
    rtc_peer_path_text(b->peer, text);
    assert_string_equal(text + strlen(text) - 4, "/tcp");
    for (uint16_t i = 0; i < 3; i++)
        browser_sends(b, i, 1000);
    WIRE_UNTIL(&wire, b->peer_rtp == 3);
    for (uint16_t i = 0; i < 10; i++)
        assert_true(peer_sends(b, i, i < 9 ? 1184 : 200));
    rtc_host_flush(w.host);
    WIRE_UNTIL(&wire, b->got_rtp == 10);
    assert_int_equal(rtc_client_refused(b->client), 0);
    assert_int_equal(b->last_len, 200);
    /* The connection is all it has. */
    wire_close(&wire);
    WORLD_UNTIL(&w, b->peer_closed);
    assert_string_equal(b->reason, "connection closed");
    browser_free(b);
    world_close(&w);
}

static void test_frames_in_pieces(void **state)
{
    static const size_t pieces[] = {0, 1, 2, 3, 7, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        tcp_in_pieces(pieces[i]);
}

static void test_closing_a_peer_closes_its_connection(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, "127.0.0.1:0");
    struct browser *b = wire_browser(&w, 0);
    WIRE_UNTIL(&wire, b->connected && b->peer_connected);
    rtc_peer_free(&b->peer);
    WIRE_UNTIL(&wire, wire.ended);
    assert_string_equal(rtc_client_why(b->client), "close_notify");
    wire_close(&wire);
    browser_free(b);
    world_close(&w);
}

/* A browser that stops reading loses packets, never the framing. */
static void test_a_slow_reader(void **state)
{
    struct world w;
    uint16_t sequence = 0;
    int got;

    (void)state;
    world_open(&w, "127.0.0.1:0");
    struct browser *b = wire_browser(&w, 0);
    WIRE_UNTIL(&wire, b->connected && b->peer_connected);
    wire.deaf = true;
    while (!world_count(&w, "lectern_rtc_tcp_dropped_total")) {
        for (int i = 0; i < 50; i++)
            assert_true(peer_sends(b, sequence++, 1184));
        rtc_host_flush(w.host);
        loop_run_once(w.loop);
    }
    wire.deaf = false;
    uv_poll_start(wire.poll, UV_READABLE, on_wire_readable);
    got = b->got_rtp;
    WIRE_UNTIL(&wire, b->got_rtp > got + 100);
    do {
        got = b->got_rtp;
        assert_true(peer_sends(b, sequence++, 500));
        rtc_host_flush(w.host);
        WIRE_UNTIL(&wire, b->got_rtp > got);
    } while (b->last_len != 500);
    assert_int_equal(rtc_client_refused(b->client), 0);
    assert_true(b->got_rtp < sequence);
    wire_close(&wire);
    browser_free(b);
    world_close(&w);
}

/* Bytes that end the connection, each for a reason of its own. */
static void test_what_is_not_ice_is_shown_out(void **state)
{
    static const uint8_t http[] = "GET / HTTP/1.1\r\n\r\n";
    static const uint8_t media[] = {0, 12, 0x80, 96, 0, 1, 0,
                                    0, 0,  0,    0,  0, 0, 1};
    static const uint8_t large[] = {0xff, 0xff, 0, 1};
    static const uint8_t empty[] = {0, 0, 0, 0};
    const struct {
        const uint8_t *data;
        size_t len;
    } cases[] = {{http, sizeof http - 1},
                 {media, sizeof media},
                 {large, sizeof large},
                 {empty, sizeof empty}};
    struct world w;

    (void)state;
    world_open(&w, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 0; piece < 2; piece++) {
            struct wire *x = wire_open(w.loop, rtc_host_tcp_port(w.host));
            x->piece = piece;
            wire_queue(x, cases[i].data, cases[i].len);
            WIRE_UNTIL(x, x->ended);
            assert_int_equal(x->in_len, 0);
            wire_close(x);
        }
    }
    world_close(&w);
}

static void test_connections_without_proof_are_bounded(void **state)
{
    static int fds[STREAMS_UNPROVED_MAX + 1];
    struct rlimit files;
    struct world w;
    int port, n = 0;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 4 * STREAMS_UNPROVED_MAX) skip();
    world_open(&w, "127.0.0.1:0");
    port = rtc_host_tcp_port(w.host);
    for (; n <= STREAMS_UNPROVED_MAX; n++) {
        assert_int_equal(world_count(&w, "lectern_rtc_tcp_refused_total"), 0);
        fds[n] = dial(port);
        loop_run_once(w.loop);
    }
    assert_int_equal(world_count(&w, "lectern_rtc_tcp_accepted_total"), n);
    assert_int_equal(world_count(&w, "lectern_rtc_tcp_refused_total"), 1);
    for (int i = 0; i < n; i++)
        close(fds[i]);
    world_close(&w);
}

/* --- handing over ----------------------------------------------------------
 */

struct second { /* another loop on its own thread, and a peer there */
    struct loop *loop;
    struct rtc_host *host;
    struct rtc_peer *peer;
    int rtp;
    const char *reason; /* to be read once the loop has stopped */
};

static void second_nothing(void *arg)
{
    (void)arg;
}

static void second_echoes(uint8_t *data, size_t len, int64_t at, void *arg)
{
    struct second *s = arg;
    uint8_t *room = rtc_peer_packet(s->peer, len);

    (void)at;
    s->rtp++;
    if (!room) return;
    memcpy(room, data, len);
    rtc_peer_seal(s->peer, 12, len);
    rtc_host_flush(s->host);
}

static void second_ignores(uint8_t *data, size_t len, int64_t at, void *arg)
{
    (void)data, (void)len, (void)at, (void)arg;
}

static void second_closed(const char *reason, void *arg)
{
    struct second *s = arg;

    s->reason = reason;
    loop_stop(s->loop);
}

static void second_open(struct second *s, struct world *w, struct browser *b)
{
    char why[256];
    struct rtc_host_conf conf = {
        .listen = "127.0.0.1:0", .identity = w->ours, .workers = w->workers};

    memset(s, 0, sizeof *s);
    assert_int_equal(loop_create(&s->loop, 1), 0);
    conf.loop = s->loop;
    assert_int_equal(rtc_host_create(&s->host, &conf, why), 0);
    struct rtc_host *hosts[2] = {w->host, s->host};
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            rtc_host_set_peers(hosts[i], hosts, 2, rtc_host_tcp_port(w->host)),
            0);
    struct rtc_peer_conf peer = {.host = s->host,
                                 .remote = *rtc_client_credentials(b->client),
                                 .events = {second_nothing, second_echoes,
                                            second_ignores, second_closed, s}};
    rtc_client_fingerprint(b->client, &peer.fingerprint);
    assert_int_equal(rtc_peer_create(&s->peer, &peer), 0);
    /* The browser talks to this peer, not to the one it came with. */
    rtc_peer_free(&b->peer);
}

static void hand_over_in_pieces(size_t piece)
{
    struct world w;
    struct second s;
    struct rtc_fingerprint f;

    world_open(&w, "127.0.0.1:0");
    struct wire *x = wire_open(w.loop, rtc_host_tcp_port(w.host));
    struct browser *b = browser_create(&w, false);
    x->piece = piece;
    x->browser = b;
    b->carry = wire_carry;
    second_open(&s, &w, b);
    assert_int_equal(rtc_host_tcp_port(s.host), rtc_host_tcp_port(w.host));
    assert_true(rtc_client_parse_fingerprint(&f, rtc_host_fingerprint(s.host)));
    rtc_client_start(b->client, rtc_peer_credentials(s.peer), &f,
                     clock_mono_us());
    /* A second check in the same write travels along. */
    rtc_client_check(b->client, true);
    browser_turn(b);
    assert_int_equal(loop_start(s.loop), 0);
    WIRE_UNTIL(x, b->connected);
    /* (Keys may be there a moment after ours: what comes before is lost.) */
    for (uint16_t i = 0; b->got_rtp < 10; i++) {
        browser_sends(b, i, 700);
        wire_turn(x);
    }
    assert_int_equal(rtc_client_refused(b->client), 0);
    assert_int_equal(world_count(&w, "lectern_rtc_tcp_handed_over_total"), 1);
    wire_close(x);
    loop_join(s.loop);
    assert_string_equal(s.reason, "connection closed");
    rtc_peer_free(&s.peer);
    rtc_host_free(&s.host);
    browser_free(b);
    world_close(&w);
    loop_free(&s.loop);
}

static void test_a_connection_finds_its_loop(void **state)
{
    (void)state;
    hand_over_in_pieces(0);
    hand_over_in_pieces(1);
    hand_over_in_pieces(50);
}

/* The loop it should go to is gone by the time it gets there. */
static void test_handed_over_to_nobody(void **state)
{
    struct world w;
    struct second s;
    struct rtc_fingerprint f;

    (void)state;
    world_open(&w, "127.0.0.1:0");
    struct wire *x = wire_open(w.loop, rtc_host_tcp_port(w.host));
    struct browser *b = browser_create(&w, false);
    x->browser = b;
    b->carry = wire_carry;
    second_open(&s, &w, b);
    assert_true(rtc_client_parse_fingerprint(&f, rtc_host_fingerprint(s.host)));
    rtc_client_start(b->client, rtc_peer_credentials(s.peer), &f,
                     clock_mono_us());
    rtc_peer_free(&s.peer);
    rtc_host_free(&s.host);
    WIRE_UNTIL(x, world_count(&w, "lectern_rtc_tcp_handed_over_total"));
    loop_run_once(s.loop);
    WIRE_UNTIL(x, x->ended);
    wire_close(x);
    browser_free(b);
    world_close(&w);
    loop_free(&s.loop);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_which_addresses_answers_name),
    cmocka_unit_test(test_a_host_is_full),
    cmocka_unit_test(test_frames_in_pieces),
    cmocka_unit_test(test_closing_a_peer_closes_its_connection),
    cmocka_unit_test(test_a_slow_reader),
    cmocka_unit_test(test_what_is_not_ice_is_shown_out),
    cmocka_unit_test(test_connections_without_proof_are_bounded),
    cmocka_unit_test(test_a_connection_finds_its_loop),
    cmocka_unit_test(test_handed_over_to_nobody),
};

HARNESS_MAIN(tests)
