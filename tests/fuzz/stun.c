/* tests/fuzz/stun.c — STUN messages, and an ICE agent that is sent them. The
 * first byte makes it sign what follows with the agent's own credentials, so
 * that whatever attributes come are also seen behind the integrity check. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/base/assert.h"
#include "core/rtc/ice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void feed(struct ice *i, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct net_path from;
    struct ice_result out;

    memset(&from, 0, sizeof from);
    from.port = len ? data[len - 1] : 0;
    if (len) memcpy(copy, data, len);
    ice_input(i, copy, len, &from, (int64_t)len, &out);
    INVARIANT(out.reply_len <= STUN_REPLY_MAX &&
              i->path_count <= ICE_PATHS_MAX);
    if (out.valid) INVARIANT(ice_is_proved(i, &from) && ice_selected(i));
    if (out.reply_len) {
        struct stun_message m;

        INVARIANT(!stun_parse(&m, out.reply, out.reply_len));
        INVARIANT(stun_is_signed_by(&m, i->local.pwd));
    }
    free(copy);
}

static void put_length(uint8_t *d, size_t body)
{
    d[2] = (uint8_t)(body >> 8);
    d[3] = (uint8_t)body;
}

/* A check that is signed, fuzzed attributes first. */
static void feed_signed(struct ice *i, const uint8_t *data, size_t len)
{
    char name[64];
    uint8_t d[STUN_MAX + STUN_REQUEST_MAX];
    struct stun_request r = {.username = name, .pwd = i->local.pwd};
    size_t n, mac_len;
    uint32_t crc;

    snprintf(name, sizeof name, "%s:x", i->local.ufrag);
    n = stun_write_request(d, &r);
    len &= ~(size_t)3;
    if (!n || len > STUN_MAX - n) return;
    memmove(d + 20 + len, d + 20, n - 20);
    memcpy(d + 20, data, len);
    n += len;
    put_length(d, n - 20 - 8); /* as when it was signed: no fingerprint */
    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, i->local.pwd,
                   strlen(i->local.pwd), d, n - 32, d + n - 28, 20, &mac_len))
        return;
    put_length(d, n - 20);
    crc = (uint32_t)crc32(0, d, (uInt)n - 8) ^ 0x5354554e;
    for (int k = 0; k < 4; k++)
        d[n - 4 + (size_t)k] = (uint8_t)(crc >> (24 - 8 * k));
    feed(i, d, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct rtc_credentials remote = {"them", "password"};
    struct stun_message m;
    const char *ufrag;
    size_t n;
    struct ice i;

    if (!len || ice_init(&i, 3, &remote, 0)) return 0;
    if (!stun_local_ufrag(data + 1, len - 1, &ufrag, &n)) INVARIANT(n < len);
    if (!stun_parse(&m, data + 1, len - 1)) {
        uint8_t reply[STUN_REPLY_MAX];

        INVARIANT(!m.username || m.username_len < len);
        stun_is_signed_by(&m, "VOkJxbRl1RmTxUk/WvJxBt");
        INVARIANT(stun_write_unknown(reply, &m, "x") <= STUN_REPLY_MAX);
    }
    if (data[0] & 1)
        feed_signed(&i, data + 1, len - 1);
    else
        feed(&i, data + 1, len - 1);
    return 0;
}
