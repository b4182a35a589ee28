/* Viewers against a real server on loopback: what RFC 8216bis §6.2.5 and
 * §6.2.6 say of requests, over HTTP/1.1. The loop runs on its own thread;
 * store_events reach it as a packager's would, by mailbox. */
#include "edge/edge.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "core/base/clock.h"
#include "core/base/metric.h"
#include "core/loop/loop.h"
#include "core/net/server.h"
#include "edge/upstream_local.h"
#include "tests/harness.h"

struct world {
    struct loop *loop;
    struct metrics *metrics;
    struct server *server;
    struct edge *edge;
    struct upstream_local *local;
    uint32_t target_s;
    int port;
    atomic_bool closed;
};

static enum upstream_answer find_channel(const char *name, void *arg)
{
    (void)arg;
    if (!strcmp(name, "demo")) return UPSTREAM_OFFLINE;
    return strcmp(name, "far") ? UPSTREAM_UNKNOWN : UPSTREAM_COMING;
}

static int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct server_conf conf = {.listen = "127.0.0.1:0"};
    struct edge_conf edge = {.upstream = {find_channel, NULL}};

    if (!w || loop_create(&w->loop, 0) || metrics_create(&w->metrics) ||
        upstream_local_create(&w->local))
        return -1;
    conf.loop = edge.loop = w->loop;
    edge.metrics = w->metrics;
    server_limits_default(&conf.limits);
    if (server_create(&w->server, &conf) || edge_create(&w->edge, &edge) ||
        edge_serve(w->edge, w->server) ||
        upstream_local_add(w->local, w->loop, w->edge))
        return -1;
    w->port = server_port(w->server);
    w->target_s = 2;
    *state = w;
    return loop_start(w->loop);
}

static void on_closed(void *arg)
{
    struct world *w = arg;

    edge_free(&w->edge);
    loop_stop(w->loop);
}

static void close_server(void *arg)
{
    struct world *w = arg;

    server_close(w->server, 0, on_closed, w);
}

static int end(void **state)
{
    struct world *w = *state;

    loop_post(w->loop, close_server, w);
    loop_join(w->loop);
    upstream_local_free(&w->local);
    loop_free(&w->loop);
    metrics_free(&w->metrics);
    free(w);
    return 0;
}

/* --- the packager's side -------------------------------------------------- */

static struct store_event *make(enum store_event_type type, int slices)
{
    struct store_event *e = NULL;

    assert_int_equal(store_event_create(&e, type, 0, slices), 0);
    return e;
}

static void say(struct world *w, struct store_event *e)
{
    upstream_local_event(w->local, "demo", 7, e);
    store_event_unref(&e);
}

static void say_part(struct world *w, uint64_t msn, int index, bool closes)
{
    struct store_event *e = make(STORE_PART, 1);
    char text[32];
    struct buf *b = NULL;

    snprintf(text, sizeof text, "[part %d.%d]", (int)msn, index);
    assert_int_equal(buf_create(&b, text, strlen(text)), 0);
    e->msn = msn;
    e->v.part.index = index;
    e->v.part.duration_us = 200000;
    e->v.part.head.pts_us = (int64_t)msn * 400000;
    e->v.part.head.date_us = (int64_t)msn * 400000;
    e->v.part.head.init = 1;
    e->v.part.closes = closes;
    e->v.part.captured_at = clock_mono_us();
    e->bytes = buf_len(b);
    e->slices[0] = slice_take(&b);
    say(w, e);
}

static void say_state(struct world *w, enum store_state state)
{
    struct store_event *e = make(STORE_STATE, 0);

    e->v.state = state;
    say(w, e);
}

static void say_published(struct world *w)
{
    struct store_event *e = make(STORE_PUBLISH, 0);

    e->v.listed = 1;
    say(w, e);
    say_state(w, STORE_LIVE);
}

/* Segment 1 whole (two parts), segment 2 open with one. */
static void say_stream(struct world *w)
{
    struct store_event *e = make(STORE_PLAN, 0);

    e->v.plan = (struct store_plan){w->target_s, 200000, 40000000, 0};
    say(w, e);
    e = make(STORE_RENDITION, 0);
    strcpy(e->v.description.name, "v");
    strcpy(e->v.description.codec, "avc1.42c01e");
    e->v.description.video = true;
    say(w, e);
    say_part(w, 1, 0, false);
    say_part(w, 1, 1, true);
    say_part(w, 2, 0, false);
}

/* Until the counter has come to n: what was sent before has arrived. */
static void await(struct world *w, const char *name, int64_t n)
{
    struct metric *m = metrics_counter(w->metrics, name, "", NULL);

    for (int i = 0; i < 5000 && metric_count(m) < n; i++)
        usleep(1000);
    assert_true(metric_count(m) >= n);
}

