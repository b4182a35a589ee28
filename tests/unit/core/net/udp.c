#include "tests/harness.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/udp.h"

enum { KEPT = 256, SIZE_MAX_KEPT = 1500 };

struct end {
    struct udp *udp;
    struct loop *loop;
    int count;
    struct net_path from;
    size_t sizes[KEPT];
    uint8_t first[KEPT];
    bool echoes, closes;
};

static void on_datagram(const struct net_path *from, uint8_t *data, size_t len,
                        int64_t at, void *arg)
{
    struct end *e = arg;

    assert_true(at > 0);
    e->from = *from;
    e->sizes[e->count % KEPT] = len;
    e->first[e->count % KEPT] = len ? data[0] : 0;
    e->count++;
    if (e->echoes)
        udp_send(e->udp,
                 &(struct udp_message){.to = from, .data = data, .len = len},
                 1);
    if (e->closes) udp_close(&e->udp);
}

static struct end *end_of(struct loop *l, const char *listen, struct metrics *m)
{
    struct end *e = calloc(1, sizeof *e);

    assert_non_null(e);
    e->loop = l;
    assert_int_equal(
        udp_create(&e->udp, &(struct udp_conf){.loop = l,
                                               .listen = listen,
                                               .on_datagram = on_datagram,
                                               .arg = e,
                                               .metrics = m}),
        0);
    return e;
}

static void end_free(struct end *e)
{
    udp_close(&e->udp);
    free(e);
}

static struct net_path path_to(const char *host, int port)
{
    struct net_path p = {.port = (uint16_t)port};
    struct in_addr in4;

    if (inet_pton(AF_INET, host, &in4) == 1) {
        p.ip[10] = p.ip[11] = 0xff;
        memcpy(p.ip + 12, &in4, 4);
    } else {
        inet_pton(AF_INET6, host, p.ip);
    }
    return p;
}

static void until(struct loop *l, const int *count, int want)
{
    while (*count < want)
        uv_run(loop_uv(l), UV_RUN_ONCE);
}

/* A datagram to `to`, echoed: where does the echo come from? */
static void echo_through(const char *server_at, const char *client_at,
                         const char *to)
{
    struct loop *l;
    char text[64], want[64];

    assert_int_equal(loop_create(&l, 0), 0);
    struct end *server = end_of(l, server_at, NULL);
    struct end *client = end_of(l, client_at, NULL);
    struct net_path p = path_to(to, udp_port(server->udp));
    server->echoes = true;
    struct udp_message m = {.to = &p, .data = (const uint8_t *)"hi", .len = 2};
    assert_int_equal(udp_send(client->udp, &m, 1), 1);
    until(l, &client->count, 1);
    net_path_text(text, &client->from);
    net_path_text(want, &p);
    assert_string_equal(text, want);
    assert_int_equal(client->sizes[0], 2);
    assert_memory_equal(server->from.local, p.ip, 16);
    end_free(client);
    end_free(server);
    loop_free(&l);
}

static void test_replies_leave_from_where_they_were_asked(void **state)
{
    (void)state;
    echo_through("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1");
    echo_through("0.0.0.0:0", "127.0.0.1:0", "127.0.0.2");
    echo_through("[::1]:0", "[::1]:0", "::1");
    /* Both families on one socket. */
    echo_through("[::]:0", "127.0.0.1:0", "127.0.0.3");
    echo_through("[::]:0", "[::1]:0", "::1");
}

static void test_runs_arrive_as_datagrams(void **state)
{
    enum { SEGMENT = 1200, FULL = 70, LAST = 7 };
    static uint8_t data[FULL * SEGMENT + LAST];
    struct loop *l;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    struct end *a = end_of(l, "127.0.0.1:0", NULL);
    struct end *b = end_of(l, "127.0.0.1:0", NULL);
    struct net_path to = path_to("127.0.0.1", udp_port(b->udp));
    for (int i = 0; i <= FULL; i++)
        data[i * SEGMENT] = (uint8_t)i;
    struct udp_message m[2] = {
        {.to = &to, .data = data, .len = sizeof data, .segment = SEGMENT},
        {.to = &to, .data = data, .len = 3, .segment = SEGMENT}};
    /* 54 of them fill an IP packet: the run leaves as two. */
    assert_int_equal(udp_send(a->udp, m, 2), 3);
    until(l, &b->count, FULL + 2);
    for (int i = 0; i <= FULL; i++) {
        assert_int_equal(b->first[i], i);
        assert_int_equal(b->sizes[i], i < FULL ? SEGMENT : LAST);
    }
    assert_int_equal(b->sizes[FULL + 1], 3);
    end_free(a);
    end_free(b);
    loop_free(&l);
}

