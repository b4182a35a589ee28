#include "tests/http2_room.h"

static void release_all(void *arg)
{
    struct room *r = arg;

    while (!list_is_empty(&r->waiters)) {
        struct exchange *x = exchange_of_node(r->waiters.next);
        list_unlink(exchange_node(x));
        exchange_respond_text(x, 200, "released");
    }
}

static void wait_for(atomic_int *what, int value)
{
    int ms = getenv("LECTERN_ALLOC_FAIL") ? 300 : 20000;

    for (; ms > 0 && atomic_load(what) < value; ms--)
        usleep(1000);
    assert_true(atomic_load(what) >= value);
}

static void try_requests(bool secure)
{
    struct room r;
    static struct client c;

    open_room(&r, secure, NULL);
    client_open(&c, &r);
    int32_t hello = request(&c, "GET", "/hello?q=%20", NULL);
    int32_t none = request(&c, "GET", "/none", NULL);
    int32_t head = request(&c, "HEAD", "/hello", NULL);
    int32_t big = request(&c, "GET", "/big", NULL);
    int32_t wrong = request(&c, "DELETE", "/hello", NULL);
    int32_t up = request(&c, "GET", "/x/../y", NULL);
    int32_t brew = request(&c, "BREW", "/hello", NULL);
    client_wait(&c, 7);
    struct answer *a = answer_of(&c, hello);
    assert_int_equal(a->status, 200);
    assert_string_equal(a->text,
                        secure ? "/hello|q=%20|me:1|1" : "/hello|q=%20|me:1|0");
    assert_int_equal(strlen(a->date), 29);
    assert_int_equal(answer_of(&c, none)->status, 404);
    assert_int_equal(answer_of(&c, head)->status, 200);
    assert_int_equal(answer_of(&c, head)->len, 0);
    assert_int_equal(answer_of(&c, big)->len, BIG);
    assert_true(answer_of(&c, big)->is_big);
    assert_int_equal(answer_of(&c, wrong)->status, 405);
    assert_int_equal(answer_of(&c, up)->status, 400);
    assert_int_equal(answer_of(&c, brew)->status, 501);
    assert_int_equal(refused(&r, "syntax"), 1);
    client_close(&c);
    close_room(&r);
}

static void test_requests_over_tls(void **state)
{
    (void)state;
    try_requests(true);
}

static void test_requests_by_prior_knowledge(void **state)
{
    (void)state;
    try_requests(false);
}

struct upload {
    size_t left;
};

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *buf,
                           size_t length, uint32_t *flags,
                           nghttp2_data_source *source, void *arg)
{
    struct upload *u = source->ptr;
    size_t n = length < u->left ? length : u->left;

    (void)session, (void)id, (void)arg;
    memset(buf, 'u', n);
    u->left -= n;
    if (!u->left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void test_bodies(void **state)
{
    struct room r;
    static struct client c;
    struct upload fits = {300000}, over = {300001}, unwanted = {10};
    nghttp2_data_provider a = {{.ptr = &fits}, read_upload};
    nghttp2_data_provider b = {{.ptr = &over}, read_upload};
    nghttp2_data_provider d = {{.ptr = &unwanted}, read_upload};

    (void)state;
    open_room(&r, false, NULL);
    client_open(&c, &r);
    int32_t first = request(&c, "POST", "/body", &a);
    int32_t second = request(&c, "POST", "/body", &b);
    int32_t third = request(&c, "GET", "/hello", &d);
    client_wait(&c, 3);
    assert_int_equal(answer_of(&c, first)->status, 201);
    assert_string_equal(answer_of(&c, first)->text, "300000");
    assert_int_equal(answer_of(&c, second)->status, 413);
    assert_int_equal(answer_of(&c, third)->status, 413);
    client_close(&c);
    close_room(&r);
}

static void test_waiters_side_by_side(void **state)
{
    enum { N = 100 };
    struct room r;
    static struct client c;
    int32_t id[N];

    (void)state;
    open_room(&r, true, NULL);
    client_open(&c, &r);
    for (int i = 0; i < N; i++)
        id[i] = request(&c, "GET", "/wait", NULL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.waiting, N);
    /* ten go away; the others get their answer */
    for (int i = 0; i < 10; i++)
        nghttp2_submit_rst_stream(c.session, 0, id[i * 10], NGHTTP2_CANCEL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.aborted, 10);
    assert_int_equal(loop_post(r.l, release_all, &r), 0);
    client_wait(&c, N);
    assert_string_equal(answer_of(&c, id[1])->text, "released");
    assert_string_equal(answer_of(&c, id[99])->text, "released");
    assert_int_equal(r.aborted, 10);
    /* and the rest when the connection goes */
    request(&c, "GET", "/wait", NULL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.waiting, N + 1);
    client_close(&c);
    wait_for(&r.aborted, 11);
    close_room(&r);
}

static void post_close(void *arg)
{
    struct room *r = arg;

    server_close(r->s, 20000000, on_closed, r);
}

static void test_closing_says_goaway_and_lets_answers_out(void **state)
{
    struct room r;
    static struct client c;

    (void)state;
    open_room(&r, true, NULL);
    client_open(&c, &r);
    int32_t id = request(&c, "GET", "/wait", NULL);
    assert_int_equal(nghttp2_session_send(c.session), 0);
    wait_for(&r.waiting, 1);
    assert_int_equal(loop_post(r.l, post_close, &r), 0);
    while (!c.has_goaway && client_step(&c))
        continue;
    assert_true(c.has_goaway);
    assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(loop_post(r.l, release_all, &r), 0);
    client_wait(&c, 1);
    assert_string_equal(answer_of(&c, id)->text, "released");
    client_close(&c);
    free_room(&r); /* the server ended by itself */
}

static void test_http1_over_tls(void **state)
{
    struct room r;
    struct wire w;
    static char in[BIG + 4096];
    size_t n = 0;
    static const char ask[] = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
                              "GET /big HTTP/1.1\r\nHost: h\r\n"
                              "Connection: close\r\n\r\n";

    (void)state;
    open_room(&r, true, NULL);
    wire_open(&w, &r, "\x08http/1.1");
    assert_true(wire_write(&w, ask, sizeof ask - 1) > 0);
    for (;;) {
        ssize_t got = wire_read(&w, in + n, sizeof in - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    wire_close(&w);
    assert_non_null(strstr(in, "/hello||h|1"));
    assert_true(n > BIG);
    const uint8_t *body = (uint8_t *)in + n - BIG;
    for (size_t i = 0; i < BIG; i++)
        assert_int_equal(body[i], (uint8_t)(i * 13 + (i >> 11)));
    /* not TLS at all */
    struct tls_server *kept = r.tls;
    r.tls = NULL;
    wire_open(&w, &r, "");
    r.tls = kept;
    assert_true(wire_write(&w, ask, sizeof ask - 1) > 0);
    while (wire_read(&w, in, sizeof in) > 0)
        continue;
    wire_close(&w);
    assert_int_equal(refused(&r, "handshake"), 1);
    close_room(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_requests_over_tls),
    cmocka_unit_test(test_requests_by_prior_knowledge),
    cmocka_unit_test(test_bodies),
    cmocka_unit_test(test_waiters_side_by_side),
    cmocka_unit_test(test_closing_says_goaway_and_lets_answers_out),
    cmocka_unit_test(test_http1_over_tls),
};
HARNESS_MAIN(tests)
