/* tests/bench/whep_load.c — many viewers over WebRTC: each POSTs an offer,
 * shakes hands, receives, reports (RR, transport-wide feedback, consent), and
 * counts what came and what did not. All packets of a viewer's first second
 * are opened, then one in OPEN_EVERY. Prints one line of JSON.
 * usage: whep_load URL [VIEWERS [SECONDS [JOINS-PER-SECOND [PID]]]]
 * URL: http://127.0.0.1:8080/whep/demo (an address, not a name). PID: the
 * server's, whose processor time and memory are measured meanwhile. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/net/udp.h"
#include "core/rtc/host.h"
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "core/rtc/twcc.h"
#include "tests/rtc_client.h"
#include "tests/whep_client.h"

enum {
    VIEWERS_MAX = 4000,
    OPEN_EVERY = 100,
    OPEN_ALL_US = 1000 * 1000,
    REPORT_US = 1000 * 1000,
    TICK_US = 20 * 1000,
    NAL_IDR = 5,
    NAL_STAP_A = 24,
    NAL_FU_A = 28,
    SSRC_OURS = 1,
};

struct stream { /* of video, by its clear header */
    bool started, in_frame, broken, key, whole_frame;
    int64_t first, highest;
    struct rtp_unwrap16 unwrap;
    int64_t received, late;
    uint32_t timestamp;
    int64_t frames, frames_lost;
    int64_t missing, doubtful; /* packets; frames lost unless those come yet */
    uint32_t lsr;
    int64_t lsr_at;
};

struct load;
struct viewer {
    struct load *load;
    struct udp *udp;
    struct rtc_client *client;
    struct twcc_recorder *twcc;
    struct whep_answer answer;
    struct timer tick, join;
    int64_t report_at, posted_at, answered_at, connected_at, first_at, frame_at;
    int64_t packets, bytes, audio, resent;
    struct stream video;
    int status;
};

struct load {
    struct loop *loop;
    struct rtc_identity *identity;
    const char *url;
    int count;
    struct timer end, mark;
    int64_t began_at, ended_at;
    int pid; /* of the server; 0: not asked for */
    double begin_kb, mark_cpu_s, end_cpu_s, end_kb;
    /* Between mark and end everyone should be there. */
    int64_t mark_at, mark_packets, mark_bytes, mark_frames, mark_lost,
        mark_gaps;
    struct viewer viewers[VIEWERS_MAX];
};

/* --- receiving -------------------------------------------------------------
 */

/* Does an access unit's keyframe begin or go on in this payload? */
static bool has_idr(const uint8_t *p, size_t len)
{
    if (len < 2) return false;
    if ((p[0] & 31) == NAL_FU_A) return (p[1] & 31) == NAL_IDR;
    if ((p[0] & 31) != NAL_STAP_A) return (p[0] & 31) == NAL_IDR;
    for (size_t at = 1; at + 3 <= len;) {
        size_t n = (size_t)p[at] << 8 | p[at + 1];
        if ((p[at + 2] & 31) == NAL_IDR) return true;
        at += 2 + n;
    }
    return false;
}

static void end_frame(struct stream *s)
{
    if (!s->in_frame) return;
    if (s->broken)
        s->frames_lost++, s->doubtful++;
    else
        s->frames++;
    s->in_frame = false;
}

static void count_video(struct stream *s, const struct rtp_packet *p)
{
    int64_t n = rtp_unwrap16(&s->unwrap, p->sequence);

    s->received++;
    if (!s->started) {
        s->started = true;
        s->first = n;
        s->highest = n - 1;
    }
    if (n <= s->highest) { /* another processor's queue was faster */
        s->late++;
        if (--s->missing) return;
        s->frames += s->doubtful;
        s->frames_lost -= s->doubtful;
        s->doubtful = 0;
        s->broken = false;
        return;
    }
    bool gap = n != s->highest + 1;
    s->missing += n - s->highest - 1;
    s->highest = n;
    if (s->in_frame && (p->timestamp != s->timestamp || gap)) {
        s->broken = true;
        if (p->timestamp != s->timestamp) end_frame(s);
    }
    if (!s->in_frame) {
        s->in_frame = true;
        s->timestamp = p->timestamp;
        s->broken = gap;
        s->key = false;
    }
    s->whole_frame = p->marker && !s->broken;
    if (p->marker) end_frame(s);
}

