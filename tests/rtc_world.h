/* tests/rtc_world.h — a host, its workers, and browsers of ours that reach its
 * peers over loopback, all on the test's thread. */
#ifndef TESTS_RTC_WORLD_H
#define TESTS_RTC_WORLD_H
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/loop/worker.h"
#include "core/net/udp.h"
#include "core/rtc/host.h"
#include "core/rtc/peer.h"
#include "tests/harness.h"
#include "tests/rtc_client.h"

enum { WORLD_KEPT = 64, WORLD_PACKET = 1500 };

struct world {
    struct loop *loop;
    struct workers *workers;
    struct rtc_identity *ours, *theirs;
    struct rtc_host *host;
    struct metrics *metrics;
};

/* One viewer or publisher, both ends of it. */
struct browser {
    struct world *world;
    struct udp *udp;
    struct net_path to;
    struct rtc_client *client;
    struct timer tick;
    int connected, got_rtp, got_rtcp;
    size_t lens[WORLD_KEPT];
    uint8_t last[WORLD_PACKET];
    size_t last_len;
    /* Instead of the UDP socket. */
    void (*carry)(struct browser *b, const uint8_t *data, size_t len);
    /* The server's end. */
    struct rtc_peer *peer;
    int peer_connected, peer_rtp, peer_rtcp, peer_closed;
    uint8_t peer_last[WORLD_PACKET];
    size_t peer_last_len;
    const char *reason;
    bool free_when_connected, free_at_rtp, free_when_closed;
};

static inline void world_open(struct world *w, const char *listen_tcp)
{
    char why[256];

    memset(w, 0, sizeof *w);
    assert_int_equal(loop_create(&w->loop, 0), 0);
    assert_int_equal(workers_create(&w->workers, 2), 0);
    assert_int_equal(rtc_identity_create(&w->ours), 0);
    assert_int_equal(rtc_identity_create(&w->theirs), 0);
    assert_int_equal(metrics_create(&w->metrics), 0);
    struct rtc_host_conf conf = {.loop = w->loop,
                                 .listen = "127.0.0.1:0",
                                 .listen_tcp = listen_tcp,
                                 .identity = w->ours,
                                 .workers = w->workers,
                                 .metrics = w->metrics};
    assert_int_equal(rtc_host_create(&w->host, &conf, why), 0);
}

static inline void world_close(struct world *w)
{
    workers_free(&w->workers);
    rtc_host_free(&w->host);
    rtc_identity_free(&w->ours);
    rtc_identity_free(&w->theirs);
    loop_free(&w->loop);
    metrics_free(&w->metrics);
}

static inline int64_t world_count(const struct world *w, const char *name)
{
    return metric_count(metrics_counter(w->metrics, name, "", NULL));
}

/* --- the server's end ------------------------------------------------------
 */

static inline void peer_is_connected(void *arg)
{
    struct browser *b = arg;

    b->peer_connected++;
    if (b->free_when_connected) rtc_peer_free(&b->peer);
}

static inline void peer_got_rtp(uint8_t *data, size_t len, int64_t at,
                                void *arg)
{
    struct browser *b = arg;

    assert_true(at > 0);
    b->peer_rtp++;
    memcpy(b->peer_last, data, len);
    b->peer_last_len = len;
    if (b->free_at_rtp) rtc_peer_free(&b->peer);
}

static inline void peer_got_rtcp(uint8_t *data, size_t len, int64_t at,
                                 void *arg)
{
    struct browser *b = arg;

    assert_true(at > 0);
    b->peer_rtcp++;
    memcpy(b->peer_last, data, len);
    b->peer_last_len = len;
}

static inline void peer_is_closed(const char *reason, void *arg)
{
    struct browser *b = arg;

    b->peer_closed++;
    b->reason = reason;
    if (b->free_when_closed) rtc_peer_free(&b->peer);
}

static inline struct rtc_peer_events browser_events(struct browser *b)
{
    return (struct rtc_peer_events){.on_connected = peer_is_connected,
                                    .on_rtp = peer_got_rtp,
                                    .on_rtcp = peer_got_rtcp,
                                    .on_closed = peer_is_closed,
                                    .arg = b};
}

/* --- the browser's end -----------------------------------------------------
 */

static inline void browser_send(const uint8_t *data, size_t len, void *arg)
{
    struct browser *b = arg;
    struct udp_message m = {.to = &b->to, .data = data, .len = len};

    if (b->carry)
        b->carry(b, data, len);
    else if (b->udp)
        udp_send(b->udp, &m, 1);
}

static inline void browser_is_connected(void *arg)
{
    ((struct browser *)arg)->connected++;
}

static inline void browser_got(uint8_t *data, size_t len, bool is_control,
                               void *arg)
{
    struct browser *b = arg;

    if (is_control) {
        b->got_rtcp++;
    } else {
        b->lens[b->got_rtp % WORLD_KEPT] = len;
        b->got_rtp++;
    }
    memcpy(b->last, data, len);
    b->last_len = len;
}

