/* What we seal is judged by libsrtp2: by our own opening side, which is
 * libsrtp's, and from packets of known content. */
#include "tests/harness.h"

#include <srtp2/srtp.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/rtc/crypt.h"
#include "core/rtc/peer.h"

enum { SSRC = 0x11223344, ROOM = 2048 };

struct pair {
    struct rtc_crypt *out, *in;
};

static const struct crypt_key a_key = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9},
    {21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34}};
static const struct crypt_key b_key = {
    {81, 82, 83, 84, 85, 86, 87, 88, 89},
    {91, 92, 93, 94, 95, 96, 97, 98, 99, 90, 91, 92, 93, 94}};

static struct pair pair_of(enum crypt_profile profile)
{
    struct pair p = {0};

    assert_int_equal(rtc_crypt_start(), 0);
    assert_int_equal(rtc_crypt_create(&p.out, profile, &a_key, &b_key), 0);
    assert_int_equal(rtc_crypt_create(&p.in, profile, &b_key, &a_key), 0);
    return p;
}

static void pair_free(struct pair *p)
{
    rtc_crypt_free(&p->out);
    rtc_crypt_free(&p->in);
}

static size_t write_rtp(uint8_t *out, uint32_t ssrc, uint16_t sequence,
                        size_t payload)
{
    static const uint8_t head[] = {0x90, 96, 0,    0,    0, 0, 1,    2, 0, 0,
                                   0,    0,  0xbe, 0xde, 0, 1, 0x10, 7, 0, 0};

    memcpy(out, head, sizeof head);
    out[2] = (uint8_t)(sequence >> 8), out[3] = (uint8_t)sequence;
    for (int i = 0; i < 4; i++)
        out[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    for (size_t i = 0; i < payload; i++)
        out[sizeof head + i] = (uint8_t)(i * 7 + sequence);
    return sizeof head + payload;
}

static int carry_rtp(struct pair *p, uint32_t ssrc, uint16_t sequence,
                     size_t payload)
{
    uint8_t plain[ROOM], sealed[ROOM];
    size_t len = write_rtp(plain, ssrc, sequence, payload), n;
    int err;

    memcpy(sealed, plain, len);
    n = rtc_crypt_protect(p->out, sealed, 20, len);
    assert_true(n > len && n <= len + RTC_TAG_MAX);
    assert_memory_equal(sealed, plain, 20);
    if (payload > 16) assert_memory_not_equal(sealed + 20, plain + 20, payload);
    err = rtc_crypt_unprotect(p->in, sealed, &n);
    if (err) return err;
    assert_int_equal(n, len);
    assert_memory_equal(sealed, plain, len);
    return 0;
}

static void test_every_size_opens(void **state)
{
    (void)state;
    for (int profile = CRYPT_GCM; profile <= CRYPT_SHA1_80; profile++) {
        struct pair p = pair_of((enum crypt_profile)profile);
        uint16_t sequence = 100;
        for (size_t size = 0; size <= 1400; size += size < 40 ? 1 : 97)
            assert_int_equal(carry_rtp(&p, SSRC, sequence++, size), 0);
        pair_free(&p);
    }
}

/* A receiver joins before the first wrap and follows three of them; numbers
 * that were lost are sent again across the wrap. */
static void test_rollovers_and_late_numbers(void **state)
{
    (void)state;
    for (int profile = CRYPT_GCM; profile <= CRYPT_SHA1_80; profile++) {
        struct pair p = pair_of((enum crypt_profile)profile);
        for (int i = 20000; i<3 * 65536 + 100; i += i % 65536> 65000 ? 1 : 50)
            assert_int_equal(carry_rtp(&p, SSRC, (uint16_t)i, 30), 0);
        assert_int_equal(carry_rtp(&p, SSRC, 300, 30), 0);
        assert_int_equal(carry_rtp(&p, SSRC, 65535 - 700, 30), 0);
        assert_int_equal(carry_rtp(&p, SSRC, 301, 30), 0);
        /* Two more streams, each with wraps of its own. */
        assert_int_equal(carry_rtp(&p, SSRC + 1, 65535, 30), 0);
        assert_int_equal(carry_rtp(&p, SSRC + 2, 5, 30), 0);
        assert_int_equal(carry_rtp(&p, SSRC + 1, 0, 30), 0);
        assert_int_equal(carry_rtp(&p, SSRC, 302, 30), 0);
        pair_free(&p);
    }
}

static void test_a_retransmission_is_the_same_bytes(void **state)
{
    (void)state;
    for (int profile = CRYPT_GCM; profile <= CRYPT_SHA1_80; profile++) {
        struct pair p = pair_of((enum crypt_profile)profile);
        uint8_t first[ROOM], again[ROOM];
        size_t len = write_rtp(first, SSRC, 65530, 500), n, m;
        memcpy(again, first, len);
        n = rtc_crypt_protect(p.out, first, 20, len);
        for (int i = 0; i < 20; i++)
            assert_int_equal(carry_rtp(&p, SSRC, (uint16_t)(65531 + i), 9), 0);
        m = rtc_crypt_protect(p.out, again, 20, len);
        assert_int_equal(m, n);
        assert_memory_equal(first, again, n);
        /* It was lost the first time; a second copy is refused. */
        assert_int_equal(rtc_crypt_unprotect(p.in, again, &m), 0);
        assert_int_equal(m, len);
        assert_int_equal(rtc_crypt_unprotect(p.in, first, &n), ERR_EXISTS);
        pair_free(&p);
    }
}

static size_t write_rtcp(uint8_t *out, uint32_t ssrc, size_t words)
{
    out[0] = 0x80, out[1] = 200;
    out[2] = 0, out[3] = (uint8_t)(words - 1);
    for (size_t i = 4; i < words * 4; i++)
        out[i] = (uint8_t)(i * 3);
    for (int i = 0; i < 4; i++)
        out[4 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    return words * 4;
}

static void test_rtcp(void **state)
{
    (void)state;
    for (int profile = CRYPT_GCM; profile <= CRYPT_SHA1_80; profile++) {
        struct pair p = pair_of((enum crypt_profile)profile);
        uint8_t plain[ROOM], sealed[ROOM], copy[ROOM];
        for (size_t i = 0; i < 500; i++) {
            size_t len =
                       write_rtcp(plain, SSRC + (uint32_t)(i % 3), 2 + i % 200),
                   n, m;
            memcpy(sealed, plain, len);
            n = m = rtc_crypt_protect_rtcp(p.out, sealed, len);
            assert_true(n > len && n <= len + RTC_TAG_MAX);
            memcpy(copy, sealed, n);
            assert_int_equal(rtc_crypt_unprotect_rtcp(p.in, sealed, &n), 0);
            assert_int_equal(n, len);
            assert_memory_equal(sealed, plain, len);
            assert_int_equal(rtc_crypt_unprotect_rtcp(p.in, copy, &m),
                             ERR_EXISTS);
        }
        pair_free(&p);
    }
}

static void test_what_was_touched_is_refused(void **state)
{
    (void)state;
    for (int profile = CRYPT_GCM; profile <= CRYPT_SHA1_80; profile++) {
        struct pair p = pair_of((enum crypt_profile)profile);
        uint8_t plain[ROOM], sealed[ROOM];
        size_t len = write_rtp(plain, SSRC, 1000, 40), n = 0;
        size_t whole = rtc_crypt_protect(p.out, plain, 20, len);
        for (size_t i = 0; i < whole; i++) {
            memcpy(sealed, plain, whole);
            n = whole;
            sealed[i] ^= 4;
            assert_int_not_equal(rtc_crypt_unprotect(p.in, sealed, &n), 0);
        }
        for (n = 0; n < whole; n++) {
            size_t cut = n;
            memcpy(sealed, plain, n);
            assert_int_not_equal(rtc_crypt_unprotect(p.in, sealed, &cut), 0);
        }
        assert_int_equal(rtc_crypt_unprotect(p.in, plain, &whole), 0);
        assert_int_equal(whole, len);
        len = write_rtcp(plain, SSRC, 7);
        whole = rtc_crypt_protect_rtcp(p.out, plain, len);
        for (size_t i = 0; i < whole; i++) {
            memcpy(sealed, plain, whole);
            n = whole;
            sealed[i] ^= 1;
            assert_int_not_equal(rtc_crypt_unprotect_rtcp(p.in, sealed, &n), 0);
        }
        for (n = 0; n < whole; n++) {
            size_t cut = n;
            memcpy(sealed, plain, n);
            assert_int_not_equal(rtc_crypt_unprotect_rtcp(p.in, sealed, &cut),
                                 0);
        }
        assert_int_equal(rtc_crypt_unprotect_rtcp(p.in, plain, &whole), 0);
        pair_free(&p);
    }
}

static void test_streams_are_bounded(void **state)
{
    struct pair p = pair_of(CRYPT_GCM);
    struct rtc_crypt *others[CRYPT_STREAMS_IN / CRYPT_STREAMS_OUT + 1];
    int n = CRYPT_STREAMS_IN / CRYPT_STREAMS_OUT + 1, at = 0;

    (void)state;
    for (int i = 0; i < n; i++) {
        assert_int_equal(
            rtc_crypt_create(&others[i], CRYPT_GCM, &a_key, &b_key), 0);
        struct pair q = {others[i], p.in};
        for (int j = 0; j < CRYPT_STREAMS_OUT; j++, at++)
            assert_int_equal(carry_rtp(&q, (uint32_t)at, 1, 10),
                             at < CRYPT_STREAMS_IN ? 0 : ERR_LIMIT);
    }
    struct pair q = {others[0], p.in};
    assert_int_equal(carry_rtp(&q, 3, 2, 10), 0);
    for (int i = 0; i < n; i++)
        rtc_crypt_free(&others[i]);
    pair_free(&p);
}

/* RFC 3711 appendix B.3's keys by way of a packet that libsrtp sealed: both
 * libraries give the same bytes. */
static void test_same_bytes_as_libsrtp(void **state)
{
    (void)state;
    for (int profile = CRYPT_GCM; profile <= CRYPT_SHA1_80; profile++) {
        struct pair p = pair_of((enum crypt_profile)profile);
        srtp_policy_t policy = {0};
        uint8_t key[30], ours[ROOM], theirs[ROOM];
        srtp_t judge;
        memcpy(key, a_key.key, 16);
        memcpy(key + 16, a_key.salt, 14);
        if (profile == CRYPT_GCM) {
            srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
            srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
        } else {
            srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
            srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
        }
        policy.ssrc.type = ssrc_any_outbound;
        policy.key = key;
        assert_int_equal(srtp_create(&judge, &policy), 0);
        for (int i = 65000; i < 66500; i += 13) {
            size_t len = write_rtp(ours, SSRC, (uint16_t)i, 100);
            int n = (int)len;
            memcpy(theirs, ours, len);
            assert_int_equal(srtp_protect(judge, theirs, &n), 0);
            len = rtc_crypt_protect(p.out, ours, 20, len);
            assert_int_equal(len, n);
            assert_memory_equal(ours, theirs, len);
        }
        srtp_dealloc(judge);
        pair_free(&p);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_size_opens),
    cmocka_unit_test(test_rollovers_and_late_numbers),
    cmocka_unit_test(test_a_retransmission_is_the_same_bytes),
    cmocka_unit_test(test_rtcp),
    cmocka_unit_test(test_what_was_touched_is_refused),
    cmocka_unit_test(test_streams_are_bounded),
    cmocka_unit_test(test_same_bytes_as_libsrtp),
};

HARNESS_MAIN(tests)
