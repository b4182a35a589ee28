#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/media/h264.h"
#include "core/media/hevc.h"
#include "core/media/language.h"
#include "ingest/mpegts/demux_priv.h"

enum {
    CLOCK_HZ = 90000,
    OPUS_RATE = 48000,
    OPUS_CHANNELS_MAX = 2,
    PICTURES_MAX = 64, /* in one PES unit; further ones stay with the last */
};
#define TIME_MASK 0x1ffffffff

/* --- time ------------------------------------------------------------------
 */

/* From one time to another, modulo 33 bits: below 13.3 h either way. */
static int64_t step(int64_t from, int64_t to)
{
    return (int64_t)(((uint64_t)to - (uint64_t)from) << 31) >> 31;
}

/* 33 bits of 90 kHz wrap after 26.5 h: the signed step from the newest time of
 * any stream, so that one epoch holds for all, also while only some of them
 * have wrapped. */
static int64_t unwrap(struct demux *d, int64_t time)
{
    if (!d->has_clock) d->clock = time;
    d->has_clock = true;
    d->clock += step(d->clock, time);
    return d->clock;
}

static int64_t to_us(int64_t ticks)
{
    return ticks * 100 / 9;
}

/* --- video ------------------------------------------------------------------
 */

static bool is_hevc(const struct demux_stream *s)
{
    return s->map.content == CONTENT_HEVC;
}

static struct buf *video_config(const struct demux_stream *s)
{
    return is_hevc(s) ? s->hevc.config : s->avc.config;
}

static void announce_video(struct demux_stream *s)
{
    struct track_info info = {.kind = TRACK_VIDEO,
                              .codec = is_hevc(s) ? CODEC_HEVC : CODEC_H264,
                              .timescale = VIDEO_TIMESCALE};
    struct slice config =
        slice_of(video_config(s), 0, buf_len(video_config(s)));

    s->announced = true;
    s->demux->events.on_track(s->slot, &info, config, s->demux->events.arg);
    slice_unref(&config);
}

static void give_picture(struct demux_stream *s, const struct pes_unit *u,
                         const struct avc_unit *picture)
{
    struct demux *d = s->demux;
    int64_t dts = unwrap(d, u->dts);
    struct publisher_frame f = {.slot = s->slot,
                                .key = picture->key,
                                .dts_us = to_us(dts),
                                .pts_us = to_us(dts + step(u->dts, u->pts)),
                                .payload = picture->payload};

    if (picture->key) {
        s->drop_leading = s->need_key;
        s->need_key = false;
    }
    if (s->need_key || (picture->leading && s->drop_leading)) {
        d->counts.dropped_frames++;
        return;
    }
    d->counts.frames++;
    d->events.on_frame(&f, d->events.arg);
}

static void take_picture(struct demux_stream *s, const struct pes_unit *u)
{
    struct demux *d = s->demux;
    struct slice in = {NULL, u->data, u->len};
    struct avc_unit picture;
    int err;

    err = is_hevc(s) ? hevc_source_unit(&s->hevc, in, &picture)
                     : avc_source_unit(&s->avc, in, u->random_access, &picture);
    if (err == ERR_ORDER) { /* no parameter set came yet */
        d->counts.dropped_frames++;
        return;
    }
    if (err == ERR_NOMEM) d->err = err;
    if (err) {
        d->counts.lost_units++;
        s->need_key = true;
        return;
    }
    if (picture.changed || (video_config(s) && !s->announced))
        announce_video(s);
    if (picture.payload.len) give_picture(s, u, &picture);
    slice_unref(&picture.payload);
}

static bool is_delimiter(const struct demux_stream *s, struct nal n)
{
    return is_hevc(s) ? hevc_type(n) == HEVC_AUD : h264_type(n) == H264_AUD;
}

static bool is_slice(const struct demux_stream *s, struct nal n)
{
    if (is_hevc(s)) return hevc_type(n) <= HEVC_VCL_LAST;
    return h264_type(n) >= H264_SLICE && h264_type(n) <= H264_IDR;
}

/* Where the second access unit begins, by its delimiter; u->len: there is only
 * one. OBS puts an SEI unit before its first picture's delimiter, which begins
 * nothing new: no slice came before it. */
