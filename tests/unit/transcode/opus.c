/* Opus beside AAC, whichever of them the publisher sends: real time's sound. */
#include <signal.h>

#include "tests/transcode_rig.h"

static bool opus_reached(int64_t samples)
{
    return rig.newest[LADDER_OPUS] >= samples;
}

static bool aac_reached(int64_t samples)
{
    return rig.newest[LADDER_AUDIO] >= samples;
}

/* Packets end to end, give or take a sample a second, but for `gaps`. Returns
 * how many there are. */
static int check_sound(uint8_t id, int64_t samples, int *gaps)
{
    int64_t next = 0;
    int n = 0;

    *gaps = 0;
    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME || f->track_id != id) continue;
        assert_int_equal(f->duration, samples);
        assert_true(f->captured_at > 0);
        if (n && llabs(f->pts - next) > 48) ++*gaps;
        next = f->pts + samples;
        n++;
    }
    return n;
}

/* BASIC: the child makes sound alone, and its loss takes nothing else. */
static void test_basic_has_opus_beside_its_aac(void **state)
{
    int gaps;

    (void)state;
    begin_conf((struct transcode_conf){
        .type = CHANNEL_BASIC, .worker_path = worker(), .opus = true});
    play(0, 1, false, 0);
    assert_true(wait_for(child_is_up, 1));
    play(1, 120, false, 0);
    /* From the first picture on, though the child was not up by then. */
    assert_true(wait_for(opus_reached, 48000 * 39 / 10));
    assert_true(check_sound(LADDER_OPUS, 960, &gaps) >= 195);
    assert_int_equal(gaps, 0);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 120);
    assert_int_equal(plan_number(0)->rendition_count, 2);
    int was = transcode_child_pid(rig.t);
    kill(was, SIGKILL);
    assert_true(wait_for(child_is_up, 0));
    play(120, 150, false, 0);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 150);
    assert_true(wait_for(child_is_up, 1));
    play(150, 240, false, 0);
    assert_true(wait_for(opus_reached, 48000 * 79 / 10));
    int n = check_sound(LADDER_OPUS, 960, &gaps);
    assert_true(n >= 390 && n <= 401);
    assert_true(gaps <= 1); /* what the child had taken is lost */
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    assert_in_range(frames_of(LADDER_AUDIO), 344, 346);
    finish();
}

static void test_standard_has_opus_too(void **state)
{
    int gaps;

    (void)state;
    begin_conf((struct transcode_conf){
        .type = CHANNEL_STANDARD, .worker_path = worker(), .opus = true});
    play(0, 61, false, 0);
    play(61, 240, true, 0);
    assert_true(wait_for(opus_reached, 48000 * 79 / 10));
    assert_true(check_sound(LADDER_OPUS, 960, &gaps) >= 395);
    assert_int_equal(gaps, 0);
    assert_int_equal(plan_number(0)->rendition_count, 3);
    finish();
}

/* Pictures that are too much for the machine cost nobody the sound. */
static void test_sound_goes_on_when_pictures_hang(void **state)
{
    int gaps;

    (void)state;
    begin_conf((struct transcode_conf){
        .type = CHANNEL_STANDARD, .worker_path = worker(), .opus = true});
    play(0, 61, false, 0);
    play(61, 80, true, 0);
    kill(transcode_child_pid(rig.t), SIGSTOP);
    play(80, 240, false, 0);
    assert_true(wait_for(opus_reached, 48000 * 79 / 10));
    check_sound(LADDER_OPUS, 960, &gaps);
    assert_int_equal(gaps, 0);
    assert_true(rig.newest[LADDER_160P] < 100 * TICK);
    finish();
}

/* 8 s of the capture's sound in Opus. */
static int make_packets(struct slice *packets)
{
    begin_conf((struct transcode_conf){
        .type = CHANNEL_BASIC, .worker_path = worker(), .opus = true});
    rig.keep = packets;
    play(0, 1, false, 0);
    assert_true(wait_for(child_is_up, 1));
    play(1, 240, false, 0);
    assert_true(wait_for(opus_reached, 48000 * 79 / 10));
    int count = rig.kept;
    finish();
    return count;
}

