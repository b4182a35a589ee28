/* ingest/srt/streamid.h — what a caller's stream id says: which key, which
 * channel, to publish or to play. Pure; any thread.
 * Spec: SRT Access Control Guidelines ("#!::"); the other forms are what
 * encoders and their guides use. Taken literally, but for one that begins with
 * "%23!": some encoders ask for that in their URL and send it as it stands, so
 * it is decoded.
 *
 *   KEY                            publish
 *   live/KEY, /KEY                 any path: the last element is the key
 *   publish:KEY, publish/KEY       MediaMTX's word before it; read:, play: play
 *   publish:CHANNEL:USER:KEY
 *   KEY?m=publish&priority=2       a query is let go, but for the mode and
 *                                  the priority
 *   #!::r=CHANNEL,u=KEY,m=publish  without u, r's last element is the key;
 *   #!::h=HOST/live/KEY,m=publish  without r, h's (SRS)
 *   #!::u=KEY,priority=2                                                    */
#ifndef INGEST_SRT_STREAMID_H
#define INGEST_SRT_STREAMID_H
#include <stdbool.h>
#include <stddef.h>

#include "ingest/publisher.h"

enum { STREAMID_MAX = 512 };

enum srt_mode {
    SRT_MODE_UNSAID, /* the specification says "request"; encoders that leave
                        it out nevertheless publish */
    SRT_MODE_PUBLISH,
    SRT_MODE_REQUEST,
    SRT_MODE_BIDIRECTIONAL,
};

struct srt_streamid {
    enum srt_mode mode;
    char key[STREAM_KEY_MAX + 1];
    char channel[CHANNEL_NAME_MAX + 1]; /* "": the key alone names it */
    int32_t priority;                   /* see ingest/priority.h */
    bool from_resource; /* the key is what was named, not who names it */
};

/* 0, ERR_NOTFOUND (empty: nothing is named), ERR_SYNTAX, ERR_LIMIT (too long,
 * too many pairs), ERR_RANGE (the priority) or ERR_UNSUPPORTED (not a live
 * stream). */
int srt_streamid_parse(struct srt_streamid *out, const char *text, size_t len);

#endif
