/* The real child on a real loop, fed from a capture: 8 s of 320x180 at 30
 * frames a second, a keyframe each 2 s, mono AAC-LC. The clock of media is the
 * frames' own; the test waits for what must come, with a watchdog only. */
#include "tests/harness.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/media/wire.h"
#include "tests/avc_configs.h"
#include "transcode/ladder.h"
#include "transcode/transcode.h"

enum {
    RECORDS_MAX = 1024,
    EVENTS_MAX = 4096,
    WATCHDOG_US = 8000000,
    AHEAD_FRAMES = 6, /* how far the feed may be before the child */
    TICK = 3000,
    SECOND = 3, /* a further picture's id */
};

struct seen {
    enum bus_event_type type;
    struct frame frame; /* payload as a borrowed mark of identity */
    struct mark mark;
    struct plan plan;
    struct track_info track;
};

/* Static: a test that fails leaves its loop behind. */
static struct rig {
    struct loop *loop;
    struct bus *bus;
    struct transcode *t;
    struct bus_subscriber *reader;
    struct wire_record capture[RECORDS_MAX];
    int record_count;
    struct seen seen[EVENTS_MAX];
    int seen_count;
    int64_t newest[TRACK_ID_LAST + 1];
    int64_t offset;     /* ticks of 90 kHz put on every frame */
    int fed;            /* video frames of the whole test */
    bool second;        /* the pictures come twice, under two ids, */
    int64_t second_off; /* so many ticks later */
    bool silent;        /* the capture's sound stays away */
    uint8_t twin;       /* the id under which it comes once more; 0: none */
    int twins;          /* and under so many more behind that */
    bool late;          /* but not under its own, yet */
    uint8_t sound_flags;
    struct slice *keep; /* Opus packets, where they are wanted */
    int kept;
} rig;

static void collect(void *arg)
{
    struct bus_event e;

    (void)arg;
    while (rig.reader && !bus_next(rig.reader, &e)) {
        if (rig.seen_count == EVENTS_MAX) return;
        struct seen *s = &rig.seen[rig.seen_count++];
        s->type = e.type;
        if (e.type == BUS_FRAME) {
            s->frame = *e.v.frame;
            rig.newest[s->frame.track_id] = s->frame.pts;
            if (rig.keep && s->frame.track_id == LADDER_OPUS)
                rig.keep[rig.kept++] = slice_ref(s->frame.payload);
        }
        if (e.type == BUS_MARK) s->mark = e.v.mark;
        if (e.type == BUS_PLAN) s->plan = *e.v.plan;
        if (e.type == BUS_TRACK) s->track = *track_info(e.v.track);
    }
}

static void load(const char *path)
{
    struct wire_decoder d;
    uint8_t bytes[4096];
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    wire_decoder_init(&d);
    while ((n = fread(bytes, 1, sizeof bytes, f))) {
        const uint8_t *p = bytes;
        while (!wire_feed(&d, &p, &n, &rig.capture[rig.record_count]))
            assert_true(++rig.record_count < RECORDS_MAX);
    }
    fclose(f);
    wire_decoder_release(&d);
}

/* build/tests/unit/transcode/transcode -> build/lectern-transcode */
static const char *worker(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);

    assert_true(n > 0);
    path[n] = 0;
    char *at = strstr(path, "/tests/unit/");
    assert_non_null(at);
    strcpy(at, "/lectern-transcode");
    return path;
}

static void begin_conf(struct transcode_conf tc)
{
    struct bus_conf bc = {.channel = "demo", .window_us = 20000000};

    tc.first_msn = 100;
    tc.spare_us = 300000;
    memset(&rig, 0, sizeof rig);
    load("tests/data/lecture.wire");
    assert_int_equal(loop_create(&rig.loop, 0), 0);
    bc.loop = rig.loop;
    assert_int_equal(bus_create(&rig.bus, &bc), 0);
    assert_int_equal(transcode_create(&rig.t, rig.bus, &tc), 0);
    assert_int_equal(
        bus_subscribe(rig.bus, &rig.reader, BUS_FROM_NOW, collect, NULL), 0);
}

static void begin(enum channel_type type, const char *program)
{
    begin_conf((struct transcode_conf){.type = type, .worker_path = program});
}

static void on_nudge(void *arg)
{
    (void)arg;
}

/* Lets the loop work until done() or the watchdog; false: the watchdog. */
static bool wait_for(bool (*done)(int64_t arg), int64_t arg)
{
    int64_t deadline = clock_mono_us() + WATCHDOG_US;
    struct timer nudge;

    timer_init(&nudge, rig.loop, on_nudge, NULL);
    loop_run_once(rig.loop);
    while (!done(arg) && clock_mono_us() < deadline) {
        timer_set(&nudge, loop_now(rig.loop) + 20000);
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    }
    timer_cancel(&nudge);
    return done(arg);
}