static void tell_opus(uint8_t id)
{
    struct track_info opus = {.id = id,
                              .kind = TRACK_AUDIO,
                              .codec = CODEC_OPUS,
                              .timescale = 48000,
                              .sample_rate = 48000,
                              .channels = 2};
    struct track *t = NULL;

    assert_int_equal(track_create(&t, &opus, (struct slice){0}), 0);
    bus_track(rig.bus, t);
    track_unref(&t);
}

/* The capture with these packets as source track id. */
static void play_with_packets(uint8_t id, const struct slice *packets,
                              int count)
{
    for (int i = 0, fed = 0; i < 240; i++) {
        play(i, i + 1, false, 0);
        for (; fed < count && fed * 960 * 30 < (i + 1) * 48000; fed++) {
            struct frame f = {.track_id = id,
                              .flags = FRAME_KEY,
                              .dts = fed * 960,
                              .pts = fed * 960,
                              .duration = 960,
                              .captured_at = 1000,
                              .payload = slice_ref(packets[fed])};
            struct frame *made = NULL;
            assert_int_equal(frame_create(&made, &f), 0);
            bus_append(rig.bus, made);
            frame_unref(&made);
        }
        if (!i) assert_true(wait_for(child_is_up, 1));
    }
}

/* What the last job made comes back as a browser's sound. */
static void test_opus_passes_and_becomes_aac(void **state)
{
    static struct slice packets[EVENTS_MAX];
    int count = make_packets(packets), gaps;

    (void)state;
    begin_conf((struct transcode_conf){
        .type = CHANNEL_BASIC, .worker_path = worker(), .opus = true});
    rig.silent = true;
    tell_opus(2);
    play_with_packets(2, packets, count);
    assert_true(wait_for(aac_reached, 48000 * 78 / 10));
    assert_int_equal(check_sound(LADDER_OPUS, 960, &gaps), count);
    assert_true(check_sound(LADDER_AUDIO, 1024, &gaps) >= 365);
    assert_int_equal(gaps, 0);
    finish();
    for (int i = 0; i < count; i++)
        slice_unref(&packets[i]);
}

static bool language_reached(int64_t samples)
{
    return rig.newest[LADDER_LANGUAGE] >= samples;
}

/* A second sound in Opus becomes AAC, by a child of its own; the first one
 * passes, and is what real time has. */
static void test_a_second_sound_in_opus_is_made(void **state)
{
    static struct slice packets[EVENTS_MAX];
    int count = make_packets(packets), gaps;

    (void)state;
    begin_conf((struct transcode_conf){
        .type = CHANNEL_BASIC, .worker_path = worker(), .opus = true});
    tell_opus(3);
    play_with_packets(3, packets, count);
    assert_true(wait_for(language_reached, 48000 * 78 / 10));
    assert_true(check_sound(LADDER_LANGUAGE, 1024, &gaps) >= 365);
    assert_int_equal(gaps, 0);
    assert_false(newest_track(LADDER_LANGUAGE)->passthrough);
    assert_int_equal(newest_track(LADDER_LANGUAGE)->codec, CODEC_AAC);
    assert_true(wait_for(opus_reached, 48000 * 79 / 10));
    assert_true(check_sound(LADDER_OPUS, 960, &gaps) >= 395);
    assert_in_range(frames_of(LADDER_AUDIO), 344, 346);
    finish();
    for (int i = 0; i < count; i++)
        slice_unref(&packets[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_basic_has_opus_beside_its_aac),
    cmocka_unit_test(test_standard_has_opus_too),
    cmocka_unit_test(test_sound_goes_on_when_pictures_hang),
    cmocka_unit_test(test_opus_passes_and_becomes_aac),
    cmocka_unit_test(test_a_second_sound_in_opus_is_made),
};
HARNESS_MAIN(tests)
