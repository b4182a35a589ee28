#include "tests/harness.h"

#include "transcode/boundary.h"

/* A source in simulated time: a frame each `tick`, keyframes each `gop`
 * frames. What boundary says is gathered as marks in seconds. */
struct rig {
    struct boundary b;
    struct boundary_frame kept[2048];
    int kept_count;
    int64_t marks[512]; /* pts */
    bool disc[512], key_at[512];
    int count, decisions, switches;
    bool asked; /* for a keyframe, by the newest frame */
    int64_t decided_at;
};

static void take(struct rig *r, const struct boundary_frame *f)
{
    struct boundary_step s = boundary_feed(&r->b, f);

    r->asked = s.ask;
    if (r->b.mode == BOUNDARY_MEASURING || s.decided) {
        if (!s.drop && r->kept_count < 2048) r->kept[r->kept_count++] = *f;
    }
    if (s.decided) {
        r->decisions++;
        r->decided_at = f->pts;
        if (r->b.mode == BOUNDARY_FOLLOW) {
            assert_false(s.marked);
            int n = r->kept_count;
            r->kept_count = 0;
            for (int i = 0; i < n; i++)
                take(r, &r->kept[i]);
            return;
        }
    }
    if (s.switched) r->switches++;
    if (!s.marked) return;
    assert_true(r->count < 512);
    if (r->count) assert_true(s.mark.pts > r->marks[r->count - 1]);
    assert_int_equal(s.mark.msn, r->b.conf.first_msn + (uint64_t)r->count);
    assert_int_equal(s.mark.pts, f->pts);
    r->marks[r->count] = s.mark.pts;
    r->key_at[r->count] = f->key;
    r->disc[r->count++] = s.mark.discontinuity;
}

static void setup(struct rig *r, bool may_encode, int64_t hint_us)
{
    struct boundary_conf conf = {.may_encode = may_encode,
                                 .segment_us = 2000000,
                                 .part_goal_us = 200000,
                                 .first_msn = 100,
                                 .hint_gop_us = hint_us};

    memset(r, 0, sizeof *r);
    boundary_init(&r->b, &conf);
}

/* n frames from frame number `from`, a keyframe at each multiple of gop. */
static void play(struct rig *r, int from, int n, int gop, int64_t num,
                 int64_t den)
{
    for (int i = from; i < from + n; i++) {
        int64_t t = i * 90000 * den / num;
        take(r, &(struct boundary_frame){t, t, i % gop == 0, false});
    }
}

static void test_two_second_keyframes_are_followed(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 7, 53, 60, 30, 1); /* before the first keyframe: nothing */
    assert_int_equal(r.kept_count, 0);
    play(&r, 60, 301, 60, 30, 1);
    assert_int_equal(r.b.mode, BOUNDARY_FOLLOW);
    assert_int_equal(r.decided_at, 4 * 90000); /* the second keyframe */
    assert_int_equal(r.b.target_duration_s, 2);
    assert_int_equal(r.b.part_us, 200000);
    assert_int_equal(r.count, 6);
    for (int i = 0; i < r.count; i++) {
        assert_int_equal(r.marks[i], (2 + 2 * i) * 90000);
        assert_false(r.disc[i]);
    }
    assert_int_equal(r.switches, 0);
}

static void test_cadences_and_their_parts(void **state)
{
    static const struct {
        int64_t num, den;
        int gop;
        int64_t part_us;
    } rows[] = {{30000, 1001, 60, 200200}, {25, 1, 50, 200000},
                {24, 1, 48, 208334},       {60, 1, 120, 200000},
                {50, 1, 100, 200000},      {10, 1, 20, 200000},
                {24000, 1001, 48, 208542}};
    static struct rig r;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setup(&r, true, 0);
        play(&r, 0, 3 * rows[i].gop + 1, rows[i].gop, rows[i].num, rows[i].den);
        assert_int_equal(r.b.mode, BOUNDARY_FOLLOW);
        assert_int_equal(r.b.fps_num * rows[i].den, rows[i].num * r.b.fps_den);
        assert_in_range(r.b.part_us, rows[i].part_us, rows[i].part_us + 12);
    }
    assert_int_equal(boundary_part_us(30, 1, 500000), 500000);
    assert_int_equal(boundary_part_us(30000, 1001, 500000), 500500);
    assert_int_equal(boundary_part_us(1, 1, 200000), 1000000);
}

