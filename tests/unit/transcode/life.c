/* A publisher's life as the ladder takes it, without a child: sound and
 * pictures that stop, come late or have another config. */
#include "tests/harness.h"

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "transcode/ladder.h"
#include "transcode/transcode.h"

enum {
    VIDEO = TRACK_SOURCE_FIRST,
    SOUND,
    SEEN_MAX = 8192,
    S = VIDEO_TIMESCALE,
    STEP = S / 30,
    PART = S / 5,
};

static const uint8_t stereo[] = {0x11, 0x90}, mono[] = {0x11, 0x88};

struct seen {
    enum bus_event_type type;
    uint8_t id, flags;
    int64_t pts, duration; /* 90 kHz */
    struct mark mark;
    struct plan plan;
    uint32_t channels;
};

static struct rig {
    struct loop *loop;
    struct bus *bus;
    struct transcode *t;
    struct bus_subscriber *reader;
    struct seen seen[SEEN_MAX];
    int count;
    int64_t video, sound; /* frames given */
    bool blind, deaf;     /* not given, though time goes on */
} rig;

static void collect(void *arg)
{
    struct bus_event e;

    (void)arg;
    while (rig.reader && !bus_next(rig.reader, &e)) {
        struct seen s = {.type = e.type};
        if (e.type == BUS_FRAME) {
            int64_t scale = e.v.frame->track_id == LADDER_AUDIO ? 48000 : S;
            s.id = e.v.frame->track_id;
            s.flags = e.v.frame->flags;
            s.pts = e.v.frame->pts * S / scale;
            s.duration = e.v.frame->duration * S / scale;
        } else if (e.type == BUS_MARK) {
            s.mark = e.v.mark;
        } else if (e.type == BUS_PLAN) {
            s.plan = *e.v.plan;
        } else if (e.type == BUS_TRACK) {
            s.id = track_info(e.v.track)->id;
            s.channels = track_info(e.v.track)->channels;
        }
        if (s.id && s.id < TRACK_RENDITION_FIRST) continue;
        assert_true(rig.count < SEEN_MAX);
        rig.seen[rig.count++] = s;
    }
}

static void tell_video(uint32_t width, uint32_t height)
{
    static const uint8_t config[] = {1, 2, 3};
    struct track_info info = {.id = VIDEO,
                              .kind = TRACK_VIDEO,
                              .codec = CODEC_H264,
                              .timescale = S,
                              .language = "und",
                              .width = width,
                              .height = height,
                              .fps_num = 30,
                              .fps_den = 1};
    struct track *t = NULL;

    if (track_create(&t, &info, (struct slice){NULL, config, sizeof config}))
        return;
    bus_track(rig.bus, t);
    track_unref(&t);
}

static void tell_sound(const uint8_t *config, uint32_t channels)
{
    struct track_info info = {.id = SOUND,
                              .kind = TRACK_AUDIO,
                              .codec = CODEC_AAC,
                              .timescale = 48000,
                              .language = "und",
                              .sample_rate = 48000,
                              .channels = channels};
    struct track *t = NULL;

    if (track_create(&t, &info, (struct slice){NULL, config, 2})) return;
    bus_track(rig.bus, t);
    track_unref(&t);
}

static void give(uint8_t id, bool key, int64_t pts, int64_t duration)
{
    struct frame f = {.track_id = id,
                      .flags = key ? FRAME_KEY : 0,
                      .dts = pts,
                      .pts = pts,
                      .duration = duration,
                      .captured_at = 1 + pts,
                      .payload = {NULL, (const uint8_t *)"12345", 5}};
    struct frame *made = NULL;

    if (frame_create(&made, &f)) return;
    bus_append(rig.bus, made);
    frame_unref(&made);
}

/* Time goes on to `to` seconds; a keyframe each 2 s. */
static void run_to(double to)
{
    int64_t end = (int64_t)(to * S);

    while (rig.video * STEP < end) {
        while (rig.sound * 1024 * 15 / 8 <= rig.video * STEP) {
            if (!rig.deaf) give(SOUND, true, rig.sound * 1024, 1024);
            rig.sound++;
        }
        if (!rig.blind)
            give(VIDEO, rig.video % 60 == 0, rig.video * STEP, STEP);
        rig.video++;
    }
}

