#include "packager/fmp4.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/media/aac.h"
#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "core/media/hevc.h"

/* moov is a few hundred bytes; avcC with 8 + 32 sets of 64 KiB cannot pass. */
enum { INIT_BYTES_MAX = 256 * 1024 };

enum {
    SAMPLE_SYNC = 0x02000000,     /* depends on no other */
    SAMPLE_NON_SYNC = 0x01010000, /* depends on others; is not sync */
};

/* --- boxes ---------------------------------------------------------------- */

static size_t box_begin(struct builder *b, const char *type)
{
    size_t at = b->len;

    builder_u32(b, 0);
    builder_bytes(b, type, 4);
    return at;
}

static size_t full_box_begin(struct builder *b, const char *type,
                             unsigned version, uint32_t flags)
{
    size_t at = box_begin(b, type);

    builder_u8(b, version);
    builder_u24(b, flags);
    return at;
}

static void box_end(struct builder *b, size_t at)
{
    builder_patch_u32(b, at, (uint32_t)(b->len - at));
}

static void zeros(struct builder *b, size_t n)
{
    uint8_t *room = builder_extend(b, n);

    if (room) memset(room, 0, n);
}

static void matrix(struct builder *b)
{
    static const uint32_t unity[9] = {0x10000, 0, 0, 0,         0x10000,
                                      0,       0, 0, 0x40000000};

    for (int i = 0; i < 9; i++)
        builder_u32(b, unity[i]);
}

/* --- init segment --------------------------------------------------------- */

static void write_ftyp(struct builder *b)
{
    size_t at = box_begin(b, "ftyp");

    builder_bytes(b, "cmf2", 4); /* signed composition offsets, no edit list */
    builder_u32(b, 0);
    builder_bytes(b, "iso6cmf2cmfcmp41", 16);
    box_end(b, at);
}

static void write_mvhd(struct builder *b)
{
    size_t at = full_box_begin(b, "mvhd", 0, 0);

    zeros(b, 8); /* created, modified */
    builder_u32(b, 1000);
    builder_u32(b, 0); /* duration: live */
    builder_u32(b, 0x00010000);
    builder_u16(b, 0x0100);
    zeros(b, 10);
    matrix(b);
    zeros(b, 24);
    builder_u32(b, 2); /* next track id */
    box_end(b, at);
}

static void write_tkhd(struct builder *b, const struct track_info *info)
{
    size_t at = full_box_begin(b, "tkhd", 0, 7);

    zeros(b, 8);
    builder_u32(b, 1); /* track id */
    zeros(b, 4 + 4 + 8);
    zeros(b, 4); /* layer, alternate group */
    builder_u16(b, info->kind == TRACK_AUDIO ? 0x0100 : 0);
    builder_u16(b, 0);
    matrix(b);
    builder_u32(b, info->kind == TRACK_VIDEO ? info->width << 16 : 0);
    builder_u32(b, info->kind == TRACK_VIDEO ? info->height << 16 : 0);
    box_end(b, at);
}

/* Three letters of five bits; "und" where the tag is not three letters. */
static unsigned packed_language(const char *tag)
{
    unsigned v = 0;

    if (strlen(tag) != 3) tag = "und";
    for (int i = 0; i < 3; i++) {
        if (tag[i] < 'a' || tag[i] > 'z') return 0x55C4;
        v = v << 5 | (unsigned)(tag[i] - 0x60);
    }
    return v;
}

static void write_mdhd(struct builder *b, const struct track_info *info)
{
    size_t at = full_box_begin(b, "mdhd", 0, 0);

    zeros(b, 8);
    builder_u32(b, info->timescale);
    builder_u32(b, 0);
    builder_u16(b, packed_language(info->language));
    builder_u16(b, 0);
    box_end(b, at);
}

static void write_hdlr(struct builder *b, bool video)
{
    size_t at = full_box_begin(b, "hdlr", 0, 0);

    zeros(b, 4);
    builder_bytes(b, video ? "vide" : "soun", 4);
    zeros(b, 12);
    builder_bytes(b, video ? "video" : "audio", 6); /* with its NUL */
    box_end(b, at);
}

static void write_pasp(struct builder *b, const struct h264_sps *sps)
{
    if (!sps->sar_num || !sps->sar_den || sps->sar_num == sps->sar_den) return;
    size_t at = box_begin(b, "pasp");
    builder_u32(b, sps->sar_num);
    builder_u32(b, sps->sar_den);
    box_end(b, at);
}

