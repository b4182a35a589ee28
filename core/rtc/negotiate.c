#include "core/rtc/negotiate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rtc/negotiate_priv.h"

enum {
    WHY_MAX = 160,
    ONE_BYTE_ID_MAX = 14, /* RFC 8285 §4.2: what we write and read */
    ONE_BYTE_LENGTH_MAX = 16,
    H264_CLOCK = 90000,
    OPUS_CLOCK = 48000,
    HEX = 16,
};

__attribute__((format(printf, 3, 4))) static int fail(char *why, int err,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, WHY_MAX, format, args);
    va_end(args);
    return err;
}

static void copy_text(char *out, size_t size, struct sdp_text t)
{
    size_t n = t.len < size ? t.len : size - 1;

    if (n) memcpy(out, t.at, n);
    out[n] = 0;
}

bool negotiate_is_number(struct sdp_text t, uint32_t wanted)
{
    uint32_t n;

    return sdp_number(t, UINT32_MAX, &n) && n == wanted;
}

/* --- H.264 ---------------------------------------------------------------- */

/* RFC 6184 §8.1, table 5: a profile has more than one spelling. */
enum profile { CONSTRAINED, BASELINE, MAIN, HIGH, HIGH_444, NO_PROFILE };

static enum profile profile_of(uint8_t idc, uint8_t constraints)
{
    bool set0 = constraints & 0x80, set1 = constraints & 0x40;

    switch (idc) {
    case 66: return set1 ? CONSTRAINED : BASELINE;
    case 77: return set0 ? CONSTRAINED : MAIN;
    case 88: return set0 && set1 ? CONSTRAINED : NO_PROFILE;
    case 100: return HIGH;
    case 244: return HIGH_444;
    default: return NO_PROFILE;
    }
}

/* How fit a type of profile `offered` is for a stream of profile `sent`: less
 * is better. First the same, then those whose decoders must cope, then the
 * rest: browsers decode all of them. */
