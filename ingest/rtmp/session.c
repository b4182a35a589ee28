#include "ingest/rtmp/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "ingest/rtmp/session_priv.h"

enum { PING_REQUEST = 6, PING_RESPONSE = 7, STREAM_BEGIN = 0 };

int rtmp_session_create(struct rtmp_session **out,
                        const struct rtmp_session_events *events, uint64_t seed,
                        int64_t now)
{
    struct rtmp_session *s = calloc(1, sizeof *s);

    if (!s) return ERR_NOMEM;
    s->events = *events;
    rtmp_handshake_init(&s->handshake, seed);
    rtmp_dechunker_init(&s->in);
    builder_init(&s->out, OUT_BYTES_MAX);
    builder_init(&s->kept, KEPT_BYTES_MAX);
    s->now = s->since = s->last_byte_at = s->last_message_at = now;
    s->chunk_budget = (struct budget){CHUNKS_BURST * (int64_t)1000000, now};
    s->message_budget = (struct budget){MESSAGES_BURST * (int64_t)1000000, now};
    s->window = WINDOW_BYTES;
    s->out_chunk_size = RTMP_CHUNK_SIZE_DEFAULT;
    *out = s;
    return 0;
}

void rtmp_session_free(struct rtmp_session **out)
{
    struct rtmp_session *s = *out;

    *out = NULL;
    if (!s) return;
    rtmp_dechunker_release(&s->in);
    builder_release(&s->out);
    builder_release(&s->kept);
    rtmp_tracks_release(s);
    free(s);
}

static void set_reason(struct rtmp_session *s, const char *why)
{
    if (!s->reason[0]) snprintf(s->reason, sizeof s->reason, "%s", why);
}

int rtmp_session_fail(struct rtmp_session *s, int err, const char *why)
{
    set_reason(s, why);
    s->error = err;
    s->state = RTMP_FAILED;
    return err;
}

void rtmp_session_end(struct rtmp_session *s, int err, const char *why)
{
    set_reason(s, why);
    if (s->state == RTMP_FAILED) return;
    s->error = err;
    s->state = RTMP_CLOSING;
    s->since = s->now;
}

/* --- one message --- */

static uint32_t control_value(const struct rtmp_message *m)
{
    struct reader r = reader_of(m->body.data, m->body.len);

    return reader_u32(&r);
}

static int on_user_control(struct rtmp_session *s, const struct rtmp_message *m)
{
    struct reader r = reader_of(m->body.data, m->body.len);
    unsigned event = reader_u16(&r);
    uint32_t value = reader_u32(&r);

    if (!r.failed && event == PING_REQUEST)
        rtmp_reply_user_control(s, PING_RESPONSE, value);
    return 0;
}

static int on_message(struct rtmp_session *s, const struct rtmp_message *m)
{
    switch (m->type) {
    case RTMP_SET_CHUNK_SIZE:
        if (m->body.len < 4 ||
            rtmp_dechunker_set_size(&s->in, control_value(m)))
            return rtmp_session_fail(s, ERR_RANGE, "chunk size out of range");
        return 0;
    case RTMP_ABORT: rtmp_dechunker_abort(&s->in, control_value(m)); return 0;
    case RTMP_WINDOW_ACK:
        s->window = control_value(m);
        if (s->window < WINDOW_BYTES_MIN) s->window = WINDOW_BYTES_MIN;
        return 0;
    case RTMP_USER_CONTROL: return on_user_control(s, m);
    case RTMP_COMMAND_AMF0:
    case RTMP_COMMAND_AMF3: return rtmp_session_command(s, m);
    case RTMP_DATA_AMF0:
    case RTMP_DATA_AMF3: return rtmp_session_data(s, m);
    case RTMP_AUDIO:
    case RTMP_VIDEO: return rtmp_session_media(s, m);
    case RTMP_AGGREGATE: return rtmp_session_aggregate(s, m);
    default: return 0; /* acknowledgements, shared objects, unknown */
    }
}

/* --- bytes in --- */

/* Takes n tokens; false when the bucket is empty. */
static bool spend(struct budget *b, int64_t n, int64_t per_s, int64_t burst,
                  int64_t now)
{
    if (now > b->at) {
        int64_t span = now - b->at;
        b->tokens += (span > 60000000 ? 60000000 : span) * per_s;
        if (b->tokens > burst * 1000000) b->tokens = burst * 1000000;
        b->at = now;
    }
    b->tokens -= n * 1000000;
    return b->tokens >= 0;
}