static bool on_sealed(const uint8_t *data, size_t len, bool is_control,
                      void *arg)
{
    struct viewer *v = arg;
    struct rtp_packet p;
    int64_t now = loop_now(v->load->loop);

    if (is_control) return true;
    v->packets++;
    v->bytes += (int64_t)len;
    if (!v->first_at) v->first_at = now;
    /* The padding bit would be read from sealed bytes: clear it. */
    uint8_t head[RTP_HEADER_MAX];
    size_t n = len < sizeof head ? len : sizeof head;
    memcpy(head, data, n);
    head[0] &= (uint8_t)~0x20;
    if (rtp_parse(&p, head, n)) return true;
    if (p.extensions[WHEP_EXT_TRANSPORT_CC].len == 2)
        twcc_recorder_received(
            v->twcc,
            (uint16_t)(p.extensions[WHEP_EXT_TRANSPORT_CC].data[0] << 8 |
                       p.extensions[WHEP_EXT_TRANSPORT_CC].data[1]),
            clock_mono_us());
    if (p.ssrc == v->answer.video_ssrc)
        count_video(&v->video, &p);
    else if (p.ssrc == v->answer.audio_ssrc)
        v->audio++;
    else if (p.ssrc == v->answer.rtx_ssrc)
        v->resent++;
    return now - v->first_at < OPEN_ALL_US || v->packets % OPEN_EVERY == 0 ||
           !v->frame_at;
}

static void take_sender_report(struct viewer *v, const uint8_t *data,
                               size_t len)
{
    static struct rtcp_packet p;
    size_t offset = 0;

    while (!rtcp_next(data, len, &offset, &p)) {
        if (p.type != RTCP_SR || p.sender_ssrc != v->answer.video_ssrc)
            continue;
        v->video.lsr = (uint32_t)(p.sender.ntp >> 16);
        v->video.lsr_at = loop_now(v->load->loop);
    }
}

static void on_media(uint8_t *data, size_t len, bool is_control, void *arg)
{
    struct viewer *v = arg;
    struct rtp_packet p;

    if (is_control) {
        take_sender_report(v, data, len);
        return;
    }
    if (rtp_parse(&p, data, len) || p.ssrc != v->answer.video_ssrc) return;
    if (has_idr(p.payload, p.payload_len)) v->video.key = true;
    if (!v->frame_at && v->video.key && v->video.whole_frame)
        v->frame_at = clock_mono_us();
}

/* --- reporting -------------------------------------------------------------
 */

static void send_built(struct viewer *v, struct builder *b)
{
    if (!b->err && b->len)
        rtc_client_send_rtcp(v->client, builder_data(b), b->len);
    builder_release(b);
}

static void send_report(struct viewer *v, int64_t now)
{
    struct stream *s = &v->video;
    struct rtcp_report r = {.ssrc = v->answer.video_ssrc,
                            .highest_sequence = (uint32_t)s->highest,
                            .last_sr = s->lsr};
    struct builder b;

    if (!s->started) return;
    r.cumulative_lost = (int32_t)(s->highest - s->first + 1 - s->received);
    if (s->lsr)
        r.delay_since_last_sr = (uint32_t)((now - s->lsr_at) * 65536 / 1000000);
    builder_init(&b, RTCP_MAX);
    rtcp_write_rr(&b, SSRC_OURS, &r, 1);
    send_built(v, &b);
}

static void send_feedback(struct viewer *v)
{
    struct builder b;
    bool more = true;

    while (more) {
        builder_init(&b, RTCP_MAX);
        more =
            twcc_recorder_write(v->twcc, &b, SSRC_OURS, v->answer.video_ssrc);
        send_built(v, &b);
    }
}

static void on_tick(void *arg)
{
    struct viewer *v = arg;
    int64_t now = loop_now(v->load->loop);

    rtc_client_tick(v->client, now);
    if (rtc_client_state(v->client) == CLIENT_CONNECTED) {
        if (now >= twcc_recorder_deadline(v->twcc)) send_feedback(v);
        if (now >= v->report_at) {
            send_report(v, now);
            v->report_at = now + REPORT_US;
        }
    }
    timer_set(&v->tick, now + TICK_US);
}

/* --- joining ---------------------------------------------------------------
 */

static void on_datagram(const struct net_path *from, uint8_t *data, size_t len,
                        int64_t at, void *arg)
{
    struct viewer *v = arg;

    (void)from;
    rtc_client_feed(v->client, data, len, at);
}

static void send_datagram(const uint8_t *data, size_t len, void *arg)
{
    struct viewer *v = arg;
    struct udp_message m = {.to = &v->answer.path, .data = data, .len = len};

    udp_send(v->udp, &m, 1);
}

