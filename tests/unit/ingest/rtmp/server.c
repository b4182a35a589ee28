#include "tests/rtmp_bytes.h"

#include "tests/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/media/bus.h"
#include "core/net/tls.h"
#include "ingest/rtmp/server.h"

/* The server, its loop turned by hand, and clients that are plain sockets. */
struct world {
    struct loop *loop;
    struct bus *bus;
    struct bus_subscriber *reader;
    struct rtmp_server *server;
    struct metrics *metrics;
    struct tls_server *tls;
    struct publisher *live;
    int frames, detached, done;
};

static struct world w;

static int authorise(const char *key, struct ingest_grant *out, void *arg)
{
    (void)arg;
    if (strcmp(key, "demo-key")) return ERR_DENIED;
    snprintf(out->channel, sizeof out->channel, "demo");
    return 0;
}

static void attach(struct publisher *p, void *arg)
{
    (void)arg;
    if (w.live) publisher_kick(w.live, "taken over");
    w.live = p;
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
    while (!bus_next(w.reader, &e))
        w.frames += e.type == BUS_FRAME;
}

static bool begin_over(struct tls_server *tls, bool sniffs, int connections)
{
    static const struct ingest_door door = {
        .authorise = authorise, .attach = attach, .detach = detach};
    struct bus_conf bus = {.channel = "demo",
                           .window_us = 12000000,
                           .max_entries = 1024,
                           .max_bytes = 1 << 20};
    struct rtmp_server_conf conf = {.listen = "127.0.0.1:0", .door = &door};

    memset(&w, 0, sizeof w);
    w.tls = tls;
    if (sniffs)
        conf.sniffed = tls;
    else
        conf.tls = tls;
    if (loop_create(&w.loop, 0) || metrics_create(&w.metrics)) return false;
    bus.loop = conf.loop = w.loop;
    bus.origin_at = clock_mono_us();
    conf.metrics = w.metrics;
    rtmp_server_limits_default(&conf.limits);
    conf.limits.connections = connections;
    return !bus_create(&w.bus, &bus) &&
           !bus_subscribe(w.bus, &w.reader, BUS_FROM_NOW, on_wake, NULL) &&
           !rtmp_server_create(&w.server, &conf);
}

static bool begin(int connections)
{
    return begin_over(NULL, false, connections);
}

static void on_done(void *arg)
{
    (void)arg;
    w.done++;
}

