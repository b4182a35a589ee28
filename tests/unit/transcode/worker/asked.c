/* A browser as a source, with the real child and the real packager behind it:
 * keyframes at its own whim and when it is asked, frames 20 to 60 ms apart,
 * a picture that grows, shrinks and turns, Opus for sound. Runs at twice the
 * speed of its own clock, or as fast as the child can; what is asserted is
 * media time alone. */
#include "tests/harness.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "packager/lint.h"
#include "packager/packager.h"
#include "packager/playlist.h"
#include "transcode/ladder.h"
#include "transcode/transcode.h"
#include "transcode/worker/encoder.h"

enum {
    SPEED = 2,
    AHEAD_US = 250000,
    LENGTH_US = 16000000,
    ANSWER_FRAMES = 3, /* from a wish to its keyframe */
    SOURCE = TRACK_SOURCE_FIRST,
    SOUND,
    SIZES = 6,
    EVENTS_MAX = 8192,
    WATCHDOG_US = 8000000,
};

static const struct {
    int64_t from_us;
    uint32_t width, height;
} sizes[SIZES] = {{0, 320, 180},       {700000, 640, 360},
                  {3000000, 960, 540}, {8000000, 480, 270},
                  {9000000, 540, 960}, {10500000, 960, 540}};

struct seen {
    enum bus_event_type type;
    struct frame frame;
    struct mark mark;
    struct plan plan;
};

static struct rig {
    struct loop *loop;
    struct bus *bus;
    struct transcode *t;
    struct packager *packager;
    struct store *store;
    struct bus_subscriber *reader;
    struct seen seen[EVENTS_MAX];
    int seen_count;
    int64_t newest[TRACK_ID_LAST + 1];
    /* the browser */
    struct encoder *encoder;
    int size, wishes, due, keys, frames;
    /* the player */
    struct lint lint;
    int should, inits[STORE_RENDITIONS_MAX];
} rig;

/* --- the player ----------------------------------------------------------- */

static void found(const char *rule, const char *section, bool must,
                  const char *detail, void *arg)
{
    (void)arg;
    if (!must) {
        rig.should++;
        return;
    }
    print_message("broken: %s (%s): %s\n", rule, section, detail);
    fail();
}

static void on_packaged(struct store_event *e, void *arg)
{
    struct store_change change;
    struct m3u8 *list = NULL;
    struct builder b;

    (void)arg;
    assert_int_equal(store_apply(rig.store, e, &change), 0);
    if (e->type == STORE_INIT) rig.inits[e->rendition]++;
    if (change.rendition < 0) return;
    builder_init(&b, PLAYLIST_BYTES_MAX);
    playlist_media(&b, rig.store, &rig.store->renditions[change.rendition],
                   false);
    int err = m3u8_parse(&list, (const char *)builder_data(&b), b.len);
    builder_release(&b);
    assert_int_equal(err, 0);
    lint_media(&rig.lint, list);
    m3u8_free(&list);
}

static void collect(void *arg)
{
    struct bus_event e;

    (void)arg;
    while (rig.reader && !bus_next(rig.reader, &e)) {
        if (rig.seen_count == EVENTS_MAX) return;
        struct seen *s = &rig.seen[rig.seen_count++];
        s->type = e.type;
        if (e.type == BUS_FRAME) {
            s->frame = *e.v.frame;
            rig.newest[s->frame.track_id] = s->frame.pts;
        }
        if (e.type == BUS_MARK) s->mark = e.v.mark;
        if (e.type == BUS_PLAN) s->plan = *e.v.plan;
    }
}

/* --- the browser ---------------------------------------------------------- */

static void on_asked(uint8_t id, void *arg)
{
    (void)arg;
    if (id != SOURCE) return;
    rig.wishes++;
    if (!rig.due) rig.due = rig.frames + ANSWER_FRAMES;
}

