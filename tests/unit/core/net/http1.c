#include "tests/harness.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/net/http1.h"
#include "core/net/server.h"

static const struct http1_limits limits = {1024, 8};

/* What came out of some bytes, as text: one letter per event, and more. */
struct story {
    char events[64];
    struct http1_request last;
    char text[1100];
    char body[256];
    size_t body_len;
    int err, status;
    size_t used;
};

/* Static: `last` points into `text`, also in the copy that is returned. */
static struct story read_steps(const char *in, size_t len, size_t step)
{
    static struct story s;
    struct http1 h;
    struct http1_step out;
    size_t have = step < len ? step : len;
    int n = 0;

    memset(&s, 0, sizeof s);
    http1_init(&h);
    for (;;) {
        /* An exact copy: what reads past it is seen by the sanitizer. */
        size_t size = have - s.used;
        uint8_t *data = malloc(size + 1);
        if (!data) break;
        memcpy(data, in + s.used, size);
        int event = http1_next(&h, &limits, data, size, s.text, &s.last, &out);
        if (event == HTTP1_BODY && s.body_len + out.body_len < sizeof s.body) {
            memcpy(s.body + s.body_len, out.body, out.body_len);
            s.body_len += out.body_len;
        }
        free(data);
        s.used += out.used;
        if (event < 0) {
            s.err = event;
            s.status = h.status;
            break;
        }
        if (event == HTTP1_MORE) {
            if (have == len) break;
            have = have + step < len ? have + step : len;
            continue;
        }
        if (event == HTTP1_BODY && n && s.events[n - 1] == 'B') continue;
        if (n < 60) s.events[n++] = ".RBE"[event];
    }
    return s;
}

static struct story read_all(const char *in)
{
    return read_steps(in, strlen(in), strlen(in));
}

static const char *field(const struct story *s, const char *name)
{
    const char *at = s->text + s->last.headers;

    while (at < s->text + s->last.text_len) {
        const char *value = at + strlen(at) + 1;
        if (!strcmp(at, name)) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static const char get[] = "GET /live/a%20b/x.m3u8?_HLS_msn=3 HTTP/1.1\r\n"
                          "Host: example.org:8080\r\n"
                          "Accept-Encoding:\t gzip, br \r\n"
                          "X-Empty:\r\n\r\n";

static void test_a_request(void **state)
{
    struct story s = read_all(get);

    (void)state;
    assert_int_equal(s.err, 0);
    assert_string_equal(s.events, "RE");
    assert_int_equal(s.last.method, HTTP_GET);
    assert_false(s.last.is_head);
    assert_true(s.last.keeps_alive);
    assert_false(s.last.has_body);
    assert_string_equal(s.text, "/live/a b/x.m3u8");
    assert_string_equal(s.text + s.last.query, "_HLS_msn=3");
    assert_string_equal(s.last.host, "example.org:8080");
    assert_string_equal(field(&s, "accept-encoding"), "gzip, br");
    assert_string_equal(field(&s, "x-empty"), "");
}

static const char mixed[] =
    "\r\nPOST /whip/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    "POST /y HTTP/1.1\r\nhost: h\r\ntransfer-encoding: Chunked\r\n\r\n"
    "3;ext=1\r\nabc\r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    "HEAD / HTTP/1.0\r\nConnection: foo, Keep-Alive\r\n\r\n"
    "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void test_input_may_stop_at_any_byte(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof mixed; step++) {
        struct story s = read_steps(mixed, strlen(mixed), step);
        assert_int_equal(s.err, 0);
        assert_string_equal(s.events, "RBERBERERE");
        assert_string_equal(s.body, "helloabc0123456789");
        assert_int_equal(s.used, strlen(mixed));
        assert_int_equal(s.last.method, HTTP_OPTIONS);
        assert_false(s.last.keeps_alive);
    }
}

static void test_absolute_form_names_the_host(void **state)
{
    struct story s =
        read_all("GET http://real:1/p?q HTTP/1.1\r\nHost: other\r\n\r\n");

    (void)state;
    assert_string_equal(s.text, "/p");
    assert_string_equal(s.text + s.last.query, "q");
    assert_string_equal(s.last.host, "real:1");
}

