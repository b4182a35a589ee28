#include "tests/harness.h"

#include "tests/ts_bytes.h"

enum { FRAME = 3000, HOUR = 90000 * 3600 };

static struct ts_writer w;

static int begin(struct ts_recorder *r)
{
    writer_init(&w);
    return recorder_init(r);
}

static void end(struct ts_recorder *r)
{
    demux_free(&r->demux);
    builder_release(&w.out);
}

static void put_video(int64_t at, bool key, bool length)
{
    at &= 0x1ffffffff;
    put_pes(&w, PID_VIDEO, key ? PUT_RANDOM_ACCESS : 0, at, at, length,
            key ? test_key : test_delta,
            key ? sizeof test_key : sizeof test_delta);
}

static void put_audio(int64_t at)
{
    at &= 0x1ffffffff;
    put_pes(&w, PID_AUDIO, 0, at, at, true, test_adts, sizeof test_adts);
}

static void test_a_publisher(void **state)
{
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    assert_string_equal(demux_missing(r.demux),
                        "no MPEG-TS packets in what came");
    put_video(0, true, true); /* before the tables: nobody's */
    put_video(0, true, true);
    put_video(0, true, true);
    if (feed_writer(&r, &w)) goto out;
    assert_string_equal(demux_missing(r.demux),
                        "no program association table (PAT)");
    put_pat(&w);
    if (feed_writer(&r, &w)) goto out;
    assert_string_equal(demux_missing(r.demux),
                        "no program map table (PMT) of program 1 on PID 4096");
    put_tables(&w);
    put_video(FRAME, false, true); /* no keyframe yet */
    if (feed_writer(&r, &w)) goto out;
    assert_string_equal(demux_missing(r.demux),
                        "no keyframe with its parameter sets");
    assert_int_equal(r.tracks[0], 0);
    put_video(2 * FRAME, true, true);
    put_audio(2 * FRAME);
    put_video(3 * FRAME, false, true);
    if (feed_writer(&r, &w)) goto out;
    assert_null(demux_missing(r.demux));
    assert_int_equal(r.tracks[0], 1);
    assert_int_equal(r.tracks[1], 1);
    assert_string_equal(r.info[1].language, "de");
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(r.frames[1], 1);
    assert_int_equal(r.keys, 1);
    assert_int_equal(r.first_us[0], 2 * 33333 + 0);
    assert_int_equal(r.last_us[0], 100000);
    assert_int_equal(r.last_len, 4 + 4); /* the delimiter is gone */
    assert_int_equal(demux_counts(r.demux)->maps, 1);
out:
    end(&r);
}

static void test_a_gap_costs_until_the_next_keyframe(void **state)
{
    struct ts_recorder r;
    uint8_t big[1000];

    (void)state;
    memset(big, 0x55, sizeof big);
    memcpy(big, test_delta, sizeof test_delta);
    if (begin(&r)) return;
    put_tables(&w);
    put_video(0, true, true);
    put_pes(&w, PID_VIDEO, 0, FRAME, FRAME, false, big, sizeof big);
    if (feed_writer(&r, &w)) goto out;
    w.counters[PID_VIDEO]++; /* its last packet is lost, we do not know which */
    put_video(2 * FRAME, false, true);
    put_video(3 * FRAME, true, true);
    put_audio(0);
    w.counters[PID_AUDIO]++; /* audio goes on at once */
    put_audio(3 * FRAME);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(r.keys, 2);
    assert_int_equal(r.frames[1], 2);
    const struct demux_counts *c = demux_counts(r.demux);
    assert_int_equal(c->gaps, 2);
    assert_int_equal(c->lost_units, 1);
    assert_int_equal(c->dropped_frames, 1);
    /* the transport lost something, whatever the counters say */
    demux_break(r.demux);
    put_video(4 * FRAME, false, true);
    put_video(5 * FRAME, true, true);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 3);
out:
    end(&r);
}

