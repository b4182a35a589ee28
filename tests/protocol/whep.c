#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/media/bus.h"
#include "core/net/server.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "edge/whep.h"
#include "tests/avc_configs.h"
#include "tests/rtc_world.h"
#include "tests/sdp_file.h"

/* A channel whose encoder is this test, the real door behind a real server,
 * and a browser of ours that came with Chromium's offer. */
enum { TOP = 64, LOW = 66, SOUND = 81 };

struct hall {
    struct world w;
    struct whep *whep;
    struct server *server;
    struct bus *bus;
    int asked[256];
    int64_t pts;
};

static enum whep_channel find(const char *channel, void *arg)
{
    (void)arg;
    return strcmp(channel, "off") ? WHEP_UNKNOWN : WHEP_OFFLINE;
}

static void asked(uint8_t id, void *arg)
{
    ((struct hall *)arg)->asked[id]++;
}

static void add_track(struct hall *h, uint8_t id, const char *name,
                      bool passthrough)
{
    bool video = id != SOUND;
    struct track_info info = {
        .id = id,
        .kind = video ? TRACK_VIDEO : TRACK_AUDIO,
        .codec = video ? CODEC_H264 : CODEC_OPUS,
        .timescale = video ? 90000 : 48000,
        .width = id == TOP ? 1280 : 640,
        .height = id == TOP ? 720 : 360,
        .bitrate_bps = id == TOP ? 2800000 : 700000,
        .passthrough = passthrough,
    };
    struct slice config = {.data = avcc_brief,
                           .len = video ? sizeof avcc_brief : 0};
    struct track *t = NULL;

    snprintf(info.name, sizeof info.name, "%s", name);
    assert_int_equal(track_create(&t, &info, config), 0);
    assert_int_equal(bus_track(h->bus, t), 0);
    track_unref(&t);
}

static void add_frame(struct hall *h, uint8_t id, bool key, int64_t late,
                      size_t n)
{
    bool video = id != SOUND;
    int64_t dts = video ? h->pts : h->pts * 48 / 90;
    struct frame f = {.track_id = id,
                      .flags = key ? FRAME_KEY : 0,
                      .dts = dts,
                      .pts = dts + late,
                      .captured_at = clock_mono_us()};
    struct frame *frame = NULL;
    struct buf *whole = NULL;
    struct builder b;

    builder_init(&b, 1 << 20);
    if (video) {
        builder_u32(&b, (uint32_t)n);
        builder_u8(&b, key ? 0x65 : 0x41);
        n--;
    }
    memset(builder_extend(&b, n), 0x77, n);
    assert_int_equal(builder_seal(&b, &whole), 0);
    f.payload = slice_take(&whole);
    assert_int_equal(frame_create(&frame, &f), 0);
    assert_int_equal(bus_append(h->bus, frame), 0);
    frame_unref(&frame);
}

/* One thirtieth of a second of everything. */
static void film(struct hall *h, bool key)
{
    add_frame(h, TOP, key, 0, 4000);
    add_frame(h, LOW, key, 0, 900);
    add_frame(h, SOUND, true, 0, 120);
    h->pts += 3000;
}

static void settle(struct hall *h)
{
    for (int i = 0; i < 5; i++)
        loop_run_once(h->w.loop);
}

static int open_hall(void **state)
{
    struct hall *h = calloc(1, sizeof *h);
    struct bus_conf bus = {.channel = "demo",
                           .origin_at = clock_mono_us(),
                           .origin_wall_us = clock_wall_us()};

    assert_non_null(h);
    *state = h;
    world_open(&h->w, NULL);
    struct whep_conf conf = {.host = h->w.host,
                             .find = find,
                             .pending_per_address = 16,
                             .metrics = h->w.metrics};
    assert_int_equal(whep_create(&h->whep, &conf), 0);
    whep_set_peers(h->whep, &h->whep, 1);
    struct server_conf server = {.loop = h->w.loop, .listen = "127.0.0.1:0"};
    server_limits_default(&server.limits);
    assert_int_equal(server_create(&h->server, &server), 0);
    assert_int_equal(whep_serve(h->whep, h->server), 0);
    bus.loop = h->w.loop;
    assert_int_equal(bus_create(&h->bus, &bus), 0);
    assert_int_equal(bus_listen(h->bus, asked, h), 0);
    whep_stream(h->whep, "demo", h->bus);
    settle(h);
    return 0;
}

static void closed(void *arg)
{
    *(bool *)arg = true;
}

static int close_hall(void **state)
{
    struct hall *h = *state;
    bool done = false;

    server_close(h->server, 0, closed, &done);
    WORLD_UNTIL(&h->w, done);
    whep_free(&h->whep);
    settle(h);
    bus_unlisten(h->bus, asked, h);
    bus_unref(&h->bus);
    world_close(&h->w);
    free(h);
    return 0;
}

