#include "tests/rtmp_bytes.h"

#include "tests/harness.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"
#include "core/media/bus.h"
#include "ingest/publisher.h"

/* A door of one channel, whose answer is given at once, later or never. */
struct world {
    struct loop *loop, *other;
    struct bus *bus;
    struct bus_subscriber *reader;
    struct publisher *asked;
    bool answer_now, answer_elsewhere;
    int64_t base_us;
    int attached, detached, ready, refused, kicked, frames, tracks;
    int refusal, wishes, wished;
    char reason[64];
    int64_t dts[16];
    uint8_t flags[16];
};

static struct world w;

static int authorise(const char *key, struct ingest_grant *out, void *arg)
{
    (void)arg;
    if (strcmp(key, "demo-key")) return ERR_DENIED;
    snprintf(out->channel, sizeof out->channel, "demo");
    return 0;
}

static void answer(void *arg)
{
    (void)arg;
    publisher_attached(w.asked, w.bus, w.base_us);
}

static void attach(struct publisher *p, void *arg)
{
    (void)arg;
    w.attached++;
    w.asked = p;
    if (w.answer_now) answer(NULL);
    if (w.answer_elsewhere) loop_post(w.other, answer, NULL);
}

static void detach(struct publisher *p, void *arg)
{
    (void)arg;
    assert_ptr_equal(p, w.asked);
    w.detached++;
}

static void on_ready(void *arg)
{
    (void)arg;
    assert_true(loop_is_here(w.loop));
    w.ready++;
}

static void on_refused(int err, void *arg)
{
    (void)arg;
    w.refused++;
    w.refusal = err;
}

static void on_kicked(const char *reason, void *arg)
{
    (void)arg;
    w.kicked++;
    snprintf(w.reason, sizeof w.reason, "%s", reason);
}

static void on_wake(void *arg)
{
    struct bus_event e;

    (void)arg;
    while (!bus_next(w.reader, &e)) {
        if (e.type == BUS_TRACK) w.tracks++;
        if (e.type != BUS_FRAME || w.frames == 16) continue;
        w.flags[w.frames] = e.v.frame->flags;
        w.dts[w.frames++] = e.v.frame->dts;
    }
}

static const struct ingest_door door = {
    .authorise = authorise, .attach = attach, .detach = detach};
static const struct publisher_events events = {on_ready, on_refused, on_kicked,
                                               NULL, NULL};

static bool begin(void)
{
    struct bus_conf conf = {.channel = "demo",
                            .window_us = 12000000,
                            .max_entries = 1024,
                            .max_bytes = 1 << 20};

    memset(&w, 0, sizeof w);
    if (loop_create(&w.loop, 0)) return false;
    conf.loop = w.loop;
    conf.origin_at = clock_mono_us();
    return !bus_create(&w.bus, &conf) &&
           !bus_subscribe(w.bus, &w.reader, BUS_FROM_NOW, on_wake, NULL);
}

static void end(void)
{
    bus_unsubscribe(&w.reader);
    if (w.bus) bus_unref(&w.bus);
    if (w.loop) loop_run_once(w.loop);
    loop_free(&w.loop);
}

static int open_publisher(struct publisher **p, const char *key)
{
    int err =
        publisher_create(p, &door, w.loop, "rtmp", "127.0.0.1:9", &events);

    if (!err) publisher_open(*p, key);
    return err;
}

static int give_video(struct publisher *p)
{
    struct track_info info = {.kind = TRACK_VIDEO, .codec = CODEC_H264};
    struct slice config = {NULL, test_avcc + 5, sizeof test_avcc - 5};

    return publisher_track(p, 0, &info, config);
}

static int give_frame(struct publisher *p, int64_t ms, bool key)
{
    struct publisher_frame f = {0, key, ms * 1000, ms * 1000, {0}};

    f.payload = (struct slice){NULL, test_idr + 5, sizeof test_idr - 5};
    return publisher_frame(p, &f);
}

