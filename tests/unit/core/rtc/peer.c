/* A peer and a browser of ours over loopback, with real keys. */
#include "tests/rtc_world.h"

#include <openssl/ssl.h>

#include "core/rtc/early.h"
#include "core/rtc/identity_priv.h"

static const uint8_t report[] = {0x80, 201, 0, 1, 0, 0, 0, 99};

static void media_flows(struct world *w, struct browser *b)
{
    int rtp = b->peer_rtp, rtcp = b->peer_rtcp, got = b->got_rtp,
        control = b->got_rtcp;
    uint8_t want[WORLD_PACKET];

    for (uint16_t i = 0; i < 5; i++)
        browser_sends(b, (uint16_t)(1000 + rtp + i), 900);
    WORLD_UNTIL(w, b->peer_rtp == rtp + 5);
    write_packet(want, 99, (uint16_t)(1000 + rtp + 4), 900);
    assert_int_equal(b->peer_last_len, 900);
    assert_memory_equal(b->peer_last, want, 900);
    rtc_client_send_rtcp(b->client, report, sizeof report);
    WORLD_UNTIL(w, b->peer_rtcp == rtcp + 1);
    assert_memory_equal(b->peer_last, report, sizeof report);

    for (uint16_t i = 0; i < 5; i++)
        assert_true(peer_sends(b, (uint16_t)(2000 + got + i), 1100));
    rtc_host_flush(w->host);
    WORLD_UNTIL(w, b->got_rtp == got + 5);
    write_packet(want, 77, (uint16_t)(2000 + got + 4), 1100);
    assert_int_equal(b->last_len, 1100);
    assert_memory_equal(b->last, want, 1100);
    rtc_peer_send_rtcp(b->peer, report, sizeof report);
    rtc_host_flush(w->host);
    WORLD_UNTIL(w, b->got_rtcp == control + 1);
    assert_memory_equal(b->last, report, sizeof report);
    assert_int_equal(rtc_client_refused(b->client), 0);
}

static void test_media_both_ways(void **state)
{
    struct world w;
    char text[72], want[72];

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_create(&w, false);
    assert_false(rtc_peer_is_connected(b->peer));
    assert_null(rtc_peer_packet(b->peer, 100));
    rtc_peer_path_text(b->peer, text);
    assert_string_equal(text, "none");
    browser_bind(b);
    browser_start(b);
    WORLD_UNTIL(&w, b->connected && b->peer_connected);
    assert_true(rtc_peer_is_connected(b->peer));
    assert_false(rtc_peer_is_tcp(b->peer));
    rtc_peer_path_text(b->peer, text);
    snprintf(want, sizeof want, "127.0.0.1:%d/udp", udp_port(b->udp));
    assert_string_equal(text, want);
    media_flows(&w, b);
    media_flows(&w, b);
    browser_free(b);
    world_close(&w);
}

static void test_we_start_the_handshake_of_a_passive_offer(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_connect(&w, true);
    media_flows(&w, b);
    browser_free(b);
    world_close(&w);
}

static void test_a_browser_with_the_older_profile(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    SSL_CTX_set_tlsext_use_srtp(w.theirs->ctx, "SRTP_AES128_CM_SHA1_80");
    struct browser *b = browser_connect(&w, false);
    media_flows(&w, b);
    browser_free(b);
    world_close(&w);
}

static void test_a_wrong_certificate(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_create(&w, false);
    struct rtc_peer_conf conf = {.host = w.host,
                                 .remote = *rtc_client_credentials(b->client),
                                 .events = browser_events(b)};
    rtc_client_fingerprint(b->client, &conf.fingerprint);
    conf.fingerprint.bytes[0] ^= 1;
    rtc_peer_free(&b->peer);
    assert_int_equal(rtc_peer_create(&b->peer, &conf), 0);
    browser_bind(b);
    browser_start(b);
    WORLD_UNTIL(&w, b->peer_closed);
    assert_string_equal(b->reason, "certificate is not the offer's");
    assert_int_equal(b->peer_connected, 0);
    assert_false(rtc_peer_is_connected(b->peer));
    WORLD_UNTIL(&w, rtc_client_state(b->client) == CLIENT_ENDED);
    browser_free(b);
    world_close(&w);
}