static void write_btrt(struct builder *b, uint32_t bps)
{
    if (!bps) return;
    size_t at = box_begin(b, "btrt");
    builder_u32(b, 0);
    builder_u32(b, bps);
    builder_u32(b, bps);
    box_end(b, at);
}

/* The visual sample entry up to its codec box. */
static size_t visual_begin(struct builder *b, const char *type, uint32_t width,
                           uint32_t height)
{
    size_t at = box_begin(b, type);

    zeros(b, 6);
    builder_u16(b, 1); /* data reference */
    zeros(b, 16);
    builder_u16(b, width);
    builder_u16(b, height);
    builder_u32(b, 0x00480000); /* 72 dpi */
    builder_u32(b, 0x00480000);
    builder_u32(b, 0);
    builder_u16(b, 1);
    zeros(b, 32); /* compressor name */
    builder_u16(b, 0x0018);
    builder_u16(b, 0xFFFF);
    return at;
}

static void write_codec_box(struct builder *b, const char *type,
                            const struct slice *config)
{
    size_t at = box_begin(b, type);

    builder_bytes(b, config->data, config->len);
    box_end(b, at);
}

static int write_avc1(struct builder *b, const struct track_info *info,
                      const struct slice *config)
{
    struct h264_params params;
    struct h264_sps sps = {0};
    int err = h264_avcc_parse(&params, config->data, config->len);

    if (err) return err == ERR_NOMEM ? err : ERR_SYNTAX;
    if (h264_sps_parse(&sps, params.sps[0].data, params.sps[0].len)) {
        sps.width = info->width;
        sps.height = info->height;
    }
    size_t at = visual_begin(b, "avc1", sps.width, sps.height);
    /* Written afresh, so that reserved bits and the extension fields are
     * right whatever the publisher sent. */
    size_t avcc = box_begin(b, "avcC");
    h264_avcc_write(b, &params);
    box_end(b, avcc);
    write_pasp(b, &sps);
    write_btrt(b, info->bitrate_bps);
    box_end(b, at);
    return 0;
}

static int write_other_video(struct builder *b, const struct track_info *info,
                             const struct slice *config)
{
    bool hevc = info->codec == CODEC_HEVC;

    if (config->len < (hevc ? 23u : 4u)) return ERR_SYNTAX;
    size_t at =
        visual_begin(b, hevc ? "hvc1" : "av01", info->width, info->height);
    write_codec_box(b, hevc ? "hvcC" : "av1C", config);
    write_btrt(b, info->bitrate_bps);
    box_end(b, at);
    return 0;
}

static size_t audio_begin(struct builder *b, const char *type,
                          const struct track_info *info)
{
    size_t at = box_begin(b, type);

    zeros(b, 6);
    builder_u16(b, 1);
    zeros(b, 8);
    builder_u16(b, info->channels ? info->channels : 2);
    builder_u16(b, 16);
    zeros(b, 4);
    /* 16.16: rates above 65535 do not fit and are read from the config. */
    builder_u32(b, info->sample_rate < 65536 ? info->sample_rate << 16 : 0);
    return at;
}

/* esds with one-byte descriptor lengths; config stays far below 128 bytes. */
static int write_mp4a(struct builder *b, const struct track_info *info,
                      const struct slice *config)
{
    unsigned n = (unsigned)config->len;

    if (n < 2 || n > 64) return ERR_SYNTAX;
    size_t at = audio_begin(b, "mp4a", info);
    size_t esds = full_box_begin(b, "esds", 0, 0);
    builder_u8(b, 0x03); /* ES_Descriptor */
    builder_u8(b, 3 + 2 + 13 + 2 + n + 3);
    builder_u16(b, 1);
    builder_u8(b, 0);
    builder_u8(b, 0x04); /* DecoderConfigDescriptor */
    builder_u8(b, 13 + 2 + n);
    builder_u8(b, 0x40); /* MPEG-4 audio */
    builder_u8(b, 0x15); /* audio stream */
    builder_u24(b, 0);
    builder_u32(b, info->bitrate_bps);
    builder_u32(b, info->bitrate_bps);
    builder_u8(b, 0x05); /* DecoderSpecificInfo */
    builder_u8(b, n);
    builder_bytes(b, config->data, n);
    builder_u8(b, 0x06); /* SLConfigDescriptor, predefined 2 */
    builder_u8(b, 1);
    builder_u8(b, 2);
    box_end(b, esds);
    box_end(b, at);
    return 0;
}

