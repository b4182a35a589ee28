/* core/rtc/identity_priv.h — what dtls.c and identity.c share. */
#ifndef CORE_RTC_IDENTITY_PRIV_H
#define CORE_RTC_IDENTITY_PRIV_H
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "core/rtc/host.h"

struct rtc_identity { /* immutable once made: any thread */
    atomic_int refs;  /* its maker's, and one of each association */
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    char fingerprint[32 * 3];
};

struct rtc_identity *rtc_identity_ref(struct rtc_identity *i);

/* In dtls.c. */
BIO_METHOD *dtls_bio_method(void);
int dtls_verify(X509_STORE_CTX *store, void *unused);

#endif