static bool child_is_up(int64_t want)
{
    return (transcode_child_pid(rig.t) != 0) == (want != 0);
}

static bool rung_reached(int64_t pts)
{
    return rig.newest[LADDER_160P] >= pts;
}

/* A tick of the ladder's, at most. */
static void give_time(void)
{
    struct timer nudge;

    timer_init(&nudge, rig.loop, on_nudge, NULL);
    timer_set(&nudge, loop_now(rig.loop) + 100000);
    while (timer_is_set(&nudge))
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
}

static void give_frame(const struct wire_record *r, uint8_t flags)
{
    struct frame *f = NULL;
    struct wire_record moved = *r;
    bool video = r->v.frame.track_id == 1;
    int64_t by = video ? rig.offset : rig.offset * 44100 / 90000;

    moved.v.frame.pts += by;
    moved.v.frame.dts += by;
    moved.v.frame.flags |= video ? flags : rig.sound_flags;
    assert_int_equal(wire_to_frame(&moved, &f), 0);
    if (video || !rig.late) bus_append(rig.bus, f);
    frame_unref(&f);
    uint8_t again = video ? (rig.second ? SECOND : 0) : rig.twin;
    if (!again) return;
    moved.v.frame.pts += video ? rig.second_off : 0;
    moved.v.frame.dts += video ? rig.second_off : 0;
    for (int i = 0; i <= (video ? 0 : rig.twins); i++) {
        moved.v.frame.track_id = (uint8_t)(again + i);
        assert_int_equal(wire_to_frame(&moved, &f), 0);
        bus_append(rig.bus, f);
        frame_unref(&f);
    }
}

/* The capture's first track, before its first frame. */
static void tell_first(void)
{
    struct track *t;

    for (int i = 0; i < rig.record_count; i++) {
        const struct wire_record *r = &rig.capture[i];
        if (r->type != WIRE_TRACK || r->v.track.id != TRACK_SOURCE_FIRST)
            continue;
        assert_int_equal(wire_to_track(r, &t), 0);
        bus_track(rig.bus, t);
        track_unref(&t);
        return;
    }
}

/* Plays video frames [from, to) of the capture with the sound between them.
 * paced: never more than AHEAD_FRAMES before the rung, once it runs. */
static void play(int from, int to, bool paced, uint8_t first_flags)
{
    int n = 0;

    for (int i = 0; i < rig.record_count; i++) {
        struct wire_record *r = &rig.capture[i];
        struct track *t = NULL;
        if (rig.silent && r->type == WIRE_TRACK && r->v.track.id != 1) continue;
        if (rig.silent && r->type == WIRE_FRAME && r->v.frame.track_id != 1)
            continue;
        if (r->type == WIRE_TRACK && !from && !rig.offset) {
            assert_int_equal(wire_to_track(r, &t), 0);
            bus_track(rig.bus, t);
            track_unref(&t);
        }
        if (r->type != WIRE_FRAME) continue;
        bool video = r->v.frame.track_id == 1;
        if (n >= from && n < to)
            give_frame(r, video && n == from ? first_flags : 0);
        if (!video) continue;
        if (n == 0 && from == 0 && paced && !rig.offset)
            assert_true(wait_for(child_is_up, 1));
        if (n >= from && n < to && paced)
            assert_true(
                wait_for(rung_reached, rig.offset + (n - AHEAD_FRAMES) * TICK));
        n++;
    }
    loop_run_once(rig.loop);
}

static void count_process(uv_handle_t *h, void *arg)
{
    if (h->type == UV_PROCESS || h->type == UV_NAMED_PIPE) ++*(int *)arg;
}

static bool no_child_is_left(int64_t arg)
{
    int left = 0;

    (void)arg;
    uv_walk(loop_uv(rig.loop), count_process, &left);
    return !left;
}

static void finish(void)
{
    bus_unsubscribe(&rig.reader);
    transcode_free(&rig.t);
    bus_unref(&rig.bus);
    /* Its input is closed: the child ends and its handles with it. */
    assert_true(wait_for(no_child_is_left, 0));
    loop_free(&rig.loop);
    for (int i = 0; i < rig.record_count; i++)
        wire_record_release(&rig.capture[i]);
}

static int count_of(enum bus_event_type type)
{
    int n = 0;

    for (int i = 0; i < rig.seen_count; i++)
        n += rig.seen[i].type == type;
    return n;
}

/* Fails the test where there is none. */
static const struct seen *number(enum bus_event_type type, int n)
{
    static const struct seen none;

    assert_true(count_of(type) > n);
    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == type && !n--) return &rig.seen[i];
    return &none;
}

static const struct mark *mark_number(int n)
{
    return &number(BUS_MARK, n)->mark;
}

static int frames_of(uint8_t id)
{
    int n = 0;

    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_FRAME && rig.seen[i].frame.track_id == id)
            n++;
    return n;
}

