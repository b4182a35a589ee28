#include "tests/rtc_client.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rtc/rtp.h"
#include "core/rtc/stun.h"

enum {
    CHECK_AGAIN_US = 50 * 1000,
    CHECK_REFRESH_US = 2500 * 1000,
    PACKET_MAX = 1500,
};

struct rtc_client {
    struct rtc_client_conf conf;
    struct rtc_credentials local, remote;
    enum rtc_client_state state;
    struct dtls *dtls;
    struct rtc_crypt *crypt;
    const char *why;
    int64_t check_at, dtls_at; /* 0: not due */
    int answered, refused;
};

static void random_text(char *out, int n)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[64];

    RAND_bytes(bytes, n);
    for (int i = 0; i < n; i++)
        out[i] = letters[bytes[i] & 63];
    out[n] = 0;
}

int rtc_client_create(struct rtc_client **out,
                      const struct rtc_client_conf *conf)
{
    struct rtc_client *c = calloc(1, sizeof *c);

    if (!c) return ERR_NOMEM;
    c->conf = *conf;
    c->why = "";
    random_text(c->local.ufrag, 4);
    random_text(c->local.pwd, 24);
    *out = c;
    return 0;
}

static void send_all(struct rtc_client *c, const struct dtls_out *out)
{
    const uint8_t *at = out->data;

    for (int i = 0; i < out->count; at += out->lens[i++])
        c->conf.send(at, out->lens[i], c->conf.arg);
}

void rtc_client_free(struct rtc_client **c)
{
    struct rtc_client *last = *c;
    struct dtls_out out = {.count = 0};

    *c = NULL;
    if (!last) return;
    if (last->dtls) dtls_close(last->dtls, &out);
    send_all(last, &out);
    dtls_free(&last->dtls);
    rtc_crypt_free(&last->crypt);
    free(last);
}

const struct rtc_credentials *rtc_client_credentials(const struct rtc_client *c)
{
    return &c->local;
}

void rtc_client_fingerprint(const struct rtc_client *c,
                            struct rtc_fingerprint *out)
{
    rtc_client_parse_fingerprint(out,
                                 rtc_identity_fingerprint(c->conf.identity));
}

bool rtc_client_parse_fingerprint(struct rtc_fingerprint *out, const char *text)
{
    *out = (struct rtc_fingerprint){.hash = RTC_SHA256, .len = 32};
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        if (sscanf(text + 3 * i, "%2x", &byte) != 1) return false;
        out->bytes[i] = (uint8_t)byte;
    }
    return true;
}

void rtc_client_check(struct rtc_client *c, bool nominate)
{
    char username[2 * RTC_UFRAG_MAX + 2];
    uint8_t data[STUN_REQUEST_MAX];
    struct stun_request r = {.username = username,
                             .pwd = c->remote.pwd,
                             .priority = 1845501695,
                             .controlling = 0x1122334455667788,
                             .use_candidate = nominate};

    snprintf(username, sizeof username, "%s:%s", c->remote.ufrag,
             c->local.ufrag);
    RAND_bytes(r.transaction, sizeof r.transaction);
    size_t n = stun_write_request(data, &r);
    if (n) c->conf.send(data, n, c->conf.arg);
}

void rtc_client_start(struct rtc_client *c,
                      const struct rtc_credentials *remote,
                      const struct rtc_fingerprint *fingerprint, int64_t now)
{
    c->remote = *remote;
    if (!c->dtls && dtls_create(&c->dtls, c->conf.identity,
                                !c->conf.dtls_server, fingerprint)) {
        c->state = CLIENT_ENDED;
        return;
    }
    if (c->state == CLIENT_NEW) c->state = CLIENT_CHECKING;
    rtc_client_check(c, true);
    c->check_at = now + CHECK_AGAIN_US;
}

static void end(struct rtc_client *c, const char *why)
{
    c->state = CLIENT_ENDED;
    c->why = why;
}

static void after_step(struct rtc_client *c, enum dtls_state state, int64_t now)
{
    struct crypt_key ours, theirs;
    enum crypt_profile profile;
    int64_t wait_us = dtls_wait_us(c->dtls);

    c->dtls_at = wait_us >= 0 ? now + wait_us : 0;
    if (state == DTLS_ENDED) {
        end(c, dtls_why(c->dtls));
    } else if (state == DTLS_READY && !c->crypt) {
        if (dtls_export(c->dtls, &profile, &ours, &theirs) ||
            rtc_crypt_create(&c->crypt, profile, &ours, &theirs)) {
            end(c, "no keys");
            return;
        }
        c->state = CLIENT_CONNECTED;
        dtls_shrink(c->dtls);
        if (c->conf.on_connected) c->conf.on_connected(c->conf.arg);
    }
}