static void test_millisecond_times_widen_the_part_target(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    for (int i = 0; i <= 96; i++) {
        int64_t t = i * 1000 / 24 * 90; /* RTMP: whole ms */
        take(&r, &(struct boundary_frame){t, t, i % 48 == 0, false});
    }
    assert_int_equal(r.b.fps_num, 24);
    assert_int_equal(r.b.part_us, 209000);
}

static void test_short_gops_are_joined_and_long_ones_kept(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 301, 15, 30, 1); /* 0.5 s */
    assert_int_equal(r.count, 6);
    assert_int_equal(r.marks[1], 2 * 90000);
    setup(&r, true, 0);
    play(&r, 0, 361, 90, 30, 1); /* 3 s */
    assert_int_equal(r.b.target_duration_s, 3);
    assert_int_equal(r.count, 5);
    setup(&r, true, 0);
    play(&r, 0, 361, 120, 30, 1); /* 4 s */
    assert_int_equal(r.b.target_duration_s, 4);
    assert_int_equal(r.b.mode, BOUNDARY_FOLLOW);
}

/* OBS left at "keyframe interval 0" sends one each 250 frames. */
static void test_too_long_a_gop_is_encoded_on_a_grid(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 750, 250, 30, 1);
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.b.target_duration_s, 2);
    assert_in_range(r.decided_at, 4.25 * 90000, 4.3 * 90000);
    assert_int_equal(r.marks[0], r.decided_at);
    for (int i = 1; i < r.count; i++)
        assert_int_equal(r.marks[i] - r.marks[i - 1], 2 * 90000);
    assert_true(r.count >= 9);
}

static void test_basic_waits_for_the_long_gop(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, false, 0);
    play(&r, 0, 751, 250, 30, 1);
    assert_int_equal(r.b.mode, BOUNDARY_FOLLOW);
    assert_int_equal(r.b.target_duration_s, 8);
    assert_int_equal(r.count, 4);
    assert_int_equal(r.switches, 0);
    /* Never a keyframe again: forced, once every target duration. */
    play(&r, 751, 600, 100000, 30, 1);
    assert_true(r.count > 5);
    assert_false(r.key_at[r.count - 1]);
    assert_false(r.disc[r.count - 1]);
    for (int i = 1; i < r.count; i++)
        assert_true(r.marks[i] - r.marks[i - 1] < 8.5 * 90000);
}

/* A scene cut early in the measurement must not pass for the GOP. */
static void test_scene_cuts_keep_segments_legal(void **state)
{
    static const int keys[] = {0,   21,  81,  90,  150, 210, 229,
                               235, 295, 355, 361, 421, 481};
    static struct rig r;
    size_t k = 0;

    (void)state;
    setup(&r, true, 0);
    for (int i = 0; i < 500; i++) {
        bool key = k < sizeof keys / sizeof *keys && keys[k] == i;
        if (key) k++;
        take(&r, &(struct boundary_frame){i * 3000, i * 3000, key, false});
    }
    assert_int_equal(r.b.mode, BOUNDARY_FOLLOW);
    assert_int_equal(r.switches, 0);
    for (int i = 1; i < r.count; i++)
        assert_true(r.marks[i] - r.marks[i - 1] < 2.5 * 90000);
}

static void test_a_late_keyframe_switches_to_encoding(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 181, 60, 30, 1);
    play(&r, 181, 300, 100000, 30, 1);
    assert_int_equal(r.switches, 1);
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.b.target_duration_s, 2);
    assert_int_equal(r.marks[4] - r.marks[3], 2.4 * 90000);
    assert_true(r.disc[4]);
    assert_false(r.disc[5]);
    assert_int_equal(r.marks[5] - r.marks[4], 2 * 90000);
}

