/* ingest/rtmp/session_priv.h — the session's parts among themselves: session.c
 * (bytes, states, deadlines), session_command.c (AMF dialogue),
 * session_media.c (audio and video), session_reply.c (what we send). */
#ifndef INGEST_RTMP_SESSION_PRIV_H
#define INGEST_RTMP_SESSION_PRIV_H
#include "core/base/buf.h"
#include "ingest/av1.h"
#include "ingest/avc.h"
#include "ingest/hevc.h"
#include "ingest/rtmp/amf.h"
#include "ingest/rtmp/chunk.h"
#include "ingest/rtmp/flv.h"
#include "ingest/rtmp/handshake.h"
#include "ingest/rtmp/session.h"

enum {
    APP_MAX = 256,
    CLIENT_MAX = 64,
    REASON_MAX = 160,
    OUT_BYTES_MAX = 64 << 10, /* answers not pulled: then the peer floods us */
    KEPT_BYTES_MAX = 1 << 20, /* held back while asked */
    OUT_CHUNK_SIZE = 4096,
    WINDOW_BYTES = 2500000, /* of acknowledgements, both ways */
    WINDOW_BYTES_MIN = 2048,
    STREAMS_MAX = 16,     /* createStream answers on one connection */
    UNSUPPORTED_MAX = 60, /* media messages we cannot take, in a row */
    DROPPED_MAX = 300,    /* malformed ones, in a row */
    COMMANDS_MAX = 512,   /* commands on one connection */
};

enum {
    HANDSHAKE_US = 5000000,
    PUBLISH_US = 10000000,
    /* Silence is the publisher's to judge (ingest/life.h); this is behind. */
    MESSAGE_US = 40000000, /* no whole message */
    CLOSING_US = 2000000,
    PING_US = 10000000,
};

/* Work a peer may cause, as token buckets: 128-byte chunks of 65 Mbit/s, ten
 * times the messages of a usual publisher; the bursts cover a publisher that
 * sends what piled up during a stall. */
enum {
    CHUNKS_PER_S = 64000,
    CHUNKS_BURST = 256000,
    MESSAGES_PER_S = 4000,
    MESSAGES_BURST = 40000,
};

struct budget {
    int64_t tokens; /* in millionths */
    int64_t at;
};

/* E-RTMP v2, "capsEx". */
enum {
    CAPS_RECONNECT = 1,
    CAPS_MULTITRACK = 2,
    CAPS_MODIFIERS = 4,
    CAPS_NANOSECONDS = 8,
    CAPS_EX_MAX = 1 << 16,
};

enum { NUMBERS_MAX = 32 }; /* tracks that metadata speaks of */

/* One elementary stream: a kind and the number its sender gives it. */
struct rtmp_track {
    bool used, sent;
    enum track_kind kind;
    enum codec codec;
    uint8_t number;
    struct avc_source avc;
    struct hevc_source hevc;
    struct av1_source av1;
    struct buf *config; /* audio: as announced; NULL while unknown */
};

/* What metadata says of a numbered track, config or not. */
struct rtmp_hint {
    enum track_kind kind;
    uint8_t number;
    char name[TRACK_NAME_MAX], language[TRACK_LANGUAGE_MAX];
};

struct rtmp_session {
    enum rtmp_state state;
    int error; /* why it ended; 0: nothing wrong */
    struct rtmp_session_events events;
    struct rtmp_handshake handshake;
    struct rtmp_dechunker in;
    struct builder out;  /* to be pulled */
    struct builder kept; /* came in ASKED */

    int64_t now, since, last_byte_at, last_message_at, ping_at;
    struct budget chunk_budget, message_budget;
    uint64_t bytes_in, acked;
    uint32_t window;
    uint32_t out_chunk_size;

    char app[APP_MAX], client[CLIENT_MAX], reason[REASON_MAX];
    double object_encoding;
    int32_t priority;     /* of the last publish */
    bool offers_enhanced; /* connect spoke of E-RTMP: so does our answer */
    bool reconnects;      /* it knows NetConnection.Connect.ReconnectRequest */
    uint32_t streams, publish_stream;
    int commands;

    /* media */
    bool clock_set;
    int64_t clock_ms; /* the newest message's time, unwrapped */
    struct rtmp_track tracks[RTMP_SLOTS];
    struct rtmp_hint hints[NUMBERS_MAX];
    int hint_count;
    double fps_hint;
    enum codec promised; /* by metadata, of the first picture */
    char stranger[16];
    int unsupported_run, dropped_run;
    struct rtmp_session_counts counts;
};

/* session.c */
int rtmp_session_fail(struct rtmp_session *s, int err, const char *why);
void rtmp_session_end(struct rtmp_session *s, int err, const char *why);

/* session_command.c */
int rtmp_session_command(struct rtmp_session *s, const struct rtmp_message *m);
int rtmp_session_data(struct rtmp_session *s, const struct rtmp_message *m);

/* session_media.c */
int rtmp_session_media(struct rtmp_session *s, const struct rtmp_message *m);
int rtmp_session_aggregate(struct rtmp_session *s,
                           const struct rtmp_message *m);
void rtmp_session_forget_media(struct rtmp_session *s);

/* session_tracks.c: a track's config and frames. 0 or ERR_NOMEM. */
/* NULL: no slot is left. */
struct rtmp_track *rtmp_track_of(struct rtmp_session *s, enum track_kind kind,
                                 uint8_t number);
int rtmp_track_config(struct rtmp_session *s, struct rtmp_track *k,
                      const struct flv_tag *t);
int rtmp_track_frame(struct rtmp_session *s, struct rtmp_track *k,
                     const struct flv_tag *t, struct slice body, int64_t at_us);
void rtmp_tracks_release(struct rtmp_session *s);
/* Counts a malformed message; the error that ends the session when there was
 * nothing else for long. */
int rtmp_session_drop(struct rtmp_session *s);

/* session_reply.c; failures show in s->out */
void rtmp_reply_control(struct rtmp_session *s, enum rtmp_type type,
                        uint32_t value);
void rtmp_reply_peer_bandwidth(struct rtmp_session *s);
void rtmp_reply_user_control(struct rtmp_session *s, unsigned event,
                             uint32_t value);
void rtmp_reply_connected(struct rtmp_session *s, double transaction);
/* _result(transaction, null, value); NAN: undefined instead of a number. */
void rtmp_reply_result(struct rtmp_session *s, double transaction,
                       double value);
void rtmp_reply_error(struct rtmp_session *s, double transaction,
                      const char *code, const char *description);
void rtmp_reply_status(struct rtmp_session *s, const char *level,
                       const char *code, const char *description);
/* The same of the connection, not of its stream. */
void rtmp_reply_notice(struct rtmp_session *s, const char *code,
                       const char *description);

#endif
