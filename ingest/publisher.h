/* ingest/publisher.h — one live publisher of any protocol: the one rule for
 * who may publish, whose timeline it is, takeover, and repair of timestamps.
 * A protocol session makes a publisher, opens it with a key, hands it tracks
 * and frames in the source's own time, and closes it.
 *
 * Lives on the session's loop. The stream it feeds may live on another: frames
 * reach its bus by bus_post_*.
 *
 *   NEW ──open()──► ASKED ──ready──► LIVE ──close()/on_kicked──► CLOSED
 *    │               ▲ └────refused─────────────────────────────► CLOSED
 *    └─admit()─► ADMITTED ─enter()─ (the same in two steps)                 */
#ifndef INGEST_PUBLISHER_H
#define INGEST_PUBLISHER_H
#include <stdint.h>

#include "core/base/buf.h"
#include "core/media/bus.h"
#include "core/media/track.h"
#include "ingest/health.h"
#include "ingest/life.h"

struct loop;
struct metrics;
struct publisher;

enum {
    CHANNEL_NAME_MAX = 64,
    STREAM_KEY_MAX = 256,
    PASSPHRASE_MAX = 80,
    STREAM_KEY_HASH_BYTES = 32,
};

/* What a key allows. */
struct ingest_grant {
    char channel[CHANNEL_NAME_MAX + 1];
    char passphrase[PASSPHRASE_MAX + 1]; /* SRT must be encrypted with it; "" */
    /* Of the key it came with: whoever gave the grant takes it back when the
     * channel has another key. Zeros: a key that is not the channel's. */
    uint8_t key_hash[STREAM_KEY_HASH_BYTES];
    bool multitrack; /* required: see ingest/quorum.h */
};

/* What the roof (app) gives to ingest. */
struct ingest_door {
    /* Which channel is this key's? Any loop's thread; memory only; compares in
     * constant time. 0 or ERR_DENIED. */
    int (*authorise)(const char *key, struct ingest_grant *out, void *arg);
    /* Asks for the channel's stream on behalf of p (which stays alive until it
     * answered and p was detached). Answers with publisher_attached() or
     * publisher_refused(), maybe from another thread, maybe at once. */
    void (*attach)(struct publisher *p, void *arg);
    /* p is leaving its stream; the door must not use p afterwards. Called on
     * p's loop, once for each attach that was answered with attached. */
    void (*detach)(struct publisher *p, void *arg);
    /* May be NULL. The priority of the channel's live publisher; 0 where there
     * is none. Any thread; for who answers before attach(). */
    int32_t (*live_priority)(const char *channel, void *arg);
    /* May be NULL. Likewise: would one of the same priority be refused now,
     * because takeovers come too thick? */
    bool (*guarded)(const char *channel, void *arg);
    void *arg;
    struct metrics *metrics;   /* may be NULL */
    struct life_limits limits; /* who is over one is kicked, which says so */
    /* May be NULL. p is connected but gives nothing (see ingest/life.h), or
     * does again, or leaves. On p's loop, between attached and detach. */
    void (*on_starving)(struct publisher *p, bool starving, void *arg);
    /* May be NULL. Once a second, likewise; borrows f. */
    void (*on_health)(struct publisher *p, const struct health_figures *f,
                      void *arg);
};

struct publisher_events {
    void (*on_ready)(void *arg); /* publishing may start */
    /* err: ERR_DENIED (key), ERR_BUSY (takeover guard), ERR_EXISTS (one of a
     * higher priority is live), ERR_LIMIT …; the publisher is closed. */
    void (*on_refused)(int err, void *arg);
    /* Another publisher took over, the operator stopped this one, it fell
     * silent, or is over a limit. */
    void (*on_kicked)(const char *reason, void *arg);
    void *arg;
    /* May be NULL. Somebody needs a keyframe of this slot's track soon: for a
     * protocol that can ask its encoder, whose video is then asked for one
     * each 2 s, when a segment is due. While live only, at most two a
     * second for each track, never from within a publisher_ call. */
    void (*on_key_wanted)(int slot, void *arg);
};

