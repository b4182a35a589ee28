/* transcode/lineup.h — the ladder of one stream over its life. What was named
 * once keeps its id and name, what was shed stays away until it is asked back,
 * and a source that changes shape takes rungs out, brings them back or adds
 * some: the URLs that viewers hold stay true. Pure; one thread. */
#ifndef TRANSCODE_LINEUP_H
#define TRANSCODE_LINEUP_H
#include "transcode/ladder.h"

struct lineup {           /* {0} is new */
    struct ladder ladder; /* as chosen last */
    bool chosen;
    uint8_t known[LADDER_RUNGS_MAX], shed[LADDER_RUNGS_MAX];
    int known_count, shed_count;
    char top_name[TRACK_NAME_MAX];
    enum codec top_codec; /* of LADDER_TOP, for life */
    uint32_t channels;    /* of LADDER_AUDIO, where it is made */
};

void lineup_choose(struct lineup *l, const struct ladder_conf *conf,
                   const struct ladder_source *source);
/* The source is video now. A rendition keeps its codec, or those who watch it
 * are lost: where the top one was H.264 it is encoded from then on, where it
 * was another it leaves, and the rest of the ladder stays. */
void lineup_keep_codec(const struct lineup *l, struct ladder_conf *conf,
                       const struct track_info *video);
/* Takes a rung out; choose again afterwards. Its name, or NULL if it
 * is not there. */
const char *lineup_shed(struct lineup *l, uint8_t id);
/* What was shed last may come back; choose again afterwards. False: nothing
 * was. */
bool lineup_restore(struct lineup *l);

#endif
