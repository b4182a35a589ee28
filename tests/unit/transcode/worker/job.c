#include "tests/job_rig.h"

static void test_rungs_align_with_the_source(void **state)
{
    static const uint8_t ids[] = {64, 67, 68};

    (void)state;
    begin(30);
    give_source_track();
    ask(64, 320, 180, 30); /* the top made anew */
    ask(68, 160, 90, 30);
    ask(67, 240, 136, 30);
    for (int i = 0; i < FRAMES; i++) {
        if (i % 45 == 0) give_mark(i, i == 45); /* not where the source's are */
        give_frame(i, 0);
    }
    finish();
    for (size_t k = 0; k < sizeof ids; k++) {
        const struct wire_record *t = track_of(ids[k]);
        assert_non_null(t);
        assert_int_equal(t->payload.data[1], 77); /* avcC: Main */
        for (int i = 0; i < FRAMES; i++) {
            const struct frame *f = frame_of(ids[k], i);
            assert_non_null(f);
            assert_int_equal(f->pts, i * TICK);
            assert_int_equal(f->dts, f->pts); /* no B-frames */
            assert_int_equal(f->duration, TICK);
            assert_int_equal(f->captured_at, 1000 + i);
            assert_int_equal(!!(f->flags & FRAME_KEY), i % 45 == 0);
            assert_int_equal(!!(f->flags & FRAME_DISCONTINUITY), i == 45);
        }
        assert_null(frame_of(ids[k], FRAMES));
    }
    clean_up();
}

/* One of each second, whether a rung wants the picture or not. */
static void test_each_second_is_looked_at(void **state)
{
    int seen = 0;

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    for (int i = 0; i < FRAMES; i++)
        give_frame(i, 0); /* no mark: the rung has not begun */
    finish();
    for (int i = 0; i < rig.count; i++) {
        const struct impression *c = &rig.got[i].v.impression;
        if (rig.got[i].type != WIRE_IMPRESSION) continue;
        assert_int_equal(c->track, 1);
        assert_int_equal(c->kind, TRACK_VIDEO);
        assert_int_equal(c->span_ms, 1000);
        assert_true(c->changed);
        assert_true(!seen == !c->change);
        assert_in_range(c->luma, 60, 200);
        seen++;
    }
    assert_int_equal(seen, 3);
    clean_up();
}

/* A wish: this rung alone, at its next picture, and once. One that has not
 * begun begins there. */
static void test_a_wished_keyframe_is_the_next_picture(void **state)
{
    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    ask(68, 80, 46, 15);
    ask(82, 320, 180, 30);
    for (int i = 0; i < FRAMES; i++) {
        if (i == 0 || i == 60) give_mark(i, false);
        if (i == 41) {
            give((struct wire_record){.type = WIRE_KEY, .v.key = 67});
            give((struct wire_record){.type = WIRE_KEY, .v.key = 68});
        }
        give_frame(i, 0);
    }
    finish();
    for (int i = 0; i < FRAMES; i++)
        assert_int_equal(!!(the_frame_of(67, i)->flags & FRAME_KEY),
                         i == 0 || i == 41 || i == 60);
    for (int i = 0; i < FRAMES / 2; i++) /* every other picture */
        assert_int_equal(!!(the_frame_of(68, i)->flags & FRAME_KEY),
                         i == 0 || i * 2 == 42 || i * 2 == 60);
    assert_int_equal(the_frame_of(82, FRAMES - 1)->pts, (FRAMES - 1) * TICK);
    clean_up();
}

static void test_on_demand_begins_at_once(void **state)
{
    (void)state;
    begin(30);
    give_source_track();
    for (int i = 0; i < FRAMES; i++) {
        if (i == 0 || i == 60) give_mark(i, false);
        if (i == 33) {
            ask(82, 320, 180, 30);
            give((struct wire_record){.type = WIRE_KEY, .v.key = 82});
        }
        give_frame(i, 0);
    }
    finish();
    for (int i = 33; i < FRAMES; i++) {
        assert_int_equal(the_frame_of(82, i - 33)->pts, i * TICK);
        assert_int_equal(!!(the_frame_of(82, i - 33)->flags & FRAME_KEY),
                         i == 33 || i == 60);
    }
    clean_up();
}

/* Half the cadence: the frame at the mark is always there. */
static void test_lower_cadence_keeps_marked_frames(void **state)
{
    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 15);
    for (int i = 0; i < FRAMES; i++) {
        if (i % 45 == 0) give_mark(i, false); /* 45 is odd: parity turns */
        give_frame(i, 0);
    }
    finish();
    int n = 0;
    for (int i = 0; i < FRAMES; i++) {
        if (i % 45 % 2) continue;
        const struct frame *f = frame_of(67, n++);
        assert_non_null(f);
        assert_int_equal(f->pts, i * TICK);
        assert_int_equal(!!(f->flags & FRAME_KEY), i % 45 == 0);
    }
    assert_null(frame_of(67, n));
    clean_up();
}

static void test_a_rung_begins_and_ends_when_told(void **state)
{
    struct wire_record plan = {.type = WIRE_PLAN};

    (void)state;
    begin(30);
    give_source_track();
    ask(67, 160, 90, 30);
    give_mark(0, false);
    for (int i = 0; i < 20; i++)
        give_frame(i, 0);
    ask(66, 240, 136, 30); /* waits for its first mark */
    for (int i = 20; i < 40; i++) {
        if (i == 30) give_mark(i, false);
        give_frame(i, 0);
    }
    plan.v.plan.rendition_count = 1;
    plan.v.plan.rendition_ids[0] = 66;
    give(plan);
    for (int i = 40; i < 60; i++)
        give_frame(i, 0);
    finish();
    assert_int_equal(the_frame_of(66, 0)->pts, 30 * TICK);
    assert_true(the_frame_of(66, 0)->flags & FRAME_KEY);
    assert_int_equal(the_frame_of(66, 29)->pts, 59 * TICK);
    assert_int_equal(the_frame_of(67, 39)->pts, 39 * TICK);
    assert_null(frame_of(67, 40));
    clean_up();
}

static void test_absurd_requests_are_answered(void **state)
{
    (void)state;
    begin(30);
    ask(67, 0, 90, 30);
    ask(68, 161, 91, 30);
    ask(69, 100000, 100000, 30);
    give_source_track();
    give_frame(0, 0);
    finish();
    int failed = 0;
    for (int i = 0; i < rig.count; i++)
        if (rig.got[i].type == WIRE_STAT) failed++;
    assert_int_equal(failed, 3);
    clean_up();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_each_second_is_looked_at),
    cmocka_unit_test(test_rungs_align_with_the_source),
    cmocka_unit_test(test_a_wished_keyframe_is_the_next_picture),
    cmocka_unit_test(test_on_demand_begins_at_once),
    cmocka_unit_test(test_lower_cadence_keeps_marked_frames),
    cmocka_unit_test(test_a_rung_begins_and_ends_when_told),
    cmocka_unit_test(test_absurd_requests_are_answered),
};
HARNESS_MAIN(tests)