/* Nothing comes for a second, and then a keyframe: the segment before it may
 * not be that long. A hole that leaves it within the target breaks nothing. */
static void test_a_hole_ends_the_segment(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 180, 60, 30, 1);
    play(&r, 210, 30, 30, 30, 1);
    int n = r.count;
    assert_int_equal(r.marks[n - 1], 210 * 3000);
    assert_true(r.disc[n - 1]);
    play(&r, 240, 20, 60, 30, 1);
    play(&r, 270, 61, 30, 30, 1);
    for (int i = n; i < r.count; i++)
        assert_false(r.disc[i]);
    assert_true(r.count > n);
}

static void test_a_hint_decides_at_once(void **state)
{
    static struct rig r;
    struct boundary_source s = {30, 1, false, false};

    (void)state;
    setup(&r, true, 2000000);
    boundary_source(&r.b, &s);
    play(&r, 0, 1, 60, 30, 1);
    assert_int_equal(r.b.mode, BOUNDARY_FOLLOW);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.b.part_us, 201000); /* it may be 29.97 */
    setup(&r, true, 8333333);
    boundary_source(&r.b, &s);
    play(&r, 0, 1, 250, 30, 1);
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.count, 1);
}

/* Parts need the cadence: half a second tells it. */
static void test_a_hint_without_a_cadence(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 2000000);
    play(&r, 0, 241, 60, 25, 1);
    assert_in_range(r.decided_at, 0.5 * 90000, 0.6 * 90000);
    assert_int_equal(r.b.fps_num, 25);
    assert_int_equal(r.b.part_us, 200000);
    assert_int_equal(r.marks[0], 0);
    assert_int_equal(r.marks[1], 2.4 * 90000);
}

/* What the encoder says of itself against what the channel did last time. */
static void test_what_is_expected(void **state)
{
    static const struct {
        int64_t hint, said, taken;
    } rows[] = {{0, 2000000, 2000000},       {2000000, 8333333, 8333333},
                {8333333, 2000000, 2000000}, {3000000, 2000000, 3000000},
                {2000000, 0, 2000000},       {2000000, -1, 2000000}};
    static struct rig r;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setup(&r, true, rows[i].hint);
        boundary_expect(&r.b, rows[i].said);
        assert_int_equal(r.b.conf.hint_gop_us, rows[i].taken);
    }
}

/* What was expected gives way to what is seen, and that is the next hint. */
static void test_a_hint_that_is_wrong(void **state)
{
    static struct rig r;
    struct boundary_source s = {30, 1, false, false};

    (void)state;
    setup(&r, true, 2000000);
    boundary_source(&r.b, &s);
    play(&r, 0, 301, 30, 30, 1); /* 1 s: joined, but for the first */
    assert_int_equal(r.b.gop_us, 1000000);
    assert_int_equal(r.marks[1], 1 * 90000);
    for (int i = 2; i < r.count; i++)
        assert_int_equal(r.marks[i] - r.marks[i - 1], 2 * 90000);
    assert_int_equal(r.switches, 0);

    setup(&r, true, 2000000);
    boundary_source(&r.b, &s);
    play(&r, 0, 301, 90, 30, 1); /* 3 s: late, and known then */
    assert_int_equal(r.switches, 1);
    assert_int_equal(r.marks[1], 2.4 * 90000);
    assert_true(r.disc[1]);
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.b.gop_us, 3000000);

    setup(&r, true, 8333333);
    boundary_source(&r.b, &s);
    play(&r, 0, 301, 60, 30, 1); /* somebody took the advice */
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.b.gop_us, 2000000);
}