/* --- the viewer --------------------------------------------------------------
 */

struct reply {
    int status;
    char text[16384];
    char location[256];
    char *body;
};

static void request(struct hall *h, struct reply *r, const char *method,
                    const char *path, const char *body)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)server_port(h->server)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static char text[32768];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;

    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    int n = snprintf(text, sizeof text,
                     "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                     "Content-Type: application/sdp\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     method, path, body ? strlen(body) : 0, body ? body : "");
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    memset(r, 0, sizeof *r);
    for (ssize_t got = -1; got;) {
        got = recv(fd, r->text + len, sizeof r->text - 1 - len, MSG_DONTWAIT);
        if (got > 0)
            len += (size_t)got;
        else if (got < 0)
            world_turn(&h->w);
    }
    close(fd);
    assert_int_equal(sscanf(r->text, "HTTP/1.1 %d", &r->status), 1);
    r->body = strstr(r->text, "\r\n\r\n");
    r->body = r->body ? r->body + 4 : r->text + len;
    char *at = strcasestr(r->text, "\nlocation: ");
    if (at) sscanf(at + 11, "%255s", r->location);
}

static void replace(char *text, size_t size, const char *key, const char *value)
{
    static char out[SDP_FILE_MAX];
    size_t n = 0;

    for (char *at = text; *at;) {
        size_t len = strcspn(at, "\n") + 1;
        if (strncmp(at, key, strlen(key)))
            n +=
                (size_t)snprintf(out + n, sizeof out - n, "%.*s", (int)len, at);
        else
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%s\r\n", key,
                                  value);
        at += len;
    }
    snprintf(text, size, "%s", out);
}

struct guest {
    struct browser *b;
    struct reply reply;
    struct rtp_packet rtp;
    uint8_t bytes[1500];
    size_t len;
    int video, audio, rtx, marks, reports, keys;
    uint32_t video_ssrc;
    uint8_t rtx_type;
    uint16_t sequence, nacked;
    uint32_t timestamp;
    uint64_t ntp[2];
    int64_t last_step;
};

static void got_rtcp(struct guest *g, uint8_t *data, size_t len)
{
    static struct rtcp_packet p;
    size_t offset = 0;

    while (!rtcp_next(data, len, &offset, &p))
        g->reports += p.type == RTCP_SR;
}

static void got(uint8_t *data, size_t len, bool is_control, void *arg)
{
    struct browser *b = arg;
    struct guest *g = (struct guest *)b->reason; /* see join() */

    if (is_control) {
        got_rtcp(g, data, len);
        return;
    }
    assert_int_equal(rtp_parse(&g->rtp, data, len), 0);
    if (g->rtp.payload_type == 111) {
        g->audio++;
    } else if (g->rtp.payload_type == g->rtx_type) {
        g->rtx++;
        g->nacked = (uint16_t)(g->rtp.payload[0] << 8 | g->rtp.payload[1]);
    } else {
        if (g->video) {
            assert_int_equal(g->rtp.sequence, (uint16_t)(g->sequence + 1));
            g->last_step = (int32_t)(g->rtp.timestamp - g->timestamp);
        } else {
            assert_int_equal(g->rtp.payload[0] & 0x1f, 24); /* SPS, PPS */
        }
        g->keys += (g->rtp.payload[0] & 0x1f) == 24;
        g->video_ssrc = g->rtp.ssrc;
        g->sequence = g->rtp.sequence;
        g->timestamp = g->rtp.timestamp;
        g->marks += g->rtp.marker;
        g->video++;
    }
}

