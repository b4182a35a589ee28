#include "tests/harness.h"

#include <stdio.h>

#include "core/base/err.h"
#include "transcode/tracks.h"

/* A source in simulated time: the first picture with a keyframe and a mark
 * each 2 s, and further ones that send as they please. */
enum { TICK = 3000, GOP = 60, OUT_MAX = 4096, FIRST_MSN = 100 };

struct sender {
    uint8_t id;
    int gop, every;     /* frames; every n-th of the first's is sent */
    int64_t off;        /* ticks */
    int late;           /* frames behind on the wire; less than 0: before */
    int from, to;       /* frames of the first's; to 0: for good */
    int64_t shown_late; /* pts - dts of its keyframes: B-frames */
};

static struct rig {
    struct tracks t;
    struct {
        uint8_t id;
        int64_t dts, pts;
        bool key, discontinuity;
    } out[OUT_MAX];
    int count;
    int joined, misaligned, stopped, told;
    int64_t offset;
    int64_t last_dts[16];
} rig;

static void on_change(const struct tracks_one *k, enum tracks_change what,
                      int64_t offset, void *arg)
{
    (void)k;
    (void)arg;
    rig.joined += what == TRACKS_JOINED;
    rig.stopped += what == TRACKS_STOPPED;
    rig.misaligned += what == TRACKS_MISALIGNED;
    if (what == TRACKS_MISALIGNED) rig.offset = offset;
}

static bool on_track(const struct tracks_one *k, struct track *track, void *arg)
{
    (void)arg;
    assert_int_equal(track_info(track)->id, k->source_id);
    rig.told++;
    return true;
}

static void on_frame(const struct tracks_one *k, const struct tracks_frame *f,
                     void *arg)
{
    (void)arg;
    assert_true(rig.count < OUT_MAX);
    assert_true(f->dts > rig.last_dts[k->source_id]);
    rig.last_dts[k->source_id] = f->dts;
    rig.out[rig.count].id = k->source_id;
    rig.out[rig.count].dts = f->dts;
    rig.out[rig.count].pts = f->pts;
    rig.out[rig.count].key = f->frame->flags & FRAME_KEY;
    rig.out[rig.count++].discontinuity = f->discontinuity;
}

static int set_up(void **state)
{
    struct tracks_events events = {on_change, on_track, on_frame, NULL};

    (void)state;
    memset(&rig, 0, sizeof rig);
    for (int i = 0; i < 16; i++)
        rig.last_dts[i] = INT64_MIN;
    tracks_init(&rig.t, &events);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tracks_release(&rig.t);
    return 0;
}

static void tell_sized(uint8_t id, uint32_t width, uint32_t height, bool early)
{
    struct track_info info = {.id = id,
                              .kind = TRACK_VIDEO,
                              .codec = CODEC_H264,
                              .timescale = VIDEO_TIMESCALE,
                              .width = width,
                              .height = height};
    struct track *track;

    assert_int_equal(track_create(&track, &info, (struct slice){0}), 0);
    int err = tracks_track(&rig.t, track, early);
    track_unref(&track);
    assert_int_equal(err, 0);
}

static void tell(uint8_t id, bool early)
{
    tell_sized(id, 1280, 720, early);
}

static void give(const struct sender *s, int n)
{
    static const uint8_t bytes[100];
    struct frame *made, f = {.track_id = s->id,
                             .duration = TICK,
                             .payload = {NULL, bytes, sizeof bytes}};

    if (n < s->from || (s->to && n >= s->to) || n % s->every) return;
    f.dts = f.pts = (int64_t)n * TICK + s->off;
    if (n % s->gop == 0) f.flags |= FRAME_KEY;
    f.dts -= s->shown_late;
    if (frame_create(&made, &f)) return;
    tracks_frame(&rig.t, made);
    frame_unref(&made);
}

/* Frames [from, to) of the first picture and what the others send meanwhile;
 * on the wire by decoding time, but for who is late. */