static int write_opus(struct builder *b, const struct track_info *info,
                      const struct slice *config)
{
    size_t at = audio_begin(b, "Opus", info);
    size_t dops = box_begin(b, "dOps");

    if (config->len >= 11) {
        builder_bytes(b, config->data, config->len);
    } else {
        builder_u8(b, 0);
        builder_u8(b, info->channels ? info->channels : 2);
        builder_u16(b, 312); /* pre-skip, libopus at 48 kHz */
        builder_u32(b, 48000);
        builder_u16(b, 0);
        builder_u8(b, 0);
    }
    box_end(b, dops);
    box_end(b, at);
    return 0;
}

static int write_sample_entry(struct builder *b, const struct track_info *info,
                              const struct slice *config)
{
    switch (info->codec) {
    case CODEC_H264: return write_avc1(b, info, config);
    case CODEC_HEVC:
    case CODEC_AV1: return write_other_video(b, info, config);
    case CODEC_AAC: return write_mp4a(b, info, config);
    case CODEC_OPUS: return write_opus(b, info, config);
    case CODEC_NONE: break;
    }
    return ERR_UNSUPPORTED;
}

static int write_stbl(struct builder *b, const struct track_info *info,
                      const struct slice *config)
{
    static const char empty[3][5] = {"stts", "stsc", "stco"};
    size_t at = box_begin(b, "stbl");
    size_t stsd = full_box_begin(b, "stsd", 0, 0);
    int err;

    builder_u32(b, 1);
    err = write_sample_entry(b, info, config);
    box_end(b, stsd);
    for (int i = 0; i < 3; i++) {
        size_t table = full_box_begin(b, empty[i], 0, 0);
        builder_u32(b, 0);
        box_end(b, table);
    }
    size_t stsz = full_box_begin(b, "stsz", 0, 0);
    zeros(b, 8);
    box_end(b, stsz);
    box_end(b, at);
    return err;
}

static int write_minf(struct builder *b, const struct track_info *info,
                      const struct slice *config)
{
    size_t at = box_begin(b, "minf");
    int err;

    if (info->kind == TRACK_VIDEO) {
        size_t vmhd = full_box_begin(b, "vmhd", 0, 1);
        zeros(b, 8);
        box_end(b, vmhd);
    } else {
        size_t smhd = full_box_begin(b, "smhd", 0, 0);
        zeros(b, 4);
        box_end(b, smhd);
    }
    size_t dinf = box_begin(b, "dinf");
    size_t dref = full_box_begin(b, "dref", 0, 0);
    builder_u32(b, 1);
    box_end(b, full_box_begin(b, "url ", 0, 1)); /* in this file */
    box_end(b, dref);
    box_end(b, dinf);
    err = write_stbl(b, info, config);
    box_end(b, at);
    return err;
}

static void write_mvex(struct builder *b)
{
    size_t at = box_begin(b, "mvex");
    size_t trex = full_box_begin(b, "trex", 0, 0);

    builder_u32(b, 1);
    builder_u32(b, 1);
    zeros(b, 12);
    box_end(b, trex);
    box_end(b, at);
}

int fmp4_init(struct buf **out, const struct track *t)
{
    const struct track_info *info = track_info(t);
    struct slice config = track_config(t);
    struct builder b;
    int err;

    builder_init(&b, INIT_BYTES_MAX);
    write_ftyp(&b);
    size_t moov = box_begin(&b, "moov");
    write_mvhd(&b);
    size_t trak = box_begin(&b, "trak");
    write_tkhd(&b, info);
    size_t mdia = box_begin(&b, "mdia");
    write_mdhd(&b, info);
    write_hdlr(&b, info->kind == TRACK_VIDEO);
    err = write_minf(&b, info, &config);
    box_end(&b, mdia);
    box_end(&b, trak);
    write_mvex(&b);
    box_end(&b, moov);
    if (err) {
        builder_release(&b);
        return err;
    }
    return builder_seal(&b, out);
}

/* --- CODECS --------------------------------------------------------------- */

