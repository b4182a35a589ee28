/* Whole streams on simulated media time: every playlist after every event is
 * held against the rules of packager/lint.h, every part against its bytes. */
#include "packager/packager.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "packager/boxes.h"
#include "packager/lint.h"
#include "packager/m3u8.h"
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

static void found(const char *rule, const char *section, bool must,
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

static struct m3u8 *read_list(struct sim *s, int index, bool delta)
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

static void check_lists(struct sim *s, int index)
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

static void check_part(struct sim *s, const struct store_event *e)
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

static void on_event(struct store_event *e, void *arg)
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

static void add_track(struct sim *s, uint8_t id, const uint8_t *config,
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

static void add_frame(struct sim *s, uint8_t id, bool key, int64_t dts,
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

static int64_t ticks(const struct sim *s, int64_t us)
{
    if (s->ms_times) us = us / 1000 * 1000;
    return (us * 9 + 50) / 100;
}

static void step_video(struct sim *s)
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

static void step_audio(struct sim *s)
{
    if (!s->sound_is_off)
        add_frame(s, SOUND, true, s->audio_frames * 1024, 1024);
    s->audio_frames++;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
}

static void run_for(struct sim *s, int64_t us)
{
    int64_t end = s->video_us + us, first = s->video_us;

    for (int64_t n = 1; s->video_us < end; n++) {
        step_video(s);
        s->video_us = first + n * 1000000 * s->fps_den / s->fps_num;
        while (s->audio_us < s->video_us - s->sound_late_us)
            step_audio(s);
    }
}

static void begin(struct sim *s)
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

static int end(void **state)
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

static int make(void **state)
{
    *state = calloc(1, sizeof(struct sim));
    return *state ? 0 : -1;
}

static void no_gaps(const struct sim *s)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s->seen[i].gaps, 0);
        assert_true(s->seen[i].parts > 0);
    }
}

/* --- the streams ---------------------------------------------------------- */

static void test_steady(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 120000000);
    no_gaps(s);
    assert_int_equal(s->store->listed, 7);
    assert_int_equal(s->store->state, STORE_LIVE);
    /* 10 parts of 6 frames per segment; audio 10 of 9 frames and a rest. */
    assert_in_range(s->seen[0].parts, 598, 601);
    assert_in_range(s->seen[2].parts, 645, 662);
    bus_signal(s->bus, BUS_END);
    struct m3u8 *last = read_list(s, 0, false);
    bool ended = last->ended;
    int count = last->segment_count;
    m3u8_free(&last);
    assert_true(ended);
    assert_in_range(count, 20, 22);
}

static void test_millisecond_times(void **state)
{
    struct sim *s = *state;

    s->ms_times = true;
    begin(s);
    run_for(s, 60000000);
    no_gaps(s);
}

static void test_no_durations(void **state)
{
    struct sim *s = *state;

    s->ms_times = true;
    s->no_durations = true;
    begin(s);
    run_for(s, 30000000);
    no_gaps(s);
}

static void test_cadences(void **state)
{
    static const int rates[][2] = {{24, 1},       {25, 1}, {30000, 1001},
                                   {50, 1},       {60, 1}, {60000, 1001},
                                   {24000, 1001}, {15, 1}, {5, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct sim *s = calloc(1, sizeof *s);

        if (!s) return;
        s->fps_num = rates[i][0];
        s->fps_den = rates[i][1];
        s->rate = i % 2 ? 44100 : 48000;
        begin(s);
        run_for(s, 20000000);
        no_gaps(s);
        end((void **)&s);
    }
}

static void test_random_boundaries(void **state)
{
    struct sim *s = *state;
    unsigned seed = 7;

    begin(s);
    for (int i = 0; i < 60; i++) {
        seed = seed * 1103515245 + 12345;
        s->gop_us = 600000 + (seed >> 8) % 1800000;
        run_for(s, 1500000);
    }
    no_gaps(s);
}

static void come_back(struct sim *s, int64_t away_us)
{
    bus_signal(s->bus, BUS_GONE);
    s->video_us += away_us;
    s->audio_frames = s->video_us * s->rate / 1000000 / 1024 + 1;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    s->next_mark_us = s->video_us;
    s->discontinuity = true;
    bus_signal(s->bus, BUS_BACK);
}

static void test_publisher_comes_back(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 11300000);
    come_back(s, 9000000);
    assert_int_equal(s->store->state, STORE_LIVE);
    run_for(s, 20000000);
    come_back(s, 300000);
    run_for(s, 70000000);
    no_gaps(s);
    assert_int_equal(s->seen[0].full->discontinuity_sequence, 2);
    assert_int_equal(s->seen[2].full->discontinuity_sequence, 2);
}

