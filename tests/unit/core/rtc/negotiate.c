#include "core/rtc/negotiate.h"

#include "core/base/err.h"
#include "tests/sdp_file.h"

enum { CONSTRAINED = 66, MAIN = 77, HIGH = 100, SENDS = 1, RECEIVES = 0 };

#define DIGITS                                                                 \
    "1F:0D:5A:93:6C:E1:27:B8:44:9E:70:D2:3B:A6:15:8C:F9:62:0E:D7:4A:B3:81:5C:" \
    "2E:97:60:CB:38:F4:A5:1D"
#define TRANSPORT                                                              \
    "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n"                     \
    "a=setup:actpass\na=rtcp-mux\na=fingerprint:sha-256 " DIGITS "\n"
#define VIDEO "m=video 9 UDP/TLS/RTP/SAVPF 96\n" TRANSPORT "a=rtpmap:96 "
#define H264  "H264/90000\na=fmtp:96 packetization-mode=1\n"
#define AUDIO                                                                  \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\n" TRANSPORT "a=rtpmap:111 "              \
    "opus/48000/2\n"

struct offer {
    char text[SDP_FILE_MAX];
    struct sdp *sdp;
    struct rtc_negotiated n;
    char why[160];
    char answer[SDP_FILE_MAX];
};

static void read_text(struct offer *o, const char *text)
{
    char why[160];

    snprintf(o->text, sizeof o->text, "%s", text);
    o->sdp = NULL;
    o->why[0] = 0;
    assert_int_equal(sdp_parse(&o->sdp, o->text, strlen(o->text), why), 0);
}

static void read_file(struct offer *o, const char *name)
{
    char text[SDP_FILE_MAX];

    sdp_file(name, text);
    read_text(o, text);
}

static bool is_idle(const struct offer *o, int index)
{
    const struct rtc_section *v = &o->n.video, *a = &o->n.audio;

    return !(v->used && v->index == index) && !(a->used && a->index == index);
}

/* The answer as a client would see it, and its own parse of it. */
static struct sdp *answer(struct offer *o, bool sends)
{
    static const struct rtc_credentials local = {"L0calUf", "0123456789abcdef"
                                                            "01234567"};
    static const struct rtc_candidate candidates[] = {
        {"198.51.100.4", 8189, false},
        {"2001:db8::4", 8189, false},
        {"198.51.100.4", 8189, true},
    };
    const struct rtc_answer a = {
        .sends = sends,
        .negotiated = &o->n,
        .local = &local,
        .fingerprint = DIGITS,
        .candidates = candidates,
        .candidate_count = 3,
        .video_ssrc = 1001,
        .rtx_ssrc = 1002,
        .audio_ssrc = 1003,
        .cname = "lectern-1",
    };
    struct builder b;
    struct sdp *s = NULL;
    char why[160] = "";

    builder_init(&b, SDP_FILE_MAX - 1);
    assert_int_equal(rtc_answer_write(&b, o->sdp, &a), 0);
    memcpy(o->answer, builder_data(&b), b.len);
    o->answer[b.len] = 0;
    builder_release(&b);
    assert_int_equal(sdp_parse(&s, o->answer, strlen(o->answer), why), 0);
    /* What holds of every answer: RFC 9429 §5.3. */
    assert_int_equal(s->media_count, o->sdp->media_count);
    assert_true(s->ice_lite && s->ice_trickle);
    for (int i = 0; i < s->media_count; i++) {
        const struct sdp_media *m = &s->media[i], *theirs = &o->sdp->media[i];
        bool bundled = false;
        for (int j = 0; j < s->bundle_count; j++)
            bundled |= sdp_same(m->mid, s->bundle[j]);
        assert_int_equal(m->kind, theirs->kind);
        assert_true(sdp_same(m->protocol, theirs->protocol));
        assert_true(sdp_same(m->mid, theirs->mid));
        assert_int_equal(bundled, m->port && o->sdp->bundle_count);
        if (!m->port) continue;
        assert_true(m->rtcp_mux);
        assert_int_equal(m->rtcp_mux_only, theirs->rtcp_mux_only);
        assert_int_equal(m->rtcp_rsize, theirs->rtcp_rsize);
        assert_true(sdp_is(m->ufrag, local.ufrag));
        assert_true(sdp_is(m->pwd, local.pwd));
        assert_true(sdp_is(m->fingerprint, DIGITS));
        assert_int_equal(m->direction, is_idle(o, i) ? SDP_INACTIVE
                                       : sends       ? SDP_SENDONLY
                                                     : SDP_RECVONLY);
        for (int j = 0; j < m->extension_count; j++) {
            bool offered = false;
            for (int k = 0; k < theirs->extension_count; k++)
                offered |=
                    theirs->extensions[k].id == m->extensions[j].id &&
                    sdp_same(theirs->extensions[k].uri, m->extensions[j].uri);
            assert_true(offered);
        }
    }
    return s;
}

