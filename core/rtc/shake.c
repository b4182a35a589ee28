#include "core/rtc/shake.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rtc/identity_priv.h"

int shake_create(struct shake **out, struct rtc_peer *p, struct rtc_identity *i)
{
    struct shake *s = malloc(sizeof *s);

    if (!s) return ERR_NOMEM;
    memset(s, 0, offsetof(struct shake, in)); /* not the buffers */
    s->in_count = 0;
    s->in_len = 0;
    s->state = DTLS_SHAKING;
    s->why = "";
    s->out.count = 0;
    s->out.len = 0;
    s->wait_us = -1;
    s->peer = p;
    s->identity = rtc_identity_ref(i);
    *out = s;
    return 0;
}

void shake_free(struct shake **s)
{
    struct shake *last = *s;

    *s = NULL;
    if (!last) return;
    dtls_free(&last->dtls);
    rtc_crypt_free(&last->crypt);
    rtc_identity_free(&last->identity);
    free(last);
}

bool shake_add(struct shake *s, const uint8_t *data, size_t len)
{
    if (s->in_count == SHAKE_DATAGRAMS || len > sizeof s->in - s->in_len)
        return false;
    memcpy(s->in + s->in_len, data, len);
    s->in_len += len;
    s->in_lens[s->in_count++] = (uint16_t)len;
    return true;
}

static void take_keys(struct shake *s)
{
    struct crypt_key ours, theirs;
    enum crypt_profile profile;
    int err = dtls_export(s->dtls, &profile, &ours, &theirs);

    if (!err) err = rtc_crypt_create(&s->crypt, profile, &ours, &theirs);
    if (err) {
        s->state = DTLS_ENDED;
        s->why = "no keys could be made";
    }
}

static void run(void *arg)
{
    struct shake *s = arg;
    const uint8_t *at = s->in;

    if (s->dtls) {
        s->state = dtls_tick(s->dtls, &s->out);
    } else {
        if (dtls_create(&s->dtls, s->identity, s->client, &s->fingerprint))
            return; /* the other side sends again */
        if (s->client) s->state = dtls_feed(s->dtls, NULL, 0, &s->out);
    }
    for (int i = 0; i < s->in_count; at += s->in_lens[i++])
        s->state = dtls_feed(s->dtls, at, s->in_lens[i], &s->out);
    s->why = dtls_why(s->dtls);
    s->wait_us = dtls_wait_us(s->dtls);
    if (s->state == DTLS_READY) take_keys(s);
}

int shake_submit(struct shake *s, struct workers *w, loop_fn *done,
                 struct loop *back)
{
    return workers_submit(w, run, done, s, back);
}
