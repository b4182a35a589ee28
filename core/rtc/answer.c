#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/rtc/negotiate_priv.h"

struct writing {
    struct builder *b;
    const struct sdp *offer;
    const struct rtc_answer *a;
};

__attribute__((format(printf, 2, 3))) static void line(struct builder *b,
                                                       const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    INVARIANT(n >= 0 && (size_t)n < sizeof text);
    builder_bytes(b, text, (size_t)n);
    builder_bytes(b, "\r\n", 2);
}

/* A line of which the offer wrote the end. */
static void echo(struct builder *b, const char *start, struct sdp_text end)
{
    builder_text(b, start);
    builder_bytes(b, end.at, end.len);
    builder_bytes(b, "\r\n", 2);
}

static const struct rtc_section *section_of(const struct writing *w, int index)
{
    const struct rtc_negotiated *n = w->a->negotiated;

    if (n->video.used && n->video.index == index) return &n->video;
    if (n->audio.used && n->audio.index == index) return &n->audio;
    return NULL;
}

/* RFC 8445 §5.1.2.1, RFC 6544 §4.2: host candidates, all of component 1; an
 * earlier one of a transport is the better one. */
static void write_candidates(struct builder *b,
                             const struct rtc_candidate *candidates, int count)
{
    enum {
        HOST = 126,
        HOST_TCP = 99,
        LOCAL_MAX = 65535,
        PASSIVE_MAX = (4 << 13) + 8191,
        COMPONENT = 255,
    };

    for (int i = 0; i < count; i++) {
        const struct rtc_candidate *c = &candidates[i];
        uint32_t type = c->tcp ? HOST_TCP : HOST;
        uint32_t local = (uint32_t)(c->tcp ? PASSIVE_MAX : LOCAL_MAX);
        line(b, "a=candidate:%d 1 %s %u %s %d typ host%s", i + 1,
             c->tcp ? "tcp" : "udp",
             type << 24 | (local - (uint32_t)i) << 8 | COMPONENT, c->address,
             c->port, c->tcp ? " tcptype passive" : "");
    }
    builder_text(b, "a=end-of-candidates\r\n");
}

static void write_feedback(struct builder *b, const struct sdp_codec *c,
                           const struct rtc_section *s)
{
    int pt = c->payload_type;

    if (c->remb) line(b, "a=rtcp-fb:%d goog-remb", pt);
    if (c->transport_cc && s->extensions.transport_cc)
        line(b, "a=rtcp-fb:%d transport-cc", pt);
    if (c->fir) line(b, "a=rtcp-fb:%d ccm fir", pt);
    if (c->nack) line(b, "a=rtcp-fb:%d nack", pt);
    if (c->pli) line(b, "a=rtcp-fb:%d nack pli", pt);
}

/* libwebrtc begins at 300 kbit/s, with a picture to match, and takes half a
 * minute to grow, unless the answer names a rate (kbit/s); others step over
 * that parameter. */
static void write_h264(struct writing *w, const struct sdp_media *m,
                       const struct rtc_section *s, const struct rtc_h264 *h)
{
    const struct sdp_codec *c = negotiate_codec_of(m, h->payload_type);
    struct sdp_text profile = sdp_fmtp(c, "profile-level-id");
    struct builder *b = w->b;

    line(b, "a=rtpmap:%d H264/90000", h->payload_type);
    write_feedback(b, c, s);
    /* Some clients refuse an answer without any of the three. */
    line(b,
         "a=fmtp:%d level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=%.*s%s",
         h->payload_type, profile.at ? (int)profile.len : 6,
         profile.at ? profile.at : "42e01f",
         w->a->sends ? "" : ";x-google-start-bitrate=2000");
    if (!h->rtx_payload_type) return;
    line(b, "a=rtpmap:%d rtx/90000", h->rtx_payload_type);
    line(b, "a=fmtp:%d apt=%d", h->rtx_payload_type, h->payload_type);
}

/* Viewers only decode two channels if the answer says so; publishers are told
 * that they may send them if they said they would. */