/* --- the viewer's side ---------------------------------------------------- */

struct reply {
    int status;
    char head[2048];
    char body[8192];
    size_t len;
};

static int dial(const struct world *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)w->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {10, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void ask(int fd, const char *path, const char *header)
{
    char text[512];
    int n =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n",
                 path, header ? header : "", header ? "\r\n" : "");

    assert_int_equal(write(fd, text, (size_t)n), n);
}

static void hear(int fd, struct reply *r)
{
    size_t at = 0, want = 0;
    char *end = NULL, *length;

    memset(r, 0, sizeof *r);
    while (!end) {
        ssize_t n = read(fd, r->head + at, 1);
        assert_int_equal(n, 1);
        at++;
        assert_true(at < sizeof r->head - 1);
        end = strstr(r->head, "\r\n\r\n");
    }
    assert_int_equal(sscanf(r->head, "HTTP/1.1 %d", &r->status), 1);
    length = strstr(r->head, "content-length: ");
    if (length) want = (size_t)atol(length + 16);
    assert_true(want < sizeof r->body);
    while (r->len < want) {
        ssize_t n = read(fd, r->body + r->len, want - r->len);
        assert_true(n > 0);
        r->len += (size_t)n;
    }
}

static int get(struct world *w, const char *path, const char *header,
               struct reply *r)
{
    int fd = dial(w);

    ask(fd, path, header);
    hear(fd, r);
    close(fd);
    return r->status;
}

static bool is_quiet(int fd)
{
    char c;

    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

/* What was said so far has been applied: mail is read in order, and this
 * request comes over a connection of its own. */
static void settle(struct world *w)
{
    struct reply r;

    for (int i = 0; i < 1000; i++) {
        get(w, "/api/live/demo", NULL, &r);
        if (!strstr(r.body, "offline")) return;
    }
    fail();
}

static void begin_stream(struct world *w)
{
    say_stream(w);
    say_published(w);
    settle(w);
}

/* --- the cases ------------------------------------------------------------ */

static void test_not_live(void **state)
{
    struct world *w = *state;
    struct reply r;

    assert_int_equal(get(w, "/live/nobody/index.m3u8", NULL, &r), 404);
    assert_string_equal(r.body, "no such channel\n");
    assert_int_equal(get(w, "/live/demo/index.m3u8", NULL, &r), 404);
    assert_string_equal(r.body, "not live\n");
    assert_non_null(strstr(r.head, "no-store"));
    assert_non_null(strstr(r.head, "access-control-allow-origin: *"));
    assert_int_equal(get(w, "/live/demo/7/v/index.m3u8", NULL, &r), 404);
    assert_int_equal(get(w, "/api/live/demo", NULL, &r), 200);
    assert_non_null(strstr(r.body, "\"state\":\"offline\""));
    assert_int_equal(get(w, "/api/live/nobody", NULL, &r), 404);
    assert_int_equal(get(w, "/api/live", NULL, &r), 200);
    assert_string_equal(r.body, "{\"channels\":[]}\n");
}

static void test_a_starting_stream_holds_its_viewers(void **state)
{
    struct world *w = *state;
    struct reply r;
    int fd = dial(w);

    say_stream(w);
    settle(w);
    ask(fd, "/live/demo/index.m3u8", NULL);
    assert_int_equal(get(w, "/api/live/demo", NULL, &r), 200);
    assert_non_null(strstr(r.body, "\"state\":\"starting\""));
    assert_true(is_quiet(fd));
    say_published(w);
    hear(fd, &r);
    close(fd);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "\n7/v/index.m3u8\n"));
}

