#include "core/rtc/sdp.h"

#include "core/base/err.h"
#include "tests/sdp_file.h"

struct text {
    char bytes[SDP_FILE_MAX];
};

static struct sdp *parse(const char *text)
{
    struct sdp *s = NULL;
    char why[160] = "";

    assert_int_equal(sdp_parse(&s, text, strlen(text), why), 0);
    assert_string_equal(why, "");
    return s;
}

static struct sdp *parse_file(struct text *t, const char *name)
{
    sdp_file(name, t->bytes);
    return parse(t->bytes);
}

static const struct sdp_codec *codec(const struct sdp_media *m, int pt)
{
    for (int i = 0; i < m->codec_count; i++)
        if (m->codecs[i].payload_type == pt) return &m->codecs[i];
    fail_msg("no payload type %d", pt);
    return NULL;
}

static void test_chromium(void **state)
{
    struct text t;
    struct sdp *s = parse_file(&t, "chromium_play_max_bundle");
    const struct sdp_media *v = &s->media[0], *a = &s->media[1];

    (void)state;
    assert_int_equal(s->media_count, 3);
    assert_int_equal(s->bundle_count, 3);
    assert_true(sdp_is(s->bundle[2], "2"));
    assert_true(s->extmap_allow_mixed);
    assert_true(s->ice_trickle);
    assert_false(s->ice_lite);
    assert_int_equal(v->kind, SDP_VIDEO);
    assert_int_equal(v->port, 9);
    assert_true(sdp_is(v->protocol, "UDP/TLS/RTP/SAVPF"));
    assert_int_equal(v->direction, SDP_RECVONLY);
    assert_int_equal(v->setup, SDP_ACTPASS);
    assert_int_equal(v->ufrag.len, 4);
    assert_int_equal(v->pwd.len, 24);
    assert_true(sdp_is(v->fingerprint_hash, "sha-256"));
    assert_int_equal(v->fingerprint.len, 95);
    assert_true(v->rtcp_mux && v->rtcp_rsize && !v->rtcp_mux_only);
    assert_int_equal(v->codec_count, 34);
    assert_int_equal(v->codecs[0].payload_type, 96);
    const struct sdp_codec *c = codec(v, 108);
    assert_true(sdp_is(c->name, "H264"));
    assert_int_equal(c->clock_rate, 90000);
    assert_int_equal(c->channels, 1);
    assert_true(sdp_is(sdp_fmtp(c, "Profile-Level-Id"), "42e01f"));
    assert_true(sdp_is(sdp_fmtp(c, "packetization-mode"), "1"));
    assert_null(sdp_fmtp(c, "apt").at);
    assert_true(c->nack && c->pli && c->fir && c->remb && c->transport_cc);
    assert_false(codec(v, 109)->nack);
    assert_int_equal(v->extension_count, 11);
    assert_int_equal(v->extensions[8].id, 9);
    assert_true(sdp_is(v->extensions[8].uri, "urn:ietf:params:rtp-hdrext:"
                                             "sdes:mid"));
    assert_int_equal(a->kind, SDP_AUDIO);
    assert_int_equal(codec(a, 111)->channels, 2);
    /* A parameter without "=". */
    assert_true(sdp_is(codec(a, 63)->fmtp[0].key, "111/111"));
    assert_int_equal(s->media[2].kind, SDP_APPLICATION);
    assert_true(sdp_is(s->media[2].formats, "webrtc-datachannel"));
    sdp_free(&s);
    assert_null(s);
}

static void test_simulcast(void **state)
{
    static const char *const rids[] = {"h", "m", "l"};
    struct text t;
    struct sdp *s = parse_file(&t, "chromium_publish_simulcast");

    (void)state;
    assert_int_equal(s->media[0].rid_count, 0);
    assert_int_equal(s->media[1].rid_count, 3);
    for (int i = 0; i < 3; i++)
        assert_true(sdp_is(s->media[1].rids[i], rids[i]));
    sdp_free(&s);
    /* Before the rids it names, paused, with alternatives and both ways; a
     * layer that no rid describes is none. */
    s = parse("v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\n"
              "a=simulcast:recv 7 send b,c;~a;x\n"
              "a=rid:a send pt=96;max-width=640\na=rid:b send\n"
              "a=rid:c send\na=rid:7 recv\n");
    assert_int_equal(s->media[0].rid_count, 2);
    assert_true(sdp_is(s->media[0].rids[0], "b"));
    assert_true(sdp_is(s->media[0].rids[1], "a"));
    sdp_free(&s);
}

