/* How long a host waits for those who do not go on: ten seconds for a first
 * check, ten more for the handshake, five for a connection's first message.
 * Real time, all at once. The limits are in
 * core/rtc/ice.h, core/rtc/peer.c, core/rtc/stream.h. */
#include "tests/rtc_world.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rtc/ice.h"
#include "core/rtc/rtp.h"
#include "core/rtc/stream.h"

static void only_checks(struct browser *b, const uint8_t *data, size_t len)
{
    struct udp_message m = {.to = &b->to, .data = data, .len = len};

    if (rtp_classify(data, len) == RTP_STUN) udp_send(b->udp, &m, 1);
}

static int dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static bool is_ended(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_nobody_waits_for_ever(void **state)
{
    struct world w;
    int64_t from = clock_mono_us();

    (void)state;
    world_open(&w, "127.0.0.1:0");
    struct browser *silent = browser_create(&w, false);
    struct browser *checks = browser_create(&w, false);
    browser_bind(checks);
    checks->carry = only_checks;
    browser_start(checks);
    int fd = dial(rtc_host_tcp_port(w.host));

    WORLD_UNTIL(&w, is_ended(fd));
    assert_true(clock_mono_us() - from >= STREAM_PROOF_US);
    assert_int_equal(silent->peer_closed + checks->peer_closed, 0);
    WORLD_UNTIL(&w, silent->peer_closed && checks->peer_closed);
    assert_true(clock_mono_us() - from >= ICE_FIRST_CHECK_US);
    assert_string_equal(silent->reason, "no valid check came");
    assert_string_equal(checks->reason, "no DTLS handshake in time");
    assert_true(rtc_client_answered(checks->client) > 0);
    close(fd);
    browser_free(silent);
    browser_free(checks);
    world_close(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_nobody_waits_for_ever),
};

HARNESS_MAIN(tests)
