/* tests/fuzz/line.c — any publishers one after another, as ingest lets them
 * through: pictures and sounds that come, go, pause, change and are another
 * kind with the next one. The ladder without its child, the packager, the
 * playlists. Renditions keep their order, their codec's bytes and their marks;
 * the list of them keeps its rules. With LINE_LINT set their own lists must
 * keep theirs, too: what that finds is for people to judge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "packager/lint.h"
#include "packager/packager.h"
#include "packager/playlist.h"
#include "tests/avc_configs.h"
#include "transcode/transcode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MARKED_AT = 6 }; /* in a payload: its codec */
enum { SLOTS = 10, ACTIONS_MAX = 200, STEP = 3003, STEPS_MAX = 150 };

static const uint8_t stereo_48[] = {0x11, 0x90}, mono_44[] = {0x12, 0x08};

struct source {
    bool there, mute, broken, told, shown, fresh;
    enum track_kind kind;
    enum codec codec;
    uint32_t rate;
    int gop, offset; /* frames */
    int64_t end;     /* ticks: where sound goes on */
};

struct rendition {
    bool there, begun;
    enum codec codec;
    uint32_t rate;
    int64_t last;
};

struct line {
    struct bus *bus;
    struct bus_subscriber *reader;
    struct store *store;
    struct source sources[SLOTS];
    int64_t now, frame; /* 90 kHz */
    struct rendition renditions[TRACK_ID_LAST + 1];
    bool marked, gone, returns, firsts[2];
    struct mark mark;
};

/* --- what came out -------------------------------------------------------- */

static void check_frame(struct line *l, const struct frame *f)
{
    struct rendition *r = &l->renditions[f->track_id];

    if (f->track_id < TRACK_RENDITION_FIRST) return;
    INVARIANT(r->there);
    INVARIANT(!r->begun || f->dts > r->last);
    INVARIANT(f->payload.len > MARKED_AT &&
              f->payload.data[MARKED_AT] == (uint8_t)r->codec);
    r->begun = true;
    r->last = f->dts;
}

static void check_mark(struct line *l, const struct mark *m)
{
    INVARIANT(!l->marked || m->msn == l->mark.msn + 1);
    INVARIANT(!l->marked || m->pts > l->mark.pts);
    l->marked = true;
    l->mark = *m;
}

static void on_wake(void *arg)
{
    struct line *l = arg;
    struct bus_event e;

    while (!bus_next(l->reader, &e)) {
        if (e.type == BUS_FRAME) check_frame(l, e.v.frame);
        if (e.type == BUS_MARK) check_mark(l, &e.v.mark);
        if (e.type != BUS_TRACK || !track_is_rendition(e.v.track)) continue;
        struct rendition *r = &l->renditions[track_info(e.v.track)->id];
        r->there = true;
        r->codec = track_info(e.v.track)->codec;
        r->begun &= r->rate == track_info(e.v.track)->timescale;
        r->rate = track_info(e.v.track)->timescale;
    }
}

static void on_event(struct store_event *e, void *arg)
{
    struct line *l = arg;
    struct store_change change;

    store_apply(l->store, e, &change);
}

static void on_found(const char *rule, const char *section, bool must,
                     const char *detail, void *arg)
{
    (void)arg;
    if (!must) return;
    fprintf(stderr, "%s (%s): %s\n", rule, section, detail);
    abort();
}

static void check_lists(struct line *l)
{
    struct lint lint = {.found = on_found};
    struct builder b;
    struct m3u8 *list;

    if (!l->store->listed) return;
    builder_init(&b, 1 << 20);
    playlist_multivariant(&b, l->store);
    INVARIANT(!b.err);
    INVARIANT(!m3u8_parse(&list, (const char *)builder_data(&b), b.len));
    lint_multivariant(&lint, list);
    m3u8_free(&list);
    builder_release(&b);
    for (int i = 0; i < STORE_RENDITIONS_MAX; i++) {
        if (!(l->store->listed >> i & 1)) continue;
        builder_init(&b, 1 << 20);
        playlist_media(&b, l->store, &l->store->renditions[i], false);
        INVARIANT(!b.err);
        INVARIANT(!m3u8_parse(&list, (const char *)builder_data(&b), b.len));
        if (getenv("LINE_LINT")) lint_media(&lint, list);
        m3u8_free(&list);
        builder_release(&b);
    }
}

