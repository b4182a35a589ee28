/* When the last keyframe stands in for pictures that do not come. */
#include "transcode/still.h"

#include "core/media/track.h"
#include "tests/harness.h"

enum {
    S = VIDEO_TIMESCALE,
    PART = S / 5,
    STEP = S / 25,
    SOUND = S * 1024 / 48000,
    STILLS_MAX = 512,
};

static const struct still_grid grid = {S / 7, PART};

struct world {
    struct still still;
    int64_t sound_pts;
    int64_t at[STILLS_MAX]; /* of the stills */
    int count, shown;       /* real pictures that were of use */
    int64_t end;            /* of the newest still */
    int64_t lead;           /* of sound before pictures */
    bool any;               /* need no keyframe to go on */
};

static bool show(struct world *w, int64_t pts, bool key)
{
    struct frame f = {.track_id = 1,
                      .flags = key ? FRAME_KEY : 0,
                      .dts = pts,
                      .pts = pts,
                      .duration = STEP,
                      .payload = {NULL, (const uint8_t *)"k", 1}};
    struct frame *made = NULL;

    if (frame_create(&made, &f)) return false;
    bool used = still_video(&w->still, made, w->any);
    w->shown += used;
    frame_unref(&made);
    return used;
}

static void hear(struct world *w, int64_t until)
{
    int64_t at, span;

    for (; w->sound_pts < until; w->sound_pts += SOUND)
        while (still_due(&w->still, w->sound_pts, &grid, false, &at, &span)) {
            assert_true(w->end <= at);
            assert_true(span <= PART);
            assert_int_equal((at + span - grid.from) % PART, 0);
            w->end = at + span;
            assert_true(w->count < STILLS_MAX);
            w->at[w->count++] = at;
        }
}

/* Sound and pictures of [from, to), a keyframe each 2 s. */
static void play(struct world *w, int64_t from, int64_t to, int64_t step)
{
    for (int64_t t = from; t < to; t += step) {
        hear(w, t + w->lead);
        show(w, t, t % (2 * S) == 0);
    }
}

static int end(void **state)
{
    struct world *w = *state;

    still_forget(&w->still);
    free(w);
    return 0;
}

static int make(void **state)
{
    *state = calloc(1, sizeof(struct world));
    return *state ? 0 : -1;
}

static void test_nothing_is_put_beside_pictures(void **state)
{
    struct world *w = *state;

    play(w, 0, 20 * S, STEP);
    assert_int_equal(w->count, 0);
    assert_int_equal(w->shown, 500);
}

/* Slides, one picture a second: it is soon known that this is no loss. */
static void test_slow_pictures_are_no_loss(void **state)
{
    struct world *w = *state;

    play(w, 0, 20 * S, STEP);
    play(w, 20 * S, 24 * S, S);
    w->count = w->shown = 0;
    play(w, 24 * S, 64 * S, S);
    assert_int_equal(w->count, 0);
    assert_int_equal(w->shown, 40);
}

/* A camera is gone for ten seconds. */
static void test_the_last_keyframe_stands_in(void **state)
{
    struct world *w = *state;

    play(w, 0, 7 * S, STEP);
    hear(w, 7 * S + S / 2);
    assert_int_equal(w->count, 0);
    hear(w, 7 * S + S);
    assert_true(w->count >= 2);
    assert_int_equal(w->at[0], 7 * S);
    hear(w, 17 * S);
    assert_in_range(w->at[w->count - 1], 16 * S, 17 * S - PART);
    struct frame *f = still_frame(&w->still, true, w->at[3], PART, 77);
    assert_int_equal(f->dts, w->at[3]);
    assert_int_equal(f->pts, w->at[3]);
    assert_int_equal(f->duration, PART);
    assert_int_equal(f->captured_at, 77);
    assert_true(f->flags & FRAME_KEY);
    frame_unref(&f);
    w->shown = 0;
    play(w, 17 * S, 20 * S, STEP); /* comes back before its keyframe */
    assert_int_equal(w->shown, 50);
    assert_false(w->still.on);
    /* The rest up to the keyframe, whole parts and one that is shorter. */
    int64_t at, span, next = w->end;
    assert_true(next <= 18 * S);
    while (still_rest(&w->still, 18 * S, &grid, &at, &span)) {
        assert_int_equal(at, next);
        assert_in_range(span, S / 100, PART);
        next += span;
    }
    assert_in_range(next, 18 * S - S / 50, 18 * S);
}

/* The child shows its last picture again: its decoder waits where it was. */
static void test_encoded_pictures_go_on_with_any(void **state)
{
    struct world *w = *state;

    w->any = true;
    play(w, 0, 7 * S, STEP);
    hear(w, 15 * S);
    assert_true(w->still.on);
    struct frame *f = still_frame(&w->still, false, w->at[3], PART, 77);
    assert_int_equal(f->payload.len, 0);
    assert_int_equal(f->flags, 0);
    frame_unref(&f);
    w->shown = 0;
    play(w, 15 * S, 15 * S + S / 2, STEP);
    assert_in_range(w->shown, 11, 13);
    assert_false(w->still.on);
}

/* Encoders that look ahead: their sound always comes a second before. */
static void test_late_pictures_are_waited_for(void **state)
{
    struct world *w = *state;

    w->lead = S * 9 / 10;
    play(w, 0, 20 * S, STEP);
    assert_int_equal(w->count, 0);
}

static void test_both_stood_still(void **state)
{
    struct world *w = *state;

    play(w, 0, 7 * S, STEP);
    w->sound_pts = 17 * S;
    hear(w, 17 * S + S / 2);
    play(w, 17 * S + S / 2, 20 * S, STEP);
    assert_int_equal(w->count, 0);
}

/* A publisher comes back without a camera. */
static void test_after_a_break_it_takes_longer(void **state)
{
    struct world *w = *state;

    play(w, 0, 7 * S, STEP);
    still_break(&w->still);
    w->sound_pts = 10 * S;
    hear(w, 10 * S + S * 4 / 3);
    assert_int_equal(w->count, 0);
    hear(w, 13 * S);
    assert_int_equal(w->at[0], 10 * S);
    still_forget(&w->still);
    w->count = 0;
    hear(w, 20 * S);
    assert_int_equal(w->count, 0);
}

static void test_a_due_segment_does_not_wait(void **state)
{
    struct world *w = *state;
    int64_t at, span;

    play(w, 0, 7 * S, STEP);
    assert_true(still_due(&w->still, 7 * S + S / 2, &grid, true, &at, &span));
    assert_int_equal(at, 7 * S);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_nothing_is_put_beside_pictures, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_slow_pictures_are_no_loss, make, end),
    cmocka_unit_test_setup_teardown(test_the_last_keyframe_stands_in, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_encoded_pictures_go_on_with_any, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_late_pictures_are_waited_for, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_both_stood_still, make, end),
    cmocka_unit_test_setup_teardown(test_after_a_break_it_takes_longer, make,
                                    end),
    cmocka_unit_test_setup_teardown(test_a_due_segment_does_not_wait, make,
                                    end),
};
HARNESS_MAIN(tests)
