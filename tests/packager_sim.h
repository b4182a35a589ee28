/* tests/packager_sim.h — whole streams on simulated media time: every playlist
 * after every event is held against the rules of packager/lint.h, every part
 * against its bytes. */
#ifndef TESTS_PACKAGER_SIM_H
#define TESTS_PACKAGER_SIM_H
#include <inttypes.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "packager/boxes.h"
#include "packager/lint.h"
#include "packager/m3u8.h"
#include "packager/packager.h"
#include "packager/playlist.h"
#include "tests/avc_configs.h"
#include "tests/harness.h"

enum { SOURCE = TRACK_SOURCE_FIRST, HIGH = TRACK_RENDITION_FIRST, LOW, SOUND };

static const uint8_t avcc_other[] = {
    0x01, 0x4d, 0x40, 0x1e, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x4d, 0x40,
    0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x66, 0x10, 0x00, 0x00, 0x03,
    0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x62, 0xe4, 0x80,
    0x01, 0x00, 0x05, 0x68, 0xcb, 0x83, 0xcb, 0x20};
static const uint8_t asc[] = {0x11, 0x90};

/* What one rendition looked like last, and what its bytes must go on with. */
struct seen {
    struct m3u8 *full;
    struct boxes_init init;
    int64_t next_dts;
    bool broke; /* tfdt may jump: something was missing */
    int parts, gaps, inits;
    int silent; /* parts with silence in them */
};

struct sim {
    struct loop *loop;
    struct bus *bus;
    struct packager *packager;
    struct store *store;
    struct lint lint;
    struct seen seen[STORE_RENDITIONS_MAX];
    uint64_t msn;
    int64_t video_us, audio_us; /* of the next frame, stream time */
    int64_t next_mark_us;
    int64_t audio_frames;
    int fps_num, fps_den;
    uint32_t rate;
    bool ms_times;      /* dts as RTMP gives them: whole milliseconds */
    bool no_durations;  /* frames do not say how long they last */
    bool low_is_off;    /* the second rung makes nothing */
    bool discontinuity; /* the next mark is one */
    bool broken;        /* the source's next frame says so, too */
    bool hold_low;      /* waits for a mark to come back */
    bool sound_is_off;
    int64_t sound_late_us; /* how far behind the pictures sound comes */
    int64_t gop_us;
    int should;
};

static inline void found(const char *rule, const char *section, bool must,
                         const char *detail, void *arg)
{
    struct sim *s = arg;

    if (!must) {
        s->should++;
        return;
    }
    print_message("broken: %s (%s): %s at %" PRId64 " ms\n", rule, section,
                  detail, s->video_us / 1000);
    fail();
}

static inline struct m3u8 *read_list(struct sim *s, int index, bool delta)
{
    struct m3u8 *p = NULL;
    struct builder b;

    builder_init(&b, PLAYLIST_BYTES_MAX);
    playlist_media(&b, s->store, &s->store->renditions[index], delta);
    assert_int_equal(b.err, 0);
    int err = m3u8_parse(&p, (const char *)builder_data(&b), b.len);
    builder_release(&b);
    assert_int_equal(err, 0);
    return p;
}

static inline void check_lists(struct sim *s, int index)
{
    struct seen *seen = &s->seen[index];
    struct m3u8 *full = read_list(s, index, false);
    struct m3u8 *delta = read_list(s, index, true);

    lint_media(&s->lint, full);
    lint_media(&s->lint, delta);
    lint_delta(&s->lint, full, delta);
    if (seen->full) lint_successor(&s->lint, seen->full, full);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
        if (i != index && s->seen[i].full)
            lint_siblings(&s->lint, full, s->seen[i].full);
    m3u8_free(&seen->full);
    m3u8_free(&delta);
    seen->full = full;
}

