/* tests/whip_room.h — a WHIP room behind a real server on loopback, a door of
 * two channels, and requests written by hand. All on the test's thread. */
#ifndef TESTS_WHIP_ROOM_H
#define TESTS_WHIP_ROOM_H
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
 * published before, unless the guard is up, or comes up before it attaches. */
struct room {
    struct world world;
    struct server *server;
    struct whip *whip;
    struct bus *bus;
    struct bus_subscriber *reader;
    struct publisher *live;
    struct publisher *asked; /* while `later`: who waits for an answer */
    bool guarded, refuses, later, stopped;
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

static inline void publishing_release(void)
{
    for (int i = 0; i < PUBLISHERS; i++) {
        struct publishing *b = &publishers[i];
        if (b->client) rtc_client_free(&b->client);
        if (b->udp) udp_close(&b->udp);
        if (b->tick.loop) timer_cancel(&b->tick);
        memset(b, 0, sizeof *b);
    }
}

/* Short where an allocation fails and an answer may never come. */
static inline int64_t room_patience_us(void)
{
    return getenv("LECTERN_ALLOC_FAIL") ? 300000 : 10000000;
}

static inline void room_wait(const bool *done)
{
    int64_t until = clock_mono_us() + room_patience_us();

    while (!*done && clock_mono_us() < until)
        uv_run(loop_uv(room.world.loop), UV_RUN_NOWAIT);
}

/* --- the room ------------------------------------------------------------- */

static inline int authorise(const char *key, struct ingest_grant *out,
                            void *arg)
{
    (void)arg;
    if (strcmp(key, "demo-key") && strcmp(key, "other-key")) return ERR_DENIED;
    snprintf(out->channel, sizeof out->channel, "%.*s", (int)(strlen(key) - 4),
             key);
    return 0;
}

static inline bool guarded(const char *channel, void *arg)
{
    (void)channel;
    (void)arg;
    return room.guarded;
}

static inline void attach(struct publisher *p, void *arg)
{
    (void)arg;
    if (room.refuses) {
        publisher_refused(p, ERR_BUSY);
        return;
    }
    if (room.later) {
        room.asked = p;
        return;
    }
    if (room.live) publisher_kick(room.live, "another publisher took over");
    room.live = p;
    room.attached++;
    publisher_attached(p, room.bus, 0);
}

static inline void detach(struct publisher *p, void *arg)
{
    (void)arg;
    if (room.live == p) room.live = NULL;
    room.detached++;
}

static inline void on_wake(void *arg)
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

static inline int room_open(void **state)
{
    static const struct ingest_door door = {.authorise = authorise,
                                            .attach = attach,
                                            .detach = detach,
                                            .guarded = guarded};
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

static inline void on_server_closed(void *arg)
{
    (void)arg;
    room.stopped = true;
}

static inline int room_close(void **state)
{
    (void)state;
    publishing_release();
    whip_drain(room.whip);
    server_close(room.server, 0, on_server_closed, NULL);
    room_wait(&room.stopped);
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
    char *body; /* NULL: none came */
};

/* The whole reply is there. */
static inline bool is_whole(struct reply *r)
{
    const char *length;

    r->text[r->len] = 0;
    r->body = strstr(r->text, "\r\n\r\n");
    if (!r->body) return false;
    r->body += 4;
    length = strcasestr(r->text, "content-length:");
    return !length || r->text + r->len >= r->body + atol(length + 15);
}

static inline struct reply *request(const char *method, const char *path,
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
    int64_t until = clock_mono_us() + room_patience_us();
    do {
        uv_run(loop_uv(room.world.loop), UV_RUN_NOWAIT);
        ssize_t got =
            recv(fd, r.text + r.len, sizeof r.text - r.len - 1, MSG_DONTWAIT);
        if (got > 0) r.len += (size_t)got;
    } while (!is_whole(&r) && clock_mono_us() < until);
    close(fd);
    r.status = r.len > 12 ? atoi(r.text + 9) : 0; /* 0: no answer */
    return &r;
}

static inline bool field(const struct reply *r, const char *name, char *out,
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

static inline void write_offer(const struct publishing *b, const char *video,
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

#endif
