/* A publisher over WebRTC on loopback: HTTP, ICE, DTLS, SRTP, and what arrives
 * on the bus. All on the test's thread. */
#include "tests/whip_room.h"

/* --- a publisher ---------------------------------------------------------- */

static void client_sends(const uint8_t *data, size_t len, void *arg)
{
    struct publishing *b = arg;
    struct udp_message m = {.to = &b->to, .data = data, .len = len};

    udp_send(b->udp, &m, 1);
}

static void client_connected(void *arg)
{
    ((struct publishing *)arg)->connected++;
}

static void client_got(uint8_t *data, size_t len, bool is_control, void *arg)
{
    struct publishing *b = arg;

    if (is_control) sender_feedback(&b->sender, data, len, 0);
}

static void turn(void *arg)
{
    struct publishing *b = arg;
    int64_t at = rtc_client_tick(b->client, clock_mono_us());

    if (at != INT64_MAX) timer_set(&b->tick, at + 1);
}

static void datagram(const struct net_path *from, uint8_t *data, size_t len,
                     int64_t at, void *arg)
{
    struct publishing *b = arg;

    (void)from;
    rtc_client_feed(b->client, data, len, at);
    turn(b);
}

static struct publishing *publishing(int i)
{
    struct publishing *b = &publishers[i];
    struct rtc_client_conf client = {.identity = room.world.theirs,
                                     .send = client_sends,
                                     .on_connected = client_connected,
                                     .on_media = client_got,
                                     .arg = b};
    struct udp_conf udp = {.loop = room.world.loop,
                           .listen = "127.0.0.1:0",
                           .on_datagram = datagram,
                           .arg = b};

    memset(b, 0, sizeof *b);
    timer_init(&b->tick, room.world.loop, turn, b);
    assert_int_equal(rtc_client_create(&b->client, &client), 0);
    assert_int_equal(udp_create(&b->udp, &udp), 0);
    b->to = loopback_path(rtc_host_udp_port(room.world.host));
    sender_init(&b->sender, &b->line);
    return b;
}

/* POST, and the way to CONNECTED. */
static void publish(struct publishing *b)
{
    struct rtc_credentials remote;
    struct rtc_fingerprint print;
    char offer[REPLY_MAX], why[160];
    struct sdp *answer;

    write_offer(b, h264_lines, offer);
    struct reply *r = request("POST", "/whip/demo", WITH("demo-key"), offer);
    assert_int_equal(r->status, 201);
    assert_true(field(r, "location", b->location, sizeof b->location));
    assert_int_equal(sdp_parse(&answer, r->body, strlen(r->body), why), 0);
    assert_int_equal(answer->media_count, 2);
    const struct sdp_media *m = &answer->media[0];
    assert_int_equal(m->direction, SDP_RECVONLY);
    snprintf(remote.ufrag, sizeof remote.ufrag, "%.*s", (int)m->ufrag.len,
             m->ufrag.at);
    snprintf(remote.pwd, sizeof remote.pwd, "%.*s", (int)m->pwd.len, m->pwd.at);
    sdp_free(&answer);
    assert_true(rtc_client_parse_fingerprint(
        &print, rtc_host_fingerprint(room.world.host)));
    rtc_client_start(b->client, &remote, &print, clock_mono_us());
    turn(b);
    WORLD_UNTIL(&room.world, b->connected);
}

static void to_client(uint8_t *data, size_t len, int64_t now, void *arg)
{
    struct publishing *b = arg;
    struct rtp_packet p;

    (void)now;
    if (rtp_classify(data, len) == RTP_CONTROL) {
        rtc_client_send_rtcp(b->client, data, len);
        return;
    }
    assert_int_equal(rtp_parse(&p, data, len), 0);
    rtc_client_send_rtp(b->client, data, p.header_len, len);
}

/* Sends frames, two Opus packets each, and waits until they are on the bus. */
static void send_frames(struct publishing *b, int frames)
{
    int video = room.video + frames, opus = room.opus + 2 * frames;

    for (int i = 0; i < frames; i++) {
        sender_frame(&b->sender, 0, b->sent_us, 0);
        sender_audio(&b->sender, b->sent_us, 0);
        sender_audio(&b->sender, b->sent_us + FRAME_US / 2, 0);
        line_take(&b->line, 0, to_client, b);
        b->sent_us += FRAME_US;
        uv_run(loop_uv(room.world.loop), UV_RUN_NOWAIT);
    }
    WORLD_UNTIL(&room.world, room.video >= video && room.opus >= opus);
}