static void test_new_config_needs_new_init(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 7000000);
    come_back(s, 1000000);
    add_track(s, HIGH, avcc_other, sizeof avcc_other);
    run_for(s, 6000000);
    no_gaps(s);
    assert_int_equal(s->seen[0].inits, 2);
    assert_int_equal(s->seen[1].inits, 1);
    struct m3u8 *p = s->seen[0].full;
    assert_string_equal(p->segments[p->segment_count - 1].map, "init-2.mp4");
    assert_string_equal(p->segments[0].map, "init-1.mp4");
    assert_string_equal(s->store->renditions[0].description.codec,
                        "avc1.4d401e");
}

/* Decode times go on without a hole, shown times are true. */
static void test_lost_video_is_stretched_over(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8500000);
    s->video_us += 1000000; /* a second is lost inside a segment */
    run_for(s, 20000000);
    no_gaps(s);
    for (int i = 0; i < 40; i++) { /* and again, at any place */
        s->video_us += 130000 + i * 8000;
        if (s->next_mark_us < s->video_us) s->next_mark_us = s->video_us;
        run_for(s, 1900000);
    }
}

static void test_a_long_hole_is_missing_parts(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8100000);
    s->gop_us = 8000000;
    s->video_us += 1700000; /* what is lost reaches the boundary … */
    s->next_mark_us = s->video_us;
    run_for(s, 7000000);
    assert_in_range(s->seen[0].gaps, 6, 9);
    assert_int_equal(s->seen[2].gaps, 0);
}

static void test_lost_audio_is_silence(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8500000);
    s->audio_frames += 30;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    run_for(s, 20000000);
    no_gaps(s);
    assert_in_range(s->seen[2].parts, 152, 160);
}

/* The same, and its track is told anew when it comes back: over a boundary or
 * not, each segment has its own length. */
static void test_lost_audio_that_is_told_anew(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 8500000);
    for (int i = 0; i < 12; i++) {
        s->audio_frames += 45;
        s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
        add_track(s, SOUND, asc, sizeof asc);
        run_for(s, 3100000);
    }
    no_gaps(s);
}

/* Microphone off and on: the list goes on, half a second behind the picture,
 * over boundaries and breaks, and what comes back has its own place. */
static void test_sound_is_off_for_long(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9300000);
    for (int i = 0; i < 4; i++) {
        s->sound_is_off = true;
        if (i == 2) s->discontinuity = true;
        run_for(s, 7100000);
        int64_t behind =
            s->seen[0].next_dts * 100 / 9 - s->seen[2].next_dts * 1000 / 48;
        assert_in_range(behind, 0, 800000);
        s->sound_is_off = false;
        run_for(s, 3300000 + i * 211000);
        behind =
            s->seen[0].next_dts * 100 / 9 - s->seen[2].next_dts * 1000 / 48;
        assert_in_range(behind + 300000, 0, 600000);
    }
    no_gaps(s);
    assert_int_equal(s->store->listed, 7);
}

