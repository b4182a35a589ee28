#include "tests/harness.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/base/err.h"
#include "ingest/rtmp/handshake.h"

static const char client_key[] = "Genuine Adobe Flash Player 001";
static const char server_key[] = "Genuine Adobe Flash Media Server 001";

static int feed(struct rtmp_handshake *h, const uint8_t *data, size_t len,
                struct builder *out)
{
    const uint8_t *at = data;

    return rtmp_handshake_feed(h, &at, data + len, out);
}

static void test_simple_byte_by_byte(void **state)
{
    static uint8_t bytes[1 + 2 * RTMP_HANDSHAKE_BYTES + 3];
    struct rtmp_handshake h;
    struct builder out;
    const uint8_t *at;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    bytes[0] = 3;
    memset(bytes + 5, 0, 4);
    builder_init(&out, 8192);
    rtmp_handshake_init(&h, 1);
    for (size_t i = 0; i < sizeof bytes; i++) {
        at = bytes + i;
        assert_int_equal(rtmp_handshake_feed(&h, &at, at + 1, &out), 0);
        if (i < RTMP_HANDSHAKE_BYTES) assert_int_equal(out.len, 0);
        /* what lies behind the handshake is left alone */
        assert_ptr_equal(at, bytes + i + (i < sizeof bytes - 3));
    }
    assert_int_equal(h.state, HANDSHAKE_DONE);
    assert_false(h.digest);
    if (out.err) return;
    assert_int_equal(out.len, 1 + 2 * RTMP_HANDSHAKE_BYTES);
    assert_int_equal(builder_data(&out)[0], 3);
    assert_memory_equal(builder_data(&out) + 1 + RTMP_HANDSHAKE_BYTES,
                        bytes + 1, RTMP_HANDSHAKE_BYTES);
    builder_release(&out);
}

static void digest_of(uint8_t out[32], const uint8_t *block, size_t at,
                      const char *key)
{
    uint8_t rest[RTMP_HANDSHAKE_BYTES - 32];
    unsigned n = 32;

    memcpy(rest, block, at);
    memcpy(rest + at, block + at + 32, sizeof rest - at);
    HMAC(EVP_sha256(), key, (int)strlen(key), rest, sizeof rest, out, &n);
}

static size_t offset_of(const uint8_t *b, int scheme)
{
    const uint8_t *p = b + (scheme ? 772 : 8);

    return (size_t)(p[0] + p[1] + p[2] + p[3]) % 728 + (scheme ? 776 : 12);
}

static void test_digest_is_answered_with_a_digest(void **state)
{
    (void)state;
    for (int scheme = 0; scheme < 2; scheme++) {
        uint8_t c0c1[1 + RTMP_HANDSHAKE_BYTES], want[32];
        struct rtmp_handshake h;
        struct builder out;

        for (size_t i = 0; i < sizeof c0c1; i++)
            c0c1[i] = (uint8_t)(i * 31 + 5);
        c0c1[0] = 3;
        size_t at = offset_of(c0c1 + 1, scheme);
        digest_of(want, c0c1 + 1, at, client_key);
        memcpy(c0c1 + 1 + at, want, 32);

        builder_init(&out, 8192);
        rtmp_handshake_init(&h, 9);
        assert_int_equal(feed(&h, c0c1, sizeof c0c1, &out), 0);
        if (out.err) return;
        assert_true(h.digest);
        const uint8_t *s1 = builder_data(&out) + 1;
        at = offset_of(s1, scheme);
        digest_of(want, s1, at, server_key);
        assert_memory_equal(s1 + at, want, 32);
        builder_release(&out);
    }
}

static void test_strangers_are_named(void **state)
{
    static const struct {
        const char *bytes, *reason;
    } cases[] = {{"\x16\x03\x01",
                  "TLS on the plain RTMP port, and none is set up (rtmps)"},
                 {"\x06", "RTMPE is not supported"},
                 {"GET / HTTP/1.1\r\n", "HTTP on the RTMP port"},
                 {"\x7f", "unknown RTMP version"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rtmp_handshake h;
        struct builder out;
        builder_init(&out, 8192);
        rtmp_handshake_init(&h, 1);
        assert_int_equal(feed(&h, (const uint8_t *)cases[i].bytes,
                              strlen(cases[i].bytes), &out),
                         ERR_UNSUPPORTED);
        assert_string_equal(h.reason, cases[i].reason);
        assert_int_equal(out.len, 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_simple_byte_by_byte),
    cmocka_unit_test(test_digest_is_answered_with_a_digest),
    cmocka_unit_test(test_strangers_are_named),
};
HARNESS_MAIN(tests)
