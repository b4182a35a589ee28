/* A source that loses pictures, sound or both, for any time at any place, and
 * passes through as it is: every playlist after every event is held against
 * the rules of packager/lint.h. */
#include <inttypes.h>
#include <stdio.h>

#include "core/loop/loop.h"
#include "packager/lint.h"
#include "packager/m3u8.h"
#include "packager/packager.h"
#include "packager/playlist.h"
#include "tests/harness.h"
#include "transcode/transcode.h"

enum { PICTURE = TRACK_SOURCE_FIRST, SOUND, OTHER, RATE = 48000, FPS = 25 };

/* 640x360, 4.2.0, Constrained Baseline 3.0. */
static const uint8_t avcc[] = {
    0x01, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x42, 0xc0,
    0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x66, 0x10, 0x00, 0x00, 0x03,
    0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x62, 0xe4, 0x80,
    0x01, 0x00, 0x05, 0x68, 0xcb, 0x83, 0xcb, 0x20};
static const uint8_t asc[] = {0x11, 0x90};

/* Nothing of a kind from at_us on for so long. */
struct hole {
    int64_t at_us, picture_us, sound_us;
    int64_t ahead_us; /* sound comes before its pictures by that; or jumps */
    bool alone;       /* there are no pictures at all */
    bool jump;        /* not lost: the clock of it went on by that */
    bool other;       /* there is another language, which loses nothing, */
    int64_t other_us; /* as much later */
};

static struct rig {
    struct loop *loop;
    struct bus *bus;
    struct transcode *transcode;
    struct packager *packager;
    struct store *store;
    struct lint lint;
    struct m3u8 *seen[STORE_RENDITIONS_MAX];
    struct hole hole;
    int64_t now_us;
    int broken;
} rig;

static void found(const char *rule, const char *section, bool must,
                  const char *detail, void *arg)
{
    const struct hole *h = &rig.hole;

    (void)arg;
    if (!must) return;
    print_message("%s (%s): %s; at %" PRId64 ", pictures %" PRId64
                  ", sound %" PRId64 ", ahead %" PRId64 "\n",
                  rule, section, detail, h->at_us, h->picture_us, h->sound_us,
                  h->ahead_us);
    rig.broken++;
}

static void check_list(int index)
{
    struct m3u8 *p = NULL;
    struct builder b;

    builder_init(&b, PLAYLIST_BYTES_MAX);
    playlist_media(&b, rig.store, &rig.store->renditions[index], false);
    assert_int_equal(
        b.err ? b.err : m3u8_parse(&p, (const char *)builder_data(&b), b.len),
        0);
    builder_release(&b);
    lint_media(&rig.lint, p);
    if (rig.seen[index]) lint_successor(&rig.lint, rig.seen[index], p);
    m3u8_free(&rig.seen[index]);
    rig.seen[index] = p;
}

static void on_event(struct store_event *e, void *arg)
{
    struct store_change change;

    (void)arg;
    assert_int_equal(store_apply(rig.store, e, &change), 0);
    if (change.rendition >= 0) check_list(change.rendition);
}

static void tell_track(uint8_t id)
{
    bool video = id == PICTURE;
    struct track_info info = {
        .id = id,
        .kind = video ? TRACK_VIDEO : TRACK_AUDIO,
        .codec = video ? CODEC_H264 : CODEC_AAC,
        .timescale = video ? VIDEO_TIMESCALE : RATE,
        .language = "und",
        .width = 640,
        .height = 360,
        .sample_rate = RATE,
        .channels = 2,
    };
    struct track *t = NULL;

    assert_int_equal(track_create(&t, &info,
                                  video
                                      ? (struct slice){NULL, avcc, sizeof avcc}
                                      : (struct slice){NULL, asc, sizeof asc}),
                     0);
    bus_track(rig.bus, t);
    track_unref(&t);
}

static void give(uint8_t id, int64_t pts, int64_t lasts, bool key)
{
    static const uint8_t idr[] = {0, 0, 0, 3, 0x65, 1, 2},
                         p[] = {0, 0, 0, 2, 0x41, 1};
    struct frame f = {
        .track_id = id,
        .flags = key ? FRAME_KEY : 0,
        .dts = pts,
        .pts = pts,
        .duration = lasts,
        .captured_at = 1 + rig.now_us,
        .payload = key ? (struct slice){NULL, idr, sizeof idr}
                       : (struct slice){NULL, p, sizeof p},
    };
    struct frame *made = NULL;

    assert_int_equal(frame_create(&made, &f), 0);
    bus_append(rig.bus, made);
    frame_unref(&made);
}

