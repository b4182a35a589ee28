/* ingest/quorum.h — a channel that requires several video tracks (OBS's
 * Multitrack Video), and a publisher that sends one: it may go on for
 * QUORUM_US from its first track, then it must go. Pure; embedded in a
 * publisher; one thread. */
#ifndef INGEST_QUORUM_H
#define INGEST_QUORUM_H
#include <stdbool.h>
#include <stdint.h>

enum { QUORUM_US = 5000000, QUORUM_TRACKS = 2 };

extern const char quorum_missed[]; /* why it must go, and what helps */

struct quorum {
    int64_t due_at; /* 0: not required, not begun, or judged */
    bool begun;
};

/* A track of any kind came. True: call quorum_is_missed() at q->due_at. */
bool quorum_begin(struct quorum *q, int64_t now);
/* At due_at or later; video_tracks: so many there are. Judges once. */
bool quorum_is_missed(struct quorum *q, int64_t now, int video_tracks);

#endif
