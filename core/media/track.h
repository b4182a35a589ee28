/* core/media/track.h — what a decoder must know about one elementary stream.
 * Immutable once made and atomically counted: a change of codec config is a
 * new track with the same id. Any thread. */
#ifndef CORE_MEDIA_TRACK_H
#define CORE_MEDIA_TRACK_H
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

enum track_kind { TRACK_VIDEO, TRACK_AUDIO, TRACK_DATA };

enum codec {
    CODEC_NONE,
    CODEC_H264, /* config: avcC body; payload: 4-byte length-prefixed NALs */
    CODEC_HEVC, /* config: hvcC body; payload likewise */
    CODEC_AV1,  /* config: av1C body; payload: one temporal unit */
    CODEC_AAC,  /* config: AudioSpecificConfig; payload: one raw access unit */
    CODEC_OPUS, /* config: dOps body or empty; payload: one packet */
};

enum {
    TRACK_NAME_MAX = 32,
    TRACK_LANGUAGE_MAX = 12,
    /* Ids: a publisher's tracks and what the ladder makes of them. */
    TRACK_SOURCE_FIRST = 1,
    TRACK_RENDITION_FIRST = 64,
    TRACK_ID_LAST = 255,
};

/* Video time is always this timescale, audio's is its sample rate. */
#define VIDEO_TIMESCALE 90000

struct track_info {
    uint8_t id;
    enum track_kind kind;
    enum codec codec;
    uint32_t timescale;                /* ticks per second */
    char name[TRACK_NAME_MAX];         /* rendition name in URLs: [a-z0-9_-] */
    char language[TRACK_LANGUAGE_MAX]; /* BCP 47, "und" when unknown */
    uint32_t width, height;            /* video, as displayed */
    uint32_t fps_num, fps_den;         /* video cadence; 0/0 while unknown */
    uint32_t sample_rate, channels;    /* audio */
    uint32_t bitrate_bps; /* what the encoder was asked for; 0: n/a */
    bool passthrough;     /* a rendition that is the source's bytes */
    bool askable; /* whose maker gives keyframes when bus_ask_key() asks, and
                     maybe only then; said within this process only */
};

struct track; /* counted holder: info + config */

/* Gives a track holding a copy of info; shares config (may be empty).
 * 0, ERR_NOMEM or ERR_RANGE (id, kind, timescale 0, name characters). */
int track_create(struct track **out, const struct track_info *info,
                 struct slice config);
struct track *track_ref(const struct track *t);
void track_unref(struct track **t);
const struct track_info *track_info(const struct track *t);
/* Borrowed; lives as long as the track. */
struct slice track_config(const struct track *t);

static inline bool track_is_rendition(const struct track *t)
{
    return track_info(t)->id >= TRACK_RENDITION_FIRST;
}

const char *codec_name(enum codec c); /* "h264", "aac", … */

#endif