static int fd_of_port(int port)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in a;
        socklen_t len = sizeof a;
        if (!getsockname(fd, (struct sockaddr *)&a, &len) &&
            a.sin_family == AF_INET && ntohs(a.sin_port) == port)
            return fd;
    }
    return -1;
}

/* The kernel refuses to cut runs of a socket that sends no checksums. */
static void test_a_way_without_segmentation(void **state)
{
    static uint8_t data[10 * 1000 + 1];
    struct loop *l;
    int on = 1;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    struct end *a = end_of(l, "127.0.0.1:0", NULL);
    struct end *b = end_of(l, "127.0.0.1:0", NULL);
    struct net_path to = path_to("127.0.0.1", udp_port(b->udp));
    int fd = fd_of_port(udp_port(a->udp));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on),
                     0);
    for (int i = 0; i <= 10; i++)
        data[i * 1000] = (uint8_t)i;
    struct udp_message m[2] = {
        {.to = &to, .data = data, .len = sizeof data, .segment = 1000},
        {.to = &to, .data = data, .len = sizeof data, .segment = 1000}};
    assert_int_equal(udp_send(a->udp, m, 2), 2);
    until(l, &b->count, 22);
    for (int i = 0; i < 22; i++) {
        assert_int_equal(b->first[i], i % 11);
        assert_int_equal(b->sizes[i], i % 11 == 10 ? 1 : 1000);
    }
    end_free(a);
    end_free(b);
    loop_free(&l);
}

static void test_what_cannot_be_sent_is_dropped_and_counted(void **state)
{
    struct metrics *metrics;
    struct loop *l;

    (void)state;
    assert_int_equal(metrics_create(&metrics), 0);
    assert_int_equal(loop_create(&l, 0), 0);
    struct end *a = end_of(l, "127.0.0.1:0", metrics);
    struct end *b = end_of(l, "127.0.0.1:0", NULL);
    struct net_path good = path_to("127.0.0.1", udp_port(b->udp)), bad = good;
    bad.local[10] = bad.local[11] = 0xff;
    bad.local[12] = 203, bad.local[14] = 113; /* not an address of ours */
    struct udp_message m[3] = {
        {.to = &good, .data = (const uint8_t *)"a", .len = 1},
        {.to = &bad, .data = (const uint8_t *)"b", .len = 1},
        {.to = &good, .data = (const uint8_t *)"c", .len = 1}};
    assert_int_equal(udp_send(a->udp, m, 3), 2);
    until(l, &b->count, 2);
    assert_int_equal(b->first[0], 'a');
    assert_int_equal(b->first[1], 'c');
    struct metric *dropped =
        metrics_counter(metrics, "lectern_udp_out_dropped_total", "", NULL);
    assert_int_equal(metric_count(dropped), 1);
    end_free(a);
    end_free(b);
    loop_free(&l);
    metrics_free(&metrics);
}

static void test_closing_inside_a_datagram(void **state)
{
    struct loop *l;

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    struct end *a = end_of(l, "127.0.0.1:0", NULL);
    struct end *b = end_of(l, "127.0.0.1:0", NULL);
    struct net_path to = path_to("127.0.0.1", udp_port(b->udp));
    b->closes = true;
    for (int i = 0; i < 5; i++)
        udp_send(a->udp,
                 &(struct udp_message){
                     .to = &to, .data = (const uint8_t *)"x", .len = 1},
                 1);
    until(l, &b->count, 1);
    loop_run_once(l);
    assert_int_equal(b->count, 1);
    assert_null(b->udp);
    end_free(a);
    end_free(b);
    loop_free(&l);
}

static void test_addresses_that_cannot_be(void **state)
{
    struct loop *l;
    struct udp *u = NULL;
    char text[32];

    (void)state;
    assert_int_equal(loop_create(&l, 0), 0);
    struct udp_conf conf = {.loop = l, .listen = "nowhere"};
    assert_int_equal(udp_create(&u, &conf), ERR_SYNTAX);
    conf.listen = "203.0.113.1:0";
    assert_int_equal(udp_create(&u, &conf), ERR_IO);
    struct end *a = end_of(l, "127.0.0.1:0", NULL);
    snprintf(text, sizeof text, "127.0.0.1:%d", udp_port(a->udp));
    conf.listen = text;
    assert_int_equal(udp_create(&u, &conf), ERR_BUSY);
    assert_null(u);
    udp_close(&u);
    end_free(a);
    loop_free(&l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_replies_leave_from_where_they_were_asked),
    cmocka_unit_test(test_runs_arrive_as_datagrams),
    cmocka_unit_test(test_a_way_without_segmentation),
    cmocka_unit_test(test_what_cannot_be_sent_is_dropped_and_counted),
    cmocka_unit_test(test_closing_inside_a_datagram),
    cmocka_unit_test(test_addresses_that_cannot_be),
};

HARNESS_MAIN(tests)