static void on_connected(void *arg)
{
    struct viewer *v = arg;

    v->connected_at = clock_mono_us();
}

static void on_answer(int status, const struct whep_answer *a, void *arg)
{
    struct viewer *v = arg;

    v->status = status;
    if (!a || v->load->ended_at) return;
    v->answer = *a;
    v->answered_at = clock_mono_us();
    rtc_client_start(v->client, &a->remote, &a->fingerprint, v->answered_at);
    on_tick(v);
}

static void on_join(void *arg)
{
    struct viewer *v = arg;
    struct load *l = v->load;

    v->posted_at = clock_mono_us();
    if (whep_post(l->loop, l->url, rtc_client_credentials(v->client),
                  rtc_identity_fingerprint(l->identity), on_answer, v))
        v->status = -1;
}

static int viewer_init(struct load *l, struct viewer *v, int64_t join_at)
{
    struct udp_conf udp = {.loop = l->loop,
                           .listen = "0.0.0.0:0",
                           .on_datagram = on_datagram,
                           .arg = v};
    struct rtc_client_conf client = {.identity = l->identity,
                                     .send = send_datagram,
                                     .on_connected = on_connected,
                                     .on_sealed = on_sealed,
                                     .on_media = on_media,
                                     .arg = v};

    v->load = l;
    timer_init(&v->tick, l->loop, on_tick, v);
    timer_init(&v->join, l->loop, on_join, v);
    timer_set(&v->join, join_at);
    if (udp_create(&v->udp, &udp)) return 1;
    return rtc_client_create(&v->client, &client) ||
           twcc_recorder_create(&v->twcc);
}

/* --- the sum ---------------------------------------------------------------
 */

struct sum {
    int64_t packets, bytes, frames, lost, gaps, audio, resent, refused;
    int connected, playing, alive, rejected;
};

static struct sum sum_of(const struct load *l)
{
    struct sum s = {0};

