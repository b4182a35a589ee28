/* packager/lint.h — the rules of LL-HLS, asked of playlists and media of any
 * server. Pure: what is broken is told to a callback, one line each.
 * Spec: RFC 8216bis (draft 22); AAS is Apple's authoring specification. */
#ifndef PACKAGER_LINT_H
#define PACKAGER_LINT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packager/m3u8.h"

struct lint {
    /* rule: a short fixed name; section: where it stands; must: else a
     * SHOULD. */
    void (*found)(const char *rule, const char *section, bool must,
                  const char *detail, void *arg);
    void *arg;
    int count; /* told so far */
};

void lint_tell(struct lint *l, const char *rule, const char *section, bool must,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* One media playlist by itself. */
void lint_media(struct lint *l, const struct m3u8 *p);
/* Two of the same rendition, the second read later. Either may be a delta. */
void lint_successor(struct lint *l, const struct m3u8 *before,
                    const struct m3u8 *after);
/* A delta update against a full list of the same or a later moment. */
void lint_delta(struct lint *l, const struct m3u8 *full,
                const struct m3u8 *delta);
/* Two renditions of one presentation, read at about the same time. */
void lint_siblings(struct lint *l, const struct m3u8 *a, const struct m3u8 *b);
void lint_multivariant(struct lint *l, const struct m3u8 *p);

/* --- media (packager/boxes.h reads it) ------------------------------------ */

struct boxes_fragment;
/* A part or segment as listed, with its bytes read. expected_dts: where the
 * one before ended, in ticks; -1 if not known. */
void lint_fragment(struct lint *l, const char *uri,
                   const struct boxes_fragment *f, uint32_t timescale,
                   int64_t listed_us, int64_t expected_dts, bool independent);

#endif