static int make(void **state)
{
    struct bus_conf bus = {.channel = "demo", .window_us = 20000000};
    struct transcode_conf conf = {.type = CHANNEL_BASIC, .first_msn = 100};

    (void)state;
    memset(&rig, 0, sizeof rig);
    if (loop_create(&rig.loop, 0)) return -1;
    bus.loop = rig.loop;
    if (bus_create(&rig.bus, &bus)) return -1;
    if (transcode_create(&rig.t, rig.bus, &conf)) return -1;
    return bus_subscribe(rig.bus, &rig.reader, BUS_FROM_NOW, collect, NULL);
}

static int end(void **state)
{
    (void)state;
    bus_unsubscribe(&rig.reader);
    transcode_free(&rig.t);
    bus_unref(&rig.bus);
    if (rig.loop) loop_run_once(rig.loop);
    loop_free(&rig.loop);
    return 0;
}

/* --- what was seen -------------------------------------------------------- */

/* Frames of a rendition in [from, to): count, and the widest hole. */
static int frames(uint8_t id, double from, double to, int64_t *hole)
{
    int64_t last = (int64_t)(from * S);
    int n = 0;

    *hole = 0;
    for (int i = 0; i < rig.count; i++) {
        const struct seen *s = &rig.seen[i];
        if (s->type != BUS_FRAME || s->id != id || s->pts < from * S ||
            s->pts >= to * S)
            continue;
        if (s->pts - last > *hole) *hole = s->pts - last;
        last = s->pts + s->duration;
        n++;
    }
    return n;
}

static const struct mark *mark_number(int n)
{
    static const struct mark none;

    for (int i = 0; i < rig.count; i++)
        if (rig.seen[i].type == BUS_MARK && !n--) return &rig.seen[i].mark;
    return &none;
}

/* Marks grow by one, lie 1 to 2.45 s apart, and so many say discontinuity. */
static void check_marks(int breaks)
{
    const struct mark *last = NULL;

    for (int i = 0; i < rig.count; i++) {
        const struct mark *m = &rig.seen[i].mark;
        if (rig.seen[i].type != BUS_MARK) continue;
        breaks -= m->discontinuity;
        if (last) assert_int_equal(m->msn, last->msn + 1);
        if (last) assert_in_range(m->pts - last->pts, S / 10, S * 245 / 100);
        last = m;
    }
    assert_int_equal(breaks, 0);
}

static const struct plan *newest_plan(void)
{
    static const struct plan none;
    const struct plan *p = &none;

    for (int i = 0; i < rig.count; i++)
        if (rig.seen[i].type == BUS_PLAN) p = &rig.seen[i].plan;
    return p;
}

/* --- tests ---------------------------------------------------------------- */

static void test_pictures_stop_and_come_back(void **state)
{
    int64_t hole;

    (void)state;
    tell_video(640, 360);
    tell_sound(stereo, 2);
    run_to(7.3);
    rig.blind = true;
    run_to(15.1);
    rig.blind = false;
    run_to(24);
    /* Until the stream begins to be blind, one picture a part, and then the
     * real ones from their keyframe on. */
    assert_int_equal(frames(LADDER_TOP, 0, 7.29, &hole), 219);
    assert_in_range(frames(LADDER_TOP, 7.3, 16, &hole), 43, 46);
    assert_in_range(hole, 0, S / 50);
    assert_in_range(frames(LADDER_TOP, 16, 23.9, &hole), 236, 238);
    assert_in_range(hole, 0, S / 50);
    frames(LADDER_AUDIO, 0.1, 23.5, &hole);
    assert_in_range(hole, 0, 1920);
    check_marks(0);
    for (int i = 0; i < rig.count; i++) {
        const struct seen *s = &rig.seen[i];
        if (s->type == BUS_FRAME && s->id == LADDER_TOP && s->pts > 7.3 * S &&
            s->pts < 15.9 * S)
            assert_true(s->flags & FRAME_KEY);
    }
}

