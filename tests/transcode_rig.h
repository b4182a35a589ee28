/* tests/transcode_rig.h — the real child on a real loop, fed from a capture:
 * 8 s of 320x180 at 30 frames a second, a keyframe each 2 s, mono AAC-LC. The
 * clock of media is the frames' own; the test waits for what must come, with a
 * watchdog only. */
#ifndef TESTS_TRANSCODE_RIG_H
#define TESTS_TRANSCODE_RIG_H
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/loop/timer.h"
#include "core/media/wire.h"
#include "tests/harness.h"
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

/* --- the rig -------------------------------------------------------------- */

static inline void collect(void *arg)
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

static inline void load(const char *path)
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
static inline const char *worker(void)
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

static inline void begin_conf(struct transcode_conf tc)
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

static inline void begin(enum channel_type type, const char *program)
{
    begin_conf((struct transcode_conf){.type = type, .worker_path = program});
}

static inline void on_nudge(void *arg)
{
    (void)arg;
}

/* Lets the loop work until done() or the watchdog; false: the watchdog. */
static inline bool wait_for(bool (*done)(int64_t arg), int64_t arg)
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

static inline bool child_is_up(int64_t want)
{
    return (transcode_child_pid(rig.t) != 0) == (want != 0);
}

static inline bool rung_reached(int64_t pts)
{
    return rig.newest[LADDER_160P] >= pts;
}

/* --- what goes in --------------------------------------------------------- */

static inline void give_frame(const struct wire_record *r, uint8_t flags)
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
static inline void tell_first(void)
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
static inline void play(int from, int to, bool paced, uint8_t first_flags)
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

static inline void count_process(uv_handle_t *h, void *arg)
{
    if (h->type == UV_PROCESS || h->type == UV_NAMED_PIPE) ++*(int *)arg;
}

static inline bool no_child_is_left(int64_t arg)
{
    int left = 0;

    (void)arg;
    uv_walk(loop_uv(rig.loop), count_process, &left);
    return !left;
}

static inline void finish(void)
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

/* --- what came out -------------------------------------------------------- */

static inline int count_of(enum bus_event_type type)
{
    int n = 0;

    for (int i = 0; i < rig.seen_count; i++)
        n += rig.seen[i].type == type;
    return n;
}

/* Fails the test where there is none. */
static inline const struct seen *number(enum bus_event_type type, int n)
{
    static const struct seen none;

    assert_true(count_of(type) > n);
    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == type && !n--) return &rig.seen[i];
    return &none;
}

static inline const struct mark *mark_number(int n)
{
    return &number(BUS_MARK, n)->mark;
}

static inline int frames_of(uint8_t id)
{
    int n = 0;

    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_FRAME && rig.seen[i].frame.track_id == id)
            n++;
    return n;
}

static inline bool is_marked(int64_t pts)
{
    for (int i = 0; i < rig.seen_count; i++)
        if (rig.seen[i].type == BUS_MARK && rig.seen[i].mark.pts == pts)
            return true;
    return false;
}

/* Every frame once, in order, keyframes exactly where marks are. Returns the
 * number of frames; gaps counts jumps over frames. */
static inline int check_rung(uint8_t id, int *gaps)
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

static inline const struct plan *plan_number(int n)
{
    return &number(BUS_PLAN, n)->plan;
}

static inline int tracks_of(uint8_t id)
{
    int n = 0;

    for (int i = 0; i < rig.seen_count; i++)
        n += rig.seen[i].type == BUS_TRACK && rig.seen[i].track.id == id;
    return n;
}

/* Fails the test where there is none. */
static inline struct track *the_track(uint8_t id)
{
    struct track *t = bus_find_track(rig.bus, id);

    assert_non_null(t);
    return t;
}

static inline const struct track_info *newest_track(uint8_t id)
{
    return track_info(the_track(id));
}

/* The capture's picture once more, as a second track. */
static inline void tell_second(uint32_t width, uint32_t height)
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

#endif
