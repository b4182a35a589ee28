#include "tests/whep_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/net/tcp.h"
#include "tests/rtc_client.h"

enum { BODY_MAX = 16384, REQUEST_MAX = 8192 };

struct post {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    whep_done *done;
    void *arg;
    char request[REQUEST_MAX];
    char in[BODY_MAX];
    size_t in_len;
};

static const char media_lines[] =
    "c=IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%d\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:3 http://www.ietf.org/id/"
    "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/"
    "abs-send-time\r\n"
    "a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/"
    "abs-capture-time\r\n"
    "a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n";

static int write_offer(char *out, size_t size,
                       const struct rtc_credentials *local,
                       const char *fingerprint)
{
    int n = snprintf(out, size,
                     "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n"
                     "s=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
                     "a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n"
                     "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n");

    n += snprintf(out + n, size - (size_t)n, media_lines, local->ufrag,
                  local->pwd, fingerprint, 0);
    n += snprintf(out + n, size - (size_t)n,
                  "a=rtpmap:111 opus/48000/2\r\n"
                  "a=rtcp-fb:111 transport-cc\r\n"
                  "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
                  "m=video 9 UDP/TLS/RTP/SAVPF 102 103 104 105 106 107\r\n");
    n += snprintf(out + n, size - (size_t)n, media_lines, local->ufrag,
                  local->pwd, fingerprint, 1);
    n += snprintf(out + n, size - (size_t)n,
                  "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/"
                  "playout-delay\r\n");
    static const char *const profiles[] = {"42e01f", "4d001f", "64001f"};
    for (int i = 0; i < 3; i++) {
        int pt = 102 + 2 * i;
        n += snprintf(out + n, size - (size_t)n,
                      "a=rtpmap:%d H264/90000\r\na=rtcp-fb:%d goog-remb\r\n"
                      "a=rtcp-fb:%d transport-cc\r\na=rtcp-fb:%d ccm fir\r\n"
                      "a=rtcp-fb:%d nack\r\na=rtcp-fb:%d nack pli\r\n"
                      "a=fmtp:%d level-asymmetry-allowed=1;"
                      "packetization-mode=1;profile-level-id=%s\r\n"
                      "a=rtpmap:%d rtx/90000\r\na=fmtp:%d apt=%d\r\n",
                      pt, pt, pt, pt, pt, pt, pt, profiles[i], pt + 1, pt + 1,
                      pt);
    }
    return n;
}

/* --- the answer ------------------------------------------------------------
 */

static bool starts(const char *line, const char *with)
{
    return !strncmp(line, with, strlen(with));
}

static void take_candidate(struct whep_answer *a, const char *line)
{
    char transport[8], address[64];
    int port;
    struct in_addr in4;

    if (a->path.port) return;
    if (sscanf(line, "a=candidate:%*s %*d %7s %*u %63s %d typ", transport,
               address, &port) != 3 ||
        strcasecmp(transport, "udp") != 0)
        return;
    if (inet_pton(AF_INET, address, &in4) == 1) {
        a->path.ip[10] = a->path.ip[11] = 0xff;
        memcpy(a->path.ip + 12, &in4, 4);
    } else if (inet_pton(AF_INET6, address, a->path.ip) != 1) {
        return;
    }
    a->path.port = (uint16_t)port;
}

static void take_media(struct whep_answer *a, const char *line, bool video)
{
    unsigned port, first = 0, second = 0;

    if (sscanf(line, "m=%*s %u %*s %u %u", &port, &first, &second) < 2) return;
    if (!port) return;
    if (video) {
        a->video_type = (uint8_t)first;
        a->rtx_type = (uint8_t)second;
    } else {
        a->audio_type = (uint8_t)first;
    }
}

static void take_line(struct whep_answer *a, const char *line, bool video)
{
    uint32_t *ssrc = video ? &a->video_ssrc : &a->audio_ssrc;
    char hash[128];
    unsigned one, two;

    if (starts(line, "a=candidate:")) take_candidate(a, line);
    sscanf(line, "a=ice-ufrag:%256s", a->remote.ufrag);
    sscanf(line, "a=ice-pwd:%256s", a->remote.pwd);
    if (sscanf(line, "a=fingerprint:sha-256 %127s", hash) == 1)
        rtc_client_parse_fingerprint(&a->fingerprint, hash);
    if (sscanf(line, "a=ssrc-group:FID %u %u", &one, &two) == 2) {
        a->video_ssrc = one;
        a->rtx_ssrc = two;
    } else if (sscanf(line, "a=ssrc:%u", &one) == 1 && !*ssrc) {
        *ssrc = one;
    }
}

