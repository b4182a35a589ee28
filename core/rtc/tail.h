/* core/rtc/tail.h — what is left of a DTLS association once its SRTP keys are
 * out: enough to understand an alert and to say close_notify, in a hundred
 * bytes where OpenSSL keeps 38 KB. AEAD suites only. Pure.
 * Source: RFC 6347 §4.1 (records); RFC 5246 §6.3 (keys), §7.2 (alerts);
 * RFC 5288 §3 (GCM), RFC 7905 §2 (ChaCha20). */
#ifndef CORE_RTC_TAIL_H
#define CORE_RTC_TAIL_H
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAIL_KEY_MAX = 32, TAIL_IV_MAX = 12, TAIL_ALERT_BYTES = 64 };

struct tail_way {
    uint8_t key[TAIL_KEY_MAX], iv[TAIL_IV_MAX];
};
struct tail {
    const EVP_CIPHER *cipher;
    bool is_chacha;
    struct tail_way in, out;
};

enum tail_news { TAIL_NOTHING, TAIL_CLOSED, TAIL_FAILED };

/* Of a finished handshake. 0 or ERR_UNSUPPORTED (another kind of suite). */
int tail_init(struct tail *t, SSL *ssl, bool is_client);
/* What a datagram's records say; forged ones say nothing. */
enum tail_news tail_feed(const struct tail *t, const uint8_t *data, size_t len);
/* A close_notify; the bytes written, 0 if OpenSSL has no memory. */
size_t tail_write_close(const struct tail *t, uint8_t out[TAIL_ALERT_BYTES]);

#endif