static void test_from_key_to_bus(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    w.answer_now = true;
    if (open_publisher(&p, "demo-key")) goto out;
    assert_int_equal(w.ready, 1);
    assert_string_equal(publisher_grant(p)->channel, "demo");
    assert_int_equal(give_frame(p, 0, true), ERR_ORDER); /* no track */
    if (give_video(p)) goto out;
    assert_int_equal(give_frame(p, 500, false), 0); /* waits for a key */
    if (give_frame(p, 533, true)) goto out;
    if (give_frame(p, 567, false)) goto out;
    loop_run_once(w.loop);
    assert_int_equal(w.frames, 2);
    assert_int_equal(w.dts[0], 0);
    assert_int_equal(w.dts[1], 3000);
    assert_int_equal(w.flags[0], FRAME_KEY);
    assert_int_equal(w.flags[1], 0);
out:
    publisher_close(&p, "test");
    assert_int_equal(w.detached, w.ready);
    end();
}

static void test_a_track_that_is_gone_may_come_back(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    w.answer_now = true;
    if (open_publisher(&p, "demo-key") || give_video(p)) goto out;
    if (give_frame(p, 0, true)) goto out;
    publisher_track_gone(p, 0);
    publisher_track_gone(p, 0); /* told twice, or of none */
    publisher_track_gone(p, 15);
    publisher_track_gone(p, 16);
    assert_int_equal(give_frame(p, 33, false), ERR_ORDER);
    if (give_video(p)) goto out;
    assert_int_equal(give_frame(p, 67, false), 0); /* waits for a key */
    if (give_frame(p, 100, true)) goto out;
    loop_run_once(w.loop);
    assert_int_equal(w.frames, 2);
out:
    publisher_close(&p, "test");
    end();
}

static void test_returning_publisher_breaks_the_line(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    w.answer_now = true;
    w.base_us = 7000000;
    if (open_publisher(&p, "demo-key")) goto out;
    if (give_video(p)) goto out;
    if (give_frame(p, 40, true)) goto out;
    loop_run_once(w.loop);
    assert_int_equal(w.dts[0], 630000);
    assert_int_equal(w.flags[0], FRAME_KEY | FRAME_DISCONTINUITY);
out:
    publisher_close(&p, "test");
    end();
}

static void test_wrong_key_never_reaches_the_door(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    if (open_publisher(&p, "nope")) goto out;
    assert_int_equal(w.refused, 1);
    assert_int_equal(w.refusal, ERR_DENIED);
    assert_int_equal(w.attached, 0);
    assert_int_equal(give_video(p), ERR_ORDER);
out:
    publisher_close(&p, "test");
    assert_int_equal(w.detached, 0);
    end();
}

static void test_the_door_refuses_later(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    if (open_publisher(&p, "demo-key")) goto out;
    assert_int_equal(w.ready + w.refused, 0);
    publisher_refused(w.asked, ERR_BUSY);
    assert_int_equal(w.refused, 1);
    assert_int_equal(w.refusal, ERR_BUSY);
out:
    publisher_close(&p, "test");
    assert_int_equal(w.detached, 0);
    end();
}

/* The connection went while the door was thinking: its answer finds nobody
 * and is handed straight back. */
static void test_closed_before_the_answer(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    if (open_publisher(&p, "demo-key")) goto out;
    publisher_close(&p, "gone");
    assert_int_equal(w.detached, 0);
    publisher_attached(w.asked, w.bus, 0);
    assert_int_equal(w.detached, 1);
    assert_int_equal(w.ready, 0);
out:
    publisher_close(&p, "test");
    end();
}

static void test_kick_comes_by_mail_and_once(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    w.answer_now = true;
    if (open_publisher(&p, "demo-key")) goto out;
    publisher_kick(p, "taken over");
    publisher_kick(p, "again");
    assert_int_equal(w.kicked, 0);
    loop_run_once(w.loop);
    if (!w.kicked) goto out; /* memory */
    assert_int_equal(w.kicked, 1);
    assert_int_equal(give_video(p), ERR_ORDER);
    publisher_kick(p, "while closing");
    publisher_close(&p, "kicked");
    assert_int_equal(w.detached, 1);
    loop_run_once(w.loop);
    assert_int_equal(w.kicked, 1);
out:
    publisher_close(&p, "test");
    end();
}

