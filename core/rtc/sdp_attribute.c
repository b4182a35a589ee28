#include "core/base/err.h"
#include "core/rtc/sdp_priv.h"

enum {
    UFRAG_MIN = 4, /* RFC 8839 §5.4 */
    PWD_MIN = 22,
    CREDENTIAL_MAX = 256,
    EXTENSION_ID_MAX = 255, /* RFC 8285 §4.3; above are not for headers */
    EXTENSION_MAX = 65535,
    PAYLOAD_TYPE_MAX = 127,
    CHANNELS_MAX = 255,
};

struct sdp_attribute {
    const char *name;
    bool of_media; /* says something about a section only */
    int (*read)(struct sdp_parsing *p, struct sdp_text value);
};

/* --- attributes of both levels -------------------------------------------- */

/* Its characters are never shown to anyone but the peer's own checks, so any
 * visible ones will do; its length is what bounds memory. */
static int read_credential(struct sdp_parsing *p, struct sdp_text value,
                           size_t least, const char *name, struct sdp_text *out)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~')
            return sdp_fail(p, ERR_SYNTAX, "%s holds a character it may not",
                            name);
    if (value.len < least || value.len > CREDENTIAL_MAX)
        return sdp_fail(p, ERR_SYNTAX, "%s has not %zu to %d characters", name,
                        least, CREDENTIAL_MAX);
    *out = value;
    return 0;
}

int sdp_read_ufrag(struct sdp_parsing *p, struct sdp_text value)
{
    return read_credential(p, value, UFRAG_MIN, "ice-ufrag", &p->media->ufrag);
}

int sdp_read_pwd(struct sdp_parsing *p, struct sdp_text value)
{
    return read_credential(p, value, PWD_MIN, "ice-pwd", &p->media->pwd);
}

static int strength(struct sdp_text hash)
{
    static const char *const names[] = {"sha-1", "sha-224", "sha-256",
                                        "sha-384", "sha-512"};

    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (sdp_like(hash, names[i])) return i + 1;
    return 0;
}

/* Of several the strongest that we know counts (RFC 8122 §5). */
static int read_fingerprint(struct sdp_parsing *p, struct sdp_text value)
{
    struct sdp_media *m = p->media;
    struct sdp_text hash = sdp_next_word(&value),
                    digits = sdp_next_word(&value);

    if (!hash.len || !digits.len)
        return sdp_fail(p, ERR_SYNTAX, "fingerprint is not \"hash digits\"");
    bool inherited =
        m != &p->session && m->fingerprint.at == p->session.fingerprint.at;
    if (m->fingerprint.len && !inherited &&
        strength(hash) <= strength(m->fingerprint_hash))
        return 0;
    m->fingerprint_hash = hash;
    m->fingerprint = digits;
    return 0;
}

static int read_setup(struct sdp_parsing *p, struct sdp_text value)
{
    static const char *const names[] = {
        [SDP_ACTPASS] = "actpass",
        [SDP_ACTIVE] = "active",
        [SDP_PASSIVE] = "passive",
    };

    for (int i = SDP_ACTPASS; i <= SDP_PASSIVE; i++) {
        if (!sdp_is(value, names[i])) continue;
        p->media->setup = (enum sdp_setup)i;
        return 0;
    }
    return sdp_fail(p, ERR_SYNTAX, "setup is none of actpass, active, passive");
}

static int read_sendrecv(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->direction = SDP_SENDRECV;
    return 0;
}

static int read_sendonly(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->direction = SDP_SENDONLY;
    return 0;
}

static int read_recvonly(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->direction = SDP_RECVONLY;
    return 0;
}

static int read_inactive(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->direction = SDP_INACTIVE;
    return 0;
}

static int read_ice_options(struct sdp_parsing *p, struct sdp_text value)
{
    /* RFC 8839 §5.6 puts spaces between them; commas are about. */
    while (value.len)
        if (sdp_is(sdp_cut(&value, " ,"), "trickle"))
            p->out->ice_trickle = true;
    return 0;
}

static int read_extmap_mixed(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->out->extmap_allow_mixed = true;
    return 0;
}

