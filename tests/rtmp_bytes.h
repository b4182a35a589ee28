/* tests/rtmp_bytes.h — what an RTMP publisher sends, piece by piece, and a
 * recorder of what a session makes of it. For unit and protocol tests. */
#ifndef TESTS_RTMP_BYTES_H
#define TESTS_RTMP_BYTES_H
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "ingest/rtmp/amf.h"
#include "ingest/rtmp/chunk.h"
#include "ingest/rtmp/handshake.h"
#include "ingest/rtmp/session.h"

static const uint8_t test_avcc[] = {
    0x17, 0x00, 0x00, 0x00, 0x00, 0x01, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0x00,
    0x19, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11,
    0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16,
    0x2e, 0x48, 0x01, 0x00, 0x05, 0x68, 0xcb, 0x83, 0xcb, 0x20};
static const uint8_t test_idr[] = {0x17, 1, 0,    0,    0, 0, 0,
                                   0,    5, 0x65, 0x88, 1, 2, 3};
static const uint8_t test_delta[] = {0x27, 1, 0, 0, 0, 0, 0, 0, 3, 0x41, 9, 8};
static const uint8_t test_asc[] = {0xaf, 0x00, 0x11, 0x90};
static const uint8_t test_aac[] = {0xaf, 0x01, 0x21, 0x10, 0x04};

static inline void put_message(struct builder *b, uint32_t chunk, uint32_t csid,
                               enum rtmp_type type, uint32_t at,
                               uint32_t stream, const void *data, size_t len)
{
    struct rtmp_message m = {(uint8_t)type, at, stream, {NULL, data, len}};

    rtmp_chunk_write(b, chunk, csid, &m);
}

static inline void put_handshake(struct builder *b)
{
    uint8_t zeros[RTMP_HANDSHAKE_BYTES] = {0};

    builder_u8(b, 3);
    builder_bytes(b, zeros, sizeof zeros);
    builder_bytes(b, zeros, sizeof zeros);
}

static inline void put_body(struct builder *b, uint32_t stream,
                            struct builder *body)
{
    put_message(b, RTMP_CHUNK_SIZE_DEFAULT, 3, RTMP_COMMAND_AMF0, 0, stream,
                builder_data(body), body->len);
    builder_release(body);
}

static inline void put_connect_caps(struct builder *b, const char *app,
                                    double caps)
{
    struct builder body;

    builder_init(&body, 4096);
    amf_write_string(&body, "connect");
    amf_write_number(&body, 1);
    amf_write_object(&body);
    amf_write_key(&body, "app");
    amf_write_string(&body, app);
    amf_write_key(&body, "tcUrl");
    amf_write_string(&body, "rtmp://127.0.0.1/live");
    if (caps >= 0) {
        amf_write_key(&body, "capsEx");
        amf_write_number(&body, caps);
    }
    amf_write_end(&body);
    put_body(b, 0, &body);
}

static inline void put_connect(struct builder *b, const char *app)
{
    put_connect_caps(b, app, -1);
}

/* name(transaction, null, text): most commands; text NULL leaves it out. */
static inline void put_call(struct builder *b, uint32_t stream,
                            const char *name, double transaction,
                            const char *text)
{
    struct builder body;

    builder_init(&body, 4096);
    amf_write_string(&body, name);
    amf_write_number(&body, transaction);
    amf_write_null(&body);
    if (text) amf_write_string(&body, text);
    put_body(b, stream, &body);
}

static inline void put_to_publish(struct builder *b, const char *app,
                                  const char *key)
{
    put_handshake(b);
    put_connect(b, app);
    put_call(b, 0, "createStream", 4, NULL);
    put_call(b, 1, "publish", 5, key);
}

#define put_video(b, at, bytes)                                                \
    put_message(b, RTMP_CHUNK_SIZE_DEFAULT, 6, RTMP_VIDEO, at, 1, bytes,       \
                sizeof bytes)
