/* tests/bench/capture.c — elementary streams to wire records, for tests and
 * measurements: lectern-transcode reads its output as it is.
 * usage: capture [-r WIDTHxHEIGHT:BPS]... [-t] VIDEO.h264 NUM DEN [AUDIO.aac]
 *   VIDEO: Annex B with access unit delimiters, no B-frames; NUM/DEN its
 *   cadence; AUDIO: ADTS. -r asks for a rung; -t keeps real time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/media/aac.h"
#include "core/media/h264.h"
#include "core/media/h264_sps.h"
#include "core/media/wire.h"

enum { RUNGS_MAX = 8, FILE_MAX = 512 << 20 };

struct file {
    uint8_t *data;
    size_t len;
};

static void die(const char *why)
{
    fprintf(stderr, "capture: %s\n", why);
    exit(1);
}

static struct file load(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct file out = {0};

    if (!f) die(path);
    out.data = malloc(FILE_MAX);
    if (!out.data) die("memory");
    out.len = fread(out.data, 1, FILE_MAX, f);
    fclose(f);
    return out;
}

static void put(const struct wire_record *r)
{
    uint8_t head[WIRE_HEAD_MAX];

    fwrite(head, 1, wire_head(head, r), stdout);
    if (r->payload.len) fwrite(r->payload.data, 1, r->payload.len, stdout);
}

static void put_video_track(const struct h264_params *p, uint32_t num,
                            uint32_t den)
{
    struct wire_record r = {.type = WIRE_TRACK};
    struct builder b;
    struct buf *config = NULL;
    struct h264_sps sps;

    if (h264_sps_parse(&sps, p->sps[0].data, p->sps[0].len)) die("SPS");
    builder_init(&b, WIRE_CONFIG_MAX);
    h264_avcc_write(&b, p);
    if (builder_seal(&b, &config)) die("parameter sets");
    r.payload = slice_take(&config);
    r.v.track = (struct track_info){.id = 1,
                                    .kind = TRACK_VIDEO,
                                    .codec = CODEC_H264,
                                    .timescale = VIDEO_TIMESCALE,
                                    .language = "und",
                                    .fps_num = num,
                                    .fps_den = den};
    r.v.track.width = sps.width;
    r.v.track.height = sps.height;
    put(&r);
    wire_record_release(&r);
}

struct clip {
    struct file file;
    struct reader in;
    struct h264_params params;
    uint32_t num, den;
    int64_t n;
};

/* The next access unit with 4-byte lengths; false at the end. */
static bool next_unit(struct clip *c, struct slice *out, bool *key)
{
    struct builder b;
    struct buf *whole = NULL;
    struct nal nal;

    builder_init(&b, WIRE_PAYLOAD_MAX);
    *key = false;
    while (nal_next_annexb(&c->in, &nal)) {
        if (h264_type(nal) == H264_AUD) {
            if (b.len) break;
            continue;
        }
        if (h264_type(nal) == H264_SPS || h264_type(nal) == H264_PPS) {
            h264_params_add(&c->params, nal);
            continue;
        }
        if (h264_type(nal) == H264_SEI) continue;
        *key |= h264_type(nal) == H264_IDR;
        builder_u32(&b, (uint32_t)nal.len);
        builder_bytes(&b, nal.data, nal.len);
    }
    if (!b.len || builder_seal(&b, &whole)) return false;
    *out = slice_take(&whole);
    return true;
}

static int64_t video_pts(const struct clip *c, int64_t n)
{
    return n * VIDEO_TIMESCALE * c->den / c->num;
}

struct sound {
    struct file file;
    size_t at;
    struct aac_config config;
    int64_t n;
};

static void put_audio_track(struct sound *s)
{
    struct wire_record r = {.type = WIRE_TRACK};
    struct adts_header h;
    uint8_t config[AAC_CONFIG_MAX];

    if (adts_parse(&h, s->file.data, s->file.len)) die("not ADTS");
    s->config = h.config;
    r.payload =
        (struct slice){NULL, config, aac_config_write(config, &h.config)};
    r.v.track = (struct track_info){.id = 2,
                                    .kind = TRACK_AUDIO,
                                    .codec = CODEC_AAC,
                                    .timescale = h.config.sample_rate,
                                    .language = "und",
                                    .sample_rate = h.config.sample_rate,
                                    .channels = h.config.channels};
    put(&r);
}