static void test_publisher_comes_back_without_sound(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 11300000);
    s->sound_is_off = true;
    come_back(s, 9000000);
    run_for(s, 15100000);
    no_gaps(s);
    int64_t behind =
        s->seen[0].next_dts * 100 / 9 - s->seen[2].next_dts * 1000 / 48;
    assert_in_range(behind, 0, 800000);
    s->sound_is_off = false;
    run_for(s, 10000000);
    no_gaps(s);
    assert_int_equal(s->seen[2].full->discontinuity_sequence +
                         (s->seen[2].full->segments[0].msn < 6),
                     1);
}

/* Nobody said that the line was dead when the encoder came by another: its
 * first picture lies before the mark that ends the old segment. */
static void test_takeover_after_a_dead_line(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9300000);
    s->video_us += 10000000;
    s->audio_frames += 10 * s->rate / 1024;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    s->next_mark_us = s->video_us;
    s->discontinuity = s->broken = true;
    run_for(s, 10000000);
    no_gaps(s);
    assert_int_equal(s->seen[2].silent, 0);
}

/* Nothing for a while, and then sound a little before the picture that ends
 * the old segment: that does not get as long as the pause. */
static void test_sound_goes_on_before_the_break(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9300000);
    s->video_us += 1600000;
    s->audio_frames = (s->video_us - 60000) * s->rate / 1000000 / 1024;
    s->audio_us = s->audio_frames * 1024 * 1000000 / s->rate;
    s->next_mark_us = s->video_us;
    s->discontinuity = s->broken = true;
    run_for(s, 10000000);
    no_gaps(s);
    assert_int_equal(s->seen[2].silent, 0);
}

/* Who always comes late is not lost. */
static void test_late_sound_is_no_silence(void **state)
{
    struct sim *s = *state;

    begin(s);
    for (int late = 0; late <= 1500000; late += 300000) {
        s->sound_late_us = late;
        run_for(s, 10000000);
    }
    no_gaps(s);
    assert_int_equal(s->seen[2].silent, 0);
}

static void test_rung_dies_and_comes_back(void **state)
{
    struct sim *s = *state;

    begin(s);
    run_for(s, 9500000);
    s->low_is_off = true;
    run_for(s, 9000000);
    assert_int_equal(s->store->listed, 5);
    assert_true(
        s->seen[1].full->segments[s->seen[1].full->segment_count - 1].gap);
    s->low_is_off = false;
    s->hold_low = true;
    run_for(s, 9000000);
    assert_int_equal(s->store->listed, 7);
    run_for(s, 60000000);
    assert_int_equal(s->seen[1].full->segments[0].msn,
                     s->seen[0].full->segments[0].msn);
}

/* Nearer than the rule asks: no more than a part off. */
static void dates_go_on(const struct sim *s)
{
    for (int i = 0; i < 3; i++) {
        const struct m3u8 *p = s->seen[i].full;
        for (int k = 1; k < p->segment_count; k++) {
            const struct m3u8_segment *a = &p->segments[k - 1], *b = a + 1;
            int64_t off = b->pdt_us - a->pdt_us - a->duration_us;

            if (b->discontinuity) continue;
            assert_in_range(off + 210000, 0, 420000);
            assert_true(!a->uri || a->duration_us < 2500000);
        }
    }
}

/* Frames of a rung are missing for any time from any time on. */
static void test_rung_dies_in_mid_segment(void **state)
{
    (void)state;
    for (int64_t at = 0; at < 2000000; at += 170000)
        for (int64_t off = 400000; off < 5000000; off += 900000) {
            struct sim *s = calloc(1, sizeof *s);

            if (!s) return;
            begin(s);
            run_for(s, 8000000 + at);
            s->low_is_off = true;
            run_for(s, off);
            s->low_is_off = false;
            s->hold_low = true;
            run_for(s, 6000000);
            dates_go_on(s);
            end((void **)&s);
        }
}

/* It stands, and goes on where it stood: everything comes late, or what came
 * before the next keyframe is lost. */