static int fail_chunks(struct rtmp_session *s, int err)
{
    switch (err) {
    case ERR_LIMIT:
        return rtmp_session_fail(s, err,
                                 "message or chunk stream over the limit");
    case ERR_NOMEM: return rtmp_session_fail(s, err, "out of memory");
    default: return rtmp_session_fail(s, err, "malformed chunk");
    }
}

static bool reads_messages(const struct rtmp_session *s)
{
    return s->state >= RTMP_CONNECT && s->state <= RTMP_LIVE &&
           s->state != RTMP_ASKED;
}

static int feed_messages(struct rtmp_session *s, const uint8_t **at,
                         const uint8_t *end)
{
    while (reads_messages(s)) {
        struct rtmp_message m;
        uint64_t chunks = s->in.chunks;
        int err = rtmp_dechunk(&s->in, at, end, &m);
        s->counts.restarts = s->in.restarts;
        if (!spend(&s->chunk_budget, (int64_t)(s->in.chunks - chunks),
                   CHUNKS_PER_S, CHUNKS_BURST, s->now)) {
            if (!err) slice_unref(&m.body);
            return rtmp_session_fail(s, ERR_LIMIT, "too many tiny chunks");
        }
        if (err == ERR_AGAIN) return 0;
        if (err) return fail_chunks(s, err);
        s->counts.messages++;
        s->last_message_at = s->now;
        if (spend(&s->message_budget, 1, MESSAGES_PER_S, MESSAGES_BURST,
                  s->now))
            err = on_message(s, &m);
        else
            err = rtmp_session_fail(s, ERR_LIMIT, "too many messages");
        slice_unref(&m.body);
        if (err) return err;
        if (s->out.err)
            return rtmp_session_fail(s, s->out.err, "answers are not read");
    }
    return 0;
}

static int feed_handshake(struct rtmp_session *s, const uint8_t **at,
                          const uint8_t *end)
{
    int err = rtmp_handshake_feed(&s->handshake, at, end, &s->out);

    if (err) return rtmp_session_fail(s, err, s->handshake.reason);
    if (s->out.err)
        return rtmp_session_fail(s, s->out.err, err_text(s->out.err));
    if (s->handshake.state == HANDSHAKE_DONE) s->state = RTMP_CONNECT;
    return 0;
}

static int process(struct rtmp_session *s, const uint8_t *at,
                   const uint8_t *end)
{
    int err = 0;

    if (s->state == RTMP_HANDSHAKE) err = feed_handshake(s, &at, end);
    if (!err) err = feed_messages(s, &at, end);
    if (err || at == end || s->state != RTMP_ASKED) return err;
    builder_bytes(&s->kept, at, (size_t)(end - at));
    if (s->kept.err)
        return rtmp_session_fail(s, s->kept.err, "sends before the answer");
    return 0;
}

/* §5.4.3: the sequence number is a 32-bit count of all bytes so far. */
static void acknowledge(struct rtmp_session *s)
{
    if (s->state < RTMP_READY || s->state > RTMP_LIVE) return;
    if (s->bytes_in - s->acked < s->window) return;
    s->acked = s->bytes_in;
    rtmp_reply_control(s, RTMP_ACK, (uint32_t)s->bytes_in);
}

int rtmp_session_feed(struct rtmp_session *s, const void *data, size_t len,
                      int64_t now)
{
    const uint8_t *at = data;

    if (s->state == RTMP_CLOSING || s->state == RTMP_FAILED || !len) return 0;
    s->now = s->last_byte_at = now;
    s->bytes_in += len;
    int err = process(s, at, at + len);
    if (!err) acknowledge(s);
    return err;
}

/* What was kept may hold an unpublish and another publish: the rest is kept
 * again, and the next accept() goes on. */
static int feed_kept(struct rtmp_session *s)
{
    struct buf *kept;
    int err;

    if (!s->kept.len) return 0;
    err = builder_seal(&s->kept, &kept);
    if (err) return rtmp_session_fail(s, err, err_text(err));
    builder_init(&s->kept, KEPT_BYTES_MAX);
    err = process(s, buf_data(kept), buf_data(kept) + buf_len(kept));
    buf_unref(&kept);
    return err;
}