#define put_audio(b, at, bytes)                                                \
    put_message(b, RTMP_CHUNK_SIZE_DEFAULT, 4, RTMP_AUDIO, at, 1, bytes,       \
                sizeof bytes)

/* A session and a text of what it said: "publish live key | track 0 …". */
struct recorder {
    struct rtmp_session *session;
    bool accept, refuse;
    int tracks, frames[RTMP_SLOTS], keys, unpublished;
    int64_t first_us[RTMP_SLOTS], last_us[RTMP_SLOTS];
    struct track_info info[RTMP_SLOTS]; /* as last announced */
    uint64_t hash;                      /* over all events and their bytes */
    char app[256], key[300];
    struct builder out; /* all that was pulled */
};

static inline void recorder_hash(struct recorder *r, const void *data,
                                 size_t len)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        r->hash = (r->hash ^ p[i]) * 1099511628211u;
}

static inline void recorder_on_publish(const char *app, const char *key,
                                       void *arg)
{
    struct recorder *r = arg;

    snprintf(r->app, sizeof r->app, "%s", app);
    snprintf(r->key, sizeof r->key, "%s", key);
    recorder_hash(r, key, strlen(key));
    if (r->accept) rtmp_session_accept(r->session, 0);
    if (r->refuse) rtmp_session_refuse(r->session, ERR_DENIED, "wrong key");
}

static inline void recorder_on_track(int slot, const struct track_info *info,
                                     struct slice config, void *arg)
{
    struct recorder *r = arg;

    r->tracks++;
    r->info[slot] = *info;
    recorder_hash(r, &slot, sizeof slot);
    recorder_hash(r, config.data, config.len);
}

static inline void recorder_on_frame(const struct publisher_frame *f, void *arg)
{
    struct recorder *r = arg;

    if (!r->frames[f->slot]++) r->first_us[f->slot] = f->dts_us;
    r->last_us[f->slot] = f->dts_us;
    if (f->slot == RTMP_SLOT_VIDEO) r->keys += f->key;
    recorder_hash(r, &f->dts_us, sizeof f->dts_us);
    recorder_hash(r, &f->pts_us, sizeof f->pts_us);
    recorder_hash(r, f->payload.data, f->payload.len);
}

static inline void recorder_on_unpublish(void *arg)
{
    ((struct recorder *)arg)->unpublished++;
}

/* 0 or ERR_NOMEM. */
static inline int recorder_init(struct recorder *r, bool accept)
{
    struct rtmp_session_events events = {recorder_on_publish, recorder_on_track,
                                         recorder_on_frame,
                                         recorder_on_unpublish, r};

    memset(r, 0, sizeof *r);
    r->accept = accept;
    r->hash = 14695981039346656037u;
    builder_init(&r->out, 1 << 20);
    return rtmp_session_create(&r->session, &events, 42, 0);
}

static inline void recorder_pull(struct recorder *r)
{
    struct slice s;

    while (!rtmp_session_pull(r->session, &s)) {
        builder_bytes(&r->out, s.data, s.len);
        slice_unref(&s);
    }
}

static inline int recorder_feed(struct recorder *r, const void *data,
                                size_t len, int64_t now)
{
    int err = rtmp_session_feed(r->session, data, len, now);

    recorder_pull(r);
    return err;
}

/* Feeds what b holds and empties it. */
static inline int recorder_take(struct recorder *r, struct builder *b,
                                int64_t now)
{
    int err = recorder_feed(r, builder_data(b), b->len, now);

    builder_release(b);
    return err;
}

static inline bool recorder_said(const struct recorder *r, const char *text)
{
    return r->out.len &&
           memmem(builder_data(&r->out), r->out.len, text, strlen(text));
}

static inline void recorder_release(struct recorder *r)
{
    rtmp_session_free(&r->session);
    builder_release(&r->out);
}

#endif