static void test_packets_sent_twice(void **state)
{
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    put_tables(&w);
    put_video(0, true, true);
    if (feed_writer(&r, &w)) goto out;
    for (int i = 1; i < 5; i++) {
        put_video(i * FRAME, false, true);
        w.counters[PID_VIDEO]--;
        put_video(i * FRAME, false, true);
    }
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 5);
    assert_int_equal(demux_counts(r.demux)->duplicates, 4);
    assert_int_equal(demux_counts(r.demux)->gaps, 0);
out:
    end(&r);
}

/* 27 hours: the clock wraps, in video first and in audio a moment later. */
static void test_the_clock_wraps(void **state)
{
    struct ts_recorder r;
    int64_t start = ((int64_t)1 << 33) - 10 * FRAME;

    (void)state;
    if (begin(&r)) return;
    put_tables(&w);
    for (int i = 0; i < 20; i++) {
        put_video(start + i * FRAME, i == 0, true);
        put_audio(start + i * FRAME - 2 * FRAME);
    }
    /* and on in long steps, over the next wrap */
    for (int64_t t = HOUR; t < 54 * (int64_t)HOUR; t += HOUR) {
        put_video(start + t, false, true);
        put_audio(start + t);
    }
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 20 + 53);
    assert_int_equal(r.frames[1], 20 + 53);
    assert_false(r.backwards);
    assert_int_equal(r.last_us[0] - r.first_us[0], 53 * 3600000000);
    assert_int_equal(r.last_us[1], r.last_us[0]);
out:
    end(&r);
}

/* The first audio is before the wrap, the first video behind it. */
static void test_tracks_share_one_epoch(void **state)
{
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    put_tables(&w);
    put_video(FRAME, true, true);
    put_audio(-FRAME);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.first_us[0] - r.first_us[1], 66666);
out:
    end(&r);
}

static void test_a_new_map(void **state)
{
    struct ts_recorder r;
    struct builder b;

    (void)state;
    if (begin(&r)) return;
    put_tables(&w);
    put_video(0, true, true);
    put_audio(0);
    begin_pmt(&b); /* another audio stream before the one that stays */
    put_stream(&b, TYPE_ADTS, PID_MORE,
               "\x0a\x04"
               "eng",
               6);
    put_stream(&b, TYPE_ADTS, PID_AUDIO,
               "\x0a\x04"
               "ger",
               6);
    put_stream(&b, TYPE_H264, PID_VIDEO, "", 0);
    put_stream(&b, TYPE_HEVC, 0x200, "", 0); /* a second picture */
    end_pmt(&w, &b, 1);
    put_video(FRAME, false, true); /* goes on without a keyframe */
    put_audio(FRAME);
    put_pes(&w, PID_MORE, 0, FRAME, FRAME, true, test_adts, sizeof test_adts);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(r.frames[1], 2);
    assert_int_equal(r.frames[2], 1);
    assert_int_equal(r.tracks[0] + r.tracks[1] + r.tracks[2], 3);
    assert_string_equal(r.info[2].language, "en");
    assert_int_equal(r.unsupported, 1);
    assert_int_equal(r.refused[0], CONTENT_HEVC);
    /* the video moves to another PID and size: the slot stays */
    begin_pmt(&b);
    put_stream(&b, TYPE_H264, 0x300, "", 0);
    end_pmt(&w, &b, 2);
    put_pes(&w, 0x300, 0, 9 * FRAME, 9 * FRAME, true, test_key,
            sizeof test_key);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 3);
    assert_int_equal(demux_counts(r.demux)->maps, 3);
out:
    end(&r);
}

static void put_map(int version, const uint8_t *types, const int *pids, int n)
{
    struct builder b;

    begin_pmt(&b);
    for (int i = 0; i < n; i++)
        put_stream(&b, types[i], (uint16_t)pids[i], "", 0);
    end_pmt(&w, &b, (uint8_t)version);
}

