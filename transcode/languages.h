/* transcode/languages.h — the source's sounds beside its first one: up to
 * LADDER_LANGUAGES_MAX, each a rendition of its own. What cannot pass through
 * is made by a child for that sound alone, so that one that stalls, dies or is
 * hostile holds nobody up. Its functions are in transcode/transcode_priv.h. */
#ifndef TRANSCODE_LANGUAGES_H
#define TRANSCODE_LANGUAGES_H
#include "transcode/ladder.h"
#include "transcode/rungs.h"

struct language {
    struct track *source; /* NULL: none yet, or it went */
    uint8_t id;           /* of its rendition; 0: the place is new */
    bool plain;
    bool due;  /* its passthrough track is to be told before use */
    bool lost; /* the publisher left, and has not told of it again */
    struct rungs *rungs;
};

struct languages {
    struct rungs_conf conf;
    struct rungs_events events;
    struct language all[LADDER_LANGUAGES_MAX];
    bool first_lost; /* the same of the first sound */
};

#endif
