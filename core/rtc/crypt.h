/* core/rtc/crypt.h — SRTP and SRTCP of one peer. What goes out is sealed by
 * OpenSSL (0.8 µs per 1,200 bytes with GCM, where libsrtp on NSS takes 7–25);
 * what comes in is opened by libsrtp2, which also judges our sender in tests.
 * Made on a worker (srtp_create costs 1.2 ms), then used by one loop.
 *
 *   RTP   header | sealed payload | tag              AEAD_AES_128_GCM: tag 16
 *                                                    AES_CM_128_HMAC_SHA1_80:
 * 10 RTCP  header, SSRC | sealed rest | tag | E+index             GCM RTCP
 * header, SSRC | sealed rest | E+index | tag             SHA1_80
 *
 * Source: RFC 3711 §3.3, §3.4, §4.1–4.3; RFC 7714 §8, §9, §11; RFC 5764 §4.2.
 */
#ifndef CORE_RTC_CRYPT_H
#define CORE_RTC_CRYPT_H
#include <stddef.h>
#include <stdint.h>

enum {
    CRYPT_KEY_BYTES = 16,
    CRYPT_SALT_MAX = 14,
    CRYPT_STREAMS_OUT = 8, /* SSRCs that we send: ours, so more is a defect */
    CRYPT_STREAMS_IN = 32, /* SSRCs that we take; others: ERR_LIMIT */
};

enum crypt_profile { CRYPT_GCM, CRYPT_SHA1_80 };

struct crypt_key { /* master key and salt of one direction */
    uint8_t key[CRYPT_KEY_BYTES];
    uint8_t salt[CRYPT_SALT_MAX]; /* GCM: 12 */
};

struct rtc_crypt;

/* libsrtp's own start, before the first crypt: rtc_identity_create() does it.
 * Any thread, any number of times. 0 or ERR_IO. */
int rtc_crypt_start(void);

/* 0, ERR_NOMEM or ERR_IO. Any thread. */
int rtc_crypt_create(struct rtc_crypt **out, enum crypt_profile profile,
                     const struct crypt_key *ours,
                     const struct crypt_key *theirs);
/* Takes *c; NULL is fine. */
void rtc_crypt_free(struct rtc_crypt **c);

/* Seal in place; data has room for RTC_TAG_MAX more bytes. Return the new
 * length. Numbers of a packet that was sent before (a retransmission) give the
 * same bytes again: never seal other content under them. */
size_t rtc_crypt_protect(struct rtc_crypt *c, uint8_t *data, size_t header_len,
                         size_t len);
size_t rtc_crypt_protect_rtcp(struct rtc_crypt *c, uint8_t *data, size_t len);

/* Open in place; *len becomes the plain length. 0; ERR_SYNTAX (not a packet),
 * ERR_DENIED (forged or broken), ERR_EXISTS (seen, or too old to know),
 * ERR_LIMIT (one SSRC too many). */
int rtc_crypt_unprotect(struct rtc_crypt *c, uint8_t *data, size_t *len);
int rtc_crypt_unprotect_rtcp(struct rtc_crypt *c, uint8_t *data, size_t *len);

#endif
