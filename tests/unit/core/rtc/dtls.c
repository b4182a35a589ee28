/* Both ends are ours; the network between them loses, swaps and joins
 * datagrams. Only OpenSSL's own timer is real time: it is asked how long. */
#include "tests/harness.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/rtc/dtls.h"
#include "core/rtc/identity_priv.h"

enum { WIRE_MAX = 64, NEVER = 1000 };

struct end {
    struct rtc_identity *identity;
    struct dtls *dtls;
    enum dtls_state state;
};

struct net {
    struct end client, server;
    struct {
        struct end *to;
        size_t len;
        uint8_t data[2 * DTLS_MTU];
    } wire[WIRE_MAX];
    int first, count;
    int steps, lost_step; /* a step's datagrams are all lost */
    int sent, lost;       /* one datagram is lost */
    size_t largest;
    int waits;
};

static struct rtc_fingerprint fingerprint_of(const struct rtc_identity *i)
{
    struct rtc_fingerprint f = {.hash = RTC_SHA256, .len = 32};
    const char *text = rtc_identity_fingerprint(i);

    assert_int_equal(strlen(text), 95);
    for (int n = 0; n < 32; n++)
        f.bytes[n] = (uint8_t)strtoul(text + 3 * n, NULL, 16);
    return f;
}

static void net_init(struct net *n)
{
    memset(n, 0, sizeof *n);
    n->lost_step = n->lost = NEVER;
    assert_int_equal(rtc_identity_create(&n->client.identity), 0);
    assert_int_equal(rtc_identity_create(&n->server.identity), 0);
}

static void net_open(struct net *n)
{
    struct rtc_fingerprint of_client = fingerprint_of(n->client.identity);
    struct rtc_fingerprint of_server = fingerprint_of(n->server.identity);

    assert_int_equal(
        dtls_create(&n->client.dtls, n->client.identity, true, &of_server), 0);
    assert_int_equal(
        dtls_create(&n->server.dtls, n->server.identity, false, &of_client), 0);
    n->client.state = n->server.state = DTLS_SHAKING;
}

static void net_close(struct net *n)
{
    dtls_free(&n->client.dtls);
    dtls_free(&n->server.dtls);
    n->first = n->count = n->steps = n->sent = n->waits = 0;
    n->lost_step = n->lost = NEVER;
}

static void net_release(struct net *n)
{
    net_close(n);
    rtc_identity_free(&n->client.identity);
    rtc_identity_free(&n->server.identity);
}

static void put(struct net *n, struct end *from, const struct dtls_out *out)
{
    const uint8_t *at = out->data;
    int step = out->count ? n->steps++ : -1;

    for (int i = 0; i < out->count; at += out->lens[i++]) {
        if (out->lens[i] > n->largest) n->largest = out->lens[i];
        if (step == n->lost_step || n->sent++ == n->lost) continue;
        int slot = (n->first + n->count++) % WIRE_MAX;
        assert_true(n->count <= WIRE_MAX);
        n->wire[slot].to = from == &n->client ? &n->server : &n->client;
        n->wire[slot].len = out->lens[i];
        memcpy(n->wire[slot].data, at, out->lens[i]);
    }
}

static void start(struct net *n)
{
    struct dtls_out out = {0};

    n->client.state = dtls_feed(n->client.dtls, NULL, 0, &out);
    put(n, &n->client, &out);
}

static void deliver(struct net *n)
{
    struct dtls_out out = {0};
    int slot = n->first;
    struct end *to = n->wire[slot].to;

    n->first = (n->first + 1) % WIRE_MAX;
    n->count--;
    to->state =
        dtls_feed(to->dtls, n->wire[slot].data, n->wire[slot].len, &out);
    put(n, to, &out);
}

static void wait_and_tick(struct net *n)
{
    struct end *ends[2] = {&n->client, &n->server};
    int64_t least = -1;

    for (int i = 0; i < 2; i++) {
        int64_t us = dtls_wait_us(ends[i]->dtls);
        if (us >= 0 && (least < 0 || us < least)) least = us;
    }
    assert_true(least >= 0 && least <= DTLS_WAIT_MAX_US);
    poll(NULL, 0, (int)(least / 1000) + 1);
    n->waits++;
    for (int i = 0; i < 2; i++) {
        struct dtls_out out = {0};
        ends[i]->state = dtls_tick(ends[i]->dtls, &out);
        put(n, ends[i], &out);
    }
}

static void run(struct net *n)
{
    for (;;) {
        while (n->count)
            deliver(n);
        if (n->client.state != DTLS_SHAKING && n->server.state != DTLS_SHAKING)
            return;
        if (n->client.state == DTLS_ENDED || n->server.state == DTLS_ENDED)
            return;
        wait_and_tick(n);
    }
}