static size_t find_next_picture(const struct demux_stream *s,
                                const struct pes_unit *u)
{
    struct reader r = reader_of(u->data, u->len);
    struct nal n;

    for (bool has_slice = false; nal_next_annexb(&r, &n);) {
        if (has_slice && is_delimiter(s, n))
            return (size_t)(n.data - u->data) - 3;
        has_slice |= is_slice(s, n);
    }
    return u->len;
}

static int count_pictures(const struct demux_stream *s, struct pes_unit u)
{
    int n = 0;

    for (; u.len && n < PICTURES_MAX; n++) {
        size_t len = find_next_picture(s, &u);
        u.data += len;
        u.len -= len;
    }
    return n;
}

/* Of several pictures in one unit only the first has times: the others lie
 * evenly between this unit and, as far as can be told, the next. */
static void take_pictures(struct demux_stream *s, const struct pes_unit *u,
                          int count, int64_t spacing)
{
    struct pes_unit one = *u, rest = *u;

    for (int i = 0; i < count; i++) {
        one.data = rest.data;
        one.len = i + 1 < count ? find_next_picture(s, &rest) : rest.len;
        rest.data += one.len;
        rest.len -= one.len;
        take_picture(s, &one);
        one.dts = one.pts = (one.dts + spacing) & TIME_MASK;
        one.random_access = false;
    }
}

static void on_video(const struct pes_unit *u, void *arg)
{
    struct demux_stream *s = arg;
    int count = count_pictures(s, *u);
    int64_t spacing = CLOCK_HZ / 30;

    if (u->dts == PES_NO_TIME) {
        s->demux->counts.lost_units++;
        s->need_key = true;
        return;
    }
    if (s->timed) spacing = step(s->last_dts, u->dts) / s->last_pictures;
    if (spacing <= 0 || spacing > CLOCK_HZ) spacing = CLOCK_HZ / 30;
    take_pictures(s, u, count, spacing);
    s->timed = true;
    s->last_dts = u->dts;
    s->last_pictures = count;
}

/* --- audio ------------------------------------------------------------------
 */

/* A dOps body ("Encapsulation of Opus in ISOBMFF" §4.3.2); nothing is known of
 * a pre-skip. */
static size_t write_opus_config(uint8_t out[11], unsigned channels)
{
    static const uint8_t body[11] = {0, 0, 0, 0, 0, 0, 0xbb, 0x80, 0, 0, 0};

    memcpy(out, body, sizeof body);
    out[1] = (uint8_t)channels;
    return sizeof body;
}

static int announce_audio(struct demux_stream *s)
{
    struct track_info info = {.kind = TRACK_AUDIO, .codec = CODEC_AAC};
    const struct aac_config *aac = &s->audio.aac;
    uint8_t bytes[16];
    struct buf *made;
    size_t n;

    if (s->map.content == CONTENT_OPUS) {
        info.codec = CODEC_OPUS;
        info.timescale = info.sample_rate = OPUS_RATE;
        info.channels = s->map.channels;
        n = write_opus_config(bytes, info.channels);
    } else {
        info.timescale = info.sample_rate = aac->sample_rate;
        info.channels = aac->channels;
        n = aac_config_write(bytes, aac);
    }
    if (!n) return ERR_UNSUPPORTED;
    if (buf_create(&made, bytes, n)) return ERR_NOMEM;
    language_tag(info.language, s->map.language);
    struct slice config = slice_take(&made);
    s->demux->events.on_track(s->slot, &info, config, s->demux->events.arg);
    slice_unref(&config);
    s->announced = true;
    return 0;
}

static int on_packet(const struct audio_packet *p, void *arg)
{
    struct demux_stream *s = arg;
    struct demux *d = s->demux;
    struct buf *made;
    int err = 0;

    if (p->changed) s->announced = false;
    if (!s->announced) err = announce_audio(s);
    if (err == ERR_UNSUPPORTED) {
        d->counts.dropped_frames++;
        return 0;
    }
    if (!err) err = buf_create(&made, p->data, p->len);
    if (err) return err;
    struct publisher_frame f = {.slot = s->slot, .key = true};
    f.dts_us = f.pts_us = to_us(unwrap(d, p->pts));
    f.payload = slice_take(&made);
    d->counts.frames++;
    d->events.on_frame(&f, d->events.arg);
    slice_unref(&f.payload);
    return 0;
}

static void on_audio(const struct pes_unit *u, void *arg)
{
    struct demux_stream *s = arg;
    int err = audio_feed(&s->audio, u, on_packet, s);

    if (err) s->demux->err = err;
}