static void tell_track(struct track_info info, struct slice config)
{
    struct track *t = NULL;

    assert_int_equal(track_create(&t, &info, config), 0);
    bus_track(rig.bus, t);
    track_unref(&t);
}

static void begin_size(int n, const AVFrame *like)
{
    struct encoder_conf conf = {.only = "libx264", .like = like};
    struct slice config = {0};

    conf.info = (struct track_info){.id = SOURCE,
                                    .kind = TRACK_VIDEO,
                                    .codec = CODEC_H264,
                                    .timescale = VIDEO_TIMESCALE,
                                    .width = sizes[n].width,
                                    .height = sizes[n].height,
                                    .bitrate_bps = 800000,
                                    .askable = true};
    encoder_free(&rig.encoder);
    assert_int_equal(encoder_open(&rig.encoder, &conf), 0);
    assert_int_equal(encoder_config(rig.encoder, &config), 0);
    tell_track(conf.info, config);
    slice_unref(&config);
    rig.size = n;
}

static AVFrame *picture(int n, int64_t pts)
{
    AVFrame *f = av_frame_alloc();

    f->format = AV_PIX_FMT_YUV420P;
    f->width = (int)sizes[n].width;
    f->height = (int)sizes[n].height;
    assert_int_equal(av_frame_get_buffer(f, 0), 0);
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++)
            f->data[0][y * f->linesize[0] + x] =
                (uint8_t)(x + y + rig.frames * 3);
    for (int p = 1; p < 3; p++)
        memset(f->data[p], 128, (size_t)f->linesize[p] * (size_t)f->height / 2);
    f->pts = pts;
    return f;
}

static void append(struct frame f)
{
    struct frame *made = NULL;

    f.dts = f.pts;
    f.captured_at = clock_mono_us();
    assert_int_equal(frame_create(&made, &f), 0);
    bus_append(rig.bus, made);
    frame_unref(&made);
}

static void give_picture(int64_t at_us, int64_t span_us)
{
    int n = rig.size;
    bool key = rig.due && rig.frames >= rig.due;

    while (n + 1 < SIZES && at_us >= sizes[n + 1].from_us)
        n++;
    AVFrame *f = picture(n, at_us * 9 / 100);
    if (!rig.encoder || n != rig.size) {
        begin_size(n, f);
        key = true;
    }
    key |= rig.frames % 97 == 96; /* at its own whim */
    if (key) rig.due = 0;
    struct encoded unit;
    assert_int_equal(encoder_send(rig.encoder, f, key), 0);
    av_frame_free(&f);
    assert_int_equal(encoder_receive(rig.encoder, &unit), 0);
    assert_int_equal(unit.key, key);
    rig.keys += key;
    rig.frames++;
    append((struct frame){.track_id = SOURCE,
                          .flags = key ? FRAME_KEY : 0,
                          .pts = unit.pts,
                          .duration = span_us * 9 / 100,
                          .payload = unit.payload});
}

static void give_sound(int64_t until_us)
{
    static const uint8_t silence[] = {0xfc, 0xff, 0xfe};
    static int64_t packets;

    if (!until_us) packets = 0;
    for (; packets * 20000 < until_us; packets++)
        append((struct frame){.track_id = SOUND,
                              .flags = FRAME_KEY,
                              .pts = packets * 960,
                              .duration = 960,
                              .payload = {NULL, silence, sizeof silence}});
}

static void on_nudge(void *arg)
{
    (void)arg;
}

static void run_until(int64_t at)
{
    struct timer nudge;

    loop_run_once(rig.loop);
    timer_init(&nudge, rig.loop, on_nudge, NULL);
    timer_set(&nudge, at);
    while (clock_mono_us() < at)
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    timer_cancel(&nudge);
}

/* build/tests/unit/transcode/worker/asked -> build/lectern-transcode */
static const char *worker(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);

    assert_true(n > 0);
    path[n] = 0;
    char *at = strstr(path, "/tests/unit/");
    assert_non_null(at);
    strcpy(at, "/lectern-transcode");
    return path;
}