static void assert_same_keys(struct net *n, enum crypt_profile want)
{
    struct crypt_key a, b, c, d;
    enum crypt_profile p, q;

    assert_int_equal(n->client.state, DTLS_READY);
    assert_int_equal(n->server.state, DTLS_READY);
    assert_int_equal(dtls_export(n->client.dtls, &p, &a, &b), 0);
    assert_int_equal(dtls_export(n->server.dtls, &q, &c, &d), 0);
    assert_int_equal(p, want);
    assert_int_equal(q, want);
    assert_memory_equal(&a, &d, sizeof a);
    assert_memory_equal(&b, &c, sizeof a);
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void test_keys_are_the_same_and_datagrams_small(void **state)
{
    struct net n;

    (void)state;
    net_init(&n);
    net_open(&n);
    start(&n);
    run(&n);
    assert_same_keys(&n, CRYPT_GCM);
    assert_int_equal(n.waits, 0);
    assert_true(n.largest <= DTLS_MTU);
    /* Two flights each, none of which fell apart. */
    assert_true(n.sent <= 6);
    /* Nothing is due any more. */
    assert_int_equal(dtls_wait_us(n.server.dtls), -1);
    assert_int_equal(dtls_wait_us(n.client.dtls), -1);
    net_release(&n);
}

static void test_the_other_profile(void **state)
{
    struct net n;

    (void)state;
    net_init(&n);
    SSL_CTX_set_tlsext_use_srtp(n.client.identity->ctx,
                                "SRTP_AES128_CM_SHA1_80");
    net_open(&n);
    start(&n);
    run(&n);
    assert_same_keys(&n, CRYPT_SHA1_80);
    net_release(&n);
}

static void test_each_flight_may_be_lost(void **state)
{
    struct net n;
    int steps;

    (void)state;
    net_init(&n);
    net_open(&n);
    start(&n);
    run(&n);
    steps = n.steps;
    assert_true(steps >= 4);
    net_close(&n);
    for (int lost = 0; lost < steps; lost++) {
        net_open(&n);
        n.lost_step = lost;
        start(&n);
        run(&n);
        assert_same_keys(&n, CRYPT_GCM);
        /* Once is enough; both sides may be waiting. */
        assert_in_range(n.waits, 1, 2);
        net_close(&n);
    }
    net_release(&n);
}

static void test_each_datagram_may_be_lost(void **state)
{
    struct net n;
    int sent;

    (void)state;
    net_init(&n);
    net_open(&n);
    start(&n);
    run(&n);
    sent = n.sent;
    net_close(&n);
    for (int lost = 0; lost < sent; lost++) {
        net_open(&n);
        n.lost = lost;
        start(&n);
        run(&n);
        assert_same_keys(&n, CRYPT_GCM);
        net_close(&n);
    }
    net_release(&n);
}

/* A post-quantum key share makes browsers' first flight 1.4 KB: one message in
 * fragments, over two records. */
static int add_share(SSL *ssl, unsigned type, unsigned context,
                     const unsigned char **out, size_t *len, X509 *x,
                     size_t chain, int *alert, void *arg)
{
    static const unsigned char share[1280] = {0x63, 0x99, 4, 0xc0};

    (void)ssl, (void)type, (void)context, (void)x, (void)chain, (void)alert;
    (void)arg;
    *out = share;
    *len = sizeof share;
    return 1;
}

enum order { AS_SENT, SWAPPED, JOINED, TWICE, ORDERS };

static void reorder(struct net *n, enum order how)
{
    assert_int_equal(n->count, 2);
    assert_true(n->wire[0].len + n->wire[1].len > 1400);
    for (int i = 0; i < 2; i++) { /* handshake records, a ClientHello */
        assert_int_equal(n->wire[i].data[0], 22);
        assert_int_equal(n->wire[i].data[13], 1);
    }
    if (how == SWAPPED || how == TWICE) {
        n->wire[2] = n->wire[0];
        if (how == TWICE) n->count++;
        if (how == SWAPPED) n->first = 1;
    } else if (how == JOINED) {
        memcpy(n->wire[0].data + n->wire[0].len, n->wire[1].data,
               n->wire[1].len);
        n->wire[0].len += n->wire[1].len;
        n->count = 1;
    }
}

static void test_a_hello_over_two_records(void **state)
{
    struct net n;

    (void)state;
    net_init(&n);
    assert_int_equal(SSL_CTX_add_custom_ext(n.client.identity->ctx, 65001,
                                            SSL_EXT_CLIENT_HELLO, add_share,
                                            NULL, NULL, NULL, NULL),
                     1);
    for (int how = 0; how < ORDERS; how++) {
        net_open(&n);
        start(&n);
        reorder(&n, (enum order)how);
        run(&n);
        assert_same_keys(&n, CRYPT_GCM);
        assert_int_equal(n.waits, 0);
        net_close(&n);
    }
    for (int lost = 0; lost < 2; lost++) {
        net_open(&n);
        n.lost = lost;
        start(&n);
        run(&n);
        assert_same_keys(&n, CRYPT_GCM);
        net_close(&n);
    }
    net_release(&n);
}

static size_t read_file(const char *path, uint8_t *out, size_t size)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    n = fread(out, 1, size, f);
    fclose(f);
    return n;
}