static int av1_codec(char *out, const struct slice *c)
{
    if (c->len < 4) return ERR_SYNTAX;
    unsigned depth = c->data[2] & 0x40 ? (c->data[2] & 0x20 ? 12 : 10) : 8;
    snprintf(out, FMP4_CODEC_TEXT, "av01.%u.%02u%c.%02u",
             (unsigned)(c->data[1] >> 5), (unsigned)(c->data[1] & 0x1F),
             c->data[2] & 0x80 ? 'H' : 'M', depth);
    return 0;
}

int fmp4_codec(char out[FMP4_CODEC_TEXT], const struct track *t)
{
    struct slice c = track_config(t);
    struct aac_config aac;

    switch (track_info(t)->codec) {
    case CODEC_H264:
        if (c.len < 4) return ERR_SYNTAX;
        snprintf(out, FMP4_CODEC_TEXT, "avc1.%02x%02x%02x", c.data[1],
                 c.data[2], c.data[3]);
        return 0;
    case CODEC_HEVC: return hevc_codec_text(out, c.data, c.len);
    case CODEC_AV1: return av1_codec(out, &c);
    case CODEC_AAC:
        if (aac_config_parse(&aac, c.data, c.len)) return ERR_SYNTAX;
        aac_codec_text(out, &aac);
        return 0;
    case CODEC_OPUS: strcpy(out, "opus"); return 0;
    case CODEC_NONE: break;
    }
    return ERR_UNSUPPORTED;
}

/* --- chunks --------------------------------------------------------------- */

static void write_styp(struct builder *b)
{
    size_t at = box_begin(b, "styp");

    builder_bytes(b, "cmfs", 4);
    builder_u32(b, 0);
    builder_bytes(b, "cmfscmffmsdh", 12);
    box_end(b, at);
}

/* NTP time: seconds since 1900 in 32.32. */
static uint64_t ntp_of(int64_t wall_us)
{
    uint64_t us = (uint64_t)wall_us;
    uint64_t fraction = ((us % 1000000) << 32) / 1000000;

    return ((us / 1000000 + 2208988800u) << 32) + fraction;
}

static void write_prft(struct builder *b, const struct fmp4_chunk *c)
{
    size_t at = full_box_begin(b, "prft", 1, 24); /* 24: time of capture */

    builder_u32(b, 1);
    builder_u64(b, ntp_of(c->captured_wall_us));
    builder_u64(b, c->dts + (uint64_t)(int64_t)c->samples[0].cts);
    box_end(b, at);
}

static bool any_cts(const struct fmp4_chunk *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->samples[i].cts) return true;
    return false;
}

/* Flags per sample are needed only where one after the first is a key. */
static bool keys_inside(const struct fmp4_chunk *c)
{
    for (int i = 1; i < c->count; i++)
        if (c->samples[i].key) return true;
    return false;
}

static bool same_durations(const struct fmp4_chunk *c)
{
    for (int i = 1; i < c->count; i++)
        if (c->samples[i].duration != c->samples[0].duration) return false;
    return true;
}

enum {
    TFHD_DURATION = 0x08,
    TFHD_FLAGS = 0x20,
    TFHD_BASE_IS_MOOF = 0x020000,
    TRUN_OFFSET = 0x01,
    TRUN_FIRST_FLAGS = 0x04,
    TRUN_DURATION = 0x100,
    TRUN_SIZE = 0x200,
    TRUN_FLAGS = 0x400,
    TRUN_CTS = 0x800,
};

static void write_samples(struct builder *b, const struct fmp4_chunk *c,
                          uint32_t flags)
{
    for (int i = 0; i < c->count; i++) {
        const struct fmp4_sample *s = &c->samples[i];

        if (flags & TRUN_DURATION) builder_u32(b, s->duration);
        builder_u32(b, s->size);
        if (flags & TRUN_FLAGS)
            builder_u32(b, s->key ? SAMPLE_SYNC : SAMPLE_NON_SYNC);
        if (flags & TRUN_CTS) builder_u32(b, (uint32_t)s->cts);
    }
}