static void test_a_publisher_without_its_camera(void **state)
{
    int64_t hole;

    (void)state;
    tell_video(640, 360);
    tell_sound(stereo, 2);
    run_to(7);
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    rig.blind = true;
    run_to(17);
    assert_in_range(frames(LADDER_TOP, 7.1, 16, &hole), 43, 46);
    check_marks(1);
    frames(LADDER_AUDIO, 7.1, 16.5, &hole);
    assert_in_range(hole, 0, 3000);
}

static void test_pictures_join_sound(void **state)
{
    int64_t hole;

    (void)state;
    tell_sound(stereo, 2);
    rig.blind = true;
    run_to(9.5);
    assert_int_equal(newest_plan()->rendition_count, 1);
    tell_video(640, 360);
    run_to(11.5); /* a config alone is no picture */
    assert_int_equal(newest_plan()->rendition_count, 1);
    rig.blind = false;
    run_to(20);
    assert_int_equal(newest_plan()->rendition_count, 2);
    assert_int_equal(newest_plan()->rendition_ids[0], LADDER_TOP);
    assert_in_range(frames(LADDER_TOP, 12, 19.9, &hole), 236, 238);
    frames(LADDER_AUDIO, 2, 19.5, &hole);
    assert_in_range(hole, 0, 1920);
    check_marks(1);
}

/* Announced, and never shown. */
static void test_a_camera_that_never_shows(void **state)
{
    int64_t hole;

    (void)state;
    tell_video(640, 360);
    tell_sound(stereo, 2);
    rig.blind = true;
    run_to(12);
    assert_int_equal(newest_plan()->rendition_count, 1);
    assert_true(frames(LADDER_AUDIO, 5.5, 12, &hole) > 280);
}

static void test_sound_joins_pictures(void **state)
{
    int64_t hole;

    (void)state;
    tell_video(640, 360);
    rig.deaf = true;
    run_to(9);
    rig.deaf = false;
    tell_sound(stereo, 2);
    run_to(16);
    assert_int_equal(newest_plan()->rendition_count, 2);
    assert_true(frames(LADDER_AUDIO, 9, 15.9, &hole) > 300);
    assert_in_range(hole, 0, 3000);
    check_marks(0);
}

static void test_sound_with_another_config(void **state)
{
    int64_t hole;
    int told = 0;

    (void)state;
    tell_video(640, 360);
    tell_sound(stereo, 2);
    run_to(6.5);
    tell_sound(stereo, 2); /* again: nothing */
    run_to(7.2);
    tell_sound(mono, 1);
    run_to(14);
    check_marks(1);
    const struct mark *m = mark_number(4);
    assert_true(m->discontinuity);
    assert_int_equal(m->pts, 8 * S);
    /* The old one until then, and the new one from there, after its track. */
    assert_int_equal(frames(LADDER_AUDIO, 7.25, 8, &hole), 0);
    assert_true(frames(LADDER_AUDIO, 8, 13.5, &hole) > 250);
    assert_in_range(hole, 0, 3000);
    for (int i = 0; i < rig.count; i++) {
        const struct seen *s = &rig.seen[i];
        if (s->type == BUS_TRACK && s->id == LADDER_AUDIO && s->channels == 1)
            told = i;
        if (s->type == BUS_FRAME && s->id == LADDER_AUDIO)
            assert_int_equal(told > 0, s->pts >= 8 * S);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_pictures_stop_and_come_back, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_a_publisher_without_its_camera, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_pictures_join_sound, make, end),
    cmocka_unit_test_setup_teardown(test_a_camera_that_never_shows, make, end),
    cmocka_unit_test_setup_teardown(test_sound_joins_pictures, make, end),
    cmocka_unit_test_setup_teardown(test_sound_with_another_config, make, end),
};
HARNESS_MAIN(tests)
