#include "tests/harness.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "ingest/timeline.h"

enum { V = 0, A = 1 };

static struct timeline t;

static void begin(int64_t base_us, bool broken)
{
    timeline_init(&t, base_us, broken);
    timeline_video(&t, V, 30, 1);
    timeline_audio(&t, A, 48000);
}

static int place(int slot, int64_t dts_us, int64_t cts_us, int64_t now,
                 struct timeline_out *out)
{
    struct timeline_in in = {slot, dts_us, dts_us + cts_us,
                             slot == A ? 1024 : 0, now};

    return timeline_place(&t, &in, out);
}

/* Frame i of 30 fps in whole ms, as µs. */
static int64_t ms30(int64_t i)
{
    return (i * 1000 + 15) / 30 * 1000;
}

static int64_t ms_audio(int64_t i)
{
    return i * 1024 * 1000 / 48000 * 1000;
}

static void test_first_frame_is_at_base(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(2000000, false);
    assert_int_equal(place(V, 7777000, 0, 100, &o), 0);
    assert_int_equal(o.dts, 180000);
    assert_int_equal(o.pts, 180000);
    assert_int_equal(o.duration, 3000);
    assert_false(o.discontinuity);
    assert_int_equal(place(A, 7777000 + 10000, 0, 100, &o), 0);
    assert_int_equal(o.dts, 96480);
    assert_int_equal(o.duration, 1024);
}

static void test_returning_publisher_says_so_once_per_track(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(5000000, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(place(V, ms30(i), 0, 0, &o), 0);
        assert_int_equal(o.discontinuity, i == 0);
        assert_int_equal(place(A, ms_audio(i), 0, 0, &o), 0);
        assert_int_equal(o.discontinuity, i == 0);
    }
    assert_int_equal(t.counts.rebased, 0);
}

static void test_audio_is_contiguous(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(0, false);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(place(A, ms_audio(i), 0, 0, &o), 0);
        assert_int_equal(o.dts, 1024 * i);
    }
    assert_int_equal(t.counts.resynced, 0);
}

/* Some encoders stamp four frames with one time. */
static void test_audio_in_bursts_is_contiguous(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(0, false);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(place(A, ms_audio(i / 4 * 4), 0, 0, &o), 0);
        assert_int_equal(o.dts, 1024 * i);
    }
}

static void test_audio_gap_is_kept(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(0, false);
    place(A, 0, 0, 0, &o);
    assert_int_equal(place(A, 500000, 0, 0, &o), 0);
    assert_int_equal(o.dts, 24000);
    assert_false(o.discontinuity);
    assert_int_equal(t.counts.resynced, 1);
}

/* The sound card's 48 kHz is 0.1 % fast: a frame goes now and then, and the
 * sound never runs away from the picture. */
static void test_fast_audio_clock_loses_a_frame(void **state)
{
    struct timeline_out o;
    int64_t last = -1;

    (void)state;
    begin(0, false);
    for (int i = 0; i < 10000; i++) {
        int64_t at = (int64_t)(i * 1024 * 0.999 / 48 * 1000);
        int err = place(A, at, 0, 0, &o);
        if (err) {
            assert_int_equal(err, ERR_AGAIN);
            continue;
        }
        assert_true(o.dts > last);
        last = o.dts;
        assert_in_range(o.dts * 1000 / 48 - at + 1000000, 0, 1000000 + 60000);
    }
    assert_in_range(t.counts.resynced, 5, 12);
}

static void test_backward_jitter_is_clamped(void **state)
{
    struct timeline_out o;
    int64_t last;

    (void)state;
    begin(0, false);
    place(V, 0, 0, 0, &o);
    place(V, 100000, 0, 0, &o);
    last = o.dts;
    assert_int_equal(place(V, 50000, 0, 0, &o), 0);
    assert_int_equal(o.dts, last + 90);
    assert_int_equal(t.counts.clamped, 1);
    assert_false(o.discontinuity);
    assert_int_equal(place(V, ms30(4), 0, 0, &o), 0);
    assert_int_equal(o.dts, 12000);
}

static void test_shown_before_decoded_is_clamped(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(0, false);
    assert_int_equal(place(V, 0, -40000, 0, &o), 0);
    assert_int_equal(o.pts, o.dts);
    assert_int_equal(place(V, ms30(1), 8000000, 0, &o), 0);
    assert_int_equal(o.pts, o.dts);
    assert_int_equal(place(V, ms30(2), 67000, 0, &o), 0);
    assert_int_equal(o.pts, o.dts + 6000);
    assert_int_equal(t.counts.clamped, 2);
}

