#include "tests/http_room.h"

static bool is_big(const uint8_t *body)
{
    for (size_t i = 0; i < BIG; i++)
        if (body[i] != (uint8_t)(i * 7 + (i >> 10))) return false;
    return true;
}

static void test_large_answers_by_reference(void **state)
{
    struct room r;
    struct client c;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    size_t before = buf_total_bytes();
    client_say(&r, &c,
               "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"
               "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c, c.len > BIG && count_of(c.in + c.len - 80, "peer=") == 1);
    /* nobody copied it (the small answer and the head came on top) */
    assert_true(buf_total_bytes() < before + 65536);
    char *body = strstr(c.in, "\r\n\r\n");
    assert_non_null(body);
    assert_true(is_big((uint8_t *)body + 4));
    client_close(&c);
    close_room(&r);
}

static void test_hot_answers_stay_whole(void **state)
{
    enum { N = 12 };
    struct room r;
    struct client c;
    size_t at = 0;

    (void)state;
    open_room(&r, NULL);
    client_open(&r, &c);
    for (int i = 0; i < N; i++)
        client_say(&r, &c, "GET /part HTTP/1.1\r\nHost: h\r\n\r\n");
    UNTIL(&r, &c, c.len > PART);
    char *first = memmem(c.in, c.len, "\r\n\r\n", 4);
    assert_non_null(first);
    size_t head = (size_t)(first + 4 - c.in); /* the same each time */
    UNTIL(&r, &c, c.len >= N * (head + PART));
    for (int i = 0; i < N; i++) {
        char *body = memmem(c.in + at, c.len - at, "\r\n\r\n", 4);
        assert_non_null(body);
        at = (size_t)(body - c.in) + 4;
        assert_true(c.len - at >= PART);
        for (size_t k = 0; k < PART; k += 997)
            assert_int_equal((uint8_t)c.in[at + k],
                             (uint8_t)(k * 7 + (k >> 10)));
        at += PART;
    }
    assert_int_equal(at, c.len);
    client_close(&c);
    close_room(&r);
}

static void test_values_cannot_end_their_line(void **state)
{
    struct response *r = NULL;

    (void)state;
    assert_int_equal(response_create(&r, 99), ERR_RANGE);
    assert_int_equal(response_create(&r, 200), 0);
    assert_int_equal(response_header(r, "location", "a\r\nset-cookie: b"),
                     ERR_SYNTAX);
    assert_int_equal(response_header(r, "location", "/a"), 0);
    response_unref(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_large_answers_by_reference),
    cmocka_unit_test(test_hot_answers_stay_whole),
    cmocka_unit_test(test_values_cannot_end_their_line),
};
HARNESS_MAIN(tests)
