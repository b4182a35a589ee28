/* tests/day.h — a publisher's day in seconds: what a protocol core makes of its
 * bytes goes through timeline, bus, ladder and packager into a store, on a
 * clock that the test turns. Each frame's true time is known, so that what
 * comes out can be held against it. */
#ifndef TESTS_DAY_H
#define TESTS_DAY_H
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/loop/loop.h"
#include "ingest/publisher.h"
#include "ingest/source.h"
#include "ingest/timeline.h"
#include "packager/boxes.h"
#include "packager/packager.h"
#include "tests/harness.h"
#include "transcode/transcode.h"

enum {
    DAY_FPS = 25,
    DAY_RATE = 48000,
    DAY_FRAME = 1024,
    DAY_GOP = 2 * DAY_FPS,
    DAY_DELAY_US = 50000,  /* of the line, and up to … */
    DAY_JITTER_US = 40000, /* … so much more */
};
#define DAY_HOUR_US   3600000000LL
#define DAY_ORIGIN_AT 77000000LL
#define DAY_WALL_US   1700000000000000LL

struct day {
    struct loop *loop;
    struct bus *bus;
    struct transcode *transcode;
    struct packager *packager;
    struct store *store;
    struct timeline timeline;
    struct source sources[TIMELINE_SLOTS];
    int video_slot;
    double ppm;        /* the publisher's clock is so much too fast */
    double sound_ppm;  /* and that of its sound card against it */
    int64_t truth_us;  /* of the frame on its way, by the publisher's clock */
    int64_t at;        /* now; monotonic µs */
    int64_t video_off; /* of the newest picture: place - truth */
    uint32_t seed;
    bool video_placed;

    /* what was seen */
    struct boxes_init inits[2];
    int64_t worst_av, worst_file, worst_date, worst_lag, least_lag;
    int64_t longest[2], shortest[2]; /* segments */
    int segments[2], most_segments;
    uint64_t lost, video, audio, gaps, breaks, dropped;
    size_t memory;
};

static inline int64_t day_abs(int64_t v)
{
    return v < 0 ? -v : v;
}

static inline void day_most(int64_t *worst, int64_t v)
{
    if (v > *worst) *worst = v;
}

/* --- what comes out ------------------------------------------------------- */

static inline void day_part(struct day *d, const struct store_event *e)
{
    uint8_t bytes[65536];
    struct boxes_fragment f;
    size_t n = 0;

    d->gaps += e->v.part.missing;
    if (e->v.part.index || e->v.part.missing) return;
    d->breaks += e->v.part.head.discontinuity;
    for (int i = 0; i < e->slice_count; i++) {
        assert_true(n + e->slices[i].len <= sizeof bytes);
        memcpy(bytes + n, e->slices[i].data, e->slices[i].len);
        n += e->slices[i].len;
    }
    assert_int_equal(boxes_read_fragment(&f, &d->inits[e->rendition], bytes, n),
                     0);
    int64_t scale = d->inits[e->rendition].tracks[0].timescale;
    int64_t in_file =
        f.first_pts / scale * 1000000 + f.first_pts % scale * 1000000 / scale;
    day_most(&d->worst_file, day_abs(in_file - e->v.part.head.pts_us));
    int64_t arrived =
        e->v.part.captured_at - DAY_ORIGIN_AT - e->v.part.duration_us;
    day_most(&d->worst_date, day_abs(e->v.part.head.date_us - arrived));
}

static inline void day_segment(struct day *d, const struct store_event *e)
{
    const struct store_rendition *r = &d->store->renditions[e->rendition];
    const struct store_segment *g = &r->segments[r->count - 1];
    int k = e->rendition;

    if (r->count > d->most_segments) d->most_segments = r->count;
    if (!g->closed) return;
    if (d->segments[k]++ < 2) return;
    if (g->duration_us > d->longest[k]) d->longest[k] = g->duration_us;
    if (g->duration_us < d->shortest[k] || !d->shortest[k])
        d->shortest[k] = g->duration_us;
}