#define MAP(version, n, types, pids)                                           \
    put_map(version, (const uint8_t[]){types}, (const int[]){pids}, n)
#define LIST(...) __VA_ARGS__

/* Sound leaves the map, and comes back; then it has another codec. */
static void test_sound_that_vanishes_and_returns(void **state)
{
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    put_pat(&w);
    MAP(0, 2, LIST(TYPE_H264, TYPE_ADTS), LIST(PID_VIDEO, PID_AUDIO));
    put_video(0, true, true);
    put_audio(0);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.tracks[1], 1);
    MAP(1, 1, LIST(TYPE_H264), LIST(PID_VIDEO));
    put_video(FRAME, false, true); /* goes on without a keyframe */
    put_audio(FRAME);              /* nobody's */
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.gone[1], 1);
    assert_int_equal(r.gone[0], 0);
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(r.frames[1], 1);
    MAP(2, 2, LIST(TYPE_H264, TYPE_ADTS), LIST(PID_VIDEO, PID_MORE));
    put_pes(&w, PID_MORE, 0, 2 * FRAME, 2 * FRAME, true, test_adts,
            sizeof test_adts);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.tracks[1], 2);
    assert_int_equal(r.frames[1], 2);
    /* the codec changes: the slot has another track, none is gone */
    MAP(3, 2, LIST(TYPE_H264, 0x11), LIST(PID_VIDEO, PID_MORE));
    put_video(3 * FRAME, false, true);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.gone[1], 1);
    assert_int_equal(r.frames[0], 3);
    assert_int_equal(demux_counts(r.demux)->gaps, 0);
out:
    end(&r);
}

/* The picture's PID goes, and the second one, left out so far, stays. */
static void test_the_spare_picture_steps_in(void **state)
{
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    put_pat(&w);
    MAP(0, 2, LIST(TYPE_H264, TYPE_H264), LIST(PID_VIDEO, PID_MORE));
    put_video(0, true, true);
    put_pes(&w, PID_MORE, 0, 0, 0, true, test_key, sizeof test_key);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 1);
    assert_int_equal(r.unsupported, 1);
    MAP(1, 1, LIST(TYPE_H264), LIST(PID_MORE));
    put_pes(&w, PID_MORE, 0, FRAME, FRAME, true, test_delta, sizeof test_delta);
    put_pes(&w, PID_MORE, 0, 2 * FRAME, 2 * FRAME, true, test_key,
            sizeof test_key);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(r.tracks[0], 2);
    assert_int_equal(r.gone[0], 0);
out:
    end(&r);
}

static void put_programs(const int (*list)[2], int n)
{
    struct builder b;

    builder_init(&b, 4096);
    for (int i = 0; i < n; i++)
        put_program(&b, (unsigned)list[i][0], (unsigned)list[i][1]);
    put_table(&w, 0, 0, 1, 0, &b);
}

static void put_map_of(int program, uint16_t pid, uint8_t type, uint16_t at)
{
    struct builder b;

    begin_pmt(&b);
    put_stream(&b, type, at, "", 0);
    put_table(&w, pid, 2, (uint16_t)program, 0, &b);
}

/* The first program is data alone, the second's map never comes. */
static void test_the_first_program_that_serves(void **state)
{
    static const int three[][2] = {{1, 0x300}, {2, 0x301}, {3, PID_PMT}};
    static const int turned[][2] = {{3, PID_PMT}, {4, 0x302}, {1, 0x300}};
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    for (int i = 0; i < 20; i++) {
        put_programs(three, 3);
        put_map_of(1, 0x300, 0x86, 0x200);
        put_map_of(3, PID_PMT, TYPE_H264, PID_VIDEO);
    }
    put_video(0, true, true);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 1);
    /* it stays, wherever the table lists it */
    put_programs(turned, 3);
    put_map_of(4, 0x302, TYPE_H264, PID_MORE);
    put_video(FRAME, false, true);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 2);