static void test_media(void **state)
{
    struct world *w = *state;
    struct reply r;

    begin_stream(w);
    assert_int_equal(get(w, "/live/demo/7/v/index.m3u8", NULL, &r), 200);
    assert_non_null(strstr(r.head, "cache-control: max-age=1\r\n"));
    assert_non_null(strstr(r.body, "URI=\"2.1.m4s\""));
    assert_int_equal(get(w, "/live/demo/7/v/1.m4s", NULL, &r), 200);
    assert_string_equal(r.body, "[part 1.0][part 1.1]");
    assert_non_null(strstr(r.head, "immutable"));
    assert_int_equal(get(w, "/live/demo/7/v/2.0.m4s", NULL, &r), 200);
    assert_string_equal(r.body, "[part 2.0]");
    static const char *const none[] = {"/live/demo/7/v/2.m4s",
                                       "/live/demo/7/v/1.2.m4s",
                                       "/live/demo/7/v/2.2.m4s",
                                       "/live/demo/7/v/3.1.m4s",
                                       "/live/demo/7/v/init-9.mp4",
                                       "/live/demo/8/v/index.m3u8",
                                       "/live/demo/7/w/index.m3u8",
                                       "/live/demo/7/v/01.m4s",
                                       "/live/demo/7/v/1.m4sx",
                                       "/live/demo/7/v/",
                                       "/live/demo/7/v/1.0.m4s/x",
                                       "/live/demo/7x/v/index.m3u8",
                                       "/live/demo",
                                       "/live//index.m3u8"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(get(w, none[i], NULL, &r), 404);
}

static void test_a_segment_of_many_pieces(void **state)
{
    struct world *w = *state;
    struct store_event *e = make(STORE_PART, 700);
    static const uint8_t letters[] = "abcdefghij";
    struct reply r;

    begin_stream(w);
    say_part(w, 2, 1, true);
    e->msn = 3;
    e->v.part.closes = true;
    e->v.part.duration_us = 200000;
    for (int i = 0; i < 700; i++)
        e->slices[i] = (struct slice){NULL, letters + i % 10, 1};
    e->bytes = 700;
    say(w, e);
    int part = 0, whole = 0;
    for (int i = 0; i < 1000 && whole != 200; i++)
        whole = get(w, "/live/demo/7/v/3.m4s", NULL, &r);
    assert_int_equal(r.len, 700);
    assert_memory_equal(r.body, "abcdefghijabcdefghij", 20);
    part = get(w, "/live/demo/7/v/3.0.m4s", NULL, &r);
    assert_int_equal(part, 200);
    assert_int_equal(r.len, 700);
}

static void test_directives_that_are_refused(void **state)
{
    struct world *w = *state;
    struct reply r;

    begin_stream(w);
    static const char *const bad[] = {"_HLS_part=1", "_HLS_msn=4", "_HLS_msn=a",
                                      "_HLS_msn=2&_HLS_part=16"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[96];

        snprintf(path, sizeof path, "/live/demo/7/v/index.m3u8?%s", bad[i]);
        assert_int_equal(get(w, path, NULL, &r), 400);
        assert_non_null(strstr(r.head, "access-control-allow-origin: *"));
    }
}

static void test_one_part_wakes_all_but_who_left(void **state)
{
    struct world *w = *state;
    static const char path[] =
        "/live/demo/7/v/index.m3u8?_HLS_msn=2&_HLS_part=1";
    int fds[3];
    struct reply r;

    begin_stream(w);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(w);
        ask(fds[i], path, NULL);
    }
    await(w, "lectern_hls_blocked_total", 3);
    close(fds[1]);
    assert_true(is_quiet(fds[0]) && is_quiet(fds[2]));
    say_part(w, 2, 1, false);
    for (int i = 0; i < 3; i += 2) {
        hear(fds[i], &r);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body, "URI=\"2.1.m4s\""));
        assert_non_null(strstr(r.head, "max-age=12"));
        close(fds[i]);
    }
}

static void test_hinted_parts(void **state)
{
    struct world *w = *state;
    int coming = dial(w), dead = dial(w), next = dial(w);
    struct reply r;

    begin_stream(w);
    ask(coming, "/live/demo/7/v/2.1.m4s", NULL);
    ask(next, "/live/demo/7/v/3.0.m4s", NULL);
    await(w, "lectern_hls_blocked_total", 2);
    say_part(w, 2, 1, false);
    hear(coming, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "[part 2.1]");
    ask(dead, "/live/demo/7/v/2.2.m4s", NULL);
    await(w, "lectern_hls_blocked_total", 3);
    struct store_event *e = make(STORE_CLOSE, 0);
    e->msn = 2; /* the segment ends without it */
    say(w, e);
    hear(dead, &r);
    assert_int_equal(r.status, 404);
    assert_true(is_quiet(next));
    say_part(w, 3, 0, false);
    hear(next, &r);
    assert_string_equal(r.body, "[part 3.0]");
    close(coming);
    close(dead);
    close(next);
}

static void test_a_part_past_the_end_waits_for_the_next_segment(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    struct reply r;

    begin_stream(w);
    say_part(w, 2, 1, true);
    ask(fd, "/live/demo/7/v/index.m3u8?_HLS_msn=2&_HLS_part=2", NULL);
    await(w, "lectern_hls_blocked_total", 1);
    say_part(w, 3, 0, false);
    hear(fd, &r);
    close(fd);
    assert_non_null(strstr(r.body, "URI=\"3.0.m4s\""));
}