static void test_http_1_0_keeps_alive_when_asked(void **state)
{
    struct story s = read_all("HEAD /a HTTP/1.0\r\n\r\n");

    (void)state;
    assert_true(s.last.is_head);
    assert_false(s.last.keeps_alive);
    assert_string_equal(s.last.host, "");
    s = read_all("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(s.last.keeps_alive);
}

static void test_expect(void **state)
{
    struct story s = read_all("POST / HTTP/1.1\r\nHost: h\r\nExpect: "
                              "100-Continue\r\nContent-Length: 2\r\n\r\n");

    (void)state;
    assert_true(s.last.wants_continue);
    assert_int_equal(s.last.length, 2);
    assert_string_equal(s.events, "R");
}

#define H "Host: h\r\n"
static void test_hostile_shapes(void **state)
{
    static const struct {
        const char *in;
        int status;
    } cases[] = {
        /* RFC 9112 §2.2, §3: line ends and the request line */
        {"GET / HTTP/1.1\nHost: h\n\n", 400},
        {"GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
        {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / http/1.1\r\n" H "\r\n", 400},
        {"GET / HTTP/2.0\r\n" H "\r\n", 505},
        {"BREW / HTTP/1.1\r\n" H "\r\n", 501},
        {"G\x01T / HTTP/1.1\r\n" H "\r\n", 400},
        {"CONNECT h:1 HTTP/1.1\r\n" H "\r\n", 501},
        {"GET h:1 HTTP/1.1\r\n" H "\r\n", 400},
        {"GET * HTTP/1.1\r\n" H "\r\n", 400},
        {"GET http://h?x HTTP/1.1\r\n" H "\r\n", 400},
        {"GET http:///x HTTP/1.1\r\n" H "\r\n", 400},
        /* §5: fields */
        {"GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "A\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "A: \x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H H "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        /* §6: where the body ends */
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: "
         "1\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" H "Content-Length: \r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 9999999999999999\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\n" H
         "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\n" H
         "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\n" H
         "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n",
         501},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" H "Expect: magic\r\n\r\n", 417},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct story s = read_all(cases[i].in);
        if (s.status != cases[i].status)
            print_message("case %zu: %s\n", i, cases[i].in);
        assert_int_equal(s.status, cases[i].status);
        assert_true(s.err < 0);
        assert_string_equal(s.events, "");
    }
}

static void test_hostile_chunks(void **state)
{
    static const char *const cases[] = {
        "x\r\n",      " 3\r\nabc\r\n", "3 \r\nabc\r\n",    "-1\r\n",
        "3\nabc",     "3\r\nabcX\r\n", "123456789\r\nabc", "\r\n",
        "3\r\nabc\n", "3\r\nabc\rX",   "3;a\x01=b\r\nabc", "0x3\r\nabc\r\n",
    };
    char in[300];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(in, sizeof in,
                 "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n%s",
                 cases[i]);
        struct story s = read_all(in);
        assert_int_equal(s.status, 400);
        assert_int_equal(s.events[0], 'R');
        assert_null(strchr(s.events, 'E'));
    }
}

static void test_targets_that_leave_their_tree(void **state)
{
    static const char *const cases[] = {
        "/..",     "/../etc/passwd", "/a/../b", "/a/./b", "/.",    "/%2e%2e/",
        "/a/.%2E", "/a%2fb",         "/a%2Fb",  "/a%5cb", "/a\\b", "/a%00",
        "/a%0a",   "/a%7f",          "/a%2",    "/a%zz",  "/a#b",  "/\x80",
        "/%2e",    "/a?\x7f",        "a",       "//..",
    };
    static const char *const fine[] = {"/...", "/a..b/.c",  "/%252e%252e/",
                                       "//a",  "/?a=../..", "/%C3%A9"};
    char in[200];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(in, sizeof in, "GET %s HTTP/1.1\r\n" H "\r\n", cases[i]);
        assert_int_equal(read_all(in).status, 400);
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        snprintf(in, sizeof in, "GET %s HTTP/1.1\r\n" H "\r\n", fine[i]);
        assert_int_equal(read_all(in).status, 0);
    }
    /* decoded once only */
    assert_string_equal(read_all("GET /%252e%252e/ HTTP/1.1\r\n" H "\r\n").text,
                        "/%2e%2e/");
}

static void test_limits(void **state)
{
    static char big[3000];
    size_t n;

    (void)state;
    n = (size_t)snprintf(big, sizeof big, "GET / HTTP/1.1\r\n" H "A: ");
    memset(big + n, 'a', 2000);
    struct story s = read_steps(big, n + 2000, 100);
    assert_int_equal(s.status, 431);
    n = (size_t)snprintf(big, sizeof big, "GET / HTTP/1.1\r\n" H);
    for (int i = 0; i < 8; i++)
        n += (size_t)snprintf(big + n, sizeof big - n, "A: b\r\n");
    snprintf(big + n, sizeof big - n, "\r\n");
    assert_int_equal(read_all(big).status, 431);
    n = (size_t)snprintf(big, sizeof big,
                         "POST / HTTP/1.1\r\n" H
                         "Transfer-Encoding: chunked\r\n\r\n3;");
    memset(big + n, 'x', 400);
    assert_int_equal(read_steps(big, n + 400, 50).status, 400);
}

/* A body of one-byte chunks costs six bytes each: it is cut off. */
static void test_tiny_chunks_are_bounded(void **state)
{
    struct http1 h;
    struct http1_request r;
    struct http1_step step;
    char scratch[1100];
    static const char head[] =
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n";
    static const char chunk[] = "1\r\na\r\n";
    int event = 0, chunks = 0;

    (void)state;
    http1_init(&h);
    assert_int_equal(http1_next(&h, &limits, (const uint8_t *)head,
                                strlen(head), scratch, &r, &step),
                     HTTP1_REQUEST);
    while (event >= 0 && chunks < 100000) {
        size_t used = 0;
        chunks++;
        do {
            event = http1_next(&h, &limits, (const uint8_t *)chunk + used,
                               strlen(chunk) - used, scratch, &r, &step);
            used += step.used;
        } while (event == HTTP1_BODY);
    }
    assert_true(chunks < 20000);
    assert_int_equal(h.status, 400);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_request),
    cmocka_unit_test(test_input_may_stop_at_any_byte),
    cmocka_unit_test(test_absolute_form_names_the_host),
    cmocka_unit_test(test_http_1_0_keeps_alive_when_asked),
    cmocka_unit_test(test_expect),
    cmocka_unit_test(test_hostile_shapes),
    cmocka_unit_test(test_hostile_chunks),
    cmocka_unit_test(test_targets_that_leave_their_tree),
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_tiny_chunks_are_bounded),
};
HARNESS_MAIN(tests)