static bool is_marked(int64_t pts)
{
    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_MARK && rig.seen[i].mark.pts == pts)
            return true;
    return false;
}

/* Every frame once, in order, keyframes exactly where marks are. Returns the
 * number of frames; gaps counts jumps over frames. */
static int check_rung(uint8_t id, int *gaps)
{
    int64_t last = INT64_MIN;
    int n = 0;

    *gaps = 0;
    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME || f->track_id != id) continue;
        assert_int_equal(f->dts, f->pts);
        if (n && f->pts != last + TICK) {
            ++*gaps;
            assert_true(f->flags & FRAME_KEY);
        }
        assert_true(f->pts > last);
        assert_int_equal(!!(f->flags & FRAME_KEY), is_marked(f->pts));
        last = f->pts;
        n++;
    }
    return n;
}

static const struct plan *plan_number(int n)
{
    return &number(BUS_PLAN, n)->plan;
}

static void test_source_passes_and_a_rung_is_made(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    play(0, 1, false, 0);
    assert_true(wait_for(child_is_up, 1));
    /* The second keyframe is not waited for. */
    assert_int_equal(count_of(BUS_MARK), 1);
    assert_int_equal(count_of(BUS_PLAN), 1);
    play(1, 240, true, 0);
    const struct plan *p = plan_number(0);
    assert_int_equal(count_of(BUS_PLAN), 1);
    assert_int_equal(p->target_duration_s, 2);
    assert_int_equal(p->part_us, 201000);
    assert_int_equal(p->rendition_count, 3);
    assert_int_equal(p->rendition_ids[0], LADDER_TOP);
    assert_int_equal(p->rendition_ids[1], LADDER_160P);
    assert_int_equal(p->rendition_ids[2], LADDER_AUDIO);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(mark_number(i)->pts, i * 2 * 90000);
        assert_int_equal(mark_number(i)->msn, 100 + i);
        assert_false(mark_number(i)->discontinuity);
    }
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    assert_true(check_rung(LADDER_160P, &gaps) >= 240 - AHEAD_FRAMES);
    assert_int_equal(gaps, 0);
    /* 8 s of 44.1 kHz in packets of 1024 */
    assert_in_range(frames_of(LADDER_AUDIO), 344, 346);
    finish();
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

static void test_a_publisher_that_returns_is_a_discontinuity(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    play(0, 61, false, 0);
    play(61, 150, true, 0);
    bus_signal(rig.bus, BUS_GONE);
    assert_true(wait_for(rung_reached, 149 * TICK)); /* all comes out */
    bus_signal(rig.bus, BUS_BACK);
    rig.offset = 10 * 90000;
    play(0, 130, true, FRAME_DISCONTINUITY);
    assert_int_equal(mark_number(3)->pts, 10 * 90000);
    assert_true(mark_number(3)->discontinuity);
    assert_int_equal(mark_number(3)->msn, 103);
    assert_false(mark_number(4)->discontinuity);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 280);
    assert_int_equal(gaps, 1);
    check_rung(LADDER_160P, &gaps);
    assert_int_equal(gaps, 1);
    finish();
}

/* An encoder dies, another takes over seconds later, and its first sound is
 * there before its first picture: video did not stand still. */
static void test_a_takeover_whose_sound_comes_first(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 120, false, 0);
    int marks = count_of(BUS_MARK);
    for (int i = 0; i < rig.record_count; i++) {
        const struct wire_record *r = &rig.capture[i];
        if (r->type != WIRE_FRAME || r->v.frame.track_id == 1) continue;
        rig.offset = 6 * 90000 - 2090; /* one sound frame before the rest */
        give_frame(r, FRAME_DISCONTINUITY);
        break;
    }
    rig.offset = 6 * 90000;
    play(0, 130, false, FRAME_DISCONTINUITY);
    assert_int_equal(mark_number(marks)->pts, 6 * 90000);
    assert_true(mark_number(marks)->discontinuity);
    assert_int_equal(mark_number(marks + 1)->pts, 8 * 90000);
    assert_false(mark_number(marks + 1)->discontinuity);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 250);
    finish();
}

/* The line was gone for 1.5 s, sound and all, over the end of a segment; what
 * comes first then is sound. */