static void test_a_break_waits_for_a_keyframe(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 150, 60, 30, 1);
    int before = r.count;
    boundary_break(&r.b);
    play(&r, 200, 40, 60, 30, 1); /* 200 .. 239: not one */
    assert_int_equal(r.count, before);
    play(&r, 240, 61, 60, 30, 1);
    assert_int_equal(r.count, before + 2);
    assert_true(r.disc[before]);
    assert_false(r.disc[before + 1]);
    assert_int_equal(r.marks[before], 8 * 90000);
}

/* A break while measuring measures again and breaks nothing. */
static void test_a_break_while_measuring(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 30, 60, 30, 1);
    boundary_break(&r.b);
    r.kept_count = 0;
    play(&r, 90, 91, 60, 30, 1);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.marks[0], 4 * 90000);
    assert_false(r.disc[0]);
}

static void test_what_must_be_encoded_is_on_a_grid(void **state)
{
    static struct rig r;
    struct boundary_source s = {48000, 1024, true, false};

    (void)state;
    setup(&r, true, 0);
    boundary_source(&r.b, &s); /* sound alone: every frame is a keyframe */
    play(&r, 0, 500, 1, 48000, 1024);
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.b.part_us, 192000);
    assert_true(r.count >= 5);
    /* Then video joins: it begins at a keyframe, on the same grid. */
    int before = r.count;
    boundary_source(&r.b, &(struct boundary_source){30, 1, false, false});
    play(&r, 330, 100, 60, 30, 1);
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.marks[before], 12 * 90000);
    assert_true(r.disc[before]);
    assert_int_equal(r.b.part_us, 192000);
}

static void test_forced_marks(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 200, 250, 30, 1);
    int before = r.count;
    boundary_force(&r.b);
    play(&r, 200, 1, 250, 30, 1);
    assert_int_equal(r.count, before + 1);
    assert_false(r.disc[before]);
}

/* Video stands still, sound goes on: segments still end in time. */
static void test_a_stall_of_video(void **state)
{
    static struct rig r;
    struct mark m;
    int64_t last = 0, marks = 0;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 130, 60, 30, 1); /* to 4.3 s, a mark at 4 s */
    for (int64_t pts = 4 * 90000; pts < 12 * 90000; pts += 1920) {
        if (!boundary_stall(&r.b, pts, &m)) continue;
        assert_true(pts - (marks ? last : 4 * 90000) < 2.5 * 90000);
        assert_false(m.discontinuity);
        assert_in_range(pts - m.pts, 0, 200 * 90);
        last = m.pts;
        marks++;
    }
    assert_int_equal(marks, 3);
    r.count = 0;
    r.b.conf.first_msn = m.msn + 1;
    play(&r, 360, 121, 60, 30, 1); /* it goes on at 12 s */
    assert_int_equal(r.switches, 0);
    assert_int_equal(r.marks[0], 12 * 90000);
    assert_int_equal(r.b.gop_us, 2000000);
}

/* A browser: frames 30 to 70 ms apart, a keyframe `delay` frames after it was
 * asked for one and at its own whim. 0: it never answers. */
static void play_asked(struct rig *r, int n, int delay)
{
    int64_t t = 0;
    int due = 0;

    for (int i = 0; i < n; i++) {
        bool key = i == 0 || i % 37 == 36 || (due && i == due);
        if (key) due = 0;
        take(r, &(struct boundary_frame){t, t, key && (delay || !i), false});
        if (r->asked && delay && !due) due = i + delay;
        t += (30 + i * 7 % 41) * 90;
    }
}

static void test_a_source_is_asked_for_each_segment(void **state)
{
    static struct rig r;

    (void)state;
    for (int delay = 1; delay < 12; delay += 5) {
        setup(&r, true, 4000000); /* what another did last time: no matter */
        boundary_source(&r.b, &(struct boundary_source){0, 0, false, true});
        take(&r, &(struct boundary_frame){-90000, -90000, false, false});
        assert_true(r.asked);
        play_asked(&r, 1200, delay);
        assert_in_range(r.decided_at, 45000, 52000);
        assert_int_equal(r.b.target_duration_s, 3);
        assert_int_equal(r.b.part_us, 200000);
        assert_int_equal(r.switches, 0);
        assert_in_range(r.count, 25, 37); /* of 60 s */
        for (int i = 1; i < r.count; i++) {
            assert_true(r.key_at[i]);
            assert_false(r.disc[i]);
            assert_in_range(r.marks[i] - r.marks[i - 1], 1600 * 90, 2400 * 90);
        }
    }
}

