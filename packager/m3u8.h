/* packager/m3u8.h — reads a playlist of any server into a struct, for the
 * checker. Takes what it can: what breaks a rule is lint's to say. Pure.
 * Spec: RFC 8216bis §4. Limits: M3U8_BYTES_MAX, M3U8_ENTRIES_MAX of each kind;
 * past them ERR_LIMIT. */
#ifndef PACKAGER_M3U8_H
#define PACKAGER_M3U8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { M3U8_BYTES_MAX = 4 << 20, M3U8_ENTRIES_MAX = 50000 };

/* Times are µs; text is NUL-terminated and lives as long as the playlist;
 * absent text is NULL, absent times are -1. */
struct m3u8_part {
    int64_t duration_us;
    const char *uri;
    bool independent, gap, byterange;
};

struct m3u8_segment {
    uint64_t msn;
    int64_t duration_us; /* -1: still open */
    const char *uri;
    const char *map; /* that holds for it; NULL: none seen */
    int64_t pdt_us;  /* PROGRAM-DATE-TIME, µs since 1970 */
    bool pdt_has_ms;
    bool discontinuity, gap, byterange;
    int first_part, part_count;
};

struct m3u8_hint {
    const char *type, *uri;
};

struct m3u8_report {
    const char *uri;
    int64_t last_msn, last_part; /* -1: absent */
};

struct m3u8_variant {
    const char *uri, *codecs, *resolution, *audio;
    int64_t bandwidth, average_bandwidth; /* -1: absent */
    double frame_rate;                    /* 0: absent */
};

struct m3u8_media {
    const char *type, *group, *name, *language, *uri, *channels;
    bool is_default, autoselect;
};

struct m3u8 {
    bool multivariant;
    bool first_line; /* #EXTM3U */
    int version, version_count;
    bool independent_segments;

    int64_t target_duration_s; /* -1: absent */
    int target_duration_count;
    uint64_t media_sequence;
    int media_sequence_count, late_sequences; /* after the first segment */
    uint64_t discontinuity_sequence;
    int discontinuity_sequence_count;
    int server_control_count, part_inf_count;
    bool can_block, can_skip_dateranges;
    int64_t part_hold_back_us, hold_back_us, can_skip_us, part_target_us;
    int skip_count;
    int64_t skipped;
    bool ended;
    const char *playlist_type;
    int bad_lines;  /* attributes or numbers that could not be read */
    int late_heads; /* MAP, PDT, DISCONTINUITY after a part of their segment */

    struct m3u8_segment *segments; /* the last one may be open */
    struct m3u8_part *parts;
    struct m3u8_hint *hints;
    struct m3u8_report *reports;
    struct m3u8_variant *variants;
    struct m3u8_media *media;
    int segment_count, part_count, hint_count, report_count, variant_count,
        media_count;
    int64_t duration_us; /* of all that is listed, the open segment too */
    char *text;          /* what the pointers point into */
};

/* Copies text. 0, ERR_LIMIT or ERR_NOMEM. */
int m3u8_parse(struct m3u8 **out, const char *text, size_t len);
/* Takes *p; NULL is fine. */
void m3u8_free(struct m3u8 **p);
/* NULL if not listed. */
const struct m3u8_segment *m3u8_find(const struct m3u8 *p, uint64_t msn);

#endif
