#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "ingest/srt/server_priv.h"
#include "tests/harness.h"

static int open_here(struct sockaddr_in *a)
{
    socklen_t len = sizeof *a;
    int fd = -1;

    *a = (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(srt_socket_open(&fd, (struct sockaddr *)a, sizeof *a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)a, &len), 0);
    return fd;
}

/* What of a datagram arrives; loopback delivers before sendto() returns. */
static bool arrives(int fd, const struct sockaddr_in *to, const void *data,
                    size_t len)
{
    uint8_t got[2048];
    int from = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(
        sendto(from, data, len, 0, (const struct sockaddr *)to, sizeof *to),
        (ssize_t)len);
    close(from);
    return recv(fd, got, sizeof got, MSG_DONTWAIT) == (ssize_t)len;
}

static void test_what_may_be_srt_arrives(void **state)
{
    uint8_t media[1332] = {0, 0, 0, 1}, ack[16] = {0x80, 2};
    uint8_t handshake[64] = {0x80};
    struct sockaddr_in a;
    int fd = open_here(&a);

    (void)state;
    handshake[34] = 0x64; /* 25600 packets */
    memset(media + 32, 0xff, 4);
    assert_true(arrives(fd, &a, media, sizeof media));
    assert_true(arrives(fd, &a, ack, sizeof ack));
    assert_true(arrives(fd, &a, handshake, sizeof handshake));
    handshake[34] = 0;
    handshake[33] = 1; /* 65536 */
    assert_true(arrives(fd, &a, handshake, sizeof handshake));
    assert_int_equal(srt_socket_drops(fd), 0);
    close(fd);
}

static void test_what_asks_too_much_does_not(void **state)
{
    uint8_t handshake[64] = {0x80}, scrap[15] = {0x80, 2};
    struct sockaddr_in a;
    int fd = open_here(&a);

    (void)state;
    assert_false(arrives(fd, &a, scrap, sizeof scrap));
    assert_false(arrives(fd, &a, handshake, 63));
    handshake[33] = handshake[35] = 1; /* 65537 */
    assert_false(arrives(fd, &a, handshake, sizeof handshake));
    memset(handshake + 32, 0xff, 4);
    assert_false(arrives(fd, &a, handshake, sizeof handshake));
    assert_int_equal(srt_socket_drops(fd), 4);
    close(fd);
}

static void test_an_address_in_use(void **state)
{
    struct sockaddr_in a;
    int fd = open_here(&a), again = -1;

    (void)state;
    assert_int_equal(srt_socket_open(&again, (struct sockaddr *)&a, sizeof a),
                     ERR_BUSY);
    assert_int_equal(again, -1);
    close(fd);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_may_be_srt_arrives),
    cmocka_unit_test(test_what_asks_too_much_does_not),
    cmocka_unit_test(test_an_address_in_use),
};
HARNESS_MAIN(tests)