/* What the session says counts in each section that does not say it again. */
static void test_inheritance(void **state)
{
    struct text t;
    struct sdp *s = parse_file(&t, "obs_publish");

    (void)state;
    assert_int_equal(s->bundle_count, 2); /* LS is another group */
    assert_true(s->ice_trickle);          /* "ice2,trickle" */
    for (int i = 0; i < 2; i++) {
        assert_true(sdp_is(s->media[i].ufrag, "Wq7k"));
        assert_int_equal(s->media[i].setup, SDP_ACTPASS);
        assert_int_equal(s->media[i].direction, SDP_SENDONLY);
        assert_int_equal(s->media[i].fingerprint.len, 95);
    }
    assert_true(sdp_is(s->media[0].stream_id, "zT8pWm1c"));
    sdp_free(&s);
    s = parse("v=0\na=recvonly\na=setup:active\n"
              "a=fingerprint:sha-512 00:11\n"
              "m=audio 9 X 0\nm=audio 9 X 0\na=sendrecv\na=setup:passive\n"
              "a=fingerprint:SHA-1 22:33\na=fingerprint:sha-384 44:55\n"
              "a=fingerprint:sha-256 66:77\n");
    assert_int_equal(s->media[0].direction, SDP_RECVONLY);
    assert_int_equal(s->media[0].setup, SDP_ACTIVE);
    assert_int_equal(s->media[1].direction, SDP_SENDRECV);
    assert_int_equal(s->media[1].setup, SDP_PASSIVE);
    assert_true(sdp_is(s->media[0].fingerprint, "00:11"));
    assert_true(sdp_is(s->media[1].fingerprint, "44:55"));
    sdp_free(&s);
}

/* The order of attributes is the client's business, and so is their case. */
static void test_feedback(void **state)
{
    struct sdp *s = parse("v=0\r\n"
                          "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"
                          "a=rtcp-fb:* nack\r\na=rtcp-fb:97 nack pli\r\n"
                          "a=rtcp-fb:97 ccm tmmbr\r\n"
                          "a=fmtp:96 packetization-mode = 1 ; x\r\n"
                          "a=rtpmap:96 h264/90000\r\n");
    const struct sdp_media *m = s->media;

    (void)state;
    assert_true(m->codecs[0].nack && m->codecs[1].nack);
    assert_true(!m->codecs[0].pli && m->codecs[1].pli);
    assert_false(m->codecs[1].fir);
    assert_true(sdp_like(m->codecs[0].name, "H264"));
    assert_true(sdp_is(sdp_fmtp(m->codecs, "packetization-mode"), "1"));
    assert_int_equal(m->codecs[0].fmtp_count, 2);
    assert_int_equal(m->codecs[1].name.len, 0);
    sdp_free(&s);
}

#define HEAD "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"

static void test_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "line 0: nothing was sent"},
        {"{\"sdp\":1}", "line 1: not \"letter=value\""},
        {"v=1\r\n", "line 1: an offer begins with v=0"},
        {"o=x\r\nv=0\r\n", "line 1: an offer begins with v=0"},
        {"v=0\r\nhello\r\n", "line 2: not \"letter=value\""},
        {"v=0\r\ns=a\x01\r\n", "line 2: a control character"},
        {"v=0\rm=x\n", "line 1: a control character"},
        {"v=0\r\nm=audio\r\n", "line 2: not \"m=kind port protocol formats\""},
        {"v=0\r\nm=audio x RTP 0\r\n", "line 2: the port is not a number"},
        {"v=0\r\nm=audio 65536 RTP 0\r\n", "line 2: the port is not a number"},
        {"v=0\r\nm=audio 9 RTP 128\r\n",
         "line 2: a payload type is not 0 to 127"},
        {HEAD "a=rtpmap:111 opus\r\n",
         "line 3: rtpmap is not \"type name/clock\""},
        {HEAD "a=rtpmap:111 opus/48000/x\r\n",
         "line 3: rtpmap's channels are not a number"},
        {HEAD "a=ice-ufrag:abc\r\n",
         "line 3: ice-ufrag has not 4 to 256 characters"},
        {HEAD "a=ice-pwd:short\r\n",
         "line 3: ice-pwd has not 22 to 256 characters"},
        {HEAD "a=ice-ufrag:ab cd\r\n",
         "line 3: ice-ufrag holds a character it may not"},
        {HEAD "a=setup:holdconn\r\n",
         "line 3: setup is none of actpass, active, passive"},
        {HEAD "a=extmap:x urn:y\r\n", "line 3: extmap is not \"id uri\""},
        {HEAD "a=fingerprint:sha-256\r\n",
         "line 3: fingerprint is not \"hash digits\""},
        {HEAD "a=mid:0\r\nm=video 9 X 96\r\na=mid:0\r\n",
         "line 5: two sections have one mid"},
        {HEAD "a=rid:x\r\n", "line 3: rid is not \"id send\" or \"id recv\""},
        {HEAD "a=simulcast:send\r\n",
         "line 3: simulcast names a way and no layers"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdp *s = NULL;
        char why[160] = "";
        assert_int_equal(
            sdp_parse(&s, cases[i].text, strlen(cases[i].text), why),
            ERR_SYNTAX);
        assert_string_equal(why, cases[i].why);
        assert_null(s);
    }
}

static void check_limit(const char *text, size_t len)
{
    struct sdp *s = NULL;
    char why[160];

    assert_int_equal(sdp_parse(&s, text, len, why), ERR_LIMIT);
    assert_null(s);
}

