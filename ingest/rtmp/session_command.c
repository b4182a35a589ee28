#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "ingest/priority.h"
#include "ingest/rtmp/flv.h"
#include "ingest/rtmp/session_priv.h"

enum { NAME_MAX_BYTES = 32, NAME_TEXT_MAX = 1024 };

/* One command: name, transaction, then values the handler pulls. */
struct command {
    char name[NAME_MAX_BYTES];
    double transaction;
    uint32_t stream_id;
    struct amf_reader args;
};

/* The next argument if it is a string; skips what is not. False: none left. */
static bool next_string(struct amf_reader *r, struct amf_text *out)
{
    struct amf_token t;

    while (!amf_next(r, &t)) {
        if (t.type == AMF_STRING) {
            *out = t.text;
            return true;
        }
        if (t.type == AMF_OBJECT || t.type == AMF_ARRAY)
            if (amf_skip(r, &t)) return false;
    }
    return false;
}

/* --- connect --- */

static void read_connect(struct rtmp_session *s, struct amf_reader *r)
{
    struct amf_token t;

    if (amf_next(r, &t) || t.type != AMF_OBJECT) return;
    while (!amf_next(r, &t) && t.depth > 0) {
        if (amf_text_is(t.key, "fourCcList") ||
            amf_text_is(t.key, "videoFourCcInfoMap") ||
            amf_text_is(t.key, "capsEx"))
            s->offers_enhanced = true;
        if (t.type == AMF_NUMBER && amf_text_is(t.key, "capsEx"))
            s->reconnects = t.number >= 1 && t.number < CAPS_EX_MAX &&
                            (uint32_t)t.number & CAPS_RECONNECT;
        if (t.type == AMF_OBJECT || t.type == AMF_ARRAY) {
            if (amf_skip(r, &t)) return;
        } else if (t.type == AMF_STRING && amf_text_is(t.key, "app")) {
            amf_text_copy(s->app, sizeof s->app, t.text);
        } else if (t.type == AMF_STRING && amf_text_is(t.key, "flashVer")) {
            amf_text_copy(s->client, sizeof s->client, t.text);
        } else if (t.type == AMF_NUMBER &&
                   amf_text_is(t.key, "objectEncoding")) {
            s->object_encoding = t.number == 3 ? 3 : 0;
        }
    }
}

static int on_connect(struct rtmp_session *s, struct command *c)
{
    if (s->state != RTMP_CONNECT)
        return rtmp_session_fail(s, ERR_ORDER, "connect sent twice");
    read_connect(s, &c->args);
    rtmp_reply_control(s, RTMP_WINDOW_ACK, WINDOW_BYTES);
    rtmp_reply_peer_bandwidth(s);
    rtmp_reply_user_control(s, 0, 0); /* StreamBegin */
    rtmp_reply_control(s, RTMP_SET_CHUNK_SIZE, OUT_CHUNK_SIZE);
    s->out_chunk_size = OUT_CHUNK_SIZE;
    rtmp_reply_connected(s, c->transaction);
    s->state = RTMP_READY;
    return 0;
}

/* --- publish --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %-escapes, once. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        int hi = *from == '%' ? hex_digit(from[1]) : -1;
        int lo = hi >= 0 ? hex_digit(from[2]) : -1;
        if (lo >= 0 && hi * 16 + lo) {
            *to++ = (char)(hi * 16 + lo);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
}

/* "/key?user=x" -> "key"; slashes around it go. *query: what is behind the
 * '?', "" if nothing is. */
static char *trim_name(char *text, const char **query)
{
    size_t len = strcspn(text, "?");

    *query = text + len + (text[len] == '?');
    text[len] = 0;
    while (*text == '/')
        text++;
    len = strlen(text);
    while (len && text[len - 1] == '/')
        text[--len] = 0;
    return text;
}

/* Encoders that have but one URL field put the key behind the app:
 * "live/key" with an empty publish name. ERR_RANGE: its priority. */
static int find_key(struct rtmp_session *s, struct amf_text name,
                    char out[STREAM_KEY_MAX + 1])
{
    char text[NAME_TEXT_MAX], app[APP_MAX], *key, *slash;
    const char *query;

    amf_text_copy(text, sizeof text, name);
    key = trim_name(text, &query);
    if (!*key) {
        snprintf(app, sizeof app, "%s", s->app);
        key = trim_name(app, &query);
        slash = strrchr(key, '/');
        key = slash ? slash + 1 : "";
    }
    /* One that is too long must not become another that fits. */
    if (strlen(key) > STREAM_KEY_MAX) key = "";
    snprintf(out, STREAM_KEY_MAX + 1, "%s", key);
    unescape(out);
    return priority_of_query(&s->priority, query);
}