static void play(struct offer *o, const char *file, uint8_t profile)
{
    read_file(o, file);
    assert_int_equal(
        rtc_negotiate_play(&o->n, o->sdp, true, true, profile, o->why), 0);
}

static void publish(struct offer *o, const char *file)
{
    read_file(o, file);
    assert_int_equal(rtc_negotiate_publish(&o->n, o->sdp, o->why), 0);
}

static void expect_text(const struct offer *o, const char *text)
{
    if (!strstr(o->answer, text))
        fail_msg("\"%s\" is not in\n%s", text, o->answer);
}

static void expect_not(const struct offer *o, const char *text)
{
    if (strstr(o->answer, text)) fail_msg("\"%s\" is in\n%s", text, o->answer);
}

static void test_play_chromium(void **state)
{
    struct offer o;

    (void)state;
    play(&o, "chromium_play", CONSTRAINED);
    const struct rtc_section *v = &o.n.video, *a = &o.n.audio;
    assert_true(v->used && a->used);
    assert_int_equal(a->index, 0);
    assert_int_equal(v->index, 1);
    assert_string_equal(v->mid, "1");
    assert_int_equal(v->h264_count, 4);
    assert_int_equal(v->h264[0].payload_type, 108);
    assert_int_equal(v->h264[0].rtx_payload_type, 109);
    assert_int_equal(v->h264[0].profile_idc, 66);
    assert_int_equal(v->h264[0].constraints, 0xe0);
    assert_int_equal(v->h264[1].payload_type, 102);
    assert_int_equal(a->opus_payload_type, 111);
    assert_true(v->nack && v->pli && v->fir && v->remb && v->transport_cc);
    assert_true(a->transport_cc && !a->nack);
    assert_int_equal(v->extensions.transport_cc, 3);
    assert_int_equal(v->extensions.playout_delay, 5);
    assert_int_equal(v->extensions.rid, 0); /* of publishers */
    assert_int_equal(a->extensions.playout_delay, 0);
    assert_int_equal(v->extensions.mid, a->extensions.mid);
    assert_int_equal(o.n.fingerprint.hash, RTC_SHA256);
    assert_int_equal(o.n.fingerprint.len, 32);
    assert_false(o.n.dtls_client);
    assert_int_equal(strlen(o.n.remote.ufrag), 4);

    struct sdp *s = answer(&o, SENDS);
    assert_int_equal(s->media[0].setup, SDP_PASSIVE);
    assert_int_equal(s->media[1].codec_count, 2);
    assert_int_equal(s->media[1].codecs[0].payload_type, 108);
    assert_true(sdp_is(sdp_fmtp(&s->media[1].codecs[1], "apt"), "108"));
    assert_true(sdp_is(sdp_fmtp(s->media[0].codecs, "stereo"), "1"));
    assert_true(sdp_is(sdp_fmtp(s->media[0].codecs, "sprop-stereo"), "1"));
    assert_true(sdp_is(s->media[0].stream_id, "lectern-1"));
    assert_true(sdp_same(s->media[0].stream_id, s->media[1].stream_id));
    expect_text(&o, "a=group:BUNDLE 0 1\r\n");
    expect_text(&o, "a=extmap-allow-mixed\r\n");
    expect_text(&o, "a=ssrc-group:FID 1001 1002\r\n");
    expect_text(&o, "a=ssrc:1003 cname:lectern-1\r\n");
    expect_text(&o, "a=fmtp:108 level-asymmetry-allowed=1;"
                    "packetization-mode=1;profile-level-id=42e01f\r\n");
    sdp_free(&s);
    sdp_free(&o.sdp);
}

/* RFC 6184 §8.1: a decoder of the stream's profile, or of one above. */
static void test_profiles(void **state)
{
    static const struct {
        const char *file;
        int profile, payload_type;
    } cases[] = {
        {"chromium_play", CONSTRAINED, 108},
        {"chromium_play", MAIN, 116},
        {"chromium_play", HIGH, 41},
        {"safari_play", CONSTRAINED, 98},
        {"safari_play", MAIN, 96},
        {"safari_play", HIGH, 96},
        {"firefox_play_h264", CONSTRAINED, 126},
        {"firefox_play_h264", HIGH, 126},
        {"aiortc_play", CONSTRAINED, 101},
        {"node_datachannel_play", MAIN, 96},
    };
    struct offer o;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        play(&o, cases[i].file, (uint8_t)cases[i].profile);
        assert_int_equal(o.n.video.h264[0].payload_type, cases[i].payload_type);
        struct sdp *s = answer(&o, SENDS);
        sdp_free(&s);
        sdp_free(&o.sdp);
    }
}