static void play(const struct sender *senders, int count, int from, int to)
{
    for (int n = from; n < to; n++) {
        for (int i = 0; i < count; i++)
            for (int k = n ? -senders[i].late : 0; k <= -senders[i].late; k++)
                if (senders[i].late < 0) give(&senders[i], n + k);
        struct mark m = {FIRST_MSN + (uint64_t)n / GOP, (int64_t)n * TICK,
                         false};
        if (n % GOP == 0) tracks_mark(&rig.t, &m);
        tracks_passed(&rig.t, (int64_t)n * TICK);
        for (int i = 0; i < count; i++)
            if (senders[i].late >= 0 && n - senders[i].late >= 0)
                give(&senders[i], n - senders[i].late);
    }
}

static int frames_of(uint8_t id)
{
    int n = 0;

    for (int i = 0; i < rig.count; i++)
        n += rig.out[i].id == id;
    return n;
}

/* All of its frames in order; each mark met exactly, from the first one on. */
static void check(uint8_t id, int first_msn, int last_msn)
{
    int64_t last = INT64_MIN;
    int msn = first_msn;

    for (int i = 0; i < rig.count; i++) {
        if (rig.out[i].id != id) continue;
        assert_true(rig.out[i].dts > last);
        last = rig.out[i].dts;
        if (!rig.out[i].key || rig.out[i].pts % (GOP * TICK)) continue;
        assert_int_equal(rig.out[i].pts / (GOP * TICK), msn);
        msn++;
    }
    assert_int_equal(msn, last_msn + 1);
}

static void test_a_track_that_fits_two_marks_is_in(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1};
    struct track_info out[LADDER_TRACKS_MAX];

    (void)state;
    tell(3, true);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 1);
    play(&s, 1, 0, GOP);
    assert_int_equal(rig.joined, 0);
    assert_int_equal(rig.count, 0);
    play(&s, 1, GOP, 3 * GOP);
    assert_int_equal(rig.joined, 1);
    assert_int_equal(rig.told, 1);
    assert_int_equal(frames_of(3), 3 * GOP);
    check(3, 0, 2);
    assert_int_equal(rig.misaligned + rig.stopped, 0);
}

/* On the wire before the first picture, behind it, at half its rate, with two
 * keyframes for one, with B-frames: all the same. */
static void test_ways_to_fit(void **state)
{
    const struct sender senders[] = {
        {.id = 3, .gop = GOP, .every = 1, .late = -3},
        {.id = 4, .gop = GOP, .every = 1, .late = 12},
        {.id = 5, .gop = GOP, .every = 2},
        {.id = 6, .gop = GOP / 2, .every = 1},
        {.id = 7, .gop = GOP, .every = 1, .shown_late = 2 * TICK},
        {.id = 8, .gop = GOP, .every = 1, .off = 80},
    };

    (void)state;
    for (uint8_t id = 3; id <= 8; id++)
        tell(id, true);
    play(senders, 6, 0, 4 * GOP);
    assert_int_equal(rig.joined, 6);
    assert_int_equal(rig.misaligned + rig.stopped, 0);
    for (uint8_t id = 3; id <= 8; id++)
        check(id, 0, 3);
    assert_int_equal(frames_of(4), 4 * GOP - 12);
    assert_int_equal(frames_of(5), 2 * GOP);
}

static void test_a_misaligned_track_is_out_and_said_once(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1, .off = 3600};
    struct track_info out[LADDER_TRACKS_MAX];

    (void)state;
    tell(3, true);
    play(&s, 1, 0, 10 * GOP);
    assert_int_equal(rig.misaligned, 1);
    assert_int_equal(rig.offset, 3600);
    assert_int_equal(rig.count, 0);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 0);
}

static void test_keyframes_before_the_marks(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1, .off = -3600};

    (void)state;
    tell(3, true);
    play(&s, 1, 0, 10 * GOP);
    assert_int_equal(rig.misaligned, 1);
    assert_int_equal(rig.offset, -3600);
    assert_int_equal(rig.count, 0);
}

static void test_another_interval_is_never_shown(void **state)
{
    struct sender s = {.id = 3, .gop = 2 * GOP, .every = 1};

    (void)state;
    tell(3, true);
    play(&s, 1, 0, 20 * GOP);
    assert_int_equal(rig.misaligned, 1);
    assert_int_equal(rig.offset, -GOP * TICK);
    assert_int_equal(rig.joined, 0);
    assert_int_equal(rig.count, 0);
}