/* DTLS counts only from where a check has come. */
static void test_a_hello_without_a_check(void **state)
{
    struct world w;
    struct dtls *dtls;
    struct dtls_out out = {.count = 0};
    struct rtc_fingerprint f;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_create(&w, false);
    browser_bind(b);
    rtc_client_fingerprint(b->client, &f);
    assert_int_equal(dtls_create(&dtls, w.theirs, true, &f), 0);
    dtls_feed(dtls, NULL, 0, &out);
    assert_int_equal(out.count, 1);
    browser_send(out.data, out.len, b);
    WORLD_UNTIL(&w, world_count(&w, "lectern_rtc_unrouted_total"));
    dtls_free(&dtls);
    /* Nor does a check of another's. */
    b->peer_closed = 0;
    struct rtc_credentials wrong = *rtc_peer_credentials(b->peer);
    wrong.ufrag[5] ^= 1;
    rtc_client_start(b->client, &wrong, &f, 1);
    WORLD_UNTIL(&w, world_count(&w, "lectern_rtc_unrouted_total") == 2);
    assert_int_equal(rtc_client_answered(b->client), 0);
    browser_free(b);
    world_close(&w);
}

static void test_close_notify_of_either_side(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_connect(&w, false);
    rtc_client_free(&b->client);
    WORLD_UNTIL(&w, b->peer_closed);
    assert_string_equal(b->reason, "close_notify");
    assert_null(rtc_peer_packet(b->peer, 100));
    browser_free(b);

    b = browser_connect(&w, false);
    rtc_peer_send_rtcp(b->peer, report, sizeof report);
    rtc_peer_free(&b->peer);
    WORLD_UNTIL(&w, rtc_client_state(b->client) == CLIENT_ENDED);
    assert_string_equal(rtc_client_why(b->client), "close_notify");
    assert_int_equal(b->got_rtcp, 1); /* what was in line came before */
    assert_int_equal(b->peer_closed, 0);
    browser_free(b);
    world_close(&w);
}

static void test_freed_inside_its_events(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_create(&w, false);
    b->free_when_connected = true;
    browser_bind(b);
    browser_start(b);
    WORLD_UNTIL(&w, b->peer_connected);
    assert_null(b->peer);
    browser_free(b);

    b = browser_connect(&w, false);
    b->free_at_rtp = true;
    for (uint16_t i = 0; i < 20; i++)
        browser_sends(b, i, 500);
    WORLD_UNTIL(&w, b->peer_rtp);
    loop_run_once(w.loop);
    assert_int_equal(b->peer_rtp, 1);
    browser_free(b);

    b = browser_connect(&w, false);
    b->free_when_closed = true;
    rtc_client_free(&b->client);
    WORLD_UNTIL(&w, b->peer_closed);
    assert_null(b->peer);
    browser_free(b);
    world_close(&w);
}

/* Workers still hold a step of peers that are gone. */
static void test_freed_in_the_middle_of_a_handshake(void **state)
{
    enum { N = 20 };
    struct world w;
    struct browser *b[N];

    (void)state;
    world_open(&w, NULL);
    for (int i = 0; i < N; i++) {
        b[i] = browser_create(&w, i % 2);
        browser_bind(b[i]);
        browser_start(b[i]);
    }
    for (int i = 0; i < N; i++)
        world_turn(&w);
    for (int i = 0; i < N; i++)
        browser_free(b[i]);
    world_close(&w);
}

/* The browser's NAT gave it another port: media follows the check. */
static void test_a_new_path_is_followed(void **state)
{
    struct world w;
    struct udp *old;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_connect(&w, false);
    media_flows(&w, b);
    old = b->udp;
    browser_bind(b);
    /* Media alone proves nothing. */
    int64_t before = world_count(&w, "lectern_rtc_unrouted_total");
    browser_sends(b, 500, 100);
    WORLD_UNTIL(&w, world_count(&w, "lectern_rtc_unrouted_total") > before);
    int answered = rtc_client_answered(b->client);
    rtc_client_check(b->client, true);
    WORLD_UNTIL(&w, rtc_client_answered(b->client) > answered);
    udp_close(&old);
    media_flows(&w, b);
    browser_free(b);
    world_close(&w);
}

static void test_ice_restart(void **state)
{
    struct world w;
    char before[RTC_UFRAG_MAX + 1];

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_connect(&w, false);
    snprintf(before, sizeof before, "%s", rtc_peer_credentials(b->peer)->ufrag);
    /* The one that was never used is forgotten by the second. */
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            rtc_peer_restart(b->peer, rtc_client_credentials(b->client)), 0);
    assert_string_not_equal(before, rtc_peer_credentials(b->peer)->ufrag);
    /* The old ones are still good. */
    int answered = rtc_client_answered(b->client);
    rtc_client_check(b->client, true);
    WORLD_UNTIL(&w, rtc_client_answered(b->client) > answered);
    answered = rtc_client_answered(b->client);
    browser_start(b);
    WORLD_UNTIL(&w, rtc_client_answered(b->client) > answered);
    media_flows(&w, b);
    browser_free(b);
    world_close(&w);
}