/* What the answer says behind a key, to the end of its line. */
static void answer_value(const char *sdp, const char *key, char *out,
                         size_t size)
{
    const char *at = strstr(sdp, key);

    assert_non_null(at);
    at += strlen(key);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static void start(struct guest *g)
{
    struct rtc_credentials remote;
    struct rtc_fingerprint f;
    char text[256];

    answer_value(g->reply.body, "a=ice-ufrag:", remote.ufrag,
                 sizeof remote.ufrag);
    answer_value(g->reply.body, "a=ice-pwd:", remote.pwd, sizeof remote.pwd);
    answer_value(g->reply.body, "a=fingerprint:sha-256 ", text, sizeof text);
    assert_true(rtc_client_parse_fingerprint(&f, text));
    browser_bind(g->b);
    rtc_client_start(g->b->client, &remote, &f, clock_mono_us());
    browser_turn(g->b);
}

/* The guest's own half of the transport; the other is the room's. */
static struct guest *invite(struct hall *h, const char *path)
{
    struct guest *g = calloc(1, sizeof *g);
    static char offer[SDP_FILE_MAX];
    struct rtc_fingerprint f;
    char hex[128], *at = hex;

    assert_non_null(g);
    g->b = calloc(1, sizeof *g->b);
    assert_non_null(g->b);
    g->b->world = &h->w;
    g->b->reason = (const char *)g;
    timer_init(&g->b->tick, h->w.loop, browser_turn, g->b);
    struct rtc_client_conf client = {.identity = h->w.theirs,
                                     .send = browser_send,
                                     .on_connected = browser_is_connected,
                                     .on_media = got,
                                     .arg = g->b};
    assert_int_equal(rtc_client_create(&g->b->client, &client), 0);
    const struct rtc_credentials *c = rtc_client_credentials(g->b->client);
    rtc_client_fingerprint(g->b->client, &f);
    at += sprintf(at, "sha-256 ");
    for (size_t i = 0; i < f.len; i++)
        at += sprintf(at, "%s%02X", i ? ":" : "", f.bytes[i]);
    sdp_file("chromium_play", offer);
    replace(offer, sizeof offer, "a=ice-ufrag:", c->ufrag);
    replace(offer, sizeof offer, "a=ice-pwd:", c->pwd);
    replace(offer, sizeof offer, "a=fingerprint:", hex);
    request(h, &g->reply, "POST", path, offer);
    return g;
}

static struct guest *join(struct hall *h, const char *path)
{
    struct guest *g = invite(h, path);
    char rtx[64];

    assert_int_equal(g->reply.status, 201);
    assert_non_null(strstr(g->reply.body, "a=sendonly"));
    answer_value(g->reply.body, "m=video 9 UDP/TLS/RTP/SAVPF ", rtx,
                 sizeof rtx);
    const char *second = strchr(rtx, ' ');
    assert_non_null(second);
    g->rtx_type = (uint8_t)atoi(second);
    start(g);
    WORLD_UNTIL(&h->w, g->b->connected);
    return g;
}

static void leave(struct guest *g)
{
    rtc_client_free(&g->b->client);
    udp_close(&g->b->udp);
    timer_cancel(&g->b->tick);
    free(g->b);
    free(g);
}

static void live(struct hall *h)
{
    add_track(h, TOP, "720p", true);
    add_track(h, LOW, "360p", false);
    add_track(h, SOUND, "opus", false);
    film(h, true);
    settle(h);
}

/* --- stories
 * ------------------------------------------------------------------ */

static void test_watch(void **state)
{
    struct hall *h = *state;

    live(h);
    struct guest *g = join(h, "/whep/demo");
    /* The cached picture comes at once, no other was filmed. */
    WORLD_UNTIL(&h->w, g->marks == 1);
    assert_int_equal(whep_viewers(h->whep, "demo"), 1);
    for (int i = 0; i < 20; i++) {
        int marks = g->marks, audio = g->audio;
        film(h, i == 10);
        WORLD_UNTIL(&h->w, g->marks > marks && g->audio > audio);
        assert_int_equal(g->last_step * (g->marks == marks + 1), 0);
    }
    assert_int_equal(g->marks, 21);
    assert_int_equal(g->keys, 2);
    assert_int_equal(g->audio, 20);
    WORLD_UNTIL(&h->w, g->reports >= 2); /* the first, at once */

    /* A lost packet comes again, on RTX. */
    struct builder b;
    uint16_t lost = (uint16_t)(g->sequence - 2);
    builder_init(&b, RTCP_MAX);
    rtcp_write_nack(&b, 1, g->video_ssrc, &lost, 1);
    rtc_client_send_rtcp(g->b->client, builder_data(&b), b.len);
    builder_release(&b);
    WORLD_UNTIL(&h->w, g->rtx == 1);
    assert_int_equal(g->nacked, lost);

    /* A lost picture is asked for upstream. */
    int before = h->asked[TOP];
    builder_init(&b, RTCP_MAX);
    rtcp_write_pli(&b, 1, g->video_ssrc);
    rtc_client_send_rtcp(g->b->client, builder_data(&b), b.len);
    builder_release(&b);
    WORLD_UNTIL(&h->w, h->asked[TOP] > before);

    struct reply r;
    request(h, &r, "DELETE", g->reply.location, NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(whep_viewers(h->whep, "demo"), 0);
    WORLD_UNTIL(&h->w, rtc_client_state(g->b->client) == CLIENT_ENDED);
    leave(g);
}

static void test_choose(void **state)
{
    struct hall *h = *state;
    char path[320];
    struct reply r;

    live(h);
    struct guest *g = join(h, "/whep/demo?rendition=360p&x=1");
    WORLD_UNTIL(&h->w, g->marks == 1);
    assert_int_equal(g->video, 2); /* sets and a small picture */
    for (int i = 0; i < 20; i++)
        film(h, false);
    WORLD_UNTIL(&h->w, g->marks == 21);
    int packets = g->video;
    snprintf(path, sizeof path, "%s/rendition", g->reply.location);
    request(h, &r, "GET", path, NULL);
    assert_int_equal(r.status, 200);
    assert_non_null(strcasestr(r.text, "content-type: application/json"));
    assert_non_null(strstr(r.body, "{\"rendition\":\"360p\",\"auto\":false"));
    assert_non_null(strstr(r.body, "\"name\":\"720p\",\"width\":1280"));
    request(h, &r, "PUT", path, "1080p");
    assert_int_equal(r.status, 400);
    request(h, &r, "POST", path, "720p");
    assert_int_equal(r.status, 405);
    request(h, &r, "PUT", path, "720p");
    assert_int_equal(r.status, 200);
    /* Asked for, and shown from its keyframe on. */
    WORLD_UNTIL(&h->w, h->asked[TOP] > 0);
    film(h, false);
    WORLD_UNTIL(&h->w, g->marks == 22);
    assert_int_equal(g->video, packets + 1);
    film(h, true);
    WORLD_UNTIL(&h->w, g->marks == 23);
    assert_int_equal(g->video, packets + 1 + 5);
    request(h, &r, "GET", path, NULL);
    assert_non_null(strstr(r.body, "{\"rendition\":\"720p\",\"auto\":false"));
    request(h, &r, "PUT", path, "auto");
    assert_non_null(strstr(r.body, "\"auto\":true"));
    /* A keyframe of just now will do. */
    request(h, &r, "PUT", path, "360p");
    WORLD_UNTIL(&h->w, g->marks == 24);
    assert_int_equal(g->video, packets + 1 + 5 + 2);
    snprintf(path, sizeof path, "%s/other", g->reply.location);
    request(h, &r, "GET", path, NULL);
    assert_int_equal(r.status, 404);
    leave(g);
}

static void expect(struct hall *h, const char *path, int status,
                   const char *words)
{
    struct guest *g = invite(h, path);

    assert_int_equal(g->reply.status, status);
    assert_non_null(strstr(g->reply.body, words));
    if (status == 409)
        assert_non_null(strcasestr(g->reply.text, "\nretry-after: "));
    leave(g);
}

static void test_refusals(void **state)
{
    struct hall *h = *state;

    expect(h, "/whep/nobody", 404, "no such channel");
    expect(h, "/whep/off", 409, "live");
    expect(h, "/whep/demo", 409, "starting");
    add_track(h, TOP, "source", true);
    add_frame(h, TOP, true, 6000, 2000);
    settle(h);
    expect(h, "/whep/demo", 406, "set B-frames to 0");
    whep_stream(h->whep, "demo", NULL);
    expect(h, "/whep/demo", 404, "no such channel");
    whep_drain(h->whep);
    expect(h, "/whep/off", 503, "stop");
}

static void test_the_stream_ends(void **state)
{
    struct hall *h = *state;

    live(h);
    struct guest *g = join(h, "/whep/demo"), *other = join(h, "/whep/demo");
    WORLD_UNTIL(&h->w, g->marks && other->marks);
    assert_int_equal(whep_viewers(h->whep, "demo"), 2);
    bus_signal(h->bus, BUS_END);
    WORLD_UNTIL(&h->w, rtc_client_state(g->b->client) == CLIENT_ENDED &&
                           rtc_client_state(other->b->client) == CLIENT_ENDED);
    assert_int_equal(whep_viewers(h->whep, "demo"), 0);
    struct reply r;
    request(h, &r, "DELETE", g->reply.location, NULL);
    assert_int_equal(r.status, 200);
    expect(h, "/whep/demo", 409, "live");
    leave(g);
    leave(other);
}

static void test_a_viewer_goes_without_a_word(void **state)
{
    struct hall *h = *state;

    live(h);
    struct guest *g = join(h, "/whep/demo");
    WORLD_UNTIL(&h->w, g->marks);
    leave(g); /* close_notify: the page was closed */
    WORLD_UNTIL(&h->w, !whep_viewers(h->whep, "demo"));
    g = invite(h, "/whep/demo"); /* and one who never comes */
    assert_int_equal(g->reply.status, 201);
    leave(g);
    assert_int_equal(whep_viewers(h->whep, "demo"), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_hall, close_hall)
static const struct CMUnitTest tests[] = {
    CASE(test_watch),
    CASE(test_choose),
    CASE(test_refusals),
    CASE(test_the_stream_ends),
    CASE(test_a_viewer_goes_without_a_word),
};
HARNESS_MAIN(tests)
