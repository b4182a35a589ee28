/* ingest/rtmp/session.h — one RTMP connection's protocol state: handshake,
 * chunks, commands, media. Pure: bytes in by feed, events out, bytes to send by
 * pull, deadlines by tick. Lives on one loop. README.md has the dialogue.
 *
 *   HANDSHAKE ──C2──► CONNECT ──connect──► READY ──publish──► ASKED
 *                                            ▲                  │ accept()
 *                                            └──unpublish── LIVE ◄┘
 *   any ──refuse(), close(), play──► CLOSING (what is queued goes out, then
 *   the connection is closed)      any ──error──► FAILED
 *
 * In ASKED nothing is read: bytes that came along are kept until the answer,
 * so a client that does not wait for it loses no frame. */
#ifndef INGEST_RTMP_SESSION_H
#define INGEST_RTMP_SESSION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/track.h"
#include "ingest/publisher.h"

struct rtmp_session;

enum rtmp_state {
    RTMP_HANDSHAKE,
    RTMP_CONNECT,
    RTMP_READY,
    RTMP_ASKED,
    RTMP_LIVE,
    RTMP_CLOSING,
    RTMP_FAILED,
};

/* A track's number 0 of either kind has a slot of its own; further ones get
 * the next that is free, for as long as they publish. */
enum { RTMP_SLOT_VIDEO = 0, RTMP_SLOT_AUDIO = 1, RTMP_SLOTS = 16 };

/* No event may free the session; all but on_publish come in LIVE only. */
struct rtmp_session_events {
    /* key: decoded. Answer with rtmp_session_accept() or _refuse(), now or
     * later. */
    void (*on_publish)(const char *app, const char *key, void *arg);
    void (*on_track)(int slot, const struct track_info *info,
                     struct slice config, void *arg);
    void (*on_frame)(const struct publisher_frame *f, void *arg);
    void (*on_unpublish)(void *arg);
    void *arg;
};

struct rtmp_session_counts {
    uint64_t messages, restarts; /* restarts: messages cut off by another */
    uint64_t dropped;            /* media that was malformed or out of order */
    uint64_t unsupported;        /* codecs and forms we do not take */
    uint64_t enhanced;           /* of those, E-RTMP headers */
    uint64_t skipped;            /* messages of forms we do not know */
    uint64_t extra_tracks;       /* messages of tracks beyond the slots */
};

/* seed: of the handshake's filler. now: monotonic µs. 0 or ERR_NOMEM. */
int rtmp_session_create(struct rtmp_session **out,
                        const struct rtmp_session_events *events, uint64_t seed,
                        int64_t now);
void rtmp_session_free(struct rtmp_session **s);

/* Takes all of data. 0, or the error that ended the session; see
 * rtmp_session_reason(). After that feed does nothing. */
int rtmp_session_feed(struct rtmp_session *s, const void *data, size_t len,
                      int64_t now);
/* Gives what is to be sent; 0 or ERR_AGAIN (nothing). */
int rtmp_session_pull(struct rtmp_session *s, struct slice *out);
/* Says in *next when to call again. 0, or ERR_TIMEOUT when a deadline passed
 * (the session has ended). */
int rtmp_session_tick(struct rtmp_session *s, int64_t now, int64_t *next);

/* The answers to on_publish. accept feeds what was kept. */
int rtmp_session_accept(struct rtmp_session *s, int64_t now);
/* err: ERR_DENIED (wrong key), ERR_EXISTS (a higher priority), ERR_BUSY, else.
 * Queues the refusal; CLOSING. */
void rtmp_session_refuse(struct rtmp_session *s, int err, const char *why);
/* Ends a publisher's session in words: taken over, stopped, draining. */
void rtmp_session_close(struct rtmp_session *s, const char *why);
/* Asks a client that knows the word to come again (E-RTMP v2 "Reconnect
 * Request"); to others it says nothing. The session goes on until it is closed.
 */
void rtmp_session_ask_away(struct rtmp_session *s, const char *why);

enum rtmp_state rtmp_session_state(const struct rtmp_session *s);
/* False while more bytes would only be kept. */
bool rtmp_session_wants_read(const struct rtmp_session *s);
/* Why it ended: 0 for an ordinary end, and one sentence, "" before. */
int rtmp_session_error(const struct rtmp_session *s);
const char *rtmp_session_reason(const struct rtmp_session *s);
const char *rtmp_session_app(const struct rtmp_session *s);
/* What the last on_publish's name said: see ingest/priority.h. */
int32_t rtmp_session_priority(const struct rtmp_session *s);
/* What the client calls itself (flashVer, encoder); "" if nothing. */
const char *rtmp_session_client(const struct rtmp_session *s);
const struct rtmp_session_counts *rtmp_session_counts(
    const struct rtmp_session *s);
/* What was first not taken, as its sender calls it; "" if nothing. */
const char *rtmp_session_stranger(const struct rtmp_session *s);

#endif