static void test_runs_leave_in_one_call(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *a = browser_connect(&w, false);
    struct browser *b = browser_connect(&w, false);
    loop_run_once(w.loop);
    int64_t calls = world_count(&w, "lectern_udp_out_calls_total");
    for (uint16_t i = 0; i < 10; i++)
        assert_true(peer_sends(a, i, i < 9 ? 1184 : 300));
    for (uint16_t i = 0; i < 7; i++)
        assert_true(peer_sends(b, i, 1184));
    rtc_peer_send_rtcp(b->peer, report, sizeof report);
    rtc_host_flush(w.host);
    /* (The browsers' own sockets are not counted there.) */
    assert_int_equal(world_count(&w, "lectern_udp_out_calls_total"), calls + 1);
    WORLD_UNTIL(&w, a->got_rtp == 10 && b->got_rtp == 7 && b->got_rtcp);
    for (int i = 0; i < 10; i++)
        assert_int_equal(a->lens[i], i < 9 ? 1184 : 300);
    browser_free(a);
    browser_free(b);
    world_close(&w);
}

/* More than the line holds leaves early; what the browser's socket has no room
 * for is lost there. */
static void test_a_long_burst(void **state)
{
    enum { N = 600 };
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_connect(&w, false);
    int64_t before = world_count(&w, "lectern_udp_out_datagrams_total");
    for (uint16_t i = 0; i < N; i++)
        assert_true(peer_sends(b, i, 1184));
    rtc_host_flush(w.host);
    for (uint16_t i = 0; i < N; i++) /* each a run of its own */
        assert_true(peer_sends(b, (uint16_t)(N + i), 100 + i));
    rtc_host_flush(w.host);
    assert_int_equal(world_count(&w, "lectern_udp_out_datagrams_total"),
                     before + 2 * N);
    WORLD_UNTIL(&w, b->got_rtp > 50);
    assert_int_equal(rtc_client_refused(b->client), 0);
    browser_free(b);
    world_close(&w);
}

static void test_forged_and_repeated_packets_are_counted(void **state)
{
    struct world w;
    uint8_t data[WORLD_PACKET];
    size_t len;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_connect(&w, false);
    write_packet(data, 99, 5, 200);
    len = rtc_crypt_protect(rtc_client_crypt(b->client), data, 12, 200);
    browser_send(data, len, b);
    browser_send(data, len, b);
    data[100] ^= 1, data[3] = 6;
    browser_send(data, len, b);
    data[1] = 200;
    browser_send(data, len, b);
    WORLD_UNTIL(&w, world_count(&w, "lectern_rtc_undecrypted_total") == 2);
    assert_int_equal(b->peer_rtp, 1);
    assert_int_equal(world_count(&w, "lectern_rtc_replayed_total"), 1);
    browser_free(b);
    world_close(&w);
}

/* Hellos of a browser that hears nothing: what waits is bounded. */
static void test_a_flood_of_hellos(void **state)
{
    struct world w;
    struct dtls_out out = {.count = 0};
    struct dtls *dtls;
    struct rtc_fingerprint f;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_create(&w, false);
    browser_bind(b);
    rtc_client_fingerprint(b->client, &f);
    rtc_client_start(b->client, rtc_peer_credentials(b->peer), &f, 1);
    rtc_client_check(b->client, true);
    assert_int_equal(dtls_create(&dtls, w.theirs, true, &f), 0);
    dtls_feed(dtls, NULL, 0, &out);
    do {
        for (int i = 0; i < 100; i++)
            browser_send(out.data, out.len, b);
        world_turn(&w);
    } while (!world_count(&w, "lectern_rtc_dtls_dropped_total"));
    dtls_free(&dtls);
    browser_free(b);
    world_close(&w);
}

/* --- media before it can be opened ---------------------------------------- */

/* A passive browser has its keys before we have ours, and begins. */
static struct browser *begins_early(struct world *w, int packets)
{
    struct browser *b = browser_create(w, true);

    browser_bind(b);
    browser_start(b);
    WORLD_UNTIL(w, b->connected);
    assert_int_equal(b->peer_connected, 0);
    for (int i = 0; i < packets; i++)
        browser_sends(b, (uint16_t)(1000 + i), 900);
    return b;
}

