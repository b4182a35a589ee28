/* packager/playlist.h — playlist text, and what a request's delivery
 * directives ask for. Pure; the store's thread.
 * Spec: RFC 8216bis (draft 22) §4.4 (tags), §6.2.5 (directives), §6.2.6
 * (hints), appendix B.1 (low-latency profile). */
#ifndef PACKAGER_PLAYLIST_H
#define PACKAGER_PLAYLIST_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "packager/store.h"

enum {
    PLAYLIST_BYTES_MAX = 512 * 1024,
    /* In target durations. */
    PLAYLIST_PARTS_TD = 3,
    PLAYLIST_SKIP_TD = 6,
    PLAYLIST_BLOCK_TD = 3,
};

/* Appends the media playlist of r; delta: as its update (EXT-X-SKIP), where
 * there is something to skip. Failures show in b. */
void playlist_media(struct builder *b, const struct store *s,
                    const struct store_rendition *r, bool delta);
/* Appends the multivariant playlist; s->listed must not be 0. */
void playlist_multivariant(struct builder *b, const struct store *s);

enum playlist_skip { PLAYLIST_SKIP_NONE, PLAYLIST_SKIP_YES, PLAYLIST_SKIP_V2 };
struct directives {
    bool has_msn, has_part;
    uint64_t msn, part;
    enum playlist_skip skip;
};

/* query: raw, "" fine; fields other than _HLS_* pass. 0 or ERR_SYNTAX (not a
 * decimal number, part without msn): answer 400. */
int directives_parse(struct directives *out, const char *query);

/* What a blocked request waits for: part `part` of segment msn, or with
 * PLAYLIST_WHOLE the end of that segment; anything later does too. */
#define PLAYLIST_WHOLE UINT64_MAX
struct playlist_key {
    uint64_t msn, part;
};

enum directives_verdict {
    DIRECTIVES_SERVE, /* the list as it is */
    DIRECTIVES_WAIT,  /* until playlist_has(*key) */
    DIRECTIVES_BAD,   /* 400 */
};
/* Writes *key with WAIT only. */
enum directives_verdict playlist_decide(const struct store *s,
                                        const struct store_rendition *r,
                                        const struct directives *d,
                                        struct playlist_key *key);
bool playlist_has(const struct store *s, const struct store_rendition *r,
                  const struct playlist_key *key);

/* Could this part still come, as the next one of the open segment or the first
 * of the one after it? Then a request for it waits, else it is 404. */
bool playlist_is_hinted(const struct store *s, const struct store_rendition *r,
                        uint64_t msn, uint64_t part);

#endif