/* All sound that lies before the video time pts. */
static void put_sound_until(struct sound *s, int64_t pts)
{
    struct adts_header h;

    while (s->at < s->file.len) {
        int64_t at = s->n * 1024;
        if (at * VIDEO_TIMESCALE / s->config.sample_rate >= pts) return;
        if (adts_parse(&h, s->file.data + s->at, s->file.len - s->at)) return;
        struct wire_record r = {.type = WIRE_FRAME};
        r.v.frame = (struct frame){.track_id = 2,
                                   .flags = FRAME_KEY,
                                   .dts = at,
                                   .pts = at,
                                   .duration = 1024,
                                   .captured_at = clock_mono_us()};
        r.payload = (struct slice){NULL, s->file.data + s->at + h.header_len,
                                   h.frame_len - h.header_len};
        put(&r);
        s->at += h.frame_len;
        s->n++;
    }
}

static void keep_pace(int64_t began_at, int64_t pts)
{
    int64_t wait = began_at + pts * 1000000 / VIDEO_TIMESCALE - clock_mono_us();

    fflush(stdout);
    if (wait > 0) usleep((useconds_t)wait);
}

static void put_all(struct clip *c, struct sound *s, bool paced, bool marked)
{
    struct slice unit;
    bool key;
    uint64_t msn = 1;
    int64_t began_at = clock_mono_us();

    for (; next_unit(c, &unit, &key); c->n++) {
        int64_t pts = video_pts(c, c->n);
        if (s) put_sound_until(s, pts);
        if (paced) keep_pace(began_at, pts);
        struct wire_record mark = {.type = WIRE_MARK,
                                   .v.mark = {msn, pts, false}};
        if (key && marked) put(&mark);
        msn += key;
        struct wire_record r = {.type = WIRE_FRAME, .payload = unit};
        r.v.frame = (struct frame){.track_id = 1,
                                   .dts = pts,
                                   .pts = pts,
                                   .flags = key ? FRAME_KEY : 0,
                                   .duration = video_pts(c, c->n + 1) - pts,
                                   .captured_at = clock_mono_us()};
        put(&r);
        wire_record_release(&r);
    }
}

int main(int argc, char **argv)
{
    static struct clip clip;
    static struct sound sound;
    struct wire_record record = {.type = WIRE_HELLO,
                                 .v.hello.version = WIRE_VERSION};
    uint32_t rungs[RUNGS_MAX][3];
    int rung_count = 0, option;
    bool paced = false;

    while ((option = getopt(argc, argv, "r:t")) != -1) {
        uint32_t *r = rungs[rung_count];
        if (option == 't')
            paced = true;
        else if (option != 'r' || rung_count == RUNGS_MAX ||
                 sscanf(optarg, "%ux%u:%u", &r[0], &r[1], &r[2]) != 3)
            die("see its source");
        else
            rung_count++;
    }
    if (argc - optind < 3) die("see its source");
    clip.file = load(argv[optind]);
    clip.num = (uint32_t)atoi(argv[optind + 1]);
    clip.den = (uint32_t)atoi(argv[optind + 2]);
    if (!clip.num || !clip.den) die("cadence");
    if (argc - optind > 3) sound.file = load(argv[optind + 3]);
    /* The parameter sets stand before the first picture. */
    clip.in = reader_of(clip.file.data, clip.file.len);
    struct slice first;
    bool key;
    if (!next_unit(&clip, &first, &key)) die("no video");
    slice_unref(&first);
    clip.in = reader_of(clip.file.data, clip.file.len);
    put(&record);
    put_video_track(&clip.params, clip.num, clip.den);
    if (sound.file.len) put_audio_track(&sound);
    for (int i = 0; i < rung_count; i++) {
        record = (struct wire_record){.type = WIRE_TRACK};
        record.v.track =
            (struct track_info){.id = (uint8_t)(TRACK_RENDITION_FIRST + 1 + i),
                                .kind = TRACK_VIDEO,
                                .codec = CODEC_H264,
                                .timescale = VIDEO_TIMESCALE,
                                .width = rungs[i][0],
                                .height = rungs[i][1],
                                .bitrate_bps = rungs[i][2],
                                .fps_num = clip.num,
                                .fps_den = clip.den};
        put(&record);
    }
    put_all(&clip, sound.file.len ? &sound : NULL, paced, rung_count > 0);
    record = (struct wire_record){.type = WIRE_END};
    put(&record);
    return fflush(stdout) ? 1 : 0;
}