static void test_media_before_our_keys_is_kept(void **state)
{
    struct world w;
    uint8_t want[WORLD_PACKET];

    (void)state;
    world_open(&w, NULL);
    struct browser *b = begins_early(&w, 20);
    WORLD_UNTIL(&w, b->peer_rtp == 20);
    write_packet(want, 99, 1019, 900);
    assert_memory_equal(b->peer_last, want, 900); /* in order */
    assert_int_equal(world_count(&w, "lectern_rtc_early_dropped_total"), 0);
    assert_int_equal(world_count(&w, "lectern_rtc_undecrypted_total"), 0);
    media_flows(&w, b);
    browser_free(b);
    world_close(&w);
}

static void test_no_more_is_kept_than_the_bound(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = begins_early(&w, EARLY_PACKETS + 10);
    WORLD_UNTIL(&w, b->peer_rtp == EARLY_PACKETS);
    assert_int_equal(world_count(&w, "lectern_rtc_early_dropped_total"), 10);
    browser_free(b);
    world_close(&w);
}

static void test_who_is_freed_by_what_was_kept(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, NULL);
    struct browser *b = begins_early(&w, 20);
    b->free_at_rtp = true;
    WORLD_UNTIL(&w, b->peer_rtp);
    for (int i = 0; i < 3; i++)
        loop_run_once(w.loop);
    assert_int_equal(b->peer_rtp, 1);
    assert_null(b->peer);
    browser_free(b);
    b = begins_early(&w, 20); /* or before that */
    b->free_when_connected = true;
    WORLD_UNTIL(&w, b->peer_connected);
    assert_int_equal(b->peer_rtp, 0);
    browser_free(b);
    world_close(&w);
}

static void hold(void *arg)
{
    struct browser *b = arg;

    b->peer_connected++;
    rtc_peer_hold(b->peer);
}

static void test_the_owner_may_hold_it(void **state)
{
    struct world w;
    uint8_t want[WORLD_PACKET];

    (void)state;
    world_open(&w, NULL);
    struct browser *b = browser_create(&w, false);
    struct rtc_peer_conf conf = {.host = w.host,
                                 .remote = *rtc_client_credentials(b->client),
                                 .events = browser_events(b)};
    conf.events.on_connected = hold;
    rtc_client_fingerprint(b->client, &conf.fingerprint);
    rtc_peer_free(&b->peer);
    assert_int_equal(rtc_peer_create(&b->peer, &conf), 0);
    browser_bind(b);
    browser_start(b);
    WORLD_UNTIL(&w, b->connected && b->peer_connected);
    for (uint16_t i = 0; i < 5; i++)
        browser_sends(b, 1000 + i, 900);
    for (int i = 0; i < 10; i++)
        loop_run_once(w.loop);
    assert_int_equal(b->peer_rtp, 0);
    rtc_peer_go_on(b->peer);
    assert_int_equal(b->peer_rtp, 0); /* not from inside */
    browser_sends(b, 1005, 900);
    WORLD_UNTIL(&w, b->peer_rtp == 6);
    write_packet(want, 99, 1005, 900);
    assert_memory_equal(b->peer_last, want, 900);
    browser_free(b);
    world_close(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_media_before_our_keys_is_kept),
    cmocka_unit_test(test_no_more_is_kept_than_the_bound),
    cmocka_unit_test(test_who_is_freed_by_what_was_kept),
    cmocka_unit_test(test_the_owner_may_hold_it),
    cmocka_unit_test(test_media_both_ways),
    cmocka_unit_test(test_we_start_the_handshake_of_a_passive_offer),
    cmocka_unit_test(test_a_browser_with_the_older_profile),
    cmocka_unit_test(test_a_wrong_certificate),
    cmocka_unit_test(test_a_hello_without_a_check),
    cmocka_unit_test(test_close_notify_of_either_side),
    cmocka_unit_test(test_freed_inside_its_events),
    cmocka_unit_test(test_freed_in_the_middle_of_a_handshake),
    cmocka_unit_test(test_a_new_path_is_followed),
    cmocka_unit_test(test_ice_restart),
    cmocka_unit_test(test_runs_leave_in_one_call),
    cmocka_unit_test(test_a_long_burst),
    cmocka_unit_test(test_forged_and_repeated_packets_are_counted),
    cmocka_unit_test(test_a_flood_of_hellos),
};

HARNESS_MAIN(tests)