static int on_publish(struct rtmp_session *s, struct command *c)
{
    char key[STREAM_KEY_MAX + 1];
    struct amf_text name = {0};

    if (s->state != RTMP_READY) {
        rtmp_reply_status(s, "error", "NetStream.Publish.BadName",
                          "this connection publishes already");
        return 0;
    }
    next_string(&c->args, &name);
    int err = find_key(s, name, key);
    s->publish_stream = c->stream_id ? c->stream_id : 1;
    s->since = s->now;
    s->state = RTMP_ASKED;
    if (err) {
        rtmp_session_refuse(s, err, priority_bad);
        return 0;
    }
    s->events.on_publish(s->app, key, s->events.arg);
    return 0;
}

static int on_unpublish(struct rtmp_session *s, struct command *c)
{
    (void)c;
    if (s->state != RTMP_LIVE) return 0;
    rtmp_reply_status(s, "status", "NetStream.Unpublish.Success",
                      "publishing stopped");
    rtmp_session_forget_media(s);
    s->state = RTMP_READY;
    s->since = s->now;
    s->events.on_unpublish(s->events.arg);
    return 0;
}

/* --- the small ones --- */

static int on_create_stream(struct rtmp_session *s, struct command *c)
{
    if (s->streams == STREAMS_MAX)
        rtmp_reply_error(s, c->transaction, "NetConnection.Call.Failed",
                         "too many streams");
    else
        rtmp_reply_result(s, c->transaction, ++s->streams);
    return 0;
}

static int on_answer_undefined(struct rtmp_session *s, struct command *c)
{
    rtmp_reply_result(s, c->transaction, NAN);
    return 0;
}

static int on_answer_zero(struct rtmp_session *s, struct command *c)
{
    rtmp_reply_result(s, c->transaction, 0);
    return 0;
}

static int on_ignored(struct rtmp_session *s, struct command *c)
{
    (void)s;
    (void)c;
    return 0;
}

static int on_play(struct rtmp_session *s, struct command *c)
{
    s->publish_stream = c->stream_id;
    rtmp_reply_status(s, "error", "NetStream.Play.Failed",
                      "this server plays over HTTP and WebRTC, not RTMP");
    rtmp_session_end(s, ERR_UNSUPPORTED, "play is not served over RTMP");
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(struct rtmp_session *s, struct command *c);
    bool needs_connect;
} handlers[] = {
    {"connect", on_connect, false},
    {"releaseStream", on_answer_undefined, true},
    {"FCPublish", on_answer_undefined, true},
    {"createStream", on_create_stream, true},
    {"publish", on_publish, true},
    {"FCUnpublish", on_unpublish, true},
    {"closeStream", on_unpublish, true},
    {"deleteStream", on_unpublish, true},
    {"_checkbw", on_answer_undefined, true},
    {"checkBandwidth", on_answer_undefined, true},
    {"getStreamLength", on_answer_zero, true},
    {"play", on_play, true},
    {"play2", on_play, true},
    {"_result", on_ignored, false},
    {"_error", on_ignored, false},
    {"onBWDone", on_ignored, false},
};

static int dispatch(struct rtmp_session *s, struct command *c)
{
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (strcmp(handlers[i].name, c->name) != 0) continue;
        if (handlers[i].needs_connect && s->state < RTMP_READY)
            return rtmp_session_fail(s, ERR_ORDER, "command before connect");
        return handlers[i].fn(s, c);
    }
    /* A call left unanswered makes some encoders wait for ever. */
    if (c->transaction > 0)
        rtmp_reply_error(s, c->transaction, "NetConnection.Call.Failed",
                         "unknown command");
    return 0;
}

/* AMF3 messages begin with a format byte that says: AMF0 follows. */
static void open_body(struct amf_reader *r, const struct rtmp_message *m)
{
    size_t skip = (m->type == RTMP_COMMAND_AMF3 || m->type == RTMP_DATA_AMF3) &&
                  m->body.len && m->body.data[0] == 0;

    amf_reader_init(r, m->body.data + skip, m->body.len - skip);
}

/* Does it go over a limit anywhere, read or not? Depth bombs end the session;
 * a command that is merely cut short is taken for what it says. */
static bool is_bomb(const struct rtmp_message *m)
{
    struct amf_reader r;
    struct amf_token t;
    int err;

    open_body(&r, m);
    do
        err = amf_next(&r, &t);
    while (!err);
    return err == ERR_LIMIT;
}

int rtmp_session_command(struct rtmp_session *s, const struct rtmp_message *m)
{
    struct command c = {.stream_id = m->stream_id};
    struct amf_token t;

    if (++s->commands > COMMANDS_MAX)
        return rtmp_session_fail(s, ERR_LIMIT, "too many commands");
    if (is_bomb(m))
        return rtmp_session_fail(s, ERR_LIMIT,
                                 "command nested or spread past the limits");
    open_body(&c.args, m);
    if (amf_next(&c.args, &t) || t.type != AMF_STRING)
        return rtmp_session_fail(s, ERR_SYNTAX, "malformed command");
    amf_text_copy(c.name, sizeof c.name, t.text);
    if (!amf_next(&c.args, &t) && t.type == AMF_NUMBER && isfinite(t.number))
        c.transaction = t.number;
    return dispatch(s, &c);
}