static void end(void)
{
    bool served = w.server != NULL;

    rtmp_server_close(&w.server, on_done, NULL);
    for (int i = 0; served && !w.done && i < 10000; i++)
        loop_run_once(w.loop);
    if (served) assert_int_equal(w.done, 1);
    bus_unsubscribe(&w.reader);
    if (w.bus) bus_unref(&w.bus);
    if (w.loop) loop_run_once(w.loop);
    loop_free(&w.loop);
    metrics_free(&w.metrics);
    tls_server_free(&w.tls);
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port =
                                htons((uint16_t)rtmp_server_port(w.server)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Turns the loop and reads fd until text was said (or the end came, for NULL).
 * False if neither happened within 20 s. */
static bool hear(int fd, const char *text)
{
    static char heard[1 << 18];
    size_t n = 0;
    int64_t until = clock_mono_us() + 20000000;

    while (clock_mono_us() < until) {
        loop_run_once(w.loop);
        ssize_t got = recv(fd, heard + n, sizeof heard - n, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) return !text;
        if (got > 0) n += (size_t)got;
        if (text && memmem(heard, n, text, strlen(text))) return true;
    }
    return false;
}

static void say(int fd, struct builder *b)
{
    if (!b->err)
        assert_int_equal(send(fd, builder_data(b), b->len, MSG_NOSIGNAL),
                         b->len);
    builder_release(b);
}

static void say_publish(int fd, const char *key)
{
    struct builder b;

    builder_init(&b, 65536);
    put_to_publish(&b, "live", key);
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, test_idr);
    say(fd, &b);
}

/* The walk over failing allocations is for the parts: here a lost message
 * would only mean waiting. */
static bool walking(void)
{
    return getenv("LECTERN_ALLOC_FAIL") != NULL;
}

static void test_publish_takeover_and_goodbye(void **state)
{
    int first, second;

    (void)state;
    if (walking() || !begin(10)) return;
    first = dial();
    say_publish(first, "demo-key");
    assert_true(hear(first, "NetStream.Publish.Start"));
    for (int i = 0; i < 1000 && !w.frames; i++)
        loop_run_once(w.loop);
    assert_int_equal(w.frames, 1);

    second = dial();
    say_publish(second, "demo-key");
    assert_true(hear(second, "NetStream.Publish.Start"));
    assert_true(hear(first, "taken over"));
    assert_true(hear(first, NULL));
    assert_int_equal(w.detached, 1);
    close(first);

    rtmp_server_close(&w.server, on_done, NULL);
    assert_true(hear(second, "shutting down"));
    assert_true(hear(second, NULL));
    for (int i = 0; i < 10000 && !w.done; i++)
        loop_run_once(w.loop);
    assert_int_equal(w.done, 1);
    assert_int_equal(w.detached, 2);
    assert_int_equal(w.frames, 2);
    close(second);
    end();
}

static int64_t refused(const char *labels)
{
    return metric_count(
        metrics_counter(w.metrics, "lectern_rtmp_refused_total", "", labels));
}

static void test_wrong_key_is_told_and_closed(void **state)
{
    int fd;

    (void)state;
    if (walking() || !begin(10)) return;
    fd = dial();
    say_publish(fd, "wrong");
    assert_true(hear(fd, "NetStream.Publish.BadName"));
    assert_true(hear(fd, NULL));
    close(fd);
    assert_int_equal(refused("reason=\"DENIED\""), 1);
    assert_int_equal(w.detached, 0);
    end();
}

static void test_strangers_and_caps(void **state)
{
    struct builder b;
    int fds[3];

    (void)state;
    if (walking() || !begin(2)) return;
    for (int i = 0; i < 2; i++)
        fds[i] = dial();
    for (int i = 0; i < 1000 && rtmp_server_connections(w.server) < 2; i++)
        loop_run_once(w.loop);
    fds[2] = dial();
    assert_true(hear(fds[2], NULL));
    assert_int_equal(refused("reason=\"LIMIT\""), 1);
    builder_init(&b, 100);
    builder_bytes(&b, "\x16\x03\x01\x02\x00", 5);
    say(fds[0], &b);
    assert_true(hear(fds[0], NULL));
    assert_int_equal(refused("reason=\"UNSUPPORTED\""), 1);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    end();
}

/* Turns the loop until OpenSSL is content with a call. */
static int turn(SSL *ssl, int result)
{
    int why = SSL_get_error(ssl, result);

    loop_run_once(w.loop);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static bool hear_secret(SSL *ssl, const char *text)
{
    static char heard[1 << 16];
    int64_t until = clock_mono_us() + 20000000;
    size_t n = 0;

    while (clock_mono_us() < until) {
        int got = SSL_read(ssl, heard + n, (int)(sizeof heard - n));
        if (got > 0) n += (size_t)got;
        if (memmem(heard, n, text, strlen(text))) return true;
        if (got <= 0 && !turn(ssl, got)) return false;
    }
    return false;
}

/* sniffs: on the plain port, which serves plain RTMP beside it. */
static void publish_over_tls(bool sniffs)
{
    char dir[HARNESS_DIR_MAX];
    struct tls_server_conf conf = {.cert = "auto", .key = "auto"};
    struct tls_server *tls = NULL;
    struct builder b;

    if (walking()) return;
    assert_true(harness_dir(dir));
    conf.data_dir = dir;
    assert_int_equal(tls_server_create(&tls, &conf), 0);
    assert_true(begin_over(tls, sniffs, 10));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    int fd = dial(), result;
    SSL_set_fd(ssl, fd);
    while ((result = SSL_connect(ssl)) != 1)
        assert_true(turn(ssl, result));

    builder_init(&b, 65536);
    put_to_publish(&b, "live", "demo-key");
    put_video(&b, 0, test_avcc);
    put_video(&b, 0, test_idr);
    assert_int_equal(SSL_write(ssl, builder_data(&b), (int)b.len), b.len);
    builder_release(&b);
    assert_true(hear_secret(ssl, "NetStream.Publish.Start"));
    for (int i = 0; i < 1000 && !w.frames; i++)
        loop_run_once(w.loop);
    assert_int_equal(w.frames, 1);

    /* plain RTMP on the port for TLS is told nothing and closed */
    int plain = dial();
    say_publish(plain, "demo-key");
    assert_true(hear(plain, sniffs ? "NetStream.Publish.Start" : NULL));
    if (!sniffs) publisher_kick(w.live, "taken over");
    assert_true(hear_secret(ssl, "taken over"));
    close(plain);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    end();
    harness_remove(dir);
}

static void test_publish_over_tls(void **state)
{
    (void)state;
    publish_over_tls(false);
}

static void test_tls_on_the_plain_port(void **state)
{
    (void)state;
    publish_over_tls(true);
}

static void test_address_in_use_and_nonsense(void **state)
{
    static const struct ingest_door door = {
        .authorise = authorise, .attach = attach, .detach = detach};
    struct rtmp_server_conf conf = {.door = &door, .listen = "not an address"};
    struct rtmp_server *s = NULL;

    (void)state;
    memset(&w, 0, sizeof w);
    if (loop_create(&w.loop, 0)) return;
    conf.loop = w.loop;
    assert_int_equal(rtmp_server_create(&s, &conf), ERR_RANGE); /* limits */
    rtmp_server_limits_default(&conf.limits);
    int err = rtmp_server_create(&s, &conf);
    assert_true(err == ERR_USAGE || err == ERR_NOMEM);
    assert_null(s);
    loop_run_once(w.loop);
    loop_free(&w.loop);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_publish_takeover_and_goodbye),
    cmocka_unit_test(test_wrong_key_is_told_and_closed),
    cmocka_unit_test(test_strangers_and_caps),
    cmocka_unit_test(test_publish_over_tls),
    cmocka_unit_test(test_tls_on_the_plain_port),
    cmocka_unit_test(test_address_in_use_and_nonsense),
};
HARNESS_MAIN(tests)