out:
    end(&r);
}

/* The program has another number and its map another PID; the streams stay,
 * also while no table comes at all. */
static void test_a_program_that_changes_its_number(void **state)
{
    static const int nine[][2] = {{9, 0x309}};
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    put_pat(&w);
    MAP(0, 1, LIST(TYPE_H264), LIST(PID_VIDEO));
    put_video(0, true, true);
    put_programs(nine, 1);
    for (int i = 1; i < 300; i++) /* 10 s without a map */
        put_video(i * FRAME, false, true);
    put_map_of(9, 0x309, TYPE_H264, PID_VIDEO);
    put_video(300 * FRAME, false, true);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 301);
    assert_int_equal(r.tracks[0], 1);
    assert_int_equal(r.gone[0], 0);
out:
    end(&r);
}

static void test_what_is_scrambled_is_named(void **state)
{
    struct ts_recorder r;
    size_t from;

    (void)state;
    if (begin(&r)) return;
    put_tables(&w);
    from = w.out.len;
    put_video(0, true, true);
    if (!w.out.err) {
        uint8_t *p = (uint8_t *)(uintptr_t)builder_data(&w.out);
        for (size_t at = from; at < w.out.len; at += TS_PACKET_BYTES)
            p[at + 3] |= 0x80;
    }
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 0);
    assert_int_equal(demux_counts(r.demux)->scrambled, 1);
    assert_string_equal(demux_missing(r.demux),
                        "what comes is scrambled: send it in the clear");
    put_video(FRAME, true, true); /* and in the clear again */
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 1);
out:
    end(&r);
}

/* The clock steps as announced, in each stream when it likes; its reference
 * jitters, which is nobody's matter. */
static void test_a_clock_that_steps_as_announced(void **state)
{
    struct ts_recorder r;
    int64_t far = (int64_t)HOUR;

    (void)state;
    if (begin(&r)) return;
    put_tables(&w);
    for (int i = 0; i < 3; i++) {
        put_video(i * FRAME, i == 0, true);
        put_audio(i * FRAME);
    }
    w.counters[PID_VIDEO] += 5;
    put_pes(&w, PID_VIDEO, PUT_DISCONTINUITY, far, far, true, test_key,
            sizeof test_key);
    put_audio(3 * FRAME); /* still of the old time */
    put_video(far + FRAME, false, true);
    put_audio(far + FRAME);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 5);
    assert_int_equal(r.frames[1], 5);
    assert_int_equal(demux_counts(r.demux)->gaps, 0);
    assert_int_equal(demux_counts(r.demux)->lost_units, 0);
    assert_int_equal(r.last_us[0], 3600000000 + 33333);
    assert_int_equal(r.last_us[1], 3600000000 + 33333);
out:
    end(&r);
}

static void test_nothing_we_take(void **state)
{
    struct ts_recorder r;
    struct builder b;

    (void)state;
    if (begin(&r)) return;
    put_pat(&w);
    begin_pmt(&b);
    put_stream(&b, TYPE_VVC, PID_VIDEO, "", 0);
    put_stream(&b, 0x81, PID_AUDIO, "", 0);
    end_pmt(&w, &b, 0);
    put_video(0, true, true);
    if (!feed_writer(&r, &w)) {
        assert_string_equal(
            demux_missing(r.demux),
            "nothing we can play (VVC, AC-3): send H.264 or HEVC, and AAC");
        assert_int_equal(r.unsupported, 2);
    }
    end(&r);
}

/* Units without length or filler that can be trusted come out with the next;
 * later, as soon as they are there. */
static void test_a_frame_does_not_wait_for_the_next(void **state)
{
    struct ts_recorder r;

    (void)state;
    if (begin(&r)) return;
    put_tables(&w);
    for (int i = 0; i < 10; i++)
        put_video(i * FRAME, i == 0, false);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 10);
    put_video(10 * FRAME, false, false);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 11);
