/* What the child makes, and what becomes of it when the child is lost, missing
 * or too slow. */
#include <signal.h>

#include "tests/transcode_rig.h"

/* A tick of the ladder's, at most. */
static void give_time(void)
{
    struct timer nudge;

    timer_init(&nudge, rig.loop, on_nudge, NULL);
    timer_set(&nudge, loop_now(rig.loop) + 100000);
    while (timer_is_set(&nudge))
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
}

static void on_asked(uint8_t id, void *arg)
{
    if (id == TRACK_SOURCE_FIRST) ++*(int *)arg;
}

/* A made rung gives an IDR at once, outside the marks; a rung that passes
 * through is the publisher's to give. */
static void test_wishes_go_where_keyframes_are_made(void **state)
{
    int asked = 0, unmarked = 0;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    assert_int_equal(bus_listen(rig.bus, on_asked, &asked), 0);
    play(0, 61, false, 0);
    play(61, 100, true, 0);
    bus_ask_key(rig.bus, LADDER_160P);
    bus_ask_key(rig.bus, LADDER_TOP);
    bus_ask_key(rig.bus, LADDER_AUDIO);
    assert_int_equal(asked, 1);
    play(100, 240, true, 0);
    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME || f->track_id != LADDER_160P ||
            !(f->flags & FRAME_KEY) || is_marked(f->pts))
            continue;
        assert_int_equal(f->pts, 100 * TICK);
        unmarked++;
    }
    assert_int_equal(unmarked, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mark_number(i)->pts, i * 2 * 90000);
    bus_unlisten(rig.bus, on_asked, &asked);
    finish();
}

static void test_a_killed_child_comes_back_at_a_mark(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    play(0, 61, false, 0);
    play(61, 100, true, 0);
    int was = transcode_child_pid(rig.t);
    assert_int_not_equal(was, 0);
    kill(was, SIGKILL);
    int before = frames_of(LADDER_TOP);
    play(100, 110, false, 0); /* the source does not wait for anyone */
    assert_int_equal(frames_of(LADDER_TOP), before + 10);
    assert_true(wait_for(child_is_up, 0));
    assert_true(wait_for(child_is_up, 1));
    assert_int_not_equal(transcode_child_pid(rig.t), was);
    play(110, 121, false, 0);
    play(121, 240, true, 0);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    check_rung(LADDER_160P, &gaps); /* resumes with a marked keyframe */
    assert_int_equal(gaps, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mark_number(i)->pts, i * 2 * 90000);
    finish();
}

/* A program that is not there: the source still passes. */
static void test_no_program_no_rungs(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, "/nonexistent/lectern-transcode");
    play(0, 240, false, 0);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(frames_of(LADDER_160P), 0);
    finish();
}

static bool has_plans(int64_t n)
{
    return count_of(BUS_PLAN) >= n;
}

/* A child that stops reading: its rung is given up, ingest never notices. */
static void test_what_cannot_keep_up_is_shed(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    play(0, 61, false, 0);
    play(61, 80, true, 0);
    kill(transcode_child_pid(rig.t), SIGSTOP);
    play(80, 230, false, 0); /* 5 s ahead */
    assert_true(wait_for(has_plans, 2));
    assert_int_equal(plan_number(1)->rendition_count, 2);
    assert_int_equal(plan_number(1)->rendition_ids[1], LADDER_AUDIO);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 230);
    assert_int_equal(gaps, 0);
    /* Time to spare: it is asked back, and begins at a mark. */
    rig.offset = 8 * 90000;
    for (int i = 0; i < 240 && !has_plans(3); i += 4) {
        play(i, i + 4, false, 0);
        give_time();
    }
    assert_int_equal(plan_number(2)->rendition_count, 3);
    assert_true(wait_for(child_is_up, 1));
    rig.offset = 16 * 90000;
    play(0, 61, false, 0);
    assert_true(wait_for(rung_reached, 16 * 90000));
    finish();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_wishes_go_where_keyframes_are_made),
    cmocka_unit_test(test_a_killed_child_comes_back_at_a_mark),
    cmocka_unit_test(test_no_program_no_rungs),
    cmocka_unit_test(test_what_cannot_keep_up_is_shed),
};
HARNESS_MAIN(tests)