static void feed_dtls(struct rtc_client *c, const uint8_t *data, size_t len,
                      int64_t now)
{
    struct dtls_out out = {.count = 0};
    enum dtls_state state = dtls_feed(c->dtls, data, len, &out);

    send_all(c, &out);
    after_step(c, state, now);
}

static void feed_stun(struct rtc_client *c, const uint8_t *data, size_t len,
                      int64_t now)
{
    struct stun_message m;

    if (stun_parse(&m, data, len) || m.type != STUN_SUCCESS) return;
    if (!stun_is_signed_by(&m, c->remote.pwd)) return;
    c->answered++;
    c->check_at = now + CHECK_REFRESH_US;
    if (c->state != CLIENT_CHECKING) return;
    c->state = CLIENT_SHAKING;
    if (!c->conf.dtls_server) feed_dtls(c, NULL, 0, now);
}

static void feed_media(struct rtc_client *c, uint8_t *data, size_t len,
                       bool is_control)
{
    int err;

    if (!c->crypt) return;
    if (c->conf.on_sealed &&
        !c->conf.on_sealed(data, len, is_control, c->conf.arg))
        return;
    err = is_control ? rtc_crypt_unprotect_rtcp(c->crypt, data, &len)
                     : rtc_crypt_unprotect(c->crypt, data, &len);
    if (err)
        c->refused++;
    else if (c->conf.on_media)
        c->conf.on_media(data, len, is_control, c->conf.arg);
}

void rtc_client_feed(struct rtc_client *c, uint8_t *data, size_t len,
                     int64_t now)
{
    enum rtp_kind kind = rtp_classify(data, len);

    if (c->state == CLIENT_NEW || c->state == CLIENT_ENDED) return;
    if (kind == RTP_STUN)
        feed_stun(c, data, len, now);
    else if (kind == RTP_DTLS)
        feed_dtls(c, data, len, now);
    else if (kind != RTP_UNKNOWN)
        feed_media(c, data, len, kind == RTP_CONTROL);
}

int64_t rtc_client_tick(struct rtc_client *c, int64_t now)
{
    if (c->state == CLIENT_NEW || c->state == CLIENT_ENDED) return INT64_MAX;
    if (now >= c->check_at) {
        rtc_client_check(c, true);
        c->check_at = now + (c->state == CLIENT_CHECKING ? CHECK_AGAIN_US
                                                         : CHECK_REFRESH_US);
    }
    if (c->dtls_at && now >= c->dtls_at) {
        struct dtls_out out = {.count = 0};
        enum dtls_state state = dtls_tick(c->dtls, &out);
        send_all(c, &out);
        after_step(c, state, now);
    }
    return c->dtls_at && c->dtls_at < c->check_at ? c->dtls_at : c->check_at;
}

enum rtc_client_state rtc_client_state(const struct rtc_client *c)
{
    return c->state;
}

const char *rtc_client_why(const struct rtc_client *c)
{
    return c->why;
}

struct rtc_crypt *rtc_client_crypt(struct rtc_client *c)
{
    return c->crypt;
}

int rtc_client_answered(const struct rtc_client *c)
{
    return c->answered;
}

int rtc_client_refused(const struct rtc_client *c)
{
    return c->refused;
}

void rtc_client_send_rtp(struct rtc_client *c, const uint8_t *data,
                         size_t header_len, size_t len)
{
    uint8_t packet[PACKET_MAX];

    if (!c->crypt || len + RTC_TAG_MAX > sizeof packet) return;
    memcpy(packet, data, len);
    len = rtc_crypt_protect(c->crypt, packet, header_len, len);
    c->conf.send(packet, len, c->conf.arg);
}

void rtc_client_send_rtcp(struct rtc_client *c, const uint8_t *data, size_t len)
{
    uint8_t packet[PACKET_MAX];

    if (!c->crypt || len + RTC_TAG_MAX > sizeof packet) return;
    memcpy(packet, data, len);
    len = rtc_crypt_protect_rtcp(c->crypt, packet, len);
    c->conf.send(packet, len, c->conf.arg);
}
