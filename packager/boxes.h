/* packager/boxes.h — reads what a player would know of CMAF bytes: the
 * timescale of an init segment, times and sync samples of a fragment. For the
 * checker and tests. Pure; never reads past len.
 * Spec: ISO/IEC 14496-12 §8. */
#ifndef PACKAGER_BOXES_H
#define PACKAGER_BOXES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BOXES_TRACKS_MAX = 8 };

struct boxes_init {
    int track_count;
    struct {
        uint32_t id, timescale;
        bool video;
        uint32_t default_duration, default_size, default_flags;
    } tracks[BOXES_TRACKS_MAX];
};

/* 0 or ERR_SYNTAX (no moov, no track, boxes that overlap). */
int boxes_read_init(struct boxes_init *out, const void *data, size_t len);

/* Of the first track only; several moofs are summed. */
struct boxes_fragment {
    int moofs, samples;
    bool has_styp, has_tfdt, has_prft;
    bool base_is_moof; /* default-base-is-moof in each tfhd */
    bool contiguous;   /* inside: each tfdt where the last one ended */
    bool first_is_sync;
    uint32_t first_sequence;
    int64_t dts, duration; /* ticks */
    int64_t first_pts;
    size_t sample_bytes, mdat_bytes;
};

/* 0 or ERR_SYNTAX. */
int boxes_read_fragment(struct boxes_fragment *out,
                        const struct boxes_init *init, const void *data,
                        size_t len);

#endif