static void test_an_answer_that_never_comes(void **state)
{
    static struct rig r;

    (void)state;
    setup(&r, true, 0);
    boundary_source(&r.b, &(struct boundary_source){0, 0, false, true});
    play_asked(&r, 200, 0);
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    assert_int_equal(r.switches, 1);
    assert_in_range(r.marks[1], 3400 * 90, 3475 * 90);
    setup(&r, false, 0);
    boundary_source(&r.b, &(struct boundary_source){0, 0, false, true});
    play_asked(&r, 200, 0);
    assert_int_equal(r.b.mode, BOUNDARY_FOLLOW);
    assert_in_range(r.marks[1], 3400 * 90, 3475 * 90);
    assert_false(r.disc[1]);
}

/* 1.5 s of the source are lost, over the end of a segment. */
static void test_a_hole_ends_its_segment(void **state)
{
    struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 282, 60, 30, 1); /* FOLLOW: to 9.4 s */
    assert_int_equal(r.count, 5);
    take(&r, &(struct boundary_frame){981000, 981000, true, false});
    assert_int_equal(r.count, 6);
    assert_int_equal(r.marks[5], 981000); /* 10.9 s */
    assert_true(r.disc[5]);
    setup(&r, true, 0);
    play(&r, 0, 282, 240, 30, 1); /* GRID: no keyframe is needed */
    assert_int_equal(r.b.mode, BOUNDARY_GRID);
    int marks = r.count;
    take(&r, &(struct boundary_frame){981000, 981000, false, false});
    assert_int_equal(r.count, marks + 1);
    assert_true(r.disc[marks]);
    for (int i = 1; i < marks; i++)
        assert_false(r.disc[i]);
}

/* One that its segment has room for stays in it. */
static void test_a_hole_within_a_segment(void **state)
{
    struct rig r;

    (void)state;
    setup(&r, true, 0);
    play(&r, 0, 249, 60, 30, 1); /* to 8.3 s */
    play(&r, 300, 60, 60, 30, 1);
    assert_int_equal(r.marks[5], 300 * 3000);
    assert_false(r.disc[5]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_source_is_asked_for_each_segment),
    cmocka_unit_test(test_an_answer_that_never_comes),
    cmocka_unit_test(test_two_second_keyframes_are_followed),
    cmocka_unit_test(test_cadences_and_their_parts),
    cmocka_unit_test(test_millisecond_times_widen_the_part_target),
    cmocka_unit_test(test_short_gops_are_joined_and_long_ones_kept),
    cmocka_unit_test(test_too_long_a_gop_is_encoded_on_a_grid),
    cmocka_unit_test(test_basic_waits_for_the_long_gop),
    cmocka_unit_test(test_scene_cuts_keep_segments_legal),
    cmocka_unit_test(test_a_late_keyframe_switches_to_encoding),
    cmocka_unit_test(test_a_hole_ends_the_segment),
    cmocka_unit_test(test_a_hint_decides_at_once),
    cmocka_unit_test(test_a_hint_without_a_cadence),
    cmocka_unit_test(test_what_is_expected),
    cmocka_unit_test(test_a_hint_that_is_wrong),
    cmocka_unit_test(test_a_break_waits_for_a_keyframe),
    cmocka_unit_test(test_a_break_while_measuring),
    cmocka_unit_test(test_what_must_be_encoded_is_on_a_grid),
    cmocka_unit_test(test_forced_marks),
    cmocka_unit_test(test_a_stall_of_video),
    cmocka_unit_test(test_a_hole_ends_its_segment),
    cmocka_unit_test(test_a_hole_within_a_segment),
};
HARNESS_MAIN(tests)