static void test_limits(void **state)
{
    static char text[SDP_BYTES_MAX + 2];
    size_t n = 0;

    (void)state;
    memset(text, 'a', sizeof text);
    check_limit(text, sizeof text - 1);
    n = (size_t)sprintf(text, "v=0\n");
    for (int i = 0; i < SDP_LINES_MAX; i++)
        n += (size_t)sprintf(text + n, "a=x\n");
    check_limit(text, n);
    n = (size_t)sprintf(text, "v=0\n");
    for (int i = 0; i <= SDP_MEDIA_MAX; i++)
        n += (size_t)sprintf(text + n, "m=audio 9 X 0\n");
    check_limit(text, n);
    n = (size_t)sprintf(text, "v=0\nm=audio 9 X");
    for (int i = 0; i <= SDP_CODECS_MAX; i++)
        n += (size_t)sprintf(text + n, " %d", i);
    check_limit(text, n);
    /* What is too much of the rest is not looked at. */
    n = (size_t)sprintf(text, "v=0\nm=audio 9 X 0\na=fmtp:0 ");
    for (int i = 0; i < 2 * SDP_FMTP_MAX; i++)
        n += (size_t)sprintf(text + n, "k%d=v;", i);
    for (int i = 0; i < 2 * SDP_EXTENSIONS_MAX; i++)
        n += (size_t)sprintf(text + n, "\na=extmap:%d u", i + 1);
    for (int i = 0; i < 2 * SDP_RIDS_MAX; i++)
        n += (size_t)sprintf(text + n, "\na=rid:%d send", i);
    n += (size_t)sprintf(text + n, "\na=simulcast:send 0");
    for (int i = 0; i < 2 * SDP_RIDS_MAX; i++)
        n += (size_t)sprintf(text + n, ";%d", i);
    struct sdp *s = parse(text);
    assert_int_equal(s->media[0].codecs[0].fmtp_count, SDP_FMTP_MAX);
    assert_int_equal(s->media[0].extension_count, SDP_EXTENSIONS_MAX);
    assert_int_equal(s->media[0].rid_count, SDP_RIDS_MAX);
    sdp_free(&s);
}

static int fragment(struct sdp_fragment *f, const char *text)
{
    char why[160];

    return sdp_fragment_parse(f, text, strlen(text), why);
}

static void test_fragment(void **state)
{
    struct sdp_fragment f;

    (void)state;
    /* RFC 8840 §9 and RFC 9725 §4.3.2 write them like this. */
    assert_int_equal(
        fragment(&f,
                 "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
                 "a=mid:0\r\na=ice-ufrag:EsAw\r\n"
                 "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
                 "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 "
                 "typ host generation 0 ufrag EsAw network-id 1\r\n"
                 "a=candidate:3471623853 1 udp 2122194687 x.local 61765 typ "
                 "host\r\n"
                 "a=end-of-candidates\r\n"
                 "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"
                 "a=ice-ufrag:Other\r\n"),
        0);
    assert_true(sdp_is(f.ufrag, "EsAw"));
    assert_int_equal(f.pwd.len, 24);
    assert_int_equal(f.candidates, 2);
    assert_true(f.end_of_candidates);
    assert_int_equal(fragment(&f, "a=ice-ufrag:Sess\na=ice-pwd:"
                                  "P2uYro0UCOQ4zxjKXaWCBui1\n"),
                     0);
    assert_true(sdp_is(f.ufrag, "Sess"));
    assert_false(f.end_of_candidates);
    assert_int_equal(fragment(&f, "a=end-of-candidates\r\n"), 0);
    assert_int_equal(f.ufrag.len, 0);
    assert_int_equal(fragment(&f, ""), ERR_SYNTAX);
    assert_int_equal(fragment(&f, "{}"), ERR_SYNTAX);
    assert_int_equal(fragment(&f, "a=ice-ufrag:x\r\n"), ERR_SYNTAX);
}

/* Each offer that we know clients to send reads without complaint. */
static void test_all(void **state)
{
    static const char *const names[] = {
        "aiortc_play",           "aiortc_publish",
        "chromium_play",         "chromium_publish",
        "ffmpeg_publish",        "firefox_play",
        "firefox_play_h264",     "gstreamer_publish",
        "node_datachannel_play", "node_datachannel_publish",
        "obs_publish_simulcast", "safari_play",
    };
    struct text t;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sdp *s = parse_file(&t, names[i]);
        assert_int_equal(s->media_count, 2);
        assert_int_equal(s->bundle_count, 2);
        for (int j = 0; j < 2; j++) {
            assert_true(s->media[j].ufrag.len && s->media[j].pwd.len);
            assert_true(s->media[j].fingerprint.len);
            assert_true(s->media[j].rtcp_mux);
            assert_true(sdp_same(s->media[j].mid, s->bundle[j]));
        }
        sdp_free(&s);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_chromium),    cmocka_unit_test(test_simulcast),
    cmocka_unit_test(test_inheritance), cmocka_unit_test(test_feedback),
    cmocka_unit_test(test_refused),     cmocka_unit_test(test_limits),
    cmocka_unit_test(test_fragment),    cmocka_unit_test(test_all),
};
HARNESS_MAIN(tests)