static void test_play_sections(void **state)
{
    struct offer o;

    (void)state;
    /* A data channel, and a channel without sound: refused in place. */
    read_file(&o, "chromium_play_max_bundle");
    assert_int_equal(rtc_negotiate_play(&o.n, o.sdp, true, false, MAIN, o.why),
                     0);
    assert_false(o.n.audio.used);
    struct sdp *s = answer(&o, SENDS);
    assert_int_equal(s->media[1].port, 0);
    assert_int_equal(s->media[2].port, 0);
    expect_text(&o, "a=group:BUNDLE 0\r\n");
    expect_text(&o, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    sdp_free(&s);
    /* The bundle's first section stays, without media: it is the transport,
     * and carries the candidates. */
    assert_int_equal(rtc_negotiate_play(&o.n, o.sdp, false, true, MAIN, o.why),
                     0);
    s = answer(&o, SENDS);
    assert_int_equal(s->media[0].port, 9);
    assert_int_equal(s->media[0].direction, SDP_INACTIVE);
    assert_true(sdp_is(s->media[0].codecs[0].name, "VP8"));
    assert_true(strstr(o.answer, "a=candidate:") <
                strstr(o.answer, "m=audio 9"));
    expect_text(&o, "a=group:BUNDLE 0 1\r\n");
    expect_text(&o, "a=candidate:1 1 udp 2130706431 198.51.100.4 8189 typ "
                    "host\r\n"
                    "a=candidate:2 1 udp 2130706175 2001:db8::4 8189 typ "
                    "host\r\n"
                    "a=candidate:3 1 tcp 1671429631 198.51.100.4 8189 typ "
                    "host tcptype passive\r\n"
                    "a=end-of-candidates\r\n");
    sdp_free(&s);
    sdp_free(&o.sdp);
    /* Where each section has a transport of its own, that one's counts. */
    read_file(&o, "aiortc_play");
    assert_int_equal(rtc_negotiate_play(&o.n, o.sdp, true, false, MAIN, o.why),
                     0);
    assert_true(sdp_is(o.sdp->media[0].ufrag, o.n.remote.ufrag));
    s = answer(&o, SENDS);
    sdp_free(&s);
    sdp_free(&o.sdp);
    /* A viewer that plays video alone. */
    read_text(&o, "v=0\n" VIDEO H264 "a=recvonly\na=rtcp-mux-only\n");
    assert_int_equal(rtc_negotiate_play(&o.n, o.sdp, true, true, MAIN, o.why),
                     0);
    assert_int_equal(o.n.video.h264[0].rtx_payload_type, 0);
    s = answer(&o, SENDS);
    expect_not(&o, "BUNDLE");
    expect_not(&o, "a=mid");
    expect_not(&o, "FID");
    expect_not(&o, "rtcp-fb");
    expect_text(&o, "profile-level-id=42e01f");
    sdp_free(&s);
    sdp_free(&o.sdp);
}

static void test_publish_obs(void **state)
{
    struct offer o;

    (void)state;
    publish(&o, "obs_publish");
    assert_true(o.n.video.used && o.n.audio.used);
    assert_false(o.n.dtls_client);
    assert_string_equal(o.n.remote.ufrag, "Wq7k");
    assert_int_equal(o.n.video.h264[0].rtx_payload_type, 0);
    assert_false(o.n.video.transport_cc);
    assert_int_equal(o.n.video.extensions.rid, 2);
    assert_int_equal(o.n.video.rid_count, 0);
    struct sdp *s = answer(&o, RECEIVES);
    assert_int_equal(s->media[0].setup, SDP_PASSIVE);
    assert_true(sdp_is(sdp_fmtp(s->media[0].codecs, "stereo"), "1"));
    expect_not(&o, "a=ssrc");
    expect_not(&o, "a=msid");
    expect_not(&o, "sprop-stereo");
    expect_not(&o, "simulcast");
    sdp_free(&s);
    sdp_free(&o.sdp);

    publish(&o, "obs_publish_simulcast");
    assert_int_equal(o.n.video.rid_count, 3);
    assert_string_equal(o.n.video.rids[2], "2");
    s = answer(&o, RECEIVES);
    expect_text(&o, "a=rid:0 recv\r\na=rid:1 recv\r\na=rid:2 recv\r\n"
                    "a=simulcast:recv 0;1;2\r\n");
    sdp_free(&s);
    sdp_free(&o.sdp);
}

static void test_publish_others(void **state)
{
    struct offer o;

    (void)state;
    publish(&o, "ffmpeg_publish"); /* passive: we start, High is fine */
    assert_true(o.n.dtls_client);
    assert_int_equal(o.n.video.h264[0].profile_idc, 100);
    assert_false(o.n.video.nack);
    struct sdp *s = answer(&o, RECEIVES);
    assert_int_equal(s->media[0].setup, SDP_ACTIVE);
    /* Its parser takes the first candidate of the text, which is UDP. */
    assert_int_equal(
        strncmp(strstr(o.answer, "a=candidate"), "a=candidate:1 1 udp", 19), 0);
    sdp_free(&s);
    sdp_free(&o.sdp);

    publish(&o, "gstreamer_publish"); /* port 0, but bundle-only */
    assert_true(o.n.audio.used);
    assert_int_equal(o.n.audio.opus_payload_type, 97);
    assert_true(o.n.video.transport_cc);
    s = answer(&o, RECEIVES);
    assert_int_equal(s->media[1].port, 9);
    expect_text(&o, "a=group:BUNDLE video0 audio1\r\n");
    sdp_free(&s);
    sdp_free(&o.sdp);

    publish(&o, "chromium_publish_simulcast");
    assert_int_equal(o.n.video.rid_count, 3);
    assert_int_equal(o.n.video.h264_count, 3);
    assert_int_equal(o.n.video.extensions.rid, 10);
    assert_int_equal(o.n.video.extensions.repaired_rid, 11);
    s = answer(&o, RECEIVES);
    /* All that we take, with their retransmissions, in the client's order. */
    assert_int_equal(s->media[1].codec_count, 6);
    assert_int_equal(s->media[1].codecs[0].payload_type, 102);
    assert_int_equal(s->media[1].codecs[5].payload_type, 117);
    sdp_free(&s);
    sdp_free(&o.sdp);

    publish(&o, "aiortc_publish");
    sdp_free(&o.sdp);
    publish(&o, "node_datachannel_publish");
    sdp_free(&o.sdp);
}

static void expect_refusal(const char *text, bool plays, int err,
                           const char *why)
{
    struct rtc_negotiated n;
    struct offer o;

    read_text(&o, text);
    int got = plays ? rtc_negotiate_play(&n, o.sdp, true, true, MAIN, o.why)
                    : rtc_negotiate_publish(&n, o.sdp, o.why);
    sdp_free(&o.sdp);
    assert_string_equal(o.why, why);
    assert_int_equal(got, err);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        bool plays;
        int err;
        const char *why;
    } cases[] = {
        {"v=0\n", true, ERR_UNSUPPORTED,
         "The offer asks for nothing that this channel has."},
        {"v=0\n", false, ERR_UNSUPPORTED, "The offer sends nothing."},
        {"v=0\n" VIDEO H264 "a=sendonly\n", true, ERR_UNSUPPORTED,
         "A viewer's sections are recvonly."},
        {"v=0\n" VIDEO H264 "a=inactive\n", true, ERR_UNSUPPORTED,
         "A viewer's sections are recvonly."},
        {"v=0\n" VIDEO H264 "a=recvonly\n", false, ERR_UNSUPPORTED,
         "A publisher's sections are sendonly."},
        {"v=0\n" VIDEO "VP8/90000\n", true, ERR_UNSUPPORTED,
         "The video section has no H.264 with packetization-mode=1."},
        {"v=0\n" VIDEO "H264/90000\n", false, ERR_UNSUPPORTED,
         "The video section has no H.264 with packetization-mode=1."},
        {"v=0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\n" TRANSPORT, false,
         ERR_UNSUPPORTED, "The audio section has no opus/48000."},
        {"v=0\n" VIDEO H264 VIDEO H264, false, ERR_UNSUPPORTED,
         "One video and one audio track at most."},
        {"v=0\n" VIDEO H264 AUDIO, false, ERR_UNSUPPORTED,
         "Audio and video must be in one BUNDLE group."},
        {"v=0\nm=video 9 RTP/AVP 96\n", false, ERR_UNSUPPORTED,
         "Media travels as UDP/TLS/RTP/SAVPF here."},
        {"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\n", false, ERR_UNSUPPORTED,
         "Sections need a=rtcp-mux."},
        {"v=0\na=ice-lite\n" VIDEO H264, false, ERR_UNSUPPORTED,
         "This end is ICE-lite: the other must be a full agent."},
        {"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtcp-mux\na=rtpmap:96 " H264,
         false, ERR_SYNTAX, "The offer has no a=ice-ufrag, a=ice-pwd."},
        {"v=0\n" VIDEO H264 "a=fingerprint:sha-512 00:11\n", false, ERR_SYNTAX,
         "The fingerprint has not 64 bytes."},
        {"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtcp-mux\n"
         "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n"
         "a=fingerprint:md5 00:11\na=rtpmap:96 " H264,
         false, ERR_UNSUPPORTED,
         "The fingerprint's hash is none of SHA-1 and SHA-2."},
        {"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtcp-mux\n"
         "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=rtpmap:"
         "96 " H264,
         false, ERR_SYNTAX, "The offer has no a=fingerprint."},
        {"v=0\n" VIDEO H264 "a=mid:"
         "0123456789012345678901234567890123456789012345678901234567890123\n",
         false, ERR_UNSUPPORTED, "A mid is longer than 63 characters."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i].text, cases[i].plays, cases[i].err,
                       cases[i].why);
}