/* The key was revoked while the door was thinking. */
static void test_a_kick_waits_for_the_answer(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    if (open_publisher(&p, "demo-key")) goto out;
    publisher_kick(p, "revoked");
    loop_run_once(w.loop);
    assert_int_equal(w.kicked, 0);
    publisher_attached(w.asked, w.bus, 0);
    assert_int_equal(w.ready, 1);
    loop_run_once(w.loop);
    if (!w.kicked) goto out; /* memory */
    assert_string_equal(w.reason, "revoked");
    publisher_close(&p, "kicked");
    assert_int_equal(w.detached, 1);
out:
    publisher_close(&p, "test");
    end();
}

static void test_a_kick_that_no_answer_follows(void **state)
{
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    if (open_publisher(&p, "demo-key")) goto out;
    publisher_kick(p, "revoked");
    loop_run_once(w.loop);
    publisher_close(&p, "gone");
    publisher_refused(w.asked, ERR_NOMEM);
    assert_int_equal(w.kicked, 0);
out:
    publisher_close(&p, "test");
    end();
}

static void on_key_wanted(int slot, void *arg)
{
    (void)arg;
    w.wishes++;
    w.wished = slot;
}

static void test_wishes_reach_who_can_ask(void **state)
{
    struct publisher_events asking = events;
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    w.answer_now = true;
    asking.on_key_wanted = on_key_wanted;
    if (publisher_create(&p, &door, w.loop, "whip", "x", &asking)) goto out;
    publisher_open(p, "demo-key");
    if (give_video(p)) goto out;
    bus_ask_key(w.bus, TRACK_SOURCE_FIRST + 3); /* no such track */
    bus_ask_key(w.bus, TRACK_RENDITION_FIRST);  /* the ladder's */
    bus_ask_key(w.bus, TRACK_SOURCE_FIRST);
    assert_int_equal(w.wishes, 0); /* by mail */
    loop_run_once(w.loop);
    if (!w.wishes) goto out; /* memory */
    assert_int_equal(w.wishes, 1);
    assert_int_equal(w.wished, 0);
    publisher_kick(p, "taken over");
    bus_ask_key(w.bus, TRACK_SOURCE_FIRST);
    loop_run_once(w.loop);
    publisher_close(&p, "kicked");
    bus_ask_key(w.bus, TRACK_SOURCE_FIRST);
    loop_run_once(w.loop);
    assert_int_equal(w.wishes, 1);
out:
    publisher_close(&p, "test");
    end();
}

static void test_who_is_over_a_limit_is_sent_away(void **state)
{
    struct ingest_door narrow = door;
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    w.answer_now = true;
    narrow.limits.pixels = 100;
    if (publisher_create(&p, &narrow, w.loop, "rtmp", "x", &events)) goto out;
    publisher_open(p, "demo-key");
    if (give_video(p) != ERR_LIMIT) goto out; /* memory */
    assert_int_equal(w.kicked, 0);
    assert_int_equal(give_video(p), ERR_LIMIT);
    loop_run_once(w.loop);
    if (!w.kicked) goto out; /* memory */
    assert_int_equal(w.kicked, 1);
    assert_non_null(strstr(w.reason, "limits.source_pixels: "));
    publisher_close(&p, w.reason);

    narrow.limits = (struct life_limits){.bitrate_bps = 8};
    if (publisher_create(&p, &narrow, w.loop, "rtmp", "x", &events)) goto out;
    publisher_open(p, "demo-key");
    if (give_video(p)) goto out;
    assert_int_equal(give_frame(p, 0, true), ERR_LIMIT);
    loop_run_once(w.loop);
    if (w.kicked == 1) goto out; /* memory */
    assert_string_equal(w.reason, "limits.source_kbps: more than 0 kbit/s");
out:
    publisher_close(&p, "test");
    end();
}

static void stop_both(void *arg)
{
    (void)arg;
    loop_stop(w.loop);
}

static void on_ready_stop(void *arg)
{
    on_ready(arg);
    loop_post(w.loop, stop_both, NULL);
}