/* Both tracks restart at 0 after an hour: one rebase, both stay together. */
static void test_jump_back_moves_both_tracks_alike(void **state)
{
    struct timeline_out v, a;
    int64_t hour = 3600 * (int64_t)1000000, now = 0;

    (void)state;
    begin(0, false);
    for (int i = 0; i < 60; i++, now += 33333) {
        place(V, hour + ms30(i), 0, now, &v);
        place(A, hour + ms30(i), 0, now, &a);
    }
    for (int i = 0; i < 60; i++, now += 33333) {
        assert_int_equal(place(V, ms30(i), 0, now, &v), 0);
        assert_false(v.discontinuity);
        if (place(A, ms30(i), 0, now, &a)) continue;
        assert_false(a.discontinuity);
        assert_in_range(v.dts * 8 - a.dts * 15 + 100000, 0, 200000);
    }
    assert_int_equal(t.counts.rebased, 1);
    assert_in_range(v.dts, 119 * 3000 - 3000, 119 * 3000 + 3000);
}

/* What passed meanwhile is a frame, or a pause: only that breaks anything. */
static void test_jump_forward_goes_on_by_arrivals(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(1000000, false);
    place(V, 0, 0, 50, &o);
    place(V, ms30(1), 0, 33333, &o);
    assert_int_equal(place(V, 900000000, 0, 66667, &o), 0);
    assert_false(o.discontinuity);
    assert_in_range(o.dts, 90000 + 5500, 90000 + 6500);
    assert_int_equal(place(V, 900033000, 0, 100000, &o), 0);
    assert_false(o.discontinuity);
    assert_int_equal(t.counts.rebased, 1);
    assert_int_equal(place(V, 70000, 0, 7100000, &o), 0);
    assert_true(o.discontinuity);
    assert_in_range(o.dts, 90000 * 81 / 10 - 200, 90000 * 82 / 10);
}

/* Only the video encoder restarted: audio goes on undisturbed. */
static void test_one_track_may_jump_alone(void **state)
{
    struct timeline_out v, a;
    int64_t now = 0;

    (void)state;
    begin(0, false);
    for (int i = 0; i < 300; i++, now += 33333) {
        int64_t at = ms30(i) + (i >= 100 ? 50000000 : 0);
        assert_int_equal(place(V, at, 0, now, &v), 0);
        assert_false(v.discontinuity);
        place(A, ms30(i), 0, now, &a);
        assert_false(a.discontinuity);
    }
    assert_int_equal(t.counts.rebased, 1);
    assert_in_range(v.dts, 299 * 3000 - 6000, 299 * 3000 + 6000);
}

static void test_frames_before_the_beginning_are_dropped(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(1000000, false);
    assert_int_equal(place(V, 1000000, 0, 0, &o), 0);
    assert_int_equal(place(A, 900000, 0, 0, &o), ERR_AGAIN);
    assert_int_equal(place(A, 1000000, 0, 0, &o), 0);
    assert_int_equal(t.counts.early, 1);
}

/* Two B-frames: the keyframe is decoded 67 ms before the sound begins. */
static void test_a_keyframe_before_the_sound_is_no_loss(void **state)
{
    struct timeline_out v, a;

    (void)state;
    begin(1000000, false);
    for (int i = 0; i < 4; i++)
        assert_int_equal(place(A, 500000 + ms_audio(i), 0, 0, &a), 0);
    assert_int_equal(place(V, 433333, 66667, 0, &v), 0);
    assert_int_equal(v.dts, 90000);
    assert_int_equal(v.pts, 96000);
    assert_false(v.discontinuity);
    assert_int_equal(t.counts.early, 0);
    /* Together again: sound that belongs to that picture says so. */
    for (int i = 4; i < 40; i++) {
        assert_int_equal(place(A, 500000 + ms_audio(i), 0, 0, &a), 0);
        assert_false(a.discontinuity);
    }
    int64_t meant = 48000 + 3200 + 39 * 1024;
    assert_in_range(a.dts, meant - 100, meant + 100);
    assert_int_equal(place(V, 466667, 66667, 0, &v), 0);
    assert_int_equal(v.dts, 93000);
}

/* Without the second picture the whole GOP would be of no use. */
static void test_a_first_frame_stamped_late_costs_no_other(void **state)
{
    struct timeline_out o;
    int64_t last;

    (void)state;
    begin(1000000, false);
    assert_int_equal(place(V, 33333, 0, 0, &o), 0);
    last = o.dts;
    for (int i = 1; i < 120; i++) {
        assert_int_equal(place(V, i * 16667, 0, i * 16667, &o), 0);
        assert_true(o.dts > last);
        last = o.dts;
    }
    assert_int_equal(t.counts.early, 0);
}

/* A second track whose clock has nothing to do with the first's. */
static void test_unrelated_second_track_joins_now(void **state)
{
    struct timeline_out o;

    (void)state;
    begin(0, false);
    place(V, 0, 0, 0, &o);
    assert_int_equal(place(A, 9000000000, 0, 20000, &o), 0);
    assert_in_range(o.dts, 0, 2000);
    assert_false(o.discontinuity);
}

