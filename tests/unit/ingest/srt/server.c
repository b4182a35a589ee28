/* The server against callers of libsrt itself, on loopback. */
#include "tests/harness.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/media/bus.h"
#include "ingest/srt/server_priv.h"

enum { CAPTURE_MAX = 100000, PATIENCE_US = 20000000 };

struct world {
    struct loop *loop;
    struct bus *bus;
    struct bus_subscriber *reader;
    struct srt_server *server;
    struct metrics *metrics;
    struct publisher *live;
    int frames, tracks, attached, detached, done;
    size_t len;
    char capture[CAPTURE_MAX];
};

static struct world w;

static int authorise(const char *key, struct ingest_grant *out, void *arg)
{
    (void)arg;
    if (!strcmp(key, "secret-key")) {
        snprintf(out->channel, sizeof out->channel, "secret");
        snprintf(out->passphrase, sizeof out->passphrase, "correct horse");
        return 0;
    }
    if (!strcmp(key, "ranked-key")) {
        snprintf(out->channel, sizeof out->channel, "ranked");
        return 0;
    }
    if (strcmp(key, "demo-key") != 0) return ERR_DENIED;
    snprintf(out->channel, sizeof out->channel, "demo");
    return 0;
}

static int32_t live_priority(const char *channel, void *arg)
{
    (void)arg;
    return strcmp(channel, "ranked") ? 0 : 5;
}

static void attach(struct publisher *p, void *arg)
{
    (void)arg;
    if (w.live) publisher_kick(w.live, "taken over");
    w.live = p;
    w.attached++;
    publisher_attached(p, w.bus, bus_end_us(w.bus));
}

static void detach(struct publisher *p, void *arg)
{
    (void)arg;
    if (w.live == p) w.live = NULL;
    w.detached++;
}

static void on_wake(void *arg)
{
    struct bus_event e;

    (void)arg;
    while (!bus_next(w.reader, &e)) {
        w.frames += e.type == BUS_FRAME;
        w.tracks += e.type == BUS_TRACK;
    }
}

static void load_capture(void)
{
    FILE *f = fopen("tests/data/ts/h264-aac.ts", "rb");

    assert_non_null(f);
    w.len = fread(w.capture, 1, sizeof w.capture, f);
    fclose(f);
}

static int open_world(int connections)
{
    static const struct ingest_door door = {.authorise = authorise,
                                            .attach = attach,
                                            .detach = detach,
                                            .live_priority = live_priority};
    struct bus_conf bus = {.channel = "demo",
                           .window_us = 12000000,
                           .max_entries = 1024,
                           .max_bytes = 1 << 20};
    struct srt_server_conf conf = {
        .loop_count = 1, .listen = "127.0.0.1:0", .door = &door};
    int err;

    memset(&w, 0, sizeof w);
    load_capture();
    srt_startup();
    err = loop_create(&w.loop, 0);
    if (!err) err = metrics_create(&w.metrics);
    if (err) return err;
    bus.loop = w.loop;
    bus.origin_at = clock_mono_us();
    conf.loops = &w.loop;
    conf.metrics = w.metrics;
    conf.latency_ms = 20;
    srt_server_limits_default(&conf.limits);
    conf.limits.connections = connections;
    err = bus_create(&w.bus, &bus);
    if (!err)
        err = bus_subscribe(w.bus, &w.reader, BUS_FROM_NOW, on_wake, NULL);
    return err ? err : srt_server_create(&w.server, &conf);
}

static void on_done(void *arg)
{
    (void)arg;
    w.done++;
}

static int close_world(void **state)
{
    (void)state;
    if (w.loop) loop_run_once(w.loop);
    srt_server_free(&w.server);
    bus_unsubscribe(&w.reader);
    if (w.bus) bus_unref(&w.bus);
    if (w.loop) loop_run_once(w.loop);
    loop_free(&w.loop);
    metrics_free(&w.metrics);
    srt_cleanup();
    return 0;
}

/* Turns the loop until *what reaches `least`. */
static bool turn_until(const int *what, int least)
{
    int64_t until = clock_mono_us() + PATIENCE_US;

    while (*what < least && clock_mono_us() < until) {
        loop_run_once(w.loop);
        usleep(1000);
    }
    return *what >= least;
}