static void test_one_that_goes_astray_and_comes_back(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1};

    (void)state;
    tell(3, true);
    play(&s, 1, 0, 4 * GOP);
    assert_int_equal(rig.joined, 1);
    s.off = 900;
    play(&s, 1, 4 * GOP, 5 * GOP);
    assert_int_equal(rig.misaligned, 1);
    int shown = frames_of(3);
    assert_true(shown <= 4 * GOP);
    s.off = 0;
    play(&s, 1, 5 * GOP, 8 * GOP);
    assert_int_equal(frames_of(3), shown);
    play(&s, 1, 8 * GOP, 10 * GOP);
    assert_int_equal(rig.joined, 2);
    assert_int_equal(rig.told, 2);
    assert_true(frames_of(3) > shown);
}

static void test_a_late_one_joins(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1, .from = 5 * GOP};
    struct track_info out[LADDER_TRACKS_MAX];

    (void)state;
    play(&s, 1, 0, 4 * GOP + 7);
    tell(3, false);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 0);
    play(&s, 1, 4 * GOP + 7, 7 * GOP);
    assert_int_equal(rig.joined, 1);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 1);
    check(3, 5, 6);
    assert_int_equal(frames_of(3), 2 * GOP);
}

static void test_one_that_stops_leaves(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1, .to = 3 * GOP + 10};
    struct track_info out[LADDER_TRACKS_MAX];

    (void)state;
    tell(3, true);
    play(&s, 1, 0, 6 * GOP);
    assert_int_equal(rig.stopped, 1);
    assert_int_equal(rig.misaligned, 0);
    assert_int_equal(frames_of(3), 3 * GOP + 10);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 0);
    s.to = 0;
    play(&s, 1, 6 * GOP, 9 * GOP);
    assert_int_equal(rig.joined, 2);
}

static void test_one_that_never_sends(void **state)
{
    struct track_info out[LADDER_TRACKS_MAX];

    (void)state;
    tell(3, true);
    play(NULL, 0, 0, 2 * GOP);
    assert_int_equal(rig.stopped, 1);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 0);
}

/* While the first picture is measured nothing has passed: all is kept. */
static void test_what_came_while_measuring(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1};

    (void)state;
    tell(3, true);
    for (int n = 0; n < 2 * GOP; n++)
        give(&s, n);
    assert_int_equal(rig.joined, 0);
    for (int k = 0; k < 2; k++)
        tracks_mark(&rig.t, &(struct mark){FIRST_MSN + (uint64_t)k,
                                           (int64_t)k * GOP * TICK, false});
    tracks_passed(&rig.t, (int64_t)GOP * TICK);
    assert_int_equal(rig.joined, 1);
    check(3, 0, 1);
    assert_int_equal(frames_of(3), 2 * GOP);
}

static void test_after_a_break_it_is_in_at_once(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1};
    struct track_info out[LADDER_TRACKS_MAX];

    (void)state;
    tell(3, true);
    play(&s, 1, 0, 3 * GOP - 20);
    tracks_break(&rig.t); /* the publisher left, */
    tracks_break(&rig.t); /* and its first frame says so again */
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 1);
    tracks_mark(&rig.t, &(struct mark){200, 5 * GOP * TICK, true});
    for (int n = 5 * GOP; n < 5 * GOP + 10; n++) {
        tracks_passed(&rig.t, (int64_t)n * TICK);
        give(&s, n);
    }
    assert_int_equal(rig.joined, 2);
    assert_int_equal(frames_of(3), 3 * GOP - 20 + 10);
    assert_true(rig.out[3 * GOP - 20].discontinuity);
    assert_false(rig.out[3 * GOP - 19].discontinuity);
}

static void test_too_much_is_forgotten(void **state)
{
    struct sender s = {.id = 3, .gop = GOP, .every = 1};

    (void)state;
    tell(3, true);
    for (int n = 0; n < 3 * TRACKS_HELD; n++)
        give(&s, n);
    assert_true(rig.t.list[0].count <= TRACKS_HELD);
    assert_int_equal(rig.count, 0);
    assert_int_equal(rig.stopped, 1);
}