/* --- metadata ---------------------------------------------------------------
 */

static void on_id3(const struct pes_unit *u, void *arg)
{
    struct demux_stream *s = arg;
    struct demux *d = s->demux;
    struct demux_meta m = {
        .content = CONTENT_ID3, .data = u->data, .len = u->len};

    d->counts.metas++;
    m.has_time = u->pts != PES_NO_TIME && d->has_clock;
    if (m.has_time) m.pts_us = to_us(unwrap(d, u->pts));
    if (d->events.on_meta) d->events.on_meta(&m, d->events.arg);
}

static void on_scte35(const uint8_t *data, size_t len, void *arg)
{
    struct demux_stream *s = arg;
    struct demux *d = s->demux;
    struct demux_meta m = {.content = CONTENT_SCTE35, .data = data, .len = len};

    if (psi_crc(data, len)) {
        d->counts.bad_sections++;
        return;
    }
    d->counts.metas++;
    if (d->events.on_meta) d->events.on_meta(&m, d->events.arg);
}

/* --- streams ----------------------------------------------------------------
 */

static bool is_opus_we_take(const struct pmt_stream *map)
{
    return map->channels >= 1 && map->channels <= OPUS_CHANNELS_MAX;
}

int demux_stream_create(struct demux_stream **out, struct demux *d,
                        const struct pmt_stream *map, int slot)
{
    struct demux_stream *s = calloc(1, sizeof *s);

    if (!s) return ERR_NOMEM;
    s->demux = d;
    s->map = *map;
    s->slot = slot;
    s->need_key = true;
    s->avc.framing = s->hevc.framing = NAL_ANNEXB;
    pes_init(&s->pes,
             content_is_picture(map->content) ? PES_VIDEO_MAX : PES_OTHER_MAX);
    audio_init(&s->audio, map->content);
    if (map->content == CONTENT_SCTE35) {
        s->section = malloc(sizeof *s->section);
        if (!s->section) {
            free(s);
            return ERR_NOMEM;
        }
        section_init(s->section, PRIVATE_SECTION_MAX);
    }
    *out = s;
    return 0;
}

void demux_stream_free(struct demux_stream **out)
{
    struct demux_stream *s = *out;

    *out = NULL;
    if (!s) return;
    avc_source_release(&s->avc);
    hevc_source_release(&s->hevc);
    audio_release(&s->audio);
    pes_release(&s->pes);
    free(s->section);
    free(s);
}

void demux_stream_break(struct demux_stream *s)
{
    if (s->section) section_break(s->section);
    if (pes_break(&s->pes) && s->slot >= 0) s->demux->counts.lost_units++;
    audio_break(&s->audio);
    s->need_key = true;
}

static pes_fn *taker(const struct demux_stream *s)
{
    if (s->map.content == CONTENT_ID3) return on_id3;
    if (s->slot < 0) return NULL;
    if (content_is_picture(s->map.content)) return on_video;
    if (s->map.content == CONTENT_OPUS && !is_opus_we_take(&s->map))
        return NULL;
    return on_audio;
}

static void feed_unit(struct demux_stream *s, const struct ts_packet *p,
                      pes_fn *fn)
{
    int err = pes_feed(&s->pes, p, fn, s);

    if (!err) return;
    if (err == ERR_NOMEM) s->demux->err = err;
    s->demux->counts.lost_units++;
    audio_break(&s->audio);
    s->need_key = true;
}

void demux_stream_feed(struct demux_stream *s, const struct ts_packet *p)
{
    pes_fn *fn = taker(s);

    if (!fn && !s->section) return;
    switch (ts_counter_step(&s->counter, p)) {
    case TS_DUPLICATE: s->demux->counts.duplicates++; return;
    case TS_GAP:
        s->demux->counts.gaps++;
        demux_stream_break(s);
        break;
    case TS_JUMP: /* with a new unit the one before may well be whole */
        if (!p->start) demux_stream_break(s);
        break;
    case TS_NEXT: break;
    }
    if (!p->payload) return;
    if (p->scrambled) {
        s->demux->counts.scrambled++;
        demux_stream_break(s);
        return;
    }
    if (s->section)
        section_feed(s->section, p, on_scte35, s);
    else
        feed_unit(s, p, fn);
}