static inline void browser_turn(void *arg)
{
    struct browser *b = arg;
    int64_t at = INT64_MAX;

    if (b->client) at = rtc_client_tick(b->client, clock_mono_us());
    if (at != INT64_MAX) timer_set(&b->tick, at + 1);
}

static inline void browser_datagram(const struct net_path *from, uint8_t *data,
                                    size_t len, int64_t at, void *arg)
{
    struct browser *b = arg;

    (void)from;
    if (!b->client) return;
    rtc_client_feed(b->client, data, len, at);
    browser_turn(b);
}

static inline struct net_path loopback_path(int port)
{
    struct net_path p;

    memset(&p, 0, sizeof p);
    p.ip[10] = p.ip[11] = 0xff;
    p.ip[12] = 127, p.ip[15] = 1;
    p.port = (uint16_t)port;
    return p;
}

static inline void browser_bind(struct browser *b)
{
    assert_int_equal(
        udp_create(&b->udp, &(struct udp_conf){.loop = b->world->loop,
                                               .listen = "127.0.0.1:0",
                                               .on_datagram = browser_datagram,
                                               .arg = b}),
        0);
    b->to = loopback_path(rtc_host_udp_port(b->world->host));
}

/* Both ends, each knowing the other's credentials; nothing is sent yet. */
static inline struct browser *browser_create(struct world *w, bool passive)
{
    struct browser *b = calloc(1, sizeof *b);

    assert_non_null(b);
    b->world = w;
    timer_init(&b->tick, w->loop, browser_turn, b);
    struct rtc_client_conf client = {.identity = w->theirs,
                                     .dtls_server = passive,
                                     .send = browser_send,
                                     .on_connected = browser_is_connected,
                                     .on_media = browser_got,
                                     .arg = b};
    assert_int_equal(rtc_client_create(&b->client, &client), 0);
    struct rtc_peer_conf peer = {.host = w->host,
                                 .dtls_client = passive,
                                 .remote = *rtc_client_credentials(b->client),
                                 .events = browser_events(b)};
    rtc_client_fingerprint(b->client, &peer.fingerprint);
    assert_int_equal(rtc_peer_create(&b->peer, &peer), 0);
    return b;
}

static inline void browser_start(struct browser *b)
{
    struct rtc_fingerprint f;

    assert_true(
        rtc_client_parse_fingerprint(&f, rtc_host_fingerprint(b->world->host)));
    rtc_client_start(b->client, rtc_peer_credentials(b->peer), &f,
                     clock_mono_us());
    browser_turn(b);
}

static inline void browser_free(struct browser *b)
{
    rtc_client_free(&b->client);
    rtc_peer_free(&b->peer);
    udp_close(&b->udp);
    timer_cancel(&b->tick);
    free(b);
}

static inline void world_turn(struct world *w)
{
    uv_run(loop_uv(w->loop), UV_RUN_ONCE);
}
/* The bound is against hanging: an allocation that failed may have been what
 * would have come. */
static inline int64_t world_patience(void)
{
    int64_t s = getenv("LECTERN_ALLOC_FAIL") ? 1 : 30;

    return clock_mono_us() + s * 1000000;
}
#define WORLD_UNTIL(w, condition)                                              \
    do {                                                                       \
        int64_t patience_ = world_patience();                                  \
        do {                                                                   \
            if (clock_mono_us() > patience_) fail_msg("never: " #condition);   \
            world_turn(w);                                                     \
        } while (!(condition));                                                \
    } while (0)

static inline struct browser *browser_connect(struct world *w, bool passive)
{
    struct browser *b = browser_create(w, passive);

    browser_bind(b);
    browser_start(b);
    WORLD_UNTIL(w, b->connected && b->peer_connected);
    return b;
}

/* --- packets ---------------------------------------------------------------
 */

static inline size_t write_packet(uint8_t *out, uint32_t ssrc,
                                  uint16_t sequence, size_t size)
{
    memset(out, (uint8_t)sequence, size);
    out[0] = 0x80, out[1] = 96;
    out[2] = (uint8_t)(sequence >> 8), out[3] = (uint8_t)sequence;
    for (int i = 0; i < 4; i++)
        out[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    return size;
}

static inline bool peer_sends(struct browser *b, uint16_t sequence, size_t size)
{
    uint8_t *room = rtc_peer_packet(b->peer, size);

    if (!room) return false;
    write_packet(room, 77, sequence, size);
    rtc_peer_seal(b->peer, 12, size);
    return true;
}

static inline void browser_sends(struct browser *b, uint16_t sequence,
                                 size_t size)
{
    uint8_t data[WORLD_PACKET];

    write_packet(data, 99, sequence, size);
    rtc_client_send_rtp(b->client, data, 12, size);
}

#endif
