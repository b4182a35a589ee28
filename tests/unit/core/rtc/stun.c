#include "tests/harness.h"

#include "core/base/err.h"
#include "core/rtc/stun.h"

static const uint8_t IP4[16] = {0, 0, 0,   0,   0,  0, 0, 0,
                                0, 0, 255, 255, 10, 0, 0, 7};
static const uint8_t IP6[16] = {0xfd, 1, 2, 3, 4, 5, 6, 7,
                                8,    9, 1, 2, 3, 4, 5, 6};

static struct stun_request ask(void)
{
    return (struct stun_request){.transaction = "abcdefghijk",
                                 .username = "ours:theirs",
                                 .pwd = "our-password-of-22-chars",
                                 .priority = 7,
                                 .controlling = 1,
                                 .use_candidate = true};
}

static void test_request_round_trip(void **state)
{
    uint8_t d[STUN_REQUEST_MAX];
    struct stun_request r = ask();
    struct stun_message m;
    size_t n = stun_write_request(d, &r);

    (void)state;
    assert_int_equal(stun_parse(&m, d, n), 0);
    assert_true(m.use_candidate && m.controlling);
    assert_int_equal(m.priority, 7);
    assert_true(stun_is_signed_by(&m, r.pwd));
    r.priority = 0; /* as FFmpeg's whip: neither of them */
    r.controlling = 0;
    n = stun_write_request(d, &r);
    assert_int_equal(stun_parse(&m, d, n), 0);
    assert_true(m.use_candidate && !m.controlling);
    assert_true(stun_is_signed_by(&m, r.pwd));
}

static void test_success_round_trip(void **state)
{
    const uint8_t *ips[] = {IP4, IP6};
    uint8_t d[STUN_REQUEST_MAX], reply[STUN_REPLY_MAX];
    struct stun_request r = ask();
    struct stun_message request, m;

    (void)state;
    assert_int_equal(stun_parse(&request, d, stun_write_request(d, &r)), 0);
    for (int i = 0; i < 2; i++) {
        size_t n = stun_write_success(reply, &request, ips[i], 4711, "secret");

        assert_int_equal(stun_parse(&m, reply, n), 0);
        assert_int_equal(m.type, STUN_SUCCESS);
        assert_memory_equal(m.transaction, r.transaction, 12);
        assert_true(m.mapped);
        assert_memory_equal(m.ip, ips[i], 16);
        assert_int_equal(m.port, 4711);
        assert_true(stun_is_signed_by(&m, "secret"));
    }
}

/* Puts an attribute of 4 bytes in front of all others; the fingerprint and the
 * integrity no longer fit then, so both are made anew from the request. */
static size_t request_with(uint8_t *d, unsigned type, int count)
{
    size_t n = 20;

    memset(d, 0, STUN_MAX);
    memcpy(d, "\0\1\0\0\x21\x12\xa4\x42", 8);
    for (int i = 0; i < count; i++, n += 8) {
        d[n] = (uint8_t)(type >> 8);
        d[n + 1] = (uint8_t)(type + (unsigned)i);
        d[n + 3] = 4;
    }
    d[2] = (uint8_t)((n - 20) >> 8);
    d[3] = (uint8_t)(n - 20);
    return n;
}

