#include "core/media/aac.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bits.h"
#include "core/base/err.h"

enum {
    RATE_MIN = 7350,
    RATE_MAX = 96000,
    RATE_EXPLICIT = 15,
    TYPE_ESCAPE = 31,
    SYNC_SBR = 0x2b7,
    SYNC_PS = 0x548,
};

static const uint32_t rates[] = {96000, 88200, 64000, 48000, 44100,
                                 32000, 24000, 22050, 16000, 12000,
                                 11025, 8000,  7350};
static const uint8_t channel_counts[16] = {0, 1, 2, 3, 4, 5, 6, 8,
                                           0, 0, 0, 7, 8, 0, 8, 0};

static uint32_t get_type(struct bits *b)
{
    uint32_t type = bits_get(b, 5);

    return type == TYPE_ESCAPE ? 32 + bits_get(b, 6) : type;
}

static uint32_t get_rate(struct bits *b)
{
    uint32_t index = bits_get(b, 4);

    if (index == RATE_EXPLICIT) return bits_get(b, 24);
    return index < sizeof rates / sizeof *rates ? rates[index] : 0;
}

/* program_config_element (§4.4.1.1): its elements counted as channels. */
static uint32_t count_pce_channels(struct bits *b)
{
    uint32_t counts[4], channels = 0;

    bits_skip(b, 10);
    for (int i = 0; i < 4; i++)
        counts[i] = i < 3 ? bits_get(b, 4) : bits_get(b, 2);
    bits_skip(b, 7); /* assoc data, valid cc counts: not needed past here */
    if (bits_get(b, 1)) bits_skip(b, 4);
    if (bits_get(b, 1)) bits_skip(b, 4);
    if (bits_get(b, 1)) bits_skip(b, 3);
    for (int i = 0; i < 4; i++) {
        for (uint32_t n = 0; n < counts[i] && !b->failed; n++) {
            channels += i < 3 && bits_get(b, 1) ? 2 : 1;
            bits_skip(b, 4);
        }
    }
    return channels;
}

/* GASpecificConfig (§4.4.1). */
static void parse_ga(struct bits *b, struct aac_config *c, uint32_t channels)
{
    c->samples_per_frame = bits_get(b, 1) ? 960 : 1024;
    if (bits_get(b, 1)) bits_skip(b, 14);
    bits_skip(b, 1);
    c->channels = channels ? channel_counts[channels] : count_pce_channels(b);
}

/* Backward-compatible signalling behind the core's config (§1.6.5.3). */
static void parse_sync_extension(struct bits *b, struct aac_config *c)
{
    if (c->sbr || bits_left(b) < 16 || bits_get(b, 11) != SYNC_SBR) return;
    if (get_type(b) != AAC_SBR || !bits_get(b, 1)) return;
    uint32_t rate = get_rate(b);
    if (b->failed || rate < c->sample_rate || rate > RATE_MAX) return;
    c->sbr = true;
    c->output_rate = rate;
    if (bits_left(b) >= 12 && bits_get(b, 11) == SYNC_PS)
        c->ps = bits_get(b, 1);
}

/* *channels: the field, 0 when a program_config_element tells. */
static int read_config(struct aac_config *c, uint32_t *channels, struct bits *b)
{
    c->object_type = get_type(b);
    c->sample_rate = c->output_rate = get_rate(b);
    *channels = bits_get(b, 4);
    if (c->object_type == AAC_SBR || c->object_type == AAC_PS) {
        c->sbr = true;
        c->ps = c->object_type == AAC_PS;
        c->output_rate = get_rate(b);
        c->object_type = get_type(b);
    }
    if (b->failed) return ERR_SYNTAX;
    if (c->object_type < 1 || c->object_type > 4) return ERR_UNSUPPORTED;
    if (c->sample_rate < RATE_MIN || c->sample_rate > RATE_MAX)
        return ERR_RANGE;
    if (c->output_rate < RATE_MIN || c->output_rate > RATE_MAX)
        return ERR_RANGE;
    parse_ga(b, c, *channels);
    if (b->failed) return ERR_SYNTAX;
    return c->channels < 1 || c->channels > 8 ? ERR_RANGE : 0;
}