out:
    end(&r);
}

static void test_several_pictures_in_a_unit(void **state)
{
    struct ts_recorder r;
    uint8_t two[sizeof test_key + sizeof test_delta];

    (void)state;
    memcpy(two, test_key, sizeof test_key);
    memcpy(two + sizeof test_key, test_delta, sizeof test_delta);
    if (begin(&r)) return;
    put_tables(&w);
    for (int i = 0; i < 4; i++)
        put_pes(&w, PID_VIDEO, 0, i * 2 * FRAME, i * 2 * FRAME, true, two,
                sizeof two);
    if (!feed_writer(&r, &w)) {
        assert_int_equal(r.frames[0], 8);
        assert_int_equal(r.keys, 4);
        assert_false(r.backwards);
        assert_int_equal(r.last_us[0], 7 * 100000 / 3);
    }
    end(&r);
}

/* As OBS begins: an SEI unit, and only then the delimiter. */
static void test_a_delimiter_before_the_slices_is_no_second_picture(
    void **state)
{
    static const uint8_t sei[] = {0, 0, 0, 1, 6, 5, 2, 0xaa, 0xbb, 0x80};
    uint8_t first[sizeof sei + sizeof test_key];
    struct ts_recorder r;

    (void)state;
    memcpy(first, sei, sizeof sei);
    memcpy(first + sizeof sei, test_key, sizeof test_key);
    if (begin(&r)) return;
    put_tables(&w);
    put_pes(&w, PID_VIDEO, PUT_RANDOM_ACCESS, 0, 0, true, first, sizeof first);
    put_video(FRAME / 2, false, true);
    if (feed_writer(&r, &w)) goto out;
    assert_int_equal(r.frames[0], 2);
    assert_int_equal(r.keys, 1);
    assert_int_equal(r.first_us[0], 0);
    assert_int_equal(r.last_us[0], 16666);
out:
    end(&r);
}

static void test_metadata_is_handed_out(void **state)
{
    struct ts_recorder r;
    struct builder b;

    (void)state;
    if (begin(&r)) return;
    put_pat(&w);
    begin_pmt(&b);
    put_stream(&b, 0x86, 0x200, "", 0);
    put_stream(&b, 0x15, 0x201, "", 0);
    end_pmt(&w, &b, 0);
    builder_init(&b, 100);
    builder_text(&b, "splice");
    put_table(&w, 0x200, 0xfc, 0, 0, &b);
    put_pes(&w, 0x201, 0, FRAME, FRAME, true, test_adts, 4);
    if (!feed_writer(&r, &w)) {
        assert_int_equal(r.metas, 2);
        assert_int_equal(r.unsupported, 0);
        assert_int_equal(demux_counts(r.demux)->metas, 2);
    }
    end(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_publisher),
    cmocka_unit_test(test_a_gap_costs_until_the_next_keyframe),
    cmocka_unit_test(test_packets_sent_twice),
    cmocka_unit_test(test_the_clock_wraps),
    cmocka_unit_test(test_tracks_share_one_epoch),
    cmocka_unit_test(test_a_new_map),
    cmocka_unit_test(test_sound_that_vanishes_and_returns),
    cmocka_unit_test(test_the_spare_picture_steps_in),
    cmocka_unit_test(test_the_first_program_that_serves),
    cmocka_unit_test(test_a_program_that_changes_its_number),
    cmocka_unit_test(test_what_is_scrambled_is_named),
    cmocka_unit_test(test_a_clock_that_steps_as_announced),
    cmocka_unit_test(test_nothing_we_take),
    cmocka_unit_test(test_a_frame_does_not_wait_for_the_next),
    cmocka_unit_test(test_several_pictures_in_a_unit),
    cmocka_unit_test(test_a_delimiter_before_the_slices_is_no_second_picture),
    cmocka_unit_test(test_metadata_is_handed_out),
};
HARNESS_MAIN(tests)
