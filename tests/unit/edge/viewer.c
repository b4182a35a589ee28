#include "edge/viewer.h"

#include "core/loop/loop.h"
#include "tests/rtc_world.h"
#include "tests/sdp_file.h"

/* What a viewer is before its transport is up; the rest of its life is told
 * by tests/protocol/whep.c. */
enum { TOP = 64, LOW = 66 };

static const uint8_t avcc[] = {1, 77,   0x40, 31,   0xff, 0xe1, 0,
                               6, 0x67, 77,   0x40, 31,   0xde, 0xad,
                               1, 0,    4,    0x68, 0xce, 0x3c, 0x80};
static const uint8_t picture[] = {0, 0, 0, 3, 0x65, 1, 2};

struct place {
    struct world w;
    struct bus *bus;
    struct feed *feed;
    struct viewer_room room;
    struct viewer *viewer;
    int asked[256];
};

static void nothing(void *arg)
{
    (void)arg;
}

static void no_unit(int index, struct unit *u, void *arg)
{
    (void)index;
    (void)u;
    (void)arg;
}

static void asked(uint8_t id, void *arg)
{
    ((struct place *)arg)->asked[id]++;
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct bus_conf bus = {.channel = "demo", .max_entries = 64};
    struct feed_events events = {no_unit, nothing, nothing, p};

    if (!p) return -1;
    *state = p;
    world_open(&p->w, NULL);
    bus.loop = p->w.loop;
    assert_int_equal(bus_create(&p->bus, &bus), 0);
    assert_int_equal(bus_listen(p->bus, asked, p), 0);
    assert_int_equal(feed_create(&p->feed, p->w.loop, p->bus, &events), 0);
    loop_run_once(p->w.loop); /* the tap is on the bus */
    assert_int_equal(viewer_room_init(&p->room, p->w.host, p->w.metrics), 0);
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    viewer_free(&p->viewer, "test ends");
    viewer_room_release(&p->room);
    feed_free(&p->feed);
    loop_run_once(p->w.loop);
    bus_unlisten(p->bus, asked, p);
    bus_unref(&p->bus);
    world_close(&p->w);
    free(p);
    return 0;
}

static void add(struct place *p, uint8_t id, const char *name)
{
    struct track_info info = {.id = id,
                              .kind = TRACK_VIDEO,
                              .codec = CODEC_H264,
                              .timescale = 90000,
                              .width = id == TOP ? 1280 : 640,
                              .height = id == TOP ? 720 : 360,
                              .bitrate_bps = id == TOP ? 2800000 : 700000};
    struct slice config = {.data = avcc, .len = sizeof avcc};
    struct frame f = {.track_id = id,
                      .flags = FRAME_KEY,
                      .payload = {.data = picture, .len = sizeof picture}};
    struct track *t = NULL;
    struct frame *frame = NULL;

    snprintf(info.name, sizeof info.name, "%s", name);
    assert_int_equal(track_create(&t, &info, config), 0);
    int err = bus_track(p->bus, t);
    track_unref(&t);
    assert_int_equal(err, 0);
    assert_int_equal(frame_create(&frame, &f), 0);
    err = bus_append(p->bus, frame);
    frame_unref(&frame);
    assert_int_equal(err, 0);
    loop_run_once(p->w.loop);
}

static int begin(struct place *p, const char *rendition)
{
    static char text[SDP_FILE_MAX];
    struct rtc_negotiated n;
    struct sdp *offer = NULL;
    char why[160];
    size_t len = sdp_file("chromium_play", text);
    struct viewer_conf conf = {.room = &p->room,
                               .feed = p->feed,
                               .negotiated = &n,
                               .rendition = rendition,
                               .address = "10.0.0.1",
                               .asked_at = loop_now(p->w.loop)};

    assert_int_equal(sdp_parse(&offer, text, len, why), 0);
    int err = rtc_negotiate_play(&n, offer, true, true, 77, why);
    sdp_free(&offer);
    assert_int_equal(err, 0);
    return viewer_create(&p->viewer, &conf);
}

static void describe(struct place *p, char *out, size_t size)
{
    struct builder b;

    builder_init(&b, size - 1);
    viewer_describe(p->viewer, loop_now(p->w.loop), &b);
    snprintf(out, size, "%.*s", (int)b.len, (const char *)builder_data(&b));
    builder_release(&b);
}

static void test_answer(void **state)
{
    struct place *p = *state;
    struct rtc_answer a = {0};

    add(p, TOP, "720p");
    assert_int_equal(begin(p, ""), 0);
    viewer_answer(p->viewer, &a);
    assert_true(a.video_ssrc && a.rtx_ssrc && a.audio_ssrc);
    assert_true(a.video_ssrc != a.rtx_ssrc && a.video_ssrc != a.audio_ssrc);
    assert_int_equal(strlen(a.cname), 16);
    assert_true(strlen(a.local->pwd) >= 22);
    /* The keyframe is asked for while keys are exchanged. */
    loop_run_once(p->w.loop);
    assert_int_equal(p->asked[TOP], 0); /* it has one of just now */
}

static void test_a_keyframe_is_asked_for_at_once(void **state)
{
    struct place *p = *state;

    add(p, TOP, "720p");
    /* Nothing to begin with is left: the next is needed. */
    feed_apply(p->feed, &(struct bus_event){.type = BUS_LOST});
    assert_int_equal(begin(p, "720p"), 0);
    loop_run_once(p->w.loop);
    assert_int_equal(p->asked[TOP], 1);
}

static void test_pins(void **state)
{
    struct place *p = *state;
    int64_t now = loop_now(p->w.loop);
    char text[2048];

    add(p, TOP, "720p");
    add(p, LOW, "360p");
    assert_int_equal(begin(p, "\"},x"), 0); /* no name: pins nothing */
    describe(p, text, sizeof text);
    assert_non_null(strstr(text, "\"auto\":true,\"pinned\":\"\""));
    assert_non_null(strstr(text, "{\"name\":\"720p\",\"width\":1280"));
    assert_non_null(strstr(text, ",{\"name\":\"360p\",\"width\":640"));
    assert_int_equal(viewer_pin(p->viewer, "480p", now), ERR_NOTFOUND);
    assert_int_equal(viewer_pin(p->viewer, "360p", now), 0);
    describe(p, text, sizeof text);
    assert_non_null(strstr(text, "\"auto\":false,\"pinned\":\"360p\""));
    assert_int_equal(viewer_pin(p->viewer, "auto", now), 0);
    describe(p, text, sizeof text);
    assert_non_null(strstr(text, "\"auto\":true"));
    /* Without a transport a tick does nothing. */
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    int count = feed_ladder(p->feed, now, rungs);
    viewer_tick(p->viewer, rungs, count, now);
    assert_int_equal(metric_count(p->room.packets), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
    CASE(test_answer),
    CASE(test_a_keyframe_is_asked_for_at_once),
    CASE(test_pins),
};
HARNESS_MAIN(tests)