static inline void check_part(struct sim *s, const struct store_event *e)
{
    struct seen *seen = &s->seen[e->rendition];
    struct boxes_fragment f;
    struct builder b;
    char uri[32];

    if (e->v.part.missing) {
        seen->broke = true;
        seen->gaps++;
        return;
    }
    builder_init(&b, 1 << 20);
    for (int i = 0; i < e->slice_count; i++)
        builder_bytes(&b, e->slices[i].data, e->slices[i].len);
    assert_int_equal(b.err, 0);
    assert_int_equal(b.len, e->bytes);
    int err = boxes_read_fragment(&f, &seen->init, builder_data(&b), b.len);
    seen->silent +=
        memmem(builder_data(&b), b.len, "\x21\0\x49\x90", 4) != NULL;
    builder_release(&b);
    assert_int_equal(err, 0);
    snprintf(uri, sizeof uri, "%d: %" PRIu64 ".%d", e->rendition, e->msn,
             e->v.part.index);
    if (e->v.part.index == 0 && e->v.part.head.discontinuity)
        seen->broke = true;
    lint_fragment(&s->lint, uri, &f, seen->init.tracks[0].timescale,
                  e->v.part.duration_us, -1, e->v.part.independent);
    if (!seen->broke && seen->parts) assert_int_equal(f.dts, seen->next_dts);
    assert_true(f.dts >= seen->next_dts);
    assert_int_equal(f.has_styp, e->v.part.index == 0);
    assert_true(f.has_prft);
    assert_int_equal(f.first_sequence, seen->parts + 1);
    if (e->v.part.index == 0) assert_true(f.first_is_sync);
    seen->next_dts = f.dts + f.duration;
    seen->broke = false;
    seen->parts++;
}

static inline void on_event(struct store_event *e, void *arg)
{
    struct sim *s = arg;
    struct store_change change;
    int err = store_apply(s->store, e, &change);

    assert_int_equal(err, 0);
    if (e->type == STORE_INIT) {
        struct seen *seen = &s->seen[e->rendition];

        assert_int_equal(
            boxes_read_init(&seen->init, e->slices[0].data, e->slices[0].len),
            0);
        seen->inits++;
    }
    if (e->type == STORE_PART) check_part(s, e);
    if (e->type == STORE_GAP) s->seen[e->rendition].broke = true;
    if (change.rendition >= 0) check_lists(s, change.rendition);
}

/* --- a publisher and its ladder ------------------------------------------- */

static inline void add_track(struct sim *s, uint8_t id, const uint8_t *config,
                             size_t len)
{
    bool video = id != SOUND;
    struct track_info info = {
        .id = id,
        .kind = video ? TRACK_VIDEO : TRACK_AUDIO,
        .codec = video ? CODEC_H264 : CODEC_AAC,
        .timescale = video ? VIDEO_TIMESCALE : s->rate,
        .language = "und",
        .width = 640,
        .height = 360,
        .fps_num = (uint32_t)s->fps_num,
        .fps_den = (uint32_t)s->fps_den,
        .sample_rate = s->rate,
        .channels = 2,
        .bitrate_bps = 500000,
    };
    struct track *t = NULL;

    snprintf(info.name, sizeof info.name, "r%d", id);
    if (!track_create(&t, &info, (struct slice){NULL, config, len}))
        bus_track(s->bus, t);
    track_unref(&t);
}

static inline void add_frame(struct sim *s, uint8_t id, bool key, int64_t dts,
                             int64_t duration)
{
    static const uint8_t idr[] = {0, 0, 0, 3, 0x65, 1, 2},
                         p[] = {0, 0, 0, 2, 0x09, 0x10, 0, 0, 0, 2, 0x41, 1};
    struct frame f = {
        .track_id = id,
        .flags = (key ? FRAME_KEY : 0) |
                 (id == SOURCE && s->broken ? FRAME_DISCONTINUITY : 0),
        .dts = dts,
        .pts = dts,
        .duration = s->no_durations ? 0 : duration,
        .captured_at =
            1 + (id == SOUND ? dts * 1000000 / s->rate : dts * 100 / 9),
        .payload = key ? (struct slice){NULL, idr, sizeof idr}
                       : (struct slice){NULL, p, sizeof p},
    };
    struct frame *made = NULL;

    if (!frame_create(&made, &f)) bus_append(s->bus, made);
    frame_unref(&made);
}