static void test_names(void **state)
{
    static const char *const expected[] = {"720p",    "480p", "720p-2",
                                           "1080p-2", "540p", "720p-3"};
    static const uint8_t ids[] = {LADDER_720P,      LADDER_480P,
                                  LADDER_TRACK,     LADDER_TRACK + 1,
                                  LADDER_TRACK + 2, LADDER_TRACK + 3};
    struct track_info out[LADDER_TRACKS_MAX];
    struct track *track;

    (void)state;
    tell_sized(3, 1280, 720, true);
    tell_sized(4, 480, 854, true); /* on end */
    tell_sized(5, 1280, 720, true);
    tell_sized(6, 1920, 1080, true);
    tell_sized(7, 960, 540, true);
    tell_sized(8, 720, 720, true);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(out[i].name, expected[i]);
        assert_int_equal(out[i].id, ids[i]);
    }
    /* A new size keeps its name. */
    tell_sized(3, 640, 360, true);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 6);
    assert_string_equal(out[0].name, "720p");
    assert_int_equal(out[0].height, 360);
    struct track_info more = *track_info(rig.t.list[0].track);
    more.id = 9;
    assert_int_equal(track_create(&track, &more, (struct slice){0}), 0);
    int err = tracks_track(&rig.t, track, true);
    track_unref(&track);
    assert_int_equal(err, ERR_LIMIT);
    /* Its place is the next one's. */
    tracks_forget(&rig.t, 4);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 5);
    tell_sized(9, 854, 480, true);
    assert_int_equal(tracks_offered(&rig.t, "1080p", out), 6);
    assert_string_equal(out[1].name, "480p");
}

/* Whatever comes: what goes out has growing times, lies on marks where it
 * says so, and no more is held than may be. */
static void test_anything_at_all(void **state)
{
    uint32_t seed = 1;
    int64_t newest = 0;
    uint64_t msn = FIRST_MSN;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t r = seed >> 8;
        uint8_t id = (uint8_t)(3 + r % 4);
        struct sender s = {.id = id,
                           .gop = 1 + (int)(r % 7),
                           .every = 1,
                           .off = (int64_t)(r >> 4 & 255) - 128};
        if (i % 4000 == id) tell(id, r & 1);
        if (r % 1009 == 0) tracks_break(&rig.t);
        if (r % 5003 == 0) {
            tracks_forget(&rig.t, id);
            rig.last_dts[id] = INT64_MIN;
        }
        if (r % 997 == 0) newest += 100 * TICK;
        if (r % 41 == 0) {
            struct mark m = {msn++, newest += TICK, r & 2};
            tracks_mark(&rig.t, &m);
            tracks_passed(&rig.t, newest);
            s.gop = 1;
            for (s.id = 3; s.id < 7; s.id++)
                if (r >> s.id & 7) give(&s, (int)(newest / TICK));
            s.id = id;
        }
        if (r % 5 == 0) tracks_passed(&rig.t, newest += TICK);
        give(&s, (int)(newest / TICK) + (int)(r % 13) - 4);
        if (rig.count > OUT_MAX / 2) rig.count = 0;
    }
    assert_true(rig.joined > 0);
    for (int i = 0; i < rig.t.count; i++)
        assert_true(rig.t.list[i].count <= TRACKS_HELD);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
    TEST(test_a_track_that_fits_two_marks_is_in),
    TEST(test_ways_to_fit),
    TEST(test_a_misaligned_track_is_out_and_said_once),
    TEST(test_keyframes_before_the_marks),
    TEST(test_another_interval_is_never_shown),
    TEST(test_one_that_goes_astray_and_comes_back),
    TEST(test_a_late_one_joins),
    TEST(test_one_that_stops_leaves),
    TEST(test_one_that_never_sends),
    TEST(test_what_came_while_measuring),
    TEST(test_after_a_break_it_is_in_at_once),
    TEST(test_too_much_is_forgotten),
    TEST(test_names),
    TEST(test_anything_at_all),
};
HARNESS_MAIN(tests)
