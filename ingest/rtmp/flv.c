#include "ingest/rtmp/flv.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

enum {
    VIDEO_ENHANCED = 0x80,
    VIDEO_AVC = 7,
    VIDEO_COMMAND_FRAME = 5,
    AUDIO_AAC = 10,
    AUDIO_ENHANCED = 9,
    PACKET_CONFIG = 0,
    PACKET_FRAME = 1,
    EX_MODIFIER = 7,
    EX_MULTITRACK_VIDEO = 6,
    EX_MULTITRACK_AUDIO = 5,
};

static const char *const video_names[16] = {
    [2] = "h263", [3] = "screen", [4] = "vp6",   [5] = "vp6a",
    [6] = "scr2", [12] = "hevc",  [13] = "av1*",
};
static const char *const audio_names[16] = {
    [0] = "pcm",   [1] = "adpcm",  [2] = "mp3",   [3] = "pcm",
    [4] = "nelly", [5] = "nelly",  [6] = "nelly", [7] = "alaw",
    [8] = "ulaw",  [11] = "speex", [14] = "mp3",
};

void flv_open(struct flv_reader *r, enum track_kind kind, const void *data,
              size_t len)
{
    *r = (struct flv_reader){reader_of(data, len), kind, false};
}

static int32_t take_si24(struct reader *r)
{
    uint32_t v = reader_u24(r);

    return v & 0x800000 ? (int32_t)v - 0x1000000 : (int32_t)v;
}

static void take_rest(struct flv_tag *t, struct reader *r, uint8_t packet)
{
    t->data = r->at;
    t->len = reader_left(r);
    if (packet == PACKET_CONFIG)
        t->kind = FLV_CONFIG;
    else if (packet == PACKET_FRAME && t->len)
        t->kind = FLV_FRAME;
}

/* E-RTMP v2: the FourCC follows the packet type, unless modifiers or a
 * multitrack header come first; those name themselves. */
static void name_enhanced(struct flv_tag *t, struct reader *r, unsigned type,
                          unsigned multitrack)
{
    t->enhanced = true;
    t->kind = FLV_UNSUPPORTED;
    if (type == EX_MODIFIER || type == multitrack) {
        snprintf(t->name, sizeof t->name, "%s",
                 type == EX_MODIFIER ? "modex" : "multitrack");
        return;
    }
    const uint8_t *fourcc = reader_take(r, 4);
    for (int i = 0; fourcc && i < 4; i++)
        t->name[i] = fourcc[i] > ' ' && fourcc[i] < 127 ? (char)fourcc[i] : '?';
}

static void read_video(struct flv_tag *t, struct reader *r)
{
    uint8_t first = reader_u8(r), codec = first & 15, type = first >> 4;

    if (first & VIDEO_ENHANCED) {
        name_enhanced(t, r, codec, EX_MULTITRACK_VIDEO);
        return;
    }
    if (type == VIDEO_COMMAND_FRAME) return;
    if (codec != VIDEO_AVC) {
        t->kind = FLV_UNSUPPORTED;
        snprintf(t->name, sizeof t->name, "%s",
                 video_names[codec] ? video_names[codec] : "unknown");
        return;
    }
    t->codec = CODEC_H264;
    t->key = type == 1;
    memcpy(t->name, "avc", 4);
    uint8_t packet = reader_u8(r);
    t->cts_ms = take_si24(r);
    if (!r->failed) take_rest(t, r, packet);
}

static void read_audio(struct flv_tag *t, struct reader *r)
{
    uint8_t first = reader_u8(r), format = first >> 4;

    if (format == AUDIO_ENHANCED) {
        name_enhanced(t, r, first & 15, EX_MULTITRACK_AUDIO);
        return;
    }
    if (format != AUDIO_AAC) {
        t->kind = FLV_UNSUPPORTED;
        snprintf(t->name, sizeof t->name, "%s",
                 audio_names[format] ? audio_names[format] : "unknown");
        return;
    }
    t->codec = CODEC_AAC;
    t->key = true;
    memcpy(t->name, "aac", 4);
    uint8_t packet = reader_u8(r);
    if (!r->failed) take_rest(t, r, packet);
}

int flv_next(struct flv_reader *r, struct flv_tag *out)
{
    struct flv_tag t = {.kind = FLV_IGNORED};

    if (r->done) return ERR_AGAIN;
    r->done = true;
    if (!reader_left(&r->bytes)) { /* the silence marker */
        *out = t;
        return 0;
    }
    if (r->kind == TRACK_VIDEO)
        read_video(&t, &r->bytes);
    else
        read_audio(&t, &r->bytes);
    if (r->bytes.failed) return ERR_SYNTAX;
    *out = t;
    return 0;
}
