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
    EX_END = 2,
    EX_FRAMES_X = 3, /* video only */
    EX_METADATA = 4, /* audio: how its channels lie */
    EX_MODIFIER = 7,
    EX_MULTITRACK_VIDEO = 6,
    EX_MULTITRACK_AUDIO = 5,
    MODIFIER_NANO = 0,
    MULTITRACK_ONE = 0,
    MULTITRACK_MANY_CODECS = 2,
    FOURCC_AVC1 = 0x61766331,
    FOURCC_HVC1 = 0x68766331,
    FOURCC_AV01 = 0x61763031,
    FOURCC_MP4A = 0x6d703461,
    FOURCC_OPUS = 0x4f707573,
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
    *r = (struct flv_reader){.bytes = reader_of(data, len), .kind = kind};
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

/* --- enhanced --- */

/* ModEx: size, data, then its kind and the next packet type in one byte. Only
 * the nanosecond offset means something to us; others are stepped over. */
static void read_modifiers(struct flv_reader *r)
{
    struct reader *b = &r->bytes;

    while (r->packet == EX_MODIFIER && !b->failed) {
        size_t size = reader_u8(b) + 1u;
        if (size == 256) size = reader_u16(b) + 1u;
        const uint8_t *data = reader_take(b, size);
        uint8_t next = reader_u8(b);
        if (data && next >> 4 == MODIFIER_NANO && size >= 3) {
            struct reader nano = reader_of(data, 3);
            uint32_t ns = reader_u24(&nano);
            if (ns < 1000000) r->shared.offset_ns = ns;
        }
        r->packet = next & 15;
    }
}

static void set_codec(struct flv_tag *t, uint32_t fourcc, bool video)
{
    for (int i = 0; i < 4; i++) {
        uint8_t c = (uint8_t)(fourcc >> (24 - 8 * i));
        t->name[i] = c > ' ' && c < 127 ? (char)c : '?';
    }
    if (video && fourcc == FOURCC_AVC1) t->codec = CODEC_H264;
    if (video && fourcc == FOURCC_HVC1) t->codec = CODEC_HEVC;
    if (video && fourcc == FOURCC_AV01) t->codec = CODEC_AV1;
    if (!video && fourcc == FOURCC_MP4A) t->codec = CODEC_AAC;
    if (!video && fourcc == FOURCC_OPUS) t->codec = CODEC_OPUS;
}

static bool is_known(const struct flv_reader *r)
{
    return r->packet <= EX_END || r->packet == EX_METADATA ||
           (r->packet == EX_FRAMES_X && r->kind == TRACK_VIDEO);
}

static void name_form(struct flv_reader *r, const char *form, unsigned number)
{
    struct flv_tag *t = &r->shared;

    t->kind = FLV_SKIPPED;
    snprintf(t->name, sizeof t->name, "%s %s %u",
             r->kind == TRACK_VIDEO ? "video" : "audio", form, number);
}

/* What stands before the first track. False if the message carries none. */
static bool open_enhanced(struct flv_reader *r, uint8_t first)
{
    bool video = r->kind == TRACK_VIDEO;
    unsigned multitrack = video ? EX_MULTITRACK_VIDEO : EX_MULTITRACK_AUDIO;
    unsigned frame_type = first >> 4 & 7;

    r->shared.enhanced = true;
    r->shared.key = !video || frame_type == 1;
    r->packet = first & 15;
    read_modifiers(r);
    if (video && r->packet != EX_METADATA && frame_type == VIDEO_COMMAND_FRAME)
        return false;
    r->multitrack = r->packet == multitrack;
    if (r->multitrack) {
        uint8_t how = reader_u8(&r->bytes);
        r->packet = how & 15;
        r->sized = how >> 4 != MULTITRACK_ONE;
        r->many_codecs = how >> 4 == MULTITRACK_MANY_CODECS;
        if (how >> 4 > MULTITRACK_MANY_CODECS) {
            name_form(r, "form", how >> 4);
            return false;
        }
    }
    if (!is_known(r)) {
        name_form(r, "type", r->packet);
        return false;
    }
    if (!r->many_codecs) r->fourcc = reader_u32(&r->bytes);
    return true;
}

static void read_composition(struct flv_tag *t, struct reader *body,
                             uint8_t packet)
{
    if ((t->codec == CODEC_H264 || t->codec == CODEC_HEVC) &&
        packet == PACKET_FRAME)
        t->cts_ms = take_si24(body);
}

/* One track: its codec, number and size, as far as the message's form has
 * them, and its body. */
static int next_enhanced(struct flv_reader *r, struct flv_tag *t)
{
    struct reader *b = &r->bytes, body;

    *t = r->shared;
    if (++r->tracks > FLV_TRACKS_MAX) return ERR_LIMIT;
    set_codec(t, r->many_codecs ? reader_u32(b) : r->fourcc,
              r->kind == TRACK_VIDEO);
    if (r->multitrack) t->track = reader_u8(b);
    size_t len = r->sized ? reader_u24(b) : reader_left(b);
    const uint8_t *data = reader_take(b, len);
    if (b->failed) return ERR_SYNTAX;
    r->done = !r->sized || !reader_left(b);
    body = reader_of(data, len);
    if (t->codec == CODEC_NONE) {
        t->kind = FLV_UNSUPPORTED;
        return 0;
    }
    read_composition(t, &body, r->packet);
    if (body.failed) return ERR_SYNTAX;
    /* CodedFramesX: frames without a composition time */
    take_rest(t, &body,
              r->packet == EX_FRAMES_X && r->kind == TRACK_VIDEO ? PACKET_FRAME
                                                                 : r->packet);
    return 0;
}

/* --- legacy --- */

static void read_video(struct flv_tag *t, struct reader *r)
{
    uint8_t first = reader_u8(r), codec = first & 15, type = first >> 4;

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

static bool is_enhanced(const struct flv_reader *r)
{
    uint8_t first = *r->bytes.at;

    return r->kind == TRACK_VIDEO ? first & VIDEO_ENHANCED
                                  : first >> 4 == AUDIO_ENHANCED;
}

static int open_message(struct flv_reader *r, struct flv_tag *t)
{
    r->opened = r->done = true;
    if (!reader_left(&r->bytes)) return 0; /* the silence marker */
    if (is_enhanced(r)) {
        r->done = !open_enhanced(r, reader_u8(&r->bytes));
        if (r->bytes.failed) return ERR_SYNTAX;
        if (!r->done) return next_enhanced(r, t);
        *t = r->shared;
        return 0;
    }
    if (r->kind == TRACK_VIDEO)
        read_video(t, &r->bytes);
    else
        read_audio(t, &r->bytes);
    return r->bytes.failed ? ERR_SYNTAX : 0;
}

int flv_next(struct flv_reader *r, struct flv_tag *out)
{
    struct flv_tag t = {.kind = FLV_IGNORED};
    int err;

    if (r->opened && r->done) return ERR_AGAIN;
    err = r->opened ? next_enhanced(r, &t) : open_message(r, &t);
    if (err) {
        r->opened = r->done = true;
        return err;
    }
    *out = t;
    return 0;
}

enum codec flv_promised_codec(double id)
{
    if (id == FOURCC_HVC1) return CODEC_HEVC;
    if (id == FOURCC_AV01) return CODEC_AV1;
    return id > 0 ? CODEC_H264 : CODEC_NONE;
}
