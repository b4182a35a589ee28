/* The door's HTTP side with a real host and peers that nobody reaches; what
 * flows through them is in tests/protocol/whip.c. */
#include "tests/whip_room.h"

static const struct rtc_identity *ours(void)
{
    return room.world.ours;
}

/* An offer of somebody who never comes. */
static void offer_of_nobody(char out[REPLY_MAX])
{
    snprintf(out, REPLY_MAX,
             "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
             "a=group:BUNDLE 0\r\na=setup:actpass\r\na=ice-ufrag:abcdefgh\r\n"
             "a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 %s\r\n"
             "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
             "a=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n%s"
             "a=rtpmap:98 H264/90000\r\n",
             rtc_identity_fingerprint(ours()), h264_lines);
}

static void test_post_and_delete(void **state)
{
    char offer[REPLY_MAX], location[128];
    struct reply *r;

    (void)state;
    offer_of_nobody(offer);
    r = request("POST", "/whip/demo", SDP, offer);
    if (r->status) assert_int_equal(r->status, 401);
    r = request("POST", "/whip/demo", WITH("demo-key"), offer);
    if (r->status != 201) return;      /* out of memory */
    assert_ptr_equal(room.live, NULL); /* not before its media can come */
    assert_true(field(r, "location", location, sizeof location));
    r = request("DELETE", location, "Authorization: Bearer demo-key\r\n", "");
    if (r->status) assert_int_equal(r->status, 200);
}

static void test_nobody_is_shown_out_before_anyone_came(void **state)
{
    char offer[REPLY_MAX];
    int accepted = 0;

    (void)state;
    offer_of_nobody(offer);
    for (int i = 0; i < 3; i++)
        accepted +=
            request("POST", "/whip/demo?token=demo-key", SDP, offer)->status ==
            201;
    if (accepted < 3) return;
    whip_drain(room.whip);
    assert_int_equal(room.attached + room.detached, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

static const struct CMUnitTest tests[] = {
    CASE(test_post_and_delete),
    CASE(test_nobody_is_shown_out_before_anyone_came),
};
HARNESS_MAIN(tests)