static void begin(const struct hole *h)
{
    struct bus_conf bus = {.channel = "demo",
                           .generation = 1,
                           .origin_at = 1,
                           .origin_wall_us = 1700000000000000};
    struct packager_conf packager = {.on_event = on_event};
    struct transcode_conf transcode = {.type = CHANNEL_BASIC, .first_msn = 1};

    memset(&rig, 0, sizeof rig);
    rig.hole = *h;
    rig.lint = (struct lint){.found = found};
    assert_int_equal(loop_create(&rig.loop, 0), 0);
    bus.loop = rig.loop;
    assert_int_equal(bus_create(&rig.bus, &bus), 0);
    assert_int_equal(store_create(&rig.store, "demo", 1, NULL, NULL), 0);
    assert_int_equal(transcode_create(&rig.transcode, rig.bus, &transcode), 0);
    assert_int_equal(packager_create(&rig.packager, rig.bus, &packager), 0);
    if (!h->alone) tell_track(PICTURE);
    tell_track(SOUND);
    if (h->other) tell_track(OTHER);
}

static void end(void)
{
    packager_free(&rig.packager);
    transcode_free(&rig.transcode);
    bus_unref(&rig.bus);
    store_free(&rig.store);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++)
        m3u8_free(&rig.seen[i]);
    loop_run_once(rig.loop);
    loop_free(&rig.loop);
}

static bool is_lost(int64_t us, int64_t for_us)
{
    return !rig.hole.jump && us >= rig.hole.at_us &&
           us < rig.hole.at_us + for_us;
}

static int64_t shift(int64_t us, int64_t by_us)
{
    return rig.hole.jump && us >= rig.hole.at_us ? us + by_us : us;
}

static void play(int64_t for_us)
{
    const struct hole *h = &rig.hole;
    int64_t picture = 0, sound = 0;

    while (rig.now_us < for_us) {
        int64_t shown = picture * 1000000 / FPS;
        int64_t heard = sound * 1024 * 1000000 / RATE;
        bool sounds = h->alone || heard - h->ahead_us <= shown;

        rig.now_us = sounds ? heard : shown;
        if (sounds && !is_lost(heard, h->sound_us))
            give(SOUND, shift(heard, h->sound_us) * RATE / 1000000, 1024, true);
        if (sounds && h->other)
            give(OTHER, (heard + h->other_us) * RATE / 1000000, 1024, true);
        if (!sounds && !is_lost(shown, h->picture_us))
            give(PICTURE, shift(shown, h->picture_us) * 9 / 100, 90000 / FPS,
                 picture % (2 * FPS) == 0);
        if (sounds)
            sound++;
        else
            picture++;
        loop_run_once(rig.loop);
    }
}

static void pass(const struct hole *h)
{
    begin(h);
    play(h->at_us + 9000000);
    assert_true(rig.store->listed);
    assert_int_equal(rig.store->plan.target_duration_s, 2);
    assert_in_range(rig.store->plan.part_us, 150000, 250000);
    for (int i = 0; i < 2; i++)
        if (rig.seen[i] && h->other)
            assert_true(
                rig.seen[i]->segments[rig.seen[i]->segment_count - 1].msn >=
                (uint64_t)(h->at_us + 5000000) / 2000000);
    assert_int_equal(rig.broken, 0);
    end();
}

static void lose(bool picture, bool sound, int64_t ahead_us)
{
    for (int64_t at = 10000000; at < 12000000; at += 330000)
        for (int64_t n = 100000; n < 3500000; n += 410000)
            pass(&(struct hole){.at_us = at,
                                .picture_us = picture ? n : 0,
                                .sound_us = sound ? n : 0,
                                .ahead_us = ahead_us});
}

static void test_both_are_lost(void **state)
{
    (void)state;
    lose(true, true, 0);
    lose(true, true, 200000);
    lose(true, true, -200000);
}

static void test_pictures_are_lost(void **state)
{
    (void)state;
    lose(true, false, 0);
    lose(true, false, 200000);
    lose(true, false, -200000);
}

static void test_sound_is_lost(void **state)
{
    (void)state;
    lose(false, true, 0);
    lose(false, true, 200000);
    lose(false, true, -200000);
}

static void test_sound_alone_jumps(void **state)
{
    (void)state;
    for (int64_t at = 0; at < 6000000; at += 700000)
        for (int64_t n = 100000; n < 5500000; n += 1300000) {
            pass(&(struct hole){
                .at_us = at, .sound_us = n, .alone = true, .jump = true});
        }
    for (int64_t at = 0; at < 4000000; at += 390000)
        pass(&(struct hole){
            .at_us = at, .sound_us = 40000000, .alone = true, .jump = true});
}

/* The first language goes, for a while or for good: another has the marks. */
static void test_another_sound_alone_goes_on(void **state)
{
    (void)state;
    for (int64_t by = -200000; by <= 200000; by += 200000)
        for (int64_t at = 6000000; at < 8000000; at += 330000)
            for (int64_t n = 300000; n < 30000000; n = n * 3 / 2)
                pass(&(struct hole){.at_us = at,
                                    .sound_us = n,
                                    .alone = true,
                                    .other = true,
                                    .other_us = by});
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_both_are_lost),
    cmocka_unit_test(test_pictures_are_lost),
    cmocka_unit_test(test_sound_is_lost),
    cmocka_unit_test(test_sound_alone_jumps),
    cmocka_unit_test(test_another_sound_alone_goes_on),
};
HARNESS_MAIN(tests)