static void test_no_segment_reaches_over_a_hole(void **state)
{
    int64_t last = 0, first = 0;
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 120, false, 0);
    int marks = count_of(BUS_MARK);
    for (int i = 0; i < rig.record_count; i++) {
        const struct wire_record *r = &rig.capture[i];
        if (r->type != WIRE_FRAME || r->v.frame.track_id == 1) continue;
        rig.offset = 495000 - 2090; /* one sound frame before the rest */
        give_frame(r, 0);
        break;
    }
    rig.offset = 495000; /* 5.5 s */
    play(0, 130, false, 0);
    assert_int_equal(mark_number(marks)->pts, 495000);
    assert_true(mark_number(marks)->discontinuity);
    assert_false(mark_number(marks + 1)->discontinuity);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 250);
    assert_int_equal(gaps, 1);
    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME || f->track_id != LADDER_AUDIO)
            continue;
        if (f->pts > 5 * 44100 && !first) first = f->pts;
        if (!first) last = f->pts;
    }
    assert_true(last < 41 * 4410);
    assert_in_range(first, 495000 / 100 * 49, 495000 / 100 * 49 + 1024);
    finish();
}

/* Keyframes stop coming: the top is encoded from there on. */
static void test_a_late_keyframe_switches_the_top(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    for (int i = 0, n = 0; i < rig.record_count; i++) {
        struct frame *f = &rig.capture[i].v.frame;
        if (rig.capture[i].type != WIRE_FRAME || f->track_id != 1) continue;
        /* Still decodable: only the flag and the boundary are gone. */
        if (n++ > 60) f->flags = 0;
    }
    play(0, 61, false, 0);
    play(61, 100, true, 0);
    play(100, 240, true, 0);
    assert_int_equal(mark_number(1)->pts, 60 * TICK);
    assert_int_equal(mark_number(2)->pts, (60 + 72) * TICK);
    assert_true(mark_number(2)->discontinuity);
    assert_int_equal(mark_number(3)->pts, (60 + 72 + 60) * TICK);
    assert_true(check_rung(LADDER_TOP, &gaps) >= 240 - 4 * AHEAD_FRAMES);
    assert_int_equal(gaps, 0);
    assert_int_equal(count_of(BUS_PLAN), 1); /* the same renditions */
    /* The lecturer took the advice and came back: it passes through again. */
    for (int i = 0, n = 0; i < rig.record_count; i++) {
        struct frame *f = &rig.capture[i].v.frame;
        if (rig.capture[i].type != WIRE_FRAME || f->track_id != 1) continue;
        f->flags = n++ % 60 ? 0 : FRAME_KEY;
    }
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    rig.offset = 20 * 90000;
    int before = frames_of(LADDER_TOP);
    play(0, 70, false, FRAME_DISCONTINUITY);
    assert_int_equal(frames_of(LADDER_TOP), before + 70);
    assert_int_equal(mark_number(4)->pts, 20 * 90000);
    assert_true(mark_number(4)->discontinuity);
    assert_int_equal(mark_number(5)->pts, 22 * 90000);
    assert_true(wait_for(rung_reached, 22 * 90000));
    finish();
}

static void test_basic_needs_no_child(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 240, false, 0);
    assert_int_equal(transcode_child_pid(rig.t), 0);
    assert_int_equal(plan_number(0)->rendition_count, 2);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    bus_signal(rig.bus, BUS_END);
    finish();
}

/* A program that is not there: the source still passes. */
static int tracks_of(uint8_t id)
{
    int n = 0;

    for (int i = 0; i < rig.seen_count; i++)
        n += rig.seen[i].type == BUS_TRACK && rig.seen[i].track.id == id;
    return n;
}

/* The capture's sound as another source track. */
static void tell_twin(uint8_t id, const char *language)
{
    struct track *t = NULL, *first = bus_find_track(rig.bus, 2);

    assert_non_null(first);
    struct track_info info = *track_info(first);
    info.id = rig.twin = id;
    snprintf(info.language, sizeof info.language, "%s", language);
    assert_int_equal(track_create(&t, &info, track_config(first)), 0);
    bus_track(rig.bus, t);
    track_unref(&t);
}

static const struct track_info *newest_track(uint8_t id)
{
    const struct track *t = bus_find_track(rig.bus, id);

    return t ? track_info(t) : NULL;
}

/* A publisher with two languages: each is a rendition. */
static void test_two_sounds_pass(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 1, false, 0);
    tell_twin(3, "de");
    play(1, 240, false, 0);
    assert_int_equal(count_of(BUS_PLAN), 1);
    assert_int_equal(plan_number(0)->rendition_count, 3);
    assert_int_equal(plan_number(0)->rendition_ids[2], LADDER_LANGUAGE);
    assert_string_equal(newest_track(LADDER_LANGUAGE)->name, "audio-2");
    assert_string_equal(newest_track(LADDER_LANGUAGE)->language, "de");
    assert_true(newest_track(LADDER_LANGUAGE)->passthrough);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_in_range(frames_of(LADDER_AUDIO), 344, 346);
    assert_in_range(frames_of(LADDER_LANGUAGE), 342, 346);
    finish();
}

/* One that comes later is in the next plan; who has the lower number is the
 * first; who has no place is not heard; and a publisher who comes back with
 * other numbers finds its languages again. */