static void test_the_end_releases(void **state)
{
    struct world *w = *state;
    int list = dial(w), part = dial(w);
    struct reply r;

    begin_stream(w);
    ask(list, "/live/demo/7/v/index.m3u8?_HLS_msn=3", NULL);
    ask(part, "/live/demo/7/v/2.1.m4s", NULL);
    await(w, "lectern_hls_blocked_total", 2);
    say_part(w, 2, 1, true);
    say_state(w, STORE_ENDED);
    hear(list, &r);
    assert_non_null(strstr(r.body, "#EXT-X-ENDLIST"));
    hear(part, &r);
    assert_int_equal(r.status, 200);
    close(list);
    close(part);
    /* Directives mean nothing any more. */
    assert_int_equal(get(w, "/live/demo/7/v/index.m3u8?_HLS_msn=99", NULL, &r),
                     200);
}

static void test_waiting_too_long(void **state)
{
    struct world *w = *state;
    struct reply r;

    w->target_s = 0; /* three target durations are over at once */
    begin_stream(w);
    assert_int_equal(
        get(w, "/live/demo/7/v/index.m3u8?_HLS_msn=2&_HLS_part=1", NULL, &r),
        503);
    assert_non_null(strstr(r.head, "retry-after: 1"));
    assert_non_null(strstr(r.head, "no-store"));
    assert_non_null(strstr(r.head, "access-control-allow-origin: *"));
}

static void test_gzip(void **state)
{
    struct world *w = *state;
    struct reply plain, packed;
    char text[8192];
    z_stream z = {0};

    begin_stream(w);
    get(w, "/live/demo/7/v/index.m3u8", NULL, &plain);
    get(w, "/live/demo/7/v/index.m3u8", "Accept-Encoding: gzip, deflate, br",
        &packed);
    assert_non_null(strstr(packed.head, "content-encoding: gzip"));
    assert_non_null(strstr(packed.head, "vary: accept-encoding"));
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)packed.body;
    z.avail_in = (uInt)packed.len;
    z.next_out = (Bytef *)text;
    z.avail_out = sizeof text;
    int done = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    assert_int_equal(done, Z_STREAM_END);
    assert_int_equal(z.total_out, plain.len);
    assert_memory_equal(text, plain.body, plain.len);
}

static void test_asking_for_news(void **state)
{
    struct world *w = *state;
    struct reply r;
    int fd = dial(w);

    assert_int_equal(get(w, "/api/live/demo?wait=20&state=live", NULL, &r),
                     200); /* it is not: said at once */
    ask(fd, "/api/live/demo?wait=20", NULL);
    assert_int_equal(get(w, "/api/live/demo", NULL, &r), 200);
    assert_true(is_quiet(fd));
    say_stream(w);
    hear(fd, &r);
    assert_non_null(strstr(r.body, "\"state\":\"starting\""));
    ask(fd, "/api/live/demo?wait=20&state=starting", NULL);
    say_published(w);
    hear(fd, &r);
    assert_non_null(strstr(r.body, "\"state\":\"live\""));
    assert_non_null(strstr(r.body, "\"name\":\"v\""));
    close(fd);
}

static void test_a_new_generation_takes_over(void **state)
{
    struct world *w = *state;
    struct store_event *e;
    struct reply r;

    begin_stream(w);
    say_part(w, 2, 1, true);
    say_state(w, STORE_ENDED);
    e = make(STORE_PLAN, 0);
    e->v.plan = (struct store_plan){2, 200000, 40000000, 0};
    upstream_local_event(w->local, "demo", 8, e);
    store_event_unref(&e);
    for (int i = 0; i < 1000; i++) {
        get(w, "/api/live/demo", NULL, &r);
        if (strstr(r.body, "\"generation\":8")) break;
        usleep(1000);
    }
    assert_non_null(strstr(r.body, "\"state\":\"starting\""));
    /* The old one is still to be had. */
    assert_int_equal(get(w, "/live/demo/7/v/index.m3u8", NULL, &r), 200);
    assert_int_equal(get(w, "/live/demo/8/v/index.m3u8", NULL, &r), 404);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
static const struct CMUnitTest tests[] = {
    CASE(test_not_live),
    CASE(test_a_starting_stream_holds_its_viewers),
    CASE(test_media),
    CASE(test_a_segment_of_many_pieces),
    CASE(test_directives_that_are_refused),
    CASE(test_one_part_wakes_all_but_who_left),
    CASE(test_hinted_parts),
    CASE(test_a_part_past_the_end_waits_for_the_next_segment),
    CASE(test_the_end_releases),
    CASE(test_waiting_too_long),
    CASE(test_gzip),
    CASE(test_asking_for_news),
    CASE(test_a_new_generation_takes_over),
};
HARNESS_MAIN(tests)
