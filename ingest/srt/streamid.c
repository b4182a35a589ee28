#include "ingest/srt/streamid.h"

#include <string.h>

#include "core/base/err.h"
#include "ingest/priority.h"

enum { PAIRS_MAX = 16 };

/* Borrowed text with its length. */
struct piece {
    const char *at;
    size_t len;
};

static bool is_text(struct piece p, const char *text)
{
    return p.len == strlen(text) && !memcmp(p.at, text, p.len);
}

/* What lies before the first c, and what behind it; false without one. */
static bool split(struct piece p, char c, struct piece *before,
                  struct piece *behind)
{
    const char *at = p.len ? memchr(p.at, c, p.len) : NULL;

    if (!at) return false;
    size_t n = (size_t)(at - p.at);
    *behind = (struct piece){at + 1, p.len - n - 1};
    *before = (struct piece){p.at, n};
    return true;
}

static struct piece last_element(struct piece path)
{
    struct piece before;

    while (split(path, '/', &before, &path))
        ;
    return path;
}

static int copy(char *out, size_t size, struct piece from)
{
    if (from.len >= size) return ERR_LIMIT;
    if (from.len) memcpy(out, from.at, from.len);
    out[from.len] = '\0';
    return 0;
}

static int set_mode(struct srt_streamid *s, struct piece word)
{
    if (is_text(word, "publish"))
        s->mode = SRT_MODE_PUBLISH;
    else if (is_text(word, "request") || is_text(word, "read") ||
             is_text(word, "play"))
        s->mode = SRT_MODE_REQUEST;
    else if (is_text(word, "bidirectional"))
        s->mode = SRT_MODE_BIDIRECTIONAL;
    else
        return ERR_SYNTAX;
    return 0;
}

/* --- #!:: -------------------------------------------------------------------
 */

struct pairs {
    struct piece user, resource, host, session, type, mode, priority;
};

static struct piece *field_of(struct pairs *p, struct piece key)
{
    if (is_text(key, "priority")) return &p->priority;
    if (key.len != 1) return NULL;
    switch (key.at[0]) {
    case 'u': return &p->user;
    case 'r': return &p->resource;
    case 'h': return &p->host;
    case 's': return &p->session;
    case 't': return &p->type;
    case 'm': return &p->mode;
    default: return NULL;
    }
}

/* Other keys of more letters are somebody's own, other letters are reserved:
 * both are let go. */
static int read_pairs(struct pairs *out, struct piece all)
{
    struct piece pair, key, value, *field;
    bool more = true;

    for (int i = 0; more; i++) {
        if (i == PAIRS_MAX) return ERR_LIMIT;
        more = split(all, ',', &pair, &all);
        if (!more) pair = all;
        if (!pair.len && !more) break; /* a comma at the end */
        if (!split(pair, '=', &key, &value) || !key.len) return ERR_SYNTAX;
        field = field_of(out, key);
        if (!field) continue;
        if (field->at) return ERR_SYNTAX; /* twice */
        *field = value;
    }
    return 0;
}

static int parse_pairs(struct srt_streamid *s, struct piece all)
{
    struct pairs p = {0};
    int err = read_pairs(&p, all);

    if (!err && p.type.at && !is_text(p.type, "stream")) return ERR_UNSUPPORTED;
    if (!err && p.mode.at) err = set_mode(s, p.mode);
    if (!err && p.priority.at)
        err = priority_parse(&s->priority, p.priority.at, p.priority.len);
    if (err) return err;
    if (p.user.len) {
        err = copy(s->key, sizeof s->key, p.user);
        if (err) return err;
        return copy(s->channel, sizeof s->channel, last_element(p.resource));
    }
    s->from_resource = true;
    return copy(s->key, sizeof s->key,
                last_element(p.resource.len ? p.resource : p.host));
}

/* --- the free forms ----------------------------------------------------------
 */

static int parse_query(struct srt_streamid *s, struct piece query)
{
    struct piece pair, key, value;
    bool more = true, ranked = false;

    while (more) {
        more = split(query, '&', &pair, &query);
        if (!more) pair = query;
        if (!split(pair, '=', &key, &value)) continue;
        bool priority = is_text(key, "priority");
        int err = 0;
        if (is_text(key, "m")) err = set_mode(s, value);
        if (priority)
            err = ranked ? ERR_RANGE
                         : priority_parse(&s->priority, value.at, value.len);
        if (err) return err;
        ranked |= priority;
    }
    return 0;
}

/* CHANNEL:USER:KEY, or one element. */
static int parse_named(struct srt_streamid *s, struct piece rest)
{
    struct piece path, user, key;
    int err;

    if (!split(rest, ':', &path, &rest))
        return copy(s->key, sizeof s->key, last_element(rest));
    if (!split(rest, ':', &user, &key)) return ERR_SYNTAX;
    err = copy(s->channel, sizeof s->channel, last_element(path));
    return err ? err : copy(s->key, sizeof s->key, key);
}

static int parse_free(struct srt_streamid *s, struct piece all)
{
    struct piece word, rest, query;

    if (split(all, '?', &rest, &query)) {
        int err = parse_query(s, query);
        if (err) return err;
        all = rest;
    }
    if (split(all, ':', &word, &rest) && !set_mode(s, word))
        return parse_named(s, rest);
    if (split(all, '/', &word, &rest)) set_mode(s, word);
    return copy(s->key, sizeof s->key, last_element(all));
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns how many bytes are left of len. */
static size_t decode(char *out, const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bool coded = text[i] == '%' && i + 2 < len && digit(text[i + 1]) >= 0 &&
                     digit(text[i + 2]) >= 0;
        out[n++] = coded ? (char)(digit(text[i + 1]) << 4 | digit(text[i + 2]))
                         : text[i];
        if (coded) i += 2;
    }
    return n;
}

int srt_streamid_parse(struct srt_streamid *out, const char *text, size_t len)
{
    struct srt_streamid made = {0};
    char decoded[STREAMID_MAX];
    int err;

    if (!len) return ERR_NOTFOUND;
    if (len > STREAMID_MAX) return ERR_LIMIT;
    if (len >= 4 && !memcmp(text, "%23!", 4)) {
        len = decode(decoded, text, len);
        text = decoded;
    }
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return ERR_SYNTAX;
    if (len >= 4 && !memcmp(text, "#!::", 4))
        err = parse_pairs(&made, (struct piece){text + 4, len - 4});
    else if (len >= 2 && !memcmp(text, "#!", 2))
        err = ERR_SYNTAX; /* the nested form, and what may come */
    else
        err = parse_free(&made, (struct piece){text, len});
    if (!err && !made.key[0]) err = ERR_NOTFOUND;
    if (!err) *out = made;
    return err;
}