/* --- metadata --- */

/* Names of source tracks keep to what track_create() takes. */
static void copy_name(char *out, size_t size, struct amf_text t)
{
    size_t n = 0;

    for (size_t i = 0; i < t.len && n + 1 < size; i++) {
        char c = t.data[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + 'a' - 'A');
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (!n || out[n - 1] == '-')) continue;
        out[n++] = plain ? c : '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = 0;
}

/* BCP 47 has letters, digits and hyphens; else it is none. */
static void copy_language(char *out, size_t size, struct amf_text t)
{
    amf_text_copy(out, size, t);
    if (t.len >= size ||
        out[strspn(out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-")])
        out[0] = 0;
}

static bool track_number(struct amf_text key, uint8_t *out)
{
    unsigned v = 0;

    if (!key.len || key.len > 3) return false;
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] < '0' || key.data[i] > '9') return false;
        v = v * 10 + (unsigned)(key.data[i] - '0');
    }
    *out = (uint8_t)v;
    return v <= 255;
}

/* What one numbered track is called; the reader stands behind its object's
 * token. False where the message ends. */
static bool read_hint(struct rtmp_session *s, struct amf_reader *r,
                      struct rtmp_hint *h)
{
    struct amf_token t;

    for (;;) {
        if (amf_next(r, &t)) return false;
        if (t.type == AMF_END) break;
        if (t.type == AMF_OBJECT || t.type == AMF_ARRAY) {
            if (amf_skip(r, &t)) return false;
        } else if (t.type == AMF_STRING) {
            if (amf_text_is(t.key, "name") || amf_text_is(t.key, "title"))
                copy_name(h->name, sizeof h->name, t.text);
            if (amf_text_is(t.key, "language"))
                copy_language(h->language, sizeof h->language, t.text);
        }
    }
    if (s->hint_count < NUMBERS_MAX) s->hints[s->hint_count++] = *h;
    return true;
}

/* E-RTMP v2 "Metadata Message Guidelines": {"1": {…}, "2": {…}}. */
static bool read_hints(struct rtmp_session *s, struct amf_reader *r,
                       enum track_kind kind)
{
    struct amf_token t;

    for (;;) {
        struct rtmp_hint h = {.kind = kind};
        if (amf_next(r, &t)) return false;
        if (t.type == AMF_END) return true;
        if (t.type != AMF_OBJECT && t.type != AMF_ARRAY) continue;
        bool ours = t.type == AMF_OBJECT && track_number(t.key, &h.number);
        if (ours ? !read_hint(s, r, &h) : amf_skip(r, &t) != 0) return false;
    }
}

static void read_metadata(struct rtmp_session *s, struct amf_reader *r)
{
    struct amf_token t;

    if (amf_next(r, &t) || t.type != AMF_OBJECT) return;
    s->hint_count = 0;
    while (!amf_next(r, &t) && t.depth > 0) {
        if (t.type == AMF_OBJECT && amf_text_is(t.key, "audioTrackIdInfoMap")) {
            if (!read_hints(s, r, TRACK_AUDIO)) return;
        } else if (t.type == AMF_OBJECT &&
                   amf_text_is(t.key, "videoTrackIdInfoMap")) {
            if (!read_hints(s, r, TRACK_VIDEO)) return;
        } else if (t.type == AMF_OBJECT || t.type == AMF_ARRAY) {
            if (amf_skip(r, &t)) return;
        } else if (t.type == AMF_STRING && amf_text_is(t.key, "encoder")) {
            amf_text_copy(s->client, sizeof s->client, t.text);
        } else if (t.type == AMF_NUMBER && amf_text_is(t.key, "framerate")) {
            if (t.number >= 1 && t.number <= 240) s->fps_hint = t.number;
        } else if (t.type == AMF_NUMBER && amf_text_is(t.key, "videocodecid")) {
            s->promised = flv_promised_codec(t.number);
        }
    }
}

/* Malformed metadata costs its hints, not the publisher. */
int rtmp_session_data(struct rtmp_session *s, const struct rtmp_message *m)
{
    struct amf_reader r;
    struct amf_text name;

    open_body(&r, m);
    if (!next_string(&r, &name)) return 0;
    if (amf_text_is(name, "@setDataFrame") && !next_string(&r, &name)) return 0;
    if (amf_text_is(name, "onMetaData")) read_metadata(s, &r);
    return 0;
}