static bool turn_until_broken(SRTSOCKET socket)
{
    int64_t until = clock_mono_us() + PATIENCE_US;

    while (srt_getsockstate(socket) == SRTS_CONNECTED &&
           clock_mono_us() < until) {
        loop_run_once(w.loop);
        usleep(1000);
    }
    return srt_getsockstate(socket) != SRTS_CONNECTED;
}

/* A caller's socket; SRT_INVALID_SOCK and the reason, if it was refused. */
static SRTSOCKET dial(const char *streamid, const char *passphrase, int *reason)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port =
                                htons((uint16_t)srt_server_port(w.server)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    SRTSOCKET socket = srt_create_socket();
    int patience = 10000;

    *reason = 0;
    srt_setsockflag(socket, SRTO_CONNTIMEO, &patience, sizeof patience);
    if (*streamid)
        srt_setsockflag(socket, SRTO_STREAMID, streamid, (int)strlen(streamid));
    if (passphrase)
        srt_setsockflag(socket, SRTO_PASSPHRASE, passphrase,
                        (int)strlen(passphrase));
    if (!srt_connect(socket, (struct sockaddr *)&a, sizeof a)) return socket;
    *reason = srt_getrejectreason(socket);
    srt_close(socket);
    return SRT_INVALID_SOCK;
}

static void refused(const char *streamid, const char *passphrase, int code)
{
    int reason;
    SRTSOCKET socket = dial(streamid, passphrase, &reason);

    if (socket != SRT_INVALID_SOCK) srt_close(socket);
    if (socket != SRT_INVALID_SOCK || reason != code)
        fail_msg("%s: %d instead of %d", streamid, reason, code);
}

static void publish(SRTSOCKET socket)
{
    for (size_t at = 0; at < w.len; at += 1316) {
        size_t n = w.len - at < 1316 ? w.len - at : 1316;
        assert_int_equal(srt_sendmsg2(socket, w.capture + at, (int)n, NULL), n);
    }
}

static void test_publishing_and_leaving(void **state)
{
    int reason;

    (void)state;
    if (open_world(10)) return;
    SRTSOCKET s = dial("#!::m=publish,r=demo,u=demo-key", NULL, &reason);
    assert_int_not_equal(s, SRT_INVALID_SOCK);
    publish(s);
    assert_true(turn_until(&w.frames, 60 + 95));
    assert_int_equal(w.frames, 60 + 95);
    assert_true(w.tracks >= 2);
    assert_int_equal(srt_server_connections(w.server), 1);
    srt_close(s);
    assert_true(turn_until(&w.detached, 1));
    s = dial("ranked-key?priority=5", NULL, &reason);
    assert_int_not_equal(s, SRT_INVALID_SOCK);
    srt_close(s);
    s = dial("demo-key", NULL, &reason); /* and comes back */
    assert_int_not_equal(s, SRT_INVALID_SOCK);
    publish(s);
    assert_true(turn_until(&w.frames, 2 * (60 + 95)));
    srt_close(s);
}

static void test_who_is_refused(void **state)
{
    (void)state;
    if (open_world(10)) return;
    refused("wrong-key", NULL, SRT_REJX_UNAUTHORIZED);
    refused("publish:wrong-key", NULL, SRT_REJX_UNAUTHORIZED);
    refused("", NULL, SRT_REJX_NOTFOUND);
    refused("#!::r=nobody,m=publish", NULL, SRT_REJX_NOTFOUND);
    refused("#!::r=other,u=demo-key", NULL, SRT_REJX_FORBIDDEN);
    refused("#!::u=demo-key,m=request", NULL, SRT_REJX_BAD_MODE);
    refused("#!::u=demo-key,t=file", NULL, SRT_REJX_NOTSUP_MEDIA);
    refused("#!::nonsense", NULL, SRT_REJX_BAD_REQUEST);
    refused("demo-key?priority=x", NULL, SRT_REJX_UNACCEPTABLE);
    refused("ranked-key", NULL, SRT_REJX_CONFLICT);
    refused("#!::u=ranked-key,priority=4", NULL, SRT_REJX_CONFLICT);
    loop_run_once(w.loop);
    assert_int_equal(w.attached, 0);
    assert_int_equal(srt_server_connections(w.server), 0);
}