static void test_rung_stalls_in_mid_segment(void **state)
{
    (void)state;
    for (int64_t at = 0; at < 2000000; at += 170000)
        for (int64_t off = 400000; off < 5000000; off += 900000) {
            struct sim *s = calloc(1, sizeof *s);

            if (!s) return;
            begin(s);
            run_for(s, 8000000 + at);
            s->low_is_off = true;
            run_for(s, off);
            s->low_is_off = false;
            s->hold_low = false;
            run_for(s, 6000000);
            dates_go_on(s);
            end((void **)&s);
        }
}

/* It was torn when the publisher left: the segment ends as it is. */
static void test_rung_dies_and_then_the_publisher(void **state)
{
    struct sim *s = *state;
    struct plan plan = {2, 200000, 2000000, {HIGH, SOUND}, 2};

    begin(s);
    run_for(s, 9100000);
    s->low_is_off = true;
    bus_plan(s->bus, &plan);
    run_for(s, 300000);
    come_back(s, 5000000);
    run_for(s, 5000000);
    dates_go_on(s);
    assert_int_equal(s->seen[1].gaps, 0);
}

static void test_rung_comes_late(void **state)
{
    struct sim *s = *state;

    s->low_is_off = true;
    begin(s);
    run_for(s, 5000000);
    assert_int_equal(s->store->listed, 0); /* still waits for the clock */
    s->low_is_off = false;
    s->hold_low = true;
    run_for(s, 9000000);
    assert_int_equal(s->store->listed, 7);
    assert_true(s->seen[1].full->segments[0].msn > 1);
}

static void test_shed_rung_leaves_the_list(void **state)
{
    struct sim *s = *state;
    struct plan plan = {2, 200000, 2000000, {HIGH, SOUND}, 2};

    begin(s);
    run_for(s, 9100000);
    s->low_is_off = true;
    bus_plan(s->bus, &plan);
    run_for(s, 9400000);
    dates_go_on(s);
    assert_int_equal(s->store->listed, 5);
    int n = s->seen[1].full->segment_count;
    assert_true(s->seen[1].full->segments[n - 1].gap);
    assert_true(s->seen[1].full->segments[n - 1].msn >=
                s->store->renditions[0]
                        .segments[s->store->renditions[0].count - 1]
                        .msn -
                    1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_steady, make, end),
    cmocka_unit_test_setup_teardown(test_millisecond_times, make, end),
    cmocka_unit_test_setup_teardown(test_no_durations, make, end),
    cmocka_unit_test(test_cadences),
    cmocka_unit_test_setup_teardown(test_random_boundaries, make, end),
    cmocka_unit_test_setup_teardown(test_publisher_comes_back, make, end),
    cmocka_unit_test_setup_teardown(test_new_config_needs_new_init, make, end),
    cmocka_unit_test_setup_teardown(test_lost_video_is_stretched_over, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_a_long_hole_is_missing_parts, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_lost_audio_is_silence, make, end),
    cmocka_unit_test_setup_teardown(test_lost_audio_that_is_told_anew, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_takeover_after_a_dead_line, make, end),
    cmocka_unit_test_setup_teardown(test_sound_goes_on_before_the_break, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_sound_is_off_for_long, make, end),
    cmocka_unit_test_setup_teardown(test_publisher_comes_back_without_sound,
                                    make, end),
    cmocka_unit_test_setup_teardown(test_late_sound_is_no_silence, make, end),
    cmocka_unit_test_setup_teardown(test_rung_dies_and_comes_back, make, end),
    cmocka_unit_test(test_rung_dies_in_mid_segment),
    cmocka_unit_test(test_rung_stalls_in_mid_segment),
    cmocka_unit_test_setup_teardown(test_rung_dies_and_then_the_publisher, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_rung_comes_late, make, end),
    cmocka_unit_test_setup_teardown(test_shed_rung_leaves_the_list, make, end),
};
HARNESS_MAIN(tests)
