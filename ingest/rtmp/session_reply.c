#include <math.h>
#include <string.h>

#include "ingest/rtmp/session_priv.h"

enum {
    CSID_CONTROL = 2,
    CSID_COMMAND = 3,
    CSID_STATUS = 5,
    REPLY_BYTES_MAX = 4096,
    PEER_BANDWIDTH_DYNAMIC = 2,
    FOURCC_DECODE = 1,
    FOURCC_FORWARD = 4,
};

static void send(struct rtmp_session *s, uint32_t csid, enum rtmp_type type,
                 uint32_t stream_id, struct builder *body)
{
    struct rtmp_message m = {.type = (uint8_t)type, .stream_id = stream_id};
    struct buf *b;
    int err = builder_seal(body, &b);

    if (err) {
        if (!s->out.err) s->out.err = err;
        return;
    }
    m.body = slice_take(&b);
    rtmp_chunk_write(&s->out, s->out_chunk_size, csid, &m);
    slice_unref(&m.body);
}

static void begin(struct builder *b)
{
    builder_init(b, REPLY_BYTES_MAX);
}

void rtmp_reply_control(struct rtmp_session *s, enum rtmp_type type,
                        uint32_t value)
{
    struct builder b;

    begin(&b);
    builder_u32(&b, value);
    send(s, CSID_CONTROL, type, 0, &b);
}

void rtmp_reply_peer_bandwidth(struct rtmp_session *s)
{
    struct builder b;

    begin(&b);
    builder_u32(&b, WINDOW_BYTES);
    builder_u8(&b, PEER_BANDWIDTH_DYNAMIC);
    send(s, CSID_CONTROL, RTMP_PEER_BANDWIDTH, 0, &b);
}

void rtmp_reply_user_control(struct rtmp_session *s, unsigned event,
                             uint32_t value)
{
    struct builder b;

    begin(&b);
    builder_u16(&b, event);
    builder_u32(&b, value);
    send(s, CSID_CONTROL, RTMP_USER_CONTROL, 0, &b);
}

static void put_pair(struct builder *b, const char *key, const char *value)
{
    amf_write_key(b, key);
    amf_write_string(b, value);
}

static void put_status(struct builder *b, const char *level, const char *code,
                       const char *description)
{
    put_pair(b, "level", level);
    put_pair(b, "code", code);
    put_pair(b, "description", description);
}

static void put_number(struct builder *b, const char *key, double value)
{
    amf_write_key(b, key);
    amf_write_number(b, value);
}

/* E-RTMP v2 "Enhancing NetConnection connect Command". What a client says of
 * itself never decides what we parse: OBS says nothing and sends it all. */
static void put_enhanced(struct builder *b)
{
    put_number(b, "capsEx",
               CAPS_RECONNECT | CAPS_MULTITRACK | CAPS_MODIFIERS |
                   CAPS_NANOSECONDS);
    amf_write_key(b, "videoFourCcInfoMap");
    amf_write_object(b);
    put_number(b, "avc1", FOURCC_DECODE | FOURCC_FORWARD);
    put_number(b, "hvc1", FOURCC_DECODE | FOURCC_FORWARD);
    put_number(b, "av01", FOURCC_DECODE | FOURCC_FORWARD);
    amf_write_end(b);
    amf_write_key(b, "audioFourCcInfoMap");
    amf_write_object(b);
    put_number(b, "mp4a", FOURCC_DECODE | FOURCC_FORWARD);
    put_number(b, "Opus", FOURCC_DECODE | FOURCC_FORWARD);
    amf_write_end(b);
}

void rtmp_reply_connected(struct rtmp_session *s, double transaction)
{
    struct builder b;

    begin(&b);
    amf_write_string(&b, "_result");
    amf_write_number(&b, transaction);
    amf_write_object(&b);
    put_pair(&b, "fmsVer", "FMS/3,0,1,123");
    put_number(&b, "capabilities", 31);
    if (s->offers_enhanced) put_enhanced(&b);
    amf_write_end(&b);
    amf_write_object(&b);
    put_status(&b, "status", "NetConnection.Connect.Success",
               "Connection succeeded.");
    put_number(&b, "objectEncoding", s->object_encoding);
    amf_write_end(&b);
    send(s, CSID_COMMAND, RTMP_COMMAND_AMF0, 0, &b);
}

void rtmp_reply_result(struct rtmp_session *s, double transaction, double value)
{
    struct builder b;

    begin(&b);
    amf_write_string(&b, "_result");
    amf_write_number(&b, transaction);
    amf_write_null(&b);
    if (isnan(value))
        amf_write_undefined(&b);
    else
        amf_write_number(&b, value);
    send(s, CSID_COMMAND, RTMP_COMMAND_AMF0, 0, &b);
}

void rtmp_reply_error(struct rtmp_session *s, double transaction,
                      const char *code, const char *description)
{
    struct builder b;

    begin(&b);
    amf_write_string(&b, "_error");
    amf_write_number(&b, transaction);
    amf_write_null(&b);
    amf_write_object(&b);
    put_status(&b, "error", code, description);
    amf_write_end(&b);
    send(s, CSID_COMMAND, RTMP_COMMAND_AMF0, 0, &b);
}

static void send_status(struct rtmp_session *s, uint32_t stream,
                        const char *level, const char *code,
                        const char *description)
{
    struct builder b;

    begin(&b);
    amf_write_string(&b, "onStatus");
    amf_write_number(&b, 0);
    amf_write_null(&b);
    amf_write_object(&b);
    put_status(&b, level, code, description);
    amf_write_end(&b);
    send(s, CSID_STATUS, RTMP_COMMAND_AMF0, stream, &b);
}

void rtmp_reply_status(struct rtmp_session *s, const char *level,
                       const char *code, const char *description)
{
    send_status(s, s->publish_stream, level, code, description);
}

void rtmp_reply_notice(struct rtmp_session *s, const char *code,
                       const char *description)
{
    send_status(s, 0, "status", code, description);
}