static int64_t figure(const char *name)
{
    return world_count(&room.world, name);
}

/* --- what must hold ------------------------------------------------------- */

static void test_publish_and_delete(void **state)
{
    struct publishing *b = publishing(0);

    (void)state;
    publish(b);
    send_frames(b, 40);
    assert_true(room.tracks >= 2); /* a late reader is told twice */
    assert_int_equal(room.video, 40);
    assert_int_equal(room.keys, 1);
    assert_int_equal(room.spoilt, 0);
    WORLD_UNTIL(&room.world, b->sender.reports >= 1);
    struct reply *r = request("DELETE", b->location,
                              "Authorization: Bearer other-key\r\n", "");
    assert_int_equal(r->status, 401);
    assert_ptr_not_equal(room.live, NULL);
    r = request("DELETE", b->location, "Authorization: Bearer demo-key\r\n",
                "");
    assert_int_equal(r->status, 200);
    assert_ptr_equal(room.live, NULL);
    WORLD_UNTIL(&room.world, rtc_client_state(b->client) == CLIENT_ENDED);
    assert_int_equal(figure("lectern_whip_sessions_closed_total"), 1);
    assert_true(figure("lectern_whip_packets_total") >= 40 * 6);
}

static void test_who_may_not(void **state)
{
    static const struct {
        const char *path, *headers, *video;
        int status;
    } cases[] = {
        {"/whip/demo", SDP, h264_lines, 401},
        {"/whip/demo", WITH("wrong-key"), h264_lines, 401},
        {"/whip/demo", WITH("other-key"), h264_lines, 403},
        {"/whip/demo?token=other-key", SDP, h264_lines, 403},
        {"/whip/demo", WITH("demo-key"), vp8_lines, 422},
    };
    struct publishing *b = publishing(0);
    char offer[REPLY_MAX], text[64];
    struct reply *r;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_offer(b, cases[i].video, offer);
        r = request("POST", cases[i].path, cases[i].headers, offer);
        assert_int_equal(r->status, cases[i].status);
        assert_true(strlen(r->body) > 10);
        if (r->status == 401)
            assert_true(field(r, "www-authenticate", text, sizeof text));
    }
    room.guarded = true;
    write_offer(b, h264_lines, offer);
    r = request("POST", "/whip/demo?token=demo-key", SDP, offer);
    assert_int_equal(r->status, 409);
    assert_true(field(r, "retry-after", text, sizeof text));
    assert_int_equal(room.attached, 0);
}

static void test_takeover(void **state)
{
    struct publishing *first = publishing(0), *second = publishing(1);

    (void)state;
    publish(first);
    send_frames(first, 5);
    publish(second);
    WORLD_UNTIL(&room.world, rtc_client_state(first->client) == CLIENT_ENDED);
    send_frames(second, 5);
    assert_int_equal(room.video, 10);
    assert_int_equal(room.keys, 2);
    assert_int_equal(room.attached, 2);
    /* the first one's resource is gone, and saying so twice is fine */
    struct reply *r = request("DELETE", first->location,
                              "Authorization: Bearer demo-key\r\n", "");
    assert_int_equal(r->status, 200);
    assert_ptr_not_equal(room.live, NULL);
}

/* Whose media never comes takes nothing away; nor does one that the stream
 * refuses when it comes. */
static void test_a_post_alone_takes_nothing(void **state)
{
    struct publishing *first = publishing(0), *second = publishing(1);
    char offer[REPLY_MAX];

    (void)state;
    publish(first);
    send_frames(first, 5);
    write_offer(second, h264_lines, offer);
    struct reply *r = request("POST", "/whip/demo", WITH("demo-key"), offer);
    assert_int_equal(r->status, 201);
    send_frames(first, 5);
    assert_int_equal(room.attached, 1);
    room.refuses = true;
    publish(second);
    WORLD_UNTIL(&room.world, rtc_client_state(second->client) == CLIENT_ENDED);
    send_frames(first, 5);
    assert_int_equal(room.attached, 1);
    assert_int_equal(room.keys, 1);
}

