#include "packager/fmp4_init.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/media/aac.h"
#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "core/media/hevc.h"
#include "packager/fmp4_priv.h"

/* moov is a few hundred bytes; avcC with 8 + 32 sets of 64 KiB cannot pass. */
enum { INIT_BYTES_MAX = 256 * 1024 };

static void matrix(struct builder *b)
{
    static const uint32_t unity[9] = {0x10000, 0, 0, 0,         0x10000,
                                      0,       0, 0, 0x40000000};

    for (int i = 0; i < 9; i++)
        builder_u32(b, unity[i]);
}

static void write_ftyp(struct builder *b)
{
    size_t at = fmp4_box_begin(b, "ftyp");

    builder_bytes(b, "cmf2", 4); /* signed composition offsets, no edit list */
    builder_u32(b, 0);
    builder_bytes(b, "iso6cmf2cmfcmp41", 16);
    fmp4_box_end(b, at);
}

static void write_mvhd(struct builder *b)
{
    size_t at = fmp4_full_box_begin(b, "mvhd", 0, 0);

    fmp4_zeros(b, 8); /* created, modified */
    builder_u32(b, 1000);
    builder_u32(b, 0); /* duration: live */
    builder_u32(b, 0x00010000);
    builder_u16(b, 0x0100);
    fmp4_zeros(b, 10);
    matrix(b);
    fmp4_zeros(b, 24);
    builder_u32(b, 2); /* next track id */
    fmp4_box_end(b, at);
}

static void write_tkhd(struct builder *b, const struct track_info *info)
{
    size_t at = fmp4_full_box_begin(b, "tkhd", 0, 7);

    fmp4_zeros(b, 8);
    builder_u32(b, 1); /* track id */
    fmp4_zeros(b, 4 + 4 + 8);
    fmp4_zeros(b, 4); /* layer, alternate group */
    builder_u16(b, info->kind == TRACK_AUDIO ? 0x0100 : 0);
    builder_u16(b, 0);
    matrix(b);
    builder_u32(b, info->kind == TRACK_VIDEO ? info->width << 16 : 0);
    builder_u32(b, info->kind == TRACK_VIDEO ? info->height << 16 : 0);
    fmp4_box_end(b, at);
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
    size_t at = fmp4_full_box_begin(b, "mdhd", 0, 0);

    fmp4_zeros(b, 8);
    builder_u32(b, info->timescale);
    builder_u32(b, 0);
    builder_u16(b, packed_language(info->language));
    builder_u16(b, 0);
    fmp4_box_end(b, at);
}

static void write_hdlr(struct builder *b, bool video)
{
    size_t at = fmp4_full_box_begin(b, "hdlr", 0, 0);

    fmp4_zeros(b, 4);
    builder_bytes(b, video ? "vide" : "soun", 4);
    fmp4_zeros(b, 12);
    builder_bytes(b, video ? "video" : "audio", 6); /* with its NUL */
    fmp4_box_end(b, at);
}

static void write_pasp(struct builder *b, const struct h264_sps *sps)
{
    if (!sps->sar_num || !sps->sar_den || sps->sar_num == sps->sar_den) return;
    size_t at = fmp4_box_begin(b, "pasp");
    builder_u32(b, sps->sar_num);
    builder_u32(b, sps->sar_den);
    fmp4_box_end(b, at);
}

static void write_btrt(struct builder *b, uint32_t bps)
{
    if (!bps) return;
    size_t at = fmp4_box_begin(b, "btrt");
    builder_u32(b, 0);
    builder_u32(b, bps);
    builder_u32(b, bps);
    fmp4_box_end(b, at);
}

/* The visual sample entry up to its codec box. */
static size_t visual_begin(struct builder *b, const char *type, uint32_t width,
                           uint32_t height)
{
    size_t at = fmp4_box_begin(b, type);

    fmp4_zeros(b, 6);
    builder_u16(b, 1); /* data reference */
    fmp4_zeros(b, 16);
    builder_u16(b, width);
    builder_u16(b, height);
    builder_u32(b, 0x00480000); /* 72 dpi */
    builder_u32(b, 0x00480000);
    builder_u32(b, 0);
    builder_u16(b, 1);
    fmp4_zeros(b, 32); /* compressor name */
    builder_u16(b, 0x0018);
    builder_u16(b, 0xFFFF);
    return at;
}