/* No H.264 at all: the page then falls back to HLS. */
static void test_firefox_without_h264(void **state)
{
    char text[SDP_FILE_MAX];

    (void)state;
    sdp_file("firefox_play", text);
    expect_refusal(text, true, ERR_UNSUPPORTED,
                   "The video section has no H.264 with packetization-mode=1.");
}

static void test_oddities(void **state)
{
    struct offer o;

    (void)state;
    /* Ids that one-byte headers cannot carry, a mid too long for one; what is
     * rejected already, and a bundle-only section without a transport of its
     * own. */
    read_text(&o,
              "v=0\na=group:BUNDLE abcdefghijklmnopq v\n"
              "m=audio 9 UDP/TLS/RTP/SAVPF 111\n" TRANSPORT
              "a=rtpmap:111 opus/48000/2\na=mid:abcdefghijklmnopq\na=sendonly\n"
              "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\n"
              "a=extmap:15 http://www.webrtc.org/experiments/rtp-hdrext/"
              "abs-send-time\n"
              "m=video 0 UDP/TLS/RTP/SAVPF 96 97\na=bundle-only\na=mid:v\n"
              "a=rtcp-mux\na=sendonly\na=rtpmap:96 H264/90000\n"
              "a=fmtp:96 packetization-mode=1;profile-level-id=nonsense\n"
              "a=rtpmap:97 H264/90000\n"
              "a=fmtp:97 packetization-mode=01;profile-level-id=58C01E\n"
              "m=video 0 UDP/TLS/RTP/SAVPF 96\na=mid:w\n");
    assert_int_equal(rtc_negotiate_publish(&o.n, o.sdp, o.why), 0);
    assert_int_equal(o.n.audio.extensions.mid, 0);
    assert_int_equal(o.n.audio.extensions.abs_send_time, 0);
    assert_int_equal(o.n.video.h264_count, 1);
    assert_int_equal(o.n.video.h264[0].payload_type, 97);
    assert_int_equal(o.n.video.h264[0].profile_idc, 0x58);
    assert_string_equal(o.n.remote.ufrag, "abcd");
    struct sdp *s = answer(&o, RECEIVES);
    assert_int_equal(s->media[2].port, 0);
    sdp_free(&s);
    sdp_free(&o.sdp);
}

static void test_fragment(void **state)
{
    static const struct rtc_credentials local = {"NewFrag",
                                                 "0123456789abcdef01234567"};
    static const struct rtc_candidate one = {"198.51.100.4", 8189, false};
    struct sdp_fragment f;
    struct builder b;
    char why[160];

    (void)state;
    builder_init(&b, SDP_BYTES_MAX);
    assert_int_equal(rtc_fragment_write(&b, &local, "video0", &one, 1), 0);
    assert_int_equal(
        sdp_fragment_parse(&f, (char *)builder_data(&b), b.len, why), 0);
    assert_true(sdp_is(f.ufrag, local.ufrag));
    assert_true(sdp_is(f.pwd, local.pwd));
    assert_int_equal(f.candidates, 1);
    assert_true(f.end_of_candidates);
    builder_release(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_play_chromium),
    cmocka_unit_test(test_profiles),
    cmocka_unit_test(test_play_sections),
    cmocka_unit_test(test_publish_obs),
    cmocka_unit_test(test_publish_others),
    cmocka_unit_test(test_refused),
    cmocka_unit_test(test_firefox_without_h264),
    cmocka_unit_test(test_oddities),
    cmocka_unit_test(test_fragment),
};
HARNESS_MAIN(tests)