/* "ID[/direction] URI [attributes]" (RFC 8285 §5) */
static int read_extmap(struct sdp_parsing *p, struct sdp_text value)
{
    struct sdp_media *m = p->media;
    struct sdp_text head = sdp_next_word(&value), uri = sdp_next_word(&value);
    struct sdp_text digits = sdp_cut(&head, "/");
    uint32_t id;

    if (!sdp_number(digits, EXTENSION_MAX, &id) || !id || !uri.len)
        return sdp_fail(p, ERR_SYNTAX, "extmap is not \"id uri\"");
    if (id > EXTENSION_ID_MAX || m->extension_count == SDP_EXTENSIONS_MAX)
        return 0;
    m->extensions[m->extension_count].id = (uint8_t)id;
    m->extensions[m->extension_count++].uri = uri;
    return 0;
}

/* --- attributes of the session -------------------------------------------- */

static int read_ice_lite(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->out->ice_lite = true;
    return 0;
}

static int read_group(struct sdp_parsing *p, struct sdp_text value)
{
    struct sdp *s = p->out;

    if (!sdp_is(sdp_next_word(&value), "BUNDLE") || s->bundle_count) return 0;
    for (struct sdp_text mid; (mid = sdp_next_word(&value)).len;) {
        if (s->bundle_count == SDP_MEDIA_MAX)
            return sdp_fail(p, ERR_LIMIT, "more than %d sections",
                            SDP_MEDIA_MAX);
        s->bundle[s->bundle_count++] = mid;
    }
    return 0;
}

/* --- attributes of a section ---------------------------------------------- */

static int read_mid(struct sdp_parsing *p, struct sdp_text value)
{
    if (!sdp_is_token(value))
        return sdp_fail(p, ERR_SYNTAX, "mid is not one word");
    for (int i = 0; i < p->out->media_count; i++)
        if (&p->out->media[i] != p->media &&
            sdp_same(p->out->media[i].mid, value))
            return sdp_fail(p, ERR_SYNTAX, "two sections have one mid");
    p->media->mid = value;
    return 0;
}

static int read_rtcp_mux(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->rtcp_mux = true;
    return 0;
}

static int read_rtcp_mux_only(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->rtcp_mux_only = true;
    return 0;
}

static int read_rtcp_rsize(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->rtcp_rsize = true;
    return 0;
}

static int read_bundle_only(struct sdp_parsing *p, struct sdp_text value)
{
    (void)value;
    p->media->bundle_only = true;
    return 0;
}

static int read_msid(struct sdp_parsing *p, struct sdp_text value)
{
    if (!p->media->stream_id.len) p->media->stream_id = sdp_next_word(&value);
    return 0;
}

static struct sdp_codec *find_codec(struct sdp_media *m, struct sdp_text pt)
{
    uint32_t n;

    if (!sdp_number(pt, PAYLOAD_TYPE_MAX, &n)) return NULL;
    for (int i = 0; i < m->codec_count; i++)
        if (m->codecs[i].payload_type == n) return &m->codecs[i];
    return NULL;
}

/* "111 opus/48000/2". Of types that the m-line does not name: stepped over. */
static int read_rtpmap(struct sdp_parsing *p, struct sdp_text value)
{
    struct sdp_codec *c = find_codec(p->media, sdp_next_word(&value));
    struct sdp_text what = sdp_next_word(&value);
    struct sdp_text name = sdp_cut(&what, "/"), clock = sdp_cut(&what, "/");
    uint32_t rate, channels = 1;

    if (!c) return 0;
    if (!name.len || !sdp_number(clock, UINT32_MAX, &rate) || !rate)
        return sdp_fail(p, ERR_SYNTAX, "rtpmap is not \"type name/clock\"");
    if (what.len && (!sdp_number(what, CHANNELS_MAX, &channels) || !channels))
        return sdp_fail(p, ERR_SYNTAX, "rtpmap's channels are not a number");
    c->name = name;
    c->clock_rate = rate;
    c->channels = channels;
    return 0;
}

static int read_fmtp(struct sdp_parsing *p, struct sdp_text value)
{
    struct sdp_codec *c = find_codec(p->media, sdp_next_word(&value));

    while (c && value.len) {
        struct sdp_text pair = sdp_trim(sdp_cut(&value, ";"));
        struct sdp_text key = sdp_trim(sdp_cut(&pair, "="));
        if (!key.len || c->fmtp_count == SDP_FMTP_MAX) continue;
        c->fmtp[c->fmtp_count].key = key;
        c->fmtp[c->fmtp_count++].value = sdp_trim(pair);
    }
    return 0;
}

