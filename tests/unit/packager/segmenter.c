#include "packager/segmenter.h"

#include "core/base/err.h"
#include "tests/harness.h"

static void test_marks(void **state)
{
    struct mark_log l = {.count = 0};
    uint32_t breaks;

    (void)state;
    assert_null(mark_log_newest(&l));
    for (uint64_t i = 0; i < 3 * MARK_LOG_MAX; i++) {
        struct mark m = {10 + i, (int64_t)i * 180000, i % 4 == 0};
        assert_int_equal(mark_log_add(&l, &m), 0);
        assert_int_equal(mark_log_add(&l, &m), ERR_ORDER);
    }
    assert_int_equal(mark_log_newest(&l)->msn, 9 + 3 * MARK_LOG_MAX);
    assert_null(mark_log_find(&l, 10, NULL)); /* forgotten */
    assert_non_null(mark_log_find(&l, 10 + 2 * MARK_LOG_MAX, &breaks));
    /* The first mark is none, whatever it says. */
    assert_int_equal(breaks, 2 * MARK_LOG_MAX / 4);
}

/* Frames of any length and jitter, marks anywhere: decode times never have a
 * hole or an overlap except over missing parts, no part is too long or, but
 * for the last of a segment, too short. */
static void test_random_frames(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct mark_log l = {.count = 0};
        struct segmenter s;
        struct segmenter_conf conf = {true, 90000, 200000, 2000000};
        struct segmenter_step step;
        unsigned r = seed * 2654435761u;
        int64_t dts = 0, next = -1, part = 0, msn = 1;
        int samples = 0;

        segmenter_init(&s, &conf, &l);
        for (int i = 0; i < 400; i++) {
            r = r * 1103515245 + 12345;
            bool key = i == 0 || (r >> 10) % 41 == 0;
            struct segmenter_frame f = {dts, dts, 1500 + (r >> 12) % 3000, key};
            if (key) {
                struct mark m = {(uint64_t)msn++, dts, false};
                mark_log_add(&l, &m);
            }
            segmenter_feed(&s, &f, &step);
            assert_false(step.drop);
            part += samples ? step.stretch : 0;
            next += samples ? step.stretch : 0;
            if (step.close_part) {
                assert_true(samples > 0);
                assert_true(part <= 18001);
                if (!step.close_segment && !step.gaps)
                    assert_true(part >= 15300);
                part = samples = 0;
            }
            next += step.gaps * step.gap_ticks;
            assert_int_equal(step.open_segment, key);
            if (next >= 0) assert_int_equal(step.dts, next);
            assert_true(step.duration > 0);
            next = step.dts + step.duration + step.stretch_after;
            part += step.duration + step.stretch_after;
            samples++;
            assert_true(part <= 18001);
            if (step.close_after) {
                assert_true(part >= 15300);
                part = samples = 0;
            }
            dts += f.duration + ((r >> 20) % 7 == 0 ? (r >> 8) % 9000 : 0);
        }
    }
}

static void test_audio_begins_at_or_after_the_mark(void **state)
{
    struct mark_log l = {.count = 0};
    struct segmenter s;
    struct segmenter_conf conf = {false, 48000, 200000, 2000000};
    struct segmenter_step step;
    int cuts = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        mark_log_add(&l, &(struct mark){(uint64_t)i + 1, i * 180000, false});
    segmenter_init(&s, &conf, &l);
    for (int64_t t = -2048; t < 5 * 96000; t += 1024) {
        struct segmenter_frame f = {t, t, 1024, true};

        segmenter_feed(&s, &f, &step);
        assert_int_equal(step.drop, t < 0);
        if (!step.open_segment) continue;
        int64_t mark = (int64_t)(step.mark.msn - 1) * 96000;
        assert_true(t >= mark && t < mark + 1024);
        cuts++;
    }
    assert_int_equal(cuts, 4);
}

static void test_without_its_keyframe_a_segment_is_skipped(void **state)
{
    struct mark_log l = {.count = 0};
    struct segmenter s;
    struct segmenter_conf conf = {true, 90000, 200000, 2000000};
    struct segmenter_step step;
    int dropped = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        mark_log_add(&l, &(struct mark){(uint64_t)i + 1, i * 180000, false});
    segmenter_init(&s, &conf, &l);
    for (int64_t t = 0; t < 540000; t += 3000) {
        /* The IDR of segment 2 was lost. */
        struct segmenter_frame f = {t, t, 3000, t == 0 || t == 360000};

        segmenter_feed(&s, &f, &step);
        dropped += step.drop;
        if (t == 180000 + 3000) assert_true(step.drop);
        if (t == 360000) {
            assert_true(step.open_segment);
            assert_int_equal(step.mark.msn, 3);
            assert_int_equal(step.dts, 360000);
        }
    }
    assert_in_range(dropped, 58, 60);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_marks),
    cmocka_unit_test(test_random_frames),
    cmocka_unit_test(test_audio_begins_at_or_after_the_mark),
    cmocka_unit_test(test_without_its_keyframe_a_segment_is_skipped),
};
HARNESS_MAIN(tests)
