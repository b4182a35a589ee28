#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/rtc/sdp_priv.h"

enum { WHY_MAX = 160 };

int sdp_fail(struct sdp_parsing *p, int err, const char *format, ...)
{
    va_list args;
    int n = snprintf(p->why, WHY_MAX, "line %d: ", p->line);

    va_start(args, format);
    vsnprintf(p->why + n, (size_t)(WHY_MAX - n), format, args);
    va_end(args);
    return err;
}

bool sdp_is(struct sdp_text t, const char *word)
{
    return t.len == strlen(word) && (!t.len || !memcmp(t.at, word, t.len));
}

bool sdp_like(struct sdp_text t, const char *word)
{
    return t.len == strlen(word) && (!t.len || !strncasecmp(t.at, word, t.len));
}

bool sdp_same(struct sdp_text a, struct sdp_text b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

struct sdp_text sdp_cut(struct sdp_text *t, const char *stops)
{
    struct sdp_text word = {t->at, 0};

    while (word.len < t->len && !strchr(stops, t->at[word.len]))
        word.len++;
    size_t used = word.len < t->len ? word.len + 1 : word.len;
    t->at += used;
    t->len -= used;
    return word;
}

struct sdp_text sdp_trim(struct sdp_text t)
{
    while (t.len && strchr(" \t", t.at[0]))
        t.at++, t.len--;
    while (t.len && strchr(" \t", t.at[t.len - 1]))
        t.len--;
    return t;
}

struct sdp_text sdp_next_word(struct sdp_text *t)
{
    *t = sdp_trim(*t);
    return sdp_cut(t, " \t");
}

bool sdp_number(struct sdp_text t, uint32_t most, uint32_t *out)
{
    uint64_t n = 0;

    if (!t.len) return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] < '0' || t.at[i] > '9') return false;
        n = n * 10 + (uint64_t)(t.at[i] - '0');
        if (n > most) return false;
    }
    *out = (uint32_t)n;
    return true;
}

struct sdp_text sdp_fmtp(const struct sdp_codec *c, const char *key)
{
    for (int i = 0; i < c->fmtp_count; i++)
        if (sdp_like(c->fmtp[i].key, key)) return c->fmtp[i].value;
    return (struct sdp_text){0};
}

bool sdp_is_token(struct sdp_text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.at[i] <= ' ' || t.at[i] > '~') return false;
    return t.len > 0;
}