static void test_sounds_come_and_go(void **state)
{
    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 120, false, 0);
    for (int i = 0; i < LADDER_LANGUAGES_MAX + 1; i++)
        tell_twin((uint8_t)(3 + i), i ? "fr" : "de");
    assert_int_equal(plan_number(count_of(BUS_PLAN) - 1)->rendition_count,
                     2 + LADDER_LANGUAGES_MAX);
    rig.twin = 3;
    play(120, 180, false, 0);
    assert_in_range(frames_of(LADDER_LANGUAGE), 80, 90);
    assert_int_equal(frames_of(LADDER_LANGUAGE + 1), 0);
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    tell_twin(2, "en");
    tell_twin(4, "de");
    rig.offset = 90000;
    play(180, 240, false, FRAME_DISCONTINUITY);
    assert_string_equal(newest_track(LADDER_LANGUAGE)->language, "de");
    assert_in_range(frames_of(LADDER_LANGUAGE), 160, 180);
    assert_int_equal(frames_of(LADDER_LANGUAGE + 1), 0);
    finish();
}

/* A language goes on in stereo: from a mark on that says so. */
static void test_a_language_with_another_config(void **state)
{
    uint8_t stereo[8];
    struct track *t = NULL, *first;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 1, false, 0);
    tell_twin(3, "de");
    play(1, 130, false, 0);
    assert_int_equal(tracks_of(LADDER_LANGUAGE), 1);
    first = bus_find_track(rig.bus, 3);
    struct slice config = track_config(first);
    assert_in_range(config.len, 2, sizeof stereo);
    memcpy(stereo, config.data, config.len);
    stereo[1] = (uint8_t)((stereo[1] & ~0x78) | 2 << 3);
    config.data = stereo;
    config.owner = NULL;
    assert_int_equal(track_create(&t, track_info(first), config), 0);
    bus_track(rig.bus, t);
    track_unref(&t);
    int marks = count_of(BUS_MARK), frames = frames_of(LADDER_LANGUAGE);
    play(130, 150, false, 0);
    assert_int_equal(frames_of(LADDER_LANGUAGE), frames);
    assert_int_equal(tracks_of(LADDER_LANGUAGE), 1);
    play(150, 240, false, 0);
    assert_true(mark_number(marks)->discontinuity);
    assert_int_equal(tracks_of(LADDER_LANGUAGE), 2);
    assert_in_range(frames_of(LADDER_LANGUAGE), frames + 80, 345);
    finish();
}

/* The map's order is not that in which the sounds come. */
static void test_the_lower_number_is_the_first_sound(void **state)
{
    struct track *t = NULL, *second;
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 30, false, 0);
    second = track_ref(bus_find_track(rig.bus, 2));
    struct track_info info = *track_info(second);
    info.id = 3;
    snprintf(info.language, sizeof info.language, "de");
    track_create(&t, &info, track_config(second));
    track_unref(&second);
    assert_non_null(t);
    finish();
    begin(CHANNEL_BASIC, NULL);
    bus_track(rig.bus, t);
    track_unref(&t);
    rig.twin = 3;
    play(0, 240, false, 0);
    assert_string_equal(newest_track(LADDER_LANGUAGE)->language, "de");
    before = frames_of(LADDER_AUDIO);
    assert_in_range(before, 344, 346);
    assert_in_range(frames_of(LADDER_LANGUAGE), 344, 346);
    finish();
}

/* The capture's sound, which nobody told yet, under this id. */
static void tell_sound(uint8_t id)
{
    struct track *t;

    for (int i = 0; i < rig.record_count; i++) {
        struct wire_record r = rig.capture[i];
        if (r.type != WIRE_TRACK || r.v.track.kind != TRACK_AUDIO) continue;
        r.v.track.id = id;
        assert_int_equal(wire_to_track(&r, &t), 0);
        bus_track(rig.bus, t);
        track_unref(&t);
        return;
    }
}

/* More sounds than there are places, the first of them last: what has no place
 * any more is no picture. */
static void test_a_sound_that_lost_its_place_is_dropped(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    rig.offset = TICK;
    tell_first();
    for (uint8_t id = 3; id < 4 + LADDER_LANGUAGES_MAX; id++)
        tell_sound(id);
    rig.twin = 3;
    play(0, 30, false, 0);
    tell_sound(2);
    play(30, 240, false, 0);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(gaps, 0);
    finish();
}

/* What came before its encoder changed its mind is not said to be of the new
 * config. */