static inline void day_on_event(struct store_event *e, void *arg)
{
    struct day *d = arg;
    struct store_change change;

    assert_int_equal(store_apply(d->store, e, &change), 0);
    if (e->type == STORE_INIT)
        assert_int_equal(boxes_read_init(&d->inits[e->rendition],
                                         e->slices[0].data, e->slices[0].len),
                         0);
    d->gaps += e->type == STORE_GAP;
    if (e->type == STORE_PART) day_part(d, e);
    if (e->type == STORE_CLOSE || (e->type == STORE_PART && e->v.part.closes))
        day_segment(d, e);
}

/* --- what goes in --------------------------------------------------------- */

static inline void day_track(int slot, const struct track_info *info,
                             struct slice config, void *arg)
{
    struct day *d = arg;
    struct source *s = &d->sources[slot];
    struct track *t = NULL;

    assert_int_equal(source_init(s, info, config), 0);
    s->info.id = (uint8_t)(TRACK_SOURCE_FIRST + slot);
    memcpy(s->info.language, "und", sizeof "und");
    if (track_create(&t, &s->info, config)) return;
    bus_track(d->bus, t);
    track_unref(&t);
    if (info->kind == TRACK_VIDEO) {
        d->video_slot = slot;
        timeline_video(&d->timeline, slot, s->info.fps_num, s->info.fps_den);
    } else {
        timeline_audio(&d->timeline, slot, s->info.timescale);
    }
}

static inline void day_judge(struct day *d, int slot,
                             const struct timeline_out *o)
{
    int64_t scale = d->sources[slot].info.timescale;
    int64_t place = o->pts / scale * 1000000 + o->pts % scale * 1000000 / scale;
    int64_t lag = d->at - DAY_ORIGIN_AT - place;

    if (slot == d->video_slot) {
        d->video_off = place - d->truth_us;
        d->video_placed = true;
        d->video++;
    } else {
        d->audio++;
        if (d->video_placed)
            day_most(&d->worst_av, day_abs(place - d->truth_us - d->video_off));
    }
    if (lag > d->worst_lag) d->worst_lag = lag;
    if (lag < d->least_lag) d->least_lag = lag;
}

static inline void day_frame(const struct publisher_frame *f, void *arg)
{
    struct day *d = arg;
    struct timeline_in in = {f->slot, f->dts_us, f->pts_us, 0, d->at};
    struct timeline_out o;
    struct frame made = {.track_id = (uint8_t)(TRACK_SOURCE_FIRST + f->slot)};
    struct frame *frame = NULL;

    in.samples = source_samples(&d->sources[f->slot], f->payload);
    if (timeline_place(&d->timeline, &in, &o)) {
        d->dropped++;
        return;
    }
    day_judge(d, f->slot, &o);
    if (f->key) made.flags |= FRAME_KEY;
    if (o.discontinuity) made.flags |= FRAME_DISCONTINUITY;
    made.dts = o.dts;
    made.pts = o.pts;
    made.duration = o.duration;
    made.captured_at = d->at;
    made.payload = slice_ref(f->payload);
    if (frame_create(&frame, &made)) return;
    d->lost += bus_append(d->bus, frame) != 0;
    frame_unref(&frame);
}

/* The frame that left the encoder at truth_us comes in now. */
static inline void day_turn(struct day *d, int64_t truth_us)
{
    int64_t by_us = (int64_t)((double)truth_us / (1 + d->ppm / 1e6));

    d->truth_us = truth_us;
    d->seed = d->seed * 1664525 + 1013904223;
    by_us += DAY_ORIGIN_AT + DAY_DELAY_US + (d->seed >> 8) % DAY_JITTER_US;
    if (by_us > d->at) d->at = by_us;
}

