/* tests/fuzz/dtls.c — datagrams of a stranger: each is a length (two bytes) and
 * its bytes. They go to an association that waits for its first flight, to one
 * whose handshake is over, to what stays of it, and to SRTP. */
#include <string.h>

#include "core/base/assert.h"
#include "core/rtc/dtls.h"
#include "core/rtc/rtp.h"
#include "tests/rtc_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct ends {
    struct rtc_identity *ours, *theirs;
    struct rtc_fingerprint of_ours, of_theirs;
    struct dtls *client, *server;
};

static void prepare(struct ends *e)
{
    if (e->ours) return;
    INVARIANT(!rtc_identity_create(&e->ours));
    INVARIANT(!rtc_identity_create(&e->theirs));
    rtc_client_parse_fingerprint(&e->of_ours,
                                 rtc_identity_fingerprint(e->ours));
    rtc_client_parse_fingerprint(&e->of_theirs,
                                 rtc_identity_fingerprint(e->theirs));
}

static enum dtls_state carry(struct dtls *to, const struct dtls_out *from,
                             struct dtls_out *back)
{
    const uint8_t *at = from->data;
    enum dtls_state state = DTLS_SHAKING;

    back->count = 0, back->len = 0;
    for (int i = 0; i < from->count; at += from->lens[i++])
        state = dtls_feed(to, at, from->lens[i], back);
    return state;
}

static void shake(struct ends *e)
{
    struct dtls_out a = {.count = 0}, b;
    enum dtls_state state;

    INVARIANT(!dtls_create(&e->client, e->theirs, true, &e->of_ours));
    INVARIANT(!dtls_create(&e->server, e->ours, false, &e->of_theirs));
    dtls_feed(e->client, NULL, 0, &a);
    do {
        carry(e->server, &a, &b);
        state = carry(e->client, &b, &a);
    } while (state == DTLS_SHAKING);
    INVARIANT(state == DTLS_READY);
}

static void feed(struct dtls *d, struct rtc_crypt *crypt, const uint8_t *data,
                 size_t len)
{
    struct dtls_out out = {.count = 0};
    uint8_t copy[2048];
    size_t n = len;

    dtls_feed(d, data, len, &out);
    INVARIANT(out.len <= sizeof out.data);
    if (!crypt || len > sizeof copy) return;
    memcpy(copy, data, len);
    rtc_crypt_unprotect(crypt, copy, &n);
    n = len;
    memcpy(copy, data, len);
    rtc_crypt_unprotect_rtcp(crypt, copy, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ends e;
    static struct rtc_crypt *crypts[2];
    struct crypt_key key = {{1}, {2}};
    int mode;

    if (!size) return 0;
    prepare(&e);
    for (int i = 0; i < 2; i++)
        if (!crypts[i])
            INVARIANT(!rtc_crypt_create(&crypts[i], (enum crypt_profile)i, &key,
                                        &key));
    mode = data[0] % 4;
    data++, size--;
    if (mode < 2)
        INVARIANT(!dtls_create(&e.server, e.ours, mode == 1, &e.of_theirs));
    else
        shake(&e);
    if (mode == 3) dtls_settle(e.server);
    while (size >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2, size -= 2;
        if (len > size) len = size;
        feed(e.server, crypts[mode % 2], data, len);
        data += len, size -= len;
    }
    dtls_free(&e.client);
    dtls_free(&e.server);
    return 0;
}