/* --- what goes in --------------------------------------------------------- */

static struct slice config_of(enum codec codec, bool other)
{
    struct slice s = {0};

    if (codec == CODEC_H264)
        s = other ? (struct slice){NULL, avcc_full_colour,
                                   sizeof avcc_full_colour}
                  : (struct slice){NULL, avcc_180p, sizeof avcc_180p};
    if (codec == CODEC_AAC)
        s = other ? (struct slice){NULL, stereo_48, sizeof stereo_48}
                  : (struct slice){NULL, mono_44, sizeof mono_44};
    struct buf *b;
    if (!s.len) return s;
    INVARIANT(!buf_create(&b, s.data, s.len));
    return slice_take(&b);
}

/* Slot 0 is a picture, 1 a sound, others what their publisher said first; of
 * those none is the first of its kind. */
static void tell(struct line *l, int slot, uint8_t how)
{
    static const uint32_t sizes[] = {1080, 720, 700, 480, 360, 180, 90, 8};
    static const char *const languages[] = {"", "de", "en", "und"};
    struct source *s = &l->sources[slot];
    bool other = how & 64;

    if (!s->told)
        s->kind =
            slot == 0 || (slot > 1 && how & 128) ? TRACK_VIDEO : TRACK_AUDIO;
    bool video = s->kind == TRACK_VIDEO;
    if (slot > 1 && !l->firsts[video]) return;
    if (slot < 2) l->firsts[video] = true;
    s->codec = video ? (how & 32 ? CODEC_HEVC : CODEC_H264)
                     : (how & 32 ? CODEC_OPUS : CODEC_AAC);
    uint32_t was = s->rate;
    s->rate = video                    ? VIDEO_TIMESCALE
              : s->codec == CODEC_OPUS ? 48000
              : other                  ? 48000
                                       : 44100;
    if (was) s->end = s->end * s->rate / was;
    struct track_info info = {.id = (uint8_t)(TRACK_SOURCE_FIRST + slot),
                              .kind = s->kind,
                              .codec = s->codec,
                              .timescale = s->rate};
    if (video) {
        info.height = sizes[how & 7];
        info.width = info.height * 16 / 9;
        info.fps_num = how & 8 ? 30000 : 0;
        info.fps_den = how & 8 ? 1001 : 0;
    } else {
        info.sample_rate = s->rate;
        info.channels = other ? 2 : 1;
        snprintf(info.language, sizeof info.language, "%s", languages[how & 3]);
    }
    struct slice config = config_of(s->codec, other);
    struct track *t;
    INVARIANT(!track_create(&t, &info, config));
    slice_unref(&config);
    bus_track(l->bus, t);
    track_unref(&t);
    s->broken |= !s->told && l->returns;
    s->there = s->told = s->fresh = true;
    if (!s->gop) s->gop = 60;
}

static void give(struct line *l, int slot, int64_t dts, int64_t duration,
                 bool key)
{
    struct source *s = &l->sources[slot];
    uint8_t type =
        s->codec == CODEC_HEVC ? (key ? 19 << 1 : 1 << 1) : (key ? 0x65 : 0x41);
    uint8_t bytes[MARKED_AT + 1] = {0, 0, 0, 3, type, 1, (uint8_t)s->codec};
    struct frame f = {.track_id = (uint8_t)(TRACK_SOURCE_FIRST + slot),
                      .flags = key ? FRAME_KEY : 0,
                      .dts = dts,
                      .pts = dts,
                      .duration = duration};
    struct frame *made;
    struct buf *b;

    if (s->broken) f.flags |= FRAME_DISCONTINUITY;
    s->broken = false;
    INVARIANT(!buf_create(&b, bytes, sizeof bytes));
    f.payload = slice_take(&b);
    INVARIANT(!frame_create(&made, &f));
    bus_append(l->bus, made);
    frame_unref(&made);
}

static void give_sound(struct line *l, int slot)
{
    struct source *s = &l->sources[slot];
    int64_t at = l->now * s->rate / VIDEO_TIMESCALE;
    int64_t n = s->codec == CODEC_OPUS ? 960 : 1024;

    if (s->end < at - (int64_t)s->rate / 10) s->end = at;
    for (; s->end <= at; s->end += n)
        give(l, slot, s->end, n, true);
}