/* Chromium's own, 1,413 bytes of message in two datagrams: answered by a whole
 * flight (ServerHello first) once both are there, in either order. */
static void test_chromiums_hello(void **state)
{
    uint8_t hello[2][DTLS_MTU];
    size_t lens[2];
    struct net n;

    (void)state;
    lens[0] = read_file("tests/data/dtls/chromium-hello-1.bin", hello[0],
                        sizeof hello[0]);
    lens[1] = read_file("tests/data/dtls/chromium-hello-2.bin", hello[1],
                        sizeof hello[1]);
    assert_true(lens[0] + lens[1] > 1413);
    net_init(&n);
    for (int first = 0; first < 2; first++) {
        struct dtls_out out = {0};
        net_open(&n);
        dtls_feed(n.server.dtls, hello[first], lens[first], &out);
        assert_int_equal(out.count, 0);
        assert_int_equal(
            dtls_feed(n.server.dtls, hello[!first], lens[!first], &out),
            DTLS_SHAKING);
        assert_in_range(out.count, 1, 2);
        assert_int_equal(out.data[0], 22); /* handshake */
        assert_int_equal(out.data[13], 2); /* ServerHello */
        assert_true(out.lens[0] <= DTLS_MTU);
        net_close(&n);
    }
    net_release(&n);
}

static void test_a_strangers_certificate(void **state)
{
    struct net n;
    struct rtc_fingerprint wrong;

    (void)state;
    net_init(&n);
    net_open(&n);
    wrong = fingerprint_of(n.client.identity);
    wrong.bytes[31] ^= 1;
    dtls_free(&n.server.dtls);
    assert_int_equal(
        dtls_create(&n.server.dtls, n.server.identity, false, &wrong), 0);
    start(&n);
    run(&n);
    assert_int_equal(n.server.state, DTLS_ENDED);
    assert_string_equal(dtls_why(n.server.dtls),
                        "certificate is not the offer's");
    /* And says so to the other side. */
    assert_int_equal(n.client.state, DTLS_ENDED);
    net_close(&n);

    /* As a client we look as closely. */
    net_open(&n);
    wrong = fingerprint_of(n.server.identity);
    wrong.len = 31;
    dtls_free(&n.client.dtls);
    assert_int_equal(
        dtls_create(&n.client.dtls, n.client.identity, true, &wrong), 0);
    start(&n);
    run(&n);
    assert_int_equal(n.client.state, DTLS_ENDED);
    assert_int_equal(n.server.state, DTLS_ENDED);
    net_release(&n);
}

static void test_hashes_of_all_kinds(void **state)
{
    static const struct {
        enum rtc_hash hash;
        const EVP_MD *(*md)(void);
    } kinds[] = {{RTC_SHA1, EVP_sha1},
                 {RTC_SHA224, EVP_sha224},
                 {RTC_SHA384, EVP_sha384},
                 {RTC_SHA512, EVP_sha512}};
    struct net n;

    (void)state;
    net_init(&n);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rtc_fingerprint f = {.hash = kinds[i].hash};
        unsigned len;
        X509 *cert = SSL_CTX_get0_certificate(n.client.identity->ctx);
        assert_int_equal(X509_digest(cert, kinds[i].md(), f.bytes, &len), 1);
        f.len = len;
        net_open(&n);
        dtls_free(&n.server.dtls);
        assert_int_equal(
            dtls_create(&n.server.dtls, n.server.identity, false, &f), 0);
        start(&n);
        run(&n);
        assert_same_keys(&n, CRYPT_GCM);
        net_close(&n);
    }
    net_release(&n);
}

static void test_a_client_without_srtp(void **state)
{
    struct net n;
    SSL_CTX *ctx;

    (void)state;
    net_init(&n);
    /* The same certificate, without the extension. */
    ctx = SSL_CTX_new(DTLS_method());
    SSL_CTX_use_certificate(ctx,
                            SSL_CTX_get0_certificate(n.client.identity->ctx));
    SSL_CTX_use_PrivateKey(ctx,
                           SSL_CTX_get0_privatekey(n.client.identity->ctx));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, dtls_verify, NULL);
    SSL_CTX *was = n.client.identity->ctx;
    net_open(&n);
    dtls_free(&n.client.dtls);
    n.client.identity->ctx = ctx;
    struct rtc_fingerprint f = fingerprint_of(n.server.identity);
    assert_int_equal(dtls_create(&n.client.dtls, n.client.identity, true, &f),
                     0);
    start(&n);
    run(&n);
    assert_int_equal(n.server.state, DTLS_ENDED);
    assert_string_equal(dtls_why(n.server.dtls), "no SRTP profile in common");
    n.client.identity->ctx = was;
    net_release(&n);
    SSL_CTX_free(ctx);
}