static void test_sound_of_another_config_while_measuring(void **state)
{
    static const uint8_t stereo[] = {0x12, 0x10};
    struct buf *config;
    struct track *t;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 30, false, 0);
    struct track_info info = *track_info(bus_find_track(rig.bus, 2));
    info.channels = 2;
    assert_int_equal(buf_create(&config, stereo, sizeof stereo), 0);
    struct slice all = slice_take(&config);
    assert_int_equal(track_create(&t, &info, all), 0);
    slice_unref(&all);
    bus_track(rig.bus, t);
    track_unref(&t);
    play(30, 120, false, 0);
    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_FRAME &&
            rig.seen[i].frame.track_id == LADDER_AUDIO)
            assert_true(rig.seen[i].frame.pts >= 29 * 44100 / 30);
    assert_true(frames_of(LADDER_AUDIO) > 100);
    finish();
}

/* How many languages there are does not shorten how long sound waits. */
static void test_sound_of_another_config_waits_for_its_mark(void **state)
{
    static const uint8_t stereo[] = {0x12, 0x10};
    struct buf *config;
    struct track *t;
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 2, false, 0);
    for (uint8_t id = 3; id < 3 + LADDER_LANGUAGES_MAX; id++)
        tell_twin(id, "de");
    rig.twin = 3;
    rig.twins = LADDER_LANGUAGES_MAX - 1;
    play(2, 65, false, 0);
    before = frames_of(LADDER_AUDIO);
    assert_true(before > 80);
    struct track_info info = *track_info(bus_find_track(rig.bus, 2));
    info.channels = 2;
    assert_int_equal(buf_create(&config, stereo, sizeof stereo), 0);
    struct slice all = slice_take(&config);
    assert_int_equal(track_create(&t, &info, all), 0);
    slice_unref(&all);
    bus_track(rig.bus, t);
    track_unref(&t);
    play(65, 120, false, 0);
    assert_int_equal(frames_of(LADDER_AUDIO), before);
    assert_int_equal(newest_track(LADDER_AUDIO)->channels, 1);
    rig.silent = true; /* silence in its place is of the new config */
    play(120, 122, false, 0);
    assert_int_equal(newest_track(LADDER_AUDIO)->channels, 2);
    rig.silent = false;
    play(122, 180, false, 0);
    assert_true(frames_of(LADDER_AUDIO) > before + 80);
    finish();
}

/* The capture's picture once more, as a second track. */
static void tell_second(uint32_t width, uint32_t height)
{
    struct track *t, *first = bus_find_track(rig.bus, TRACK_SOURCE_FIRST);

    assert_non_null(first);
    struct track_info second = *track_info(first);
    second.id = SECOND;
    second.width = width;
    second.height = height;
    if (track_create(&t, &second, track_config(first))) return;
    bus_track(rig.bus, t);
    track_unref(&t);
}

/* The lecturer's own ladder: the child has nothing to make. */
static void test_a_second_picture_is_a_rung_as_it_is(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    tell_first();
    tell_second(284, 160);
    rig.second = true;
    play(0, 240, false, 0);
    assert_int_equal(transcode_child_pid(rig.t), 0);
    assert_int_equal(count_of(BUS_PLAN), 1);
    assert_int_equal(plan_number(0)->rendition_count, 3);
    assert_int_equal(plan_number(0)->rendition_ids[0], LADDER_TOP);
    assert_int_equal(plan_number(0)->rendition_ids[1], LADDER_160P);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(check_rung(LADDER_160P, &gaps), 240);
    assert_int_equal(tracks_of(LADDER_160P), 1);
    finish();
}

/* A rendition in H.264 gets no other codec's bytes, and no other colours. */
static void test_a_second_picture_that_turns_strange(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        begin(CHANNEL_BASIC, NULL);
        tell_first();
        tell_second(640, 360);
        rig.second = true;
        play(0, 120, false, 0);
        assert_int_equal(frames_of(LADDER_360P), 120);
        struct track_info info = *track_info(bus_find_track(rig.bus, SECOND));
        struct buf *config;
        struct track *t;
        if (i) info.codec = CODEC_HEVC;
        assert_int_equal(
            buf_create(&config, avcc_full_colour, sizeof avcc_full_colour), 0);
        struct slice all = slice_take(&config);
        assert_int_equal(track_create(&t, &info, all), 0);
        slice_unref(&all);
        bus_track(rig.bus, t);
        track_unref(&t);
        play(120, 240, false, 0);
        assert_int_equal(frames_of(LADDER_360P), 120);
        assert_int_equal(frames_of(LADDER_TOP), 240);
        finish();
    }
}

/* A second picture that is no rung beside the first is one when that is
 * another, and is told before its frames. */
static void test_a_second_picture_whose_time_comes(void **state)
{
    struct track *t;
    int before = -1;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    rig.offset = TICK;
    tell_first();
    struct track_info info = *track_info(bus_find_track(rig.bus, 1));
    info.codec = CODEC_HEVC;
    assert_int_equal(track_create(&t, &info, (struct slice){0}), 0);
    tell_second(640, 360);
    bus_track(rig.bus, t);
    track_unref(&t);
    rig.second = true;
    play(0, 120, false, 0);
    assert_int_equal(frames_of(LADDER_360P), 0);
    tell_first();
    play(120, 240, false, 0);
    for (int i = 0; i < rig.seen_count && before < 0; i++) {
        if (rig.seen[i].type == BUS_TRACK &&
            rig.seen[i].track.id == LADDER_360P)
            before = i;
        assert_false(rig.seen[i].type == BUS_FRAME &&
                     rig.seen[i].frame.track_id == LADDER_360P);
    }
    assert_int_equal(frames_of(LADDER_360P), 120);
    finish();
}