int whep_parse_answer(struct whep_answer *out, const char *sdp)
{
    struct whep_answer a;
    bool video = false;
    char line[512];

    memset(&a, 0, sizeof a);
    while (*sdp) {
        size_t n = strcspn(sdp, "\r\n");
        snprintf(line, sizeof line, "%.*s", (int)n, sdp);
        if (starts(line, "m=")) {
            video = starts(line, "m=video");
            take_media(&a, line, video);
        } else {
            take_line(&a, line, video);
        }
        sdp += n;
        sdp += strspn(sdp, "\r\n");
    }
    if (!a.remote.ufrag[0] || !a.remote.pwd[0] || !a.fingerprint.len ||
        !a.path.port)
        return ERR_SYNTAX;
    *out = a;
    return 0;
}

/* --- one request -----------------------------------------------------------
 */

static void on_post_closed(uv_handle_t *h)
{
    free(h->data);
}

static void finish(struct post *p)
{
    struct whep_answer a;
    int status = 0;
    char *body = strstr(p->in, "\r\n\r\n");
    const char *location = strcasestr(p->in, "\r\nlocation:");
    bool good;

    if (uv_is_closing((uv_handle_t *)&p->tcp)) return;
    uv_close((uv_handle_t *)&p->tcp, on_post_closed);
    sscanf(p->in, "HTTP/1.%*d %d", &status);
    good = status == 201 && body && !whep_parse_answer(&a, body + 4);
    if (good && location) sscanf(location + 11, " %255s", a.location);
    p->done(status, good ? &a : NULL, p->arg);
}

static bool is_whole(const struct post *p)
{
    const char *body = strstr(p->in, "\r\n\r\n");
    const char *length = strcasestr(p->in, "\r\ncontent-length:");

    return body && length &&
           (size_t)atol(length + 17) <= p->in_len - (size_t)(body + 4 - p->in);
}

static void on_room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    struct post *p = h->data;

    (void)size;
    *buf = uv_buf_init(p->in + p->in_len,
                       (unsigned)(sizeof p->in - 1 - p->in_len));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct post *p = s->data;

    (void)buf;
    if (n > 0) {
        p->in_len += (size_t)n;
        p->in[p->in_len] = 0;
    }
    if (n < 0 || is_whole(p) || p->in_len == sizeof p->in - 1) finish(p);
}

static void on_written(uv_write_t *w, int status)
{
    if (status < 0) finish(w->data);
}

static void on_connect(uv_connect_t *c, int status)
{
    struct post *p = c->data;
    uv_buf_t buf = uv_buf_init(p->request, (unsigned)strlen(p->request));

    p->write.data = p;
    if (status < 0 ||
        uv_write(&p->write, (uv_stream_t *)&p->tcp, &buf, 1, on_written) ||
        uv_read_start((uv_stream_t *)&p->tcp, on_room, on_read))
        finish(p);
}

int whep_post(struct loop *l, const char *url,
              const struct rtc_credentials *local, const char *fingerprint,
              whep_done *done, void *arg)
{
    char host[64], path[256], offer[6144];
    struct sockaddr_storage a;
    struct post *p;

    if (sscanf(url, "http://%63[^/]%255s", host, path) != 2 ||
        tcp_parse_address(host, &a))
        return ERR_SYNTAX;
    p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    int n = write_offer(offer, sizeof offer, local, fingerprint);
    snprintf(p->request, sizeof p->request,
             "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/sdp\r\n"
             "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
             path, host, n, offer);
    p->done = done;
    p->arg = arg;
    if (uv_tcp_init(loop_uv(l), &p->tcp)) {
        free(p);
        return ERR_IO;
    }
    p->tcp.data = p->connect.data = p;
    uv_tcp_nodelay(&p->tcp, 1);
    if (uv_tcp_connect(&p->connect, &p->tcp, (struct sockaddr *)&a,
                       on_connect)) {
        uv_close((uv_handle_t *)&p->tcp, on_post_closed);
        return ERR_IO;
    }
    return 0;
}