/* --- answers --- */

int rtmp_session_accept(struct rtmp_session *s, int64_t now)
{
    if (s->state != RTMP_ASKED) return 0;
    s->now = s->since = s->last_byte_at = s->last_message_at = now;
    s->ping_at = now + PING_US;
    s->state = RTMP_LIVE;
    rtmp_reply_user_control(s, STREAM_BEGIN, s->publish_stream);
    rtmp_reply_status(s, "status", "NetStream.Publish.Start",
                      "publishing started");
    return feed_kept(s);
}

void rtmp_session_refuse(struct rtmp_session *s, int err, const char *why)
{
    if (s->state != RTMP_ASKED) return;
    rtmp_reply_status(s, "error",
                      err == ERR_DENIED || err == ERR_EXISTS || err == ERR_RANGE
                          ? "NetStream.Publish.BadName"
                          : "NetStream.Publish.Denied",
                      why);
    rtmp_session_end(s, err, why);
}

void rtmp_session_close(struct rtmp_session *s, const char *why)
{
    if (s->state == RTMP_CLOSING || s->state == RTMP_FAILED) return;
    if (s->state == RTMP_LIVE)
        rtmp_reply_status(s, "status", "NetStream.Unpublish.Success", why);
    rtmp_session_end(s, 0, why);
}

void rtmp_session_ask_away(struct rtmp_session *s, const char *why)
{
    if (s->reconnects && s->state == RTMP_LIVE)
        rtmp_reply_notice(s, "NetConnection.Connect.ReconnectRequest", why);
}

/* --- bytes out, time, questions --- */

int rtmp_session_pull(struct rtmp_session *s, struct slice *out)
{
    struct buf *b;
    int err;

    if (!s->out.len) return ERR_AGAIN;
    err = builder_seal(&s->out, &b);
    builder_init(&s->out, OUT_BYTES_MAX);
    if (err) return ERR_AGAIN;
    *out = slice_take(&b);
    return 0;
}

static int64_t deadline(const struct rtmp_session *s, const char **why)
{
    switch (s->state) {
    case RTMP_HANDSHAKE:
        *why = "handshake timed out";
        return s->since + HANDSHAKE_US;
    case RTMP_CONNECT:
    case RTMP_READY: *why = "no publish in time"; return s->since + PUBLISH_US;
    case RTMP_ASKED:
        *why = "no answer to publish in time";
        return s->since + PUBLISH_US;
    case RTMP_LIVE: *why = "no data"; return s->last_message_at + MESSAGE_US;
    default: *why = "closing"; return s->since + CLOSING_US;
    }
}

int rtmp_session_tick(struct rtmp_session *s, int64_t now, int64_t *next)
{
    const char *why;

    s->now = now;
    *next = deadline(s, &why);
    if (now >= *next) return rtmp_session_fail(s, ERR_TIMEOUT, why);
    if (s->state != RTMP_LIVE) return 0;
    if (now >= s->ping_at) {
        s->ping_at = now + PING_US;
        rtmp_reply_user_control(s, PING_REQUEST, (uint32_t)(now / 1000));
    }
    if (s->ping_at < *next) *next = s->ping_at;
    return 0;
}

enum rtmp_state rtmp_session_state(const struct rtmp_session *s)
{
    return s->state;
}

bool rtmp_session_wants_read(const struct rtmp_session *s)
{
    return s->state != RTMP_ASKED;
}

int rtmp_session_error(const struct rtmp_session *s)
{
    return s->error;
}

const char *rtmp_session_reason(const struct rtmp_session *s)
{
    return s->reason;
}

const char *rtmp_session_app(const struct rtmp_session *s)
{
    return s->app;
}

int32_t rtmp_session_priority(const struct rtmp_session *s)
{
    return s->priority;
}

const char *rtmp_session_client(const struct rtmp_session *s)
{
    return s->client;
}

const struct rtmp_session_counts *rtmp_session_counts(
    const struct rtmp_session *s)
{
    return &s->counts;
}

const char *rtmp_session_stranger(const struct rtmp_session *s)
{
    return s->stranger;
}