/* Nobody said that the one before was gone. */
static void test_a_takeover_whose_language_comes_first(void **state)
{
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 2, false, 0);
    tell_twin(3, "de");
    play(2, 65, false, 0);
    before = frames_of(LADDER_LANGUAGE);
    bus_signal(rig.bus, BUS_BACK);
    tell_twin(3, "de");
    rig.offset = 10 * 90000;
    rig.late = true;
    play(90, 120, false, FRAME_DISCONTINUITY); /* no keyframe yet */
    assert_int_equal(frames_of(LADDER_LANGUAGE), before);
    rig.late = false;
    play(120, 180, false, 0);
    assert_true(frames_of(LADDER_LANGUAGE) > before + 80);
    finish();
}

/* Who came back gives sound long after pictures: it has no break to wait for.
 */
static void test_sound_that_joins_a_newcomer_late(void **state)
{
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 90, false, 0);
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    rig.offset = 90000;
    rig.silent = true;
    play(120, 222, false, FRAME_DISCONTINUITY);
    before = frames_of(LADDER_AUDIO);
    rig.silent = false;
    rig.sound_flags = FRAME_DISCONTINUITY;
    play(222, 224, false, 0);
    rig.sound_flags = 0;
    play(224, 234, false, 0);
    assert_true(frames_of(LADDER_AUDIO) > before + 10);
    finish();
}

/* What was a language is a picture with who comes next: the two are of one
 * number, and not of one rendition. */
static void test_a_language_that_becomes_a_picture(void **state)
{
    int before;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 1, false, 0);
    tell_twin(SECOND, "de");
    play(1, 120, false, 0);
    before = frames_of(LADDER_LANGUAGE);
    assert_true(before > 100);
    bus_signal(rig.bus, BUS_GONE);
    bus_signal(rig.bus, BUS_BACK);
    rig.twin = 0;
    rig.second = true;
    rig.offset = 90000;
    tell_second(640, 360);
    play(120, 240, false, FRAME_DISCONTINUITY);
    assert_int_equal(frames_of(LADDER_LANGUAGE), before);
    assert_true(frames_of(LADDER_360P) > 0);
    finish();
}

static void test_a_late_second_picture_joins(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_BASIC, NULL);
    play(0, 70, false, 0);
    assert_int_equal(plan_number(0)->rendition_count, 2);
    tell_second(640, 360);
    rig.second = true;
    play(70, 240, false, 0);
    assert_int_equal(count_of(BUS_PLAN), 2);
    assert_int_equal(plan_number(1)->rendition_ids[0], LADDER_360P);
    assert_int_equal(plan_number(1)->rendition_ids[1], LADDER_TOP);
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    assert_int_equal(check_rung(LADDER_360P, &gaps), 120);
    finish();
}

/* The ladder is made as if there were one picture. */
static void test_a_misaligned_picture_is_not_shown(void **state)
{
    int gaps;

    (void)state;
    begin(CHANNEL_STANDARD, worker());
    tell_first();
    tell_second(284, 160);
    rig.second = true;
    rig.second_off = 3600;
    play(0, 62, false, 0);
    assert_int_equal(plan_number(count_of(BUS_PLAN) - 1)->rendition_count, 3);
    assert_true(wait_for(child_is_up, 1));
    play(62, 240, true, 0); /* else the rung is far behind, and shed */
    assert_int_equal(check_rung(LADDER_TOP, &gaps), 240);
    check_rung(LADDER_160P, &gaps);
    finish();
}

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

/* --- for real time -------------------------------------------------------- */

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

/* Nothing of it runs where nobody asked for it. */
static void test_without_real_time_nothing_more_is_made(void **state)
{
    (void)state;
    begin(CHANNEL_BASIC, worker());
    play(0, 240, false, 0);
    assert_int_equal(transcode_child_pid(rig.t), 0);
    assert_int_equal(frames_of(LADDER_OPUS), 0);
    bus_ask_key(rig.bus, LADDER_REALTIME);
    assert_int_equal(frames_of(LADDER_REALTIME), 0);
    finish();
}

static bool is_idle(int64_t arg)
{
    const struct track *t = bus_find_track(rig.bus, LADDER_REALTIME);

    (void)arg;
    return t && !track_config(t).len;
}

static bool realtime_reached(int64_t pts)
{
    return rig.newest[LADDER_REALTIME] >= pts;
}

