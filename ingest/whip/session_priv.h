/* ingest/whip/session_priv.h — the body of a session, for its files. */
#ifndef INGEST_WHIP_SESSION_PRIV_H
#define INGEST_WHIP_SESSION_PRIV_H
#include "core/rtc/rtcp.h"
#include "core/rtc/rtp.h"
#include "ingest/avc.h"
#include "ingest/whip/clock.h"
#include "ingest/whip/depack.h"
#include "ingest/whip/dts.h"
#include "ingest/whip/layers.h"
#include "ingest/whip/receiver.h"
#include "ingest/whip/session.h"

enum { AUDIO_STREAM = LAYERS_MAX, STREAMS_MAX = LAYERS_MAX + 1 };

struct twcc_recorder;

/* One incoming stream: a video layer, or the audio. */
struct stream {
    struct whip_session *session;
    int index; /* also of its clock and, for video, of its layer */
    struct whip_receiver receiver;
    /* video only */
    struct whip_depack depack;
    struct avc_source avc;
    int reorder_frames; /* of the SPS; -1: unsaid */
    bool need_key;      /* nothing can be decoded before one */
    bool key_wished;    /* by somebody downstream */
    bool sets_changed;  /* since the last picture that went on */
    int64_t pli_at;     /* when the last was sent; 0: never */
    uint8_t fir_number;
    int probes; /* requests made to learn its size */
};

struct whip_session {
    struct rtc_negotiated negotiated;
    struct whip_session_events events;
    bool reduced_size, announced_audio;
    uint32_t ssrc;
    struct buf *sprop; /* avcC made of it; NULL */
    struct stream streams[STREAMS_MAX];
    struct whip_layers layers;
    struct whip_clock clock;
    struct whip_dts dts;
    struct twcc_recorder *twcc; /* NULL: not agreed on */
    uint32_t twcc_media;        /* an SSRC it may speak of */
    int64_t now;                /* of the call that runs */
    int64_t started_at, heard_at, media_at, bye_at;
    int64_t report_at; /* when the next is due */
    const char *end;
    struct whip_session_counts counts, gone; /* gone: of released streams */
    struct rtcp_packet scratch;
};

/* session_media.c */
int whip_stream_open(struct whip_session *s, int index, uint32_t ssrc);
void whip_stream_close(struct stream *k);
/* Hands on what is in order. */
void whip_stream_drain(struct stream *k, int64_t now);

/* session_feedback.c */
void whip_feedback(struct whip_session *s, int64_t now);
int64_t whip_feedback_due_at(const struct whip_session *s, int64_t now);
void whip_feedback_read(struct whip_session *s, const struct rtcp_packet *p,
                        int64_t at);

#endif