/* Pictures and sound of [from_us, to_us) in their order. */
typedef void day_send(struct day *d, bool video, int64_t n, int64_t truth_us);
static inline void day_run(struct day *d, int64_t to_us, int64_t *video,
                           int64_t *audio, day_send *send)
{
    for (;;) {
        int64_t v = *video * 1000000 / DAY_FPS;
        int64_t a = (int64_t)((double)*audio * DAY_FRAME * 1e6 / DAY_RATE /
                              (1 + d->sound_ppm / 1e6));
        bool is_video = v <= a;
        int64_t truth = is_video ? v : a;

        if (truth >= to_us) return;
        day_turn(d, truth);
        send(d, is_video, is_video ? (*video)++ : (*audio)++, truth);
    }
}

/* --- the house ------------------------------------------------------------ */

static inline void day_begin(struct day *d, double ppm)
{
    struct bus_conf bus = {.channel = "demo",
                           .generation = 1,
                           .origin_at = DAY_ORIGIN_AT,
                           .origin_wall_us = DAY_WALL_US};
    struct packager_conf packager = {.on_event = day_on_event, .arg = d};
    struct transcode_conf transcode = {.type = CHANNEL_BASIC, .first_msn = 7};

    memset(d, 0, sizeof *d);
    d->ppm = ppm;
    d->least_lag = INT64_MAX;
    assert_int_equal(loop_create(&d->loop, 0), 0);
    bus.loop = d->loop;
    assert_int_equal(bus_create(&d->bus, &bus), 0);
    assert_int_equal(store_create(&d->store, "demo", 1, NULL, NULL), 0);
    assert_int_equal(transcode_create(&d->transcode, d->bus, &transcode), 0);
    assert_int_equal(packager_create(&d->packager, d->bus, &packager), 0);
    timeline_init(&d->timeline, 0, false);
}

static inline void day_end(struct day *d)
{
    packager_free(&d->packager);
    transcode_free(&d->transcode);
    bus_unref(&d->bus);
    store_free(&d->store);
    loop_run_once(d->loop);
    loop_free(&d->loop);
}

static inline size_t day_memory(void)
{
    return mallinfo2().uordblks;
}

/* What must hold after any number of hours. */
static inline void day_check(const struct day *d, int hours)
{
    const struct timeline_counts *c = &d->timeline.counts;

    print_message(
        "%d h: A/V %" PRId64 " us, in files %" PRId64 ", dates %" PRId64
        ", lag %" PRId64 " .. %" PRId64 " ms; segments %" PRId64 " .. %" PRId64
        ", %" PRId64 " .. %" PRId64 " us; sound resynced %" PRIu64
        ", left out %" PRIu64 "\n",
        hours, d->worst_av, d->worst_file, d->worst_date, d->least_lag / 1000,
        d->worst_lag / 1000, d->shortest[0], d->longest[0], d->shortest[1],
        d->longest[1], c->resynced, d->dropped);
    assert_int_equal(d->gaps + d->lost + d->breaks, 0);
    assert_int_equal(c->clamped + c->rebased + c->early, 0);
    assert_in_range(d->worst_av + d->worst_file, 0, 40000);
    assert_in_range(d->worst_date, 0, 250000);
    for (int k = 0; k < 2; k++) {
        assert_in_range(d->segments[k], hours * 1800 - 3, hours * 1800);
        assert_in_range(d->shortest[k], 1975000, 2000000);
        assert_in_range(d->longest[k], 2000000, 2025000);
    }
    assert_in_range(d->most_segments, 10, 50);
}

/* All 24 hours: the last is as the first, nothing grew, nothing was lost. */
static inline void day_live(struct day *d, day_send *send)
{
    int64_t video = 0, audio = 0;

    day_run(d, DAY_HOUR_US, &video, &audio, send);
    size_t memory = day_memory();
    int64_t before = d->worst_date;
    day_check(d, 1);
    day_run(d, 24 * DAY_HOUR_US, &video, &audio, send);
    day_check(d, 24);
    assert_in_range(day_memory(), 0, memory + (256 << 10));
    assert_in_range(d->worst_date, 0, before + 100000);
    assert_int_equal(d->video, video);
    assert_int_equal(d->audio, audio);
}

#endif
