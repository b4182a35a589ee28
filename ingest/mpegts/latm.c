#include "ingest/mpegts/latm.h"

#include "core/base/err.h"

/* LatmGetValue(): one to four bytes, as two bits say. */
static uint32_t get_value(struct bits *b)
{
    unsigned bytes = bits_get(b, 2) + 1;

    return bits_get(b, bytes * 8);
}

static int read_aac(struct aac_config *aac, struct bits *b, unsigned version)
{
    size_t len = version ? get_value(b) : 0, from = b->at;
    int err = aac_config_read(aac, b);

    if (err) return err;
    if (!version) return 0;
    if (b->at > from + len) return ERR_SYNTAX;
    bits_skip(b, from + len - b->at); /* fill bits, backward extensions */
    return 0;
}

/* otherDataLenBits: how much lies behind the frames, where nobody looks. */
static void skip_other_length(struct bits *b, unsigned version)
{
    uint32_t more = 1;

    if (!bits_get(b, 1)) return;
    if (version) {
        get_value(b);
        return;
    }
    while (more && !b->failed) {
        more = bits_get(b, 1);
        bits_skip(b, 8);
    }
}

/* StreamMuxConfig(), table 1.42. */
static int read_config(struct latm *l, struct aac_config *aac, struct bits *b)
{
    unsigned version = bits_get(b, 1);
    struct latm made = {.known = true};
    struct aac_config config;
    int err;

    if (version && bits_get(b, 1))
        return ERR_UNSUPPORTED;                  /* audioMuxVersionA */
    if (version) get_value(b);                   /* taraBufferFullness */
    if (!bits_get(b, 1)) return ERR_UNSUPPORTED; /* one time framing */
    made.frames = bits_get(b, 6) + 1;
    if (bits_get(b, 4) || bits_get(b, 3)) return ERR_UNSUPPORTED;
    err = read_aac(&config, b, version);
    if (err) return err;
    if (bits_get(b, 3)) return ERR_UNSUPPORTED; /* frameLengthType */
    bits_skip(b, 8);                            /* latmBufferFullness */
    skip_other_length(b, version);
    if (bits_get(b, 1)) bits_skip(b, 8); /* checksum */
    if (b->failed) return ERR_SYNTAX;
    *l = made;
    *aac = config;
    return 0;
}

int latm_open(struct latm *l, struct aac_config *aac, struct bits *b)
{
    if (!bits_get(b, 1)) return read_config(l, aac, b);
    return l->known ? 0 : ERR_AGAIN;
}

int latm_frame(struct bits *b, uint8_t out[LATM_FRAME_MAX], size_t *len)
{
    size_t n = 0;
    uint32_t step;

    do { /* PayloadLengthInfo() */
        step = bits_get(b, 8);
        n += step;
    } while (step == 255 && n < LATM_FRAME_MAX);
    if (b->failed || n > LATM_FRAME_MAX || n * 8 > bits_left(b))
        return ERR_SYNTAX;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)bits_get(b, 8);
    *len = n;
    return 0;
}