static void test_answer_from_another_thread(void **state)
{
    struct publisher_events stopping = events;
    struct publisher *p = NULL;

    (void)state;
    if (!begin() || loop_create(&w.other, 1)) goto out;
    if (loop_start(w.other)) goto out;
    loop_run_once(w.loop); /* from now on this thread owns it */
    w.answer_elsewhere = true;
    stopping.on_ready = on_ready_stop;
    if (!publisher_create(&p, &door, w.loop, "rtmp", "x", &stopping) &&
        !getenv("LECTERN_ALLOC_FAIL")) {
        publisher_open(p, "demo-key");
        loop_run(w.loop);
        assert_int_equal(w.ready, 1);
        publisher_close(&p, "test");
        assert_int_equal(w.detached, 1);
    }
    loop_stop(w.other);
    loop_join(w.other);
out:
    publisher_close(&p, "test");
    loop_free(&w.other);
    end();
}

static void test_bad_tracks(void **state)
{
    struct track_info info = {.kind = TRACK_VIDEO, .codec = CODEC_NONE};
    struct slice none = {0};
    struct publisher *p = NULL;

    (void)state;
    if (!begin()) goto out;
    w.answer_now = true;
    if (open_publisher(&p, "demo-key")) goto out;
    assert_int_equal(publisher_track(p, 0, &info, none), ERR_UNSUPPORTED);
    info.codec = CODEC_H264;
    assert_int_equal(publisher_track(p, 0, &info, none), ERR_SYNTAX);
    assert_int_equal(publisher_track(p, 16, &info, none), ERR_RANGE);
    assert_int_equal(publisher_track(p, -1, &info, none), ERR_RANGE);
out:
    publisher_close(&p, "test");
    end();
}

static int32_t live_priority(const char *channel, void *arg)
{
    (void)arg;
    return strcmp(channel, "demo") ? 0 : 5;
}

static bool is_guarded(const char *channel, void *arg)
{
    (void)channel;
    (void)arg;
    return true;
}

/* In two steps: the first takes nothing. */
static void test_admitted_is_not_attached(void **state)
{
    static const struct {
        const char *key;
        int32_t priority;
        int err;
    } cases[] = {
        {"wrong", 9, ERR_DENIED},
        {"demo-key", 4, ERR_EXISTS},
        {"demo-key", 5, ERR_BUSY},
        {"demo-key", 6, 0},
    };
    struct ingest_door wary = door;
    struct publisher *p = NULL;

    (void)state;
    wary.live_priority = live_priority;
    wary.guarded = is_guarded;
    if (!begin()) fail();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            publisher_create(&p, &wary, w.loop, "whip", "peer", &events), 0);
        publisher_set_priority(p, cases[i].priority);
        int err = publisher_admit(p, cases[i].key);
        if (err) publisher_close(&p, "");
        assert_int_equal(err, cases[i].err);
    }
    assert_int_equal(w.attached + w.refused, 0);
    w.answer_now = true;
    publisher_enter(p);
    assert_int_equal(w.attached, 1);
    assert_int_equal(w.ready, 1);
    publisher_close(&p, "");
    assert_int_equal(w.detached, 1);
    /* Who is admitted and goes owes nothing. */
    assert_int_equal(
        publisher_create(&p, &door, w.loop, "whip", "peer", &events), 0);
    assert_int_equal(publisher_admit(p, "demo-key"), 0);
    publisher_close(&p, "");
    assert_int_equal(w.attached, 1);
    end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_admitted_is_not_attached),
    cmocka_unit_test(test_from_key_to_bus),
    cmocka_unit_test(test_a_track_that_is_gone_may_come_back),
    cmocka_unit_test(test_returning_publisher_breaks_the_line),
    cmocka_unit_test(test_wrong_key_never_reaches_the_door),
    cmocka_unit_test(test_the_door_refuses_later),
    cmocka_unit_test(test_closed_before_the_answer),
    cmocka_unit_test(test_kick_comes_by_mail_and_once),
    cmocka_unit_test(test_a_kick_waits_for_the_answer),
    cmocka_unit_test(test_a_kick_that_no_answer_follows),
    cmocka_unit_test(test_wishes_reach_who_can_ask),
    cmocka_unit_test(test_who_is_over_a_limit_is_sent_away),
    cmocka_unit_test(test_answer_from_another_thread),
    cmocka_unit_test(test_bad_tracks),
};
HARNESS_MAIN(tests)