    for (int i = 0; i < l->count; i++) {
        const struct viewer *v = &l->viewers[i];
        s.packets += v->packets;
        s.bytes += v->bytes;
        s.frames += v->video.frames;
        s.lost += v->video.frames_lost;
        if (v->video.started)
            s.gaps += v->video.highest - v->video.first + 1 - v->video.received;
        s.audio += v->audio;
        s.resent += v->resent;
        s.refused += rtc_client_refused(v->client);
        s.connected += v->connected_at != 0;
        s.playing += v->frame_at != 0;
        s.alive += rtc_client_state(v->client) == CLIENT_CONNECTED;
        s.rejected += v->status && v->status != 201;
    }
    return s;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_spans(const struct load *l, const char *name, size_t from,
                        size_t to)
{
    static double ms[VIEWERS_MAX];
    int n = 0;

    for (int i = 0; i < l->count; i++) {
        int64_t a, b;
        memcpy(&a, (const char *)&l->viewers[i] + from, sizeof a);
        memcpy(&b, (const char *)&l->viewers[i] + to, sizeof b);
        if (a && b) ms[n++] = (double)(b - a) / 1000;
    }
    qsort(ms, (size_t)n, sizeof *ms, ascending);
    printf(",\"%s_ms\":{\"p50\":%.1f,\"p95\":%.1f,\"max\":%.1f}", name,
           n ? ms[n / 2] : 0, n ? ms[n * 95 / 100] : 0, n ? ms[n - 1] : 0);
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of the server, from /proc. */
static double server_cpu_s(const struct load *l)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, kernel = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", l->pid);
    f = l->pid ? fopen(path, "r") : NULL;
    if (!f) return 0;
    if (!fgets(text, sizeof text, f)) text[0] = 0;
    fclose(f);
    const char *at = strrchr(text, ')');
    if (at)
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &kernel);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static double server_kb(const struct load *l)
{
    char path[64];
    long pages = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/statm", l->pid);
    f = l->pid ? fopen(path, "r") : NULL;
    if (!f) return 0;
    if (fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void print_server(const struct load *l, int64_t packets)
{
    if (!l->pid || !packets) return;
    printf(",\"server_cpu_s\":%.2f,\"server_us_per_packet\":%.2f,"
           "\"server_kb_per_viewer\":%.0f",
           l->end_cpu_s - l->mark_cpu_s,
           (l->end_cpu_s - l->mark_cpu_s) * 1e6 / (double)packets,
           (l->end_kb - l->begin_kb) / l->count);
}

static void print_sum(const struct load *l)
{
    struct sum s = sum_of(l);
    double span = (double)(l->ended_at - l->mark_at) / 1e6;
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    printf("{\"viewers\":%d,\"connected\":%d,\"playing\":%d,\"alive\":%d,"
           "\"rejected\":%d",
           l->count, s.connected, s.playing, s.alive, s.rejected);
    print_spans(l, "answer", offsetof(struct viewer, posted_at),
                offsetof(struct viewer, answered_at));
    print_spans(l, "connect", offsetof(struct viewer, posted_at),
                offsetof(struct viewer, connected_at));
    print_spans(l, "join", offsetof(struct viewer, posted_at),
                offsetof(struct viewer, frame_at));
    printf(",\"seconds\":%.1f,\"packets_per_s\":%.0f,\"bytes_per_s\":%.0f,"
           "\"frames_per_s\":%.1f,\"frames_lost\":%lld,\"packets_lost\":%lld,"
           "\"audio\":%lld,\"resent\":%lld,\"unopened\":%lld,"
           "\"load_cpu_s\":%.1f,\"load_kb_per_viewer\":%.0f",
           span, (double)(s.packets - l->mark_packets) / span,
           (double)(s.bytes - l->mark_bytes) / span,
           (double)(s.frames - l->mark_frames) / span,
           (long long)(s.lost - l->mark_lost),
           (long long)(s.gaps - l->mark_gaps), (long long)s.audio,
           (long long)s.resent, (long long)s.refused, cpu_seconds(),
           (double)usage.ru_maxrss / l->count);
    print_server(l, s.packets - l->mark_packets);
    printf("}\n");
}

static void on_mark(void *arg)
{
    struct load *l = arg;
    struct sum s = sum_of(l);

    l->mark_at = clock_mono_us();
    l->mark_cpu_s = server_cpu_s(l);
    l->mark_packets = s.packets;
    l->mark_bytes = s.bytes;
    l->mark_frames = s.frames;
    l->mark_lost = s.lost;
    l->mark_gaps = s.gaps;
}

static void on_end(void *arg)
{
    struct load *l = arg;

    l->ended_at = clock_mono_us();
    l->end_cpu_s = server_cpu_s(l);
    l->end_kb = server_kb(l);
    loop_stop(l->loop);
}

static void viewer_release(struct viewer *v)
{
    timer_cancel(&v->tick);
    timer_cancel(&v->join);
    rtc_client_free(&v->client); /* says goodbye */
    udp_close(&v->udp);
    twcc_recorder_free(&v->twcc);
}

int main(int argc, char **argv)
{
    static struct load l;
    int seconds = argc > 3 ? atoi(argv[3]) : 10;
    int rate = argc > 4 ? atoi(argv[4]) : 50;
    int failed = 0;

    l.url = argc > 1 ? argv[1] : "";
    l.count = argc > 2 ? atoi(argv[2]) : 10;
    l.pid = argc > 5 ? atoi(argv[5]) : 0;
    if (argc < 2 || l.count < 1 || l.count > VIEWERS_MAX || rate < 1) {
        fprintf(stderr, "usage: whep_load URL [VIEWERS [SECONDS "
                        "[JOINS-PER-SECOND [PID]]]]\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (loop_create(&l.loop, 0) || rtc_identity_create(&l.identity)) return 1;
    l.began_at = clock_mono_us();
    l.begin_kb = server_kb(&l);
    for (int i = 0; i < l.count && !failed; i++)
        failed = viewer_init(&l, &l.viewers[i],
                             l.began_at + (int64_t)i * 1000000 / rate + 1000);
    if (failed) {
        fprintf(stderr, "whep_load: out of sockets or memory\n");
        return 1;
    }
    /* Two seconds for the last to settle, then measure. */
    int64_t settled = l.began_at + (int64_t)l.count * 1000000 / rate + 2000000;
    timer_init(&l.mark, l.loop, on_mark, &l);
    timer_init(&l.end, l.loop, on_end, &l);
    timer_set(&l.mark, settled);
    timer_set(&l.end, settled + (int64_t)seconds * 1000000);
    loop_run(l.loop);
    print_sum(&l);
    struct sum s = sum_of(&l);
    for (int i = 0; i < l.count; i++)
        viewer_release(&l.viewers[i]);
    loop_free(&l.loop);
    rtc_identity_free(&l.identity);
    return s.playing == l.count && !s.refused ? 0 : 1;
}
