#include "transcode/recent.h"

#include "tests/harness.h"

static struct recent r;

static bool give(bool video, int64_t pts, bool key, size_t len)
{
    static const uint8_t bytes[1];
    struct frame f = {.pts = pts,
                      .flags = key ? FRAME_KEY : 0,
                      .payload = {NULL, bytes, len}};
    struct frame *made = NULL;

    if (frame_create(&made, &f)) return false;
    if (video)
        recent_video(&r, made);
    else
        recent_sound(&r, made);
    frame_unref(&made);
    return true;
}

static int tear_down(void **state)
{
    (void)state;
    recent_forget_video(&r);
    recent_forget_sound(&r);
    assert_int_equal(r.video_count + r.sound_count, 0);
    return 0;
}

static void test_video_begins_with_its_keyframe(void **state)
{
    (void)state;
    give(true, 0, false, 1);
    assert_int_equal(r.video_count, 0);
    for (int i = 1; i < 10; i++)
        assert_true(give(true, i, i == 1 || i == 6, 1));
    assert_int_equal(r.video_count, 4);
    assert_int_equal(r.video[0]->pts, 6);
}

static void test_too_much_video_is_none(void **state)
{
    (void)state;
    assert_true(give(true, 0, true, RECENT_BYTES - 1));
    assert_true(give(true, 1, false, 1));
    assert_int_equal(r.video_count, 2);
    assert_true(give(true, 2, false, 1));
    assert_int_equal(r.video_count, 0);
    assert_true(give(true, 3, false, 1));
    assert_false(r.whole);
    for (int i = 0; i <= RECENT_FRAMES; i++)
        assert_true(give(true, i, i == 0, 1));
    assert_int_equal(r.video_count, 0);
}

static void test_the_newest_sound_stays(void **state)
{
    (void)state;
    for (int i = 0; i < RECENT_SOUND + 10; i++)
        assert_true(give(false, i, true, 1));
    assert_int_equal(r.sound_count, RECENT_SOUND);
    assert_int_equal(recent_sound_at(&r, 0)->pts, 10);
    assert_int_equal(recent_sound_at(&r, RECENT_SOUND - 1)->pts,
                     RECENT_SOUND + 9);
}

#define CASE(f) cmocka_unit_test_teardown(f, tear_down)
static const struct CMUnitTest tests[] = {
    CASE(test_video_begins_with_its_keyframe),
    CASE(test_too_much_video_is_none),
    CASE(test_the_newest_sound_stays),
};
HARNESS_MAIN(tests)
