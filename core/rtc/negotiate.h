/* core/rtc/negotiate.h — from an offer to what we shall do, and to the answer.
 * One audio and one video section at most are taken; all others are answered
 * with port 0. Pure. Source: RFC 9725 §4.2, draft-ietf-wish-whep §4; RFC 9429
 * §5.3 (answers); RFC 6184 §8.1–8.2 (H.264); RFC 7587 §6 (Opus); RFC 4588 §8
 * (rtx). */
#ifndef CORE_RTC_NEGOTIATE_H
#define CORE_RTC_NEGOTIATE_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/rtc/peer.h"
#include "core/rtc/sdp.h"

enum { NEGOTIATED_RIDS_MAX = SDP_RIDS_MAX, NEGOTIATED_H264_MAX = 8 };

/* Ids of header extensions as the offer numbers them; 0: not offered. */
struct rtc_extensions {
    uint8_t mid, rid, repaired_rid, transport_cc, abs_send_time,
        abs_capture_time, playout_delay;
};

struct rtc_h264 { /* one acceptable payload type, packetization-mode 1 */
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: none */
    uint8_t profile_idc, constraints;
};

struct rtc_section {
    bool used;
    int index; /* of the m-line */
    char mid[64];
    /* Video: h264[0] is what a sender prefers, or for playing the best match;
     * all that were accepted are listed. */
    struct rtc_h264 h264[NEGOTIATED_H264_MAX];
    int h264_count;
    uint8_t opus_payload_type;
    bool nack, pli, fir, remb, transport_cc;
    struct rtc_extensions extensions;
    char rids[NEGOTIATED_RIDS_MAX][32]; /* publish: simulcast layers */
    int rid_count;
};

struct rtc_negotiated {
    struct rtc_section video, audio;
    struct rtc_credentials remote;
    struct rtc_fingerprint fingerprint;
    bool dtls_client; /* we start: the offer is setup:passive */
};

/* A viewer's offer. want_video, want_audio: what the channel has.
 * profile_idc: of the renditions that we send (66 Constrained Baseline,
 * 77 Main, 100 High; not 0), chosen best match: the same profile, else one a
 * decoder of which must cope (High covers Main covers Constrained Baseline),
 * else any H.264 with mode 1: browsers decode all. 0; ERR_SYNTAX (malformed:
 * HTTP 400), ERR_UNSUPPORTED (well-formed, not for us: 406 or 422) with a
 * sentence in why. */
int rtc_negotiate_play(struct rtc_negotiated *out, const struct sdp *offer,
                       bool want_video, bool want_audio, uint8_t profile_idc,
                       char why[160]);
/* A publisher's offer; more than one track of a kind is refused. */
int rtc_negotiate_publish(struct rtc_negotiated *out, const struct sdp *offer,
                          char why[160]);

struct rtc_candidate {
    const char *address;
    int port;
    bool tcp;
};
struct rtc_answer {
    bool sends; /* we send (WHEP) */
    const struct rtc_negotiated *negotiated;
    const struct rtc_credentials *local;
    const char *fingerprint; /* of our certificate: "AB:CD:…", SHA-256 */
    const struct rtc_candidate *candidates; /* in the order to write them */
    int candidate_count;
    /* WHEP: what we send. cname and stream id are one for both kinds. */
    uint32_t video_ssrc, rtx_ssrc, audio_ssrc; /* rtx 0: none */
    const char *cname;
};
/* Appends the answer to b (limit: SDP_BYTES_MAX). 0 or ERR_NOMEM. */
int rtc_answer_write(struct builder *b, const struct sdp *offer,
                     const struct rtc_answer *a);
/* A restart's answer: application/trickle-ice-sdpfrag with ice-lite. */
int rtc_fragment_write(struct builder *b, const struct rtc_credentials *local,
                       const char *mid, const struct rtc_candidate *candidates,
                       int count);

#endif
