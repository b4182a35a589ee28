/* core/rtc/negotiate_priv.h — what deciding (negotiate.c) and writing it down
 * (answer.c) share. */
#ifndef CORE_RTC_NEGOTIATE_PRIV_H
#define CORE_RTC_NEGOTIATE_PRIV_H
#include "core/rtc/negotiate.h"

enum { NEGOTIATE_EXTENSIONS = 7 };

/* The codec of a payload type; NULL if m has none. */
const struct sdp_codec *negotiate_codec_of(const struct sdp_media *m,
                                           uint8_t payload_type);
bool negotiate_is_number(struct sdp_text t, uint32_t wanted);
/* The first section of the bundle is its transport and cannot be refused once
 * others use it (RFC 9143 §7.3.3; browsers of max-bundle insist). If nobody
 * wants its media it is answered inactive, with this codec; NULL: not so. */
const struct sdp_codec *negotiate_idle(const struct sdp *offer,
                                       const struct rtc_negotiated *n,
                                       int index);
bool negotiate_is_bundled(const struct sdp *offer, struct sdp_text mid);
/* The id of the i-th extension that we know, 0: not in use. */
uint8_t negotiate_extension(const struct rtc_extensions *e, int i,
                            const char **uri);

#endif
