/* A publisher over WebRTC on loopback: HTTP, ICE, DTLS, SRTP, and what arrives
 * on the bus. All on the test's thread. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/media/bus.h"
#include "core/net/server.h"
#include "core/rtc/sdp.h"
#include "ingest/publisher.h"
#include "ingest/whip/whip.h"
#include "tests/rtc_world.h"
#include "tests/rtp_sender.h"

enum { REPLY_MAX = 16 << 10, FRAME_US = 40000, PUBLISHERS = 2 };

/* The door of two channels, demo and other; a newcomer shows out whoever
 * published before, unless the guard is up. */
struct room {
    struct world world;
    struct server *server;
    struct whip *whip;
    struct bus *bus;
    struct bus_subscriber *reader;
    struct publisher *live;
    bool guarded, stopped;
    int attached, detached;
    int tracks, video, keys, opus, spoilt;
};
static struct room room;

struct publishing {
    struct rtc_client *client;
    struct udp *udp;
    struct net_path to;
    struct timer tick;
    struct sender sender;
    struct line line; /* of no length: what the sender sends */
    int connected;
    int64_t sent_us;
    char location[128];
};
static struct publishing publishers[PUBLISHERS];

/* --- the room ------------------------------------------------------------- */

static int authorise(const char *key, struct ingest_grant *out, void *arg)
{
    (void)arg;
    if (strcmp(key, "demo-key") && strcmp(key, "other-key")) return ERR_DENIED;
    snprintf(out->channel, sizeof out->channel, "%.*s", (int)(strlen(key) - 4),
             key);
    return 0;
}

static void attach(struct publisher *p, void *arg)
{
    (void)arg;
    if (room.guarded) {
        publisher_refused(p, ERR_BUSY);
        return;
    }
    if (room.live) publisher_kick(room.live, "another publisher took over");
    room.live = p;
    room.attached++;
    publisher_attached(p, room.bus, 0);
}

static void detach(struct publisher *p, void *arg)
{
    (void)arg;
    if (room.live == p) room.live = NULL;
    room.detached++;
}

static void on_wake(void *arg)
{
    struct bus_event e;

    (void)arg;
    while (!bus_next(room.reader, &e)) {
        if (e.type == BUS_TRACK) room.tracks++;
        if (e.type != BUS_FRAME) continue;
        const struct frame *f = e.v.frame;
        bool key = f->flags & FRAME_KEY;
        if (f->track_id != TRACK_SOURCE_FIRST) {
            room.opus++;
            continue;
        }
        room.video++;
        room.keys += key;
        if (sender_check(f->payload.data, f->payload.len, key) < 0)
            room.spoilt++;
    }
}

static int begin(void **state)
{
    static const struct ingest_door door = {authorise, attach, detach, NULL,
                                            NULL};
    struct server_conf server = {.listen = "127.0.0.1:0"};
    struct bus_conf bus = {.channel = "demo",
                           .window_us = 12000000,
                           .max_entries = 4096,
                           .max_bytes = 8 << 20};

    (void)state;
    memset(&room, 0, sizeof room);
    world_open(&room.world, NULL);
    struct whip_conf whip = {.host = room.world.host,
                             .door = &door,
                             .pending_per_address = 16,
                             .metrics = room.world.metrics};
    server.loop = bus.loop = room.world.loop;
    bus.origin_at = clock_mono_us();
    server_limits_default(&server.limits);
    if (server_create(&room.server, &server) ||
        whip_create(&room.whip, &whip) || whip_serve(room.whip, room.server) ||
        bus_create(&room.bus, &bus) ||
        bus_subscribe(room.bus, &room.reader, BUS_FROM_NOW, on_wake, NULL))
        return -1;
    whip_set_peers(room.whip, &room.whip, 1);
    return 0;
}

static void on_server_closed(void *arg)
{
    (void)arg;
    room.stopped = true;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < PUBLISHERS; i++) {
        struct publishing *b = &publishers[i];
        if (b->client) rtc_client_free(&b->client);
        if (b->udp) udp_close(&b->udp);
        if (b->tick.loop) timer_cancel(&b->tick);
        memset(b, 0, sizeof *b);
    }
    whip_drain(room.whip);
    server_close(room.server, 0, on_server_closed, NULL);
    WORLD_UNTIL(&room.world, room.stopped);
    whip_free(&room.whip);
    bus_unsubscribe(&room.reader);
    bus_unref(&room.bus);
    world_close(&room.world);
    assert_int_equal(room.attached, room.detached);
    return 0;
}

/* --- HTTP ----------------------------------------------------------------- */

struct reply {
    int status;
    size_t len;
    char text[REPLY_MAX];
    char *body;
};

/* The whole reply is there. */
static bool is_whole(struct reply *r)
{
    const char *length;

    r->text[r->len] = 0;
    r->body = strstr(r->text, "\r\n\r\n");
    if (!r->body) return false;
    r->body += 4;
    length = strcasestr(r->text, "content-length:");
    return !length || r->text + r->len >= r->body + atol(length + 15);
}

static struct reply *request(const char *method, const char *path,
                             const char *headers, const char *body)
{
    static struct reply r;
    struct sockaddr_in a = {.sin_family = AF_INET};
    char text[REPLY_MAX];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    r = (struct reply){0};
    a.sin_port = htons((uint16_t)server_port(room.server));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    int n = snprintf(text, sizeof text,
                     "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n"
                     "\r\n%s",
                     method, path, headers, strlen(body), body);
    assert_int_equal(send(fd, text, (size_t)n, 0), n);
    do {
        uv_run(loop_uv(room.world.loop), UV_RUN_NOWAIT);
        ssize_t got =
            recv(fd, r.text + r.len, sizeof r.text - r.len - 1, MSG_DONTWAIT);
        if (got > 0) r.len += (size_t)got;
    } while (!is_whole(&r));
    close(fd);
    r.status = atoi(r.text + 9);
    return &r;
}

static bool field(const struct reply *r, const char *name, char *out,
                  size_t size)
{
    char line[64];
    const char *at;

    snprintf(line, sizeof line, "\r\n%s: ", name);
    at = strcasestr(r->text, line);
    if (!at || at > r->body) return false;
    at += strlen(line);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

static void write_offer(const struct publishing *b, const char *video,
                        char out[REPLY_MAX])
{
    const struct rtc_credentials *c = rtc_client_credentials(b->client);
    const char *print = rtc_identity_fingerprint(room.world.theirs);

    snprintf(out, REPLY_MAX,
             "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
             "a=group:BUNDLE 0 1\r\na=setup:actpass\r\na=ice-ufrag:%s\r\n"
             "a=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\n"
             "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
             "a=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
             "a=rtpmap:111 opus/48000/2\r\n"
             "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n"
             "a=mid:1\r\na=sendonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n%s",
             c->ufrag, c->pwd, print, video);
}

static const char h264_lines[] =
    "a=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n"
    "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
    "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
static const char vp8_lines[] = "a=rtpmap:96 VP8/90000\r\n";

#define SDP       "Content-Type: application/sdp\r\n"
#define WITH(key) SDP "Authorization: Bearer " key "\r\n"

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

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    CASE(test_publish_and_delete),
    CASE(test_who_may_not),
    CASE(test_takeover),
    CASE(test_wish),
    CASE(test_repair),
    CASE(test_bye),
    CASE(test_drain),
};
HARNESS_MAIN(tests)