static void begin(enum channel_type type)
{
    struct bus_conf bc = {.channel = "demo", .window_us = 30000000};
    struct packager_conf pc = {.on_event = on_packaged};
    struct transcode_conf tc = {.type = type,
                                .first_msn = 100,
                                .worker_path = worker(),
                                .opus = true,
                                .realtime = true};

    av_log_set_level(AV_LOG_QUIET);
    memset(&rig, 0, sizeof rig);
    rig.lint.found = found;
    assert_int_equal(store_create(&rig.store, "demo", 7, NULL, NULL), 0);
    assert_int_equal(loop_create(&rig.loop, 0), 0);
    bc.loop = rig.loop;
    bc.origin_at = clock_mono_us();
    bc.origin_wall_us = clock_wall_us();
    assert_int_equal(bus_create(&rig.bus, &bc), 0);
    assert_int_equal(packager_create(&rig.packager, rig.bus, &pc), 0);
    assert_int_equal(transcode_create(&rig.t, rig.bus, &tc), 0);
    assert_int_equal(
        bus_subscribe(rig.bus, &rig.reader, BUS_FROM_NOW, collect, NULL), 0);
    assert_int_equal(bus_listen(rig.bus, on_asked, NULL), 0);
}

static bool rungs_are_at(int64_t pts)
{
    static const uint8_t rungs[] = {LADDER_480P, LADDER_360P, LADDER_160P};

    for (size_t i = 0; i < sizeof rungs; i++)
        if (rig.newest[rungs[i]] && rig.newest[rungs[i]] < pts) return false;
    return true;
}

/* The child is never more than AHEAD_US behind, however slow the machine. */
static void wait_for_rungs(int64_t at_us)
{
    int64_t deadline = clock_mono_us() + WATCHDOG_US;

    while (!rungs_are_at(at_us * 9 / 100) && clock_mono_us() < deadline)
        run_until(clock_mono_us() + 5000);
    assert_true(rungs_are_at(at_us * 9 / 100));
}

static void publish(void)
{
    int64_t began = clock_mono_us(), at = 0;

    tell_track((struct track_info){.id = SOUND,
                                   .kind = TRACK_AUDIO,
                                   .codec = CODEC_OPUS,
                                   .timescale = 48000,
                                   .sample_rate = 48000,
                                   .channels = 2},
               (struct slice){0});
    give_sound(0);
    for (int i = 0; at < LENGTH_US; i++) {
        int64_t span = 20000 + i * 13 % 41 * 1000;
        give_picture(at, span);
        at += span;
        give_sound(at);
        run_until(began + at / SPEED);
        wait_for_rungs(at - AHEAD_US);
    }
    wait_for_rungs(LENGTH_US - 100000);
}

static void count_process(uv_handle_t *h, void *arg)
{
    if (h->type == UV_PROCESS || h->type == UV_NAMED_PIPE) ++*(int *)arg;
}

static void finish(void)
{
    int64_t deadline = clock_mono_us() + WATCHDOG_US;
    int left = 1;

    bus_unlisten(rig.bus, on_asked, NULL);
    bus_unsubscribe(&rig.reader);
    transcode_free(&rig.t);
    packager_free(&rig.packager);
    bus_unref(&rig.bus);
    while (left && clock_mono_us() < deadline) {
        run_until(clock_mono_us() + 20000);
        left = 0;
        uv_walk(loop_uv(rig.loop), count_process, &left);
    }
    assert_int_equal(left, 0);
    loop_free(&rig.loop);
    store_free(&rig.store);
    encoder_free(&rig.encoder);
}

/* --- what must hold ------------------------------------------------------- */

static bool has_key(uint8_t id, int64_t pts)
{
    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_FRAME && rig.seen[i].frame.track_id == id &&
            rig.seen[i].frame.pts == pts)
            return rig.seen[i].frame.flags & FRAME_KEY;
    return false;
}

