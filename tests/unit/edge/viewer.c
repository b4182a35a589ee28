#include "edge/viewer.h"

#include "core/loop/loop.h"
#include "tests/avc_configs.h"
#include "tests/rtc_world.h"
#include "tests/sdp_file.h"

/* What a viewer is before its transport is up; the rest of its life is told
 * by tests/protocol/whep.c. */
enum { TOP = 64, LOW = 66 };

static const uint8_t picture[] = {0, 0, 0, 3, 0x65, 1, 2};

struct place {
    struct world w;
    struct bus *bus;
    struct feed *feed;
    struct viewer_room room;
    struct viewer *viewer;
    struct browser *guest; /* NULL: nobody comes */
    int64_t pts;
    int64_t silent_us; /* so long ago it was heard, by the clock that the viewer
                          is told; 0: the real one */
    int asked[256], connected;
};

static void nothing(void *arg)
{
    (void)arg;
}

static int64_t now_of(struct place *p)
{
    if (!p->silent_us) return loop_now(p->w.loop);
    return rtc_peer_heard_at(viewer_peer(p->viewer)) + p->silent_us;
}

static void on_unit(int index, struct unit *u, void *arg)
{
    struct place *p = arg;

    if (p->guest) viewer_unit(p->viewer, index, u, now_of(p));
}

static void on_connected(struct viewer *v, void *arg)
{
    (void)v;
    ((struct place *)arg)->connected++;
}

static void on_closed(struct viewer *v, const char *reason, void *arg)
{
    (void)v;
    (void)reason;
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
    struct feed_events events = {on_unit, nothing, nothing, p};

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
    if (p->guest) browser_free(p->guest);
    viewer_room_release(&p->room);
    feed_free(&p->feed);
    loop_run_once(p->w.loop);
    bus_unlisten(p->bus, asked, p);
    bus_unref(&p->bus);
    world_close(&p->w);
    free(p);
    return 0;
}

static void film(struct place *p, uint8_t id, bool key)
{
    struct frame f = {.track_id = id,
                      .flags = key ? FRAME_KEY : 0,
                      .dts = p->pts,
                      .pts = p->pts,
                      .payload = {.data = picture, .len = sizeof picture}};
    struct frame *frame = NULL;

    p->pts += 3000;
    assert_int_equal(frame_create(&frame, &f), 0);
    int err = bus_append(p->bus, frame);
    frame_unref(&frame);
    assert_int_equal(err, 0);
    loop_run_once(p->w.loop);
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
    struct slice config = {.data = avcc_brief, .len = sizeof avcc_brief};
    struct track *t = NULL;

    snprintf(info.name, sizeof info.name, "%s", name);
    assert_int_equal(track_create(&t, &info, config), 0);
    int err = bus_track(p->bus, t);
    track_unref(&t);
    assert_int_equal(err, 0);
    film(p, id, true);
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
                               .asked_at = loop_now(p->w.loop),
                               .events = {on_connected, on_closed, p}};

    assert_int_equal(sdp_parse(&offer, text, len, why), 0);
    int err = rtc_negotiate_play(&n, offer, true, true, 77, why);
    sdp_free(&offer);
    assert_int_equal(err, 0);
    if (p->guest) {
        n.remote = *rtc_client_credentials(p->guest->client);
        rtc_client_fingerprint(p->guest->client, &n.fingerprint);
    }
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

/* --- one who vanishes ----------------------------------------------------- */

static void tick(struct place *p)
{
    struct selector_rung rungs[SELECTOR_RUNGS_MAX];
    int count = feed_ladder(p->feed, now_of(p), rungs);

    viewer_tick(p->viewer, rungs, count, now_of(p));
    rtc_host_flush(p->w.host);
}

/* A guest who is shown pictures. */
static void join(struct place *p)
{
    struct rtc_fingerprint f;

    p->guest = calloc(1, sizeof *p->guest);
    assert_non_null(p->guest);
    p->guest->world = &p->w;
    timer_init(&p->guest->tick, p->w.loop, browser_turn, p->guest);
    struct rtc_client_conf client = {.identity = p->w.theirs,
                                     .send = browser_send,
                                     .on_connected = browser_is_connected,
                                     .on_media = browser_got,
                                     .arg = p->guest};
    assert_int_equal(rtc_client_create(&p->guest->client, &client), 0);
    assert_int_equal(begin(p, ""), 0);
    assert_true(
        rtc_client_parse_fingerprint(&f, rtc_host_fingerprint(p->w.host)));
    browser_bind(p->guest);
    rtc_client_start(p->guest->client,
                     rtc_peer_credentials(viewer_peer(p->viewer)), &f,
                     clock_mono_us());
    browser_turn(p->guest);
    WORLD_UNTIL(&p->w, p->connected && p->guest->connected);
    film(p, TOP, true);
}

static int64_t sent(struct place *p)
{
    tick(p);
    return metric_count(p->room.packets);
}

static bool shows_nothing(struct place *p)
{
    char text[2048];

    describe(p, text, sizeof text);
    return strstr(text, "{\"rendition\":\"\"") != NULL;
}

static void test_who_vanished_is_sent_nothing(void **state)
{
    static const uint8_t report[] = {0x80, 201, 0, 1, 0, 0, 0, 99};
    struct place *p = *state;

    add(p, TOP, "720p");
    join(p);
    assert_true(sent(p) > 0);
    p->silent_us = VIEWER_AWAY_US - 1;
    int64_t before = sent(p);
    film(p, TOP, false);
    assert_true(sent(p) > before);
    assert_false(shows_nothing(p));
    p->silent_us = VIEWER_AWAY_US;
    before = sent(p);
    assert_true(shows_nothing(p));
    assert_int_equal(metric_count(p->room.away), 1);
    int asked_before = p->asked[TOP];
    for (int i = 0; i < 5; i++) {
        film(p, TOP, i == 2);
        p->silent_us += VIEWER_TICK_US;
        assert_int_equal(sent(p), before);
    }
    assert_int_equal(p->asked[TOP], asked_before); /* for nobody */
    /* It is back: from a keyframe on, which is asked for. */
    p->silent_us = 0;
    rtc_client_send_rtcp(p->guest->client, report, sizeof report);
    int64_t heard = rtc_peer_heard_at(viewer_peer(p->viewer));
    WORLD_UNTIL(&p->w, rtc_peer_heard_at(viewer_peer(p->viewer)) > heard);
    sent(p);
    loop_run_once(p->w.loop);
    assert_true(p->asked[TOP] > asked_before);
    before = sent(p);
    film(p, TOP, false);
    assert_int_equal(sent(p), before);
    film(p, TOP, true);
    assert_true(sent(p) > before);
    assert_false(shows_nothing(p));
}

static void test_a_check_is_a_word_too(void **state)
{
    struct place *p = *state;

    add(p, TOP, "720p");
    join(p);
    p->silent_us = VIEWER_AWAY_US;
    sent(p);
    assert_true(shows_nothing(p));
    int answered = rtc_client_answered(p->guest->client);
    rtc_client_check(p->guest->client, true);
    WORLD_UNTIL(&p->w, rtc_client_answered(p->guest->client) > answered);
    p->silent_us = 0;
    int64_t before = sent(p);
    film(p, TOP, true);
    assert_true(sent(p) > before);
    assert_int_equal(metric_count(p->room.away), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
    CASE(test_answer),
    CASE(test_a_keyframe_is_asked_for_at_once),
    CASE(test_pins),
    CASE(test_who_vanished_is_sent_nothing),
    CASE(test_a_check_is_a_word_too),
};
HARNESS_MAIN(tests)