static bool gives(const struct source *s)
{
    return s->there && !s->mute;
}

/* Where the first of both kinds are gone, or the picture is there and shows
 * nothing yet, nothing says where segments end. */
static void step(struct line *l)
{
    bool lost = !gives(&l->sources[1]) &&
                (!gives(&l->sources[0]) || !l->sources[0].shown);

    for (int i = 0; i < SLOTS; i++) {
        if (lost && i > 1) continue;
        struct source *s = &l->sources[i];
        if (!gives(s)) continue;
        if (s->kind == TRACK_AUDIO) {
            give_sound(l, i);
            continue;
        }
        bool key = s->fresh || (l->frame + s->offset) % s->gop == 0;
        s->fresh = false;
        give(l, i, l->now, STEP, key);
        s->shown |= key;
    }
    l->now += STEP;
    l->frame++;
}

static void leave(struct line *l, enum bus_event_type type)
{
    memset(l->sources, 0, sizeof l->sources);
    l->gone = type == BUS_GONE;
    l->returns = true;
    bus_signal(l->bus, type);
    l->now += STEP * 30;
}

/* A jump of the clock, as ingest takes it: more than 3 s. Not of sound alone,
 * where one in the very beginning is taken for its usual distance. */
static void pause_all(struct line *l, int steps)
{
    if (!l->sources[0].shown || steps < 90) return;
    l->now += (int64_t)steps * STEP;
    for (int i = 0; i < SLOTS; i++) {
        l->sources[i].broken |= l->sources[i].there;
        l->sources[i].fresh = true;
    }
}

static void act(struct line *l, const uint8_t *a)
{
    struct source *s = &l->sources[a[1] % SLOTS];

    switch (a[0] % 10) {
    case 0:
    case 1:
    case 2:
        for (int i = 0; i <= a[1] % STEPS_MAX; i++)
            step(l);
        break;
    case 3:
    case 4:
        if (!l->gone) tell(l, a[1] % SLOTS, a[2]);
        break;
    case 5: s->mute = !s->mute; break;
    case 6: leave(l, BUS_GONE); break;
    case 7:
    case 8: leave(l, BUS_BACK); break;
    default:
        if (a[2] & 1) s->gop = 1 + a[2] / 2 % 60; /* never over 2 s */
        if (a[2] & 2) s->offset = a[2] / 4;
        if (!(a[2] & 3)) pause_all(l, a[2]);
        break;
    }
}

static void run(struct line *l, struct loop *loop, const uint8_t *data,
                size_t len)
{
    struct bus_conf bc = {.loop = loop, .channel = "c", .generation = 1};
    struct packager_conf pc = {.on_event = on_event, .arg = l};
    struct transcode_conf tc = {
        .type = data[0] & 1 ? CHANNEL_BASIC : CHANNEL_STANDARD,
        .first_msn = 100,
        .worker_path = data[0] & 2 ? "/nowhere" : NULL,
        .opus = data[0] & 4,
        .realtime = data[0] & 8,
        .hint_gop_us = data[0] & 16 ? 2002000 : 0,
    };
    struct packager *p;
    struct transcode *t;

    INVARIANT(!store_create(&l->store, "c", 1, NULL, NULL));
    INVARIANT(!bus_create(&l->bus, &bc));
    INVARIANT(!packager_create(&p, l->bus, &pc));
    INVARIANT(!transcode_create(&t, l->bus, &tc));
    INVARIANT(!bus_subscribe(l->bus, &l->reader, BUS_FROM_NOW, on_wake, l));
    for (size_t i = 1; i + 3 <= len && i < 3 * ACTIONS_MAX; i += 3) {
        act(l, data + i);
        check_lists(l);
        loop_run_once(loop);
    }
    bus_signal(l->bus, BUS_END);
    check_lists(l);
    bus_unsubscribe(&l->reader);
    transcode_free(&t);
    packager_free(&p);
    bus_unref(&l->bus);
    store_free(&l->store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct line *l;
    struct loop *loop;

    if (!len) return 0;
    log_setup(LOG_ERROR, 2);
    l = calloc(1, sizeof *l);
    INVARIANT(l && !loop_create(&loop, 0));
    run(l, loop, data, len);
    loop_free(&loop);
    free(l);
    return 0;
}