static void write_opus(struct writing *w, const struct sdp_media *m,
                       const struct rtc_section *s)
{
    const struct sdp_codec *c = negotiate_codec_of(m, s->opus_payload_type);
    bool stereo = w->a->sends ||
                  negotiate_is_number(sdp_fmtp(c, "stereo"), 1) ||
                  negotiate_is_number(sdp_fmtp(c, "sprop-stereo"), 1);

    line(w->b, "a=rtpmap:%d opus/48000/2", c->payload_type);
    write_feedback(w->b, c, s);
    line(w->b, "a=fmtp:%d minptime=10;useinbandfec=1%s%s", c->payload_type,
         stereo ? ";stereo=1" : "", w->a->sends ? ";sprop-stereo=1" : "");
}

/* A sender names the one type it will use, a receiver all that it takes. */
static int h264_types(const struct writing *w, const struct rtc_section *s)
{
    return w->a->sends && s->h264_count ? 1 : s->h264_count;
}

#define MEDIA_END "\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"

static void write_media_start(struct writing *w, const struct sdp_media *m)
{
    builder_bytes(w->b, "m=", 2);
    builder_bytes(w->b, m->name.at, m->name.len);
    builder_text(w->b, " 9 ");
    builder_bytes(w->b, m->protocol.at, m->protocol.len);
}

static void write_media_line(struct writing *w, const struct sdp_media *m,
                             const struct rtc_section *s)
{
    struct builder *b = w->b;

    write_media_start(w, m);
    for (int i = 0; i < h264_types(w, s); i++) {
        builder_printf(b, " %d", s->h264[i].payload_type);
        if (s->h264[i].rtx_payload_type)
            builder_printf(b, " %d", s->h264[i].rtx_payload_type);
    }
    if (!s->h264_count) builder_printf(b, " %d", s->opus_payload_type);
    builder_text(b, MEDIA_END);
}

/* Repeated in each section: clients differ in what they inherit. */
static void write_transport(struct writing *w, const struct sdp_media *m)
{
    const struct rtc_answer *a = w->a;

    line(w->b, "a=ice-ufrag:%s", a->local->ufrag);
    line(w->b, "a=ice-pwd:%s", a->local->pwd);
    line(w->b, "a=fingerprint:sha-256 %s", a->fingerprint);
    line(w->b, "a=setup:%s", a->negotiated->dtls_client ? "active" : "passive");
    builder_text(w->b, "a=rtcp-mux\r\n");
    if (m->rtcp_mux_only) builder_text(w->b, "a=rtcp-mux-only\r\n");
    if (m->rtcp_rsize) builder_text(w->b, "a=rtcp-rsize\r\n");
}

/* What we send: one stream, so that the browser keeps lips and voice
 * together. */
static void write_sources(struct writing *w, const struct rtc_section *s)
{
    const struct rtc_answer *a = w->a;
    bool is_video = s->h264_count;
    uint32_t ssrc = is_video ? a->video_ssrc : a->audio_ssrc;

    line(w->b, "a=msid:%s %s", a->cname, is_video ? "video" : "audio");
    bool has_rtx = is_video && a->rtx_ssrc && s->h264[0].rtx_payload_type;
    if (has_rtx) line(w->b, "a=ssrc-group:FID %u %u", ssrc, a->rtx_ssrc);
    line(w->b, "a=ssrc:%u cname:%s", ssrc, a->cname);
    if (has_rtx) line(w->b, "a=ssrc:%u cname:%s", a->rtx_ssrc, a->cname);
}

static void write_layers(struct writing *w, const struct rtc_section *s)
{
    for (int i = 0; i < s->rid_count; i++)
        line(w->b, "a=rid:%s recv", s->rids[i]);
    if (!s->rid_count) return;
    builder_text(w->b, "a=simulcast:recv ");
    for (int i = 0; i < s->rid_count; i++)
        builder_printf(w->b, "%s%s", i ? ";" : "", s->rids[i]);
    builder_text(w->b, "\r\n");
}

static void write_section(struct writing *w, const struct sdp_media *m,
                          const struct rtc_section *s, bool is_first)
{
    struct builder *b = w->b;

    write_media_line(w, m, s);
    write_transport(w, m);
    if (s->mid[0]) line(b, "a=mid:%s", s->mid);
    builder_text(b, w->a->sends ? "a=sendonly\r\n" : "a=recvonly\r\n");
    for (int i = 0; i < NEGOTIATE_EXTENSIONS; i++) {
        const char *uri;
        int id = negotiate_extension(&s->extensions, i, &uri);
        if (id) line(b, "a=extmap:%d %s", id, uri);
    }
    for (int i = 0; i < h264_types(w, s); i++)
        write_h264(w, m, s, &s->h264[i]);
    if (!s->h264_count) write_opus(w, m, s);
    if (w->a->sends)
        write_sources(w, s);
    else
        write_layers(w, s);
    if (is_first) write_candidates(b, w->a->candidates, w->a->candidate_count);
}