static void test_passphrases(void **state)
{
    int reason;

    (void)state;
    if (open_world(10)) return;
    refused("secret-key", "wrong horse!", SRT_REJ_BADSECRET);
    refused("secret-key", NULL, SRT_REJ_UNSECURE);
    refused("demo-key", "correct horse", SRT_REJ_UNSECURE);
    SRTSOCKET s = dial("secret-key", "correct horse", &reason);
    assert_int_not_equal(s, SRT_INVALID_SOCK);
    publish(s);
    assert_true(turn_until(&w.frames, 60 + 95));
    srt_close(s);
}

static void test_a_second_publisher_takes_over(void **state)
{
    int reason;

    (void)state;
    if (open_world(10)) return;
    SRTSOCKET first = dial("demo-key", NULL, &reason);
    publish(first);
    assert_true(turn_until(&w.frames, 155));
    /* a second connection alone, or one that sends something else, does not */
    SRTSOCKET second = dial("demo-key", NULL, &reason);
    assert_int_not_equal(second, SRT_INVALID_SOCK);
    SRTSOCKET third = dial("demo-key", NULL, &reason);
    srt_sendmsg2(third, "no transport stream", 19, NULL);
    srt_close(third);
    publish(first);
    assert_true(turn_until(&w.frames, 200));
    assert_int_equal(w.attached, 1);
    publish(second);
    assert_true(turn_until(&w.attached, 2));
    assert_true(turn_until_broken(first));
    assert_int_equal(srt_getsockstate(second), SRTS_CONNECTED);
    assert_true(turn_until(&w.detached, 1));
    srt_close(first);
    srt_close(second);
}

static void test_limits(void **state)
{
    int reason;

    (void)state;
    if (open_world(1)) return;
    SRTSOCKET s = dial("demo-key", NULL, &reason);
    publish(s);
    assert_true(turn_until(&w.frames, 1));
    refused("demo-key", NULL, SRT_REJX_OVERLOAD);
    srt_close(s);
}

static void test_datagrams_that_make_no_sense(void **state)
{
    uint8_t bytes[1500];
    uint32_t seed = 1;
    int reason, fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    if (open_world(10)) {
        close(fd);
        return;
    }
    a.sin_port = htons((uint16_t)srt_server_port(w.server));
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        if (i % 3 == 0) bytes[0] = 0x80; /* control: a handshake of sorts */
        if (i % 3 == 0) memset(bytes + 1, 0, 15);
        sendto(fd, bytes, (size_t)(seed % sizeof bytes), 0,
               (struct sockaddr *)&a, sizeof a);
    }
    close(fd);
    SRTSOCKET s = dial("demo-key", NULL, &reason);
    assert_int_not_equal(s, SRT_INVALID_SOCK);
    publish(s);
    assert_true(turn_until(&w.frames, 155));
    assert_int_equal(srt_server_connections(w.server), 1);
    srt_close(s);
}

static void test_stopping_amid_a_stream(void **state)
{
    int reason;

    (void)state;
    if (open_world(10)) return;
    SRTSOCKET s = dial("demo-key", NULL, &reason);
    publish(s);
    assert_true(turn_until(&w.frames, 1));
    srt_server_stop(w.server, on_done, NULL);
    assert_true(turn_until(&w.done, 1));
    assert_int_equal(w.detached, 1);
    assert_true(turn_until_broken(s));
    srt_close(s);
}

/* The loop no longer turns: what it would have done is done at the end. */
static void test_the_end_without_a_loop(void **state)
{
    int reason;

    (void)state;
    if (open_world(10)) return;
    SRTSOCKET s = dial("demo-key", NULL, &reason);
    publish(s);
    assert_true(turn_until(&w.frames, 1));
    srt_server_free(&w.server);
    assert_int_equal(w.detached, 1);
    srt_close(s);
}

#define WORLD_TEST(fn) cmocka_unit_test_teardown(fn, close_world)
static const struct CMUnitTest tests[] = {
    WORLD_TEST(test_publishing_and_leaving),
    WORLD_TEST(test_who_is_refused),
    WORLD_TEST(test_passphrases),
    WORLD_TEST(test_a_second_publisher_takes_over),
    WORLD_TEST(test_limits),
    WORLD_TEST(test_datagrams_that_make_no_sense),
    WORLD_TEST(test_stopping_amid_a_stream),
    WORLD_TEST(test_the_end_without_a_loop),
};
HARNESS_MAIN(tests)