static bool is_size_change(int64_t pts)
{
    /* The first picture at or after it. */
    for (int n = 1; n < SIZES; n++)
        if (pts >= sizes[n].from_us * 9 / 100 &&
            pts < sizes[n].from_us * 9 / 100 + 90 * 61)
            return true;
    return false;
}

/* Every mark is at a keyframe of the source, 1.6 to 2.5 s after the last one
 * but where the picture's size changed. */
static int check_marks(void)
{
    int64_t last = 0;
    int n = 0, breaks = 0;

    for (int i = 0; i < rig.seen_count; i++) {
        const struct mark *m = &rig.seen[i].mark;
        if (rig.seen[i].type != BUS_MARK) continue;
        assert_true(has_key(LADDER_TOP, m->pts));
        assert_int_equal(m->msn, 100 + n);
        assert_int_equal(m->discontinuity, n && is_size_change(m->pts));
        if (n && !m->discontinuity)
            assert_in_range(m->pts - last, 1600 * 90, 2500 * 90);
        breaks += m->discontinuity;
        last = m->pts;
        n++;
    }
    assert_int_equal(breaks, SIZES - 1);
    return n;
}

/* Frames of id after its first one, against the source's. */
static void check_frames(uint8_t id, bool all)
{
    int64_t last = INT64_MIN;
    int n = 0, source = 0;

    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME) continue;
        if (f->track_id == SOURCE) source++;
        if (f->track_id != id) continue;
        assert_true(f->pts > last);
        last = f->pts;
        n++;
    }
    if (all) assert_int_equal(n, source);
    assert_true(n > 0);
    assert_true(last >= (LENGTH_US - 1000000) * 9 / 100);
}

static const struct plan *newest_plan(void)
{
    const struct plan *p = NULL;

    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_PLAN) p = &rig.seen[i].plan;
    assert_non_null(p);
    return p;
}

static void check_player(void)
{
    for (int i = 0; i < newest_plan()->rendition_count; i++) {
        const struct store_rendition *r = &rig.store->renditions[i];
        bool top = newest_plan()->rendition_ids[i] == LADDER_TOP;
        assert_true(store_end_us(r) >= LENGTH_US - 1500000);
        if (top) assert_int_equal(rig.inits[i], SIZES);
    }
}

static void test_standard_follows_a_browser(void **state)
{
    (void)state;
    begin(CHANNEL_STANDARD);
    publish();
    int marks = check_marks();
    assert_in_range(marks, 8, 13);
    /* Asked once for each of them, not more often than it must be. */
    assert_in_range(rig.wishes, marks / 2, marks + 2);
    check_frames(LADDER_TOP, true);
    check_frames(LADDER_160P, false);
    check_frames(LADDER_360P, false); /* since the picture grew */
    check_frames(LADDER_480P, false);
    const struct plan *p = newest_plan();
    assert_int_equal(p->target_duration_s, 3);
    assert_int_equal(p->part_us, 200000);
    assert_int_equal(p->rendition_count, 5);
    assert_true(rig.newest[LADDER_AUDIO] > 48000 * 14);
    assert_true(rig.newest[LADDER_OPUS] > 48000 * 15);
    assert_null(bus_find_track(rig.bus, LADDER_REALTIME));
    check_player();
    finish();
}

static void test_basic_follows_a_browser(void **state)
{
    (void)state;
    begin(CHANNEL_BASIC);
    publish();
    assert_in_range(check_marks(), 8, 13);
    check_frames(LADDER_TOP, true);
    assert_int_equal(newest_plan()->rendition_count, 2);
    assert_true(rig.newest[LADDER_AUDIO] > 48000 * 14);
    check_player();
    finish();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_standard_follows_a_browser),
    cmocka_unit_test(test_basic_follows_a_browser),
};
HARNESS_MAIN(tests)