/* CRC-32 of the parts, without the library that the code uses. */
static uint32_t crc_of(const uint8_t *d, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= d[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static size_t mark(uint8_t *d, size_t n)
{
    uint32_t crc;

    d[2] = (uint8_t)((n + 8 - 20) >> 8);
    d[3] = (uint8_t)(n + 8 - 20);
    crc = crc_of(d, n) ^ 0x5354554e;
    memcpy(d + n, "\x80\x28\0\4", 4);
    for (int i = 0; i < 4; i++)
        d[n + 4 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    return n + 8;
}

static void test_unknown_attributes_are_listed(void **state)
{
    uint8_t d[STUN_MAX], reply[STUN_REPLY_MAX];
    struct stun_message m, answer;
    size_t n = mark(d, request_with(d, 0x7001, 20));

    (void)state;
    assert_int_equal(stun_parse(&m, d, n), 0);
    assert_int_equal(m.unknown_count, STUN_UNKNOWN_MAX);
    assert_int_equal(m.unknown[1], 0x7002);
    assert_false(stun_is_signed_by(&m, "secret")); /* nothing to judge */
    n = stun_write_unknown(reply, &m, "secret");
    assert_int_equal(stun_parse(&answer, reply, n), 0);
    assert_int_equal(answer.type, STUN_ERROR);
    assert_int_equal(answer.error_code, 420);
    assert_true(stun_is_signed_by(&answer, "secret"));
    n = mark(d, request_with(d, 0xc001, 20)); /* optional: not our business */
    assert_int_equal(stun_parse(&m, d, n), 0);
    assert_int_equal(m.unknown_count, 0);
}

static void test_limits_and_malformed(void **state)
{
    uint8_t d[STUN_MAX + 8];
    struct stun_message m;
    const char *ufrag;
    size_t n, len;

    (void)state;
    n = mark(d, request_with(d, 0xc001, STUN_ATTRIBUTES_MAX));
    assert_int_equal(stun_parse(&m, d, n), ERR_LIMIT);
    assert_int_equal(stun_parse(&m, d, STUN_MAX + 4), ERR_LIMIT);
    n = request_with(d, 0xc001, 2); /* no fingerprint */
    assert_int_equal(stun_parse(&m, d, n), ERR_SYNTAX);
    assert_int_equal(stun_local_ufrag(d, n, &ufrag, &len), ERR_SYNTAX);
    n = mark(d, n);
    d[23] = 40; /* an attribute that ends past the message */
    assert_int_equal(stun_parse(&m, d, n), ERR_SYNTAX);
    n = request_with(d, 0xc001, 1);
    n = mark(d, n);
    n = mark(d, n); /* a fingerprint that is not the last attribute */
    assert_int_equal(stun_parse(&m, d, n), ERR_SYNTAX);
    n = request_with(d, 0x0008, 1); /* an integrity of 4 bytes */
    assert_int_equal(stun_parse(&m, d, mark(d, n)), ERR_SYNTAX);
}

static void test_what_follows_the_integrity_is_ignored(void **state)
{
    uint8_t d[STUN_REQUEST_MAX + 8];
    struct stun_request r = ask();
    struct stun_message m;
    size_t n;

    (void)state;
    r.use_candidate = false;
    n = stun_write_request(d, &r) - 8;
    memcpy(d + n, "\0\x25\0\0", 4); /* USE-CANDIDATE, not signed */
    n = mark(d, n + 4);
    assert_int_equal(stun_parse(&m, d, n), 0);
    assert_false(m.use_candidate);
    assert_true(stun_is_signed_by(&m, r.pwd));
}

static void test_names_without_a_colon_or_too_long(void **state)
{
    uint8_t d[STUN_REQUEST_MAX];
    char name[600];
    struct stun_request r = ask();
    const char *ufrag;
    size_t n, len;

    (void)state;
    r.username = "ours";
    n = stun_write_request(d, &r);
    assert_int_equal(stun_local_ufrag(d, n, &ufrag, &len), ERR_SYNTAX);
    memset(name, 'a', sizeof name);
    name[513] = 0;
    r.username = name;
    assert_true(stun_write_request(d, &r) > 0);
    name[513] = 'a';
    name[514] = 0;
    assert_int_equal(stun_write_request(d, &r), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_request_round_trip),
    cmocka_unit_test(test_success_round_trip),
    cmocka_unit_test(test_unknown_attributes_are_listed),
    cmocka_unit_test(test_limits_and_malformed),
    cmocka_unit_test(test_what_follows_the_integrity_is_ignored),
    cmocka_unit_test(test_names_without_a_colon_or_too_long),
};

HARNESS_MAIN(tests)