static void test_close_notify(void **state)
{
    struct net n;
    struct dtls_out out = {0};

    (void)state;
    net_init(&n);
    net_open(&n);
    start(&n);
    run(&n);
    dtls_shrink(n.server.dtls);
    dtls_shrink(n.client.dtls);
    /* Noise is stepped over. */
    uint8_t noise[100] = {22, 0xfe, 0xfd, 0, 1};
    n.server.state = dtls_feed(n.server.dtls, noise, sizeof noise, &out);
    assert_int_equal(n.server.state, DTLS_READY);
    dtls_close(n.client.dtls, &out);
    assert_int_equal(out.count, 1);
    put(&n, &n.client, &out);
    while (n.count)
        deliver(&n);
    assert_int_equal(n.server.state, DTLS_ENDED);
    assert_string_equal(dtls_why(n.server.dtls), "close_notify");
    net_release(&n);
}

static void say_goodbye(struct net *n, struct end *from, struct end *to)
{
    struct dtls_out out = {0};

    dtls_close(from->dtls, &out);
    assert_int_equal(out.count, 1);
    /* Forged ones say nothing. (OpenSSL does not read the minor version.) */
    for (size_t i = 0; i < out.len; i++) {
        struct dtls_out unused = {0};
        if (i == 2) continue;
        out.data[i] ^= 1;
        to->state = dtls_feed(to->dtls, out.data, out.len, &unused);
        assert_int_equal(to->state, DTLS_READY);
        out.data[i] ^= 1;
        to->state = dtls_feed(to->dtls, out.data, i, &unused);
        assert_int_equal(to->state, DTLS_READY);
    }
    put(n, from, &out);
    while (n->count)
        deliver(n);
    assert_int_equal(to->state, DTLS_ENDED);
    assert_string_equal(dtls_why(to->dtls), "close_notify");
}

/* OpenSSL on both sides, on one, or on neither; in each kind of suite. */
static void test_goodbyes_of_settled_ends(void **state)
{
    static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384",
                                         "ECDHE-ECDSA-CHACHA20-POLY1305"};
    struct net n;

    (void)state;
    net_init(&n);
    for (int i = 0; i < 3 * 8; i++) {
        assert_int_equal(
            SSL_CTX_set_cipher_list(n.client.identity->ctx, suites[i / 8]), 1);
        net_open(&n);
        start(&n);
        run(&n);
        assert_same_keys(&n, CRYPT_GCM);
        if (i & 1) dtls_settle(n.client.dtls);
        if (i & 2) dtls_settle(n.server.dtls);
        if (i & 4)
            say_goodbye(&n, &n.client, &n.server);
        else
            say_goodbye(&n, &n.server, &n.client);
        net_close(&n);
    }
    net_release(&n);
}

static void test_noise_before_the_handshake(void **state)
{
    struct net n;
    uint8_t noise[1500];

    (void)state;
    net_init(&n);
    net_open(&n);
    srand(1);
    for (int i = 0; i < 2000; i++) {
        struct dtls_out out = {0};
        size_t len = (size_t)rand() % sizeof noise;
        for (size_t at = 0; at < len; at++)
            noise[at] = (uint8_t)rand();
        noise[0] = (uint8_t)(20 + rand() % 44), noise[1] = 0xfe;
        noise[2] = 0xfd, noise[11] = (uint8_t)(len > 13 ? (len - 13) >> 8 : 0);
        noise[12] = (uint8_t)(len > 13 ? len - 13 : 0);
        n.server.state = dtls_feed(n.server.dtls, noise, len, &out);
        if (n.server.state == DTLS_ENDED) {
            net_close(&n);
            net_open(&n);
        }
    }
    net_release(&n);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_keys_are_the_same_and_datagrams_small),
    cmocka_unit_test(test_the_other_profile),
    cmocka_unit_test(test_each_flight_may_be_lost),
    cmocka_unit_test(test_each_datagram_may_be_lost),
    cmocka_unit_test(test_a_hello_over_two_records),
    cmocka_unit_test(test_chromiums_hello),
    cmocka_unit_test(test_a_strangers_certificate),
    cmocka_unit_test(test_hashes_of_all_kinds),
    cmocka_unit_test(test_a_client_without_srtp),
    cmocka_unit_test(test_close_notify),
    cmocka_unit_test(test_goodbyes_of_settled_ends),
    cmocka_unit_test(test_noise_before_the_handshake),
};

HARNESS_MAIN(tests)