static void add_feedback(struct sdp_codec *c, struct sdp_text kind,
                         struct sdp_text what)
{
    if (sdp_is(kind, "nack") && !what.len) c->nack = true;
    if (sdp_is(kind, "nack") && sdp_is(what, "pli")) c->pli = true;
    if (sdp_is(kind, "ccm") && sdp_is(what, "fir")) c->fir = true;
    if (sdp_is(kind, "goog-remb")) c->remb = true;
    if (sdp_is(kind, "transport-cc")) c->transport_cc = true;
}

static int read_rtcp_fb(struct sdp_parsing *p, struct sdp_text value)
{
    struct sdp_media *m = p->media;
    struct sdp_text pt = sdp_next_word(&value), kind = sdp_next_word(&value);
    struct sdp_text what = sdp_next_word(&value);
    struct sdp_codec *one = find_codec(m, pt);

    for (int i = 0; sdp_is(pt, "*") && i < m->codec_count; i++)
        add_feedback(&m->codecs[i], kind, what);
    if (one) add_feedback(one, kind, what);
    return 0;
}

/* "ID send|recv [restrictions]" (RFC 8851 §10) */
static int read_rid(struct sdp_parsing *p, struct sdp_text value)
{
    struct sdp_text id = sdp_next_word(&value), way = sdp_next_word(&value);

    if (!id.len || (!sdp_is(way, "send") && !sdp_is(way, "recv")))
        return sdp_fail(p, ERR_SYNTAX, "rid is not \"id send\" or \"id recv\"");
    if (sdp_is(way, "send") && p->send_count < SDP_RIDS_MAX)
        p->sends[p->send_count++] = id;
    return 0;
}

/* "send 0;1,~2 recv 3": layers between ';', alternatives of one between ',',
 * of which the first counts; '~' begins a paused one (RFC 8853 §5.1). */
static int read_simulcast(struct sdp_parsing *p, struct sdp_text value)
{
    for (struct sdp_text way; (way = sdp_next_word(&value)).len;) {
        struct sdp_text list = sdp_next_word(&value);
        if (!list.len)
            return sdp_fail(p, ERR_SYNTAX,
                            "simulcast names a way and no layers");
        while (sdp_is(way, "send") && list.len) {
            struct sdp_text layer = sdp_cut(&list, ";"),
                            id = sdp_cut(&layer, ",");
            if (id.len && id.at[0] == '~') id.at++, id.len--;
            if (id.len && p->layer_count < SDP_RIDS_MAX)
                p->layers[p->layer_count++] = id;
        }
    }
    return 0;
}

static const struct sdp_attribute attributes[] = {
    {"rtcp-fb", true, read_rtcp_fb},
    {"rtpmap", true, read_rtpmap},
    {"fmtp", true, read_fmtp},
    {"extmap", false, read_extmap},
    {"mid", true, read_mid},
    {"ice-ufrag", false, sdp_read_ufrag},
    {"ice-pwd", false, sdp_read_pwd},
    {"ice-options", false, read_ice_options},
    {"ice-lite", false, read_ice_lite},
    {"fingerprint", false, read_fingerprint},
    {"setup", false, read_setup},
    {"sendrecv", false, read_sendrecv},
    {"sendonly", false, read_sendonly},
    {"recvonly", false, read_recvonly},
    {"inactive", false, read_inactive},
    {"rtcp-mux", true, read_rtcp_mux},
    {"rtcp-mux-only", true, read_rtcp_mux_only},
    {"rtcp-rsize", true, read_rtcp_rsize},
    {"bundle-only", true, read_bundle_only},
    {"msid", true, read_msid},
    {"rid", true, read_rid},
    {"simulcast", true, read_simulcast},
    {"group", false, read_group},
    {"extmap-allow-mixed", false, read_extmap_mixed},
};

int sdp_read_attribute(struct sdp_parsing *p, struct sdp_text line)
{
    struct sdp_text name = sdp_cut(&line, ":");

    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        const struct sdp_attribute *a = &attributes[i];
        if (!sdp_is(name, a->name)) continue;
        if (a->of_media && p->media == &p->session) return 0;
        return a->read(p, sdp_trim(line));
    }
    return 0;
}