static void write_codec_box(struct builder *b, const char *type,
                            const struct slice *config)
{
    size_t at = fmp4_box_begin(b, type);

    builder_bytes(b, config->data, config->len);
    fmp4_box_end(b, at);
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
    size_t avcc = fmp4_box_begin(b, "avcC");
    h264_avcc_write(b, &params);
    fmp4_box_end(b, avcc);
    write_pasp(b, &sps);
    write_btrt(b, info->bitrate_bps);
    fmp4_box_end(b, at);
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
    fmp4_box_end(b, at);
    return 0;
}

static size_t audio_begin(struct builder *b, const char *type,
                          const struct track_info *info)
{
    size_t at = fmp4_box_begin(b, type);

    fmp4_zeros(b, 6);
    builder_u16(b, 1);
    fmp4_zeros(b, 8);
    builder_u16(b, info->channels ? info->channels : 2);
    builder_u16(b, 16);
    fmp4_zeros(b, 4);
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
    size_t esds = fmp4_full_box_begin(b, "esds", 0, 0);
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
    fmp4_box_end(b, esds);
    fmp4_box_end(b, at);
    return 0;
}

static int write_opus(struct builder *b, const struct track_info *info,
                      const struct slice *config)
{
    size_t at = audio_begin(b, "Opus", info);
    size_t dops = fmp4_box_begin(b, "dOps");

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
    fmp4_box_end(b, dops);
    fmp4_box_end(b, at);
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
    size_t at = fmp4_box_begin(b, "stbl");
    size_t stsd = fmp4_full_box_begin(b, "stsd", 0, 0);
    int err;

    builder_u32(b, 1);
    err = write_sample_entry(b, info, config);
    fmp4_box_end(b, stsd);
    for (int i = 0; i < 3; i++) {
        size_t table = fmp4_full_box_begin(b, empty[i], 0, 0);
        builder_u32(b, 0);
        fmp4_box_end(b, table);
    }
    size_t stsz = fmp4_full_box_begin(b, "stsz", 0, 0);
    fmp4_zeros(b, 8);
    fmp4_box_end(b, stsz);
    fmp4_box_end(b, at);
    return err;
}

static int write_minf(struct builder *b, const struct track_info *info,
                      const struct slice *config)
{
    size_t at = fmp4_box_begin(b, "minf");
    int err;

    if (info->kind == TRACK_VIDEO) {
        size_t vmhd = fmp4_full_box_begin(b, "vmhd", 0, 1);
        fmp4_zeros(b, 8);
        fmp4_box_end(b, vmhd);
    } else {
        size_t smhd = fmp4_full_box_begin(b, "smhd", 0, 0);
        fmp4_zeros(b, 4);
        fmp4_box_end(b, smhd);
    }
    size_t dinf = fmp4_box_begin(b, "dinf");
    size_t dref = fmp4_full_box_begin(b, "dref", 0, 0);
    builder_u32(b, 1);
    fmp4_box_end(b, fmp4_full_box_begin(b, "url ", 0, 1)); /* in this file */
    fmp4_box_end(b, dref);
    fmp4_box_end(b, dinf);
    err = write_stbl(b, info, config);
    fmp4_box_end(b, at);
    return err;
}

static void write_mvex(struct builder *b)
{
    size_t at = fmp4_box_begin(b, "mvex");
    size_t trex = fmp4_full_box_begin(b, "trex", 0, 0);

    builder_u32(b, 1);
    builder_u32(b, 1);
    fmp4_zeros(b, 12);
    fmp4_box_end(b, trex);
    fmp4_box_end(b, at);
}

int fmp4_init(struct buf **out, const struct track *t)
{
    const struct track_info *info = track_info(t);
    struct slice config = track_config(t);
    struct builder b;
    int err;

    builder_init(&b, INIT_BYTES_MAX);
    write_ftyp(&b);
    size_t moov = fmp4_box_begin(&b, "moov");
    write_mvhd(&b);
    size_t trak = fmp4_box_begin(&b, "trak");
    write_tkhd(&b, info);
    size_t mdia = fmp4_box_begin(&b, "mdia");
    write_mdhd(&b, info);
    write_hdlr(&b, info->kind == TRACK_VIDEO);
    err = write_minf(&b, info, &config);
    fmp4_box_end(&b, mdia);
    fmp4_box_end(&b, trak);
    write_mvex(&b);
    fmp4_box_end(&b, moov);
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
