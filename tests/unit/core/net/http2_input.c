#include "tests/http2_room.h"

static void until_cut_off(struct client *c)
{
    while (client_step(c))
        continue;
    assert_true(c->failed);
}

static void test_rapid_reset_is_cut_off(void **state)
{
    struct room r;
    static struct client c;

    (void)state;
    open_room(&r, false, NULL);
    client_open(&c, &r);
    for (int i = 0; i < 300 && !c.failed; i++) {
        int32_t id = request(&c, "GET", "/wait", NULL);
        if (nghttp2_session_send(c.session)) break;
        nghttp2_submit_rst_stream(c.session, 0, id, NGHTTP2_CANCEL);
        if (nghttp2_session_send(c.session)) break;
    }
    until_cut_off(&c);
    assert_int_equal(refused(&r, "h2-flood"), 1);
    assert_true(atomic_load(&r.waiting) < 200);
    assert_int_equal(atomic_load(&r.aborted), atomic_load(&r.waiting));
    client_close(&c);
    close_room(&r);
}

/* Frames by hand: what a well-kept client library would not send. */
static void raw_open(struct wire *w, struct room *r)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\x04\0\0\0\0\0";

    wire_open(w, r, "\x02h2");
    assert_int_equal(wire_write(w, hello, sizeof hello - 1), sizeof hello - 1);
}

static void send_until_closed(struct wire *w, const void *frame, size_t len,
                              int most)
{
    char in[4096];

    for (int i = 0; i < most; i++)
        if (send(w->fd, frame, len, MSG_NOSIGNAL) < 0) break;
    while (wire_read(w, in, sizeof in) > 0)
        continue;
    wire_close(w);
}

static void test_floods_are_cut_off(void **state)
{
    static const char ping[] = "\0\0\x08\x06\0\0\0\0\0pingpong";
    static const char settings[] = "\0\0\0\x04\0\0\0\0\0";
    static const char empty[] = "\0\0\0\x06\0\0\0\0\x01";
    /* CONTINUATION after HEADERS without END_HEADERS, never ending */
    static const char headers[] = "\0\0\0\x01\0\0\0\0\x01";
    static const char more[] = "\0\0\0\x09\0\0\0\0\x01";
    struct room r;
    struct wire w;

    (void)state;
    open_room(&r, false, NULL);
    raw_open(&w, &r);
    send_until_closed(&w, ping, sizeof ping - 1, 5000);
    raw_open(&w, &r);
    send_until_closed(&w, settings, sizeof settings - 1, 5000);
    raw_open(&w, &r);
    send_until_closed(&w, empty, sizeof empty - 1, 1);
    raw_open(&w, &r);
    assert_int_equal(wire_write(&w, headers, sizeof headers - 1),
                     sizeof headers - 1);
    send_until_closed(&w, more, sizeof more - 1, 5000);
    assert_int_equal(refused(&r, "h2-flood") + refused(&r, "h2-protocol"), 4);
    assert_int_equal(atomic_load(&r.answered), 0);
    close_room(&r);
}

static void be_small(struct server_limits *l)
{
    l->head_bytes = 4096;
    l->head_us = l->idle_us = l->write_us = 100000;
}

static void test_large_heads_and_slow_clients(void **state)
{
    struct room r;
    static struct client c;
    static char path[5000];
    char in[4096];
    struct wire w;
    static const char part[] = "\0\0\x40\x01\0\0\0\0\x01half a head";

    (void)state;
    open_room(&r, false, be_small);
    client_open(&c, &r);
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    int32_t id = request(&c, "GET", path, NULL);
    client_wait(&c, 1);
    assert_int_equal(answer_of(&c, id)->status, 431);
    /* then says nothing more: a friendly end */
    until_cut_off(&c);
    assert_true(c.has_goaway);
    assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
    client_close(&c);
    raw_open(&w, &r);
    assert_true(wire_write(&w, part, sizeof part - 1) > 0);
    while (wire_read(&w, in, sizeof in) > 0)
        continue;
    wire_close(&w);
    assert_int_equal(refused(&r, "head-time"), 1);
    /* one that never opens its window */
    client_open(&c, &r);
    nghttp2_settings_entry none = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    nghttp2_submit_settings(c.session, 0, &none, 1);
    request(&c, "GET", "/big", NULL);
    until_cut_off(&c);
    assert_int_equal(refused(&r, "write-time"), 1);
    client_close(&c);
    close_room(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_rapid_reset_is_cut_off),
    cmocka_unit_test(test_floods_are_cut_off),
    cmocka_unit_test(test_large_heads_and_slow_clients),
};
HARNESS_MAIN(tests)