/* Carries the bundle and no media. */
static void write_idle(struct writing *w, const struct sdp_media *m,
                       const struct sdp_codec *c, bool is_first)
{
    struct builder *b = w->b;

    write_media_start(w, m);
    builder_printf(b, " %d", c->payload_type);
    builder_text(b, MEDIA_END);
    write_transport(w, m);
    if (m->mid.len) echo(b, "a=mid:", m->mid);
    builder_printf(b, "a=inactive\r\na=rtpmap:%d ", c->payload_type);
    builder_bytes(b, c->name.at, c->name.len);
    builder_printf(b, "/%u", c->clock_rate);
    if (c->channels > 1) builder_printf(b, "/%u", c->channels);
    builder_text(b, "\r\n");
    if (is_first) write_candidates(b, w->a->candidates, w->a->candidate_count);
}

static void write_refused(struct writing *w, const struct sdp_media *m)
{
    struct builder *b = w->b;

    builder_bytes(b, "m=", 2);
    builder_bytes(b, m->name.at, m->name.len);
    builder_text(b, " 0 ");
    builder_bytes(b, m->protocol.at, m->protocol.len);
    builder_text(b, " ");
    echo(b, "", m->formats);
    builder_text(b, "c=IN IP4 0.0.0.0\r\na=inactive\r\n");
    if (m->mid.len) echo(b, "a=mid:", m->mid);
}

/* Identifies this answer; any number will do (RFC 9429 §5.2.1: 63 bits). */
static uint64_t session_id(const struct rtc_credentials *local)
{
    return hash_text(HASH_BEGIN, local->ufrag) >> 1;
}

static void write_session(struct writing *w)
{
    struct builder *b = w->b;
    bool has_bundle = false;

    line(b, "v=0");
    line(b, "o=- %llu 1 IN IP4 0.0.0.0",
         (unsigned long long)session_id(w->a->local));
    builder_text(b, "s=-\r\nt=0 0\r\na=ice-lite\r\n"
                    "a=ice-options:trickle\r\n");
    for (int i = 0; i < w->offer->media_count; i++) {
        struct sdp_text mid = w->offer->media[i].mid;
        if (!negotiate_is_bundled(w->offer, mid) ||
            (!section_of(w, i) &&
             !negotiate_idle(w->offer, w->a->negotiated, i)))
            continue;
        builder_text(b, has_bundle ? " " : "a=group:BUNDLE ");
        builder_bytes(b, mid.at, mid.len);
        has_bundle = true;
    }
    if (has_bundle) builder_text(b, "\r\n");
    if (w->offer->extmap_allow_mixed)
        builder_text(b, "a=extmap-allow-mixed\r\n");
    if (w->a->sends) builder_text(b, "a=msid-semantic: WMS *\r\n");
}

int rtc_answer_write(struct builder *b, const struct sdp *offer,
                     const struct rtc_answer *a)
{
    struct writing w = {b, offer, a};
    bool is_first = true;

    write_session(&w);
    for (int i = 0; i < offer->media_count; i++) {
        const struct sdp_media *m = &offer->media[i];
        const struct rtc_section *s = section_of(&w, i);
        const struct sdp_codec *idle = negotiate_idle(offer, a->negotiated, i);
        if (s)
            write_section(&w, m, s, is_first);
        else if (idle)
            write_idle(&w, m, idle, is_first);
        else
            write_refused(&w, m);
        if (s || idle) is_first = false;
    }
    return b->err;
}

/* RFC 8840 §4.4: the m-line only opens the section that mid names. */
int rtc_fragment_write(struct builder *b, const struct rtc_credentials *local,
                       const char *mid, const struct rtc_candidate *candidates,
                       int count)
{
    builder_text(b, "a=ice-lite\r\na=ice-options:trickle\r\n");
    if (mid[0]) line(b, "a=group:BUNDLE %s", mid);
    builder_text(b, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
    if (mid[0]) line(b, "a=mid:%s", mid);
    line(b, "a=ice-ufrag:%s", local->ufrag);
    line(b, "a=ice-pwd:%s", local->pwd);
    write_candidates(b, candidates, count);
    return b->err;
}