static void test_any_times_stay_in_order(void **state)
{
    struct timeline_out o;
    uint64_t seed = 1;
    int64_t last[2] = {-1, -1};

    (void)state;
    begin(0, false);
    for (int i = 0; i < 100000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int slot = seed >> 60 & 1;
        int64_t at = (int64_t)(uint32_t)(seed >> 20) * 1000;
        if (seed >> 61 & 1) at = i * 20000;
        if (place(slot, at, (int64_t)(seed >> 50) - 5000, i * 20000, &o))
            continue;
        assert_true(o.dts > last[slot]);
        assert_true(o.pts >= o.dts);
        last[slot] = o.dts;
    }
}

/* Pictures and sound as they are, but for what `bend` does to the stamps of
 * one of them: how far do they lie apart from each other in the end, at most,
 * µs? A frame of sound every 21.3 ms, of pictures every 33.3, for ten
 * seconds from `from` on. */
static int64_t apart(int64_t from, int slot, int64_t bend, int *broken)
{
    int64_t worst = 0;

    *broken = 0;
    for (int64_t now = from, a = (from * 3 + 63999) / 64000;
         now < from + 10000000; now += 100000) {
        struct timeline_out o;
        for (int64_t i = now * 30 / 1000000; i < (now + 100000) * 30 / 1000000;
             i++) {
            int64_t at = ms30(i), off;
            if (place(V, at + (slot == V ? bend : 0), 0, at + 50000, &o))
                continue;
            *broken += o.discontinuity;
            off = o.dts * 100 / 9 - at;
            if (llabs(off) > worst) worst = llabs(off);
        }
        for (; ms_audio(a) < now + 100000; a++) {
            int64_t at = ms_audio(a), off;
            if (place(A, at + (slot == A ? bend : 0), 0, at + 50000, &o))
                continue;
            *broken += o.discontinuity;
            off = o.dts * 1000 / 48 - at;
            if (now > from + 1500000 && llabs(off) > worst) worst = llabs(off);
        }
    }
    return worst;
}

static void test_a_jump_of_one_track_keeps_them_together(void **state)
{
    static const int64_t bends[] = {20000000, -20000000, 3600000000, -4000000};
    int broken;

    (void)state;
    for (int slot = V; slot <= A; slot++) {
        begin(0, false);
        assert_in_range(apart(0, 99, 0, &broken), 0, 2000);
        for (int i = 0; i < 4; i++) {
            assert_in_range(apart(10000000 * (i + 1), slot, bends[i], &broken),
                            0, 36000);
            assert_int_equal(broken, 0);
        }
        assert_int_equal(t.counts.rebased, 4);
    }
}

static void test_steps_back_of_one_track_are_caught_up(void **state)
{
    int broken;

    (void)state;
    begin(0, false);
    apart(0, 99, 0, &broken);
    apart(10000000, A, 900000, &broken);
    assert_in_range(apart(20000000, 99, 0, &broken), 0, 36000);
    assert_int_equal(broken, 0);
}

static void test_a_pause_of_one_track_is_no_break(void **state)
{
    struct timeline_out o;
    int64_t a = 0;

    (void)state;
    begin(0, false);
    for (int i = 0; i < 900; i++) {
        place(V, ms30(i), 0, ms30(i), &o);
        if (i > 300 && i < 600) continue;
        while (ms_audio(a) < ms30(i - 1))
            a++;
        assert_int_equal(place(A, ms_audio(a), 0, ms30(i), &o), 0);
        assert_false(o.discontinuity);
        assert_in_range(o.dts * 1000 / 48 - ms_audio(a) + 32000, 0, 64000);
        a++;
    }
    assert_int_equal(t.counts.rebased, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_jump_of_one_track_keeps_them_together),
    cmocka_unit_test(test_steps_back_of_one_track_are_caught_up),
    cmocka_unit_test(test_a_pause_of_one_track_is_no_break),
    cmocka_unit_test(test_first_frame_is_at_base),
    cmocka_unit_test(test_returning_publisher_says_so_once_per_track),
    cmocka_unit_test(test_audio_is_contiguous),
    cmocka_unit_test(test_audio_in_bursts_is_contiguous),
    cmocka_unit_test(test_audio_gap_is_kept),
    cmocka_unit_test(test_fast_audio_clock_loses_a_frame),
    cmocka_unit_test(test_backward_jitter_is_clamped),
    cmocka_unit_test(test_shown_before_decoded_is_clamped),
    cmocka_unit_test(test_jump_back_moves_both_tracks_alike),
    cmocka_unit_test(test_jump_forward_goes_on_by_arrivals),
    cmocka_unit_test(test_one_track_may_jump_alone),
    cmocka_unit_test(test_frames_before_the_beginning_are_dropped),
    cmocka_unit_test(test_a_first_frame_stamped_late_costs_no_other),
    cmocka_unit_test(test_a_keyframe_before_the_sound_is_no_loss),
    cmocka_unit_test(test_unrelated_second_track_joins_now),
    cmocka_unit_test(test_any_times_stay_in_order),
};
HARNESS_MAIN(tests)