/* A source with B-frames: a top without them while somebody watches. */
static void test_a_real_time_top_on_demand(void **state)
{
    int first = 0, keys = 0, n = 0;

    (void)state;
    begin_conf((struct transcode_conf){.type = CHANNEL_STANDARD,
                                       .worker_path = worker(),
                                       .realtime = true,
                                       .realtime_us = 1500000});
    for (int i = 0; i < rig.record_count; i++)
        if (rig.capture[i].type == WIRE_FRAME &&
            rig.capture[i].v.frame.track_id == 1)
            rig.capture[i].v.frame.dts -= 2 * TICK;
    play(0, 61, false, 0);
    assert_true(is_idle(0)); /* it can be had */
    assert_int_equal(newest_track(LADDER_REALTIME)->width, 320);
    assert_true(newest_track(LADDER_REALTIME)->bitrate_bps > 0);
    play(61, 100, true, 0);
    assert_int_equal(frames_of(LADDER_REALTIME), 0);
    bus_ask_key(rig.bus, LADDER_REALTIME);
    play(100, 130, true, 0);
    assert_true(wait_for(realtime_reached, 125 * TICK));
    assert_false(is_idle(0));
    bus_ask_key(rig.bus, LADDER_REALTIME_KEEP);
    play(130, 150, true, 0);
    for (int i = 0; i < rig.seen_count; i++) {
        const struct frame *f = &rig.seen[i].frame;
        if (rig.seen[i].type != BUS_FRAME || f->track_id != LADDER_REALTIME)
            continue;
        if (!n++) first = (int)(f->pts / TICK);
        assert_int_equal(f->dts, f->pts);
        if (f->flags & FRAME_KEY) keys++;
    }
    assert_in_range(first, 100 - 3, 100); /* at once, not at a mark */
    assert_int_equal(keys, 2);            /* the first, and the mark's */
    assert_int_equal(plan_number(0)->rendition_count, 3);
    assert_int_equal(count_of(BUS_PLAN), 1);
    /* Nobody asks again: it ends. */
    assert_true(wait_for(is_idle, 0));
    n = frames_of(LADDER_REALTIME);
    play(150, 160, true, 0);
    loop_run_once(rig.loop);
    int after = frames_of(LADDER_REALTIME);
    play(160, 240, true, 0);
    assert_int_equal(frames_of(LADDER_REALTIME), after);
    assert_true(after - n <= 10);
    finish();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_basic_has_opus_beside_its_aac),
    cmocka_unit_test(test_standard_has_opus_too),
    cmocka_unit_test(test_sound_goes_on_when_pictures_hang),
    cmocka_unit_test(test_opus_passes_and_becomes_aac),
    cmocka_unit_test(test_without_real_time_nothing_more_is_made),
    cmocka_unit_test(test_a_real_time_top_on_demand),
    cmocka_unit_test(test_source_passes_and_a_rung_is_made),
    cmocka_unit_test(test_wishes_go_where_keyframes_are_made),
    cmocka_unit_test(test_a_killed_child_comes_back_at_a_mark),
    cmocka_unit_test(test_a_publisher_that_returns_is_a_discontinuity),
    cmocka_unit_test(test_a_late_keyframe_switches_the_top),
    cmocka_unit_test(test_basic_needs_no_child),
    cmocka_unit_test(test_a_takeover_whose_sound_comes_first),
    cmocka_unit_test(test_no_segment_reaches_over_a_hole),
    cmocka_unit_test(test_two_sounds_pass),
    cmocka_unit_test(test_a_language_that_becomes_a_picture),
    cmocka_unit_test(test_a_second_picture_that_turns_strange),
    cmocka_unit_test(test_a_second_picture_whose_time_comes),
    cmocka_unit_test(test_a_takeover_whose_language_comes_first),
    cmocka_unit_test(test_sound_that_joins_a_newcomer_late),
    cmocka_unit_test(test_a_sound_that_lost_its_place_is_dropped),
    cmocka_unit_test(test_sound_of_another_config_waits_for_its_mark),
    cmocka_unit_test(test_sound_of_another_config_while_measuring),
    cmocka_unit_test(test_sounds_come_and_go),
    cmocka_unit_test(test_a_language_with_another_config),
    cmocka_unit_test(test_the_lower_number_is_the_first_sound),
    cmocka_unit_test(test_a_second_sound_in_opus_is_made),
    cmocka_unit_test(test_a_second_picture_is_a_rung_as_it_is),
    cmocka_unit_test(test_a_late_second_picture_joins),
    cmocka_unit_test(test_a_misaligned_picture_is_not_shown),
    cmocka_unit_test(test_no_program_no_rungs),
    cmocka_unit_test(test_what_cannot_keep_up_is_shed),
};
HARNESS_MAIN(tests)