static void write_traf(struct builder *b, const struct fmp4_chunk *c,
                       size_t moof)
{
    size_t traf = box_begin(b, "traf");
    bool even = same_durations(c), mixed = c->video && keys_inside(c);
    uint32_t flags = TRUN_OFFSET | TRUN_SIZE;

    if (!even) flags |= TRUN_DURATION;
    if (any_cts(c)) flags |= TRUN_CTS;
    if (mixed)
        flags |= TRUN_FLAGS;
    else if (c->video && c->samples[0].key)
        flags |= TRUN_FIRST_FLAGS;

    size_t tfhd = full_box_begin(b, "tfhd", 0,
                                 TFHD_BASE_IS_MOOF | TFHD_FLAGS |
                                     (even ? TFHD_DURATION : 0u));
    builder_u32(b, 1);
    if (even) builder_u32(b, c->samples[0].duration);
    builder_u32(b, c->video ? SAMPLE_NON_SYNC : SAMPLE_SYNC);
    box_end(b, tfhd);

    size_t tfdt = full_box_begin(b, "tfdt", 1, 0);
    builder_u64(b, c->dts);
    box_end(b, tfdt);

    size_t trun = full_box_begin(b, "trun", 1, flags);
    builder_u32(b, (uint32_t)c->count);
    size_t offset = b->len;
    builder_u32(b, 0);
    if (flags & TRUN_FIRST_FLAGS) builder_u32(b, SAMPLE_SYNC);
    write_samples(b, c, flags);
    box_end(b, trun);
    box_end(b, traf);
    builder_patch_u32(b, offset, (uint32_t)(b->len - moof) + 8);
}

void fmp4_chunk_head(struct builder *b, const struct fmp4_chunk *c)
{
    uint32_t bytes = 8;

    if (c->begins_segment) write_styp(b);
    if (c->captured_wall_us > 0) write_prft(b, c);
    size_t moof = box_begin(b, "moof");
    size_t mfhd = full_box_begin(b, "mfhd", 0, 0);
    builder_u32(b, c->sequence);
    box_end(b, mfhd);
    write_traf(b, c, moof);
    box_end(b, moof);
    for (int i = 0; i < c->count; i++)
        bytes += c->samples[i].size;
    builder_u32(b, bytes);
    builder_bytes(b, "mdat", 4);
}

/* --- AVC payloads --------------------------------------------------------- */

static bool is_wanted(unsigned header)
{
    switch (header & 0x1F) {
    case H264_SPS:
    case H264_PPS:
    case H264_AUD:
    case H264_END_SEQUENCE:
    case H264_END_STREAM:
    case H264_FILLER: return false;
    default: return true;
    }
}

static int add_range(struct slice *out, int max, int *count,
                     const struct slice *payload, size_t from, size_t to)
{
    if (from == to) return 0;
    if (*count == max) return ERR_LIMIT;
    out[*count] = (struct slice){buf_ref(payload->owner), payload->data + from,
                                 to - from};
    ++*count;
    return 0;
}

int fmp4_clean_avc(struct slice *out, int max, int *count,
                   const struct slice *payload)
{
    size_t at = 0, kept_from = 0, end = payload->len;
    int err = 0;

    *count = 0;
    while (!err && end - at >= 4) {
        const uint8_t *p = payload->data + at;
        size_t n =
            (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

        if (n > end - at - 4) break;
        if (n == 0 || !is_wanted(p[4])) {
            err = add_range(out, max, count, payload, kept_from, at);
            kept_from = at + 4 + n;
        }
        at += 4 + n;
    }
    if (!err) err = add_range(out, max, count, payload, kept_from, at);
    return !err && at != end ? ERR_SYNTAX : err;
}

/* --- silence -------------------------------------------------------------- */

/* A raw_data_block whose one element has no scale factor bands, and an Opus
 * packet of 20 ms without energy (RFC 6716 §3.1, CELT full band). */
struct slice fmp4_silence(const struct track *t)
{
    static const uint8_t mono[] = {0x00, 0xc8, 0x00, 0x80, 0x23, 0x80};
    static const uint8_t stereo[] = {0x21, 0x00, 0x49, 0x90, 0x02,
                                     0x19, 0x00, 0x23, 0x80};
    static const uint8_t opus[] = {0xf8, 0xff, 0xfe};
    const struct track_info *info = track_info(t);
    struct slice c = track_config(t);
    struct aac_config aac;

    if (info->codec == CODEC_OPUS)
        return (struct slice){NULL, opus, sizeof opus};
    if (info->codec != CODEC_AAC || aac_config_parse(&aac, c.data, c.len) ||
        aac.object_type != AAC_LC || aac.sbr)
        return (struct slice){0};
    if (aac.channels == 1) return (struct slice){NULL, mono, sizeof mono};
    if (aac.channels == 2) return (struct slice){NULL, stereo, sizeof stereo};
    return (struct slice){0};
}