static inline int64_t ticks(const struct sim *s, int64_t us)
{
    if (s->ms_times) us = us / 1000 * 1000;
    return (us * 9 + 50) / 100;
}

static inline void step_video(struct sim *s)
{
    int64_t d = 90000LL * s->fps_den / s->fps_num, dts = ticks(s, s->video_us);
    bool key = s->video_us >= s->next_mark_us;

    add_frame(s, SOURCE, key, dts, d);
    s->broken = false;
    if (key) {
        struct mark m = {s->msn++, dts, s->discontinuity};

        bus_mark(s->bus, &m);
        s->discontinuity = false;
        s->next_mark_us += s->gop_us;
        s->hold_low = s->low_is_off;
    }
    add_frame(s, HIGH, key, dts, d);
    if (!s->hold_low && !s->low_is_off) add_frame(s, LOW, key, dts, d);
    if (s->low_is_off) s->hold_low = true;
}

static inline void step_audio(struct sim *s)
{
    if (!s->sound_is_off)
        add_frame(s, SOUND, true, s->audio_frames * 1024, 1024);
    s->audio_frames++;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
}

static inline void run_for(struct sim *s, int64_t us)
{
    int64_t end = s->video_us + us, first = s->video_us;

    for (int64_t n = 1; s->video_us < end; n++) {
        step_video(s);
        s->video_us = first + n * 1000000 * s->fps_den / s->fps_num;
        while (s->audio_us < s->video_us - s->sound_late_us)
            step_audio(s);
    }
}

static inline void begin(struct sim *s)
{
    struct bus_conf conf = {.channel = "demo",
                            .generation = 1,
                            .origin_at = 1,
                            .origin_wall_us = 1700000000000000};
    struct packager_conf packager = {.on_event = on_event, .arg = s};
    struct plan plan = {2, 200000, 2000000, {HIGH, LOW, SOUND}, 3};

    if (!s->fps_num) s->fps_num = 30;
    if (!s->fps_den) s->fps_den = 1;
    if (!s->rate) s->rate = 48000;
    if (!s->gop_us) s->gop_us = 2000000;
    /* A whole number of frames, as the ladder chooses it. */
    int64_t frame_us = 1000000LL * s->fps_den / s->fps_num;
    int64_t frames = (200000 + frame_us / 2) / frame_us;
    plan.part_us =
        (frames * 1000000LL * s->fps_den + s->fps_num - 1) / s->fps_num;
    s->msn = 1;
    s->lint = (struct lint){.found = found, .arg = s};
    assert_int_equal(loop_create(&s->loop, 0), 0);
    conf.loop = s->loop;
    assert_int_equal(store_create(&s->store, "demo", 1, NULL, NULL), 0);
    assert_int_equal(bus_create(&s->bus, &conf), 0);
    assert_int_equal(packager_create(&s->packager, s->bus, &packager), 0);
    bus_plan(s->bus, &plan);
    add_track(s, SOURCE, avcc_360p, sizeof avcc_360p);
    add_track(s, HIGH, avcc_360p, sizeof avcc_360p);
    add_track(s, LOW, avcc_360p, sizeof avcc_360p);
    add_track(s, SOUND, asc, sizeof asc);
}

static inline int end(void **state)
{
    struct sim *s = *state;

    packager_free(&s->packager);
    bus_unref(&s->bus);
    store_free(&s->store);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
        m3u8_free(&s->seen[i].full);
    if (s->loop) loop_run_once(s->loop);
    loop_free(&s->loop);
    free(s);
    return 0;
}

static inline int make(void **state)
{
    *state = calloc(1, sizeof(struct sim));
    return *state ? 0 : -1;
}

static inline void no_gaps(const struct sim *s)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s->seen[i].gaps, 0);
        assert_true(s->seen[i].parts > 0);
    }
}

static inline void come_back(struct sim *s, int64_t away_us)
{
    bus_signal(s->bus, BUS_GONE);
    s->video_us += away_us;
    s->audio_frames = s->video_us * s->rate / 1000000 / 1024 + 1;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    s->next_mark_us = s->video_us;
    s->discontinuity = true;
    bus_signal(s->bus, BUS_BACK);
}

#endif
