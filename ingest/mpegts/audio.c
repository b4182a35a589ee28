#include "ingest/mpegts/audio.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "ingest/mpegts/latm.h"

enum {
    CLOCK_HZ = 90000,
    LOAS_SYNC = 0x2b7, /* 11 bits */
    OPUS_RATE = 48000,
    OPUS_PREFIX = 0x3ff, /* 11 bits */
};

void audio_init(struct audio *a, enum content content)
{
    memset(a, 0, sizeof *a);
    a->content = content;
    a->base = PES_NO_TIME;
}

void audio_release(struct audio *a)
{
    free(a->bytes);
    a->bytes = NULL;
    a->len = a->room = 0;
}

void audio_break(struct audio *a)
{
    a->len = 0;
    a->base = PES_NO_TIME;
}

static int append(struct audio *a, const struct pes_unit *u)
{
    size_t need = a->len + u->len;

    if (need > a->room) {
        uint8_t *more = realloc(a->bytes, need * 2);
        if (!more) return ERR_NOMEM;
        a->bytes = more;
        a->room = need * 2;
    }
    memcpy(a->bytes + a->len, u->data, u->len);
    a->len = need;
    return 0;
}

static bool is_same(const struct aac_config *x, const struct aac_config *y)
{
    return x->object_type == y->object_type &&
           x->sample_rate == y->sample_rate && x->channels == y->channels &&
           x->samples_per_frame == y->samples_per_frame && x->sbr == y->sbr &&
           x->ps == y->ps && x->output_rate == y->output_rate;
}

/* Hands a packet on and moves the clock behind it. */
static int give(struct audio *a, const uint8_t *data, size_t len, bool changed,
                uint32_t samples, uint32_t rate, audio_fn *fn, void *arg)
{
    struct audio_packet p = {.data = data, .len = len, .changed = changed};
    int err = 0;

    if (a->base != PES_NO_TIME && len) {
        p.pts = a->base + a->samples * CLOCK_HZ / rate;
        err = fn(&p, arg);
    }
    a->samples += samples;
    return err;
}

/* --- one step each: what lies at `at`; *used 0: not whole yet ------------- */

typedef int step_fn(struct audio *a, size_t at, size_t *used, audio_fn *fn,
                    void *arg);

static int step_adts(struct audio *a, size_t at, size_t *used, audio_fn *fn,
                     void *arg)
{
    const uint8_t *p = a->bytes + at;
    size_t left = a->len - at;
    struct adts_header h;
    int err = adts_parse(&h, p, left);

    if (err == ERR_AGAIN) return 0;
    *used = 1;
    if (err) {
        a->skipped++;
        a->unsupported += err != ERR_SYNTAX;
        return 0;
    }
    if (left < h.frame_len) {
        *used = 0;
        return 0;
    }
    /* A sync word may occur by chance: another must follow it. */
    if (left >= h.frame_len + 2 &&
        (p[h.frame_len] != 0xff || (p[h.frame_len + 1] & 0xf6) != 0xf0)) {
        a->skipped++;
        return 0;
    }
    *used = h.frame_len;
    bool changed = !is_same(&a->aac, &h.config);
    a->aac = h.config;
    return give(a, p + h.header_len, h.frame_len - h.header_len, changed,
                h.config.samples_per_frame, h.config.sample_rate, fn, arg);
}

static int give_element(struct audio *a, struct bits *b, audio_fn *fn,
                        void *arg)
{
    uint8_t frame[LATM_FRAME_MAX];
    struct aac_config before = a->aac;
    size_t len;
    int err = latm_open(&a->latm, &a->aac, b);

    if (err) {
        a->skipped += err == ERR_SYNTAX;
        a->unsupported += err == ERR_UNSUPPORTED || err == ERR_RANGE;
        return 0;
    }
    bool changed = !is_same(&before, &a->aac);
    for (unsigned i = 0; i < a->latm.frames; i++) {
        if (latm_frame(b, frame, &len)) {
            a->skipped++;
            return 0;
        }
        err = give(a, frame, len, changed, a->aac.samples_per_frame,
                   a->aac.sample_rate, fn, arg);
        if (err) return err;
        changed = false;
    }
    return 0;
}

/* AudioSyncStream(): 11 bits of sync, 13 of length. */
static int step_loas(struct audio *a, size_t at, size_t *used, audio_fn *fn,
                     void *arg)
{
    struct reader r = reader_of(a->bytes + at, a->len - at);
    uint32_t head = reader_u24(&r);

    if (r.failed) return 0;
    if (head >> 13 != LOAS_SYNC) {
        *used = 1;
        a->skipped++;
        return 0;
    }
    size_t len = head & 0x1fff;
    const uint8_t *element = reader_take(&r, len);
    if (!element) return 0;
    *used = LOAS_HEADER_BYTES + len;
    struct bits b = bits_of(element, len);
    return give_element(a, &b, fn, arg);
}

/* Durations by the packet's first byte, RFC 6716 §3.1. */
static uint32_t opus_samples(const uint8_t *data, size_t len)
{
    static const uint16_t silk[] = {480, 960, 1920, 2880};
    unsigned toc, size, frames;

    if (!len) return 0;
    toc = data[0] >> 3;
    size = toc < 12   ? silk[toc & 3]
           : toc < 16 ? 480u << (toc & 1)
                      : 120u << (toc & 3);
    frames = (data[0] & 3) == 0   ? 1
             : (data[0] & 3) != 3 ? 2
             : len < 2            ? 0
                                  : data[1] & 63u;
    return size * frames;
}

static int step_opus(struct audio *a, size_t at, size_t *used, audio_fn *fn,
                     void *arg)
{
    struct reader r = reader_of(a->bytes + at, a->len - at);
    uint16_t head = reader_u16(&r);
    size_t len = 0;
    uint8_t step;

    *used = a->len - at; /* unless it is sound: the rest is of no use */
    a->skipped++;
    if (head >> 5 != OPUS_PREFIX) return 0;
    do {
        step = reader_u8(&r);
        len += step;
    } while (step == 255);
    if (head & 0x10) reader_u16(&r); /* start trim */
    if (head & 0x08) reader_u16(&r); /* end trim */
    if (head & 0x04) reader_take(&r, reader_u8(&r));
    const uint8_t *data = reader_take(&r, len);
    if (r.failed) return 0;
    a->skipped--;
    *used = (size_t)(r.at - a->bytes) - at;
    return give(a, data, len, false, opus_samples(data, len), OPUS_RATE, fn,
                arg);
}

static step_fn *stepper(enum content c)
{
    switch (c) {
    case CONTENT_LATM: return step_loas;
    case CONTENT_OPUS: return step_opus;
    default: return step_adts;
    }
}

int audio_feed(struct audio *a, const struct pes_unit *u, audio_fn *fn,
               void *arg)
{
    size_t at = 0, used, mark = a->len;
    bool timed = u->pts == PES_NO_TIME;
    step_fn *step = stepper(a->content);
    int err = append(a, u);

    while (!err && at < a->len) {
        /* A unit's time is that of the first packet that begins in it. */
        if (!timed && at >= mark) {
            a->base = u->pts;
            a->samples = 0;
            timed = true;
        }
        used = 0;
        err = step(a, at, &used, fn, arg);
        if (!used) break;
        at += used;
    }
    if (err) {
        audio_break(a);
        return err;
    }
    a->len -= at;
    memmove(a->bytes, a->bytes + at, a->len);
    return 0;
}