/* The stream's answer takes its time: what is sent meanwhile is not lost. */
static void test_the_first_picture_is_kept(void **state)
{
    struct publishing *b = publishing(0);

    (void)state;
    room.later = true;
    publish(b);
    WORLD_UNTIL(&room.world, room.asked);
    for (int i = 0; i < 3; i++) {
        sender_frame(&b->sender, 0, b->sent_us, 0);
        line_take(&b->line, 0, to_client, b);
        b->sent_us += FRAME_US;
    }
    for (int i = 0; i < 10; i++)
        loop_run_once(room.world.loop);
    assert_int_equal(room.video, 0);
    room.live = room.asked;
    room.attached++;
    publisher_attached(room.asked, room.bus, 0);
    WORLD_UNTIL(&room.world, room.video == 3);
    assert_int_equal(room.keys, 1);
    assert_int_equal(b->sender.layers[0].plis, 0);
    send_frames(b, 3);
    assert_int_equal(room.keys, 1);
    assert_int_equal(room.spoilt, 0);
}

/* A reader's wish becomes a PLI, and the keyframe reaches the bus. */
static void test_wish(void **state)
{
    struct publishing *b = publishing(0);

    (void)state;
    publish(b);
    send_frames(b, 5);
    bus_ask_key(room.bus, TRACK_SOURCE_FIRST);
    WORLD_UNTIL(&room.world, b->sender.layers[0].plis == 1);
    send_frames(b, 5);
    assert_int_equal(room.keys, 2);
}

/* One packet that never came at first: asked for, sent again, nothing lost. */
static void test_repair(void **state)
{
    struct publishing *b = publishing(0);

    (void)state;
    b->sender.rtx = true;
    publish(b);
    send_frames(b, 5);
    b->line.loss_percent = 100;
    sender_frame(&b->sender, 0, b->sent_us, 0);
    b->line.loss_percent = 0;
    b->sent_us += FRAME_US;
    room.video--; /* the lost one is to come, too */
    while (room.video < 9) {
        int seen = b->sender.nacked;
        if (room.video < 5) send_frames(b, 0);
        sender_frame(&b->sender, 0, b->sent_us, 0);
        b->sent_us += FRAME_US;
        line_take(&b->line, 0, to_client, b);
        world_turn(&room.world);
        if (b->sender.nacked > seen) line_take(&b->line, 0, to_client, b);
    }
    assert_true(b->sender.nacked >= 4);
    assert_int_equal(room.keys, 1);
    assert_int_equal(room.spoilt, 0);
}

static void test_bye(void **state)
{
    struct publishing *b = publishing(0);
    struct builder bye;

    (void)state;
    publish(b);
    send_frames(b, 3);
    for (int i = 0; i < 2; i++) {
        builder_init(&bye, RTCP_MAX);
        rtcp_write_bye(&bye,
                       i ? b->sender.audio_ssrc : b->sender.layers[0].ssrc);
        rtc_client_send_rtcp(b->client, builder_data(&bye), bye.len);
        builder_release(&bye);
    }
    WORLD_UNTIL(&room.world, !room.live);
    WORLD_UNTIL(&room.world, rtc_client_state(b->client) == CLIENT_ENDED);
}

static void test_drain(void **state)
{
    struct publishing *b = publishing(0);
    char offer[REPLY_MAX];

    (void)state;
    publish(b);
    whip_drain(room.whip);
    assert_ptr_equal(room.live, NULL);
    WORLD_UNTIL(&room.world, rtc_client_state(b->client) == CLIENT_ENDED);
    write_offer(b, h264_lines, offer);
    struct reply *r = request("POST", "/whip/demo", WITH("demo-key"), offer);
    assert_int_equal(r->status, 503);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

static const struct CMUnitTest tests[] = {
    CASE(test_publish_and_delete),
    CASE(test_who_may_not),
    CASE(test_takeover),
    CASE(test_a_post_alone_takes_nothing),
    CASE(test_the_first_picture_is_kept),
    CASE(test_wish),
    CASE(test_repair),
    CASE(test_bye),
    CASE(test_drain),
};
HARNESS_MAIN(tests)