/* protocol "rtmp", peer "host:port": copied, for logs. 0 or ERR_NOMEM. */
int publisher_create(struct publisher **out, const struct ingest_door *door,
                     struct loop *loop, const char *protocol, const char *peer,
                     const struct publisher_events *events);
/* Before it is opened; see ingest/priority.h. 0 unless set. */
void publisher_set_priority(struct publisher *p, int32_t priority);
/* Exactly one of on_ready and on_refused follows, maybe before this returns. */
void publisher_open(struct publisher *p, const char *key);
/* For a protocol whose media comes later than the key: whoever never sends any
 * takes no stream away. admit: may it, as far as is known now? 0, or
 * ERR_DENIED, ERR_EXISTS, ERR_BUSY as on_refused() says them (it is not called;
 * the publisher is closed). Then enter, once, as open. */
int publisher_admit(struct publisher *p, const char *key);
void publisher_enter(struct publisher *p);
/* Takes *p and sets it NULL; NULL is fine. No event follows. reason is logged
 * ("unpublish", "connection closed", "protocol error: …"). */
void publisher_close(struct publisher **p, const char *reason);

/* Media, once ready; before that ERR_ORDER. Slot: 0 .. 15, the protocol's own
 * number of a track; the source track's id is TRACK_SOURCE_FIRST + slot.
 * A second call for a slot with another config replaces the track.
 * info: kind, codec, and what the protocol knows; size, rate and cadence are
 * corrected from config (SPS, AudioSpecificConfig). 0, ERR_RANGE, ERR_SYNTAX
 * (config), ERR_UNSUPPORTED (codec), ERR_LIMIT (size: on_kicked follows),
 * ERR_NOMEM. */
int publisher_track(struct publisher *p, int slot,
                    const struct track_info *info, struct slice config);

/* The source says that there is no such track any more; it may come back by
 * publisher_track(). */
void publisher_track_gone(struct publisher *p, int slot);

struct publisher_frame {
    int slot;
    bool key;
    int64_t dts_us, pts_us; /* the source's own clock, unwrapped, any origin */
    struct slice payload;   /* shared; framing as core/media/track.h says */
};
/* 0, ERR_ORDER (no track), ERR_LIMIT (bitrate: on_kicked follows), ERR_NOMEM.
 * Repairs are counted, not errors. */
int publisher_frame(struct publisher *p, const struct publisher_frame *f);

/* Once a second or so: how the line is, of a protocol that knows. */
void publisher_line(struct publisher *p, const struct health_line *line);

/* For the door's side. Any thread. */
const struct ingest_grant *publisher_grant(const struct publisher *p);
struct loop *publisher_loop(const struct publisher *p);
int32_t publisher_priority(const struct publisher *p);
const char *publisher_peer(const struct publisher *p);
const char *publisher_protocol(const struct publisher *p);
/* The answers to attach(). base_us: where on the bus's timeline this
 * publisher's first frame lies; shares bus. */
void publisher_attached(struct publisher *p, struct bus *bus, int64_t base_us);
void publisher_refused(struct publisher *p, int err);
/* Tells p that it lost its place: on_kicked follows on p's own loop, never
 * before this returns, unless p is closed by then. reason is copied. Any
 * thread, for whoever holds a reference or is between attach and detach. */
void publisher_kick(struct publisher *p, const char *reason);
/* How a track of p looks or sounds, from whoever decodes it. Any thread, for
 * whoever may kick it; copies. */
void publisher_impression(struct publisher *p, const struct impression *c);
/* For a door that hands p to another thread: p's memory lives until the last
 * reference; a closed publisher takes answers and kicks without effect. */
struct publisher *publisher_ref(struct publisher *p);
void publisher_unref(struct publisher **p);

#endif