static int unfitness(enum profile sent, enum profile offered)
{
    static const uint8_t table[HIGH + 1][NO_PROFILE + 1] = {
        [CONSTRAINED] = {0, 1, 2, 3, 4, 5},
        [BASELINE] = {1, 0, 2, 3, 4, 5},
        [MAIN] = {3, 4, 0, 1, 2, 5},
        [HIGH] = {3, 4, 2, 0, 1, 5},
    };

    return table[sent][offered];
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* profile-level-id: profile_idc, constraints, level_idc. Left out it means
 * Baseline, but those who leave it out mean that any will do. */
static bool read_profile(const struct sdp_codec *c, struct rtc_h264 *out)
{
    struct sdp_text t = sdp_fmtp(c, "profile-level-id");
    int digits[6];

    out->profile_idc = 66;
    out->constraints = 0xe0;
    if (!t.at) return true;
    if (t.len != 6) return false;
    for (int i = 0; i < 6; i++)
        if ((digits[i] = hex_digit(t.at[i])) < 0) return false;
    out->profile_idc = (uint8_t)(digits[0] * HEX + digits[1]);
    out->constraints = (uint8_t)(digits[2] * HEX + digits[3]);
    return true;
}

static uint8_t find_rtx(const struct sdp_media *m, uint8_t payload_type)
{
    for (int i = 0; i < m->codec_count; i++) {
        const struct sdp_codec *c = &m->codecs[i];
        if (sdp_like(c->name, "rtx") &&
            negotiate_is_number(sdp_fmtp(c, "apt"), payload_type))
            return c->payload_type;
    }
    return 0;
}

/* All types with packetization-mode 1, in the offer's order. */
static void find_h264(struct rtc_section *s, const struct sdp_media *m)
{
    for (int i = 0; i < m->codec_count; i++) {
        const struct sdp_codec *c = &m->codecs[i];
        struct rtc_h264 h = {.payload_type = c->payload_type};

        if (!sdp_like(c->name, "H264") || c->clock_rate != H264_CLOCK ||
            !negotiate_is_number(sdp_fmtp(c, "packetization-mode"), 1) ||
            !read_profile(c, &h) || s->h264_count == NEGOTIATED_H264_MAX)
            continue;
        h.rtx_payload_type = find_rtx(m, c->payload_type);
        s->h264[s->h264_count++] = h;
    }
}

/* The best for a stream of that profile comes first, the rest keeps its
 * order. */
static void prefer(struct rtc_section *s, uint8_t profile_idc)
{
    enum profile sent = profile_of(profile_idc, profile_idc == 66 ? 0x40 : 0);
    int best = 0, least = NO_PROFILE + 1;

    if (sent > HIGH) sent = HIGH;
    for (int i = 0; i < s->h264_count; i++) {
        const struct rtc_h264 *h = &s->h264[i];
        int n = unfitness(sent, profile_of(h->profile_idc, h->constraints));
        if (n < least) best = i, least = n;
    }
    struct rtc_h264 chosen = s->h264[best];
    memmove(s->h264 + 1, s->h264, (size_t)best * sizeof *s->h264);
    s->h264[0] = chosen;
}

/* --- one section ---------------------------------------------------------- */

const struct sdp_codec *negotiate_codec_of(const struct sdp_media *m,
                                           uint8_t payload_type)
{
    for (int i = 0; i < m->codec_count; i++)
        if (m->codecs[i].payload_type == payload_type) return &m->codecs[i];
    return NULL;
}

static void find_opus(struct rtc_section *s, const struct sdp_media *m)
{
    for (int i = 0; i < m->codec_count && !s->opus_payload_type; i++) {
        const struct sdp_codec *c = &m->codecs[i];
        if (sdp_like(c->name, "opus") && c->clock_rate == OPUS_CLOCK)
            s->opus_payload_type = c->payload_type;
    }
}

static const struct {
    const char *uri;
    size_t offset; /* in struct rtc_extensions */
    bool plays, publishes, of_audio;
} extensions[NEGOTIATE_EXTENSIONS] = {
    {"urn:ietf:params:rtp-hdrext:sdes:mid",
     offsetof(struct rtc_extensions, mid), true, true, true},
    {"urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
     offsetof(struct rtc_extensions, rid), false, true, false},
    {"urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
     offsetof(struct rtc_extensions, repaired_rid), false, true, false},
    {"http://www.ietf.org/id/"
     "draft-holmer-rmcat-transport-wide-cc-extensions-01",
     offsetof(struct rtc_extensions, transport_cc), true, true, true},
    {"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
     offsetof(struct rtc_extensions, abs_send_time), true, true, true},
    {"http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
     offsetof(struct rtc_extensions, abs_capture_time), true, true, true},
    {"http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
     offsetof(struct rtc_extensions, playout_delay), true, false, false},
};

uint8_t negotiate_extension(const struct rtc_extensions *e, int i,
                            const char **uri)
{
    *uri = extensions[i].uri;
    return ((const uint8_t *)e)[extensions[i].offset];
}

static void find_extensions(struct rtc_section *s, const struct sdp_media *m,
                            bool plays)
{
    for (int i = 0; i < NEGOTIATE_EXTENSIONS; i++) {
        uint8_t *id = (uint8_t *)&s->extensions + extensions[i].offset;
        if (!(plays ? extensions[i].plays : extensions[i].publishes) ||
            (m->kind == SDP_AUDIO && !extensions[i].of_audio))
            continue;
        for (int j = 0; j < m->extension_count && !*id; j++)
            if (m->extensions[j].id <= ONE_BYTE_ID_MAX &&
                sdp_is(m->extensions[j].uri, extensions[i].uri))
                *id = m->extensions[j].id;
    }
    if (strlen(s->mid) > ONE_BYTE_LENGTH_MAX) s->extensions.mid = 0;
}

static int take_rids(struct rtc_section *s, const struct sdp_media *m,
                     char *why)
{
    for (int i = 0; i < m->rid_count; i++) {
        if (m->rids[i].len >= sizeof s->rids[0])
            return fail(why, ERR_UNSUPPORTED,
                        "A rid is longer than %zu characters.",
                        sizeof s->rids[0] - 1);
        copy_text(s->rids[s->rid_count++], sizeof s->rids[0], m->rids[i]);
    }
    return 0;
}

/* Fills *s from m; profile_idc of what we send, 0 to receive.
 * ERR_UNSUPPORTED if m carries no codec of ours. */
static int take_section(struct rtc_section *s, const struct sdp_media *m,
                        int index, uint8_t profile_idc, char *why)
{
    const struct sdp_codec *c;

    *s = (struct rtc_section){.index = index};
    if (m->mid.len >= sizeof s->mid)
        return fail(why, ERR_UNSUPPORTED,
                    "A mid is longer than %zu characters.", sizeof s->mid - 1);
    copy_text(s->mid, sizeof s->mid, m->mid);
    if (m->kind == SDP_VIDEO) {
        find_h264(s, m);
        if (!s->h264_count)
            return fail(why, ERR_UNSUPPORTED,
                        "The video section has no H.264 with "
                        "packetization-mode=1.");
        if (profile_idc) prefer(s, profile_idc);
    } else {
        find_opus(s, m);
        if (!s->opus_payload_type)
            return fail(why, ERR_UNSUPPORTED,
                        "The audio section has no opus/48000.");
    }
    if (!profile_idc && take_rids(s, m, why)) return ERR_UNSUPPORTED;
    find_extensions(s, m, profile_idc != 0);
    c = negotiate_codec_of(m, s->h264_count ? s->h264[0].payload_type
                                            : s->opus_payload_type);
    s->nack = c->nack;
    s->pli = c->pli;
    s->fir = c->fir;
    s->remb = c->remb;
    s->transport_cc = c->transport_cc && s->extensions.transport_cc;
    s->used = true;
    return 0;
}

static bool is_secure_profile(const struct sdp_media *m)
{
    return sdp_is(m->protocol, "UDP/TLS/RTP/SAVPF") ||
           sdp_is(m->protocol, "TCP/TLS/RTP/SAVPF") ||
           sdp_is(m->protocol, "UDP/TLS/RTP/SAVP") ||
           sdp_is(m->protocol, "RTP/SAVPF");
}

/* Offered at all? Port 0 refuses, but for those that only live in a bundle
 * (RFC 9143 §7.2.1). */
static bool is_offered(const struct sdp_media *m)
{
    return (m->kind == SDP_AUDIO || m->kind == SDP_VIDEO) &&
           (m->port || m->bundle_only);
}

static int check_section(const struct sdp_media *m, char *why)
{
    if (!is_secure_profile(m))
        return fail(why, ERR_UNSUPPORTED,
                    "Media travels as UDP/TLS/RTP/SAVPF here.");
    if (!m->rtcp_mux)
        return fail(why, ERR_UNSUPPORTED, "Sections need a=rtcp-mux.");
    return 0;
}

/* --- the transport -------------------------------------------------------- */

bool negotiate_is_bundled(const struct sdp *offer, struct sdp_text mid)
{
    for (int i = 0; mid.len && i < offer->bundle_count; i++)
        if (sdp_same(offer->bundle[i], mid)) return true;
    return false;
}

/* The section whose transport the bundle uses, if m leaves its own out. */
static const struct sdp_media *tagged(const struct sdp *offer,
                                      const struct sdp_media *m)
{
    if (m->ufrag.len || !negotiate_is_bundled(offer, m->mid)) return m;
    for (int i = 0; i < offer->media_count; i++)
        if (sdp_same(offer->media[i].mid, offer->bundle[0]))
            return &offer->media[i];
    return m;
}

static int read_fingerprint(struct rtc_fingerprint *out,
                            const struct sdp_media *m, char *why)
{
    static const struct {
        const char *name;
        size_t len;
    } hashes[] = {
        [RTC_SHA1] = {"sha-1", 20},     [RTC_SHA224] = {"sha-224", 28},
        [RTC_SHA256] = {"sha-256", 32}, [RTC_SHA384] = {"sha-384", 48},
        [RTC_SHA512] = {"sha-512", 64},
    };
    struct sdp_text t = m->fingerprint;
    size_t i = 0;

    if (!t.len) return fail(why, ERR_SYNTAX, "The offer has no a=fingerprint.");
    while (i <= RTC_SHA512 && !sdp_like(m->fingerprint_hash, hashes[i].name))
        i++;
    if (i > RTC_SHA512)
        return fail(why, ERR_UNSUPPORTED,
                    "The fingerprint's hash is none of SHA-1 and SHA-2.");
    out->hash = (enum rtc_hash)i;
    out->len = hashes[i].len;
    if (t.len != out->len * 3 - 1)
        return fail(why, ERR_SYNTAX, "The fingerprint has not %zu bytes.",
                    out->len);
    for (i = 0; i < out->len; i++) {
        int high = hex_digit(t.at[3 * i]), low = hex_digit(t.at[3 * i + 1]);
        if (high < 0 || low < 0 || (i + 1 < out->len && t.at[3 * i + 2] != ':'))
            return fail(why, ERR_SYNTAX, "The fingerprint is not AB:CD:….");
        out->bytes[i] = (uint8_t)(high * HEX + low);
    }
    return 0;
}

const struct sdp_codec *negotiate_idle(const struct sdp *offer,
                                       const struct rtc_negotiated *n,
                                       int index)
{
    const struct sdp_media *m = &offer->media[index];
    char why[WHY_MAX];

    if ((n->video.used && n->video.index == index) ||
        (n->audio.used && n->audio.index == index) || !offer->bundle_count ||
        !sdp_same(m->mid, offer->bundle[0]) || !is_offered(m) ||
        check_section(m, why))
        return NULL;
    for (int i = 0; i < m->codec_count; i++)
        if (m->codecs[i].name.len) return &m->codecs[i];
    return NULL;
}

/* All kinds share one transport: what the first section in use says. */
static int take_transport(struct rtc_negotiated *out, const struct sdp *offer,
                          char *why)
{
    const struct rtc_section *v = &out->video, *a = &out->audio;
    int first =
        !a->used || (v->used && v->index < a->index) ? v->index : a->index;
    for (int i = 0; i < first; i++)
        if (negotiate_idle(offer, out, i)) first = i;
    const struct sdp_media *m = tagged(offer, &offer->media[first]);

    if (v->used && a->used &&
        (!negotiate_is_bundled(offer, offer->media[v->index].mid) ||
         !negotiate_is_bundled(offer, offer->media[a->index].mid)))
        return fail(why, ERR_UNSUPPORTED,
                    "Audio and video must be in one BUNDLE group.");
    if (offer->ice_lite)
        return fail(why, ERR_UNSUPPORTED,
                    "This end is ICE-lite: the other must be a full agent.");
    if (!m->ufrag.len || !m->pwd.len)
        return fail(why, ERR_SYNTAX,
                    "The offer has no a=ice-ufrag, a=ice-pwd.");
    copy_text(out->remote.ufrag, sizeof out->remote.ufrag, m->ufrag);
    copy_text(out->remote.pwd, sizeof out->remote.pwd, m->pwd);
    out->dtls_client = m->setup == SDP_PASSIVE;
    return read_fingerprint(&out->fingerprint, m, why);
}

/* --- offers --------------------------------------------------------------- */

int rtc_negotiate_play(struct rtc_negotiated *out, const struct sdp *offer,
                       bool want_video, bool want_audio, uint8_t profile_idc,
                       char why[160])
{
    struct rtc_negotiated n = {0};
    int err;

    for (int i = 0; i < offer->media_count; i++) {
        const struct sdp_media *m = &offer->media[i];
        bool is_video = m->kind == SDP_VIDEO;
        struct rtc_section *s = is_video ? &n.video : &n.audio;

        if (!is_offered(m)) continue;
        if (!(m->direction & SDP_RECVONLY))
            return fail(why, ERR_UNSUPPORTED,
                        "A viewer's sections are recvonly.");
        if (s->used || !(is_video ? want_video : want_audio)) continue;
        if ((err = check_section(m, why)) ||
            (err = take_section(s, m, i, profile_idc, why)))
            return err;
    }
    if (!n.video.used && !n.audio.used)
        return fail(why, ERR_UNSUPPORTED,
                    "The offer asks for nothing that this channel has.");
    if ((err = take_transport(&n, offer, why))) return err;
    *out = n;
    return 0;
}

int rtc_negotiate_publish(struct rtc_negotiated *out, const struct sdp *offer,
                          char why[160])
{
    struct rtc_negotiated n = {0};
    int err;

    for (int i = 0; i < offer->media_count; i++) {
        const struct sdp_media *m = &offer->media[i];
        struct rtc_section *s = m->kind == SDP_VIDEO ? &n.video : &n.audio;

        if (!is_offered(m)) continue;
        if (!(m->direction & SDP_SENDONLY))
            return fail(why, ERR_UNSUPPORTED,
                        "A publisher's sections are sendonly.");
        if (s->used)
            return fail(why, ERR_UNSUPPORTED,
                        "One video and one audio track at most.");
        if ((err = check_section(m, why)) ||
            (err = take_section(s, m, i, 0, why)))
            return err;
    }
    if (!n.video.used && !n.audio.used)
        return fail(why, ERR_UNSUPPORTED, "The offer sends nothing.");
    if ((err = take_transport(&n, offer, why))) return err;
    *out = n;
    return 0;
}
