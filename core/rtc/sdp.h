/* core/rtc/sdp.h — SDP as parsed values. Everything borrows the text it was
 * parsed from (as offset views), nothing is found by string match.
 * Pure. Source: RFC 8866; attributes: RFC 8839 (ICE), 8122 (fingerprint),
 * 8842 (setup), 9143 (BUNDLE), 8285 (extmap), 4585 (rtcp-fb), 8851–8853 (rid,
 * simulcast), 5576 (ssrc). sdpfrag: RFC 8840 §4.4. */
#ifndef CORE_RTC_SDP_H
#define CORE_RTC_SDP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SDP_BYTES_MAX = 64 << 10,
    SDP_LINES_MAX = 1500,
    SDP_MEDIA_MAX = 16,
    SDP_CODECS_MAX = 64, /* of one m-line */
    SDP_EXTENSIONS_MAX = 32,
    SDP_RIDS_MAX = 8,
    SDP_FMTP_MAX = 12, /* key=value pairs of one format */
};

struct sdp_text { /* a view; not NUL-terminated */
    const char *at;
    size_t len;
};
bool sdp_is(struct sdp_text t, const char *word);   /* case counts */
bool sdp_like(struct sdp_text t, const char *word); /* case does not */
bool sdp_same(struct sdp_text a, struct sdp_text b);
/* Decimal digits, 0 .. most. */
bool sdp_number(struct sdp_text t, uint32_t most, uint32_t *out);

enum sdp_kind { SDP_AUDIO, SDP_VIDEO, SDP_APPLICATION, SDP_OTHER };
enum sdp_direction {
    SDP_SENDRECV = 3,
    SDP_SENDONLY = 1,
    SDP_RECVONLY = 2,
    SDP_INACTIVE = 0,
};
enum sdp_setup { SDP_SETUP_NONE, SDP_ACTPASS, SDP_ACTIVE, SDP_PASSIVE };

struct sdp_codec {
    uint8_t payload_type;
    struct sdp_text name; /* "H264" */
    uint32_t clock_rate;
    uint32_t channels; /* 1 when not said */
    struct {
        struct sdp_text key, value;
    } fmtp[SDP_FMTP_MAX];
    int fmtp_count;
    bool nack, pli, fir, remb, transport_cc; /* rtcp-fb, those of * included */
};
/* The value of a format parameter; {NULL,0} if absent. Keys in any case. */
struct sdp_text sdp_fmtp(const struct sdp_codec *c, const char *key);

struct sdp_media {
    enum sdp_kind kind;
    struct sdp_text name; /* the first word of the m-line */
    struct sdp_text protocol;
    uint16_t port;
    struct sdp_text mid, ufrag, pwd;
    struct sdp_text fingerprint_hash, fingerprint; /* session's if not here */
    struct sdp_text formats; /* as written, for a refusal's m-line */
    enum sdp_setup setup;
    enum sdp_direction direction;
    bool rtcp_mux, rtcp_mux_only, rtcp_rsize, bundle_only;
    struct sdp_codec *codecs; /* in order of preference */
    int codec_count;
    struct {
        uint8_t id;
        struct sdp_text uri;
    } extensions[SDP_EXTENSIONS_MAX];
    int extension_count;
    struct sdp_text rids[SDP_RIDS_MAX]; /* a=rid:… send, those in simulcast */
    int rid_count;
    struct sdp_text stream_id; /* msid */
};

struct sdp {
    struct sdp_media media[SDP_MEDIA_MAX];
    int media_count;
    struct sdp_text bundle[SDP_MEDIA_MAX]; /* mids of the first BUNDLE group */
    int bundle_count;
    bool ice_lite, ice_trickle, extmap_allow_mixed;
};

/* Borrows text, which must outlive *out. why: what is wrong and in which line,
 * as a sentence. 0, ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM. */
int sdp_parse(struct sdp **out, const char *text, size_t len, char why[160]);
void sdp_free(struct sdp **s);

/* application/trickle-ice-sdpfrag: the first m-section's or the session's
 * credentials; candidates are counted and stepped over (ICE-lite has no use
 * for them). */
struct sdp_fragment {
    struct sdp_text ufrag, pwd;
    int candidates;
    bool end_of_candidates;
};
int sdp_fragment_parse(struct sdp_fragment *out, const char *text, size_t len,
                       char why[160]);

#endif