int aac_config_read(struct aac_config *out, struct bits *b)
{
    struct aac_config c = {0};
    uint32_t channels;
    int err = read_config(&c, &channels, b);

    if (err) return err;
    /* where a program_config_element ends, nobody here knows */
    if (!channels) return ERR_UNSUPPORTED;
    *out = c;
    return 0;
}

int aac_config_parse(struct aac_config *out, const void *data, size_t len)
{
    struct bits b = bits_of(data, len);
    struct aac_config c = {0};
    uint32_t channels;
    int err = read_config(&c, &channels, &b);

    if (err) return err;
    if (channels) parse_sync_extension(&b, &c);
    *out = c;
    return 0;
}

struct bit_writer {
    uint8_t *out;
    size_t at;
};

static void put(struct bit_writer *w, uint32_t v, unsigned n)
{
    for (; n--; w->at++)
        w->out[w->at / 8] |= (uint8_t)((v >> n & 1) << (7 - w->at % 8));
}

static void put_rate(struct bit_writer *w, uint32_t rate)
{
    for (uint32_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        if (rates[i] != rate) continue;
        put(w, i, 4);
        return;
    }
    put(w, RATE_EXPLICIT, 4);
    put(w, rate, 24);
}

size_t aac_config_write(uint8_t out[AAC_CONFIG_MAX], const struct aac_config *c)
{
    uint8_t bytes[16] = {0};
    struct bit_writer w = {bytes, 0};
    uint32_t index = 0;

    for (uint32_t i = 1; i < 16 && !index; i++)
        if (channel_counts[i] && channel_counts[i] == c->channels) index = i;
    if (!index || c->object_type < 1 || c->object_type > 4) return 0;
    put(&w, c->ps ? AAC_PS : c->sbr ? AAC_SBR : c->object_type, 5);
    put_rate(&w, c->sample_rate);
    put(&w, index, 4);
    if (c->sbr) {
        put_rate(&w, c->output_rate);
        put(&w, c->object_type, 5);
    }
    put(&w, c->samples_per_frame == 960, 1);
    put(&w, 0, 2);
    size_t n = (w.at + 7) / 8;
    if (n > AAC_CONFIG_MAX) return 0;
    memcpy(out, bytes, n);
    return n;
}

void aac_codec_text(char out[AAC_CODEC_TEXT], const struct aac_config *c)
{
    snprintf(out, AAC_CODEC_TEXT, "mp4a.40.%u",
             c->ps    ? (unsigned)AAC_PS
             : c->sbr ? (unsigned)AAC_SBR
                      : c->object_type & 31);
}

int adts_parse(struct adts_header *out, const void *data, size_t len)
{
    struct bits b = bits_of(data, len);
    struct adts_header h = {.config.samples_per_frame = 1024};
    uint32_t rate, channels;

    if (len < ADTS_HEADER_MIN) return ERR_AGAIN;
    if (bits_get(&b, 12) != 0xfff) return ERR_SYNTAX;
    bits_skip(&b, 1);
    if (bits_get(&b, 2)) return ERR_SYNTAX; /* layer */
    h.header_len = bits_get(&b, 1) ? 7 : 9;
    h.config.object_type = bits_get(&b, 2) + 1;
    rate = bits_get(&b, 4);
    bits_skip(&b, 1);
    channels = bits_get(&b, 3);
    bits_skip(&b, 4);
    h.frame_len = bits_get(&b, 13);
    bits_skip(&b, 11);
    if (bits_get(&b, 2)) return ERR_UNSUPPORTED;
    if (rate >= sizeof rates / sizeof *rates) return ERR_RANGE;
    if (!channels) return ERR_RANGE;
    if (h.frame_len < h.header_len) return ERR_SYNTAX;
    h.config.sample_rate = h.config.output_rate = rates[rate];
    h.config.channels = channel_counts[channels];
    *out = h;
    return 0;
}
